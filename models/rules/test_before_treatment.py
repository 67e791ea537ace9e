"""test_before_treatment: a treatment that waits for a test comes after the test and its result.

An entry e that requires r is placed in s only if
    required_done_on[e] <= date[s] where the test is done, or r has left the list as treated, or
    r is placed in some t (booked or new) with date[t] + result_days[t] <= date[s].
Rows: for every day D on which e could be placed,
    sum of x[e, s] over date[s] <= D  <=  sum of x[r, t] over date[t] + result_days[t] <= D.
Where the test is not done and r is not on any list, e is not placed. Needs one_place: options of one
entry are added up. Source: the pathway itself; result_days are the host's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from allocator.allocation import Allocation, Placement
from allocator.instance import Ints
from allocator.options import Facts, Options
from allocator.rows import Rows
from allocator.rule import USAGE_COLUMNS, Columns, Limit, Violation

Row = tuple[str, Ints, Ints]
"""Key, options that need a test, options that provide it."""


class TestBeforeTreatment(Limit):
    """Nobody is treated before the test that the treatment waits for."""

    __test__: ClassVar[bool] = False  # the name is the domain's; pytest must not collect it

    name: ClassVar[str] = "test_before_treatment"
    sentence: ClassVar[str] = "A treatment that waits for a test comes only after the test and its result."
    blocked: ClassVar[str] = "the test that this treatment waits for has no result by then"

    def rows(self, columns: Columns) -> Rows:
        """One row an entry that waits for another and a day that makes a difference."""
        found = list(self._needs(columns.options))
        if not found:
            return Rows.none(columns.n)
        sizes = [len(needing) + len(giving) for _, needing, giving in found]
        ones = [np.concatenate([np.ones(len(needing)), -np.ones(len(giving))]) for _, needing, giving in found]
        return Rows.of(
            columns.n,
            [key for key, _, _ in found],
            np.repeat(np.arange(len(found)), sizes),
            np.concatenate([np.concatenate([needing, giving]) for _, needing, giving in found]),
            np.concatenate(ones),
            upper=0,
        )

    def _needs(self, options: Options) -> Iterator[Row]:
        instance = options.instance
        column = instance.column
        date = options.of_session("date")
        ready = date + options.of_session("result_days").astype("timedelta64[D]")
        low = np.searchsorted(options.entry, np.arange(len(column("patients", "entry_id")) + 1))
        for entry in np.flatnonzero(column("patients", "requires_entry_id") != ""):
            mine = np.arange(low[entry], low[entry + 1])
            key, required = column("patients", "entry_id")[entry], column("patients", "requires_entry_id")[entry]
            done = column("patients", "required_done_on")[entry]
            test = instance.entry_row.get(required)
            if not np.isnat(done):
                too_early = mine[date[mine] < done]
                if len(too_early):
                    yield f"{key} before {done}", too_early, mine[:0]
            elif test is None:
                if len(mine):
                    yield f"{key} without {required}", mine, mine[:0]
            elif not options.facts.standing.treated[test]:
                tests = np.arange(low[test], low[test + 1])
                for day in _deciding_days(date[mine], ready[tests]):
                    yield f"{key} after {required} by {day}", mine[date[mine] <= day], tests[ready[tests] <= day]

    def check(self, facts: Facts, allocation: Allocation) -> list[Violation]:
        """New placements whose test is not done, not placed, or has its result too late."""
        violations = []
        for place in allocation.placements:
            problem = "" if place.is_fixed else self._problem(facts, allocation, place)
            if problem:
                violations.append(Violation(self.name, problem, (place.entry_id,)))
        return violations

    def _problem(self, facts: Facts, allocation: Allocation, place: Placement) -> str:
        """What is wrong with one placement; "" where nothing is."""
        instance = facts.instance
        patient = instance.patient[place.entry_id]
        required, done = patient["requires_entry_id"], patient["required_done_on"]
        day = instance.session[place.session_id]["date"]
        if not required:
            return ""
        if not np.isnat(done):
            return f"placed on {day}; its test {required} is done on {done}" if day < done else ""
        if required not in instance.entry_row:
            return f"its test {required} is not known to be done and is on no list"
        if facts.standing.treated[instance.entry_row[required]]:
            return ""
        results = [_result_day(facts, test) for test in allocation.of_entry.get(required, ())]
        if not results:
            return f"its test {required} has no place"
        return (
            f"placed on {day}; the result of its test {required} is there on {min(results)}"
            if day < min(results)
            else ""
        )

    def usage(self, facts: Facts, allocation: Allocation) -> pd.DataFrame:
        """Entries placed among those that wait for a test."""
        waiting = [
            entry_id
            for entry_id, patient in ((key, facts.instance.patient[key]) for key in facts.instance.entry_row)
            if patient["requires_entry_id"]
        ]
        placed = sum(entry_id in allocation.of_entry for entry_id in waiting)
        return pd.DataFrame(
            [("entries that wait for a test", placed, len(waiting), "entries")], columns=list(USAGE_COLUMNS)
        )


def _result_day(facts: Facts, test: Placement) -> Any:
    session = facts.instance.session[test.session_id]
    return session["date"] + np.timedelta64(int(session["result_days"]), "D")


def _deciding_days(dates: Any, ready: Any) -> Any:
    """The last of `dates` before each further result: between results the latest row implies the others."""
    days = np.unique(dates)
    results = np.searchsorted(np.sort(ready), days, side="right")
    return days[np.append(results[1:] != results[:-1], True)] if len(days) else days
