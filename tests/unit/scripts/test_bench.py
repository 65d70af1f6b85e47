"""The small parts of benchmarks that figures rest on."""

import pytest
import torch

from examples.gpt import Config
from offchain.plot import Line, plot_lines
from scripts.bench import breakdown, goals, same_root
from scripts.bench.dispute import Extent
from scripts.bench.states import make_state
from scripts.bench.steps import capture_program


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


def test_make_state__two_times__is_a_state_of_the_program() -> None:
    program = capture_program(Config(17, 6, 1, 2, 8), 2, "float32")
    first, second = (make_state(program, torch.device("cpu")) for _ in range(2))
    for slot, a, b in zip(program.slots, first, second, strict=True):
        assert tuple(a.shape) == slot.shape and torch.equal(a, b)
        is_moment = slot.name.startswith("optimizer.")
        assert not a.any() if is_moment else a.isfinite().all()
    weights = [t for s, t in zip(program.slots, first) if s.name.endswith("weight") and t.dim() > 1]
    assert weights and all(0 < w.abs().max() < 0.04 and w.std() > 0.01 for w in weights)


def test_compute_root__thread_counts_and_policies__differ_only_in_policy() -> None:
    shape = same_root.Shape(heads=2, vocabulary=17)
    roots = {
        policy: {
            same_root.compute_root(device, (1, 8, 6, 2), policy, 2, shape)
            for device in ("cpu:1", "cpu:2")
        }
        for policy in ("float32", "int8")
    }
    assert all(len(own) == 1 for own in roots.values()) and roots["float32"] != roots["int8"]
