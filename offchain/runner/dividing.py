"""How operators are divided into parts that need nothing of each other.

A part is computed like any other: the same kernels, which read further on. So there is microcode
for the first part only, and for each operand how far the next part reads from the one before.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from offchain.runner.parts import WHOLE, Part, Period, Ranks, compute_part, divide_axis
from protocol.instructions import Instruction, Opcode, Source
from protocol.program import Program

Code = tuple[Instruction, ...]
Place = tuple[int, int, int]  # operator, instruction, operand


@dataclass(frozen=True)
class Read:
    """Where a part of an operator reads: a producer's output, moved on with each part."""

    producer: int
    is_inside: bool  # one of the divided operators
    moves: tuple[int, ...]  # elements, for each level of parts


def find_product(code: Sequence[Instruction]) -> Instruction | None:
    """The DOT of a batch of matrices in an operator's microcode."""
    found = [i for i in code if i.opcode is Opcode.DOT and len(i.shape) > 2]
    return found[0] if found else None


class Divider:
    """Divides operators into parts, level by level, until a part is small enough."""

    def __init__(self, program: Program, body: Sequence[int]):
        self.body = body
        self.producers = {
            j: tuple(item.producer for item in program.operators[j].inputs) for j in body
        }
        self.codes: dict[int, Code] = {j: program.microcode[j] for j in body}
        self.counts: list[int] = []
        self.moves: dict[Place, list[int]] = {}

    def divide(self) -> bool:
        """Once more; False, and nothing has changed, where index maps do not allow it."""
        count = self._find_count()
        if count is None:
            return False
        first, second = (self._compute_parts(Ranks(count, rank)) for rank in range(2))
        moves = None if first is None or second is None else self._compare(first, second)
        if first is None or moves is None:
            return False
        for place, move in moves.items():
            self.moves.setdefault(place, []).append(move)
        self.codes = first
        self.counts.append(count)
        return True

    def _find_count(self) -> int | None:
        """The rows of the batch, or the heads of a row."""
        products = [p for code in self.codes.values() if (p := find_product(code)) is not None]
        lengths = [n for p in products if (n := p.shape[_find_axis(p)]) > 1]
        count = min(lengths) if len(lengths) == len(products) > 0 else None
        return count if count and all(n % count == 0 for n in lengths) else None

    def _compute_parts(self, ranks: Ranks) -> dict[int, Code] | None:
        periods: dict[int, Period] = {}
        codes: dict[int, Code] = {}
        for j in self.body:
            parts: list[Part] = []
            product = find_product(self.codes[j])
            for instruction in self.codes[j]:
                sources = tuple(
                    parts[o.index].period
                    if o.source is Source.INSTRUCTION
                    else periods.get(self.producers[j][o.index])
                    for o in instruction.operands
                )
                part = Part(instruction, sources, None)
                if any(sources):
                    part = compute_part(instruction, sources, ranks)
                elif product is not None and _has_batch_of(instruction, product):
                    part = divide_axis(instruction, _find_axis(product), ranks) or part
                if part.is_partial or any(part.gathered):
                    return None
                parts.append(part)
            # Parts of outputs follow each other, so that they can be put side by side.
            if parts[-1].period != self.codes[j][-1].size:
                return None
            periods[j] = parts[-1].period
            codes[j] = tuple(part.instruction for part in parts)
        return codes

    def _compare(
        self, first: Mapping[int, Code], second: Mapping[int, Code]
    ) -> dict[Place, int] | None:
        """How far the next part reads from the one before; None if more is different."""
        moves: dict[Place, int] = {}
        for j in self.body:
            for number, (a, b) in enumerate(zip(first[j], second[j])):
                moved = []
                for place, (x, y) in enumerate(zip(a.operands, b.operands)):
                    if x.source is Source.INPUT and self.producers[j][x.index] not in self.body:
                        moves[j, number, place] = y.view.offset - x.view.offset
                        y = replace(y, view=replace(y.view, offset=x.view.offset))
                    moved.append(y)
                if replace(b, operands=tuple(moved)) != a:
                    return None
        return moves

    def build(self, operator: int) -> tuple[Code, tuple[Read, ...]]:
        """The operator's microcode for the first part, and what its inputs are."""
        reads: dict[Read, int] = {}
        code = []
        for number, instruction in enumerate(self.codes[operator]):
            operands = []
            for place, operand in enumerate(instruction.operands):
                if operand.source is Source.INPUT:
                    producer = self.producers[operator][operand.index]
                    moves = self.moves.get((operator, number, place), [])
                    read = Read(producer, producer in self.body, tuple(moves))
                    operand = replace(operand, index=reads.setdefault(read, len(reads)))
                operands.append(operand)
            code.append(replace(instruction, operands=tuple(operands)))
        return tuple(code), tuple(reads)


def _find_axis(product: Instruction) -> int:
    """The first axis of a batch of products that has a length."""
    return next((a for a, n in enumerate(product.shape[:-2]) if n > 1), 0)


def _has_batch_of(instruction: Instruction, product: Instruction) -> bool:
    """Whether an instruction computes something for each of the batch's products."""
    lead = product.shape[:-2]
    return instruction.opcode not in WHOLE and instruction.shape[: len(lead)] == lead
