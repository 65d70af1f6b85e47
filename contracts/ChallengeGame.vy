# pragma version ==0.4.3
# pragma optimize gas
# pragma nonreentrancy on
"""
@title ChallengeGame
@notice Games between a worker and challengers of its claim, down to one element that the
        StepVerifier recomputes; bonds and clocks.
        Documentation of every function, its units and reverts: IChallengeGame.vyi. The same
        machine, name by name, is `protocol/game.py`.
"""


from ethereum.ercs import IERC20

from .interfaces import IChallengeGame
from .interfaces import IStepVerifier
from .interfaces import ITaskEscrow
from .modules import clock
from .modules import descriptor
from .modules import merkle
from .modules import position as positions
from .modules import stake as stakes
from .modules import subject as subjects

implements: IChallengeGame


# Levels
SEGMENT: constant(uint256) = 0
STEP: constant(uint256) = 1
SLOT: constant(uint256) = 2
OPERATOR: constant(uint256) = 3
INSTRUCTION: constant(uint256) = 4
ELEMENT: constant(uint256) = 5
CHUNK: constant(uint256) = 6
ANY_LEVEL: constant(uint256) = 7

# Stages
REVEAL: constant(uint256) = 1
PICK: constant(uint256) = 2
EXPAND: constant(uint256) = 3
REVEAL_LEAF: constant(uint256) = 4
PICK_ELEMENT: constant(uint256) = 5
PROVE: constant(uint256) = 6
ENDED: constant(uint256) = 7

# Outcomes
WORKER_WON: constant(uint256) = 1
CHALLENGER_WON: constant(uint256) = 2
DROPPED: constant(uint256) = 3

# Limits of `protocol/types.py`. What exceeds them is no program that a worker should have taken.
SLOTS_MAX: constant(uint256) = 2**16
OPERATORS_MAX: constant(uint256) = 2**16
INSTRUCTIONS_MAX: constant(uint256) = 2**6
ELEMENTS_MAX: constant(uint256) = 2**32
LEAVES_MAX: constant(uint256) = 2**24
CHUNKS_MAX: constant(uint256) = 2**20
RANK_MAX: constant(uint256) = 2**3
REVEAL_DEPTH: constant(uint256) = 5
NODES_MAX: constant(uint256) = 2**REVEAL_DEPTH
LEAF_BYTES: constant(uint256) = 2**10
CHUNK_LENGTH: constant(uint256) = 2**8
# The fold opcodes are neighbours: DOT, SUM, MAXIMUM, ABSMAX, MATCH_SUM.
FIRST_FOLD: constant(uint256) = 40
LAST_FOLD: constant(uint256) = 44
F32: constant(uint256) = 1

# H(0x00 || 1 KiB of zeros)
ZERO_LEAF: constant(bytes32) = (
    0xc55b90509b8cb9bac53fbdddfc93d4e572685c509f1218423c43a5d6013bbd48
)

# StepVerifier.compute_element, and the longest location and openings that it can be given.
COMPUTE_ELEMENT: constant(bytes4) = 0x299c0d2d
PROOF_MAX: constant(uint256) = 17 * 2**10

# G5: a pick in each round, a reveal or an expansion before it, the leaf and the element, the proof.
MOVES_MAX: constant(uint256) = 57
# Expansions to STEP, OPERATOR and INSTRUCTION; as many first picks in them.
REEXECUTIONS: constant(uint256) = 3
# A worker's time to execute again grows with the games opened against its claim, up to so many.
COUNTED_GAMES_MAX: constant(uint256) = 2**4

WHOLE: constant(uint256) = 10_000  # basis points
# A worker gets this much back at most when it plays against itself to delay others.
MAX_AWARD_BPS: constant(uint256) = 9_000
# Longer times are a mistake in the units, and would lock tokens up for good.
MAX_SECONDS: constant(uint256) = 365 * 86_400
# Where burned bonds go: nobody holds the key. Zero is refused by many tokens.
BURN_ADDRESS: constant(address) = 0x000000000000000000000000000000000000dEaD


token: public(immutable(address))
escrow: public(immutable(address))
verifier: public(immutable(address))
worker_award_bps: public(immutable(uint256))
worker_seconds: public(immutable(uint256))
challenger_seconds: public(immutable(uint256))
minimum_move_seconds: public(immutable(uint256))

game_count: public(uint256)
game_id_of: public(HashMap[uint256, HashMap[address, uint256]])
owed_to: public(HashMap[address, uint256])
total_held: public(uint256)

# By claim: see modules/subject.vy, and the program root.
_subjects: HashMap[uint256, uint256]
_program_roots: HashMap[uint256, bytes32]
# By game: the challenger and its bond, as in modules/stake.vy; position and trail as in
# modules/position.vy; the contested node; what the worker posted, as a digest.
_stakes: HashMap[uint256, uint256]
_positions: HashMap[uint256, uint256]
_trails: HashMap[uint256, uint256]
_nodes: HashMap[uint256, bytes32]
_posted: HashMap[uint256, bytes32]


@deploy
def __init__(
    token_: address,
    escrow_: address,
    verifier_: address,
    worker_award_bps_: uint256,
    worker_seconds_: uint256,
    challenger_seconds_: uint256,
    minimum_move_seconds_: uint256,
):
    """
    @param token_ The ERC-20 of this deployment.
    @param escrow_ Where the TaskEscrow is or will be.
    @param verifier_ The StepVerifier.
    @param worker_award_bps_ Up to 9,000 of 10,000.
    @param worker_seconds_ At least the minimum of a move, at most a year.
    @param challenger_seconds_ At least the minimum of a move, at most a year.
    @param minimum_move_seconds_ At least 1.
    """
    assert token_.is_contract, "game: token without code"
    assert escrow_ != empty(address), "game: zero escrow"
    assert verifier_.is_contract, "game: verifier without code"
    assert worker_award_bps_ <= MAX_AWARD_BPS, "game: award out of range"
    assert minimum_move_seconds_ != 0, "game: minimum time out of range"
    assert worker_seconds_ >= minimum_move_seconds_, "game: worker time out of range"
    assert worker_seconds_ <= MAX_SECONDS, "game: worker time out of range"
    assert challenger_seconds_ >= minimum_move_seconds_, "game: challenger time out of range"
    assert challenger_seconds_ <= MAX_SECONDS, "game: challenger time out of range"
    token = token_
    escrow = escrow_
    verifier = verifier_
    worker_award_bps = worker_award_bps_
    worker_seconds = worker_seconds_
    challenger_seconds = challenger_seconds_
    minimum_move_seconds = minimum_move_seconds_


@external
@view
def game_of(game_id: uint256) -> IChallengeGame.Game:
    position: positions.Position = positions.unpack(self._get_packed(game_id))
    trail: uint256 = self._trails[game_id]
    subject: subjects.Subject = self._get_subject(position.claim_id)
    indices: uint256[7] = empty(uint256[7])
    for level: uint256 in range(7):
        indices[level] = positions.get_index(trail, level)
    return IChallengeGame.Game(
        claim_id=position.claim_id,
        worker=subject.worker,
        challenger=stakes.get_challenger(self._stakes[game_id]),
        bond=stakes.get_bond(self._stakes[game_id]),
        stage=position.stage,
        level=position.level,
        outcome=position.outcome,
        move=position.move,
        node=self._nodes[game_id],
        height=position.height,
        index=position.index,
        count=position.count,
        indices=indices,
        posted=self._posted[game_id],
        size=position.size,
        dtype=positions.get_dtype(trail),
        chunks=positions.get_chunks(trail),
        worker_left=position.worker_left,
        challenger_left=position.challenger_left,
        since=position.since,
        claim_slashed=subject.claim_slashed,
        opened=subject.opened,
    )


@external
@view
def deadline_of(game_id: uint256) -> uint256:
    position: positions.Position = positions.unpack(self._get_packed(game_id))
    if position.stage == ENDED:
        return 0
    subject: subjects.Subject = self._get_subject(position.claim_id)
    return position.since + self._compute_allowance(
        position, self._compute_extra(position, subject)
    )


@external
@view
def max_duration(reexecution_seconds: uint256) -> uint256:
    return (
        worker_seconds
        + challenger_seconds
        + MOVES_MAX * minimum_move_seconds
        + REEXECUTIONS * (COUNTED_GAMES_MAX + 1) * reexecution_seconds
    )


@external
def open(claim_id: uint256, claim_root: bytes32) -> uint256:
    subject: ITaskEscrow.Subject = self._read_subject(claim_id)
    assert claim_root == subject.claim_root, "game: another claim"
    assert msg.sender != subject.worker, "game: worker cannot challenge itself"
    assert self.game_id_of[claim_id][msg.sender] == 0, "game: already challenged"
    kept: subjects.Subject = self._get_subject(claim_id)
    if kept.opened == 0:
        self._program_roots[claim_id] = subject.program_root
        kept = subjects.Subject(
            worker=subject.worker,
            claim_slashed=False,
            opened=0,
            segments=convert(subject.segments, uint256),
            segment_length=convert(subject.segment_length, uint256),
            reexecution_seconds=convert(subject.reexecution_seconds, uint256),
        )
    kept.opened = min(kept.opened + 1, COUNTED_GAMES_MAX)
    self._subjects[claim_id] = subjects.pack(kept)

    self.game_count += 1
    game_id: uint256 = self.game_count
    self.game_id_of[claim_id][msg.sender] = game_id
    self._stakes[game_id] = stakes.pack(msg.sender, subject.bond)
    self.total_held += subject.bond
    position: positions.Position = empty(positions.Position)
    position.claim_id = claim_id
    position.worker_left = worker_seconds
    position.challenger_left = challenger_seconds
    position.since = block.timestamp
    self._enter(
        game_id,
        position,
        SEGMENT,
        subject.claim_root,
        convert(subject.segments, uint256),
        REVEAL,
    )
    log IChallengeGame.GameOpened(
        game_id=game_id, claim_id=claim_id, challenger=msg.sender, worker=subject.worker
    )

    extcall ITaskEscrow(escrow).process_game_opened(claim_id)
    assert extcall IERC20(token).transferFrom(
        msg.sender, self, subject.bond, default_return_value=True
    ), "game: transfer failed"
    # G6: a token that keeps a fee would leave the game owing more than it holds.
    held: uint256 = staticcall IERC20(token).balanceOf(self)
    assert held >= self.total_held, "game: short transfer"
    return game_id


@external
def reveal(game_id: uint256, move: uint256, nodes: DynArray[bytes32, NODES_MAX]):
    position: positions.Position = self._begin(game_id, move, REVEAL, ANY_LEVEL)
    self._open(game_id, nodes, position.height)
    position.stage = PICK
    self._positions[game_id] = positions.pack(position)
    log IChallengeGame.Revealed(game_id=game_id, move=move, nodes=nodes)


@external
def pick(
    game_id: uint256, move: uint256, child: uint256, node: bytes32, path: DynArray[bytes32, 5]
):
    position: positions.Position = self._begin(game_id, move, PICK, ANY_LEVEL)
    depth: uint256 = self._compute_depth(position.height)
    assert child < 1 << depth, "game: child out of range"
    self._check_length(len(path), depth)
    root: bytes32 = merkle.compute_root_from_path(node, child, path)
    assert root == self._nodes[game_id], "game: child not under contested node"
    position.height -= depth
    position.index = (position.index << depth) + child
    position.stage = REVEAL
    self._nodes[game_id] = node
    log IChallengeGame.Picked(game_id=game_id, move=move, child=child)
    if position.height != 0:
        self._positions[game_id] = positions.pack(position)
    elif position.index < position.count:
        self._reach_leaf(game_id, position)
    else:
        padding: bytes32 = empty(bytes32)
        if position.level == ELEMENT:
            padding = ZERO_LEAF
        assert node != padding, "game: padding is zero"
        self._end(game_id, position, CHALLENGER_WON)


@external
def expand_step(
    game_id: uint256,
    move: uint256,
    nodes: DynArray[bytes32, NODES_MAX],
    path: DynArray[bytes32, 15],
):
    position: positions.Position = self._begin(game_id, move, EXPAND, SEGMENT)
    count: uint256 = self._get_subject(position.claim_id).segment_length
    root: bytes32 = self._link(nodes, count, count - 1, self._nodes[game_id], path)
    self._posted[game_id] = merkle.compute_node(self._posted[game_id], root)
    self._expand(game_id, move, position, root, count, nodes)


@external
def expand_slot(
    game_id: uint256,
    move: uint256,
    nodes: DynArray[bytes32, NODES_MAX],
    header: IStepVerifier.Header,
):
    position: positions.Position = self._begin(game_id, move, EXPAND, STEP)
    descriptor.check_header(self._program_roots[position.claim_id], header)
    slots: uint256 = convert(header.slots, uint256)
    self._check_count(slots, SLOTS_MAX)
    root: bytes32 = self._open(game_id, nodes, merkle.compute_height(slots))
    self._expand(game_id, move, position, root, slots, nodes)


@external
def expand_operator(
    game_id: uint256,
    move: uint256,
    nodes: DynArray[bytes32, NODES_MAX],
    path: DynArray[bytes32, 12],
    header: IStepVerifier.Header,
    slot: IStepVerifier.SlotDescriptor,
    slot_path: DynArray[bytes32, 16],
):
    position: positions.Position = self._begin(game_id, move, EXPAND, SLOT)
    descriptor.check_header(self._program_roots[position.claim_id], header)
    descriptor.check_slot(header.slots_root, header.slots, position.index, slot, slot_path)
    operators: uint256 = convert(header.operators, uint256)
    producer: uint256 = convert(slot.producer, uint256)
    self._check_count(operators, OPERATORS_MAX)
    assert producer < operators, "game: count out of range"
    root: bytes32 = self._link(nodes, operators, producer, self._nodes[game_id], path)
    self._posted[game_id] = merkle.compute_node(self._posted[game_id], root)
    self._expand(game_id, move, position, root, operators, nodes)


@external
def expand_instruction(
    game_id: uint256,
    move: uint256,
    nodes: DynArray[bytes32, NODES_MAX],
    path: DynArray[bytes32, 3],
    header: IStepVerifier.Header,
    operator: IStepVerifier.OperatorDescriptor,
    operator_path: DynArray[bytes32, 16],
):
    position: positions.Position = self._begin(game_id, move, EXPAND, OPERATOR)
    descriptor.check_header(self._program_roots[position.claim_id], header)
    descriptor.check_operator(
        header.operators_root, header.operators, position.index, operator, operator_path
    )
    instructions: uint256 = convert(operator.instructions, uint256)
    self._check_count(instructions, INSTRUCTIONS_MAX)
    root: bytes32 = self._link(
        nodes, instructions, instructions - 1, self._nodes[game_id], path
    )
    self._posted[game_id] = merkle.compute_node(
        merkle.compute_node(self._posted[game_id], root), operator.instructions_root
    )
    self._expand(game_id, move, position, root, instructions, nodes)


@external
def expand_element(
    game_id: uint256,
    move: uint256,
    nodes: DynArray[bytes32, NODES_MAX],
    before: bytes32,
    microcode_root: bytes32,
    instruction: IStepVerifier.Instruction,
    path: DynArray[bytes32, 6],
):
    position: positions.Position = self._begin(game_id, move, EXPAND, INSTRUCTION)
    trail: uint256 = self._trails[game_id]
    self._check_posted(game_id, merkle.compute_node(before, microcode_root))
    descriptor.check_instruction(
        microcode_root,
        convert(position.count, uint32),
        position.index,
        instruction,
        path,
    )
    size: uint256 = self._compute_size(instruction)
    dtype: uint256 = convert(instruction.dtype, uint256)
    size_bytes: uint256 = size << descriptor.compute_element_shift(dtype)
    leaves: uint256 = (size_bytes + LEAF_BYTES - 1) // LEAF_BYTES
    self._check_count(leaves, LEAVES_MAX)
    chunks: uint256 = self._compute_chunks(instruction)
    self._check_count(chunks, CHUNKS_MAX)
    position.size = size
    self._trails[game_id] = positions.set_tensor(trail, chunks, dtype)
    root: bytes32 = self._open(game_id, nodes, merkle.compute_height(leaves))
    self._expand(game_id, move, position, root, leaves, nodes)


@external
def reveal_leaf(game_id: uint256, move: uint256, data: Bytes[1024]):
    position: positions.Position = self._begin(game_id, move, REVEAL_LEAF, ANY_LEVEL)
    self._check_leaf(game_id, data)
    dtype: uint256 = positions.get_dtype(self._trails[game_id])
    size_bytes: uint256 = position.size << descriptor.compute_element_shift(dtype)
    used: uint256 = size_bytes - position.index * LEAF_BYTES
    if used < LEAF_BYTES:
        self._check_padding(data, used)
    position.stage = PICK_ELEMENT
    self._positions[game_id] = positions.pack(position)
    log IChallengeGame.LeafRevealed(game_id=game_id, move=move, data=data)


@external
def pick_element(game_id: uint256, move: uint256, position: uint256):
    state: positions.Position = self._begin(game_id, move, PICK_ELEMENT, ANY_LEVEL)
    trail: uint256 = self._trails[game_id]
    per_leaf: uint256 = LEAF_BYTES >> descriptor.compute_element_shift(positions.get_dtype(trail))
    element: uint256 = state.index * per_leaf + min(position, per_leaf)
    assert (
        position < per_leaf and element < state.size
    ), "game: position out of range"
    state.stage = PROVE
    if positions.get_chunks(trail) > 1:
        state.stage = EXPAND
    self._positions[game_id] = positions.pack(state)
    self._trails[game_id] = positions.set_index(trail, ELEMENT, element)
    log IChallengeGame.ElementPicked(game_id=game_id, move=move, element=element)


@external
def expand_chunk(
    game_id: uint256,
    move: uint256,
    nodes: DynArray[bytes32, NODES_MAX],
    path: DynArray[bytes32, 15],
    data: Bytes[1024],
):
    position: positions.Position = self._begin(game_id, move, EXPAND, ELEMENT)
    trail: uint256 = self._trails[game_id]
    claimed: bytes32 = self._read_element(game_id, trail, data)
    chunks: uint256 = positions.get_chunks(trail)
    root: bytes32 = self._link(nodes, chunks, chunks - 1, claimed, path)
    self._posted[game_id] = merkle.compute_node(self._posted[game_id], root)
    self._expand(game_id, move, position, root, chunks, nodes)


@external
def prove(
    game_id: uint256,
    move: uint256,
    posted: IChallengeGame.Posted,
    agreed: IChallengeGame.Agreed,
    data: Bytes[1024],
    proof: Bytes[PROOF_MAX],
):
    position: positions.Position = self._begin(game_id, move, PROVE, ANY_LEVEL)
    trail: uint256 = self._trails[game_id]
    claimed: bytes32 = self._nodes[game_id]
    if position.level == CHUNK:
        assert len(data) == 0, "game: superfluous data"
    else:
        claimed = self._read_element(game_id, trail, data)
    self._check_posted(game_id, self._compute_posted(posted, position.level))
    context: IStepVerifier.Context = self._compute_context(
        position.claim_id, trail, posted, agreed
    )
    # Only the verifier reads the proof, so only the verifier decodes it.
    answer: Bytes[32] = raw_call(
        verifier,
        concat(abi_encode(context, method_id=COMPUTE_ELEMENT), proof),
        max_outsize=32,
        is_static_call=True,
    )
    computed: bytes32 = abi_decode(answer, bytes32)
    log IChallengeGame.Proved(game_id=game_id, move=move, claimed=claimed, computed=computed)
    if claimed == computed:
        self._end(game_id, position, WORKER_WON)
    else:
        self._end(game_id, position, CHALLENGER_WON)


@external
def timeout(game_id: uint256):
    position: positions.Position = self._get_undecided(game_id)
    subject: subjects.Subject = self._get_subject(position.claim_id)
    assert not subject.claim_slashed, "game: claim already slashed"
    allowance: uint256 = self._compute_allowance(
        position, self._compute_extra(position, subject)
    )
    assert clock.is_expired(position.since, block.timestamp, allowance), "clock: not expired"
    if self._is_challenger_owing(position.stage):
        self._end(game_id, position, WORKER_WON)
    else:
        self._end(game_id, position, CHALLENGER_WON)


@external
def drop(game_id: uint256):
    position: positions.Position = self._get_undecided(game_id)
    assert self._get_subject(position.claim_id).claim_slashed, "game: claim not slashed"
    self._end(game_id, position, DROPPED)


@external
def process_claim_slashed(claim_id: uint256):
    assert msg.sender == escrow, "game: not escrow"
    self._mark_slashed(claim_id)


@external
def withdraw() -> uint256:
    amount: uint256 = self.owed_to[msg.sender]
    assert amount != 0, "game: nothing owed"
    self.owed_to[msg.sender] = 0
    self.total_held -= amount
    log IChallengeGame.Withdrawn(account=msg.sender, amount=amount)
    self._pay(msg.sender, amount)
    return amount


# What moves share


@internal
def _begin(
    game_id: uint256, move: uint256, stage: uint256, level: uint256
) -> positions.Position:
    """
    @notice Check that the move is the caller's to make, and charge its clock.
    """
    position: positions.Position = self._get_undecided(game_id)
    subject: subjects.Subject = self._get_subject(position.claim_id)
    assert not subject.claim_slashed, "game: claim already slashed"
    assert move == position.move, "game: stale move"
    by_challenger: bool = self._is_challenger_owing(position.stage)
    owing: address = subject.worker
    if by_challenger:
        owing = stakes.get_challenger(self._stakes[game_id])
    assert msg.sender == owing, "game: not your turn"
    assert stage == position.stage and (
        level == ANY_LEVEL or level == position.level
    ), "game: another move is owed"
    extra: uint256 = self._compute_extra(position, subject)
    left: uint256 = position.worker_left
    if by_challenger:
        left = position.challenger_left
    allowance: uint256 = clock.compute_allowance(left, minimum_move_seconds, extra)
    assert not clock.is_expired(position.since, block.timestamp, allowance), "clock: expired"

    # unsafe: time does not go back, moves end at 57
    elapsed: uint256 = unsafe_sub(block.timestamp, position.since)
    left = clock.compute_left(left, elapsed, extra)
    if by_challenger:
        position.challenger_left = left
    else:
        position.worker_left = left
    position.move = unsafe_add(position.move, 1)
    position.since = block.timestamp
    return position


@internal
def _expand(
    game_id: uint256,
    move: uint256,
    position: positions.Position,
    root: bytes32,
    count: uint256,
    nodes: DynArray[bytes32, NODES_MAX],
):
    """
    @notice Go to the next level, whose first nodes are shown already.
    """
    level: uint256 = position.level + 1
    log IChallengeGame.Expanded(
        game_id=game_id, move=move, level=level, count=count, nodes=nodes
    )
    self._enter(game_id, position, level, root, count, PICK)


@internal
def _enter(
    game_id: uint256,
    position: positions.Position,
    level: uint256,
    root: bytes32,
    count: uint256,
    stage: uint256,
):
    """
    @notice Contest the root of a level's vector.
    """
    entered: positions.Position = position
    entered.level = level
    entered.count = count
    entered.height = merkle.compute_height(count)
    entered.index = 0
    entered.stage = stage
    self._nodes[game_id] = root
    if entered.height == 0:
        self._reach_leaf(game_id, entered)
    else:
        self._positions[game_id] = positions.pack(entered)


@internal
def _reach_leaf(game_id: uint256, position: positions.Position):
    """
    @notice The contested node is a leaf: ask for what opens it.
    """
    reached: positions.Position = position
    reached.stage = EXPAND
    if position.level == ELEMENT:
        reached.stage = REVEAL_LEAF
    elif position.level == CHUNK:
        reached.stage = PROVE
    self._positions[game_id] = positions.pack(reached)
    self._trails[game_id] = positions.set_index(
        self._trails[game_id], position.level, position.index
    )


@internal
def _end(game_id: uint256, position: positions.Position, outcome: uint256):
    """
    @notice End the game, settle the bond, tell the escrow.
    """
    ended: positions.Position = position
    ended.stage = ENDED
    ended.outcome = outcome
    self._positions[game_id] = positions.pack(ended)
    claim_id: uint256 = position.claim_id
    bond: uint256 = stakes.get_bond(self._stakes[game_id])
    challenger: address = stakes.get_challenger(self._stakes[game_id])
    log IChallengeGame.GameEnded(game_id=game_id, claim_id=claim_id, outcome=outcome)
    if outcome == WORKER_WON:
        award: uint256 = bond * worker_award_bps // WHOLE
        self._settle(game_id, self._get_subject(claim_id).worker, award, bond - award)
        extcall ITaskEscrow(escrow).process_game_lost(claim_id)
    else:
        self._settle(game_id, challenger, bond, 0)
        if outcome == DROPPED:
            extcall ITaskEscrow(escrow).process_game_dropped(claim_id)
        else:
            self._mark_slashed(claim_id)
            extcall ITaskEscrow(escrow).process_worker_lost(claim_id, challenger)


@internal
def _mark_slashed(claim_id: uint256):
    subject: subjects.Subject = self._get_subject(claim_id)
    subject.claim_slashed = True
    self._subjects[claim_id] = subjects.pack(subject)


@internal
def _settle(game_id: uint256, account: address, amount: uint256, burned: uint256):
    """
    @notice Credit a part of the game's bond, burn the other.
    """
    self.owed_to[account] += amount
    log IChallengeGame.BondSettled(
        game_id=game_id, account=account, amount=amount, burned=burned
    )
    if burned != 0:
        self.total_held -= burned
        self._pay(BURN_ADDRESS, burned)


@internal
def _pay(account: address, amount: uint256):
    assert extcall IERC20(token).transfer(
        account, amount, default_return_value=True
    ), "game: transfer failed"


# Reading


@internal
@view
def _read_subject(claim_id: uint256) -> ITaskEscrow.Subject:
    return staticcall ITaskEscrow(escrow).subject_of(claim_id)


@internal
@view
def _get_packed(game_id: uint256) -> uint256:
    """
    @notice A known game's position, as it is stored.
    """
    word: uint256 = self._positions[game_id]
    assert word != 0, "game: unknown game"
    return word


@internal
@view
def _get_undecided(game_id: uint256) -> positions.Position:
    position: positions.Position = positions.unpack(self._get_packed(game_id))
    assert position.stage != ENDED, "game: ended"
    return position


@internal
@view
def _get_subject(claim_id: uint256) -> subjects.Subject:
    return subjects.unpack(self._subjects[claim_id])


@internal
@pure
def _is_challenger_owing(stage: uint256) -> bool:
    return stage == PICK or stage == PICK_ELEMENT


@internal
@pure
def _compute_extra(position: positions.Position, subject: subjects.Subject) -> uint256:
    """
    @notice Uncharged time of the owed move, where the party has to execute again.
    """
    reached: uint256 = position.level
    seconds: uint256 = subject.reexecution_seconds
    if position.stage == EXPAND:
        reached += 1
        # The worker may have to execute once for each game before it gets to this one.
        seconds *= subject.opened
    elif position.stage != PICK or not descriptor.is_height(position.height, position.count):
        return 0
    if reached == STEP or reached == OPERATOR or reached == INSTRUCTION:
        return seconds
    return 0


@internal
@view
def _compute_allowance(position: positions.Position, extra: uint256) -> uint256:
    """
    @notice Time since the last move that the owed one has.
    """
    left: uint256 = position.worker_left
    if self._is_challenger_owing(position.stage):
        left = position.challenger_left
    return clock.compute_allowance(left, minimum_move_seconds, extra)


@internal
@pure
def _check_count(count: uint256, limit: uint256):
    assert count != 0 and count <= limit, "game: count out of range"


@internal
@pure
def _check_length(length: uint256, expected: uint256):
    assert length == expected, "game: wrong path length"


@internal
@pure
def _compute_depth(height: uint256) -> uint256:
    """
    @notice Generations that the next round goes down: all rounds that are left, as even as can be.
    """
    if height == 0:
        return 0
    # unsafe: no tree is higher than 24
    rounds: uint256 = unsafe_div(unsafe_add(height, REVEAL_DEPTH - 1), REVEAL_DEPTH)
    return unsafe_div(unsafe_add(height, unsafe_sub(rounds, 1)), rounds)


@internal
@view
def _open(game_id: uint256, nodes: DynArray[bytes32, NODES_MAX], height: uint256) -> bytes32:
    """
    @notice Check that the nodes are those to be shown under the contested one.
    """
    assert len(nodes) == 1 << self._compute_depth(height), "game: wrong number of nodes"
    root: bytes32 = merkle.compute_root_from_descendants(nodes)
    assert root == self._nodes[game_id], "game: nodes not under contested node"
    return root


@internal
@pure
def _link(
    nodes: DynArray[bytes32, NODES_MAX],
    count: uint256,
    index: uint256,
    leaf: bytes32,
    path: DynArray[bytes32, 15],
) -> bytes32:
    """
    @notice The root of the posted vector, whose leaf `index` must be the contested value.
    """
    height: uint256 = merkle.compute_height(count)
    depth: uint256 = self._compute_depth(height)
    assert len(nodes) == 1 << depth, "game: wrong number of nodes"
    root: bytes32 = merkle.compute_root_from_descendants(nodes)
    self._check_length(len(path), height - depth)
    ancestor: bytes32 = merkle.compute_root_from_path(leaf, index, path)
    assert ancestor == nodes[index >> len(path)], "game: leaf not under root"
    return root


@internal
@pure
def _is_leaf(
    root: bytes32, count: uint256, index: uint256, leaf: bytes32, path: DynArray[bytes32, 20]
) -> bool:
    assert descriptor.is_height(len(path), count), "game: wrong path length"
    return merkle.compute_root_from_path(leaf, index, path) == root


@internal
@pure
def _compute_size(instruction: IStepVerifier.Instruction) -> uint256:
    """
    @notice Elements of the instruction's output.
    """
    rank: uint256 = convert(instruction.rank, uint256)
    size: uint256 = 1
    for axis: uint256 in range(RANK_MAX):
        if axis < rank:
            # Capped, so that eight lengths of 64 bits do not overflow.
            size = min(size * convert(instruction.shape[axis], uint256), ELEMENTS_MAX + 1)
    assert (
        rank <= RANK_MAX and size != 0 and size <= ELEMENTS_MAX
    ), "game: tensor out of range"
    return size


@internal
@pure
def _compute_chunks(instruction: IStepVerifier.Instruction) -> uint256:
    """
    @notice Accumulators of one element's fold; 1 for what is no fold.
    """
    opcode: uint256 = convert(instruction.opcode, uint256)
    if opcode < FIRST_FOLD or opcode > LAST_FOLD:
        return 1
    return (convert(instruction.fold, uint256) + CHUNK_LENGTH - 1) // CHUNK_LENGTH


@internal
@view
def _check_leaf(game_id: uint256, data: Bytes[1024]):
    assert (
        len(data) == LEAF_BYTES and merkle.compute_leaf(data) == self._nodes[game_id]
    ), "game: not the contested leaf"


@internal
@pure
def _check_padding(data: Bytes[1024], used: uint256):
    """
    @notice All bytes from `used` on must be zero.
    """
    for number: uint256 in range(32):
        start: uint256 = 32 * number
        if start + 32 > used:
            kept: uint256 = 0
            if used > start:
                kept = used - start
            word: uint256 = convert(extract32(data, start), uint256)
            assert word << (8 * kept) == 0, "game: padding must be zero"


@internal
@view
def _read_element(game_id: uint256, trail: uint256, data: Bytes[1024]) -> bytes32:
    """
    @notice The contested element's word, from the contested leaf.
    """
    self._check_leaf(game_id, data)
    dtype: uint256 = positions.get_dtype(trail)
    length: uint256 = 1 << descriptor.compute_element_shift(dtype)
    start: uint256 = (positions.get_index(trail, ELEMENT) * length) % LEAF_BYTES
    # Elements lie within aligned words of 32 bytes; their first byte is the lowest.
    word: uint256 = convert(extract32(data, start - start % 32), uint256)
    highest: uint256 = start % 32 + length - 1
    value: uint256 = 0
    for i: uint256 in range(length, bound=8):
        value = (value << 8) | ((word >> (8 * (31 - highest + i))) & 255)
    if dtype != F32 and value >> (8 * length - 1) == 1:
        value |= max_value(uint256) << (8 * length)
    return convert(value, bytes32)


@internal
@view
def _check_posted(game_id: uint256, digest: bytes32):
    assert digest == self._posted[game_id], "game: roots not posted"


@internal
@pure
def _compute_posted(posted: IChallengeGame.Posted, level: uint256) -> bytes32:
    """
    @notice The digest of all that has been posted when a proof is due.
    """
    digest: bytes32 = merkle.compute_node(empty(bytes32), posted.step_root)
    digest = merkle.compute_node(digest, posted.operator_trace_root)
    digest = merkle.compute_node(digest, posted.instruction_trace_root)
    digest = merkle.compute_node(digest, posted.microcode_root)
    if level == CHUNK:
        digest = merkle.compute_node(digest, posted.chunk_root)
    return digest


@internal
@view
def _compute_context(
    claim_id: uint256,
    trail: uint256,
    posted: IChallengeGame.Posted,
    agreed: IChallengeGame.Agreed,
) -> IStepVerifier.Context:
    """
    @notice What the game has settled.
    """
    subject: ITaskEscrow.Subject = self._read_subject(claim_id)
    segment: uint64 = convert(positions.get_index(trail, SEGMENT), uint64)
    step: uint64 = convert(positions.get_index(trail, STEP), uint64)
    chunk: uint256 = positions.get_index(trail, CHUNK)
    state_root: bytes32 = self._check_state(
        segment, step, subject, posted.step_root, agreed
    )
    accumulator: bytes32 = self._check_accumulator(
        chunk, positions.get_chunks(trail), posted.chunk_root, agreed
    )
    return IStepVerifier.Context(
        program_root=subject.program_root,
        dataset_root=subject.dataset_root,
        seed=subject.seed,
        records=subject.records,
        step=segment * subject.segment_length + step,
        state_root=state_root,
        operator_trace_root=posted.operator_trace_root,
        instruction_trace_root=posted.instruction_trace_root,
        operator=convert(positions.get_index(trail, OPERATOR), uint32),
        instruction=convert(positions.get_index(trail, INSTRUCTION), uint32),
        element=convert(positions.get_index(trail, ELEMENT), uint64),
        chunk=convert(chunk, uint64),
        accumulator=accumulator,
    )


@internal
@pure
def _check_state(
    segment: uint64,
    step: uint64,
    subject: ITaskEscrow.Subject,
    step_root: bytes32,
    agreed: IChallengeGame.Agreed,
) -> bytes32:
    """
    @notice The state before the contested step; left out, it is zero, under which nothing opens.
    """
    is_first: bool = (segment == 0 and step == 0)
    if is_first or agreed.state_root == empty(bytes32):
        self._check_length(len(agreed.state_path), 0)
        if is_first:
            return subject.genesis_root
        return empty(bytes32)
    root: bytes32 = step_root
    count: uint64 = subject.segment_length
    index: uint64 = step
    if step == 0:
        root = subject.claim_root
        count = subject.segments
        index = segment
    found: bool = self._is_leaf(
        root,
        convert(count, uint256),
        convert(index, uint256) - 1,
        agreed.state_root,
        agreed.state_path,
    )
    assert found, "game: state not agreed"
    return agreed.state_root


@internal
@pure
def _check_accumulator(
    chunk: uint256, chunks: uint256, chunk_root: bytes32, agreed: IChallengeGame.Agreed
) -> bytes32:
    """
    @notice The accumulator before the contested chunk; zero, which is not read, before the first.
    """
    if chunk == 0:
        self._check_length(len(agreed.accumulator_path), 0)
        return empty(bytes32)
    found: bool = self._is_leaf(
        chunk_root,
        chunks,
        chunk - 1,
        agreed.accumulator,
        agreed.accumulator_path,
    )
    assert found, "game: accumulator not agreed"
    return agreed.accumulator
