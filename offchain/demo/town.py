"""Where the demo happens: a chain, a deployment, a store, and the people who meet there."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from offchain.agents.bench import Bench
from offchain.chain.anvil import Anvil, pass_time
from offchain.chain.client import Chain
from offchain.chain.deployment import LOCAL, Deployment, deploy
from offchain.chain.network import TEST_PREFIX, Network, Signer, connect
from offchain.chain.records import Address, Balances
from offchain.chain.registry import NO_ROLE, Role, build_node
from offchain.chain.sender import Receipt
from offchain.store.artifacts import Store
from protocol.types import Seconds, Wei

BURN_ADDRESS = Address("0x000000000000000000000000000000000000dEaD")
TOKENS = Wei(100 * 10**18)  # that everybody starts with
PAYOUTS_FROM = 40  # the number of the first test account that is nobody's but a payout
PAYOUT = ", payout"  # behind a name: the other account of that node
HARDWARE = "cpu"
CONFORMANCE = bytes(32)  # of a demo: the exhaustive check takes longer than all of it


@dataclass
class Person:
    """Somebody with an account, a folder and a client; a node has a payout elsewhere."""

    name: str
    chain: Chain
    bench: Bench
    receipts: list[Receipt] = field(default_factory=list)
    payout: Address | None = None

    @property
    def address(self) -> Address:
        """Of the account."""
        return self.chain.access.address


@dataclass
class Town:
    """Everybody, by name; accounts are given out in the order of arrival."""

    network: Network
    deployment: Deployment
    bank: Chain
    store: Store
    folder: Path
    people: dict[str, Person] = field(default_factory=dict)

    def add(self, name: str, roles: Role = NO_ROLE) -> Person:
        """Somebody new, with tokens to start with; a node where there are roles."""
        number = len(self.people) + 1
        person = self._build_person(name, self.network.load_signer(f"{TEST_PREFIX}{number}"))
        self.bank.token.mint(person.address, TOKENS)
        person.chain.access.refresh()
        if roles:
            key = f"{TEST_PREFIX}{PAYOUTS_FROM + number}"
            person.payout = Address(self.network.load_signer(key).address)
            node = build_node(roles, HARDWARE, CONFORMANCE, person.payout, "")
            person.chain.registry.register(node)
        self.people[name] = person
        return person

    def _build_person(self, name: str, signer: Signer) -> Person:
        receipts: list[Receipt] = []
        chain = Chain.open(self.network, self.deployment, signer, on_receipt=receipts.append)
        return Person(name, chain, Bench(self.store, self.folder / "runs" / name), receipts)

    def pass_time(self, seconds: Seconds) -> None:
        """Let the chain's clock run."""
        pass_time(self.network.web3, seconds)
        for person in self.people.values():
            person.chain.access.refresh()

    def get_balances(self) -> dict[str, Balances]:
        """Everybody's tokens now; what a node earns is in its payout."""
        self.bank.access.refresh()
        balances: dict[str, Balances] = {}
        for name, person in self.people.items():
            balances[name] = self.bank.get_balances(person.address)
            if person.payout is not None:
                balances[f"{name}{PAYOUT}"] = self.bank.get_balances(person.payout)
        return balances

    def get_burned(self) -> Wei:
        """Tokens that nobody has any more."""
        self.bank.access.refresh()
        return self.bank.token.get_balance(BURN_ADDRESS)


def build_town(network: Network, folder: Path, deployment: Deployment | None = None) -> Town:
    """A town on a running chain, with contracts of its own where none are named."""
    banker = network.load_signer(f"{TEST_PREFIX}0")
    if deployment is None:
        deployment = deploy(banker.account, LOCAL)  # type: ignore[attr-defined]
    deployment.write(folder / "deployment.json")
    bank = Chain.open(network, deployment, banker)
    return Town(network, deployment, bank, Store(str(folder / "store")), folder)


@contextmanager
def found_town(folder: Path) -> Iterator[Town]:
    """Start a chain and deploy the contracts; the chain ends with the context."""
    with Anvil(folder / "anvil.log") as anvil, connect(anvil.url) as network:
        yield build_town(network, folder)
