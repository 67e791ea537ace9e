"""Reading a plan from the tables, for the scores of goals: nothing of options, columns or rows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

from allocator.allocation import Allocation
from allocator.options import Facts

Row = Mapping[str, Any]


def counted_placements(facts: Facts, allocation: Allocation) -> Iterator[tuple[Row, Row]]:
    """(row of patients, row of sessions) of every placement whose entry counts in goals."""
    instance = facts.instance
    for place in allocation.placements:
        if facts.standing.counted[instance.entry_row[place.entry_id]]:
            yield instance.patient[place.entry_id], instance.session[place.session_id]


def waiting_since(patient: Row) -> dt.date | None:
    """The day the wait began: clock start, for planned care the due date; None where it has not begun."""
    start: dt.date | None = patient["due_date" if patient["pathway"] == "planned" else "clock_start"].item()
    return start
