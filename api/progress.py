"""Progress on standard error: a live line in a terminal, one line a step elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

from allocator.answer import Progress, Reporter
from allocator.words import quantity
from api.words import gap_words

STAGES = {
    "read": "Reading and checking the tables",
    "options": "Finding who could go where",
    "formulate": "Writing the rules down as numbers",
    "compile": "Getting ready, once on this machine; it may take a minute",
    "solve": "Planning",
    "prove": "Proving how good the plan is",
    "audit": "Auditing the plan",
    "explain": "Finding reasons and the baseline",
    "write": "Writing the run folder",
}


@contextmanager
def told() -> Iterator[Reporter]:
    """A reporter that tells people where the run is, until the block ends."""
    console = Console(stderr=True, highlight=False)
    live = console.status("Starting") if console.is_terminal else None
    last = ""

    def report(progress: Progress) -> None:
        nonlocal last
        text = sentence(progress)
        if live is not None:
            live.update(text)
        elif text != last:
            console.print(text)
            last = text

    if live is None:
        yield report
    else:
        with live:
            yield report


def sentence(progress: Progress) -> str:
    """One line for people."""
    text = f"{progress.seconds:6.1f} s  {STAGES.get(progress.stage, progress.stage)}"
    if progress.goal:
        told = "" if progress.value is None else f" = {quantity(progress.value, progress.unit)}"
        text += f": {progress.goal}{told}"
        if progress.bound is not None:
            gap = "" if progress.gap is None else f", gap {gap_words(progress.gap)}"
            text += f" (bound so far {quantity(progress.bound, progress.unit)}{gap})"
    return text
