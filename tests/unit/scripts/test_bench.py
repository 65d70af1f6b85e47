"""The small parts of benchmarks that figures rest on."""

import pytest

from offchain.plot import Line, plot_lines
from scripts.bench import breakdown, goals
from scripts.bench.dispute import Extent


def test_clock__calls_inside_calls__count_once(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(breakdown.time, "perf_counter", lambda: now)
    clock = breakdown.Clock()

    def spend(seconds: float) -> None:
        nonlocal now
        now += seconds

    inner = clock.wrap("inner", lambda: spend(2.0))

    def work() -> None:
        spend(1.0)
        inner()
        inner()
        spend(0.5)

    clock.wrap("outer", work)()
    assert dict(clock.seconds) == {"inner": 4.0, "outer": 1.5}


def test_format_goals__figures_on_both_sides__says_which_are_met(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(goals, "_noted", [])
    goals.note("step", 1.2, 1.5, unit="x")
    goals.note("gas", 3_033_554, 3e6)
    goals.note("speed", 0.7, 0.8, is_least=True)
    rows = goals.format_goals().splitlines()[2:]
    assert rows == [
        "| step | at most 1.5x | 1.2x | met |",
        "| gas | at most 3,000,000 | 3,033,554 | **missed** |",
        "| speed | at least 0.8 | 0.7 | **missed** |",
    ]


@pytest.mark.parametrize("operators, rows", [(2**6, 2**7), (2**9, 2**10), (2**12, 2**14)])
def test_extent__any_size__places_lie_inside(operators: int, rows: int) -> None:
    extent = Extent(2**5, 2**5, operators, rows)
    assert 0 < extent.segment < extent.segments and 0 < extent.step < extent.segment_length
    assert 5 < extent.operator < extent.producer < operators
    assert 0 < extent.element < rows**2


def test_plot_lines__points_over_decades__lie_where_their_logarithms_do() -> None:
    svg = plot_lines([("growth", [Line("a", [(1, 1), (10, 10), (100, 100)])])])
    _, path = svg.split('points="')
    places = [tuple(map(float, p.split(","))) for p in path.split('"')[0].split()]
    (x0, y0), (x1, y1), (x2, y2) = places
    assert x1 - x0 == pytest.approx(x2 - x1, abs=0.2) and y0 - y1 == pytest.approx(y1 - y2, abs=0.2)
    assert x0 < x1 < x2 and y0 > y1 > y2 and "growth" in svg
