"""Digests of many messages equal hashlib's, compiled or not, on any number of threads."""

from hashlib import sha256 as reference

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offchain.kernels import llvm, sha256
from offchain.kernels.settings import numeric_settings

COMPILED = pytest.mark.skipif(llvm.LLVM is None, reason="LLVM is not installed")
IS_X86 = llvm.LLVM is not None and "sse2" in llvm.get_features()
ROUNDS = [
    pytest.param(
        sha256._Instructions,
        marks=pytest.mark.skipif(
            not IS_X86 or "sha" not in llvm.get_features(), reason="no SHA instructions here"
        ),
    ),
    pytest.param(sha256._Lanes, marks=COMPILED),
]


def compute_expected(data: np.ndarray, size: int, prefix: int) -> bytes:
    pieces = [data[i : i + size].tobytes() for i in range(0, data.size, size)]
    return b"".join(reference(bytes([prefix]) + piece).digest() for piece in pieces)


def make_data(size: int) -> np.ndarray:
    return np.random.default_rng(size).integers(0, 256, size, dtype=np.uint8)


@pytest.mark.parametrize("rounds", ROUNDS)
def test_compile_hashing__any_count_size_and_alignment__equals_hashlib(rounds: type) -> None:
    hash_many = sha256.compile_hashing(rounds)
    assert hash_many is not None
    met = 0

    @settings(max_examples=60, deadline=None)
    @given(st.integers(0, 40), st.sampled_from([64, 128, 1024]), st.integers(0, 255), st.data())
    def check(count: int, size: int, prefix: int, data: st.DataObject) -> None:
        nonlocal met
        offset = data.draw(st.integers(0, 7))
        values = make_data(count * size + offset)[offset:]
        out = np.full(count * 32 + 1, 0xAB, dtype=np.uint8)
        hash_many(values.ctypes.data, out.ctypes.data, count, size, prefix)
        assert out[:-1].tobytes() == compute_expected(values, size, prefix)
        assert out[-1] == 0xAB  # nothing is written beyond the last digest
        met += count > 16

    check()
    assert met >= 5


@COMPILED
def test_compile_hashing__code_that_is_wrong__is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sha256, "INITIAL", [*sha256.INITIAL[:7], 0])
    assert sha256.compile_hashing(sha256._Lanes) is None


def test_compute_digests__without_llvm__hashlib_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llvm, "LLVM", None)
    assert sha256.get_hash_many.__wrapped__() is None
    monkeypatch.setattr(sha256, "get_hash_many", sha256.get_hash_many.__wrapped__)
    data = make_data(5 * 1024)
    assert sha256.compute_digests(data, 1024, 0) == compute_expected(data, 1024, 0)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_compute_digests__any_thread_count__equals_hashlib(threads: int) -> None:
    data = make_data(3 * sha256.SLICE_BYTES + 5 * 1024)
    with numeric_settings(threads=threads):
        for size, prefix in ((1024, 0), (64, 1)):
            assert sha256.compute_digests(data, size, prefix) == compute_expected(
                data, size, prefix
            )


def test_compute_digests__nothing__is_empty() -> None:
    assert sha256.compute_digests(np.empty(0, dtype=np.uint8), 1024, 0) == b""


def test_round_constants__equal_the_standard() -> None:
    assert [hex(k) for k in sha256.ROUND_CONSTANTS[:2]] == ["0x428a2f98", "0x71374491"]
    assert sha256.ROUND_CONSTANTS[63] == 0xC67178F2
    assert (sha256.INITIAL[0], sha256.INITIAL[7]) == (0x6A09E667, 0x5BE0CD19)
