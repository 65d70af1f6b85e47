"""The challenge game as a pure state machine; `contracts/ChallengeGame.vy` is the same machine.

A game contests one node of a committed vector at a time. The challenger points at the part that it
doubts (`Pick`), the worker opens it (`Reveal`), and where the contested node is a leaf the worker
expands it to the next level's vector, linked to the leaf and already opened. The last level is one
element, which the verifier recomputes. Stages, levels, clocks and money are described at the head
of `contracts/interfaces/IChallengeGame.vyi`; the limits behind every path's length are those of
`protocol.types`.
"""

from collections.abc import Sequence
from dataclasses import astuple, replace
from typing import Protocol

from protocol import clock, moves, refusals
from protocol.descriptor import (
    Location,
    check_header,
    check_member,
    check_operator,
    check_slot,
    compute_element_bytes,
    hash_instruction,
)
from protocol.evaluation import Context
from protocol.fold import is_fold
from protocol.game_state import (
    COUNTED_GAMES_MAX,
    Game,
    Level,
    Outcome,
    Preset,
    Stage,
    Subject,
    compute_allowance,
    compute_deadline,
    compute_depth,
    compute_extra,
    compute_max_duration,
    compute_settlement,
)
from protocol.merkle import (
    ZERO_LEAF,
    ZERO_VALUE,
    compute_leaf,
    compute_node,
    compute_root_from_descendants,
    compute_root_from_path,
)
from protocol.opening import TensorOpening, decode_word
from protocol.types import (
    CHUNK_LENGTH,
    ELEMENTS_MAX,
    FOLD_MAX,
    INSTRUCTIONS_MAX,
    LEAF_BYTES,
    OPERATORS_MAX,
    PATH_MAX,
    SLOTS_MAX,
    Root,
    Seconds,
    compute_ceil_log2,
    compute_size,
)

__all__ = [
    "Game",
    "Level",
    "Outcome",
    "Preset",
    "Stage",
    "Subject",
    "Verifier",
    "compute_allowance",
    "compute_deadline",
    "compute_max_duration",
    "compute_settlement",
    "compute_verdict",
    "process_claim_slashed",
    "process_drop",
    "process_game_opened",
    "process_move",
    "process_open",
    "process_timeout",
]


class Verifier(Protocol):
    """`protocol.verifier`, or a test's stand-in for it."""

    def compute_element(
        self, context: Context, location: Location, openings: Sequence[TensorOpening]
    ) -> bytes: ...


def _require(condition: bool, error: type[refusals.GameError]) -> None:
    if not condition:
        raise error


# --- Steps that moves share -----------------------------------------------------------------------


def _begin(
    game: Game,
    move: int,
    caller: str,
    now: Seconds,
    stage: Stage,
    level: Level | None = None,
) -> Game:
    """Check that the move is the caller's to make, and charge its clock."""
    _require(game.stage is not Stage.ENDED, refusals.GameHasEnded)
    _require(not game.claim_slashed, refusals.ClaimAlreadySlashed)
    _require(move == game.move, refusals.StaleMove)
    by_challenger = game.is_challenger_owing()
    owing = game.challenger if by_challenger else game.subject.worker
    _require(caller == owing, refusals.NotYourTurn)
    _require(stage is game.stage and level in (None, game.level), refusals.AnotherMoveOwed)
    _require(not clock.is_expired(game.since, now, compute_allowance(game)), refusals.ClockExpired)
    elapsed, extra = Seconds(now - game.since), compute_extra(game)
    game = replace(game, move=game.move + 1, since=now)
    if by_challenger:
        left = clock.compute_left(game.challenger_left, elapsed, extra)
        return replace(game, challenger_left=left)
    return replace(game, worker_left=clock.compute_left(game.worker_left, elapsed, extra))


def _set_index(game: Game, level: Level, index: int) -> tuple[int, ...]:
    return (*game.indices[:level], index, *game.indices[level + 1 :])


def _enter(game: Game, level: Level, root: Root, count: int, stage: Stage) -> Game:
    """Contest the root of a level's vector."""
    height = compute_ceil_log2(count)
    game = replace(game, level=level, node=root, count=count, height=height, index=0, stage=stage)
    return _reach_leaf(game) if height == 0 else game


def _expand(game: Game, root: Root, count: int) -> Game:
    """Go to the next level, whose first nodes are shown already."""
    return _enter(game, Level(game.level + 1), root, count, Stage.PICK)


def _post(game: Game, root: Root) -> Game:
    """Remember a root that the worker is bound to from now on."""
    return replace(game, posted=compute_node(game.posted, root))


def _reach_leaf(game: Game) -> Game:
    """The contested node is a leaf: ask for what opens it."""
    game = replace(game, indices=_set_index(game, game.level, game.index))
    if game.level is Level.ELEMENT:
        return replace(game, stage=Stage.REVEAL_LEAF)
    return replace(game, stage=Stage.PROVE if game.level is Level.CHUNK else Stage.EXPAND)


def _compute_root(nodes: Sequence[bytes], depth: int) -> Root:
    _require(len(nodes) == 2**depth, refusals.WrongNodeCount)
    return compute_root_from_descendants(nodes)


def _open(game: Game, nodes: Sequence[bytes], height: int) -> Root:
    """Check that the nodes are those to be shown under the contested one."""
    root = _compute_root(nodes, compute_depth(height))
    _require(root == game.node, refusals.NodesNotUnderNode)
    return root


def _link(
    nodes: Sequence[bytes], count: int, index: int, value: bytes, path: Sequence[bytes]
) -> Root:
    """The root of the posted vector, whose leaf `index` must be the contested value."""
    height = compute_ceil_log2(count)
    depth = compute_depth(height)
    root = _compute_root(nodes, depth)
    _require(len(path) == height - depth, refusals.WrongPathLength)
    ancestor = compute_root_from_path(value, index, path)
    _require(ancestor == nodes[index >> len(path)], refusals.LeafNotUnderRoot)
    return root


def _check_count(count: int, limit: int) -> None:
    _require(1 <= count <= limit, refusals.CountOutOfRange)


def _end(game: Game, outcome: Outcome) -> Game:
    return replace(game, stage=Stage.ENDED, outcome=outcome)


def _read_element(game: Game, data: bytes) -> bytes:
    """The contested element's word, from the contested leaf."""
    _require(len(data) == LEAF_BYTES, refusals.NotTheContestedLeaf)
    _require(compute_leaf(data) == game.node, refusals.NotTheContestedLeaf)
    length = compute_element_bytes(game.dtype)
    start = game.indices[Level.ELEMENT] * length % LEAF_BYTES
    return decode_word(data[start : start + length], game.dtype).to_bytes(32, "big")


# --- Moves ----------------------------------------------------------------------------------------


def process_open(
    preset: Preset,
    subject: Subject,
    claim_root: Root,
    challenger: str,
    now: Seconds,
    before: int = 0,
) -> Game:
    """A new game, after `before` others against the claim.

    `claim_root` is what the challenger knows to be false. The contract also asks the escrow, and
    admits a challenger once per claim.
    """
    _require(claim_root == subject.claim_root, refusals.AnotherClaim)
    _require(challenger != subject.worker, refusals.WorkerChallengesItself)
    game = Game(
        preset=preset,
        subject=subject,
        challenger=challenger,
        node=subject.claim_root,
        count=subject.segments,
        height=0,
        since=now,
        worker_left=preset.worker_seconds,
        challenger_left=preset.challenger_seconds,
        stage=Stage.REVEAL,
        opened=min(before + 1, COUNTED_GAMES_MAX),
    )
    return _enter(game, Level.SEGMENT, subject.claim_root, subject.segments, Stage.REVEAL)


def process_reveal(game: Game, move: moves.Reveal, caller: str, now: Seconds) -> Game:
    """The worker shows the contested node's descendants."""
    game = _begin(game, move.move, caller, now, Stage.REVEAL)
    _open(game, move.nodes, game.height)
    return replace(game, stage=Stage.PICK)


def process_pick(game: Game, move: moves.Pick, caller: str, now: Seconds) -> Game:
    """The challenger contests one of the nodes; a padding leaf decides the game at once."""
    game = _begin(game, move.move, caller, now, Stage.PICK)
    depth = game.depth
    _require(move.child < 2**depth, refusals.ChildOutOfRange)
    _require(len(move.path) == depth, refusals.WrongPathLength)
    root = compute_root_from_path(move.node, move.child, move.path)
    _require(root == game.node, refusals.ChildNotUnderNode)
    height, index = game.height - depth, (game.index << depth) + move.child
    game = replace(game, node=move.node, height=height, index=index, stage=Stage.REVEAL)
    if height > 0:
        return game
    if index >= game.count:
        padding = ZERO_LEAF if game.level is Level.ELEMENT else ZERO_VALUE
        _require(move.node != padding, refusals.ZeroPadding)
        return _end(game, Outcome.CHALLENGER_WON)
    return _reach_leaf(game)


def process_expand_step(game: Game, move: moves.ExpandStep, caller: str, now: Seconds) -> Game:
    """SEGMENT to STEP."""
    game = _begin(game, move.move, caller, now, Stage.EXPAND, Level.SEGMENT)
    count = game.subject.segment_length
    root = _link(move.nodes, count, count - 1, game.node, move.path)
    return _expand(_post(game, root), root, count)


def process_expand_slot(game: Game, move: moves.ExpandSlot, caller: str, now: Seconds) -> Game:
    """STEP to SLOT."""
    game = _begin(game, move.move, caller, now, Stage.EXPAND, Level.STEP)
    check_header(game.subject.program_root, move.header)
    count = move.header.slots
    _check_count(count, SLOTS_MAX)
    return _expand(game, _open(game, move.nodes, compute_ceil_log2(count)), count)


def process_expand_operator(
    game: Game, move: moves.ExpandOperator, caller: str, now: Seconds
) -> Game:
    """SLOT to OPERATOR."""
    game = _begin(game, move.move, caller, now, Stage.EXPAND, Level.SLOT)
    check_header(game.subject.program_root, move.header)
    check_slot(move.header, game.index, move.slot, move.slot_path)
    count = move.header.operators
    _check_count(count, OPERATORS_MAX)
    _require(move.slot.producer < count, refusals.CountOutOfRange)
    root = _link(move.nodes, count, move.slot.producer, game.node, move.path)
    return _expand(_post(game, root), root, count)


def process_expand_instruction(
    game: Game, move: moves.ExpandInstruction, caller: str, now: Seconds
) -> Game:
    """OPERATOR to INSTRUCTION."""
    game = _begin(game, move.move, caller, now, Stage.EXPAND, Level.OPERATOR)
    check_header(game.subject.program_root, move.header)
    check_operator(move.header, game.index, move.operator, move.operator_path)
    count = move.operator.instructions
    _check_count(count, INSTRUCTIONS_MAX)
    root = _link(move.nodes, count, count - 1, game.node, move.path)
    game = _post(_post(game, root), move.operator.instructions_root)
    return _expand(game, root, count)


def process_expand_element(
    game: Game, move: moves.ExpandElement, caller: str, now: Seconds
) -> Game:
    """INSTRUCTION to ELEMENT."""
    game = _begin(game, move.move, caller, now, Stage.EXPAND, Level.INSTRUCTION)
    _require(compute_node(move.before, move.microcode_root) == game.posted, refusals.RootsNotPosted)
    instruction = move.instruction
    check_member(
        move.microcode_root,
        game.count,
        game.index,
        hash_instruction(instruction),
        move.path,
        "wrong instruction",
    )
    size, fold = compute_size(instruction.shape), instruction.fold
    _require(1 <= size <= ELEMENTS_MAX, refusals.TensorOutOfRange)
    size_bytes = size * compute_element_bytes(instruction.dtype)
    leaves = -(-size_bytes // LEAF_BYTES)
    _check_count(leaves, 2**PATH_MAX)
    chunks = -(-fold // CHUNK_LENGTH) if is_fold(instruction.opcode) else 1
    _check_count(chunks, FOLD_MAX // CHUNK_LENGTH)
    root = _open(game, move.nodes, compute_ceil_log2(leaves))
    game = replace(game, size=size, dtype=int(instruction.dtype), chunks=chunks)
    return _expand(game, root, leaves)


def process_reveal_leaf(game: Game, move: moves.RevealLeaf, caller: str, now: Seconds) -> Game:
    """The worker shows the contested leaf of the tensor."""
    game = _begin(game, move.move, caller, now, Stage.REVEAL_LEAF)
    _require(len(move.data) == LEAF_BYTES, refusals.NotTheContestedLeaf)
    _require(compute_leaf(move.data) == game.node, refusals.NotTheContestedLeaf)
    used = game.size * compute_element_bytes(game.dtype) - game.index * LEAF_BYTES
    _require(not any(move.data[used:]), refusals.DirtyPadding)
    return replace(game, stage=Stage.PICK_ELEMENT)


def process_pick_element(game: Game, move: moves.PickElement, caller: str, now: Seconds) -> Game:
    """The challenger contests one element of the leaf."""
    game = _begin(game, move.move, caller, now, Stage.PICK_ELEMENT)
    per_leaf = LEAF_BYTES // compute_element_bytes(game.dtype)
    element = game.index * per_leaf + move.position
    _require(move.position < per_leaf and element < game.size, refusals.PositionOutOfRange)
    return replace(
        game,
        indices=_set_index(game, Level.ELEMENT, element),
        stage=Stage.EXPAND if game.chunks > 1 else Stage.PROVE,
    )


def process_expand_chunk(game: Game, move: moves.ExpandChunk, caller: str, now: Seconds) -> Game:
    """ELEMENT to CHUNK."""
    game = _begin(game, move.move, caller, now, Stage.EXPAND, Level.ELEMENT)
    claimed = _read_element(game, move.data)
    root = _link(move.nodes, game.chunks, game.chunks - 1, claimed, move.path)
    return _expand(_post(game, root), root, game.chunks)


def process_prove(
    game: Game, move: moves.Prove, caller: str, now: Seconds, verifier: Verifier
) -> Game:
    """The verifier recomputes the contested element, and the game ends."""
    game = _begin(game, move.move, caller, now, Stage.PROVE)
    claimed, computed = compute_verdict(game, move, verifier)
    return _end(game, Outcome.WORKER_WON if claimed == computed else Outcome.CHALLENGER_WON)


def compute_verdict(game: Game, move: moves.Prove, verifier: Verifier) -> tuple[bytes, bytes]:
    """(claimed word, computed word) of a proof; raises what `process_prove` raises."""
    if game.level is Level.CHUNK:
        _require(len(move.data) == 0, refusals.SuperfluousData)
        claimed: bytes = game.node
    else:
        claimed = _read_element(game, move.data)
    posted, agreed = move.posted, move.agreed
    _check_posted(game, posted)
    context = Context(
        program_root=game.subject.program_root,
        dataset_root=game.subject.dataset_root,
        seed=game.subject.seed,
        records=game.subject.records,
        step=game.step,
        state_root=_check_state(game, posted, agreed),
        operator_trace_root=posted.operator_trace_root,
        instruction_trace_root=posted.instruction_trace_root,
        operator=game.indices[Level.OPERATOR],
        instruction=game.indices[Level.INSTRUCTION],
        element=game.indices[Level.ELEMENT],
        chunk=game.indices[Level.CHUNK],
        accumulator=_check_accumulator(game, posted, agreed),
    )
    return claimed, verifier.compute_element(context, move.location, move.openings)


def _check_posted(game: Game, posted: moves.Posted) -> None:
    roots = astuple(posted)
    above_chunk = roots[:-1]
    digest = moves.compute_posted(*(roots if game.level is Level.CHUNK else above_chunk))
    _require(digest == game.posted, refusals.RootsNotPosted)


def _check_state(game: Game, posted: moves.Posted, agreed: moves.Agreed) -> Root:
    """The state before the contested step; left out, it is zero, under which nothing opens."""
    segment, step = game.indices[Level.SEGMENT], game.indices[Level.STEP]
    if step > 0:
        root, count, index = posted.step_root, game.subject.segment_length, step - 1
    elif segment > 0:
        root, count, index = game.subject.claim_root, game.subject.segments, segment - 1
    else:
        _require(len(agreed.state_path) == 0, refusals.WrongPathLength)
        return game.subject.genesis_root
    if agreed.state_root == ZERO_VALUE:
        _require(len(agreed.state_path) == 0, refusals.WrongPathLength)
        return ZERO_VALUE
    _check_agreed(root, count, index, agreed.state_root, agreed.state_path, refusals.StateNotAgreed)
    return agreed.state_root


def _check_accumulator(game: Game, posted: moves.Posted, agreed: moves.Agreed) -> bytes:
    """The accumulator before the contested chunk; zero, which is not read, before the first."""
    chunk = game.indices[Level.CHUNK]
    if chunk == 0:
        _require(len(agreed.accumulator_path) == 0, refusals.WrongPathLength)
        return ZERO_VALUE
    _check_agreed(
        posted.chunk_root,
        game.chunks,
        chunk - 1,
        agreed.accumulator,
        agreed.accumulator_path,
        refusals.AccumulatorNotAgreed,
    )
    return agreed.accumulator


def _check_agreed(
    root: Root,
    count: int,
    index: int,
    value: bytes,
    path: Sequence[bytes],
    error: type[refusals.GameError],
) -> None:
    _require(len(path) == compute_ceil_log2(count), refusals.WrongPathLength)
    _require(compute_root_from_path(value, index, path) == root, error)


def process_timeout(game: Game, now: Seconds) -> Game:
    """The side that owes the move has run out of time and loses."""
    _require(game.stage is not Stage.ENDED, refusals.GameHasEnded)
    _require(not game.claim_slashed, refusals.ClaimAlreadySlashed)
    expired = clock.is_expired(game.since, now, compute_allowance(game))
    _require(expired, refusals.ClockNotExpired)
    late = game.is_challenger_owing()
    return _end(game, Outcome.WORKER_WON if late else Outcome.CHALLENGER_WON)


def process_game_opened(game: Game) -> Game:
    """Another game has been opened against the claim; no deadline moves forward for that."""
    return replace(game, opened=min(game.opened + 1, COUNTED_GAMES_MAX))


def process_claim_slashed(game: Game) -> Game:
    """Another game has refuted the claim."""
    return game if game.stage is Stage.ENDED else replace(game, claim_slashed=True)


def process_drop(game: Game) -> Game:
    """The claim was refuted in another game."""
    _require(game.stage is not Stage.ENDED, refusals.GameHasEnded)
    _require(game.claim_slashed, refusals.ClaimNotSlashed)
    return _end(game, Outcome.DROPPED)


def process_move(
    game: Game, move: moves.Move, caller: str, now: Seconds, verifier: Verifier
) -> Game:
    """Any move; raises `GameError` or `VerifierError`, and nothing has changed."""
    match move:
        case moves.Reveal():
            return process_reveal(game, move, caller, now)
        case moves.Pick():
            return process_pick(game, move, caller, now)
        case moves.ExpandStep():
            return process_expand_step(game, move, caller, now)
        case moves.ExpandSlot():
            return process_expand_slot(game, move, caller, now)
        case moves.ExpandOperator():
            return process_expand_operator(game, move, caller, now)
        case moves.ExpandInstruction():
            return process_expand_instruction(game, move, caller, now)
        case moves.ExpandElement():
            return process_expand_element(game, move, caller, now)
        case moves.RevealLeaf():
            return process_reveal_leaf(game, move, caller, now)
        case moves.PickElement():
            return process_pick_element(game, move, caller, now)
        case moves.ExpandChunk():
            return process_expand_chunk(game, move, caller, now)
        case moves.Prove():
            return process_prove(game, move, caller, now, verifier)
        case moves.Timeout():
            return process_timeout(game, now)
        case moves.Drop():
            return process_drop(game)
