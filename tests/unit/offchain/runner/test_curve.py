"""Losses and times of a run: written as it goes, read whatever happened, drawn."""

import math
from xml.etree import ElementTree

import pytest

from offchain.plot import plot_curve
from offchain.runner import curve as module
from offchain.runner.curve import CurveLog, MalformedCurve, Point, decode_curve, encode_curve

CURVE = (Point(1, 0.5, 2.25), Point(2, 0.25, math.nan), Point(4, 0.125, -1e-7))


def test_decode_curve__what_was_encoded__comes_back():
    decoded = decode_curve(encode_curve(CURVE))
    assert [(p.step, p.seconds) for p in decoded] == [(1, 0.5), (2, 0.25), (4, 0.125)]
    assert decoded[0].loss == 2.25 and math.isnan(decoded[1].loss) and decoded[2].loss == -1e-7


@pytest.mark.parametrize(
    "text",
    [
        "",
        "step,loss\n1,2\n",
        "step,seconds,loss\n1,2\n",
        "step,seconds,loss\nx,1,1\n",
        "step,seconds,loss\n0,1,1\n",
        "step,seconds,loss\n1,-1,1\n",
        "step,seconds,loss\n1,inf,1\n",
        "step,seconds,loss\n2,1,1\n1,1,1\n",
        "step,seconds,loss\n1,1,1,<script>\n",
    ],
)
def test_decode_curve__anything_else__is_refused(text):
    with pytest.raises(MalformedCurve):
        decode_curve(text)


def test_decode_curve__more_points_than_a_run_has__is_refused(monkeypatch):
    monkeypatch.setattr(module, "POINTS_MAX", 1)
    with pytest.raises(MalformedCurve, match="3 lines"):
        decode_curve(encode_curve(CURVE))


def test_curve_log__process_that_goes_on__the_last_word_counts(tmp_path):
    seen = []
    log = CurveLog(tmp_path / "run" / "curve.csv")
    watch = log.watch(lambda *told: seen.append(told))
    watch(1, 4, {"loss": 3.0})
    watch(2, 4, {"loss": 2.0})
    with open(log.path, "a") as file:
        file.write("3,0.1")  # killed while it wrote
    watch = CurveLog(log.path).watch(None)
    watch(2, 4, {"loss": 2.5})
    watch(3, 4, {"loss": 1.5})
    assert [(p.step, p.loss) for p in log.read()] == [(1, 3.0), (2, 2.5), (3, 1.5)]
    assert [told[:2] for told in seen] == [(1, 4), (2, 4)]


def test_curve_log__program_without_a_loss__is_no_curve(tmp_path):
    log = CurveLog(tmp_path / "curve.csv")
    log.watch(None)(1, 1, {})
    assert log.read() == ()


def test_curve_log__long_run__every_so_many_steps(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "POINTS_MAX", 3)
    log = CurveLog(tmp_path / "curve.csv")
    watch = log.watch(None)
    for step in range(1, 9):
        watch(step, 8, {"loss": float(step)})
    assert [p.step for p in log.read()] == [3, 6, 8]
    assert all(p.seconds >= 0 for p in log.read())


@pytest.mark.parametrize("curve", [(), CURVE[:1], CURVE, tuple(Point(n, 0.0, 1.0) for n in (1, 2))])
def test_plot_curve__any_curve__is_a_picture(curve):
    text = plot_curve(curve, 8, "task <1>")
    root = ElementTree.fromstring(text)
    assert root.tag.endswith("svg") and "task &lt;1&gt;: loss" in text
    assert "nan" not in text and "inf" not in text


def test_plot_curve__long_run__is_thinned():
    curve = tuple(Point(n, 0.1, 1 / n) for n in range(1, 5001))
    assert len(plot_curve(curve, 8, "x")) < 60_000
