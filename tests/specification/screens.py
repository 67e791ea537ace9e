"""Screens, as the policy says them: may this entry go to this session at all? One function a rule.

`rule` holds the parameters. A value that is None is not known.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from tests.specification.reading import Case, Row

DAY = dt.timedelta(days=1)


def in_pool(case: Case, rule: Any, e: str, s: str) -> bool:
    """Not deferred; no cancer unless admitted; planned care from its due date; before a date at home."""
    row, day = case.entries[e], case.sessions[s]["date"]
    if row["clinical_priority"] in rule.deferred_priorities:
        return False
    if row["pathway"] == "cancer" and not rule.admit_cancer:
        return False
    if row["pathway"] == "planned" and (row["due_date"] is None or day < row["due_date"]):
        return False
    return row["home_tci_date"] is None or day < row["home_tci_date"]


def same_service(case: Case, rule: Any, e: str, s: str) -> bool:
    """Same kind of care and service; a code that pools services only at home."""
    row, session = case.entries[e], case.sessions[s]
    same = (row["care_kind"], row["service_code"]) == (session["care_kind"], session["service_code"])
    return same and (row["service_code"] not in rule.pooled_codes or case.at_home(e, s))


def consent(case: Case, rule: Any, e: str, s: str) -> bool:
    """Away from home never with a no; without an answer only where the policy lets plans be offered."""
    answer = case.entries[e]["transfer_consent"]
    return case.at_home(e, s) or answer == "yes" or (answer != "no" and rule.offer_to_not_asked)


def not_declined(case: Case, rule: Any, e: str, s: str) -> bool:
    """Neither the session nor its site was declined or refused."""
    return (e, s) not in case.barred and (e, case.sessions[s]["site_code"]) not in case.barred


def site_accepts(case: Case, rule: Any, e: str, s: str) -> bool:
    """ASA, BMI, age, high dependency and nights are within what the site takes."""
    row, session = case.entries[e], case.sessions[s]
    site = session["site"]
    unknown_fits = not session["independent"] or rule.unknown_fits_independent
    fits = [
        within(row["asa_grade"], None, site["max_asa"], unknown_fits),
        within(row["bmi"], None, site["max_bmi"], unknown_fits),
        within(row["age_years"], site["min_age_years"], site["max_age_years"], unknown_fits),
        within(row["needs_hdu"], None, None if site["has_hdu"] else 0, unknown_fits),
        within(row["overnight_stays"], None, None if site["has_overnight"] else 0, unknown_fits),
    ]
    return all(fits)


def session_accepts(case: Case, rule: Any, e: str, s: str) -> bool:
    """The age is within the session's limits and the procedure among those it takes."""
    row, session = case.entries[e], case.sessions[s]
    unknown_fits = not session["independent"] or rule.unknown_fits_independent
    if not within(row["age_years"], session["min_age_years"], session["max_age_years"], unknown_fits):
        return False
    procedure = bare(row["procedure_code"])
    taken = [bare(code) for code in session["accepts_procedures"].split(";") if bare(code)]
    if not taken:
        return True
    return any(procedure.startswith(code) for code in taken) if procedure else unknown_fits


def needs_met(case: Case, rule: Any, e: str, s: str) -> bool:
    """Every tag that the patient needs is provided by the site or the session."""
    session = case.sessions[s]
    return tags(case.entries[e]["needs"]) <= tags(session["provides"]) | tags(session["site"]["provides"])


def max_travel(case: Case, rule: Any, e: str, s: str) -> bool:
    """Not above the patient's own limit, else the policy's by mode; a hard cap above both."""
    row = case.entries[e]
    by_car = row["travel_mode"] != "public_transport"
    limit = row["max_travel_minutes"]
    if limit is None:
        limit = rule.car_minutes if by_car else rule.public_transport_minutes
    if rule.hard_cap_minutes is not None:
        limit = min(limit, rule.hard_cap_minutes)
    minutes = case.minutes_away(e, s)
    return minutes is not None and minutes <= limit


def dates(case: Case, rule: Any, e: str, s: str) -> bool:
    """Inside the horizon, booked in time, with notice, while available, before the assessment lapses."""
    row, session, today = case.entries[e], case.sessions[s], case.info.plan_date
    day = session["date"]
    if not case.info.horizon_start <= day <= case.info.horizon_end:
        return False
    if session["book_by"] is not None and session["book_by"] < today:
        return False
    if row["earliest_date"] is not None and day < row["earliest_date"]:
        return False
    if day < today + notice_days(rule, row) * DAY:
        return False
    if not case.at_home(e, s) and day < today + int(session["site"]["lead_days"] or 0) * DAY:
        return False
    if row["poa_valid_until"] is None:
        if row["care_kind"] == "theatre" and not rule.unknown_assessment_fits:
            return False
    elif day > row["poa_valid_until"]:
        return False
    leaves = day + int(row["overnight_stays"] or 0) * DAY
    away = [gap for gap in case.unavailable if gap["entry_id"] == e and gap["from"] <= leaves and day <= gap["to"]]
    return not away


SCREENS = {
    "in_pool": in_pool,
    "same_service": same_service,
    "consent": consent,
    "not_declined": not_declined,
    "site_accepts": site_accepts,
    "session_accepts": session_accepts,
    "needs_met": needs_met,
    "max_travel": max_travel,
    "dates": dates,
}


def within(value: float | None, lowest: float | None, highest: float | None, unknown_fits: bool) -> bool:
    """lowest <= value <= highest; no limit fits everybody."""
    if lowest is None and highest is None:
        return True
    if value is None:
        return unknown_fits
    return (lowest is None or value >= lowest) and (highest is None or value <= highest)


def notice_days(rule: Any, row: Row) -> int:
    """What the patient accepts, else the policy's days for the priority; deferred codes count as P4."""
    if row["min_notice_days"] is not None:
        return int(row["min_notice_days"])
    priority = row["clinical_priority"]
    return int(getattr(rule, f"notice_days_{priority.lower()}", rule.notice_days_p4))


def tags(cell: str) -> set[str]:
    """Tags separated by semicolons."""
    return {tag.strip() for tag in cell.split(";") if tag.strip()}


def bare(code: str) -> str:
    """An OPCS-4 code without dots and blanks: W37.1 is W371."""
    return code.replace(".", "").replace(" ", "").upper()
