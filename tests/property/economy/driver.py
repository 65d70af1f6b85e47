"""Makes a call on the contracts and on the model, and fails where they differ."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, is_dataclass
from dataclasses import fields as fields_of
from typing import Any

import boa
from eth_abi import decode

from protocol import moves
from tests.game_table import compute_function_name
from tests.game_table import encode_arguments as encode_move
from tests.property.economy.deployment import World
from tests.property.economy.ghost import Event, Ghost, Refused
from tests.property.economy.ghost.base import NO_REASON
from tests.property.economy.ghost.beacons import HASHES_KEPT, compute_block_hash

BLOCK_SECONDS = 12
ERROR = bytes.fromhex("08c379a0")  # Error(string)


@dataclass(frozen=True)
class Call:
    """An external call. A move of a game is the model's function `play`."""

    sender: str
    contract: str
    function: str
    arguments: tuple[Any, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.contract}.{self.function}"


class Difference(AssertionError):
    """The contracts do not do what the interfaces say."""


def simplify(value: Any) -> Any:
    """Structs and lists as tuples, flags as integers, addresses as strings."""
    if is_dataclass(value):
        return tuple(simplify(getattr(value, item.name)) for item in fields_of(value))
    if isinstance(value, list | tuple):
        return tuple(simplify(item) for item in value)
    if value is None or isinstance(value, bool | bytes):
        return value
    if isinstance(value, int):
        return int(value)
    return str(value)


class Driver:
    """One sequence of calls; `met` counts what it has met."""

    def __init__(self, world: World):
        self.world, self.ghost = world, world.ghost
        self.contracts, self.addresses = world.contracts, world.addresses
        self.names = {address: name for name, address in world.addresses.items()}
        self.met: Counter[str] = Counter()
        self.steps = 0
        self.set_time(boa.env.timestamp)

    # Time.

    @property
    def now(self) -> int:
        return self.ghost.common.now

    def set_time(self, timestamp: int) -> None:
        patch = boa.env.evm.patch
        passed = timestamp - boa.env.timestamp
        block = patch.block_number + max(1, passed // BLOCK_SECONDS)
        patch.timestamp, patch.block_number = timestamp, block
        kept = range(block - 1, block - 1 - HASHES_KEPT, -1)
        patch.prev_hashes = [compute_block_hash(number) for number in kept]
        self.ghost.common.now, self.ghost.common.block = timestamp, block

    # Calls.

    def ask(self, contract: str, function: str, *arguments: Any, sender: str | None = None) -> Any:
        """Call the contract: its answer, or the reason of the refusal as an exception."""
        target = self.contracts[contract]
        part = getattr(target, function)
        computation = boa.env.execute_code(
            to_address=target.address,
            sender=sender,
            data=part.prepare_calldata(*arguments),
            is_modifying=part.func_t.is_mutable,
        )
        self.computation = computation
        if computation.is_error:
            raise Refused([read_reason(computation)])
        if part.func_t.return_type is None:
            return None
        return simplify(target.marshal_to_python(computation, part.func_t.return_type))

    def do(self, call: Call) -> bool:
        """Make the call; True where it went through."""
        self.steps += 1
        try:
            expected = self.foresee(self.ghost, call)
        except Refused as refusal:
            self._expect_refusal(call, refusal)
            return False
        try:
            answer = self.ask(*self._translate(call), sender=call.sender)
        except Refused as refusal:
            raise Difference(f"{call} was refused: {refusal}") from None
        if answer != simplify(expected):
            raise Difference(f"{call} returned {answer} instead of {simplify(expected)}")
        self._check_events(call)
        self.met[call.name] += 1
        return True

    def foresee(self, ghost: Ghost, call: Call) -> Any:
        """What the call returns, by the model, which it changes."""
        function = "play" if is_move(call) else call.function
        arguments = call.arguments
        return ghost.call(call.contract, function, call.sender, *arguments)

    def _translate(self, call: Call) -> tuple[Any, ...]:
        if is_move(call):
            game_id, move = call.arguments
            return "game", compute_function_name(move), game_id, *encode_move(move)
        return call.contract, call.function, *map(encode, call.arguments)

    def _expect_refusal(self, call: Call, refusal: Refused) -> None:
        try:
            answer = self.ask(*self._translate(call), sender=call.sender)
        except Refused as found:
            (reason,) = found.reasons
            if reason not in refusal.reasons:
                raise Difference(f"{call}: '{reason}' instead of '{refusal}'") from None
            self.met[reason] += 1
            self.met[f"{call.name} refused"] += 1
            self.met[f"{call.name}: {reason}"] += 1
            return
        raise Difference(f"{call} returned {answer}, not '{refusal}'")

    def _check_events(self, call: Call) -> None:
        contract = self.contracts[call.contract]
        found = Counter(self._read_events(contract.get_logs(self.computation)))
        expected = Counter(describe(event) for event in self.ghost.events)
        if found != expected:
            raise Difference(f"{call}: events {found - expected} instead of {expected - found}")
        self.met.update(f"event {contract}.{name}" for contract, name, _ in found)

    def _read_events(self, logs: Iterable[Any]) -> Iterable[tuple[str, str, Any]]:
        for log in logs:
            values = log._asdict()
            contract = self.names[str(values.pop("address"))]
            name = type(log).__name__
            # What a move of a game says of itself is the business of the game's own tests.
            if contract != "token" and "move" not in values:
                yield describe(Event(contract, name, values))


def describe(event: Event) -> tuple[str, str, Any]:
    values = tuple(sorted((key, simplify(value)) for key, value in event.fields.items()))
    return event.contract, event.name, values


def encode(value: Any) -> Any:
    """An argument as the ABI has it."""
    if is_dataclass(value) or isinstance(value, tuple):
        return list(simplify(value)) if isinstance(value, tuple) else simplify(value)
    return value


def read_reason(computation: Any) -> str:
    output = computation.output
    if output[:4] == ERROR:
        return str(decode(["string"], output[4:])[0])
    return NO_REASON if not output else f"{output.hex()}"


def is_move(call: Call) -> bool:
    """Whether the call is a move of a game."""
    return any(isinstance(argument, moves.Move) for argument in call.arguments)


def play(sender: str, game_id: int, move: moves.Move) -> Call:
    return Call(sender, "game", compute_function_name(move), (game_id, move))
