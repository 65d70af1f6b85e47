"""From which size on one exact path is faster than another on this machine, found by trying.

Both give the same bits, so a wrong guess on a busy machine costs time and nothing else.
"""

import time
from collections.abc import Callable

REPETITIONS = 5


def _find_best(work: Callable[[int], object], size: int) -> float:
    times = []
    for _ in range(REPETITIONS + 1):  # the first warms up
        start = time.perf_counter()
        work(size)
        times.append(time.perf_counter() - start)
    return min(times[1:])


def find_crossover(
    first: Callable[[int], object], second: Callable[[int], object], sizes: tuple[int, ...]
) -> int | None:
    """The smallest of the rising sizes at which the first one is faster; None if at none."""
    return next((s for s in sizes if _find_best(first, s) < _find_best(second, s)), None)
