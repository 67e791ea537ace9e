"""Trade-off curves as inline SVG: a line through the plans, and a band to what is proven that no plan beats."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from allocator.report.charts import Chart, chart_head

WIDTH, HEIGHT = 760, 340
LEFT, RIGHT, TOP, BOTTOM = 110, 24, 32, 64
TICKS = 5


@dataclass(frozen=True)
class Point:
    """One point of a curve. `bound` is where the band ends; None: there is no band. Labels are written as given."""

    x: float
    y: float
    bound: float | None
    label: str = ""


def curve_chart(key: str, title: str, description: str, points: Sequence[Point], names: tuple[str, str]) -> Chart:
    """A curve in the order of `points`; `names` are those of the x and y axis, `key` is unique in the page."""
    xs = [point.x for point in points]
    ys = [point.y for point in points] + [point.bound for point in points if point.bound is not None]
    x_low, x_high = spread(xs)
    y_low, y_high = spread(ys)

    def at(x: float, y: float) -> tuple[float, float]:
        across = LEFT + (x - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT)
        down = HEIGHT - BOTTOM - (y - y_low) / (y_high - y_low) * (HEIGHT - TOP - BOTTOM)
        return across, down

    parts = [chart_head(key, title, description, f'viewBox="0 0 {WIDTH} {HEIGHT}" class="chart curves"')]
    banded = [(point, point.bound) for point in points if point.bound is not None]
    if banded:
        there = [at(point.x, point.y) for point, _ in banded]
        back = [at(point.x, bound) for point, bound in reversed(banded)]
        parts.append(Markup('<polygon points="{}" class="band"/>').format(path([*there, *back])))
    parts += axes((x_low, x_high), (y_low, y_high), names)
    line = [at(point.x, point.y) for point in points]
    parts.append(Markup('<polyline points="{}" class="line"/>').format(path(line)))
    for point, (across, down) in zip(points, line, strict=True):
        hover = f"{point.label}: {number_words(point.y)}"
        dot = Markup('<circle cx="{:.1f}" cy="{:.1f}" r="4.5" class="dot"><title>{}</title></circle>')
        parts.append(dot.format(across, down, hover))
    return Chart(title, Markup("").join([*parts, Markup("</svg>")]), wide=True)


def spread(values: Sequence[float]) -> tuple[float, float]:
    """The ends of an axis: as far as the values go, and never nothing."""
    low, high = min(values), max(values)
    if low == high:
        return low - 1, high + 1
    margin = 0.04 * (high - low)
    return low - margin, high + margin


def axes(x_ends: tuple[float, float], y_ends: tuple[float, float], names: tuple[str, str]) -> list[Markup]:
    """Both axes with round numbers along them, and their names."""
    line = Markup('<line x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}" class="axis"/>')
    text = Markup('<text x="{:.1f}" y="{:.1f}" class="{}">{}</text>')
    floor = HEIGHT - BOTTOM
    parts = [line.format(LEFT, floor, WIDTH - RIGHT, floor), line.format(LEFT, TOP, LEFT, floor)]
    for value in ticks(*x_ends):
        across = LEFT + (value - x_ends[0]) / (x_ends[1] - x_ends[0]) * (WIDTH - LEFT - RIGHT)
        parts.append(line.format(across, floor, across, floor + 6))
        parts.append(text.format(across, floor + 24, "label middle", number_words(value)))
    for value in ticks(*y_ends):
        down = floor - (value - y_ends[0]) / (y_ends[1] - y_ends[0]) * (floor - TOP)
        parts.append(line.format(LEFT - 6, down, LEFT, down))
        parts.append(text.format(LEFT - 12, down + 5, "label end", number_words(value)))
    parts.append(text.format(LEFT + (WIDTH - LEFT - RIGHT) / 2, HEIGHT - 12, "side middle", names[0]))
    parts.append(text.format(LEFT, TOP - 10, "side", names[1]))
    return parts


def ticks(low: float, high: float) -> list[float]:
    """Round numbers between two ends: at most `TICKS` and one, 1, 2 or 5 times a power of ten apart."""
    rough = (high - low) / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(size * power for size in (1, 2, 5, 10) if size * power >= rough)
    first = math.ceil(low / step)
    return [round(number * step, 9) for number in range(first, math.floor(high / step) + 1)]


def number_words(value: float) -> str:
    """A number with no more digits after the point than it needs."""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.2f}".rstrip("0")


def path(points: Sequence[tuple[float, float]]) -> str:
    """Points as SVG has them."""
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
