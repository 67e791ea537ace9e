"""The part of the page about pins and vetoes: what people asked for by name, and what each costs."""

from __future__ import annotations

from allocator.report.blocks import Block, Grid, Section
from allocator.report.page_plan import Summary
from allocator.words import plural


def pins(summary: Summary) -> tuple[Section, ...]:
    """One section where anybody pinned or ruled out a place; none where nobody did."""
    found = summary["overrides"]
    if not found:
        return ()
    rows = [(row["words"], row["price"]) for row in found]
    grid = Grid("Pins and vetoes, with their price", ("What was asked for", "What it costs"), rows, texts=(0, 1))
    lead = (
        f"{plural(len(found), 'override')} {'is' if len(found) == 1 else 'are'} in force and respected. "
        "A price says how much better the first goal concerned could be if that one were withdrawn."
    )
    return (Section("pins", "Pins and vetoes", (Block("", (), grid=grid),), lead),)
