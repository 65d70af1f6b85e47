"""EXP, LOG, TANH and ERF as float64 arithmetic in compiled loops, rounded once to float32.

Only additions, multiplications and divisions, none of them contracted: the results are the same
bits on every CPU. Polynomials are Chebyshev fits whose errors are below 2**-56 of the result; what
rounding adds is about one unit of a float64. That moves a result across a rounding boundary of
float32 for the few arguments in `HARD_CASES`, found by looking at all 2**32.
"""

from collections.abc import Sequence
from typing import Any

from offchain.kernels.emitter import Emitter
from protocol.instructions import Opcode

# Coefficients by rising power.
# (exp(r) - 1 - r) / r**2 for |r| <= ln(2) / 2
_EXP = (
    0.5,
    0.1666666666666667,
    0.04166666666666667,
    0.00833333333332612,
    0.0013888888888883737,
    0.00019841269874873975,
    2.480158732558584e-05,
    2.755725533255441e-06,
    2.7557273594799413e-07,
    2.510524515390137e-08,
    2.0914707069612355e-09,
)
# (tanh(x) / x - 1) / x**2 by x**2 <= 0.3
_TANH = (
    -0.3333333333333333,
    0.1333333333333276,
    -0.053968253967489145,
    0.021869488496195088,
    -0.00886323445636975,
    0.0035921111540182776,
    -0.0014556680542120901,
    0.0005889668638907071,
    -0.00023472661897624728,
    8.52643792388099e-05,
    -2.0708300493391477e-05,
)
TANH_SPLIT = 0.3
# (erf(x) / x - 2 / sqrt(pi)) / x**2 by x**2 <= 1.25**2
_ERF = (
    -0.37612638903183754,
    0.11283791670955125,
    -0.026866170645130655,
    0.0052239776254324145,
    -0.0008548327022612517,
    0.00012055332938661501,
    -1.4925648918811146e-05,
    1.6462081682440897e-06,
    -1.6365326083444258e-07,
    1.480137024920907e-08,
    -1.2244354286172167e-09,
    9.167803880579214e-11,
    -5.7678571164176404e-12,
    2.2785498680461104e-13,
)
ERF_SPLIT = 1.25**2
ERF_END = 3.95  # from here on the nearest float32 is 1
ERF_SLOPE = 0.12837916709551259  # 2 / sqrt(pi) - 1
# erfc(x) * exp(x**2) by t = 1 / (x + 3), for 1.25 <= x <= 3.95
_ERFC = (
    -6.067997344398889e-06,
    0.5646439128383408,
    1.6768792658464897,
    5.1263595821719425,
    7.948897891929546,
    79.75864207998328,
    -303.5367194804957,
    2215.407341604758,
    -8524.098207115807,
    26060.251410324858,
    -53028.75892786085,
    61660.79138409326,
    -35127.83444030004,
    6233.685473737828,
)
# (log((1 + s) / (1 - s)) / s - 2) / s**2 by s**2, for (1 + s) / (1 - s) from sqrt(1/2) to sqrt(2)
_LOG = (
    0.6666666666666666,
    0.3999999999999999,
    0.2857142857143538,
    0.22222222219852464,
    0.1818181859457047,
    0.15384575060560599,
    0.13335641774000268,
    0.1168805409426866,
    0.11882627381096524,
)
LN2_HIGH = 0.6931471803691238  # 32 bits, so that its product with an exponent is exact
LN2_LOW = 1.9082149292705877e-10
PER_LN2 = 1.4426950408889634
MAGIC = 1.5 * 2**52  # added to an integer, it leaves the integer in the low bits of the word
ROOT_HALF = 0x3FE6A09E667F3BCD  # sqrt(1/2) as a word
EXP_LOWEST, EXP_HIGHEST = -110.0, 100.0  # beyond them the nearest float32 is 0 or infinity

# Argument -> result, as bit patterns, where the formulas below miss the nearest float32.
HARD_CASES: dict[Opcode, dict[int, int]] = {
    Opcode.LOG: {
        0x3C413D3A: 0xC08E158F,
        0x41178FEB: 0x400FE5E7,
        0x4C5D65A5: 0x418F034B,
        0x65D890D3: 0x4254D1F9,
        0x6F31A8EC: 0x42845A89,
    },
}


def _emit_polynomial(e: Emitter, coefficients: Sequence[float], x: Any) -> Any:
    total = e.f64(coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        total = e.b.fadd(e.b.fmul(total, x), e.f64(coefficient))
    return total


def _emit_exp(e: Emitter, x: Any) -> Any:
    """exp of a float64 between EXP_LOWEST and EXP_HIGHEST."""
    b = e.b
    moved = b.fadd(b.fmul(x, e.f64(PER_LN2)), e.f64(MAGIC))
    exponent = b.fsub(moved, e.f64(MAGIC))
    rest = b.fsub(x, b.fmul(exponent, e.f64(LN2_HIGH)))
    rest = b.fsub(rest, b.fmul(exponent, e.f64(LN2_LOW)))
    above = b.fmul(b.fmul(rest, rest), _emit_polynomial(e, _EXP, rest))
    above = b.fadd(rest, above)
    word = b.shl(b.bitcast(moved, e.i64), e.i64(52))
    power = b.bitcast(b.add(word, e.i64(1023 << 52)), e.f64)
    return b.fadd(power, b.fmul(power, above))


def _emit_size(e: Emitter, x: Any) -> Any:
    return e.call("llvm.fabs.f64", e.f64, x)


def _emit_signed(e: Emitter, size: Any, sign: Any) -> Any:
    return e.call("llvm.copysign.f64", e.f64, size, sign)


def _compute_exp(e: Emitter, x: Any) -> Any:
    b = e.b
    x = b.select(b.fcmp_ordered("<", x, e.f64(EXP_LOWEST)), e.f64(EXP_LOWEST), x)
    x = b.select(b.fcmp_ordered(">", x, e.f64(EXP_HIGHEST)), e.f64(EXP_HIGHEST), x)
    return _emit_exp(e, x)


def _compute_tanh(e: Emitter, x: Any) -> Any:
    b = e.b
    size = _emit_size(e, x)
    square = b.fmul(size, size)
    cubic = b.fmul(b.fmul(size, square), _emit_polynomial(e, _TANH, square))
    near = b.fadd(size, cubic)
    short = b.select(b.fcmp_ordered(">", size, e.f64(20.0)), e.f64(20.0), size)
    grown = b.fadd(_emit_exp(e, b.fadd(short, short)), e.f64(1.0))
    far = b.fsub(e.f64(1.0), b.fdiv(e.f64(2.0), grown))
    is_near = b.fcmp_ordered("<", square, e.f64(TANH_SPLIT))
    return _emit_signed(e, b.select(is_near, near, far), x)


def _compute_erf(e: Emitter, x: Any) -> Any:
    b = e.b
    size = _emit_size(e, x)
    size = b.select(b.fcmp_ordered(">", size, e.f64(ERF_END)), e.f64(ERF_END), size)
    square = b.fmul(size, size)
    slope = b.fadd(e.f64(ERF_SLOPE), b.fmul(square, _emit_polynomial(e, _ERF, square)))
    near = b.fadd(size, b.fmul(size, slope))
    t = b.fdiv(e.f64(1.0), b.fadd(size, e.f64(3.0)))
    fall = _emit_exp(e, b.fsub(e.f64(-0.0), square))
    far = b.fsub(e.f64(1.0), b.fmul(fall, _emit_polynomial(e, _ERFC, t)))
    is_near = b.fcmp_ordered("<", square, e.f64(ERF_SPLIT))
    return _emit_signed(e, b.select(is_near, near, far), x)


def _compute_log(e: Emitter, x: Any) -> Any:
    b = e.b
    word = b.bitcast(x, e.i64)
    exponent = b.ashr(b.sub(word, e.i64(ROOT_HALF)), e.i64(52))
    fraction = b.bitcast(b.sub(word, b.shl(exponent, e.i64(52))), e.f64)
    above = b.fsub(fraction, e.f64(1.0))
    s = b.fdiv(above, b.fadd(fraction, e.f64(1.0)))
    square = b.fmul(s, s)
    rest = b.fmul(square, _emit_polynomial(e, _LOG, square))
    half = b.fmul(b.fmul(above, above), e.f64(0.5))
    power = b.sitofp(exponent, e.f64)
    low = b.fadd(b.fmul(s, b.fadd(half, rest)), b.fmul(power, e.f64(LN2_LOW)))
    result = b.fsub(b.fmul(power, e.f64(LN2_HIGH)), b.fsub(b.fsub(half, low), above))
    infinity = e.f64(float("inf"))
    result = b.select(b.fcmp_ordered("==", x, e.f64(0.0)), e.f64(float("-inf")), result)
    result = b.select(b.fcmp_unordered("==", x, infinity), x, result)  # also NaN
    return b.select(b.fcmp_ordered("<", x, e.f64(0.0)), e.f64(float("nan")), result)


_FORMULAS = {
    Opcode.EXP: _compute_exp,
    Opcode.LOG: _compute_log,
    Opcode.TANH: _compute_tanh,
    Opcode.ERF: _compute_erf,
}
SUPPORTED = frozenset(_FORMULAS)


def emit_elementary(e: Emitter, opcode: Opcode, x: Any) -> Any:
    """RN32 of the function at a float32; the bits of a NaN are not canonical."""
    b = e.b
    result = b.fptrunc(_FORMULAS[opcode](e, b.fpext(x, e.f64)), e.f32)
    word = b.bitcast(x, e.i32)
    for argument, right in HARD_CASES.get(opcode, {}).items():
        is_it = b.icmp_signed("==", word, e.i32(argument))
        result = b.select(is_it, b.bitcast(e.i32(right), e.f32), result)
    return result
