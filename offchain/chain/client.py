"""The typed client: one deployment on one chain, as one account or as a mere reader."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from offchain.chain.access import Access
from offchain.chain.availability import Availability
from offchain.chain.beacon import Beacon, BlockhashBeacon, SubmitterBeacon
from offchain.chain.contract import Contract, ask
from offchain.chain.deployment import TOKEN, Deployment, load_abi, load_project
from offchain.chain.escrow import Escrow
from offchain.chain.games import Games
from offchain.chain.lottery import Lottery
from offchain.chain.network import Network, Signer
from offchain.chain.records import Address, Balances
from offchain.chain.registry import Registry
from offchain.chain.sender import FeePolicy, Receipt, Sender
from offchain.chain.splitter import Splitter
from offchain.chain.token import Token
from offchain.chain.vault import Vault
from protocol.types import Wei

BEACONS: Mapping[str, type[Beacon]] = {
    "BlockhashBeacon": BlockhashBeacon,
    "SubmitterBeacon": SubmitterBeacon,
}
CLIENT_CONTRACTS = (
    TOKEN,
    "NodeRegistry",
    "StakeVault",
    "TaskEscrow",
    "RewardSplitter",
    "ChallengeGame",
    "AuditLottery",
    "Availability",
    *BEACONS,
)


@dataclass(frozen=True)
class Chain:
    """Everything that can be read and sent."""

    access: Access
    token: Token
    registry: Registry
    vault: Vault
    escrow: Escrow
    splitter: Splitter
    games: Games
    lottery: Lottery
    availability: Availability
    beacon: Beacon

    @classmethod
    def open(
        cls,
        network: Network,
        deployment: Deployment,
        signer: Signer | None = None,
        fees: FeePolicy | None = None,
        confirmations: int = 0,
        on_receipt: Callable[[Receipt], None] | None = None,
    ) -> "Chain":
        """A client of the deployment. Raises `WrongNetwork` where it is not on this chain."""
        web3 = network.web3
        ask("deployment", lambda: deployment.check(web3))
        sender = None
        if signer is not None:
            sender = Sender(web3, network.chain_id, signer, fees or FeePolicy())
        access = Access(web3, sender, confirmations, deployment.block, on_receipt)
        access.refresh()
        addresses = {**deployment.addresses, TOKEN: deployment.token}
        beacon = deployment.configuration.beacon.contract

        def bind(name: str) -> Contract:
            return Contract(web3, name, addresses[name], load_abis()[name])

        return cls(
            access,
            Token(access, bind(TOKEN)),
            Registry(access, bind("NodeRegistry")),
            Vault(access, bind("StakeVault")),
            Escrow(access, bind("TaskEscrow")),
            Splitter(access, bind("RewardSplitter")),
            Games(access, bind("ChallengeGame")),
            Lottery(access, bind("AuditLottery")),
            Availability(access, bind("Availability")),
            BEACONS[beacon](access, bind(beacon)),
        )

    def get_balances(self, account: Address) -> Balances:
        """Where the account's tokens are, at the pinned block."""
        return Balances(
            wallet=self.token.get_balance(account),
            free_stake=self.vault.get_free(account),
            locked_stake=self.vault.get_locked(account),
            unbonding_stake=self.vault.get_unbonding(account)[0],
            owed=Wei(self.splitter.get_owed(account) + self.games.get_owed(account)),
        )


@cache
def load_abis() -> Mapping[str, Sequence[Mapping[str, Any]]]:
    """The ABIs of this checkout's contracts; they are compiled where they have to be."""
    project = load_project()
    return {name: load_abi(name, project) for name in CLIENT_CONTRACTS}
