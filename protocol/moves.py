"""The moves of the challenge game, with the names and arguments of the contract's functions.

`move` is the number of moves made before this one: a move is made against the state that it was
planned for, or not at all.
"""

from dataclasses import dataclass

from protocol.descriptor import Header, Location, OperatorDescriptor, SlotDescriptor
from protocol.instructions import Instruction
from protocol.merkle import ZERO_VALUE, compute_node
from protocol.opening import TensorOpening
from protocol.types import Root

Path = tuple[Root, ...]
Nodes = tuple[Root, ...]


@dataclass(frozen=True)
class Reveal:
    """Worker: the contested node's descendants, 2 ** `compute_depth` of them."""

    move: int
    nodes: Nodes


@dataclass(frozen=True)
class Pick:
    """Challenger: one of the nodes shown, and its path to the contested node."""

    move: int
    child: int
    node: Root
    path: Path


@dataclass(frozen=True)
class ExpandStep:
    """Worker: nodes of the vector of the segment's states; the last is the contested one.

    In this and the other expansions, `nodes` are what a reveal of the new vector's root would
    show, and the path goes from the contested value up to, not including, its ancestor in them.
    """

    move: int
    nodes: Nodes
    path: Path


@dataclass(frozen=True)
class ExpandSlot:
    """Worker: the header, and nodes of the contested state root, which is itself the vector."""

    move: int
    nodes: Nodes
    header: Header


@dataclass(frozen=True)
class ExpandOperator:
    """Worker: nodes of the step's trace; the leaf of the slot's producer is contested."""

    move: int
    nodes: Nodes
    path: Path
    header: Header
    slot: SlotDescriptor
    slot_path: Path


@dataclass(frozen=True)
class ExpandInstruction:
    """Worker: nodes of the operator's trace; the last leaf is the contested one."""

    move: int
    nodes: Nodes
    path: Path
    header: Header
    operator: OperatorDescriptor
    operator_path: Path


@dataclass(frozen=True)
class ExpandElement:
    """Worker: the instruction, which fixes the shape of the contested tensor's tree; its nodes.

    The path ends at the microcode root, and `before` is the digest of the roots posted before it.
    """

    move: int
    nodes: Nodes
    before: Root
    microcode_root: Root
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
    """Worker: nodes of the vector of the fold's accumulators; the last is the contested element."""

    move: int
    nodes: Nodes
    path: Path
    data: bytes


def compute_posted(*roots: Root) -> Root:
    """The digest of posted roots: each is hashed behind the digest of those before it."""
    digest = ZERO_VALUE
    for root in roots:
        digest = compute_node(digest, root)
    return digest


@dataclass(frozen=True)
class Posted:
    """The roots that expansions have posted, in this order. The game keeps only their digest."""

    step_root: Root
    operator_trace_root: Root
    instruction_trace_root: Root
    microcode_root: Root  # of the contested operator's instruction descriptors
    chunk_root: Root = ZERO_VALUE  # where there is a level CHUNK

    @property
    def before_microcode(self) -> Root:
        """The digest of the roots before the microcode's, with which that is posted."""
        return compute_posted(self.step_root, self.operator_trace_root, self.instruction_trace_root)


@dataclass(frozen=True)
class Agreed:
    """Values that the challenger accepted by pointing behind them; without a path where none is."""

    state_root: Root = ZERO_VALUE  # before the contested step; only LOAD_STATE reads it
    state_path: Path = ()
    accumulator: bytes = bytes(32)  # before the contested chunk
    accumulator_path: Path = ()


@dataclass(frozen=True)
class Prove:
    """Worker: what the contested element is computed from."""

    move: int
    posted: Posted
    agreed: Agreed
    data: bytes  # the contested leaf; empty at level CHUNK
    location: Location
    openings: tuple[TensorOpening, ...]


@dataclass(frozen=True)
class Timeout:
    """Anybody: end a game whose owed move is late."""


@dataclass(frozen=True)
class Drop:
    """Anybody: end a game whose claim another game has refuted."""


Expansion = (
    ExpandStep | ExpandSlot | ExpandOperator | ExpandInstruction | ExpandElement | ExpandChunk
)
SideMove = Reveal | Pick | Expansion | RevealLeaf | PickElement | Prove
Move = SideMove | Timeout | Drop


def get_shown(move: Move) -> Nodes | bytes:
    """What the challenger chooses from after the move: nodes, or a leaf's bytes."""
    if isinstance(move, Reveal | Expansion):
        return move.nodes
    return move.data if isinstance(move, RevealLeaf) else ()
