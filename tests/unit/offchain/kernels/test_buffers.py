"""Large tensors' memory: nothing overlaps while it is in use, and gaps are used again."""

import gc
import random
import threading

import pytest
import torch

from offchain.kernels import buffers
from offchain.kernels.buffers import PAGE_BYTES, Pool

PAGES = 64


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Pool:
    pool = Pool(region_bytes=PAGES * PAGE_BYTES)
    monkeypatch.setattr(buffers, "POOL", pool)
    monkeypatch.setattr(buffers, "LARGE_BYTES", 1)
    return pool


def make(pages: int, value: int) -> torch.Tensor:
    tensor = buffers.empty((pages, PAGE_BYTES // 4), torch.int32)
    return tensor.fill_(value)


def test_empty__random_lifetimes__tensors_keep_their_values(pool: Pool) -> None:
    rng = random.Random(0)
    held: dict[int, torch.Tensor] = {}
    reused = 0
    for value in range(3000):
        before = len(pool.regions)
        held[value] = make(rng.randint(1, 12), value)
        reused += len(pool.regions) == before
        while sum(len(tensor) for tensor in held.values()) > PAGES:
            number = rng.choice(list(held))
            tensor = held.pop(number)
            assert bool((tensor == number).all())
    assert all(bool((tensor == number).all()) for number, tensor in held.items())
    assert reused > 2900 and len(pool.regions) <= 3
    used = sum(len(tensor) for tensor in held.values()) * PAGE_BYTES
    del tensor
    assert pool.count_used() == used
    held.clear()
    assert pool.count_used() == 0
    assert len(pool._gaps) == len(pool.regions), "neighbouring gaps are one"


def test_empty__a_view_is_left__memory_stays(pool: Pool) -> None:
    view = make(2, 7)[1:, 5:9]
    other = make(2, 8)
    assert view.tolist() == [[7, 7, 7, 7]] and pool.count_used() == 4 * PAGE_BYTES
    del view
    gc.collect()
    assert pool.count_used() == 2 * PAGE_BYTES and bool((other == 8).all())


def test_empty__larger_than_a_region__has_one_of_its_own(pool: Pool) -> None:
    tensor = make(3 * PAGES, 1)
    assert len(tensor) == 3 * PAGES and [len(r) for r in pool.regions] == [tensor.numel() * 4]


def test_empty__small_tensor__comes_from_the_c_library() -> None:
    before = buffers.POOL.count_used()
    tensor = buffers.empty((3, 4), torch.float32)
    assert tensor.shape == (3, 4) and buffers.POOL.count_used() == before


def test_release__gaps__used_memory_keeps_its_values(pool: Pool) -> None:
    kept, other = make(3, 5), make(3, 6)
    del other
    pool.release()
    assert bool((kept == 5).all()) and bool((make(3, 7) == 7).all())


def test_empty__several_threads__nothing_overlaps(pool: Pool) -> None:
    wrong: list[int] = []

    def run(own: int) -> None:
        for number in range(300):
            tensors = [make(1 + (own + i) % 5, own * 1000 + i) for i in range(4)]
            for i, tensor in enumerate(tensors):
                if not bool((tensor == own * 1000 + i).all()):
                    wrong.append(number)

    running = [threading.Thread(target=run, args=(own,)) for own in range(4)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    assert not wrong and pool.count_used() == 0
