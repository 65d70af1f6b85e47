"""Gas of the longest dispute: every move, by construction, on the real contracts.

A run of 2**20 steps, a program of 2**12 operators, tensors of 2**28 elements and a fold of 2**17
elements; the trees are sparse, so nothing large is ever held. `python -m scripts.bench.dispute`
prints the table.
"""

from collections import Counter
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import boa

from protocol import moves
from protocol.descriptor import SlotDescriptor, compute_tensor_height, hash_slot
from protocol.game_state import Level, Stage, compute_depth
from protocol.instructions import Instruction, Opcode, Operand, Source
from protocol.merkle import ZERO_VALUE, compute_leaf
from protocol.opening import Vector
from protocol.types import (
    CHUNK_LENGTH,
    LEAF_BYTES,
    Dtype,
    Root,
    compute_ceil_log2,
)
from protocol.views import View
from scripts.bench.element_cases import SparseTree, Surroundings, build_case
from scripts.bench.goals import note
from scripts.bench.last_step import TRANSACTION_GAS, get_random_leaf
from tests.economy import BOND, Economy, Terms, deploy_economy, get_deployer
from tests.game_table import PRESET, compute_function_name, encode_arguments

REFUND_QUOTIENT = 5  # EIP-3529

SLOTS, INSTRUCTIONS = 2**9, 2**4
FOLD = 2**17
CHUNKS = FOLD // CHUNK_LENGTH
SLOT, INSTRUCTION, CHUNK = 300, 9, 333
PER_LEAF = LEAF_BYTES // Dtype.I64.size_bytes


@dataclass(frozen=True)
class Extent:
    """How large a run is, each a power of two; and where in it the lie is."""

    segments: int = 2**10
    segment_length: int = 2**10
    operators: int = 2**12
    rows: int = 2**14  # the contested tensor has as many columns

    @property
    def segment(self) -> int:
        return self.segments * 700 // 2**10

    @property
    def step(self) -> int:
        return self.segment_length * 801 // 2**10

    @property
    def operator(self) -> int:
        return self.operators * 4_000 // 2**12

    @property
    def producer(self) -> int:
        """Of the slot's next value."""
        return self.operators * 4_090 // 2**12

    @property
    def element(self) -> int:
        return self.rows * (self.rows * 5_000 // 2**14) + 77


def _digest(text: str) -> Root:
    return Root(sha256(text.encode()).digest())


def _word(value: int) -> bytes:
    return (value % 2**256).to_bytes(32, "big")


class LongestDispute:
    """The claim of a worker that got one accumulator of a DOT wrong, built from the lie upwards."""

    def __init__(self, extent: Extent = Extent()) -> None:  # noqa: B008  it is frozen
        self.extent = extent
        rows = extent.rows
        shape = (rows, rows)
        self.instruction = Instruction(
            Opcode.DOT,
            Dtype.I64,
            shape,
            (
                Operand(Source.INPUT, 0, Dtype.I32, rows * FOLD, View(shape, (FOLD, 0), 0)),
                Operand(Source.INPUT, 1, Dtype.I32, rows * FOLD, View(shape, (0, FOLD), 0)),
            ),
            FOLD,
        )
        before, wrong, claimed = _word(12345), _word(67890), _word(-98765)
        self.data = b"".join(
            (
                int.from_bytes(claimed, "big") % 2**64 if i == self.extent.element % PER_LEAF else i
            ).to_bytes(8, "little")
            for i in range(PER_LEAF)
        )
        leaf = self.extent.element // PER_LEAF
        height = compute_tensor_height(rows * rows, Dtype.I64)
        tensor = SparseTree({leaf: compute_leaf(self.data)}, height, b"tensor")
        known = {CHUNK - 1: before, CHUNK: wrong, CHUNKS - 1: claimed}
        chunks = SparseTree(known, compute_ceil_log2(CHUNKS), b"chunks")
        output, value = _digest("operator's output"), _digest("slot's value")
        slot = SlotDescriptor(Dtype.F32, rows * rows, self.extent.producer)
        self.slot = slot
        self.slots = SparseTree({SLOT: hash_slot(slot)}, compute_ceil_log2(SLOTS), b"slots")
        around = Surroundings(
            operators=self.extent.operators,
            operator=self.extent.operator,
            instructions=INSTRUCTIONS,
            instruction=INSTRUCTION,
            producers=(5, extent.operators // 2),
            slots=SLOTS,
            slots_root=self.slots.root,
            step=self.extent.segment * self.extent.segment_length + self.extent.step,
        )
        leaves = (get_random_leaf(0), get_random_leaf(1))
        operators = {self.extent.operator: output, self.extent.producer: value}
        instructions = {INSTRUCTION: tensor.root, INSTRUCTIONS - 1: output}
        known_leaves = {Vector.OPERATORS: operators, Vector.INSTRUCTIONS: instructions}
        case = build_case(
            self.instruction, leaves, self.extent.element, CHUNK, 12345, around, known=known_leaves
        )
        self.case = case
        roots = [opening.root for opening in case.openings]
        operators |= {5: roots[0], extent.operators // 2: roots[1]}
        trace = SparseTree(
            operators, compute_ceil_log2(self.extent.operators), Vector.OPERATORS.value.encode()
        )
        microcode = SparseTree(
            instructions, compute_ceil_log2(INSTRUCTIONS), Vector.INSTRUCTIONS.value.encode()
        )
        assert trace.root == case.context.operator_trace_root
        state = SparseTree({SLOT: value}, compute_ceil_log2(SLOTS), b"state")
        last = _digest("state after the segment")
        steps = SparseTree(
            {self.extent.step: state.root, self.extent.segment_length - 1: last},
            compute_ceil_log2(self.extent.segment_length),
            b"steps",
        )
        claim = SparseTree(
            {self.extent.segment: last}, compute_ceil_log2(self.extent.segments), b"claim"
        )
        self.trees = (claim, steps, state, trace, microcode, tensor, chunks)
        self.posted = moves.Posted(
            steps.root,
            trace.root,
            microcode.root,
            case.location.operator.instructions_root,
            chunks.root,
        )
        self.leaves = (
            self.extent.segment,
            self.extent.step,
            SLOT,
            self.extent.operator,
            INSTRUCTION,
            leaf,
            CHUNK,
        )

    def deploy(self, is_first: bool = False) -> tuple[Any, int, str, str]:
        """The contracts, the id of the claim, its worker and a challenger."""
        economy = deploy_economy()
        step_verifier = get_deployer("StepVerifier").deploy(get_deployer("MapUnit").deploy())
        contract = get_deployer("ChallengeGame").deploy(
            economy.token,
            economy.escrow,
            step_verifier,
            PRESET.worker_award_bps,
            PRESET.worker_seconds,
            PRESET.challenger_seconds,
            PRESET.minimum_move_seconds,
            override_address=economy.game,
        )
        context = self.case.context
        economy.terms = Terms(
            program_root=context.program_root,
            seed=context.seed,
            segments=self.extent.segments,
            segment_length=self.extent.segment_length,
        )
        if not is_first:
            play_earlier_game(economy, contract)
        task_id = economy.post()
        economy.assign(task_id)
        claim = self.trees[0]
        last = self.extent.segments - 1
        claim_id = economy.escrow.claim(
            task_id,
            economy.digest_of(task_id),
            claim.root,
            claim.get_node(0, last),
            list(claim.get_path(last)),
            sender=economy.worker,
        )
        economy.fund(economy.challenger, BOND, contract)
        return contract, claim_id, economy.worker, economy.challenger

    def compute_move(self, seen: Any) -> moves.SideMove:
        """The move that is owed in the contract's state, by whoever owes it."""
        level, stage = Level(seen.level), Stage(seen.stage)
        tree, number = self.trees[level], seen.move
        depth = compute_depth(seen.height)
        location = self.case.location
        match stage:
            case Stage.REVEAL:
                nodes = tree.get_descendants(seen.height, seen.index, depth)
                return moves.Reveal(number, tuple(nodes))
            case Stage.PICK:
                child = (self.leaves[level] >> (seen.height - depth)) - (seen.index << depth)
                nodes = tree.get_descendants(seen.height, seen.index, depth)
                path = tree.get_path(
                    (seen.index << depth) + child, seen.height - depth, seen.height
                )
                return moves.Pick(number, child, nodes[child], path)
            case Stage.REVEAL_LEAF:
                return moves.RevealLeaf(number, self.data)
            case Stage.PICK_ELEMENT:
                return moves.PickElement(number, self.extent.element % PER_LEAF)
            case Stage.PROVE:
                chunks = self.trees[Level.CHUNK]
                agreed = moves.Agreed(
                    ZERO_VALUE,
                    (),
                    chunks.get_node(0, CHUNK - 1),
                    chunks.get_path(CHUNK - 1),
                )
                openings = self.case.openings
                return moves.Prove(number, self.posted, agreed, b"", location, openings)
        below = self.trees[level + 1]
        header = location.header

        def link(leaf: int) -> tuple[moves.Nodes, moves.Path]:
            depth = compute_depth(below.height)
            nodes = below.get_descendants(below.height, 0, depth)
            return tuple(nodes), below.get_path(leaf, top=below.height - depth)

        match level:
            case Level.SEGMENT:
                return moves.ExpandStep(number, *link(self.extent.segment_length - 1))
            case Level.STEP:
                return moves.ExpandSlot(number, link(0)[0], header)
            case Level.SLOT:
                slot_path = self.slots.get_path(SLOT)
                return moves.ExpandOperator(
                    number, *link(self.extent.producer), header, self.slot, slot_path
                )
            case Level.OPERATOR:
                return moves.ExpandInstruction(
                    number,
                    *link(INSTRUCTIONS - 1),
                    header,
                    location.operator,
                    location.operator_path,
                )
            case Level.INSTRUCTION:
                shown, _ = link(0)
                return moves.ExpandElement(
                    number,
                    shown,
                    self.posted.before_microcode,
                    self.posted.microcode_root,
                    self.instruction,
                    location.instruction_path,
                )
            case _:
                return moves.ExpandChunk(number, *link(CHUNKS - 1), self.data)


def play_earlier_game(economy: Economy, contract: Any) -> None:
    """Another dispute of the deployment: sums, counts and balances of the contracts are written
    once before, and that once is no part of a dispute."""
    worker, challenger = boa.env.generate_address(), boa.env.generate_address()
    task_id = economy.post()
    economy.assign(task_id, worker)
    claim_id = economy.claim(task_id, worker)
    economy.fund(challenger, BOND, contract)
    game_id = contract.open(claim_id, economy.escrow.claim_of(claim_id).root, sender=challenger)
    boa.env.timestamp = contract.deadline_of(game_id) + 1
    contract.timeout(game_id)


def _begin_transaction() -> None:
    """Calls of titanoboa share one transaction: without this, storage would be warm, and what an
    earlier move wrote would count as written in the same transaction."""
    boa.env.evm.vm.state.lock_changes()
    boa.env.evm.reset_access_counters()
    boa.env.evm.vm.state.clear_transient_storage()


def measure_largest() -> str:
    """A Markdown table: transactions and gas by kind of move, and in all."""
    dispute = LongestDispute()
    first = sum(gas for _, gas in measure(dispute, dispute.deploy(is_first=True)))
    moves = measure(dispute, dispute.deploy())
    note("longest dispute, gas", sum(gas for _, gas in moves), 3e6)
    note("longest dispute, transactions", len(moves), 50)
    table = format_table(moves)
    return f"{table}\n\nThe first dispute of a deployment: {first:,} gas."


def measure(dispute: LongestDispute, table: tuple[Any, int, str, str]) -> list[tuple[str, int]]:
    """(function, gas) of every transaction."""
    contract, claim_id, worker, challenger = table
    figures: list[tuple[str, int]] = []

    def call(name: str, arguments: tuple[Any, ...], sender: str) -> None:
        _begin_transaction()
        function = getattr(contract, name)
        function(*arguments, sender=sender)
        data = function.prepare_calldata(*arguments)
        zeros = data.count(0)
        computation = contract._computation
        used = TRANSACTION_GAS + 4 * zeros + 16 * (len(data) - zeros) + computation.get_gas_used()
        refund = min(computation.get_gas_refund(), used // REFUND_QUOTIENT)
        figures.append((name, used - refund))

    call("open", (claim_id, dispute.trees[0].root), challenger)
    game_id = contract.game_id_of(claim_id, challenger)
    seen = contract.game_of(game_id)
    while Stage(seen.stage) is not Stage.ENDED:
        move = dispute.compute_move(seen)
        by_challenger = isinstance(move, moves.Pick | moves.PickElement)
        sender = challenger if by_challenger else worker
        call(compute_function_name(move), (game_id, *encode_arguments(move)), sender)
        seen = contract.game_of(game_id)
    return figures


def format_table(figures: list[tuple[str, int]]) -> str:
    """Markdown."""
    counts = Counter(name for name, _ in figures)
    lines = ["| move | transactions | largest gas | gas in all |", "|---|---:|---:|---:|"]
    for name, count in counts.items():
        costs = [gas for other, gas in figures if other == name]
        lines.append(f"| `{name}` | {count} | {max(costs):,} | {sum(costs):,} |")
    total = sum(gas for _, gas in figures)
    return "\n".join([*lines, f"| **in all** | **{len(figures)}** | | **{total:,}** |"])


def measure_table(device: str) -> str:
    """Markdown."""
    return measure_largest()


if __name__ == "__main__":
    print(measure_largest())
