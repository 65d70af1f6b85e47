"""Triton source under construction, by the words in which `kernels.emitter` builds LLVM code.

What is written once for both, `chains` and `elementary`, then means the same on a GPU: IEEE
operations, one after the other.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """A type of numbers; called with a number it is a constant."""

    name: str  # Triton's

    def __call__(self, value: float) -> "Value":
        text = f'float("{value}")' if value != value or abs(value) == float("inf") else repr(value)
        if self.name == "int32" and value >= 2**31:
            text = repr(int(value) - 2**32)
        if text == "-0.0":  # Triton's constants lose the sign
            return Value(
                f"tl.full([1], {-(2**63)}, tl.int64).to(tl.{self.name}, bitcast=True)", self
            )
        return Value(f"tl.full([1], {text}, tl.{self.name})", self)


@dataclass(frozen=True)
class Value:
    """A name or an expression, and its type."""

    text: str
    type: Kind

    def __str__(self) -> str:
        return self.text


F32, F64 = Kind("float32"), Kind("float64")
I1, I32, I64 = Kind("int1"), Kind("int32"), Kind("int64")
WORDS = {F32: I32, F64: I64}
SIGNS = {F32: -(2**31), F64: -(2**63)}


class SourceBuilder:
    """Methods of LLVM's builder, as far as maps need them; each writes a line."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.indent = ""

    def line(self, text: str) -> None:
        """One line as it is."""
        self.lines.append(self.indent + text)

    def write(self, kind: Kind, text: str) -> Value:
        """A new name for an expression of that type."""
        name = f"v{len(self.lines)}"
        self.line(f"{name} = {text}")
        return Value(name, kind)

    def _infix(self, sign: str, x: Value, y: Value) -> Value:
        return self.write(x.type, f"{x} {sign} {y}")

    def fadd(self, x: Value, y: Value) -> Value:
        return self._infix("+", x, y)

    def fsub(self, x: Value, y: Value) -> Value:
        return self._infix("-", x, y)

    def fmul(self, x: Value, y: Value) -> Value:
        return self._infix("*", x, y)

    def fdiv(self, x: Value, y: Value) -> Value:
        # `/` on float32 is approximate.
        if x.type == F32:
            return self.write(F32, f"tl.div_rn({x}, {y})")
        return self._infix("/", x, y)

    add, sub, mul = fadd, fsub, fmul

    def and_(self, x: Value, y: Value) -> Value:
        return self._infix("&", x, y)

    def or_(self, x: Value, y: Value) -> Value:
        return self._infix("|", x, y)

    def xor(self, x: Value, y: Value) -> Value:
        return self._infix("^", x, y)

    def shl(self, x: Value, y: Value) -> Value:
        return self._infix("<<", x, y)

    def ashr(self, x: Value, y: Value) -> Value:
        return self._infix(">>", x, y)

    def select(self, condition: Value, x: Value, y: Value) -> Value:
        return self.write(x.type, f"tl.where({condition}, {x}, {y})")

    def fcmp_ordered(self, sign: str, x: Value, y: Value) -> Value:
        return self.write(I1, f"{x} {sign} {y}")

    icmp_signed = fcmp_ordered

    def fcmp_unordered(self, sign: str, x: Value, y: Value) -> Value:
        is_nan = f"({x} != {x}) | ({y} != {y})"
        return self.write(I1, is_nan if sign == "uno" else f"({x} {sign} {y}) | {is_nan}")

    def bitcast(self, x: Value, kind: Kind) -> Value:
        return self.write(kind, f"{x}.to(tl.{kind.name}, bitcast=True)")

    def _convert(self, x: Value, kind: Kind) -> Value:
        return self.write(kind, f"{x}.to(tl.{kind.name})")

    zext = sitofp = fpext = fptrunc = _convert

    def fneg(self, x: Value) -> Value:
        # `-x` is 0 - x, which has no negative zero.
        word = WORDS[x.type]
        return self.bitcast(self.xor(self.bitcast(x, word), word(SIGNS[x.type])), x.type)


class SourceEmitter:
    """Stands in for `kernels.emitter.Emitter` where maps are emitted."""

    f32, f64, i32, i64 = F32, F64, I32, I64

    def __init__(self) -> None:
        self.b = SourceBuilder()
        self.nan = F32(float("nan"))

    def call(self, name: str, result: Kind, *arguments: Value) -> Value:
        """What stands for one of LLVM's own functions."""
        b = self.b
        match name:
            case "llvm.sqrt.f32":
                return b.write(F32, f"tl.sqrt_rn({arguments[0]})")
            case "llvm.fabs.f32" | "llvm.fabs.f64":
                return self._set_sign(arguments[0], None)
            case "llvm.copysign.f64":
                return self._set_sign(*arguments)
            case "llvm.floor.f32":
                return b.write(F32, f"tl.floor({arguments[0]})")
            case "llvm.fptosi.sat.i32.f32":
                return self._truncate(arguments[0])
        raise AssertionError(f"no Triton for {name}")

    def _set_sign(self, x: Value, sign: Value | None) -> Value:
        b, word = self.b, WORDS[x.type]
        size = b.and_(b.bitcast(x, word), word(-SIGNS[x.type] - 1))
        if sign is not None:
            size = b.or_(size, b.and_(b.bitcast(sign, word), word(SIGNS[x.type])))
        return b.bitcast(size, x.type)

    def _truncate(self, x: Value) -> Value:
        """Towards zero, limited to the range of i32; 0 for NaN."""
        b = self.b
        wide = b.fpext(x, F64)
        wide = b.select(b.fcmp_unordered("uno", wide, wide), F64(0.0), wide)
        for sign, limit in ((">", 2.0**31 - 1), ("<", -(2.0**31))):
            wide = b.select(b.fcmp_ordered(sign, wide, F64(limit)), F64(limit), wide)
        return b._convert(wide, I32)
