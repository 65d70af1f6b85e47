"""A run's curve as a picture: loss and throughput over the steps, as SVG."""

import math
from collections.abc import Sequence
from html import escape

from offchain.runner.curve import Curve

WIDTH, HEIGHT = 720, 260  # of one panel
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 34, 36
POINTS_SHOWN = 1_000  # more lie closer than pixels
TICKS = 5


def plot_curve(curve: Curve, rows: int, title: str) -> str:
    """Two panels, one below the other; values that are not finite are left out."""
    steps = [p.step for p in curve]
    speeds = [rows / p.seconds if p.seconds > 0 else math.nan for p in curve]
    panels = [
        _plot(steps, [p.loss for p in curve], f"{title}: loss", "#1f5fa8", 0),
        _plot(steps, speeds, "records per second", "#a8601f", HEIGHT),
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {2 * HEIGHT}" '
            f'width="{WIDTH}" height="{2 * HEIGHT}" font-family="sans-serif" font-size="12">',
            f'<rect width="{WIDTH}" height="{2 * HEIGHT}" fill="white"/>',
            *panels,
            "</svg>",
            "",
        ]
    )


def _plot(xs: Sequence[float], ys: Sequence[float], title: str, color: str, top: int) -> str:
    known = [(x, y) for x, y in zip(xs, ys) if math.isfinite(y)]
    known = known[:: -(-len(known) // POINTS_SHOWN) or 1]
    parts = [
        f'<g transform="translate(0 {top})">',
        f'<text x="{LEFT}" y="20" font-size="14">{escape(title)}</text>',
    ]
    if known:
        x_low, x_high = _widen(min(x for x, _ in known), max(x for x, _ in known))
        y_low, y_high = _widen(min(y for _, y in known), max(y for _, y in known))

        def place(x: float, y: float) -> tuple[float, float]:
            right = LEFT + (WIDTH - LEFT - RIGHT) * (x - x_low) / (x_high - x_low)
            down = TOP + (HEIGHT - TOP - BOTTOM) * (y_high - y) / (y_high - y_low)
            return right, down

        for n in range(TICKS):
            share = n / (TICKS - 1)
            x, y = x_low + share * (x_high - x_low), y_low + share * (y_high - y_low)
            right, down = place(x, y)
            parts += [
                f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{down:.1f}" y2="{down:.1f}" '
                'stroke="#ddd"/>',
                f'<text x="{LEFT - 6}" y="{down + 4:.1f}" text-anchor="end">{y:.4g}</text>',
                f'<text x="{right:.1f}" y="{HEIGHT - 14}" text-anchor="middle">{x:.0f}</text>',
            ]
        line = " ".join(f"{right:.1f},{down:.1f}" for right, down in (place(*p) for p in known))
        parts.append(f'<polyline points="{line}" fill="none" stroke="{color}" stroke-width="1.5"/>')
    return "\n".join([*parts, "</g>"])


def _widen(low: float, high: float) -> tuple[float, float]:
    return (low, high) if low < high else (low - 0.5, high + 0.5)
