"""A function under construction, with short words for what the compiled kernels are made of."""

from collections.abc import Callable, Sequence
from typing import Any

from offchain.kernels.llvm import emit_loop, ir


class Emitter:
    """A module whose function `run` takes pointers, which do not overlap, and then integers."""

    def __init__(self, pointers: int, integers: int):
        self.i8, self.i32, self.i64 = (ir.IntType(bits) for bits in (8, 32, 64))
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
        is_integer = isinstance(value.type, ir.IntType)
        compare = self.b.icmp_signed if is_integer else self.b.fcmp_ordered
        value = self.b.select(compare("<", value, limit), value, limit)
        return self.b.select(compare(">", value, negative), value, negative)
