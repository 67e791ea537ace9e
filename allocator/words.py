"""Figures and codes in words: numbers, dates, how many of something, amounts with their unit, names of goals."""

from __future__ import annotations

import datetime as dt


def number(value: float | None) -> str:
    """1,234; "not known" for None; one decimal where the value is not whole."""
    if value is None:
        return "not known"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"


def date(iso: str | None) -> str:
    """2 February 2026; "not known" for None."""
    if iso is None:
        return "not known"
    day = dt.date.fromisoformat(iso)
    return f"{day.day} {day:%B} {day.year}"


def people(count: int) -> str:
    """1 person, 2 people."""
    return f"{number(count)} {'person' if count == 1 else 'people'}"


def plural(count: int, noun: str) -> str:
    """1 place, 2 places."""
    return f"{number(count)} {noun if count == 1 else noun + 's'}"


def plain(code: str) -> str:
    """A code as words: `no_session_near` is "No session near"."""
    return code.replace("_", " ").capitalize()


def quantity(value: int | None, unit: str) -> str:
    """A goal's value with its unit; pence are shown as pounds, hundredths of a percent as percent."""
    if value is None:
        return "–"
    if unit == "pence":
        return f"£{value / 100:,.0f}"
    if unit == "hundredths of a percent":
        return f"{value / 100:.2f}%"
    one = {
        "people": "person",
        "people at reporting dates": "person at a reporting date",
        "days": "day",
        "minutes": "minute",
        "weeks": "week",
    }
    return f"{value:,} {one.get(unit, unit) if abs(value) == 1 else unit}"


def goal_name(label: str) -> str:
    """`longest_waits_52w` is "Longest waits given a place: over 52 weeks"; others as `plain`."""
    stem, _, last = label.rpartition("_")
    if last.endswith("w") and last[:-1].isdigit():
        return f"{plain(stem)} given a place: over {last[:-1]} weeks"
    return plain(label)
