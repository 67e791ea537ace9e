"""dates: a session is on a day that the patient, the site and the booking office can keep.

With d the day of s, n the nights of e (unknown counts as 0), keep (e, s) where
    horizon_start <= d <= horizon_end,  plan_date <= book_by[s],
    d >= earliest_date[e],  d >= plan_date + notice[e],  d <= poa_valid_until[e],
    no day d ... d + n lies in a time when e is unavailable,
    d >= plan_date + lead_days[site of s] where the host is not the home provider.
Equal is allowed everywhere. notice[e] = what the patient accepts, else the policy's days for the priority.
An assessment not known is arranged before the day, so it fits unless the policy says otherwise; only
theatre entries need one. Other dates that are not known refuse nothing.
Source: three weeks' notice makes an offer reasonable (NHS England RTT guidance), and earlier dates may be
offered; the notice days are defaults that a hub sets for itself.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pandas as pd

from allocator.allocation import Allocation
from allocator.change import Change, Edit, Miss
from allocator.instance import Array, Bools, Instance, Ints
from allocator.options import Facts, Options
from allocator.rule import Screen, Violation, parameter
from models.screening import codes_of, no_session, sessions_of_entry, share_of

EARLIEST, LATEST = np.datetime64("0001-01-01"), np.datetime64("9999-12-31")


Record = Mapping[str, Any]


class DayMiss(NamedTuple):
    """One reason why a day does not do: its kind, by how many days it is missed, and words.

    wish and edit are the change of one cell that would mend it: how many days it takes is `days`.
    """

    kind: str
    days: int
    words: str
    wish: str = ""
    edit: Edit | None = None


def notice(default: int, priority: str) -> Any:
    """The parameter for one priority."""
    return parameter(default, f"Notice for {priority} where the patient names none.", "days", ge=0, le=365)


class Dates(Screen):
    """Notice, availability, horizon, booking, preparation and assessment allow the day."""

    name: ClassVar[str] = "dates"
    sentence: ClassVar[str] = (
        "Nobody is placed on a day that they, the site or the booking office cannot keep, "
        "or after their pre-operative assessment lapses."
    )
    refusal: ClassVar[str] = "no suitable session is on a day that is possible"
    ruled_out: ClassVar[str] = "on days that are not possible"

    notice_days_p2: int = notice(3, "P2")
    notice_days_p3: int = notice(7, "P3")
    notice_days_p4: int = notice(14, "P4, and for deferred priorities")
    notice_days_d2: int = notice(3, "D2")
    notice_days_d3: int = notice(7, "D3")
    notice_days_d4: int = notice(14, "D4")
    unknown_assessment_fits: bool = parameter(
        True, "May a theatre entry be placed whose pre-operative assessment is not known (it is then arranged)."
    )

    def keep(self, options: Options) -> Bools:
        """(n_options,) every date condition holds."""
        instance = options.instance
        info = instance.info
        today = np.datetime64(info.plan_date)
        day = instance.column("sessions", "date")
        book_by = instance.column("sessions", "book_by")
        lead = np.nan_to_num(instance.column("sites", "lead_days"))[instance.session_site].astype(np.int64)
        on_time = (day >= np.datetime64(info.horizon_start)) & (day <= np.datetime64(info.horizon_end))
        on_time &= ~(book_by < today)  # NaT compares as False: no such date
        ready = day >= today + lead
        first, last = self._window(instance)
        keep: Bools = on_time[options.session] & (options.at_home | ready[options.session])
        days = day[options.session]
        keep &= (days >= first[options.entry]) & (days <= last[options.entry])
        keep[keep] = ~_away(instance, options.entry[keep], days[keep])
        return keep

    def _window(self, instance: Instance) -> tuple[Array, Array]:
        """First and last possible day of every entry, shape (n_entries,) each."""
        column = instance.column
        code, codes = codes_of(column("patients", "clinical_priority"))
        by_policy = np.array([self._notice_days(priority) for priority in codes], dtype=np.int64)[code]
        own = column("patients", "min_notice_days")
        days = np.where(np.isnan(own), by_policy, np.nan_to_num(own)).astype(np.int64)
        earliest = column("patients", "earliest_date")
        available = np.where(np.isnat(earliest), EARLIEST, earliest)
        lapses = column("patients", "poa_valid_until")
        theatre = column("patients", "care_kind") == "theatre"
        unknown = np.where(theatre & (not self.unknown_assessment_fits), EARLIEST, LATEST)
        first = np.maximum(available, np.datetime64(instance.info.plan_date) + days)
        return first, np.where(np.isnat(lapses), unknown, lapses)

    def _notice_days(self, priority: str) -> int:
        """The policy's notice for a priority code."""
        return {
            "P2": self.notice_days_p2,
            "P3": self.notice_days_p3,
            "D2": self.notice_days_d2,
            "D3": self.notice_days_d3,
            "D4": self.notice_days_d4,
        }.get(priority, self.notice_days_p4)

    def check(self, facts: Facts, allocation: Allocation) -> list[Violation]:
        """New placements on a day that is not possible."""
        return [
            Violation(self.name, miss.words, (placement.entry_id,))
            for placement in allocation.placements
            if not placement.is_fixed
            for miss in self.misses(facts.instance, placement.entry_id, placement.session_id)
        ]

    def misses(self, instance: Instance, entry_id: str, session_id: str) -> list[DayMiss]:
        """Every reason why the day of a session does not do for an entry, from the tables."""
        patient, session = instance.patient[entry_id], instance.session[session_id]
        site, day = instance.site[session["site_code"]], session["date"].item()
        found = _host_misses(instance, session, site, transfer=patient["home_provider"] != site["provider_code"])
        own, today = patient["min_notice_days"], instance.info.plan_date
        notice_days = int(self._notice_days(patient["clinical_priority"]) if math.isnan(own) else own)
        earliest, lapses = patient["earliest_date"].item(), patient["poa_valid_until"].item()
        if earliest and day < earliest:
            edit = Edit("patients", {"entry_id": entry_id}, {"earliest_date": pd.Timestamp(day)})
            words, wish = f"before the patient is free ({earliest})", f"the patient were free on {day}"
            found.append(DayMiss("earliest", (earliest - day).days, words, wish, edit))
        if (day - today).days < notice_days:
            words = f"too soon for {notice_of(notice_days)} from {today}"
            given = (day - today).days
            wish = f"the patient accepted {notice_of(given)} instead of {notice_days}"
            edit = Edit("patients", {"entry_id": entry_id}, {"min_notice_days": float(given)})
            found.append(DayMiss("notice", notice_days - given, words, wish, edit if given >= 0 else None))
        if lapses and day > lapses:
            words = f"after the pre-operative assessment lapses ({lapses})"
            edit = Edit("patients", {"entry_id": entry_id}, {"poa_valid_until": pd.Timestamp(day)})
            wish = f"the pre-operative assessment held until {day} instead of {lapses}"
            found.append(DayMiss("assessment", (day - lapses).days, words, wish, edit))
        if not lapses and patient["care_kind"] == "theatre" and not self.unknown_assessment_fits:
            edit = Edit("patients", {"entry_id": entry_id}, {"poa_valid_until": pd.Timestamp(day)})
            words, wish = "and the pre-operative assessment is not known", f"an assessment held until {day}"
            found.append(DayMiss("unknown", 0, words, wish, edit))
        nights = 0 if math.isnan(patient["overnight_stays"]) else int(patient["overnight_stays"])
        stay = [day + dt.timedelta(days=night) for night in range(nights + 1)]
        for start, stop in instance.unavailable_of.get(entry_id, ()):
            if any(start <= one_day <= stop for one_day in stay):
                when = f"for a stay to {stay[-1]}, and" if nights else "when"
                words = f"{when} the patient is unavailable from {start} to {stop}"
                edit, freed = _freed(entry_id, start.item(), stop.item(), stay)
                wish = (
                    f"the patient were free from {stay[0]} to {stay[-1]}"
                    if nights
                    else f"the patient were free on {day}"
                )
                found.append(DayMiss("unavailable", freed, words, wish, edit))
        return [miss._replace(words=f"{session_id} is on {day}, {miss.words}") for miss in found]

    def miss(self, facts: Facts, entry_id: str, session_id: str) -> Miss:
        """The days by which a day is missed, and the one cell that would mend it where one alone is in the way."""
        misses = self.misses(facts.instance, entry_id, session_id)
        day = facts.instance.session[session_id]["date"]
        told = [miss.words.removeprefix(f"{session_id} is on {day}, ").removeprefix("and ") for miss in misses]
        if len(misses) > 1:
            return Miss(f"on days that are not possible: {'; '.join(told)}")
        (miss,) = misses
        figure = miss.days if miss.kind in ("earliest", "notice", "assessment") else None
        words = f"on days that are not possible: {told[0]}" if figure is None else f"{{}} days {told[0]}"
        if miss.edit is None:
            return Miss(words, figure)
        return Miss(words, figure, Change("date", miss.days, miss.wish, (miss.edit,)))

    def reason(self, facts: Facts, entry_id: str) -> str:
        """The date obstacle that rules out most sessions, at the session that misses it least."""
        session_ids = sessions_of_entry(facts, entry_id)
        missed = [self.misses(facts.instance, entry_id, session_id) for session_id in session_ids]
        ruled_out = sum(bool(misses) for misses in missed)
        if not ruled_out:
            return no_session(len(session_ids), "is on a day that is not possible")
        subject = share_of(ruled_out, len(session_ids))
        kinds = [kind for misses in missed for kind in {miss.kind for miss in misses}]
        often = max(sorted(set(kinds)), key=kinds.count)
        nearest = min((miss.days, miss.words) for misses in missed for miss in misses if miss.kind == often)
        return f"{subject} on a day that is not possible. Most often ({kinds.count(often)}): {nearest[1]}."


def notice_of(days: int) -> str:
    """1 day's notice, 14 days' notice."""
    return "1 day's notice" if days == 1 else f"{days} days' notice"


def _host_misses(instance: Instance, session: Record, site: Record, *, transfer: bool) -> list[DayMiss]:
    """Why the day does not do for the hub and the host, whoever the patient is."""
    info, day, book_by = instance.info, session["date"].item(), session["book_by"].item()
    found = []
    if not info.horizon_start <= day <= info.horizon_end:
        outside = max(info.horizon_start - day, day - info.horizon_end).days
        words = f"outside the days planned for ({info.horizon_start} to {info.horizon_end})"
        found.append(DayMiss("horizon", outside, words))
    if book_by and book_by < info.plan_date:
        edit = Edit("sessions", {"session_id": session["session_id"]}, {"book_by": pd.Timestamp(info.plan_date)})
        words, wish = f"and had to be booked by {book_by}", f"{session['session_id']} could still be booked today"
        found.append(DayMiss("book_by", (info.plan_date - book_by).days, words, wish, edit))
    if transfer and (day - info.plan_date).days < site["lead_days"]:
        words = f"and {site['name']} prepares a transfer for {site['lead_days']:g} days"
        there = (day - info.plan_date).days
        wish = f"{site['name']} prepared a transfer in {there} days instead of {site['lead_days']:g}"
        edit = Edit("sites", {"site_code": site["site_code"]}, {"lead_days": float(there)})
        found.append(DayMiss("lead", int(site["lead_days"]) - there, words, wish, edit if there >= 0 else None))
    return found


def _freed(entry_id: str, start: dt.date, stop: dt.date, stay: list[dt.date]) -> tuple[Edit, int]:
    """The time away cut so far that the stay is free of it, from the end that costs fewer days; and how many."""
    where = {"entry_id": entry_id, "from": pd.Timestamp(start), "to": pd.Timestamp(stop)}
    from_start, to_stop = (min(stay[-1], stop) - start).days + 1, (stop - max(stay[0], start)).days + 1
    days = min(from_start, to_stop)
    if days == (stop - start).days + 1:
        return Edit("unavailable", where, None), days
    one_day = dt.timedelta(days=1)
    later = {"from": pd.Timestamp(stay[-1] + one_day)}
    earlier = {"to": pd.Timestamp(stay[0] - one_day)}
    return Edit("unavailable", where, later if from_start <= to_stop else earlier), days


def _away(instance: Instance, entry: Ints, days: Array) -> Bools:
    """(n,) is an entry unavailable on a day of a stay that begins on `days` (n,), inside the horizon.

    A stay of n nights from day d touches a time [from, to] exactly where from - n <= d <= to: times are
    marked in a table of entries by days, a start as +1 and the day after an end as -1, then summed up.
    """
    away = np.zeros(len(entry), dtype=bool)
    rows = [instance.entry_row.get(entry_id, -1) for entry_id in instance.column("unavailable", "entry_id")]
    known = np.array(rows, dtype=np.int64) >= 0
    row = np.array(rows, dtype=np.int64)[known]
    opens = np.datetime64(instance.info.horizon_start)
    n_days = (instance.info.horizon_end - instance.info.horizon_start).days + 1
    nights = np.nan_to_num(instance.column("patients", "overnight_stays")).astype(np.int64)[row]
    start = np.clip((instance.column("unavailable", "from")[known] - opens).astype(np.int64) - nights, 0, n_days)
    stop = np.clip((instance.column("unavailable", "to")[known] - opens).astype(np.int64) + 1, 0, n_days)
    real = start < stop
    affected, slot = np.unique(row[real], return_inverse=True)
    marks = np.zeros((len(affected), n_days + 1), dtype=np.int16)
    np.add.at(marks, (slot, start[real]), 1)
    np.add.at(marks, (slot, stop[real]), -1)
    blocked = np.cumsum(marks, axis=1, dtype=np.int16) > 0
    slot_of = np.full(len(instance.entry_row), -1, dtype=np.int64)
    slot_of[affected] = np.arange(len(affected))
    concerned = np.flatnonzero(slot_of[entry] >= 0)
    away[concerned] = blocked[slot_of[entry[concerned]], (days[concerned] - opens).astype(np.int64)]
    return away
