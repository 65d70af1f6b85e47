"""The real contracts, the model of them, and the actors: where every sequence of calls begins."""

from copy import deepcopy
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import boa

from protocol.game import Preset
from protocol.types import Seconds
from tests.economy import get_deployer
from tests.property.economy.ghost import Ghost, Parameters
from tests.property.economy.ghost.audits import LotteryLimits
from tests.property.economy.ghost.base import Common
from tests.property.economy.ghost.beacons import BlockhashBeacon, Seeds, SubmitterBeacon
from tests.property.economy.ghost.market import Limits

SOURCES = {
    "token": "mocks/TestToken",
    "registry": "NodeRegistry",
    "vault": "StakeVault",
    "splitter": "RewardSplitter",
    "escrow": "TaskEscrow",
    "game": "ChallengeGame",
    "lottery": "AuditLottery",
    "availability": "Availability",
    "beacon": "BlockhashBeacon",
}
DELAY_BLOCKS = 2
PARAMETERS = Parameters(
    unbonding_seconds=700,
    burned_bps=5_001,
    limits=Limits(
        min_stake=30,
        stake_rate=2_000_000,
        min_bond=20,
        bond_rate=10_000_000,
        operations_per_second=100,
        challenge_seconds=300,
        max_lease_seconds=2_000,
        max_reexecution_seconds=90,
    ),
    lottery=LotteryLimits(
        audits=2,
        penalty=25,
        warmup_seconds=150,
        draw_seconds=200,
        commit_seconds=60,
        open_seconds=80,
        reveal_seconds=70,
    ),
    round_seconds=200,
    max_rounds=3,
    preset=Preset(
        worker_seconds=Seconds(120),
        challenger_seconds=Seconds(100),
        minimum_move_seconds=Seconds(20),
        worker_award_bps=6_001,
    ),
)
ACTORS = """
    submitter_0 submitter_1 worker_0 worker_1 worker_2 auditor_0 auditor_1 auditor_2 auditor_3
    challenger_0 challenger_1 payout_0 payout_1 payout_2 payout_3 stranger
""".split()
FUNDS = 100_000
RICHES = 2**131  # so that only the limit of an amount stands against it


def silence(contract: Any) -> None:
    """Its storage is printed at every refusal otherwise, which takes longer than the refusal."""
    contract._storage.dump = dict


@dataclass
class World:
    """The contracts and the model, in the same state."""

    contracts: dict[str, Any]
    addresses: dict[str, str]
    actors: dict[str, str]
    ghost: Ghost
    minted: int

    def branch(self) -> "World":
        """The same, with a model of its own; the contracts are restored by who anchors them."""
        return World(self.contracts, self.addresses, self.actors, deepcopy(self.ghost), self.minted)


def deploy(beacon: str) -> World:
    """Deploy everything, with that beacon; once in a chain, so let sequences anchor it."""
    return _deploy(beacon, boa.env)


@cache
def _deploy(beacon: str, chain: Any) -> World:
    sources = SOURCES | {"beacon": beacon}
    addresses = {name: str(boa.env.generate_address()) for name in sources}
    parameters = PARAMETERS
    values: dict[str, Any] = {
        **addresses,
        **asdict(parameters.limits),
        **asdict(parameters.lottery),
        **asdict(parameters.preset),
        "unbonding_seconds": parameters.unbonding_seconds,
        "burned_bps": parameters.burned_bps,
        "round_seconds": parameters.round_seconds,
        "max_rounds": parameters.max_rounds,
        "delay_blocks": DELAY_BLOCKS,
        "verifier": get_deployer("StepVerifier").deploy(get_deployer("MapUnit").deploy()).address,
    }

    def create(name: str, source: str) -> Any:
        deployer = get_deployer(source)
        inputs = deployer.compiler_data.global_ctx.init_function.arguments
        arguments = [values[item.name.removesuffix("_")] for item in inputs]
        return deployer.deploy(*arguments, override_address=addresses[name])

    # An order in which every contract finds what its constructor asks for.
    order = "token registry vault splitter escrow game beacon lottery availability".split()
    contracts = {name: create(name, sources[name]) for name in order}
    for contract in contracts.values():
        silence(contract)

    actors = {name: str(boa.env.generate_address()) for name in ACTORS}
    common = Common(addresses)
    seeds: Seeds
    if beacon == "BlockhashBeacon":
        seeds = BlockhashBeacon(common, delay_blocks=DELAY_BLOCKS)
    else:
        seeds = SubmitterBeacon(common)
    common.approving.update(actors.values())
    ghost = Ghost(parameters, common, seeds)
    token = contracts["token"]
    for name, actor in actors.items():
        if name != "stranger":
            funds = RICHES if name == "submitter_1" else FUNDS
            token.mint(actor, funds)
            common.balances[actor] = funds
        for spender in ("vault", "escrow", "game"):
            token.approve(addresses[spender], 2**256 - 1, sender=actor)
    return World(contracts, addresses, actors, ghost, common.balances.total())
