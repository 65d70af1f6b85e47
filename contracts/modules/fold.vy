# pragma version ==0.4.3
# pragma nonreentrancy off
"""
@title fold
@notice One chunk of a fold: at most 256 elements on top of an accumulator; mirrors
        `protocol/fold.py`.

        Elements of four bytes lie in order in 32 words, little-endian. An integer accumulator is
        an i64, as in the committed tensor; the additions wrap, which no validated program can
        reach. A float accumulator is the bit pattern of an f32.
@dev Unsafe operations on integers: with 256 products of two i32 an accumulator stays below 2**72
     before it is wrapped.
"""


from . import opening


DOT: constant(uint256) = 40
SUM: constant(uint256) = 41
MAXIMUM: constant(uint256) = 42
ABSMAX: constant(uint256) = 43
MATCH_SUM: constant(uint256) = 44

WORDS: constant(uint256) = 32
LANES: constant(uint256) = 8  # elements of one word
FLOAT_BITS: constant(uint256) = 2**32 - 1
NAN: constant(uint256) = 2**31 - 2**22  # the pattern 0x7fc00000
SIGN: constant(uint256) = 2**31
MAGNITUDE: constant(int256) = 2**31 - 1  # every bit but the sign
INFINITY: constant(int256) = 2**31 - 2**23  # the pattern 0x7f800000
MINUS_INFINITY: constant(uint256) = 2**32 - 2**23
# MAGNITUDE in each lane.
MAGNITUDES: constant(uint256) = max_value(uint256) // (2**32 - 1) * (2**31 - 1)


@internal
@pure
def is_integer(opcode: uint256) -> bool:
    """
    @notice Whether a fold's operands are integers.
    """
    return (opcode != MAXIMUM) and (opcode != ABSMAX)


@internal
@pure
def compute_initial(opcode: uint256) -> uint256:
    """
    @notice Accumulator word before the first chunk, the fold's neutral element.
    """
    if opcode == MAXIMUM:
        return MINUS_INFINITY
    return 0


@internal
@pure
def compute_fold(
    opcode: uint256,
    accumulator: uint256,
    a: uint256[WORDS],
    b: uint256[WORDS],
    wanted: uint256,
    length: uint256,
) -> uint256:
    """
    @notice Accumulator word after a chunk of `length` elements, at most 256.
    @dev `wanted` is the word of MATCH_SUM's third operand.
    """
    if not self.is_integer(opcode):
        return self.fold_maximum(accumulator, a, length, opcode == ABSMAX)
    total: int256 = self.wrap_to_int64(self.to_integer(accumulator))
    if opcode == DOT:
        total = unsafe_add(total, self.dot(a, b, length))
    elif opcode == SUM:
        total = unsafe_add(total, self.integer_sum(a, length))
    else:
        total = unsafe_add(total, self.match_sum(a, b, self.to_integer(wanted), length))
    return convert(convert(self.wrap_to_int64(total), bytes32), uint256)


@internal
@pure
def dot(a: uint256[WORDS], b: uint256[WORDS], length: uint256) -> int256:
    """
    @notice The sum of the products.
    """
    total: int256 = 0
    left: uint256 = length
    for i: uint256 in range(WORDS):
        x: int256 = self.read_lanes(a[i])
        y: int256 = self.read_lanes(b[i])
        for _: uint256 in range(min(left, LANES), bound=LANES):
            total = unsafe_add(total, unsafe_mul(x >> 224, y >> 224))
            x = x << 32
            y = y << 32
        if left <= LANES:
            break
        left = unsafe_sub(left, LANES)
    return total


@internal
@pure
def integer_sum(a: uint256[WORDS], length: uint256) -> int256:
    """
    @notice The sum of the elements.
    """
    total: int256 = 0
    left: uint256 = length
    for word: uint256 in a:
        x: int256 = self.read_lanes(word)
        for _: uint256 in range(min(left, LANES), bound=LANES):
            total = unsafe_add(total, x >> 224)
            x = x << 32
        if left <= LANES:
            break
        left = unsafe_sub(left, LANES)
    return total


@internal
@pure
def match_sum(
    index: uint256[WORDS], added: uint256[WORDS], wanted: int256, length: uint256
) -> int256:
    """
    @notice The sum of the values whose index is the wanted one.
    """
    total: int256 = 0
    left: uint256 = length
    for i: uint256 in range(WORDS):
        x: int256 = self.read_lanes(index[i])
        y: int256 = self.read_lanes(added[i])
        for _: uint256 in range(min(left, LANES), bound=LANES):
            if x >> 224 == wanted:
                total = unsafe_add(total, y >> 224)
            x = x << 32
            y = y << 32
        if left <= LANES:
            break
        left = unsafe_sub(left, LANES)
    return total


@internal
@pure
def fold_maximum(
    accumulator: uint256, a: uint256[WORDS], length: uint256, absolute: bool
) -> uint256:
    """
    @notice The larger of the accumulator and every element, or of their sizes; NaN if any is.
    @dev Compares keys, integers in the order of the floats; NaN lies beyond both infinities.
    """
    mask: uint256 = max_value(uint256)
    if absolute:
        mask = MAGNITUDES
    pattern: int256 = self.to_integer((accumulator << 224) & mask) >> 224
    largest: int256 = self.compute_key(pattern)
    smallest: int256 = largest
    left: uint256 = length
    for word: uint256 in a:
        x: int256 = self.to_integer(opening.swap_bytes(word) & mask)
        for _: uint256 in range(min(left, LANES), bound=LANES):
            key: int256 = self.compute_key(x >> 224)
            largest = max(largest, key)
            smallest = min(smallest, key)
            x = x << 32
        if left <= LANES:
            break
        left = unsafe_sub(left, LANES)
    # unsafe: the key of minus infinity, no extreme
    if (largest > INFINITY) or (smallest < unsafe_sub(-1, INFINITY)):
        return NAN
    # The key of a key is the pattern.
    result: int256 = self.compute_key(largest)
    return convert(convert(result, bytes32), uint256) & FLOAT_BITS


@internal
@pure
def compute_key(pattern: int256) -> int256:
    """
    @notice An integer in the order of the floats; `pattern` is one's bits, sign-extended.
    """
    return pattern ^ ((pattern >> 255) & MAGNITUDE)


@internal
@pure
def read_lanes(word: uint256) -> int256:
    """
    @notice A word whose lanes are big-endian; the first lane is the highest.
    """
    return convert(convert(opening.swap_bytes(word), bytes32), int256)


@internal
@pure
def wrap_to_int64(number: int256) -> int256:
    """
    @notice The i64 with the same lowest 64 bits.
    """
    return (number << 192) >> 192


@internal
@pure
def to_integer(word: uint256) -> int256:
    # Through bytes32: a direct conversion reverts on what is negative in two's complement.
    return convert(convert(word, bytes32), int256)
