"""The polynomials' errors, and the functions' results where formulas change."""

import math

import mpmath
import pytest
import torch

from offchain.kernels import elementary, llvm
from offchain.kernels.conformance import FUNCTIONS, to_patterns
from offchain.kernels.fast_unary import get_kernels
from offchain.kernels.unary import canonicalize_nan
from protocol.instructions import Opcode

pytestmark = pytest.mark.skipif(llvm.LLVM is None, reason="LLVM is not installed")
ERROR_MAX = 2.0**-56
POINTS = 400


def evaluate(coefficients: tuple[float, ...], x: mpmath.mpf) -> mpmath.mpf:
    return mpmath.polyval([mpmath.mpf(c) for c in reversed(coefficients)], x)


def compute_exp(x: mpmath.mpf) -> mpmath.mpf:
    return 1 + x + x**2 * evaluate(elementary._EXP, x)


def compute_tanh(x: mpmath.mpf) -> mpmath.mpf:
    return x + x**3 * evaluate(elementary._TANH, x**2)


def compute_erf(x: mpmath.mpf) -> mpmath.mpf:
    slope = 1 + mpmath.mpf(elementary.ERF_SLOPE)
    return x * slope + x**3 * evaluate(elementary._ERF, x**2)


def compute_far_erf(x: mpmath.mpf) -> mpmath.mpf:
    return 1 - mpmath.exp(-(x**2)) * evaluate(elementary._ERFC, 1 / (x + 3))


def compute_log(x: mpmath.mpf) -> mpmath.mpf:
    s = (x - 1) / (x + 1)
    return 2 * s + s**3 * evaluate(elementary._LOG, s**2)


@pytest.mark.parametrize(
    "formula, truth, low, high",
    [
        (compute_exp, mpmath.exp, -math.log(2) / 2, math.log(2) / 2),
        (compute_tanh, mpmath.tanh, 1e-3, math.sqrt(elementary.TANH_SPLIT)),
        (compute_erf, mpmath.erf, 1e-3, math.sqrt(elementary.ERF_SPLIT)),
        (compute_far_erf, mpmath.erf, math.sqrt(elementary.ERF_SPLIT), elementary.ERF_END),
        (compute_log, mpmath.log, math.sqrt(0.5), math.sqrt(2)),
    ],
)
def test_polynomials__whole_interval__err_by_less_than_a_quarter_of_a_unit(
    formula, truth, low: float, high: float
) -> None:
    with mpmath.workdps(40):
        for number in range(POINTS + 1):
            x = mpmath.mpf(low) + (mpmath.mpf(high) - low) * number / POINTS
            expected = truth(x)
            assert abs(formula(x) - expected) <= ERROR_MAX * max(abs(expected), 2.0**-40)


@pytest.mark.parametrize("name", ["exp", "log", "tanh", "erf"])
def test_loops__where_formulas_change__equal_exact_integers(name: str) -> None:
    function = FUNCTIONS[name]
    edges = [
        math.sqrt(elementary.TANH_SPLIT),
        math.sqrt(elementary.ERF_SPLIT),
        elementary.ERF_END,
        20.0,
        math.sqrt(0.5),
        math.sqrt(2),
        88.72284,
        -87.33655,
        -103.97208,
        elementary.EXP_LOWEST,
        elementary.EXP_HIGHEST,
    ]
    words = torch.tensor(edges).view(torch.int32)[:, None] + torch.arange(-40, 41)
    x = words.to(torch.int32).flatten().view(torch.float32)
    x = torch.cat((x, -x))
    *_, loop = get_kernels(function.opcode, torch.device("cpu"))
    expected = [function.exact(bits) for bits in to_patterns(x)]
    assert to_patterns(canonicalize_nan(loop(x))) == expected


def test_hard_cases__every_one__equals_exact_integers() -> None:
    cases = elementary.HARD_CASES[Opcode.LOG]
    assert cases == {argument: FUNCTIONS["log"].exact(argument) for argument in cases}
    *_, loop = get_kernels(Opcode.LOG, torch.device("cpu"))
    words = [(argument + 2**31) % 2**32 - 2**31 for argument in cases]
    x = torch.tensor(words, dtype=torch.int32).view(torch.float32)
    assert to_patterns(loop(x)) == list(cases.values())
