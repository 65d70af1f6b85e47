# pragma version ==0.4.3
# pragma nonreentrancy off
"""
@title BatchMock
@notice Many cases in one call, for `scripts/campaign`: of the deployed MapUnit, of the modules
        that StepVerifier folds and draws with, and calls of any contract with their outcomes.
"""


from ..interfaces import IMapUnit
from ..modules import fold
from ..modules import threefry


MAX_WORDS: constant(uint256) = 2**9  # cases of a few words
MAX_CHUNKS: constant(uint256) = 2**6  # cases that hold chunks
MAX_CALLS: constant(uint256) = 2**4
MAX_DATA: constant(uint256) = 2**15  # bytes of one call
MAX_OUTCOME: constant(uint256) = 196  # bytes that a call returns, or a reason of 128 bytes


struct MapCase:
    a: uint256
    b: uint256
    c: uint256
    attribute0: int256
    attribute1: int256


struct FoldCase:
    accumulator: uint256
    wanted: uint256
    length: uint256
    a: uint256[32]
    b: uint256[32]


struct Outcome:
    success: bool
    data: Bytes[MAX_OUTCOME]


@external
@view
def compute_maps(
    map_unit: IMapUnit, opcode: uint256, cases: DynArray[MapCase, MAX_WORDS]
) -> DynArray[uint256, MAX_WORDS]:
    """
    @notice The word that `map_unit` gives for each case.
    """
    words: DynArray[uint256, MAX_WORDS] = []
    for case: MapCase in cases:
        words.append(
            staticcall map_unit.compute_map(
                opcode, case.a, case.b, case.c, case.attribute0, case.attribute1
            )
        )
    return words


@external
@pure
def compute_folds(
    opcode: uint256, cases: DynArray[FoldCase, MAX_CHUNKS]
) -> DynArray[uint256, MAX_CHUNKS]:
    """
    @notice The accumulator after each chunk.
    """
    words: DynArray[uint256, MAX_CHUNKS] = []
    for case: FoldCase in cases:
        words.append(
            fold.compute_fold(
                opcode, case.accumulator, case.a, case.b, case.wanted, case.length
            )
        )
    return words


@external
@pure
def random24s(cases: DynArray[uint256[4], MAX_WORDS]) -> DynArray[uint256, MAX_WORDS]:
    """
    @notice Threefry at each (key0, key1, position, counter).
    """
    words: DynArray[uint256, MAX_WORDS] = []
    for case: uint256[4] in cases:
        words.append(threefry.random24(case[0], case[1], case[2], case[3]))
    return words


@external
@view
def call_each(
    target: address, gas_limit: uint256, calls: DynArray[Bytes[MAX_DATA], MAX_CALLS]
) -> DynArray[Outcome, MAX_CALLS]:
    """
    @notice The outcome of each call: what it returned, or its revert data.
    """
    outcomes: DynArray[Outcome, MAX_CALLS] = []
    for data: Bytes[MAX_DATA] in calls:
        success: bool = False
        returned: Bytes[MAX_OUTCOME] = b""
        success, returned = raw_call(
            target,
            data,
            max_outsize=MAX_OUTCOME,
            gas=gas_limit,
            is_static_call=True,
            revert_on_failure=False,
        )
        outcomes.append(Outcome(success=success, data=returned))
    return outcomes
