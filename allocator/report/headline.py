"""The figures that stand at the top of the report, for any plan: ours and the baseline's are made alike."""

from __future__ import annotations

from typing import Any

import numpy as np

from allocator.allocation import Allocation
from allocator.answer import Run
from allocator.report.people import due_dates, waited_days


def headline(run: Run, allocation: Allocation) -> dict[str, Any]:
    """Counts of one plan: people, how long they had waited, where they go, how far, and the room used.

    Held entries are left out of people and counted in the room. `longest_wait_left_weeks` is the longest wait
    on the plan date of anybody on the list without a place.
    """
    facts = run.facts
    instance = facts.instance
    column = instance.column
    places = [place for place in allocation.placements if place.state != "reserved"]
    entry = np.array([instance.entry_row[place.entry_id] for place in places], dtype=np.int64)
    session = np.array([instance.session_row[place.session_id] for place in places], dtype=np.int64)
    hosts = instance.session_provider[session]
    away = hosts != column("patients", "home_provider")[entry]
    minutes = [facts.travel_minutes(p.entry_id, instance.session[p.session_id]["site_code"]) for p in places]
    known = [found for found in minutes if found is not None]
    waited, due = waited_days(run), due_dates(run)
    left = facts.standing.counted.copy()
    left[entry] = False
    late = column("sessions", "date")[session] > due[entry]
    return {
        "places": len(places),
        "people": len({place.entry_id for place in places}),
        "already_booked_or_offered": sum(place.is_fixed for place in places),
        "away_from_home": int(away.sum()),
        "at_independent_providers": int(instance.session_independent[session].sum()),
        "over_52_weeks": int((waited[entry] > 52 * 7).sum()),
        "over_52_weeks_left": int((waited[left] > 52 * 7).sum()),
        "longest_wait_left_weeks": _longest_weeks(waited[left]),
        "late_for_due_date": int(late.sum()),
        "median_travel_minutes": float(np.median(known)) if known else None,
        "travel_minutes": int(sum(known)),
        "weeks_waited_by_those_placed": int(np.nansum(waited[entry] // 7)),
        "expected_minutes": int(column("patients", "expected_minutes")[entry].sum()),
        "sessions_used": len(set(session.tolist())),
    }


def _longest_weeks(waited: np.ndarray[Any, np.dtype[np.float64]]) -> int | None:
    known = waited[~np.isnan(waited)]
    return int(known.max() // 7) if len(known) else None
