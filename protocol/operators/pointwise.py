"""Pointwise operators: one map instruction each, operands broadcast."""

from protocol.instructions import Opcode
from protocol.operators import Attributes, operator
from protocol.operators.microcode import Microcode, Value

UNARY = {
    "sqrt": Opcode.SQRT,
    "neg": Opcode.NEG,
    "abs": Opcode.ABS,
    "floor": Opcode.FLOOR,
    "exp": Opcode.EXP,
    "log": Opcode.LOG,
    "tanh": Opcode.TANH,
    "erf": Opcode.ERF,
    "logical_not": Opcode.NOT,
    "to_float": Opcode.I2F,
    "to_int": Opcode.F2I,
    "copy": Opcode.COPY,
}
BINARY = {
    "add": Opcode.ADD,
    "sub": Opcode.SUB,
    "mul": Opcode.MUL,
    "div": Opcode.DIV,
    "maximum": Opcode.MAX,
    "minimum": Opcode.MIN,
    "lt": Opcode.LT,
    "le": Opcode.LE,
    "eq": Opcode.EQ,
    "bitwise_and": Opcode.AND,
    "bitwise_or": Opcode.OR,
    "int_add": Opcode.IADD,
    "int_sub": Opcode.ISUB,
    "int_mul": Opcode.IMUL,
    "int_lt": Opcode.ILT,
    "int_le": Opcode.ILE,
    "int_eq": Opcode.IEQ,
}


def _register(kind: str, inputs: int, opcode: Opcode) -> None:
    @operator(kind, inputs)
    def expansion(code: Microcode, values: tuple[Value, ...], attributes: Attributes) -> Value:
        return code.map(opcode, *values)


for _kind, _opcode in UNARY.items():
    _register(_kind, 1, _opcode)
for _kind, _opcode in BINARY.items():
    _register(_kind, 2, _opcode)
_register("where", 3, Opcode.SELECT)
