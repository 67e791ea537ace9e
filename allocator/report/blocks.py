"""The pieces of the page: a section has blocks; a block has a chart, a table beside it, or both."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from allocator.report.charts import Chart


@dataclass(frozen=True)
class Grid:
    """A table: the first cell of each row is its heading; `texts` are the columns that hold text, not numbers."""

    caption: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    texts: Collection[int] = (0,)


@dataclass(frozen=True)
class Block:
    """One idea: a heading (or none), sentences, a chart with its legend, and a table."""

    heading: str = ""
    sentences: Sequence[str] = ()
    chart: Chart | None = None
    legend: Sequence[tuple[str, str]] = ()
    """(style class, words) of each colour in the chart."""
    grid: Grid | None = None
    beside: bool = True
    """Does the table stand beside the chart; otherwise below it."""
    folded: bool = False
    """Is the table shown only when asked for, because it is long."""


@dataclass(frozen=True)
class Section:
    """A part of the page with a heading; `key` is its address in the page."""

    key: str
    title: str
    blocks: Sequence[Block]
    lead: str = ""


@dataclass(frozen=True)
class Card:
    """One headline figure and what it is without the plan."""

    label: str
    value: str
    detail: str


@dataclass(frozen=True)
class Notice:
    """Something to know before reading on; `kind` is `warning`, `error` or `inset`."""

    kind: str
    title: str
    sentences: Sequence[str]
    grid: Grid | None = None
