"""What screens share: text columns as small numbers, and the sentences of their reasons.

Screens look at millions of pairs, so whatever is text is turned into one whole number a distinct value
first, and Python works once a distinct value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from allocator.change import Change, Edit, Miss
from allocator.instance import Array, Bools, Floats, Instance, Ints
from allocator.options import Facts


def codes_of(values: Array) -> tuple[Ints, list[str]]:
    """Text values (n,) as codes (n,) and the distinct values that the codes stand for."""
    codes, distinct = pd.factorize(values)
    return np.asarray(codes, dtype=np.int64), [str(value) for value in distinct]


def tags_of(cell: str) -> frozenset[str]:
    """The tags of one cell, separated by semicolons, blanks around them dropped."""
    return frozenset(tag.strip() for tag in cell.split(";") if tag.strip())


def flag_numbers(values: Array) -> Floats:
    """Flags (n,) that may be unknown as 1 (true), 0 (false) or NaN (unknown)."""
    unknown = np.asarray(pd.isna(values))
    numbers: Floats = np.where(unknown, False, values).astype(np.float64)
    numbers[unknown] = np.nan
    return numbers


def within(values: Floats, lowest: float, highest: float, trusting: bool) -> Bools:
    """(n,) lowest <= value <= highest; NaN is no limit, and an unknown value fits who is trusting."""
    fits = np.ones(len(values), dtype=bool)
    if not np.isnan(highest):
        fits &= values <= highest
    if not np.isnan(lowest):
        fits &= values >= lowest
    return fits | np.isnan(values) if trusting else fits


def sessions_of_entry(facts: Facts, entry_id: str) -> tuple[str, ...]:
    """session_id of every session for the kind of care and the service of an entry."""
    patient = facts.instance.patient[entry_id]
    return facts.instance.sessions_of_service.get((patient["care_kind"], patient["service_code"]), ())


def share_of(part: int, whole: int, singular: str = "is", plural: str = "are") -> str:
    """Subject and verb of a reason: "All 5 sessions of this service are", "1 of 5 ... is"."""
    if whole == 1:
        return f"The only session of this service {singular}"
    if part == whole:
        return f"{'Both' if whole == 2 else f'All {whole}'} sessions of this service {plural}"
    return f"{part} of the {whole} sessions of this service {singular if part == 1 else plural}"


def no_session(whole: int, problem: str) -> str:
    """The reason where no session of the service breaks the rule; `problem` finishes the sentence."""
    return "There is no session of this service." if whole == 0 else f"No session of this service {problem}."


def latest_commitments(instance: Instance) -> dict[tuple[str, str, str], tuple[str, Any]]:
    """(entry_id, session_id, site_code) -> (state, expires_on) of the row recorded last, for checks.

    site_code is "" where a session is named; rows of the same moment count in the order of the file.
    """
    names = ("recorded_on", "entry_id", "session_id", "site_code", "state", "expires_on")
    rows = zip(*(instance.column("commitments", name) for name in names), strict=True)
    latest = {}
    for _, entry_id, session_id, site_code, state, expires_on in sorted(rows, key=lambda row: row[0]):
        latest[entry_id, session_id, "" if session_id else site_code] = (state, expires_on)
    return latest


class Obstacle(NamedTuple):
    """Something about the patient that a host does not take, and the cells of one row that would mend it.

    wish goes on from "if"; table says whose row it is.
    """

    words: str
    wish: str
    table: str
    cells: Mapping[str, Any]


def not_taken(lead: str, obstacles: Sequence[Obstacle], keys: Mapping[str, Mapping[str, Any]]) -> Miss:
    """The miss of a pair with these obstacles; a change where one alone is in the way. `keys` say the row by table."""
    words = f"{lead}: {'; '.join(obstacle.words for obstacle in obstacles)}"
    if len(obstacles) > 1:
        return Miss(words)
    (obstacle,) = obstacles
    edit = Edit(obstacle.table, keys[obstacle.table], obstacle.cells)
    return Miss(words, change=Change("acceptance", 1, obstacle.wish, (edit,)))
