"""Random tiny instances for every rule, with values on the boundary of it: what the contract test draws from.

A shape names the rule with its parameters, and the values that each column takes; a column that a shape
does not name keeps the value of `tests.build`. Some instances have bookings, some a double booking.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from allocator.options import Facts
from allocator.rule import Limit, Screen
from tests.build import ORGANISATIONS, SITES, make_facts

Values = Mapping[str, Sequence[Any]]
Row = dict[str, Any]

HOMES = ("RAA", "RBB")
HOSTS = ("RAA01", "RBB01", "NCC01")
DAYS = tuple(f"2026-03-{day:02d}" for day in range(10, 16))
WHEN = "2026-02-01T09:00:00"


@dataclass(frozen=True)
class Shape:
    """Values to draw from. `tables` gives further tables, from the generator and the two id lists."""

    rules: tuple[Screen | Limit, ...]
    patients: Values = field(default_factory=dict)
    sessions: Values = field(default_factory=dict)
    organisations: Values = field(default_factory=dict)
    sites: Values = field(default_factory=dict)
    tables: Callable[[np.random.Generator, list[str], list[str]], Mapping[str, Sequence[Row]]] | None = None
    info: Mapping[str, Any] = field(default_factory=dict)
    n_entries: int = 3
    n_sessions: int = 3
    bookings: bool = True


def drawn(rng: np.random.Generator, values: Values) -> Row:
    """One value a column; None means not known."""
    return {name: choices[int(rng.integers(len(choices)))] for name, choices in values.items()}


def draw(shape: Shape, rng: np.random.Generator) -> tuple[Screen | Limit, Facts]:
    """One rule with parameters, and one instance for it."""
    return shape.rules[int(rng.integers(len(shape.rules)))], draw_facts(shape, rng)


def draw_facts(shape: Shape, rng: np.random.Generator) -> Facts:
    """One instance of a shape."""
    entries = [f"e{number + 1}" for number in range(shape.n_entries)]
    sessions = [f"s{number + 1}" for number in range(shape.n_sessions)]
    tables = dict(shape.tables(rng, entries, sessions)) if shape.tables else {}
    if shape.bookings:
        tables["commitments"] = [*tables.get("commitments", ()), *bookings(rng, entries, sessions)]
    return make_facts(
        [drawn(rng, shape.patients) for _ in entries],
        [drawn(rng, shape.sessions) for _ in sessions],
        organisations=[{**row, **drawn(rng, shape.organisations)} for row in ORGANISATIONS],
        sites=[{**row, **drawn(rng, shape.sites)} for row in SITES],
        info=shape.info,
        **tables,
    )


def bookings(rng: np.random.Generator, entries: Sequence[str], sessions: Sequence[str]) -> list[Row]:
    """None to two bookings; now and then both for one entry, or one in a session that is gone."""
    places = [*sessions, *sessions, "gone"]
    return [
        {
            "entry_id": entries[int(rng.integers(len(entries)))],
            "session_id": places[int(rng.integers(len(places)))],
            "state": ("booked", "offered")[int(rng.integers(2))],
            "recorded_on": WHEN,
        }
        for _ in range(int(rng.integers(3)))
    ]


def declines(rng: np.random.Generator, entries: list[str], sessions: list[str]) -> Mapping[str, Sequence[Row]]:
    """Pairs and sites that were declined or refused, and some that were freed again."""
    values = {
        "entry_id": entries,
        "session_id": [*sessions, ""],
        "site_code": HOSTS,
        "state": ("declined", "host_refused", "cancelled"),
        "recorded_on": ("2026-01-05T09:00:00", WHEN),
    }
    return {"commitments": [drawn(rng, values) for _ in range(4)]}


def unavailability(rng: np.random.Generator, entries: list[str], sessions: list[str]) -> Mapping[str, Sequence[Row]]:
    """One to two days away."""
    spans = [(DAYS[0], DAYS[1]), (DAYS[1], DAYS[1]), (DAYS[2], DAYS[3])]
    away = [(entry, spans[int(rng.integers(len(spans)))]) for entry in entries[:2]]
    return {"unavailable": [{"entry_id": entry, "from": first, "to": last} for entry, (first, last) in away]}


def beds(rng: np.random.Generator, entries: list[str], sessions: list[str]) -> Mapping[str, Sequence[Row]]:
    """None to two beds on most of the nights; no row on the others."""
    rows = [
        {"site_code": site, "night": day, "bed_kind": kind, "spare_beds": int(rng.integers(3))}
        for site in HOSTS[:2]
        for day in DAYS
        for kind in ("ward", "hdu")
        if rng.random() < 0.8
    ]
    return {"beds": rows}


def pins(rng: np.random.Generator, entries: list[str], sessions: list[str]) -> Mapping[str, Sequence[Row]]:
    """Vetoes and, less often, pins; the later of two for one target wins."""
    values = {
        "entry_id": entries,
        "session_id": [*sessions, "", ""],
        "site_code": [*HOSTS[:2], ""],
        "action": ("never", "never", "must"),
        "who": ("Ann",),
        "reason": ("surgeon asked",),
        "recorded_on": ("2026-01-05T09:00:00", WHEN),
    }
    return {"overrides": [drawn(rng, values) for _ in range(int(rng.integers(1, 4)))]}


def journeys(rng: np.random.Generator, entries: list[str], sessions: list[str]) -> Mapping[str, Sequence[Row]]:
    """Journeys of one minute less, the same, one more than a limit; some are unknown."""
    rows = [
        {"home_area": area, "site_code": site, "travel_mode": mode, "minutes": int(rng.integers(29, 32))}
        for area in ("NEAR", "FAR")
        for site in HOSTS
        for mode in ("car", "public_transport")
        if rng.random() < 0.8
    ]
    return {"travel": rows}
