"""Operators whose outputs are far larger than what goes in and comes out, computed part by part.

Attention's scores are the case in point: T x T numbers for each head, from T x D and to T x D. The
operators that hold such a tensor are executed for one row of the batch at a time, and for one head
at a time where that is still too much, so that no more than a part of it ever exists. What a part
is, index maps say (`parts`), as they do for several processes; every instruction is computed as it
would be for the whole, so its bits are the same.

Where the backward pass reads such a tensor again, it is computed again instead of being kept.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

from torch import Tensor

from offchain.kernels import buffers
from offchain.kernels.memory import Outside
from offchain.kernels.operators import Kernel
from offchain.kernels.reading import TORCH_DTYPES
from offchain.runner.dividing import Divider, Read, find_product
from protocol.instructions import Instruction
from protocol.program import Program
from protocol.types import Dtype

GROWTH = 2  # at least so many times the elements that the operator reads
OPERATORS_MAX = 64  # of a stream


@dataclass(frozen=True)
class Sizes:
    """In elements: from where on a tensor is large, and what a part of it may be."""

    large: int
    part: int


# On a CPU a part is to stay in a cache; a GPU wants long kernels, and has bandwidth for the rest.
SIZES = {"cpu": Sizes(2**22, 2**20), "cuda": Sizes(2**28, 2**26)}

CompileCode = Callable[[tuple[Instruction, ...]], Kernel]


@dataclass(frozen=True)
class PartOperator:
    """One operator's kernel for the first part; the others differ in where they read."""

    operator: int
    kernel: Kernel
    reads: tuple[Read, ...]
    dead: tuple[int, ...]  # operators of the stream that no later one reads


@dataclass(frozen=True)
class Stream:
    """Operators that are executed for every part in turn."""

    body: tuple[PartOperator, ...]
    results: tuple[int, ...]  # operators whose outputs others read
    shapes: Mapping[int, tuple[tuple[int, ...], Dtype]]  # of the results
    counts: tuple[int, ...]  # parts, for each level
    skipped: tuple[int, ...]  # operators that exist only inside

    @property
    def operators(self) -> tuple[int, ...]:
        """All that need no stage of their own."""
        return (*self.results, *self.skipped)

    @property
    def producers(self) -> tuple[int, ...]:
        """Operators that it reads, in order and once each."""
        reads = (r for item in self.body for r in item.reads if not r.is_inside)
        return tuple(dict.fromkeys(read.producer for read in reads))

    def execute(self, outputs: Mapping[int, Tensor], outside: Outside) -> dict[int, Tensor]:
        """The results, whole."""
        device = outputs[self.producers[0]].device
        whole = {
            j: buffers.empty(shape, TORCH_DTYPES[dtype], device)
            for j, (shape, dtype) in self.shapes.items()
        }
        for number, ranks in enumerate(product(*map(range, self.counts))):
            own: dict[int, Tensor] = {}
            for item in self.body:
                inputs = tuple(
                    own[read.producer]
                    if read.is_inside
                    else _move(outputs[read.producer], read.moves, ranks)
                    for read in item.reads
                )
                part = own[item.operator] = item.kernel(inputs, outside)
                if item.operator in whole:
                    place = whole[item.operator].view(-1, part.numel())
                    place[number] = part.reshape(-1)
                for j in item.dead:
                    del own[j]
        return whole


def _move(source: Tensor, moves: Sequence[int], ranks: Sequence[int]) -> Tensor:
    """The source from where a part's reading starts."""
    start = sum(move * rank for move, rank in zip(moves, ranks))
    return source if start == 0 else source.reshape(-1)[start:]


class _Finder:
    """Looks for streams among the active operators of a program."""

    def __init__(
        self,
        program: Program,
        active: Sequence[int],
        kept: Collection[int],
        compile_code: CompileCode,
        sizes: Sizes,
    ):
        self.program, self.active, self.kept = program, active, kept
        self.compile_code, self.sizes = compile_code, sizes
        self.producers = {
            j: tuple(item.producer for item in program.operators[j].inputs) for j in active
        }
        self.readers: dict[int, list[int]] = {}
        for j in active:
            for p in set(self.producers[j]):
                self.readers.setdefault(p, []).append(j)

    def _get_size(self, operator: int) -> int:
        return self.program.microcode[operator][-1].size

    def _is_seed(self, operator: int) -> bool:
        size = self._get_size(operator)
        if size < self.sizes.large or find_product(self.program.microcode[operator]) is None:
            return False
        read = sum(prod(item.view.shape) for item in self.program.operators[operator].inputs)
        return size >= GROWTH * read

    def find(self) -> list[Stream]:
        streams: list[Stream] = []
        seen: set[int] = set()
        for seed in self.active:
            if seed not in seen and self._is_seed(seed):
                large = self._find_large(seed)
                seen |= large
                streams += self._build(large)
        return streams

    def _find_large(self, seed: int) -> set[int]:
        """The seed, what is made of it in the same size, and other seeds that meet it there."""
        size, large, waiting = self._get_size(seed), {seed}, [seed]
        while waiting:
            operator = waiting.pop()
            near = [j for j in self.readers.get(operator, ()) if self._get_size(j) == size]
            near += [
                p for p in self.producers[operator] if p in self.producers and self._is_seed(p)
            ]
            for j in near:
                if j not in large:
                    large.add(j)
                    waiting.append(j)
        return large

    def _build(self, large: set[int]) -> list[Stream]:
        """One stream for each time that the large tensors are read; none if one is not possible."""
        readers = {r for j in large for r in self.readers.get(j, ())} - large
        if large & set(self.kept) or len(large) + len(readers) > OPERATORS_MAX or not readers:
            return []
        streams = []
        skipped = tuple(sorted(large))
        for results in self._find_times(large, readers):
            body = self._find_body(large, results)
            stream = self._build_stream(body, results, skipped)
            if stream is None:
                return []
            streams.append(stream)
            skipped = ()
        return streams

    def _find_times(self, large: set[int], readers: set[int]) -> list[tuple[int, ...]]:
        """The readers, those first that need no other's output."""
        times: dict[int, int] = {}
        for j in self.active:
            before = [times.get(p, 0) + (p in readers) for p in self.producers[j]]
            times[j] = max(before, default=0)
        groups: dict[int, list[int]] = {}
        for j in sorted(readers):
            groups.setdefault(times[j], []).append(j)
        return [tuple(groups[time]) for time in sorted(groups)]

    def _find_body(self, large: set[int], results: Sequence[int]) -> list[int]:
        body, waiting = set(results), list(results)
        while waiting:
            for p in self.producers[waiting.pop()]:
                if p in large and p not in body:
                    body.add(p)
                    waiting.append(p)
        return sorted(body)

    def _build_stream(
        self, body: Sequence[int], results: Sequence[int], skipped: Sequence[int]
    ) -> Stream | None:
        """The stream of these operators, or None where index maps do not divide them."""
        program = self.program
        divider = Divider(program, body)
        size = max(program.microcode[j][-1].size for j in body)
        while size > self.sizes.part and divider.divide():
            size //= divider.counts[-1]
        if not divider.counts:
            return None
        last_read = {p: j for j in body for p in divider.producers[j]}
        items = []
        for j in body:
            code, reads = divider.build(j)
            dead = [p for p in body if last_read.get(p, p) == j]
            items.append(PartOperator(j, self.compile_code(code), reads, tuple(dead)))
        outputs = {j: program.microcode[j][-1] for j in results}
        shapes = {j: (last.shape, last.dtype) for j, last in outputs.items()}
        counts = tuple(divider.counts)
        return Stream(tuple(items), tuple(results), shapes, counts, tuple(skipped))


def find_streams(
    program: Program,
    active: Sequence[int],
    kept: Collection[int],
    compile_code: CompileCode,
    sizes: Sizes,
) -> list[Stream]:
    """Streams of a program's active operators; `kept` ones are the step's results."""
    return _Finder(program, active, kept, compile_code, sizes).find()
