"""Compiled code runs on threads of its own, under the same numeric settings, also after a fork."""

import multiprocessing

import pytest
import torch

from offchain.kernels import llvm, openmp, quantising, threads
from offchain.kernels.settings import numeric_settings
from tests.unit.offchain.kernels.samples import is_same

pytestmark = pytest.mark.skipif(llvm.LLVM is None, reason="LLVM is not installed")
VECTORS = 64


def test_run_slices__caller_that_flushes_subnormals__does_not_pass_it_on() -> None:
    x = torch.full((VECTORS, 2**10), 2.0**-149)
    expected = torch.full((VECTORS,), 2.0**-139)
    if not torch.set_flush_denormal(True):
        pytest.skip("this CPU does not flush subnormals")
    try:
        threads._get_pool.cache_clear()
        threads.run_slices(lambda: None, [(), ()])  # the thread starts now
        with numeric_settings(threads=2):
            result = quantising.sum_vectors(x, 15)
    finally:
        torch.set_flush_denormal(False)
    assert is_same(result, expected)


ONES = torch.ones(VECTORS, 2**12)


def sum_in_slices() -> torch.Tensor:
    with numeric_settings(threads=5):
        return quantising.sum_vectors(ONES, 24)


@pytest.mark.parametrize("has_openmp", [True, False])
def test_run_slices__more_slices_than_threads__all_are_done(
    has_openmp: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if has_openmp and not openmp.is_usable():
        pytest.skip("PyTorch brings no OpenMP library that is known here")
    started = []
    run = openmp.run
    monkeypatch.setattr(openmp, "is_usable", lambda: has_openmp)
    monkeypatch.setattr(openmp, "run", lambda *call: (started.append(call), run(*call)))
    assert is_same(sum_in_slices(), torch.full((VECTORS,), 2.0**12))
    assert bool(started) == has_openmp


def test_run_slices__all_slices_at_once__each_runs_and_faults_are_passed_on() -> None:
    seen: list[int] = []
    threads.run_slices(seen.append, [(1,), (2,), (3,)])
    assert sorted(seen) == [1, 2, 3]
    with pytest.raises(ZeroDivisionError):
        threads.run_slices(lambda x: 1 // x, [(1,), (0,)])  # type: ignore[arg-type]


@pytest.mark.skipif(
    "fork" not in multiprocessing.get_all_start_methods(), reason="no fork on this platform"
)
def test_run_slices__after_a_fork__starts_threads_anew() -> None:
    sum_in_slices()
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    expected = torch.full((VECTORS,), 2.0**12)

    def run() -> None:
        sender.send("done" if is_same(sum_in_slices(), expected) else "wrong")

    child = context.Process(target=run)
    child.start()
    try:
        assert receiver.poll(60) and receiver.recv() == "done"
    finally:
        child.join(5)
        if child.is_alive():
            child.kill()
