"""A function under construction, with short words for what the compiled kernels are made of."""

from collections.abc import Callable, Sequence
from typing import Any

from offchain.kernels.llvm import emit_call, emit_loop, ir

WORD_BYTES = 4


class Emitter:
    """A module whose function `run` takes pointers, which do not overlap, and then integers."""

    def __init__(self, pointers: int, integers: int):
        self.i1, self.i8, self.i32, self.i64 = (ir.IntType(bits) for bits in (1, 8, 32, 64))
        self.f32, self.f64 = ir.FloatType(), ir.DoubleType()
        self.nan = self.f32(float("nan"))
        types = [ir.PointerType()] * pointers + [self.i64] * integers
        self.module = ir.Module()
        function = ir.Function(self.module, ir.FunctionType(ir.VoidType(), types), "run")
        for argument in function.args[:pointers]:
            argument.add_attribute("noalias")
        self.arguments = function.args
        self.b = ir.IRBuilder(function.append_basic_block())

    def place(self, pointer: Any, kind: Any, index: Any) -> Any:
        return self.b.gep(pointer, [index], source_etype=kind)

    def load(self, pointer: Any, kind: Any, index: Any) -> Any:
        return self.b.load(self.place(pointer, kind, index), typ=kind)

    def store(self, value: Any, pointer: Any, index: Any) -> None:
        self.b.store(value, self.place(pointer, value.type, index))

    def loop(
        self, stop: Any, body: Callable[[Any], None], start: Any = None, step: int = 1
    ) -> None:
        """for (i = start; i < stop; i += step) body(i)."""

        def run(index: Any, _: Sequence[Any]) -> Sequence[Any]:
            body(index)
            return ()

        emit_loop(self.b, stop, step, (), run, start)

    def limit(self, value: Any, limit: Any, negative: Any) -> Any:
        """The value between -limit and limit."""
        kind = getattr(value.type, "element", value.type)
        is_integer = isinstance(kind, ir.IntType)
        compare = self.b.icmp_signed if is_integer else self.b.fcmp_ordered
        value = self.b.select(compare("<", value, limit), value, limit)
        return self.b.select(compare(">", value, negative), value, negative)

    def call(self, name: str, result: Any, *arguments: Any) -> Any:
        """A call of one of LLVM's own functions."""
        return emit_call(self.b, name, result, *arguments)

    # Vectors of several words, in memory at any word

    def vector(self, kind: Any, lanes: int) -> Any:
        return ir.VectorType(kind, lanes)

    def allocate(self, kind: Any) -> Any:
        """A variable on the stack."""
        variable = self.b.alloca(kind)
        variable.type = ir.PointerType()  # as all pointers here: of no type
        return variable

    def splat(self, value: Any, lanes: int) -> Any:
        """The value in every lane."""
        kind = self.vector(value.type, lanes)
        if isinstance(value, ir.Constant):
            return kind([value.constant] * lanes)
        first = self.b.insert_element(kind(ir.Undefined), value, self.i32(0))
        return self.b.shuffle_vector(
            first, kind(ir.Undefined), self.vector(self.i32, lanes)([0] * lanes)
        )

    def load_at(self, pointer: Any, kind: Any) -> Any:
        return self.b.load(pointer, typ=kind, align=WORD_BYTES)

    def store_at(self, value: Any, pointer: Any) -> None:
        self.b.store(value, pointer, align=WORD_BYTES)

    def mask_below(self, count: Any, lanes: int) -> Any:
        """True in the lanes whose number is below an i64."""
        short = self.b.select(
            self.b.icmp_signed("<", count, self.i64(lanes)), count, self.i64(lanes)
        )
        numbers = self.vector(self.i32, lanes)(list(range(lanes)))
        count = self.splat(self.b.trunc(short, self.i32), lanes)
        return self.b.icmp_signed("<", numbers, count)

    def load_masked(self, pointer: Any, kind: Any, mask: Any) -> Any:
        """The lanes of the mask; nothing else is read, and the others are 0."""
        element = "f32" if kind.element == self.f32 else "i32"
        name = f"llvm.masked.load.v{kind.count}{element}.p0"
        zero = kind([0.0 if element == "f32" else 0] * kind.count)
        return emit_call(self.b, name, kind, pointer, self.i32(WORD_BYTES), mask, zero)

    def store_masked(self, value: Any, pointer: Any, mask: Any) -> None:
        """The lanes of the mask; nothing else is written."""
        element = "f32" if value.type.element == self.f32 else "i32"
        name = f"llvm.masked.store.v{value.type.count}{element}.p0"
        emit_call(self.b, name, ir.VoidType(), value, pointer, self.i32(WORD_BYTES), mask)

    def reduce(self, operation: str, value: Any) -> Any:
        """One i32 from the lanes: `add` or `smax`."""
        name = f"llvm.vector.reduce.{operation}.v{value.type.count}i32"
        return emit_call(self.b, name, self.i32, value)

    def insert_byte(self, words: Any, digits: Any, number: int) -> Any:
        """The words with the low byte of each digit as their byte `number`, which was 0."""
        lanes = words.type.count
        byte = self.b.and_(digits, self.splat(self.i32(255), lanes))
        return self.b.or_(words, self.b.shl(byte, self.splat(self.i32(8 * number), lanes)))
