"""NodeRegistry: who works, who audits, how that went, and where their money goes."""

from dataclasses import astuple, dataclass
from enum import IntFlag

from offchain.chain.access import Bound
from offchain.chain.errors import BadAnswer, ChainError
from offchain.chain.records import NO_ADDRESS, Address, check_address
from offchain.chain.sender import Receipt

URI_BYTES_MAX = 2**8
HARDWARE_BYTES_MAX = 2**5  # = 32


class NotRegistered(ChainError):
    """The account has not the role that it wants to act in."""


class BadNode(ValueError):
    """What a node says of itself does not fit the registry."""


class Role(IntFlag):
    """INodeRegistry.Role; an account can have both."""

    WORKER = 1
    AUDITOR = 2

    @property
    def words(self) -> str:
        """In small letters: worker, auditor, both."""
        return " and ".join(str(role.name).lower() for role in Role if role in self) or "retired"


NO_ROLE = Role(0)  # not registered, or retired


@dataclass(frozen=True)
class Node:
    """What a node says of itself. Without roles it is not registered, or retired."""

    roles: Role
    hardware_class: bytes  # 32 bytes, padded with zeros
    conformance_digest: bytes  # 32 bytes
    payout: Address
    metadata_uri: str

    @property
    def hardware(self) -> str:
        """The hardware class in words."""
        return self.hardware_class.rstrip(b"\0").decode("utf-8", "replace")


@dataclass(frozen=True)
class Record:
    """How a worker's leases ended."""

    finalised: int
    lost: int
    abandoned: int


def build_node(roles: Role, hardware: str, digest: bytes, payout: Address, uri: str) -> Node:
    """A node as the registry can hold it. Raises `BadNode`."""
    name = hardware.encode()
    if len(name) > HARDWARE_BYTES_MAX:
        raise BadNode(f"hardware {hardware!r}: {len(name)} bytes, at most {HARDWARE_BYTES_MAX}")
    if len(uri.encode()) > URI_BYTES_MAX:
        raise BadNode(f"URI: {len(uri.encode())} bytes, at most {URI_BYTES_MAX}")
    if len(digest) != 32:
        raise BadNode(f"conformance digest: {len(digest)} bytes, expected 32")
    return Node(roles, name.ljust(HARDWARE_BYTES_MAX, b"\0"), digest, payout, uri)


@dataclass(frozen=True)
class Registry(Bound):
    """Nodes by the account that they sign with."""

    def get_node(self, account: Address) -> Node:
        """What the account registered; without roles where it did not."""
        roles, hardware, digest, payout, uri = self.read("node_of", account)
        if roles > Role.WORKER | Role.AUDITOR:
            raise BadAnswer(f"node {account}: roles {roles}")
        if len(uri.encode()) > URI_BYTES_MAX:
            raise BadAnswer(f"node {account}: a URI of {len(uri)} characters")
        return Node(Role(roles), hardware, digest, check_address(payout), uri)

    def get_record(self, account: Address) -> Record:
        """Counters of the account's leases."""
        return Record(*map(int, self.read("record_of", account)))

    def get_payout(self, account: Address) -> Address:
        """Where the account's money goes."""
        return check_address(self.read("payout_of", account))

    def get_accounts(self) -> list[Address]:
        """Everybody who ever registered, in the order in which they did."""
        events = self.get_events("NodeRegistered")
        return list(dict.fromkeys(check_address(event.values["node"]) for event in events))

    def check_role(self, account: Address, role: Role) -> None:
        """Raises `NotRegistered` where the account has not the role."""
        if role not in self.get_node(account).roles:
            raise NotRegistered(
                f"{role.words} {account}: not registered; "
                f"`crux register --role {role.words}` does it"
            )

    def register(self, node: Node) -> Receipt:
        """Register the sending account, or change what it said."""
        _, hardware, digest, payout, uri = astuple(node)
        arguments = (int(node.roles), hardware, digest, payout, uri)
        return self.send(f"register {node.roles.words}", "register", *arguments)

    def retire(self, node: Address) -> Receipt:
        """Take a node's roles away for good; for its payout."""
        return self.send("retire node", "retire", node)

    def set_payout(self, node: Address, payout: Address) -> Receipt:
        """Send a node's money elsewhere; for its payout."""
        return self.send("set payout", "set_payout", node, payout)


def is_registered(node: Node) -> bool:
    """Whether the node ever was: a payout stays when the roles go."""
    return node.payout != NO_ADDRESS
