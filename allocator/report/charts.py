"""Charts as inline SVG, made here so that the page needs no script: bars, and flows between trusts.

Bars are as wide as the page lets them be (widths in percent, letters at their own size); the flow diagram
has a width of its own and scrolls on a narrow screen. Colours come from the page's style sheet by class.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

ROW_HEIGHT = 54
BAR_TOP, BAR_HEIGHT = 24, 16

FLOW_WIDTH, FLOW_LEFT, FLOW_RIGHT = 900, 300, 600
FLOW_GAP, FLOW_LEAST_HEIGHT, FLOW_ROOM = 12, 20, 420
MOST_FLOW_ENDS = 14


@dataclass(frozen=True)
class Chart:
    """A chart; `wide` ones scroll on a narrow screen."""

    title: str
    svg: Markup
    wide: bool = False


@dataclass(frozen=True)
class Bar:
    """One row of a bar chart. `segments` are (value, style class); `mark` is where the baseline stands."""

    label: str
    value: str
    segments: tuple[tuple[float, str], ...]
    mark: float | None = None
    track: float | None = None
    """Length of the pale bar behind; None: the whole width."""


def bar_chart(key: str, title: str, description: str, bars: Sequence[Bar], full: float) -> Chart:
    """Horizontal bars, one below the other; `full` is the value of the whole width, `key` unique in the page."""
    parts = [chart_head(key, title, description, f'width="100%" height="{ROW_HEIGHT * len(bars)}" class="chart bars"')]
    for row, bar in enumerate(bars):
        top = ROW_HEIGHT * row
        parts.append(
            Markup('<text x="0" y="{}" class="label">{}</text>').format(top + 16, bar.label)
            + Markup('<text x="100%" y="{}" class="value">{}</text>').format(top + 16, bar.value)
        )
        parts.append(_rect(0, _percent(full if bar.track is None else bar.track, full), top + BAR_TOP, "track"))
        start = 0.0
        for value, style in bar.segments:
            parts.append(_rect(_percent(start, full), _percent(value, full), top + BAR_TOP, style))
            start += value
        if bar.mark is not None:
            x, y = f"{_percent(bar.mark, full):.2f}%", top + BAR_TOP
            line = Markup('<line x1="{0}" x2="{0}" y1="{1}" y2="{2}" class="{3}"/>')
            parts += [line.format(x, y - 4, y + BAR_HEIGHT + 4, style) for style in ("mark-edge", "mark")]
    return Chart(title, Markup("").join([*parts, Markup("</svg>")]))


def _percent(value: float, full: float) -> float:
    return 100 * min(value, full) / full if full else 0.0


def _rect(x: float, width: float, y: float, style: str) -> Markup:
    shape = Markup('<rect x="{:.2f}%" y="{}" width="{:.2f}%" height="{}" class="{}"/>')
    return shape.format(x, y, width, BAR_HEIGHT, style)


def chart_head(key: str, title: str, description: str, attributes: str) -> Markup:
    """The opening of a chart that screen readers can name and describe; `key` is unique in the page."""
    opening = Markup('<svg role="img" aria-labelledby="{0}-title {0}-desc" {1} xmlns="http://www.w3.org/2000/svg">')
    names = Markup('<title id="{0}-title">{1}</title><desc id="{0}-desc">{2}</desc>')
    return opening.format(key, Markup(attributes)) + names.format(key, title, description)


@dataclass(frozen=True)
class Flow:
    """So many places from a home provider (left) to a host (right)."""

    home: str
    host: str
    places: int


def flow_diagram(
    key: str,
    title: str,
    description: str,
    flows: Sequence[Flow],
    names: Mapping[str, str],
    independent: frozenset[str],
) -> Chart:
    """Ribbons from homes on the left to hosts on the right, as thick as the places are many.

    At most 14 providers a side are drawn one by one; the smallest are drawn together.
    """
    shown = _together(_together(flows, 0), 1)
    lefts, rights = _totals(shown, 0), _totals(shown, 1)
    scale = FLOW_ROOM / max(1, sum(flow.places for flow in shown))
    left, right = _stack(lefts, scale), _stack(rights, scale)
    height = max(_end(left), _end(right)) + 34
    parts = [
        chart_head(key, title, description, f'viewBox="0 0 {FLOW_WIDTH} {height:.0f}" class="chart flows"'),
        Markup('<text x="{}" y="16" class="side end">Home</text>').format(FLOW_LEFT),
        Markup('<text x="{}" y="16" class="side">Place</text>').format(FLOW_RIGHT),
    ]
    used_left = dict.fromkeys(left, 0.0)
    order_left, order_right = {code: i for i, code in enumerate(left)}, {code: i for i, code in enumerate(right)}
    for flow in sorted(shown, key=lambda item: (order_left[item.home], order_right[item.host])):
        start = left[flow.home][0] + used_left[flow.home]
        used_left[flow.home] += flow.places * scale
        stop = _start_at_host(flow, shown, order_left, right, scale)
        style = "to-independent" if flow.host in independent else "to-nhs"
        hover = f"{names.get(flow.home, flow.home)} to {names.get(flow.host, flow.host)}: {flow.places}"
        parts.append(_ribbon(start, stop, flow.places * scale, style, hover))
    for code, (top, size) in left.items():
        parts.append(_node(FLOW_LEFT - 8, top, size, "node", names.get(code, code), lefts[code], end=True))
    for code, (top, size) in right.items():
        style = "node independent" if code in independent else "node"
        parts.append(_node(FLOW_RIGHT, top, size, style, names.get(code, code), rights[code], end=False))
    return Chart(title, Markup("").join([*parts, Markup("</svg>")]), wide=True)


OTHERS = "others"
"""Stands for all providers of a side that are too small to be drawn one by one."""


def _together(flows: Sequence[Flow], side: int) -> list[Flow]:
    """The flows with the smallest providers of one side (0 home, 1 host) made one."""
    kept = set(list(_totals(flows, side))[:MOST_FLOW_ENDS])
    merged: dict[tuple[str, str], int] = {}
    for flow in flows:
        ends = [flow.home, flow.host]
        ends[side] = ends[side] if ends[side] in kept else OTHERS
        merged[ends[0], ends[1]] = merged.get((ends[0], ends[1]), 0) + flow.places
    return [Flow(home, host, places) for (home, host), places in merged.items()]


def _totals(flows: Sequence[Flow], side: int) -> dict[str, int]:
    """provider -> places, most first, the others last."""
    totals: dict[str, int] = {}
    for flow in flows:
        code = (flow.home, flow.host)[side]
        totals[code] = totals.get(code, 0) + flow.places
    return dict(sorted(totals.items(), key=lambda item: (item[0] == OTHERS, -item[1], item[0])))


def _stack(totals: Mapping[str, int], scale: float) -> dict[str, tuple[float, float]]:
    """provider -> (top, height) of its block."""
    stacked, top = {}, 28.0
    for code, places in totals.items():
        stacked[code] = (top, places * scale)
        top += max(places * scale, FLOW_LEAST_HEIGHT - FLOW_GAP) + FLOW_GAP
    return stacked


def _end(stacked: Mapping[str, tuple[float, float]]) -> float:
    return max((top + size for top, size in stacked.values()), default=28.0)


def _start_at_host(
    flow: Flow,
    flows: Sequence[Flow],
    order: Mapping[str, int],
    right: Mapping[str, tuple[float, float]],
    scale: float,
) -> float:
    above = sum(other.places for other in flows if other.host == flow.host and order[other.home] < order[flow.home])
    return right[flow.host][0] + above * scale


def _ribbon(start: float, stop: float, size: float, style: str, hover: str) -> Markup:
    x0, x1 = FLOW_LEFT, FLOW_RIGHT
    middle = (x0 + x1) / 2
    path = (
        f"M{x0},{start:.1f} C{middle},{start:.1f} {middle},{stop:.1f} {x1},{stop:.1f} "
        f"L{x1},{stop + size:.1f} C{middle},{stop + size:.1f} {middle},{start + size:.1f} {x0},{start + size:.1f} Z"
    )
    return Markup('<path d="{}" class="ribbon {}"><title>{}</title></path>').format(path, style, hover)


def _node(x: float, top: float, size: float, style: str, label: str, places: int, *, end: bool) -> Markup:
    block = Markup('<rect x="{}" y="{:.1f}" width="8" height="{:.1f}" class="{}"/>')
    text = Markup('<text x="{}" y="{:.1f}" class="{}">{} <tspan>{:,}</tspan></text>')
    side, anchor = (x - 8, "label end") if end else (x + 16, "label")
    return block.format(x, top, max(size, 1.5), style) + text.format(side, top + size / 2 + 5, anchor, label, places)
