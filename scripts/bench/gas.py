"""Gas of every entry of the contracts, as transactions: `python -m scripts.bench.gas`.

A scenario plays through the life of tasks, stakes and games; whatever it calls is metered, and the
largest figure of each function kept. A new entry point is one more call in a scenario; one that no
scenario calls is an error. `--record` writes tests/gas.json, which a test compares with.
"""

import argparse
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import boa
from eth_utils import function_abi_to_4byte_selector

from scripts.bench import dispute, last_step
from scripts.bench.code_size import list_deployables
from scripts.campaign.referee import get_functions
from tests.audits import Audits, mine
from tests.disputes import make_run, make_truth
from tests.economy import (
    DELAY_BLOCKS,
    EXPIRY_SECONDS,
    LEASE_SECONDS,
    MIN_STAKE,
    ROUND_SECONDS,
    UNBONDING_SECONDS,
    Economy,
    deploy_economy,
    deploy_game,
    get_deployer,
)
from tests.game_table import lay_table

RECORD = Path("tests/gas.json")
TOLERANCE = 0.05
REFUND_QUOTIENT = 5  # EIP-3529
ZERO_BYTE_GAS, OTHER_BYTE_GAS = 4, 16  # EIP-2028
SHARES_MAX = 8

# Entries that only other contracts may call; their gas is part of their callers'.
INTERNAL = {
    *("StakeVault.lock", "StakeVault.release", "StakeVault.slash"),
    *("RewardSplitter.set_split", "RewardSplitter.credit", "RewardSplitter.credit_account"),
    *("TaskEscrow.process_game_opened", "TaskEscrow.process_game_lost"),
    *("TaskEscrow.process_worker_lost", "TaskEscrow.process_game_dropped"),
    *("TaskEscrow.process_audit_default", "TaskEscrow.process_unavailable"),
    *("TaskEscrow.pay_audit", "ChallengeGame.process_claim_slashed"),
    *("NodeRegistry.record_finalised", "NodeRegistry.record_lost"),
    *("NodeRegistry.record_abandoned", "AuditLottery.process_claimed"),
    *("BlockhashBeacon.process_claimed", "SubmitterBeacon.process_claimed"),
}


class UnmeasuredError(ValueError):
    """An entry point that no scenario calls."""


def list_entries() -> dict[str, dict[bytes, str]]:
    """Per contract: the functions that change state, by selector."""
    return {
        name: {
            function_abi_to_4byte_selector(item): function
            for function, item in get_functions(get_deployer(name)).items()
            if item["stateMutability"] not in ("view", "pure")
        }
        for name in list_deployables()
    }


class Meter:
    """The largest gas of each function, of the transactions that were sent meanwhile."""

    def __init__(self) -> None:
        self.figures: dict[str, int] = {}
        self.entries = list_entries()

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Meter every transaction to a contract of ours, on a chain of its own."""
        environment = boa.Env()
        environment.set_random_seed(0)  # of the addresses that it generates
        self._execute: Callable[..., Any] = environment.execute_code
        environment.execute_code = self._meter
        with boa.swap_env(environment):
            yield

    def _meter(self, *arguments: Any, **options: Any) -> Any:
        if not options.get("is_modifying") or options.get("simulate"):
            return self._execute(*arguments, **options)
        begin_transaction()
        computation = self._execute(*arguments, **options)
        compiled = getattr(options.get("contract"), "compiler_data", None)
        contract = Path(str(getattr(compiled, "contract_path", ""))).stem
        data = options["data"]
        function = self.entries.get(contract, {}).get(data[:4])
        if function is not None and not computation.is_error:
            name = f"{contract}.{function}"
            gas = compute_transaction_gas(computation, data)
            self.figures[name] = max(gas, self.figures.get(name, 0))
        return computation


def begin_transaction() -> None:
    """Calls of titanoboa share one transaction: without this, storage would be warm, and what an
    earlier one wrote would count as written in the same transaction."""
    boa.env.evm.vm.state.lock_changes()
    boa.env.evm.reset_access_counters()
    boa.env.evm.vm.state.clear_transient_storage()


def compute_transaction_gas(computation: Any, data: bytes) -> int:
    """What a transaction of this call costs its sender."""
    zeros = data.count(0)
    calldata = ZERO_BYTE_GAS * zeros + OTHER_BYTE_GAS * (len(data) - zeros)
    used = last_step.TRANSACTION_GAS + calldata + computation.get_gas_used()
    return int(used - min(computation.get_gas_refund(), used // REFUND_QUOTIENT))


# --- Scenarios -----------------------------------------------------------------------------------


def play_tasks() -> None:
    """Every way through the escrow, the registry, the vault and the splitter."""
    economy = deploy_economy()
    escrow, vault, worker = economy.escrow, economy.vault, economy.worker
    shares = [(boa.env.generate_address(), 100) for _ in range(SHARES_MAX)]
    task_id = economy.post(shares=shares)
    economy.assign(task_id)
    escrow.report_progress(task_id, 2, bytes(32), sender=worker)
    claim_id = economy.claim(task_id)
    economy.pass_window(claim_id)
    escrow.finalise(claim_id)
    payout = economy.registry.payout_of(worker)
    economy.splitter.withdraw(payout)
    changed = boa.env.generate_address()
    economy.registry.set_payout(worker, changed, sender=payout)

    vault.request_withdrawal(worker, MIN_STAKE, sender=worker)
    boa.env.time_travel(seconds=UNBONDING_SECONDS + 1)
    vault.withdraw(worker)

    task_id = economy.post()
    economy.assign(task_id)
    escrow.abandon(task_id, sender=worker)
    economy.assign(task_id, economy.challenger)
    boa.env.time_travel(seconds=LEASE_SECONDS + 1)
    escrow.expire_lease(task_id)
    escrow.cancel(task_id, sender=economy.submitter)
    task_id = economy.post()
    boa.env.time_travel(seconds=EXPIRY_SECONDS + 1)
    escrow.expire(task_id)
    economy.registry.retire(worker, sender=changed)


def play_audits() -> None:
    """An audit that matches, one that the worker does not answer, one that nobody draws."""
    economy = deploy_economy()
    deploy_game(economy)
    availability = economy.availability
    audits = Audits(economy)
    auditor = audits.hire()
    audits.warm_up()
    claim_id = audits.opened(auditor, attestations=1)
    audits.reveal(claim_id, auditor, audits.answer(claim_id, auditor))
    economy.attest(claim_id)
    defaulted = audits.committed(auditor)
    audits.pass_deadline(defaulted, "open_deadline")
    audits.declare_default(defaulted, audits.segment_of(defaulted, auditor))
    audits.settle(defaulted, auditor)

    silent = audits.claimed(attestations=1)
    mine(DELAY_BLOCKS + 2**8 + 1)
    economy.beacon.restart(silent)
    boa.env.timestamp = availability.question_of(silent).deadline + 1
    availability.serve_again(silent, sender=economy.worker)
    economy.pass_window(silent)
    boa.env.timestamp = max(boa.env.timestamp, give_up_time(economy, silent))
    availability.void(silent)
    audits.leave(auditor)


def give_up_time(economy: Economy, claim_id: int) -> int:
    """When the worker can serve no more."""
    return int(economy.availability.question_of(claim_id).deadline) + ROUND_SECONDS + 1


def play_secrets() -> None:
    """The beacon of the submitter."""
    economy = deploy_economy()
    beacon = get_deployer("SubmitterBeacon").deploy(economy.lottery, economy.escrow)
    task_id, preimage = economy.post(), bytes(31) + b"\1"
    beacon.commit(task_id, sha256(preimage).digest(), sender=economy.submitter)
    economy.assign(task_id)
    beacon.show(economy.claim(task_id), preimage, sender=economy.submitter)


def play_disputes() -> None:
    """A game that the worker loses by time, one that this drops, and both withdrawals."""
    table = lay_table(make_truth(make_run()))
    contract = table.contract
    challengers = [table.economy.challenger, boa.env.generate_address()]
    games = [table.open(challenger) for challenger in challengers]
    boa.env.timestamp = contract.deadline_of(games[0]) + 1
    contract.timeout(games[0])
    contract.drop(games[1])
    for challenger in challengers:
        contract.withdraw(sender=challenger)


def play_longest_dispute() -> None:
    """Every move of the dispute of `scripts/bench/dispute.py`."""
    dispute.measure_largest()


SCENARIOS = (play_tasks, play_audits, play_secrets, play_disputes, play_longest_dispute)


def measure_gas() -> dict[str, int]:
    """The largest gas of every entry, and of each instruction's last step; by name.

    Raises `UnmeasuredError` when there is an entry that no scenario calls.
    """
    meter = Meter()
    for play in SCENARIOS:
        with meter.watch():
            play()
    every = {f"{c}.{f}" for c, functions in meter.entries.items() for f in functions.values()}
    if missing := sorted(every - set(meter.figures) - INTERNAL):
        raise UnmeasuredError(
            f"{', '.join(missing)}: no scenario in {__name__} calls it; add a call there"
        )
    steps = last_step.measure_last_steps(last_step.deploy())
    figures = meter.figures | {
        f"StepVerifier.compute_element({opcode.name})": large.total
        for opcode, (_, large) in steps.items()
    }
    return dict(sorted(figures.items()))


def find_increases(recorded: dict[str, int], measured: dict[str, int]) -> list[str]:
    """One line per entry that costs more than TOLERANCE above the record, or is not in it."""
    lines = []
    for name, gas in measured.items():
        before = recorded.get(name)
        if before is None:
            lines.append(f"{name}: {gas:,} gas, not recorded")
        elif gas > before * (1 + TOLERANCE):
            lines.append(f"{name}: {gas:,} gas, {gas / before - 1:+.1%} of {before:,}")
    return lines


def main() -> None:
    """Print every figure beside the recorded one; record them if asked to."""
    parser = argparse.ArgumentParser(description="Gas of every entry of the contracts.")
    parser.add_argument("--record", action="store_true", help=f"write {RECORD}")
    arguments = parser.parse_args()
    recorded = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    measured = measure_gas()
    for name, gas in measured.items():
        before = recorded.get(name)
        change = "new" if before is None else f"{gas / before - 1:+.1%}" if gas != before else ""
        print(f"{name:45} {gas:>12,} {change}")
    if arguments.record:
        RECORD.write_text(json.dumps(measured, indent=2) + "\n")


if __name__ == "__main__":
    main()
