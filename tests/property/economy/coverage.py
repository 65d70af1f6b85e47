"""What every run must have met: read from the interfaces, so that nothing new is forgotten."""

import re
from collections import Counter
from pathlib import Path

from protocol.game import Outcome
from tests.economy import CONTRACTS
from tests.property.economy.ghost.audits import AuditStatus
from tests.property.economy.ghost.market import ClaimStatus, TaskStatus

INTERFACES = {
    "registry": ["INodeRegistry"],
    "vault": ["IStakeVault"],
    "splitter": ["IRewardSplitter"],
    "escrow": ["ITaskEscrow"],
    "game": ["IChallengeGame"],
    "lottery": ["IAuditLottery"],
    "availability": ["IAvailability"],
    "beacon": ["IBeacon", "IBlockhashBeacon", "ISubmitterBeacon"],
}
REASON = re.compile(rf'"((?:{"|".join(INTERFACES)}|clock): [^"]+)"')
FUNCTION = re.compile(r"@external\n(@view\n)?def (\w+)\(")
DOCUMENTED = re.compile(r'def (\w+)\([^"]*"""(.*?)"""', re.DOTALL)
EVENT = re.compile(r"^event (\w+):", re.MULTILINE)

# What no sequence of calls on these contracts reaches, and where it is tested instead.
UNREACHED = {
    # A token that keeps a fee: `unit/contracts`, with FaultyToken.
    "escrow: short transfer",
    "vault: short transfer",
    # A chain without block hashes: `unit/contracts`.
    "beacon: no block hashes",
    # All auditors are drawn at most once, and four are fewer than twice the audits: a unit test.
    "lottery: all audits taken",
}
# Of a game only what concerns money and deadlines; its moves have tests of their own.
GAME_REASONS = {
    "game: unknown game",
    "game: ended",
    "game: claim already slashed",
    "game: claim not slashed",
    "game: stale move",
    "game: not your turn",
    "game: worker cannot challenge itself",
    "game: already challenged",
    "game: nothing owed",
    "clock: expired",
    "clock: not expired",
}
TOKEN_REASONS = {"erc20: transfer amount exceeds balance", "erc20: insufficient allowance"}
# Moves of levels that the tiny run has not.
GAME_FUNCTIONS = set("expand_chunk".split())


def read(contract: str) -> str:
    folder: Path = CONTRACTS / "interfaces"
    return "\n".join((folder / f"{name}.vyi").read_text() for name in INTERFACES[contract])


def list_reasons() -> set[str]:
    found = {
        reason for name in INTERFACES if name != "game" for reason in REASON.findall(read(name))
    }
    return (found | GAME_REASONS | TOKEN_REASONS) - UNREACHED


def find_functions(reason: str) -> set[str]:
    """Those whose documentation gives the reason."""
    documented = [pair for name in INTERFACES for pair in DOCUMENTED.findall(read(name))]
    return {function for function, text in documented if f'"{reason}"' in text}


def list_functions() -> set[str]:
    """Functions that change something and that anybody may call with success."""
    return {
        f"{contract}.{function}"
        for contract in INTERFACES
        for view, function in FUNCTION.findall(read(contract))
        if not view
    }


def list_states() -> set[str]:
    states = {f"task {status.name}" for status in TaskStatus}
    states |= {f"claim {status.name}" for status in ClaimStatus}
    states |= {f"game {outcome.name}" for outcome in Outcome if outcome}
    states |= {f"audit {s.name}" for s in AuditStatus if s is not AuditStatus.COMMITTED}
    return states | {"round 1", "round 2", "slashed with games open"}


def list_events() -> set[str]:
    return {
        f"event {contract}.{event}"
        for contract in INTERFACES
        if contract != "game"
        for event in EVENT.findall(read(contract))
    }


def find_missed(met: Counter[str], hooks: set[str]) -> set[str]:
    """What was not met; `hooks` are called by other contracts only, and must have been refused."""
    functions = list_functions() - {f"game.{name}" for name in GAME_FUNCTIONS}
    called = {name for name in functions if name.split(".")[1] not in hooks}
    refused = {f"{name} refused" for name in functions - called}
    wanted = list_reasons() | list_states() | list_events() | called | refused
    return {name for name in wanted if not met[name]}
