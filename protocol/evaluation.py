"""What one element of an instruction is, in terms of few elements of committed tensors.

The verifier evaluates an element over openings that it checks; an honest party evaluates it over
its own trace and notes what was read. Both run the code here, so they cannot disagree about which
elements an opening must hold. Mirrored by `contracts/StepVerifier.vy`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from protocol import threefry
from protocol.descriptor import Location, VerifierError, check_field, require
from protocol.fold import compute_fold, compute_folded_dtype, compute_initial, is_fold
from protocol.instructions import LEGALITY, Opcode, Operand, Source
from protocol.map_unit import compute_map, to_integer, to_word
from protocol.opening import (
    Commitment,
    Vector,
    compute_coordinates,
    compute_position,
    compute_size_checked,
    decode_word,
)
from protocol.sampler import compute_record
from protocol.types import CHUNK_LENGTH, Dtype, Root, Seed, StepIndex

# (operand number, where its tensor is committed, first element, count) -> the elements' bytes
Read = Callable[[int, Commitment, int, int], bytes]


@dataclass(frozen=True)
class Context:
    """What the game has settled; everything before the contested place is agreed."""

    program_root: Root
    dataset_root: Root
    seed: Seed
    records: int
    step: StepIndex  # steps since genesis, over the whole run
    state_root: Root  # the state before the step
    operator_trace_root: Root  # vector over the step's operators' output roots
    instruction_trace_root: Root  # vector over this operator's instructions' output roots
    operator: int
    instruction: int
    element: int  # position in the instruction's output
    chunk: int = 0  # which 256 elements of the fold
    accumulator: bytes = bytes(32)  # agreed before the chunk; not read for chunk 0


class Evaluation:
    """One element's evaluation: the arguments, and the coordinates that they give."""

    def __init__(self, context: Context, location: Location, read: Read):
        self.context = context
        self.location = location
        self.instruction = location.instruction
        self.attributes = (*location.instruction.attributes, 0, 0)
        self.read = read
        self.coordinates = compute_coordinates(self.instruction.shape, context.element)

    def count_openings(self) -> int:
        """Openings that the element needs: one per operand, or that of what is loaded."""
        if self.instruction.opcode in (Opcode.LOAD_STATE, Opcode.LOAD_BATCH):
            return 1
        return self.count_operands()

    def compute(self) -> int:
        """The element's word, or the accumulator's after the chunk. Raises `VerifierError`."""
        opcode = self.instruction.opcode
        if is_fold(opcode):
            return self.compute_fold()
        require(self.context.chunk == 0, "chunk out of range")
        if Opcode.ADD <= opcode <= Opcode.IEQ:
            return self.compute_map()
        match opcode:
            case Opcode.CONST:
                return self.const()
            case Opcode.IOTA:
                return self.coordinates[self.get_axis()]
            case Opcode.GATHER:
                return self.gather()
            case Opcode.CONCAT:
                return self.concat()
            case Opcode.LOAD_STATE:
                return self.load_state()
            case Opcode.LOAD_BATCH:
                return self.load_batch()
            case Opcode.RANDOM:
                return self.random()
        raise VerifierError("verifier: unknown opcode")

    # Operands

    def count_operands(self) -> int:
        """Operands are the leading ones that have a source."""
        sources = [operand.source for operand in self.instruction.operands] + [Source.NONE]
        return sources.index(Source.NONE)

    def require_operands(self, count: int) -> None:
        require(count <= self.count_operands(), "operand is missing")

    def get_commitment(self, operand: Operand) -> Commitment:
        """Where the operand's tensor is committed; it must be earlier than what is computed."""
        context, index = self.context, operand.index
        if operand.source == Source.INSTRUCTION:
            require(index < context.instruction, "operand is not earlier")
            count = self.location.operator.instructions
            vector, root = Vector.INSTRUCTIONS, context.instruction_trace_root
        else:
            require(operand.source == Source.INPUT, "unknown source")
            operator = self.location.operator
            require(index < min(operator.inputs, len(operator.producers)), "input out of range")
            index = operator.producers[index]
            require(index < context.operator, "operand is not earlier")
            count = self.location.header.operators
            vector, root = Vector.OPERATORS, context.operator_trace_root
        return Commitment(vector, root, count, index, operand.size, operand.dtype)

    def read_elements(
        self, number: int, coordinates: Sequence[int], further: int, length: int
    ) -> bytes:
        """Bytes of neighbouring elements, from `further` beyond where the index map points."""
        operand = self.instruction.operands[number]
        position = compute_position(operand, coordinates) + further
        return self.read(number, self.get_commitment(operand), position, length)

    def read_word(self, number: int, coordinates: Sequence[int], further: int = 0) -> int:
        """Word of one element."""
        data = self.read_elements(number, coordinates, further, 1)
        return decode_word(data, self.instruction.operands[number].dtype)

    def get_axis(self) -> int:
        axis = self.attributes[0]
        require(0 <= axis < len(self.coordinates), "axis out of range")
        return axis

    # Classes of instruction

    def compute_map(self) -> int:
        count = self.count_operands()
        words = [self.read_word(number, self.coordinates) for number in range(count)]
        a, b, c = words + [0] * (3 - count)
        # A DEQUANTIZE without a second maximum has no second number of bits.
        two_scales = self.instruction.opcode != Opcode.DEQUANTIZE or count == 3
        attribute1 = self.attributes[1] if two_scales else 0
        return compute_map(self.instruction.opcode, a, b, c, self.attributes[0], attribute1)

    def compute_fold(self) -> int:
        opcode, chunk = self.instruction.opcode, self.context.chunk
        start = chunk * CHUNK_LENGTH
        require(start < self.instruction.fold, "chunk out of range")
        length = min(CHUNK_LENGTH, self.instruction.fold - start)
        self.require_operands(len(LEGALITY[opcode].types[0][0]))
        data = [b"", b""]
        for number in range(LEGALITY[opcode].folded):
            dtype = self.instruction.operands[number].dtype
            require(dtype == compute_folded_dtype(opcode), "wrong dtype")
            data[number] = self.read_elements(number, self.coordinates, start, length)
        wanted = 0
        if opcode == Opcode.MATCH_SUM:
            wanted = self.read_word(2, self.coordinates)
        accumulator = compute_initial(opcode)
        if chunk != 0:
            accumulator = int.from_bytes(self.context.accumulator, "big")
        return compute_fold(opcode, accumulator, data[0], data[1], wanted)

    def const(self) -> int:
        value = self.attributes[0] % 2**32
        if self.instruction.dtype == Dtype.F32:
            return value
        return to_word((value + 2**31) % 2**32 - 2**31)

    def gather(self) -> int:
        self.require_operands(2)
        stride, limit = self.attributes[:2]
        index = to_integer(self.read_word(1, self.coordinates))
        if not 0 <= index < limit:
            return 0
        return self.read_word(0, self.coordinates, stride * index)

    def concat(self) -> int:
        self.require_operands(2)
        axis, split = self.get_axis(), self.attributes[1]
        if self.coordinates[axis] < split:
            return self.read_word(0, self.coordinates)
        moved = list(self.coordinates)
        moved[axis] -= split
        return self.read_word(1, moved)

    def random(self) -> int:
        self.require_operands(1)
        counter = self.read_word(0, self.coordinates)
        element = self.context.element
        return threefry.random24(self.attributes[0], self.attributes[1], element, counter)

    def load_state(self) -> int:
        slot, header = self.attributes[0], self.location.header
        require(0 <= slot, "index out of range")
        size = compute_size_checked(self.instruction.shape)
        dtype = self.instruction.dtype
        root = self.context.state_root
        commitment = Commitment(Vector.STATE, root, header.slots, slot, size, dtype)
        return decode_word(self.read(0, commitment, self.context.element, 1), dtype)

    def load_batch(self) -> int:
        context, location, field = self.context, self.location, self.location.field
        index = self.attributes[0]
        require(0 <= index, "index out of range")
        check_field(location.header, index, field, location.field_path)
        require(field.dtype == self.instruction.dtype, "wrong dtype")
        require(field.size != 0, "empty record")
        require(context.records != 0, "no records")
        row, within = divmod(context.element, field.size)
        record = compute_record(context.seed, context.step, row, context.records)
        length = (context.records - 1) * field.stride + field.size
        count, root = location.header.fields, context.dataset_root
        commitment = Commitment(Vector.DATASET, root, count, index, length, field.dtype)
        position = record * field.stride + within
        return decode_word(self.read(0, commitment, position, 1), field.dtype)
