# pragma version ==0.4.3
# pragma nonreentrancy off
"""
@title StepVerifier
@notice Recomputes one element of one instruction from openings of committed tensors; mirrors
        `protocol/verifier.py` and `protocol/evaluation.py`. See IStepVerifier.
"""


from .interfaces import IMapUnit
from .interfaces import IStepVerifier
from .modules import descriptor
from .modules import fold
from .modules import opening
from .modules import threefry

implements: IStepVerifier


# The numbers of `protocol.instructions.Opcode` that are told apart here.
ADD: constant(uint256) = 1
DEQUANTIZE: constant(uint256) = 28
IEQ: constant(uint256) = 32
DOT: constant(uint256) = 40
MATCH_SUM: constant(uint256) = 44
CONST: constant(uint256) = 50
IOTA: constant(uint256) = 51
GATHER: constant(uint256) = 52
CONCAT: constant(uint256) = 53
LOAD_STATE: constant(uint256) = 54
LOAD_BATCH: constant(uint256) = 55
RANDOM: constant(uint256) = 56

SOURCE_INSTRUCTION: constant(uint8) = 1
SOURCE_INPUT: constant(uint8) = 2
F32: constant(uint8) = 1
I32: constant(uint8) = 2

MAX_RANK: constant(uint256) = 2**3  # = 8
MAX_OPERANDS: constant(uint256) = 3
MAX_INPUTS: constant(uint256) = 2**3  # = 8
CHUNK_LENGTH: constant(uint256) = 2**8  # = 256
WORDS: constant(uint256) = 32  # of a chunk's bytes


# What an operand's opening is checked against, apart from the operand itself.
struct Place:
    operator_trace_root: bytes32
    instruction_trace_root: bytes32
    operators: uint256
    operator: uint256
    instruction: uint256
    descriptor: IStepVerifier.OperatorDescriptor
    operands: uint256
    coordinates: uint256[MAX_RANK]


# The contract that computes map instructions.
MAP_UNIT: public(immutable(IMapUnit))


@deploy
def __init__(map_unit: address):
    """
    @custom:reverts "verifier: map unit has no code"
    """
    assert map_unit.is_contract, "verifier: map unit has no code"
    MAP_UNIT = IMapUnit(map_unit)


@external
@view
def check_location(
    program_root: bytes32,
    operator: uint32,
    instruction: uint32,
    location: IStepVerifier.Location,
):
    """
    @notice See IStepVerifier.
    """
    self._check_location(program_root, operator, instruction, location)


@external
@view
def compute_element(
    context: IStepVerifier.Context,
    location: IStepVerifier.Location,
    openings: DynArray[IStepVerifier.TensorOpening, MAX_OPERANDS],
) -> bytes32:
    """
    @notice See IStepVerifier.
    """
    self._check_location(
        context.program_root, context.operator, context.instruction, location
    )
    element: uint256 = convert(context.element, uint256)
    opcode: uint256 = convert(location.instruction.opcode, uint256)
    rank: uint256 = convert(location.instruction.rank, uint256)
    place: Place = Place(
        operator_trace_root=context.operator_trace_root,
        instruction_trace_root=context.instruction_trace_root,
        operators=convert(location.header.operators, uint256),
        operator=convert(context.operator, uint256),
        instruction=convert(context.instruction, uint256),
        descriptor=location.operator,
        operands=self._count_operands(location.instruction.operands),
        coordinates=opening.compute_coordinates(location.instruction.shape, rank, element),
    )
    count: uint256 = place.operands
    if (opcode == LOAD_STATE) or (opcode == LOAD_BATCH):
        count = 1
    assert len(openings) == count, "verifier: wrong number of openings"

    word: uint256 = 0
    if (opcode >= DOT) and (opcode <= MATCH_SUM):
        word = self._compute_fold(context, location.instruction, place, openings)
        return convert(word, bytes32)

    assert context.chunk == 0, "verifier: chunk out of range"
    if (opcode >= ADD) and (opcode <= IEQ):
        word = self._compute_map(location.instruction, place, openings)
    elif opcode == CONST:
        word = self._compute_const(location.instruction)
    elif opcode == IOTA:
        word = place.coordinates[self._get_axis(location.instruction)]
    elif opcode == GATHER:
        word = self._gather(location.instruction, place, openings)
    elif opcode == CONCAT:
        word = self._concat(location.instruction, place, openings)
    elif opcode == LOAD_STATE:
        word = self._load_state(context, location.header, location.instruction, openings[0])
    elif opcode == LOAD_BATCH:
        word = self._load_batch(context, location, openings[0])
    elif opcode == RANDOM:
        word = self._random(element, location.instruction, place, openings)
    else:
        raise "verifier: unknown opcode"
    return convert(word, bytes32)


# Descriptors and operands


@internal
@pure
def _check_location(
    program_root: bytes32,
    operator: uint32,
    instruction: uint32,
    location: IStepVerifier.Location,
):
    descriptor.check_header(program_root, location.header)
    descriptor.check_operator(
        location.header.operators_root,
        location.header.operators,
        convert(operator, uint256),
        location.operator,
        location.operator_path,
    )
    descriptor.check_instruction(
        location.operator.instructions_root,
        location.operator.instructions,
        convert(instruction, uint256),
        location.instruction,
        location.instruction_path,
    )


@internal
@pure
def _count_operands(operands: IStepVerifier.Operand[MAX_OPERANDS]) -> uint256:
    """
    @notice Operands are the leading ones that have a source.
    """
    count: uint256 = 0
    for operand: IStepVerifier.Operand in operands:
        if operand.source == 0:
            break
        count = unsafe_add(count, 1)
    return count


@internal
@pure
def _get_commitment(place: Place, operand: IStepVerifier.Operand) -> opening.Commitment:
    """
    @notice Where the operand's tensor is committed; it must be earlier than what is computed.
    """
    index: uint256 = convert(operand.index, uint256)
    count: uint256 = convert(place.descriptor.instructions, uint256)
    root: bytes32 = place.instruction_trace_root
    if operand.source == SOURCE_INSTRUCTION:
        assert index < place.instruction, "verifier: operand is not earlier"
    else:
        assert operand.source == SOURCE_INPUT, "verifier: unknown source"
        inputs: uint256 = min(convert(place.descriptor.inputs, uint256), MAX_INPUTS)
        assert index < inputs, "verifier: input out of range"
        index = convert(place.descriptor.producers[index], uint256)
        assert index < place.operator, "verifier: operand is not earlier"
        count = place.operators
        root = place.operator_trace_root
    return opening.Commitment(
        vector_root=root,
        count=count,
        index=index,
        size=convert(operand.size, uint256),
        dtype=convert(operand.dtype, uint256),
    )


@internal
@pure
def _read_elements(
    place: Place,
    operand: IStepVerifier.Operand,
    opened: IStepVerifier.TensorOpening,
    coordinates: uint256[MAX_RANK],
    further: int256,
    length: uint256,
) -> uint256[WORDS]:
    """
    @notice Neighbouring elements, from `further` beyond where the index map points.
    """
    # unsafe: both are below 2**132 in size
    position: int256 = unsafe_add(opening.compute_position(operand, coordinates), further)
    return opening.open_elements(
        self._get_commitment(place, operand), opened, position, length
    )


@internal
@pure
def _read_word(
    place: Place,
    operand: IStepVerifier.Operand,
    opened: IStepVerifier.TensorOpening,
    coordinates: uint256[MAX_RANK],
    further: int256,
) -> uint256:
    words: uint256[WORDS] = self._read_elements(
        place, operand, opened, coordinates, further, 1
    )
    return opening.decode_word(words[0], convert(operand.dtype, uint256))


@internal
@pure
def _get_axis(instruction: IStepVerifier.Instruction) -> uint256:
    axis: int64 = instruction.attributes[0]
    assert axis >= 0, "verifier: axis out of range"
    assert axis < convert(instruction.rank, int64), "verifier: axis out of range"
    return convert(axis, uint256)


# Classes of instruction


@internal
@view
def _compute_map(
    instruction: IStepVerifier.Instruction,
    place: Place,
    openings: DynArray[IStepVerifier.TensorOpening, MAX_OPERANDS],
) -> uint256:
    words: uint256[MAX_OPERANDS] = empty(uint256[MAX_OPERANDS])
    for i: uint256 in range(place.operands, bound=MAX_OPERANDS):
        words[i] = self._read_word(
            place, instruction.operands[i], openings[i], place.coordinates, 0
        )
    opcode: uint256 = convert(instruction.opcode, uint256)
    attribute1: int256 = convert(instruction.attributes[1], int256)
    # A DEQUANTIZE without a second maximum has no second number of bits.
    if (opcode == DEQUANTIZE) and (place.operands != MAX_OPERANDS):
        attribute1 = 0
    return staticcall MAP_UNIT.compute_map(
        opcode,
        words[0],
        words[1],
        words[2],
        convert(instruction.attributes[0], int256),
        attribute1,
    )


@internal
@pure
def _compute_fold(
    context: IStepVerifier.Context,
    instruction: IStepVerifier.Instruction,
    place: Place,
    openings: DynArray[IStepVerifier.TensorOpening, MAX_OPERANDS],
) -> uint256:
    opcode: uint256 = convert(instruction.opcode, uint256)
    # unsafe: a chunk is below 2**64
    start: uint256 = unsafe_mul(convert(context.chunk, uint256), CHUNK_LENGTH)
    total: uint256 = convert(instruction.fold, uint256)
    assert start < total, "verifier: chunk out of range"
    length: uint256 = min(unsafe_sub(total, start), CHUNK_LENGTH)

    folded: uint256 = 1
    if (opcode == DOT) or (opcode == MATCH_SUM):
        folded = 2
    needed: uint256 = folded
    if opcode == MATCH_SUM:
        needed = 3
    assert needed <= place.operands, "verifier: operand is missing"
    dtype: uint8 = F32
    if fold.is_integer(opcode):
        dtype = I32
    chunks: uint256[WORDS][2] = empty(uint256[WORDS][2])
    for i: uint256 in range(folded, bound=2):
        assert instruction.operands[i].dtype == dtype, "verifier: wrong dtype"
        chunks[i] = self._read_elements(
            place,
            instruction.operands[i],
            openings[i],
            place.coordinates,
            convert(start, int256),
            length,
        )
    wanted: uint256 = 0
    if opcode == MATCH_SUM:
        wanted = self._read_word(
            place, instruction.operands[2], openings[2], place.coordinates, 0
        )
    accumulator: uint256 = fold.compute_initial(opcode)
    if context.chunk != 0:
        accumulator = convert(context.accumulator, uint256)
    return fold.compute_fold(opcode, accumulator, chunks[0], chunks[1], wanted, length)


@internal
@pure
def _compute_const(instruction: IStepVerifier.Instruction) -> uint256:
    # Through bytes32: two's complement of a negative attribute.
    value: uint256 = convert(
        convert(convert(instruction.attributes[0], int256), bytes32), uint256
    )
    if instruction.dtype == F32:
        return value & (2**32 - 1)
    return opening.extend_sign(value)


@internal
@pure
def _gather(
    instruction: IStepVerifier.Instruction,
    place: Place,
    openings: DynArray[IStepVerifier.TensorOpening, MAX_OPERANDS],
) -> uint256:
    assert place.operands >= 2, "verifier: operand is missing"
    word: uint256 = self._read_word(
        place, instruction.operands[1], openings[1], place.coordinates, 0
    )
    index: int256 = convert(convert(word, bytes32), int256)
    if (index < 0) or (index >= convert(instruction.attributes[1], int256)):
        return 0
    stride: int256 = convert(instruction.attributes[0], int256)
    # unsafe: both are below 2**64 in size
    further: int256 = unsafe_mul(stride, index)
    return self._read_word(
        place, instruction.operands[0], openings[0], place.coordinates, further
    )


@internal
@pure
def _concat(
    instruction: IStepVerifier.Instruction,
    place: Place,
    openings: DynArray[IStepVerifier.TensorOpening, MAX_OPERANDS],
) -> uint256:
    assert place.operands >= 2, "verifier: operand is missing"
    axis: uint256 = self._get_axis(instruction)
    split: int256 = convert(instruction.attributes[1], int256)
    # A coordinate is below 2**64.
    coordinate: int256 = convert(place.coordinates[axis], int256)
    side: uint256 = 0
    moved: uint256[MAX_RANK] = place.coordinates
    if coordinate >= split:
        side = 1
        # unsafe: the difference is not negative, and below 2**65
        moved[axis] = convert(unsafe_sub(coordinate, split), uint256)
    return self._read_word(place, instruction.operands[side], openings[side], moved, 0)


@internal
@pure
def _random(
    element: uint256,
    instruction: IStepVerifier.Instruction,
    place: Place,
    openings: DynArray[IStepVerifier.TensorOpening, MAX_OPERANDS],
) -> uint256:
    assert place.operands >= 1, "verifier: operand is missing"
    counter: uint256 = self._read_word(
        place, instruction.operands[0], openings[0], place.coordinates, 0
    )
    # Through bytes32: a key counts modulo 2**32, in two's complement.
    key0: bytes32 = convert(convert(instruction.attributes[0], int256), bytes32)
    key1: bytes32 = convert(convert(instruction.attributes[1], int256), bytes32)
    return threefry.random24(convert(key0, uint256), convert(key1, uint256), element, counter)


@internal
@pure
def _load_state(
    context: IStepVerifier.Context,
    header: IStepVerifier.Header,
    instruction: IStepVerifier.Instruction,
    opened: IStepVerifier.TensorOpening,
) -> uint256:
    assert instruction.attributes[0] >= 0, "verifier: index out of range"
    dtype: uint256 = convert(instruction.dtype, uint256)
    commitment: opening.Commitment = opening.Commitment(
        vector_root=context.state_root,
        count=convert(header.slots, uint256),
        index=convert(instruction.attributes[0], uint256),
        size=opening.compute_size(instruction.shape, convert(instruction.rank, uint256)),
        dtype=dtype,
    )
    words: uint256[WORDS] = opening.open_elements(
        commitment, opened, convert(context.element, int256), 1
    )
    return opening.decode_word(words[0], dtype)


@internal
@pure
def _load_batch(
    context: IStepVerifier.Context,
    location: IStepVerifier.Location,
    opened: IStepVerifier.TensorOpening,
) -> uint256:
    """
    @dev The record of a row: see `protocol/sampler.py`.
    """
    attribute: int64 = location.instruction.attributes[0]
    assert attribute >= 0, "verifier: index out of range"
    index: uint256 = convert(attribute, uint256)
    descriptor.check_field(
        location.header.fields_root,
        location.header.fields,
        index,
        location.field,
        location.field_path,
    )
    assert location.field.dtype == location.instruction.dtype, "verifier: wrong dtype"
    size: uint256 = convert(location.field.size, uint256)
    records: uint256 = convert(context.records, uint256)
    assert size != 0, "verifier: empty record"
    assert records != 0, "verifier: no records"
    stride: uint256 = convert(location.field.stride, uint256)
    dtype: uint256 = convert(location.field.dtype, uint256)
    element: uint256 = convert(context.element, uint256)
    step: uint256 = convert(context.step, uint256)
    # unsafe: the size is not zero
    row: uint256 = unsafe_div(element, size)
    digest: bytes32 = sha256(concat(context.seed, convert(step, bytes32), convert(row, bytes32)))
    record: uint256 = convert(digest, uint256) % records
    # unsafe: records are not zero, and all factors are below 2**64
    commitment: opening.Commitment = opening.Commitment(
        vector_root=context.dataset_root,
        count=convert(location.header.fields, uint256),
        index=index,
        size=unsafe_add(unsafe_mul(unsafe_sub(records, 1), stride), size),
        dtype=dtype,
    )
    position: uint256 = unsafe_add(unsafe_mul(record, stride), element % size)
    words: uint256[WORDS] = opening.open_elements(
        commitment, opened, convert(position, int256), 1
    )
    return opening.decode_word(words[0], dtype)
