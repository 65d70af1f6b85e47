"""The whole way of a task by the `crux` command, on ape's chain."""

import json
from pathlib import Path

import numpy as np
import torch
from click.testing import CliRunner, Result
from safetensors.torch import load_file

from offchain.builders import call_builder, load_builder
from offchain.chain.anvil import pass_time
from offchain.chain.deployment import LOCAL
from offchain.chain.network import from_provider
from tests.small_run import CONTEXT
from tests.terminal import Terminal, register

GPT = Path(__file__).parents[2] / "examples" / "gpt.py"
SMALL = ("--set", "layers=1", "--set", "channels=8", "--set", "heads=2")


def submit(terminal: Terminal, *extra: str) -> Result:
    data, spec = terminal.folder / "data.txt", str(terminal.folder / "task.json")
    data.write_text("the quick brown fox jumps over the lazy dog " * 20)
    compiled = terminal.run(
        *("compile", f"{GPT}:build", "--data", str(data), "--out", spec),
        *("--rows", "2", "--seq", str(CONTEXT), *SMALL),
    )
    assert compiled.exit_code == 0, compiled.output
    return terminal.run(
        *("submit", spec, "--account", "test:0", "--steps", "5", "--reward", "5", "--json"),
        *extra,
    )


def test_crux__compile_submit_work_check_fetch(terminal, chain):
    posted = json.loads(submit(terminal).stdout)
    assert posted["task"] == 1
    # The least that the deployment allows, by default.
    assert posted["offer"]["stake"] == posted["minimums"]["stake"]
    stranger = terminal.run_agent("worker", "test:1")
    assert stranger.exit_code == 1
    assert "not registered; `crux register --role worker` does it" in stranger.stderr
    payout = register(terminal, "worker", 1)
    assert terminal.run_agent("worker", "test:1").exit_code == 0
    claimed = json.loads(terminal.run("status", "1", "--json").stdout)
    assert (claimed["status"], claimed["claim"]["status"]) == ("claimed", "pending")

    assert terminal.run_agent("challenger", "test:2").exit_code == 0
    assert json.loads(terminal.run("disputes", "list", "--json").stdout) == []
    weights = terminal.folder / "weights.safetensors"
    early = terminal.run("fetch", "1", "--out", str(weights))
    assert early.exit_code == 1 and "task 1: is claimed" in early.stderr
    assert not weights.exists()

    pass_time(chain.provider.web3, claimed["claim"]["challenge_deadline"] - now(chain) + 1)
    assert terminal.run_agent("worker", "test:1").exit_code == 0
    assert json.loads(terminal.run("status", "--json").stdout)[0]["status"] == "finalised"
    fetched = terminal.run("fetch", "1", "--out", str(weights))
    assert fetched.exit_code == 0 and weights.exists()

    (node,) = json.loads(terminal.run("nodes", "--json").stdout)
    assert (node["hardware"], node["finalised"], node["lost"]) == ("laptop", 1, 0)
    assert node["payout"].lower() == payout
    assert "1 CRUX" in terminal.run("stake", "--account", "test:1").stdout
    asked = terminal.run("withdraw", "--account", "test:1", "--stake", "all")
    unbonding = LOCAL.parameters.unbonding_seconds
    assert f"1 CRUX of stake is ready in {unbonding} s" in asked.stdout
    pass_time(chain.provider.web3, unbonding + 1)
    paid = terminal.run("withdraw", "--account", "test:2", "--for", get_address(chain, 1))
    assert "1 CRUX of stake to its payout" in paid.stdout


def get_address(chain, number: int) -> str:
    return from_provider(chain.provider).load_signer(f"test:{number}").address


def test_crux__audit_attest_finalise__fee_is_paid(terminal, chain, project):
    register(terminal, "worker", 1)
    payout = register(terminal, "auditor", 2)
    assert terminal.run_agent("auditor", "test:2").exit_code == 0
    pass_time(chain.provider.web3, LOCAL.parameters.warmup_seconds + 1)
    posted = json.loads(submit(terminal, "--audit-budget", "5", "--attestations", "1").stdout)
    assert posted["offer"]["audit_budget"] == 5 * 10**18
    assert terminal.run_agent("worker", "test:1").exit_code == 0
    weights = terminal.folder / "weights.safetensors"
    attested = terminal.run("attest", "1", "--account", "test:0", "--out", str(weights))
    assert attested.exit_code == 0, attested.output
    assert "claim 1: attested, settled" in attested.stdout and weights.exists()

    for _ in range(3):
        pass_time(chain.provider.web3, 1)
    drawn = terminal.run("draw", "1", "--account", "test:0")
    assert drawn.exit_code == 0, drawn.output
    assert terminal.run_agent("worker", "test:1").exit_code == 0  # publishes the start state
    assert terminal.run_agent("auditor", "test:2").exit_code == 0  # executes and commits
    (row,) = json.loads(terminal.run("audits", "--json").stdout)
    assert [audit["status"] for audit in row["audits"]] == ["committed"]
    pass_time(chain.provider.web3, row["commit_deadline"] - now(chain) + 1)
    assert terminal.run_agent("worker", "test:1").exit_code == 0  # opens the leaf
    assert terminal.run_agent("auditor", "test:2").exit_code == 0  # reveals and is paid
    (row,) = json.loads(terminal.run("audits", "--json").stdout)
    assert [audit["status"] for audit in row["audits"]] == ["paid"]
    token = json.loads((terminal.folder / "deployment.json").read_text())["token"]
    balance = project.TestToken.at(token).balanceOf(payout)
    assert balance == row["fee"] == 10**18

    shown = json.loads(terminal.run("status", "1", "--json").stdout)
    assert shown["claim"]["question"]["settled"] is True and shown["claim"]["audits"] == 1
    pass_time(chain.provider.web3, shown["claim"]["challenge_deadline"] - now(chain) + 1)
    assert terminal.run("finalise", "1", "--account", "test:3").exit_code == 0
    assert json.loads(terminal.run("status", "1", "--json").stdout)["status"] == "finalised"


def now(chain) -> int:
    return chain.provider.web3.eth.get_block("latest")["timestamp"]


def test_cancel__open_task__submitter_is_paid_back(terminal):
    assert submit(terminal).exit_code == 0
    spec = str(terminal.folder / "task.json")
    second = terminal.run(
        *("submit", spec, "--account", "test:0", "--steps", "5"),
        *("--min-reward", "2", "--max-reward", "6", "--auction", "1h"),
    )
    assert second.exit_code == 0, second.output
    # What was derived is shown before it is spent.
    assert "operations of a step" in second.stderr and "2 CRUX to 6 CRUX in 3600 s" in second.stderr
    shown = json.loads(terminal.run("status", "2", "--json").stdout)
    assert 2 * 10**18 <= shown["reward"] < 3 * 10**18
    refused = terminal.run("expire", "2", "--account", "test:2")
    assert refused.exit_code == 1 and "escrow: not expired" in refused.stderr
    refused = terminal.run("cancel", "2", "--account", "test:2")
    assert refused.exit_code == 1 and "escrow: not the submitter" in refused.stderr
    assert terminal.run("cancel", "2", "--account", "test:0").exit_code == 0
    statuses = [row["status"] for row in json.loads(terminal.run("status", "--json").stdout)]
    assert statuses == ["posted", "cancelled"]


def test_submit__what_the_contract_would_refuse__named_before_anything_is_sent(terminal):
    result = submit(terminal, "--stake", "0.5", "--lease", "2d", "--attestations", "17")
    assert result.exit_code == 1
    for message in (
        "stake: 500000000000000000 is outside 1000000000000000000",
        "lease seconds: 172800 is outside 1 to 86400",
        "attestations: 17 is outside 0 to 16",
    ):
        assert message in result.stderr
    assert json.loads(terminal.run("status", "--json").stdout) == []


def test_submit__too_little_money__says_so_and_posts_nothing(terminal):
    assert submit(terminal).exit_code == 0
    spec = str(terminal.folder / "task.json")
    result = terminal.run(
        *("submit", spec, "--account", "test:0", "--steps", "5"),
        *("--reward", "1000", "--stake", "1"),
    )
    assert result.exit_code == 1
    assert "missing funds: submitter 0x" in result.stderr
    assert "has 95 CRUX, needs 1,000 CRUX" in result.stderr
    assert len(json.loads(terminal.run("status", "--json").stdout)) == 1


def test_disputes_show__no_such_game__names_the_reason(terminal):
    result = terminal.run("disputes", "show", "7")
    assert result.exit_code == 1 and "game: unknown game" in result.stderr


MLP = """
from torch import nn


def build():
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))
    return model, nn.CrossEntropyLoss()
"""


def test_crux__a_user_s_own_module_and_arrays__come_back(terminal, chain):
    folder = terminal.folder
    (folder / "mine.py").write_text(MLP)
    random = np.random.default_rng(0)
    x = random.normal(size=(64, 4)).astype(np.float32)
    np.savez(folder / "points.npz", x=x, y=x.argmax(1) % 3)
    spec = str(folder / "task.crux")
    compiled = terminal.run(
        *("compile", f"{folder / 'mine.py'}:build", "--data", str(folder / "points.npz")),
        *("--optim", "adamw(lr=1e-2)", "--schedule", "cosine(steps=6, warmup=2)"),
        *("--clip-norm", "1", "--rows", "8", "--out", spec),
    )
    assert compiled.exit_code == 0, compiled.output + compiled.stderr
    seed = ("--seed", "2f" * 32)
    posted = terminal.run(
        *("submit", spec, "--account", "test:0", "--steps", "6", "--reward", "5"), *seed
    )
    assert posted.exit_code == 0, posted.stderr
    register(terminal, "worker", 1)
    early = terminal.run("curve", "1")
    assert early.exit_code == 1 and "task 1: has no claim yet" in early.stderr
    assert terminal.run_agent("worker", "test:1").exit_code == 0
    claimed = json.loads(terminal.run("status", "1", "--json").stdout)

    csv, svg = folder / "curve.csv", folder / "curve.svg"
    stated = terminal.run("curve", "1", "--csv", str(csv), "--svg", str(svg))
    assert stated.exit_code == 0, stated.stderr
    assert "stated by the worker, proved by nobody" in stated.stdout
    assert len(csv.read_text().splitlines()) == 7 and "proved by nobody" in svg.read_text()
    with CliRunner().isolated_filesystem(folder):
        again = terminal.run("curve", "1", "--recompute", "--json")
    points = json.loads(again.stdout)["points"]
    losses = [line.split(",")[2] for line in csv.read_text().splitlines()[1:]]
    assert [f"{point['loss']:.9g}" for point in points] == losses

    pass_time(chain.provider.web3, claimed["claim"]["challenge_deadline"] - now(chain) + 1)
    assert terminal.run_agent("worker", "test:1").exit_code == 0
    weights = folder / "model.safetensors"
    fetched = terminal.run("fetch", "1", "--out", str(weights))
    assert fetched.exit_code == 0, fetched.stderr
    module = call_builder(load_builder(f"{folder / 'mine.py'}:build"), {}).module
    module.load_state_dict(load_file(weights), strict=True)
    assert module[1].num_batches_tracked == 6

    # A trial on one's own machine is the same run, bit for bit.
    trial = folder / "trial.safetensors"
    places = "--folder", str(folder / "trial"), "--out", str(trial)
    assert terminal.run("train", spec, "--steps", "6", *places, *seed).exit_code == 0
    trained, fetched_tensors = load_file(trial), load_file(weights)
    assert trained.keys() == fetched_tensors.keys()
    assert all(torch.equal(trained[name], fetched_tensors[name]) for name in trained)

    (note,) = (folder / "store" / "notes").glob("*.curve")
    note.write_text("lies")
    assert "curve: 0 lines under 'lies'" in terminal.run("curve", "1").stderr
    note.unlink()
    assert "its worker published no curve; --recompute" in terminal.run("curve", "1").stderr
