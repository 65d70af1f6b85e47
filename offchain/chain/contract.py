"""One deployed contract: bounded reads, encoded calls, decoded events. No types of the protocol."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn

from eth_abi import decode
from eth_abi.exceptions import DecodingError
from requests.exceptions import RequestException
from web3 import Web3
from web3.exceptions import ContractLogicError, Web3Exception, Web3RPCError

from offchain.chain.errors import BadAnswer, ChainError, NetworkUnreachable, Reverted

# The longest answer of any view of the contracts is a task's terms; events carry at most one
# opened leaf and its path.
ANSWER_BYTES_MAX = 2**18  # = 256 KiB
WORD_BYTES = 32  # of ABI encodings; every value takes one at least
LOGS_MAX = 2**16
LOG_BLOCKS = 2_000  # per request: what public nodes commonly allow

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Event:
    """One decoded log."""

    name: str
    values: Mapping[str, Any]
    block: int
    log_index: int


@dataclass(frozen=True)
class Call:
    """A transaction to be: what it does in words, where to, with what data."""

    action: str
    to: str
    data: bytes


class Contract:
    """Encodes, asks and decodes for one address."""

    def __init__(self, web3: Web3, name: str, address: str, abi: Sequence[Json]):
        self.name = name
        self.address = Web3.to_checksum_address(address)
        self._web3 = web3
        self._contract = web3.eth.contract(address=self.address, abi=list(abi))
        self._functions = {item["name"]: item for item in abi if item["type"] == "function"}
        self._events = {item["name"]: item for item in abi if item["type"] == "event"}

    def encode(self, action: str, function: str, *arguments: Any) -> Call:
        """The call of `function`; `action` names it in errors and reports."""
        data = self._contract.encode_abi(function, list(arguments))
        return Call(action, self.address, bytes.fromhex(data[2:]))

    def read(self, function: str, *arguments: Any, block: int | str = "latest") -> Any:
        """Result of a view: a value, or a tuple of them where there are several.

        Raises `Reverted`, `BadAnswer`, `NetworkUnreachable`.
        """
        call = self.encode(f"{self.name}.{function}", function, *arguments)
        fields = {"to": self.address, "data": Web3.to_hex(call.data)}
        raw = ask(call.action, lambda: self._web3.eth.call(fields, block))
        if len(raw) > ANSWER_BYTES_MAX:
            raise BadAnswer(f"{call.action}: the answer has {len(raw)} bytes")
        types = [_compute_type(output) for output in self._functions[function]["outputs"]]
        # Where there is no code the answer is empty, and eth_abi reads a number of it: 0.
        if len(raw) < WORD_BYTES * len(types):
            raise BadAnswer(
                f"{call.action}: an answer of {len(raw)} bytes; is a contract at {self.address}?"
            )
        try:
            values = decode(types, bytes(raw))
        except (DecodingError, OverflowError, ValueError) as error:
            raise BadAnswer(f"{call.action}: {error}; is a contract at {self.address}?") from error
        return values[0] if len(values) == 1 else values

    def read_struct(
        self, function: str, *arguments: Any, block: int | str = "latest"
    ) -> dict[str, Any]:
        """A view's one struct by its members' names. Raises as `read`."""
        members = self._functions[function]["outputs"][0]["components"]
        values = self.read(function, *arguments, block=block)
        return dict(zip((member["name"] for member in members), values))

    def get_events(
        self, name: str, first: int, last: int, filters: Mapping[str, Any] | None = None
    ) -> list[Event]:
        """Events of one kind in blocks first to last, in order.

        `filters` gives values of indexed arguments. Raises as `read`.
        """
        event = self._contract.events[name]
        found: list[Event] = []
        for start in range(first, last + 1, LOG_BLOCKS):
            end = min(last, start + LOG_BLOCKS - 1)
            get_logs = partial(
                event.get_logs,
                from_block=start,
                to_block=end,
                argument_filters=dict(filters or {}),
            )
            logs = ask(f"{self.name}.{name}", get_logs)
            found += [self._decode_log(log) for log in logs]
            if len(found) > LOGS_MAX:
                raise BadAnswer(f"{self.name}.{name}: more than {LOGS_MAX} logs")
        return sorted(found, key=lambda e: (e.block, e.log_index))

    def decode_logs(self, name: str, logs: Sequence[Any]) -> list[Event]:
        """The events of one kind among a receipt's logs."""
        event = self._contract.events[name]
        topic = Web3.to_hex(Web3.keccak(text=_compute_signature(self._events[name])))
        return [
            self._decode_log(event.process_log(log))
            for log in logs
            if log["address"] == self.address and Web3.to_hex(log["topics"][0]) == topic
        ]

    @staticmethod
    def _decode_log(log: Any) -> Event:
        return Event(log["event"], dict(log["args"]), log["blockNumber"], log["logIndex"])


def ask(action: str, question: Callable[[], Any]) -> Any:
    """Ask the node. Raises `Reverted`, `NetworkUnreachable`, `BadAnswer`, and nothing else."""
    try:
        return question()
    except ChainError:
        raise
    except Web3Exception as error:
        raise_chain_error(action, error)
    except (RequestException, OSError) as error:
        raise NetworkUnreachable(f"{action}: the node does not answer") from error
    except (ValueError, TypeError, KeyError, DecodingError) as error:
        raise BadAnswer(f"{action}: {type(error).__name__} {error}") from error


def raise_chain_error(action: str, error: Web3Exception) -> NoReturn:
    """Translate an error of web3's."""
    if isinstance(error, ContractLogicError):
        raise Reverted(action, compute_reason(error)) from error
    message = str(error)
    if isinstance(error, Web3RPCError) and "revert" in message:
        raise Reverted(action, message) from error
    raise BadAnswer(f"{action}: {message}") from error


def compute_reason(error: ContractLogicError) -> str:
    """The revert string, without what nodes and libraries write around it."""
    message = str(error.message or error.data or "no reason")
    for prefix in ("execution reverted: ", "revert: "):
        message = message.removeprefix(prefix)
    # Some nodes append the encoded data after a comma.
    return message.split(", data:")[0].strip() or "no reason"


def _compute_type(item: Json) -> str:
    kind = str(item["type"])
    if not kind.startswith("tuple"):
        return kind
    inner = ",".join(_compute_type(part) for part in item["components"])
    return f"({inner}){kind.removeprefix('tuple')}"


def _compute_signature(event: Json) -> str:
    return f"{event['name']}({','.join(_compute_type(item) for item in event['inputs'])})"
