"""One row a person's entry: who they are, how long they wait, and what the plan and the baseline do for them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from itertools import pairwise

import numpy as np
import pandas as pd

from allocator.answer import Run
from allocator.instance import Array, Floats
from allocator.intake.nhs_number import masked

BAND_WEEKS: Mapping[str, tuple[int, ...]] = {
    "diagnostic": (6, 13, 20, 26),
    "theatre": (18, 26, 40, 52, 58, 65, 78, 104),
}
"""Where the bars of the waits chart are cut, by kind of care. Thresholds of policy are in its goals, not here."""

URGENT_PRIORITIES = ("P2", "D2")


def people_table(run: Run) -> pd.DataFrame:
    """One row an accepted entry, by entry_id.

    status is `placed`, `booking_lost` (booked or offered in a session that is gone), `unplaced`, `held` or
    `treated`; host_provider is empty where there is no session; due may be unknown.
    """
    instance = run.facts.instance
    patients = instance.patients
    hosts = hosts_of(run)
    baseline = {place.entry_id for place in run.baseline.placements}
    waited = waited_days(run)
    urgent = patients["clinical_priority"].isin(URGENT_PRIORITIES) | patients["due_date"].notna()
    return pd.DataFrame(
        {
            "entry_id": patients["entry_id"],
            "home_provider": patients["home_provider"],
            "care_kind": patients["care_kind"],
            "service_code": patients["service_code"],
            "clinical_priority": patients["clinical_priority"],
            "imd_quintile": patients["imd_quintile"],
            "band": [wait_band(kind, days) for kind, days in zip(patients["care_kind"], waited, strict=True)],
            "due": due_dates(run).astype("datetime64[s]"),
            "urgent": urgent,
            "status": statuses(run),
            "host_provider": [hosts.get(entry_id, "") for entry_id in patients["entry_id"]],
            "with_option": patients["entry_id"].isin(run.entries_with_option),
            "baseline_placed": patients["entry_id"].isin(baseline),
        }
    )


def hosts_of(run: Run) -> Mapping[str, str]:
    """entry_id -> provider code of its place, held entries left out."""
    instance = run.facts.instance
    provider = dict(zip(instance.column("sessions", "session_id"), instance.session_provider, strict=True))
    return {
        place.entry_id: provider[place.session_id] for place in run.allocation.placements if place.state != "reserved"
    }


def statuses(run: Run) -> list[str]:
    """The status of every entry, in the order of patients; see `people_table`."""
    instance = run.facts.instance
    held, treated = instance.column("patients", "held"), run.facts.standing.treated
    placed = hosts_of(run).keys()
    entry_ids = instance.column("patients", "entry_id")
    lost = {entry_ids[place.entry] for place in run.facts.standing.fixed if place.session < 0}
    found = []
    for row, entry_id in enumerate(entry_ids):
        if held[row]:
            found.append("held")
        elif treated[row]:
            found.append("treated")
        elif entry_id in placed:
            found.append("placed")
        else:
            found.append("booking_lost" if entry_id in lost else "unplaced")
    return found


def shown_patient_ids(run: Run) -> list[str]:
    """patient_id of every entry, with stray NHS numbers masked."""
    return [masked(text) for text in run.facts.instance.column("patients", "patient_id")]


def waited_days(run: Run) -> Floats:
    """(n_entries,) days waited on the plan date, NaN where the wait has not begun or is not known."""
    instance = run.facts.instance
    since = instance.waits_from
    days = (np.datetime64(instance.info.plan_date) - since).astype("timedelta64[D]").astype(np.float64)
    waited: Floats = np.where(np.isnat(since) | (days < 0), np.nan, days)
    return waited


def due_dates(run: Run) -> Array:
    """(n_entries,) datetime64[D]: the first of the policy's goals that sets a date; else the trust's own."""
    instance = run.facts.instance
    due = np.full(len(instance.patients), np.datetime64("NaT"), dtype="datetime64[D]")
    for goal in run.policy.ordered_goals:
        dates = goal.due(run.facts)
        if dates is not None:
            due = np.where(np.isnat(due), dates, due)
    return np.where(np.isnat(due), instance.column("patients", "due_date"), due)


@cache
def band_names(care_kind: str) -> tuple[str, ...]:
    """Names of the wait bands of one kind of care, shortest first."""
    cuts = BAND_WEEKS[care_kind]
    between = [f"over {low} to {high} weeks" for low, high in pairwise(cuts)]
    return (f"up to {cuts[0]} weeks", *between, f"over {cuts[-1]} weeks")


def wait_band(care_kind: str, days: float) -> str:
    """The band of a wait in days; "over N weeks" means more than 7 N days."""
    if np.isnan(days):
        return "wait not begun"
    return band_names(care_kind)[sum(days > 7 * weeks for weeks in BAND_WEEKS[care_kind])]
