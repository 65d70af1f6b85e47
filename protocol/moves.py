"""The moves of the challenge game, with the names and arguments of the contract's functions.

`move` is the number of moves made before this one: a move is made against the state that it was
planned for, or not at all.
"""

from dataclasses import dataclass

from protocol.descriptor import Header, Location, OperatorDescriptor, SlotDescriptor
from protocol.instructions import Instruction
from protocol.merkle import ZERO_VALUE
from protocol.opening import TensorOpening
from protocol.types import Root

Path = tuple[Root, ...]


@dataclass(frozen=True)
class Reveal:
    """Worker: the contested node's descendants, 2 ** min(5, height) of them."""

    move: int
    nodes: tuple[Root, ...]


@dataclass(frozen=True)
class Pick:
    """Challenger: one of the nodes revealed, and its path to the contested node."""

    move: int
    child: int
    node: Root
    path: Path


@dataclass(frozen=True)
class ExpandStep:
    """Worker: the root over the segment's states; the last is the contested one."""

    move: int
    root: Root
    path: Path


@dataclass(frozen=True)
class ExpandSlot:
    """Worker: the header, because the contested state root is itself the vector."""

    move: int
    header: Header


@dataclass(frozen=True)
class ExpandOperator:
    """Worker: the root of the step's trace; the leaf of the slot's producer is contested."""

    move: int
    root: Root
    path: Path
    header: Header
    slot: SlotDescriptor
    slot_path: Path


@dataclass(frozen=True)
class ExpandInstruction:
    """Worker: the root of the operator's trace; the last leaf is the contested one."""

    move: int
    root: Root
    path: Path
    header: Header
    operator: OperatorDescriptor
    operator_path: Path


@dataclass(frozen=True)
class ExpandElement:
    """Worker: the instruction, which fixes the shape of the contested tensor's tree."""

    move: int
    instruction: Instruction
    path: Path


@dataclass(frozen=True)
class RevealLeaf:
    """Worker: the contested 1 KiB of the tensor."""

    move: int
    data: bytes


@dataclass(frozen=True)
class PickElement:
    """Challenger: the place of the contested element in the leaf."""

    move: int
    position: int


@dataclass(frozen=True)
class ExpandChunk:
    """Worker: the root over the fold's accumulators; the last is the contested element."""

    move: int
    root: Root
    path: Path
    data: bytes


@dataclass(frozen=True)
class Agreed:
    """Values that the challenger accepted by pointing behind them; without a path where none is."""

    state_root: Root = ZERO_VALUE  # before the contested step
    state_path: Path = ()
    accumulator: bytes = bytes(32)  # before the contested chunk
    accumulator_path: Path = ()


@dataclass(frozen=True)
class Prove:
    """Worker: what the contested element is computed from."""

    move: int
    location: Location
    openings: tuple[TensorOpening, ...]
    agreed: Agreed
    data: bytes  # the contested leaf; empty at level CHUNK


@dataclass(frozen=True)
class Timeout:
    """Anybody: end a game whose owed move is late."""


@dataclass(frozen=True)
class Drop:
    """Anybody: end a game whose claim another game has refuted."""


SideMove = (
    Reveal
    | Pick
    | ExpandStep
    | ExpandSlot
    | ExpandOperator
    | ExpandInstruction
    | ExpandElement
    | RevealLeaf
    | PickElement
    | ExpandChunk
    | Prove
)
Move = SideMove | Timeout | Drop
