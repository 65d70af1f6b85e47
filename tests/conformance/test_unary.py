"""Torch's unary kernels against exact integers, the published digests and another library."""

import json
import math
import random
import subprocess
import sys

import numpy as np
import pytest
import torch

from offchain.kernels import conformance, llvm, unary
from offchain.kernels.conformance import FUNCTIONS, SAMPLE_STRIDE, check_function
from offchain.kernels.fast_unary import get_kernels
from tests.float_cases import EDGES, HARDEST, random_pattern

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
NUMPY_FUNCTIONS = {
    "exp": np.exp,
    "log": np.log,
    "tanh": np.tanh,
    "erf": np.vectorize(math.erf, otypes=[np.float64]),
    "sqrt": np.sqrt,
}


def to_tensor(patterns: list[int], device: str = "cpu") -> torch.Tensor:
    floats = np.array(patterns, dtype=np.uint32).view(np.float32)
    return torch.from_numpy(floats).to(device)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_kernel__edges_and_seeded_patterns__equals_exact_integers(name: str, device: str) -> None:
    rng = random.Random(name)
    function = FUNCTIONS[name]
    patterns = EDGES + HARDEST.get(name, []) + list(unary.HARD_CASES.get(name, {}))
    patterns += [random_pattern(rng) for _ in range(20_000)]
    expected = [function.exact(bits) for bits in patterns]
    assert len(set(expected)) > 5_000
    kernels = get_kernels(function.opcode, torch.device(device))
    assert len(kernels) == 1 + (device == "cpu" and llvm.LLVM is not None)
    for kernel in (function.kernel, *kernels):
        result = unary.canonicalize_nan(kernel(to_tensor(patterns, device)))
        assert conformance.to_patterns(result) == expected


@pytest.mark.parametrize("name", unary.HARD_CASES)
def test_hard_cases__decided_by_exact_integers(name: str) -> None:
    for argument, result in unary.HARD_CASES[name].items():
        assert result == FUNCTIONS[name].exact(argument)


def test_hard_cases__a_library_that_errs_there__is_put_right() -> None:
    arguments = to_tensor(list(unary.HARD_CASES["log"]))
    results = unary.apply_hard_cases_("log", arguments, torch.zeros_like(arguments))
    assert conformance.to_patterns(results) == list(unary.HARD_CASES["log"].values())
    others = unary.apply_hard_cases_("log", torch.ones(3), torch.zeros(3))
    assert torch.equal(others, torch.zeros(3))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_check_function__published_sample__is_conformant(name: str, device: str) -> None:
    seen = []
    report = check_function(
        name,
        stride=SAMPLE_STRIDE,
        device=device,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert report.mismatches == 0 and report.examples == []
    assert report.published_digest is not None and report.digest == report.published_digest
    assert report.is_conformant
    assert report.inputs == 65_536 and seen[-1] == (report.inputs, report.inputs)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_check_function__denser_sample__meets_cases_that_only_integers_decide(name: str) -> None:
    report = check_function(name, stride=509)
    assert report.is_conformant, report.examples
    if name in ("log", "sqrt", "erf"):
        assert len(report.decided_exactly) > 0


@pytest.mark.parametrize("name", FUNCTIONS)
def test_kernel__sample__equals_another_library(name: str) -> None:
    x = conformance.arguments(0, 2**32 // SAMPLE_STRIDE + 1, SAMPLE_STRIDE, "cpu")
    with np.errstate(all="ignore"):
        rounded = torch.from_numpy(
            NUMPY_FUNCTIONS[name](x.numpy().astype(np.float64)).astype(np.float32)
        )
    assert torch.equal(
        FUNCTIONS[name].kernel(x).view(torch.int32),
        unary.canonicalize_nan(rounded).view(torch.int32),
    )


def test_check_function__a_kernel_one_unit_off_in_one_place__is_reported() -> None:
    bad_argument = 3 * SAMPLE_STRIDE * 5_000

    def kernel(x: torch.Tensor) -> torch.Tensor:
        y = unary.exp(x).view(torch.int32)
        return torch.where(x.view(torch.int32) == bad_argument, y + 1, y).view(torch.float32)

    report = check_function("exp", stride=SAMPLE_STRIDE, kernel=kernel)
    assert report.mismatches == 1 and not report.is_conformant
    (mismatch,) = report.examples
    assert mismatch.argument == bad_argument
    assert mismatch.result == mismatch.expected + 1
    assert report.digest != report.published_digest


def test_check_function__digest_differs_without_a_mismatch__is_not_conformant(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    published = {"sqrt": {str(SAMPLE_STRIDE): "0" * 64}}
    monkeypatch.setattr(conformance, "published_digests", lambda: published)
    assert not check_function("sqrt", stride=SAMPLE_STRIDE).is_conformant


def test_check_function__unknown_name__is_refused() -> None:
    with pytest.raises(conformance.UnknownFunction, match="no unary function 'sin'; there are exp"):
        check_function("sin")


def test_kernel__other_dtype__is_refused() -> None:
    with pytest.raises(TypeError, match="float32 tensors, not torch.float64"):
        unary.exp(torch.zeros(2, dtype=torch.float64))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("which", [0, -1])
def test_kernel__shapes_strides_and_threads__same_bits(name: str, device: str, which: int) -> None:
    function = FUNCTIONS[name]
    fast = get_kernels(function.opcode, torch.device(device))[which]
    kernel = function.kernel if which == 0 else lambda x: unary.canonicalize_nan(fast(x))
    x = conformance.arguments(0, 600 * 500, 14_317, device).reshape(600, 500)
    whole = kernel(x).view(torch.int32)
    assert torch.equal(kernel(x.T).view(torch.int32), whole.T)
    assert torch.equal(kernel(x[7, 3]).view(torch.int32), whole[7, 3])
    assert kernel(x[:0]).shape == (0, 500)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1 if threads > 1 else 2)
        assert torch.equal(kernel(x).view(torch.int32), whole)
    finally:
        torch.set_num_threads(threads)


def test_canonicalize_nan__payloads_and_strides__one_pattern() -> None:
    x = to_tensor([0x7F800001, 0xFFC00000, 0x80000000, 0x3F800000, 0xFFFFFFFF, 0x7FC00000])
    result = unary.canonicalize_nan(x.reshape(2, 3).T)
    expected = [0x7FC00000, 0x3F800000, 0x7FC00000, 0x7FC00000, 0x80000000, 0x7FC00000]
    assert conformance.to_patterns(result.flatten()) == expected


def test_is_near_boundary__midpoints_and_thresholds__are_near() -> None:
    near = [
        1 + 2**-24,
        1 + 3 * 2**-24,
        2.0**128 - 2.0**103,
        2.0**-150,
        3 * 2.0**-150,
    ]
    far = [1.0, 1 + 2**-23, 1 + 2**-25, 2.0**127, 2.0**-149, 0.0, math.inf, 2.0**-151]
    verdicts = conformance.is_near_boundary(torch.tensor(near + far, dtype=torch.float64))
    assert verdicts.tolist() == [True] * len(near) + [False] * len(far)


def test_published_digests__every_function__has_the_full_run_and_the_sample() -> None:
    published = json.loads(conformance.DIGESTS_PATH.read_text())
    assert set(published) == set(FUNCTIONS)
    assert all(set(strides) == {"1", str(SAMPLE_STRIDE)} for strides in published.values())


def test_command__sample_of_one_function__says_so() -> None:
    command = [sys.executable, "-m", "offchain.kernels.conformance"]
    done = subprocess.run(
        [*command, "--function", "tanh", "--stride", str(SAMPLE_STRIDE)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "tanh  conformant: 65,536 inputs on cpu, 0 wrong" in done.stdout
    assert "equals the published digest" in " ".join(done.stdout.split())


def test_compute_machine_digest__any_function_differs__is_another() -> None:
    def build(*digests: str) -> str:
        reports = [
            conformance.ConformanceReport(name, 1, "cpu", 1, digest=digest)
            for name, digest in zip(("tanh", "exp"), digests)
        ]
        # The order in which functions were checked is of no matter.
        assert conformance.compute_machine_digest(reports[::-1]) == (
            found := conformance.compute_machine_digest(reports)
        )
        return found

    assert len({build("11" * 32, "22" * 32), build("22" * 32, "11" * 32)}) == 2
