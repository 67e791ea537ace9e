"""Changes of the tables that a scenario asks for: lists added or taken away, a site closed, demand and capacity
scaled, other people drawn, a share of each list held back.

Bookings and offers stay whatever is changed: a list that is taken away or closed takes nobody new, and people who
have a booking, a pin, or a test to wait for are neither drawn anew nor dropped.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, model_validator

from allocator import schema
from allocator.errors import UsageError, maybe
from allocator.instance import Bools, Instance, Ints, typed_frame

STRATUM = ["home_provider", "care_kind", "service_code", "clinical_priority"]
"""Other people are drawn within these: how many of each there are stays the same."""
OWN = ("entry_id", "patient_id", "held", "requires_entry_id", "required_done_on")
"""What a place on the list keeps when another person is drawn for it."""


class _Change(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class AddedLists(_Change):
    """So many new lists at a site for a service on a day, like those that are there."""

    site: str
    service: str
    date: dt.date
    care_kind: Literal["theatre", "diagnostic"] = "theatre"
    minutes: int = Field(240, ge=1, le=1440)
    number: int = Field(1, ge=1, le=100)


class _Span(_Change):
    """A site, from one day to another, both included."""

    site: str
    start: dt.date = Field(alias="from")
    end: dt.date = Field(alias="to")

    @model_validator(mode="after")
    def _forwards(self) -> _Span:
        if self.start > self.end:
            raise ValueError(f"from is after to. Maybe from = {self.end} and to = {self.start}")
        return self


class AddedBeds(_Span):
    """So many more spare beds at a site on every night from `start` to `end`, both included."""

    bed_kind: Literal["ward", "hdu"] = "ward"
    number: int = Field(1, ge=1, le=1000)


class Closing(_Span):
    """A site takes nobody new on any day from `start` to `end`, both included."""


class Scaling(_Change):
    """The minutes of a service's lists, or the people waiting for it, times `factor`."""

    service: str
    factor: float = Field(ge=0, le=10)
    care_kind: Literal["theatre", "diagnostic"] = "theatre"


class Changes(_Change):
    """All changes of the tables of one variant; none unless said."""

    add_lists: tuple[AddedLists, ...] = ()
    remove_lists: tuple[str, ...] = ()
    add_beds: tuple[AddedBeds, ...] = ()
    close: tuple[Closing, ...] = ()
    capacity: tuple[Scaling, ...] = ()
    demand: tuple[Scaling, ...] = ()
    hold_back: tuple[float, ...] = ()
    """Share of each list kept free, by week of the horizon; the last share holds for all weeks after."""


def changed_instance(instance: Instance, changes: Changes, population: int = 0, seed: int = 0) -> Instance:
    """The instance with the changes made; `population` 0 has the people as they are, others are drawn.

    Raises UsageError where a site, service, session or share is not one.
    """
    problems = list(wrong(instance, changes))
    if problems:
        raise UsageError("\n".join(problems))
    if population == 0 and changes == Changes():
        return instance
    random = np.random.default_rng([seed, population])
    changed: dict[str, pd.DataFrame] = {}
    if population:
        changed["patients"], changed["unavailable"] = drawn_people(instance, random)
    if changes.demand:
        people = changed.get("patients", instance.frames["patients"])
        changed["patients"] = scaled_demand(instance, people, changes.demand, random)
    if changes.add_lists or changes.remove_lists or changes.close or changes.capacity or changes.hold_back:
        changed["sessions"] = changed_sessions(instance, changes)
    if changes.add_beds:
        changed["beds"] = more_beds(instance.frames["beds"], changes.add_beds)
    tables = {table.name: table for table in schema.TABLES}
    return instance.replacing(**{name: typed_frame(tables[name], frame) for name, frame in changed.items()})


def wrong(instance: Instance, changes: Changes) -> Iterable[str]:
    """Every name in the changes that the tables do not know, and every share that is none."""
    sites, sessions = instance.site_row, instance.session_row
    for where, named in (
        ("add_lists", [item.site for item in changes.add_lists]),
        ("add_beds", [item.site for item in changes.add_beds]),
        ("close", [item.site for item in changes.close]),
    ):
        for site in named:
            if site not in sites:
                yield f'{where}: no site is called "{site}".{likely_site(instance, site)}'
    for name in changes.remove_lists:
        if name not in sessions:
            yield f'remove_lists: no session is called "{name}".{maybe(name, sessions)}'
    services = {
        table: set(zip(instance.column(table, "care_kind"), instance.column(table, "service_code"), strict=True))
        for table in ("patients", "sessions")
    }
    for where, tables, given in (
        ("add_lists", ("patients", "sessions"), changes.add_lists),
        ("capacity", ("sessions",), changes.capacity),
        ("demand", ("patients",), changes.demand),
    ):
        known = set[tuple[str, str]]().union(*(services[table] for table in tables))
        for item in given:
            if (item.care_kind, item.service) not in known:
                told = f'{where}: no {item.care_kind} service in {" or ".join(tables)} is called "{item.service}".'
                yield told + likely(item.care_kind, item.service, known)
    for share in changes.hold_back:
        if not 0 <= share <= 1:
            yield f"hold_back: given {share}, wanted a share from 0 to 1."
    first, last = instance.info.horizon_start, instance.info.horizon_end
    for lists in changes.add_lists:
        if not first <= lists.date <= last:
            yield f"add_lists: {lists.date} is not between {first} and {last}."
    for closing in changes.close:
        if closing.end < first or closing.start > last:
            yield f"close: no day from {closing.start} to {closing.end} is between {first} and {last}."
    for beds in changes.add_beds:
        if beds.end < first:
            yield f"add_beds: no night from {beds.start} to {beds.end} is on {first} or later."


def likely_site(instance: Instance, given: str) -> str:
    """What was probably meant: a code much like it, else the code of the one site whose name has it."""
    frame = instance.frames["sites"]
    named = frame.loc[frame["name"].str.casefold().str.contains(given.casefold(), regex=False), "site_code"]
    return maybe(given, instance.site_row) or (f' Maybe "{named.iloc[0]}".' if len(named) == 1 else "")


def likely(kind: str, service: str, known: set[tuple[str, str]]) -> str:
    """What was probably meant: the same service for the other kind of care, else a service of a like name."""
    other = next((other for other, name in sorted(known) if name == service), "")
    if other:
        return f' Maybe care_kind = "{other}".'
    return maybe(service, sorted(name for of_kind, name in known if of_kind == kind))


def free_people(instance: Instance) -> Bools:
    """(n_entries,) nobody has said or settled anything about them, and no other entry waits for them."""
    patients = instance.frames["patients"]
    settled = set(instance.frames["commitments"]["entry_id"]) | set(instance.frames["overrides"]["entry_id"])
    waited_for = set(patients["requires_entry_id"])
    bound = patients["entry_id"].isin(settled | waited_for) | (patients["requires_entry_id"] != "")
    free: Bools = ~(bound | patients["held"]).to_numpy(dtype=bool)
    return free


def drawn_people(instance: Instance, random: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Patients and unavailable with other people: drawn with replacement within provider, service and priority."""
    patients = instance.frames["patients"]
    source = np.arange(len(patients))
    free = np.flatnonzero(free_people(instance))
    for rows in patients.iloc[free].groupby(STRATUM, sort=True).indices.values():
        members = free[rows]
        source[members] = random.choice(members, len(members))
    drawn = patients.iloc[source].reset_index(drop=True)
    for name in OWN:
        drawn[name] = patients[name]
    return drawn, unavailable_of(instance, source)


def unavailable_of(instance: Instance, source: Ints) -> pd.DataFrame:
    """The days when drawn people cannot come: those of the person who was drawn."""
    ids = instance.frames["patients"]["entry_id"]
    who = pd.DataFrame({"new_id": ids, "entry_id": ids.iloc[source].to_numpy()})
    table = instance.frames["unavailable"]
    joined = table.merge(who, on="entry_id")
    return joined.assign(entry_id=joined["new_id"])[list(table.columns)]


def scaled_demand(
    instance: Instance, patients: pd.DataFrame, scalings: Iterable[Scaling], random: np.random.Generator
) -> pd.DataFrame:
    """Fewer or more people of a service: dropped by lot, or copies of people drawn by lot."""
    free = set(instance.frames["patients"]["entry_id"][free_people(instance)])
    for item in scalings:
        here = (patients["service_code"] == item.service) & (patients["care_kind"] == item.care_kind)
        movable = np.flatnonzero(here & patients["entry_id"].isin(free))
        number = round(abs(item.factor - 1) * len(movable))
        if item.factor < 1:
            patients = patients.drop(index=patients.index[random.choice(movable, number, replace=False)])
        elif number and len(movable):
            more = patients.iloc[random.choice(movable, number)].reset_index(drop=True)
            suffix = pd.Series([f"-more{row}" for row in range(1, number + 1)])
            more = more.assign(entry_id=more["entry_id"] + suffix, patient_id=more["patient_id"] + suffix)
            patients = pd.concat([patients, more], ignore_index=True)
    return patients


def changed_sessions(instance: Instance, changes: Changes) -> pd.DataFrame:
    """Sessions with lists added, scaled, held back, closed."""
    sessions = instance.table("sessions")
    minutes = sessions["minutes"].to_numpy().copy()
    for item in changes.capacity:
        here = (sessions["service_code"] == item.service) & (sessions["care_kind"] == item.care_kind)
        minutes[here] = np.floor(minutes[here] * item.factor)
    sessions["minutes"] = minutes
    added = [row for lists in changes.add_lists for row in rows_of_lists(sessions, lists)]
    if added:
        sessions = pd.concat([sessions, pd.DataFrame(added)], ignore_index=True)
    closed = sessions["closed"].astype(bool) | sessions["session_id"].isin(changes.remove_lists)
    for closing in changes.close:
        within = (sessions["date"] >= pd.Timestamp(closing.start)) & (sessions["date"] <= pd.Timestamp(closing.end))
        closed |= (sessions["site_code"] == closing.site) & within
    sessions["closed"] = closed
    if changes.hold_back:
        week = (sessions["date"] - pd.Timestamp(instance.info.horizon_start)).dt.days // 7
        at = np.clip(week.to_numpy(), 0, len(changes.hold_back) - 1)
        kept = 1 - np.array(changes.hold_back)[at]
        sessions["minutes"] = [math.floor(m * share + 1e-9) for m, share in zip(sessions["minutes"], kept, strict=True)]
    return sessions


def rows_of_lists(sessions: pd.DataFrame, lists: AddedLists) -> list[dict[str, Any]]:
    """New lists, like one of the same service at the site, else elsewhere; else with nothing but what is given."""
    alike = sessions[(sessions["service_code"] == lists.service) & (sessions["care_kind"] == lists.care_kind)]
    at_site = alike[alike["site_code"] == lists.site]
    pattern = at_site if len(at_site) else alike
    like: dict[str, Any] = {str(name): value for name, value in pattern.iloc[0].items()} if len(pattern) else {}
    if not len(at_site):
        like |= {"team": "", "provides": ""}
    taken = set(sessions["session_id"])
    stem = f"added-{lists.site}-{lists.date}-{lists.service}"
    names = [name for row in range(1, lists.number + len(taken) + 1) if (name := f"{stem}-{row}") not in taken]
    own = {
        "site_code": lists.site,
        "date": pd.Timestamp(lists.date),
        "start_time": "",
        "care_kind": lists.care_kind,
        "service_code": lists.service,
        "minutes": lists.minutes,
        "host_cases": 0,
        "max_cases": np.nan,
        "min_cases": 0,
        "book_by": pd.NaT,
        "closed": False,
    }
    return [{**like, **own, "session_id": name} for name in names[: lists.number]]


def more_beds(beds: pd.DataFrame, added: Iterable[AddedBeds]) -> pd.DataFrame:
    """Spare beds with more on the nights asked for."""
    rows = [
        {"site_code": item.site, "night": night, "bed_kind": item.bed_kind, "spare_beds": item.number}
        for item in added
        for night in pd.date_range(item.start, item.end)
    ]
    if not rows:
        return beds
    together = pd.concat([beds, pd.DataFrame(rows)], ignore_index=True)
    return together.groupby(["site_code", "night", "bed_kind"])[["spare_beds"]].sum().reset_index()
