"""Days: when entries are due, how late they are; arithmetic that several goals share.

due = the trust's own due date; where there is none, the day of first prioritisation (else the clock start)
plus the days that the clinical priority allows. Days late: max(0, day - due). Whoever is not placed is late
until `unplaced_days` after the horizon.
Source: priority categories of the Federation of Surgical Specialty Associations and NHS England (P2 within
one month, P3 within three). There is no official due time for the diagnostic codes D2 and D3.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import numpy as np

from allocator.allocation import Allocation
from allocator.instance import Array, Instance, Ints
from allocator.options import Facts
from allocator.rule import Columns, Price


def due_dates(instance: Instance, days: Mapping[str, int], *, own: bool) -> Array:
    """The day each entry is due, shape (n_entries,), datetime64[D], NaT where none.

    `days` allowed by priority, from first prioritisation. An own due date comes before them if `own`;
    if not, entries that have one are left out.
    """
    given = instance.column("patients", "due_date")
    prioritised = instance.column("patients", "first_prioritised_on")
    since = np.where(np.isnat(prioritised), instance.column("patients", "clock_start"), prioritised)
    never = np.timedelta64("NaT", "D")
    allowed = [np.timedelta64(days[key], "D") if key in days else never for key in _priorities(instance)]
    due = since + np.array(allowed, dtype="timedelta64[D]")
    if own:
        return np.where(np.isnat(given), due, given)
    return np.where(np.isnat(given), due, np.datetime64("NaT"))


def due_day(patient: Mapping[str, Any], days: Mapping[str, int], *, own: bool) -> dt.date | None:
    """The same for one row of patients, read by itself; None where nothing is due."""
    given = patient["due_date"].item()
    if given is not None:
        return given if own else None
    if patient["clinical_priority"] not in days:
        return None
    since: dt.date = patient["first_prioritised_on"].item() or patient["clock_start"].item()
    return since + dt.timedelta(days=days[patient["clinical_priority"]])


def days_after(start: Array, day: Array | dt.date) -> Ints:
    """Whole days max(0, day - start), 0 where either is unknown, in the shape of `start`."""
    days = np.asarray(day, dtype="datetime64[D]") - start.astype("datetime64[D]")
    return np.where(np.isnat(days), 0, np.maximum(days.astype(np.int64), 0))


def delay_price(columns: Columns, due: Array, unplaced_days: int) -> Price:
    """Days late of a plan: all entries that count unplaced, less what each placement gains."""
    options = columns.options
    due = np.where(columns.facts.standing.counted, due, np.datetime64("NaT"))
    unplaced = days_after(due, _late_until(columns.facts, unplaced_days))
    values = np.zeros(columns.n, dtype=np.int64)
    placed = days_after(due[options.entry], options.of_session("date"))
    values[: len(options)] = placed - unplaced[options.entry]
    return Price(values, int(unplaced.sum()))


def delay_score(facts: Facts, allocation: Allocation, days: Mapping[str, int], unplaced_days: int, *, own: bool) -> int:
    """Days late of a plan, entry by entry."""
    late_until = _late_until(facts, unplaced_days)
    total = 0
    for row, entry_id in enumerate(facts.instance.column("patients", "entry_id")):
        due = due_day(facts.instance.patient[entry_id], days, own=own) if facts.standing.counted[row] else None
        if due is None:
            continue
        unplaced = max(0, (late_until - due).days)
        total += unplaced
        for place in allocation.of_entry.get(entry_id, ()):
            day = facts.instance.session[place.session_id]["date"].item()
            total += max(0, (day - due).days) - unplaced
    return total


def _late_until(facts: Facts, unplaced_days: int) -> dt.date:
    return facts.instance.info.horizon_end + dt.timedelta(days=unplaced_days)


def _priorities(instance: Instance) -> Array:
    return instance.column("patients", "clinical_priority")
