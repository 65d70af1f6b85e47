"""Pictures as SVG: a run's curve, and lines over axes that grow by factors of ten."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
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


COLORS = ("#1f5fa8", "#a8601f", "#2a7f3f", "#7a3f8f")


@dataclass(frozen=True)
class Line:
    """Points (x, y), both above 0, under one name."""

    name: str
    points: Sequence[tuple[float, float]]


def plot_lines(panels: Sequence[tuple[str, Sequence[Line]]]) -> str:
    """Panels below each other, each with a title and lines, both axes logarithmic."""
    height = HEIGHT * len(panels)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
            f'width="{WIDTH}" height="{height}" font-family="sans-serif" font-size="12">',
            f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
            *(_plot_lines(title, lines, n * HEIGHT) for n, (title, lines) in enumerate(panels)),
            "</svg>",
            "",
        ]
    )


def _plot_lines(title: str, lines: Sequence[Line], top: int) -> str:
    points = [point for line in lines for point in line.points]
    spans = []
    for axis in range(2):
        logs = [math.log10(point[axis]) for point in points]
        spans.append((math.floor(min(logs)), max(math.ceil(max(logs)), math.floor(min(logs)) + 1)))
    (x_low, x_high), (y_low, y_high) = spans

    def place(x: float, y: float) -> tuple[float, float]:
        right = (math.log10(x) - x_low) / (x_high - x_low)
        down = (y_high - math.log10(y)) / (y_high - y_low)
        return LEFT + (WIDTH - LEFT - RIGHT) * right, TOP + (HEIGHT - TOP - BOTTOM) * down

    parts = [
        f'<g transform="translate(0 {top})">',
        f'<text x="{LEFT}" y="20" font-size="14">{escape(title)}</text>',
    ]
    for power in range(y_low, y_high + 1):
        _, down = place(10.0**x_low, 10.0**power)
        parts += [
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{down:.1f}" y2="{down:.1f}" '
            'stroke="#ddd"/>',
            f'<text x="{LEFT - 6}" y="{down + 4:.1f}" text-anchor="end">{10.0**power:g}</text>',
        ]
    for power in range(x_low, x_high + 1):
        right, _ = place(10.0**power, 10.0**y_low)
        label = f"{10**power:,}" if 0 <= power < 5 else f"10^{power}"
        parts.append(f'<text x="{right:.1f}" y="{HEIGHT - 14}" text-anchor="middle">{label}</text>')
    for number, line in enumerate(lines):
        color = COLORS[number % len(COLORS)]
        places = [place(*point) for point in line.points]
        path = " ".join(f"{right:.1f},{down:.1f}" for right, down in places)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="1.5"/>')
        parts += [f'<circle cx="{r:.1f}" cy="{d:.1f}" r="2.5" fill="{color}"/>' for r, d in places]
        right = WIDTH - RIGHT - 130 * (len(lines) - number)
        parts += [
            f'<rect x="{right}" y="11" width="10" height="10" fill="{color}"/>',
            f'<text x="{right + 14}" y="20">{escape(line.name)}</text>',
        ]
    return "\n".join([*parts, "</g>"])
