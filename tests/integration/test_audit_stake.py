"""`crux stake --audits` and `--leave`, `crux register --retire --for`, `crux settle`, `cancel`."""

import pytest

from offchain.chain.anvil import pass_time
from offchain.chain.client import Chain
from offchain.chain.deployment import LOCAL, read_deployment
from offchain.chain.network import Network, from_provider
from offchain.chain.records import Address, ClaimId, TaskStatus
from offchain.demo import acts
from offchain.store.bundles import Roots
from protocol.types import Wei
from tests.economy import compute_claim_tree, compute_hash
from tests.terminal import Terminal, register

SEGMENTS = 3  # one stretch: whoever is drawn gets it
TOKEN = 10**18


@pytest.fixture
def network(chain) -> Network:
    return from_provider(chain.provider)


def get_address(network: Network, number: int) -> Address:
    return Address(network.load_signer(f"test:{number}").address)


def open_client(terminal: Terminal, network: Network, number: int) -> Chain:
    deployment = read_deployment(terminal.folder / "deployment.json")
    return Chain.open(network, deployment, network.load_signer(f"test:{number}"))


def hire(terminal: Terminal, network: Network) -> None:
    """Account 2 audits, and 3 is its payout."""
    register(terminal, "auditor", 2, get_address(network, 3))
    joined = terminal.run("stake", "10", "--audits", "--account", "test:2")
    assert joined.exit_code == 0 and "10 CRUX" in joined.stdout.splitlines()[2], joined.output
    pass_time(network.web3, LOCAL.parameters.warmup_seconds)


def test_stake__audits_then_leave__is_locked_and_free_again(terminal, network):
    register(terminal, "auditor", 2)
    assert terminal.run("stake", "3", "--account", "test:2").exit_code == 0
    # Of what is free already, nothing is deposited twice.
    shown = terminal.run("stake", "5", "--audits", "--account", "test:2").stdout.splitlines()
    assert [line.split()[-2] for line in shown] == ["0", "5", "5", "0"]
    early = terminal.run("stake", "--leave", "--account", "test:2")
    assert early.exit_code == 1 and "lottery: too early to leave" in early.stderr
    pass_time(network.web3, LOCAL.parameters.warmup_seconds)
    shown = terminal.run("stake", "--leave", "--account", "test:2").stdout.splitlines()
    assert [line.split()[-2] for line in shown] == ["5", "0", "0", "0"]


def test_payout__without_the_hot_key__takes_the_stake_out(terminal, network):
    hire(terminal, network)
    node = get_address(network, 2)
    refused = terminal.run("stake", "--leave", "--for", node, "--account", "test:1")
    assert refused.exit_code == 1 and "lottery: not yours" in refused.stderr
    retired = terminal.run("register", "--retire", "--for", node, "--account", "test:3")
    assert retired.exit_code == 0 and f"{node}: retired for good" in retired.stdout
    left = terminal.run("stake", "--leave", "--for", node, "--account", "test:3")
    assert left.exit_code == 0, left.output
    # Whoever has the hot key does not lock it again, nor delay what its owner asks for.
    again = terminal.run("stake", "10", "--audits", "--account", "test:2")
    assert again.exit_code == 1 and "lottery: not an auditor" in again.stderr
    asked = terminal.run("withdraw", "--stake", "9", "--for", node, "--account", "test:3")
    assert "9 CRUX of stake is ready in" in asked.stdout
    again = terminal.run("withdraw", "--stake", "1", "--account", "test:2")
    assert again.exit_code == 1 and "vault: withdrawal pending" in again.stderr


def claim_audited(terminal: Terminal, network: Network) -> ClaimId:
    """Of a run that nobody made: account 1 claims the task of account 0."""
    register(terminal, "worker", 1)
    assert terminal.run("stake", "2", "--account", "test:1").exit_code == 0
    submitter, worker = (open_client(terminal, network, number) for number in (0, 1))
    roots = Roots(*(compute_hash(name) for name in ("program", "genesis", "dataset")))
    terms = acts.build_terms(roots, 1_000, SEGMENTS, 2, 1_000)
    offer = acts.build_offer(submitter.access.time, audit_budget=Wei(8 * TOKEN))
    submitter.token.ensure_allowance(submitter.escrow.address, offer.escrowed)
    task_id, _ = submitter.escrow.post(terms, offer)
    digest = submitter.escrow.get_task(task_id).digest
    worker.escrow.assign(task_id, digest, acts.REWARD)
    tree = compute_claim_tree(SEGMENTS)
    last = SEGMENTS - 1
    worker.escrow.claim(task_id, digest, tree.root, tree.get_node(0, last), tree.get_path(last))
    worker.access.refresh()
    return worker.escrow.get_task(task_id).claim_id


def test_cancel__audits_unsettled__says_what_to_do_which_then_works(terminal, network):
    hire(terminal, network)
    claim_id = claim_audited(terminal, network)
    for _ in range(LOCAL.parameters.delay_blocks + 1):
        pass_time(network.web3, 1)
    drawn = terminal.run("draw", "1", "--account", "test:0")
    assert drawn.exit_code == 0, drawn.output
    auditor = open_client(terminal, network, 2)
    auditor.lottery.commit(auditor.escrow.get_claim(claim_id), compute_hash("found"))
    early = terminal.run("settle", "1", "--account", "test:3")
    assert early.exit_code == 0 and "lottery: too early to settle" in early.stdout
    # The worker opens nothing.
    draw = auditor.lottery.get_draw(claim_id)
    pass_time(network.web3, draw.open_deadline - auditor.access.time + 1)
    auditor.lottery.declare_default(claim_id, 1)
    assert auditor.escrow.get_task(1).status is TaskStatus.POSTED

    refused = terminal.run("cancel", "1", "--account", "test:0")
    assert refused.exit_code == 1
    assert "2 CRUX of its audit budget are due to auditors" in refused.stderr
    assert "`crux settle 1` pays or frees them, then try again" in refused.stderr
    settled = terminal.run("settle", "1", "--account", "test:3")
    assert f"claim 1, {get_address(network, 2)}: paid" in settled.stdout
    assert "task 1: no audit to settle" in terminal.run("settle", "1", "--account", "test:3").stdout
    assert terminal.run("cancel", "1", "--account", "test:0").exit_code == 0
