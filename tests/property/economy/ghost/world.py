"""The parts of the model put together."""

from dataclasses import dataclass
from typing import Any

from protocol.game import Preset
from tests.property.economy.ghost.audits import Lottery, LotteryLimits
from tests.property.economy.ghost.availability import Availability
from tests.property.economy.ghost.base import Common, Event, Token
from tests.property.economy.ghost.beacons import Seeds, SubmitterBeacon
from tests.property.economy.ghost.games import Games
from tests.property.economy.ghost.ledger import Registry, Splitter, Vault
from tests.property.economy.ghost.market import Escrow, Limits


@dataclass(frozen=True)
class Parameters:
    """What a deployment chooses."""

    unbonding_seconds: int
    burned_bps: int
    limits: Limits
    lottery: LotteryLimits
    round_seconds: int
    max_rounds: int
    preset: Preset


class Ghost:
    """What the contracts should hold, owe and say."""

    def __init__(self, parameters: Parameters, common: Common, beacon: Seeds):
        self.common = common
        self.token = Token(common)
        self.registry = Registry(common)
        self.vault = Vault(
            common, self.registry, parameters.unbonding_seconds, parameters.burned_bps
        )
        self.splitter = Splitter(common)
        self.escrow = Escrow(common, self.registry, self.vault, self.splitter, parameters.limits)
        self.lottery = Lottery(
            common, self.registry, self.vault, self.escrow, beacon, parameters.lottery
        )
        self.availability = Availability(
            common,
            self.registry,
            self.escrow,
            self.lottery,
            parameters.round_seconds,
            parameters.max_rounds,
        )
        self.game = Games(common, self.escrow, parameters.preset)
        self.beacon = beacon
        if isinstance(beacon, SubmitterBeacon):
            beacon.escrow = self.escrow
        self.escrow.lottery, self.escrow.availability = self.lottery, self.availability
        self.escrow.game = self.game

    def call(self, contract: str, function: str, sender: str, *arguments: Any) -> Any:
        """What the call returns; its events are left in `common.events`."""
        self.common.events.clear()
        return getattr(getattr(self, contract), function)(sender, *arguments)

    @property
    def events(self) -> list[Event]:
        return list(self.common.events)
