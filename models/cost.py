"""What a placement and an opening cost, in whole pence: arithmetic that spend and weighted share.

A case costs the price of the session; where the session has none, the tariff of the entry; where that is
not known either, the policy's default. A session with any placement also costs its opening.
Source: the NHS payment scheme pays a tariff that follows the procedure; prices of lists are local contracts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from allocator.allocation import Allocation
from allocator.instance import Array, Ints
from allocator.options import Facts, Options
from allocator.rows import Rows
from allocator.rule import Columns
from models.numbering import numbered


def pence(gbp: Array) -> Ints:
    """Whole pence of pounds."""
    whole: Ints = np.rint(np.asarray(gbp) * 100).astype(np.int64)
    return whole


def case_pence(options: Options, default_case_gbp: float) -> Ints:
    """Pence that each option costs, 0 where its entry does not count, shape (n_options,)."""
    price, tariff = options.of_session("case_price_gbp"), options.of_entry("tariff_gbp")
    gbp = np.where(np.isnan(price), np.where(np.isnan(tariff), default_case_gbp, tariff), price)
    return np.where(options.facts.standing.counted[options.entry], pence(gbp), 0)


def opening_pence(columns: Columns) -> Ints:
    """Pence that each opening costs, in the order of the openings, shape (n_openings,)."""
    return pence(columns.facts.instance.column("sessions", "opening_cost_gbp")[columns.opening_session])


def opening_columns(columns: Columns) -> Ints:
    """The columns of the openings, shape (n_openings,)."""
    return columns.opening_column[columns.opening_session]


def opening_rows(columns: Columns) -> Rows:
    """Whoever is placed in a session that costs an opening opens it: sum of x <= options of s * open[s].

    The minutes of the session say so more sharply; this row keeps the price true in a policy without them.
    """
    options, opening = columns.options, columns.opening_column
    costs = (columns.facts.instance.column("sessions", "opening_cost_gbp") > 0) & (opening >= 0)
    placed = np.flatnonzero(costs[options.session])
    sessions, row = numbered(options.session[placed])
    count = np.bincount(row)
    return Rows.of(
        columns.n,
        list(columns.facts.instance.column("sessions", "session_id")[sessions]),
        np.concatenate([row, np.arange(len(sessions))]),
        np.concatenate([placed, opening[sessions]]),
        np.concatenate([np.ones(len(placed), dtype=np.int64), -count]),
        upper=0,
    )


def case_pence_of(patient: Mapping[str, Any], session: Mapping[str, Any], default_case_gbp: float) -> int:
    """Pence of one placement, from its two rows."""
    for gbp in (session["case_price_gbp"], patient["tariff_gbp"]):
        if not math.isnan(gbp):
            price: int = round(gbp * 100)
            return price
    return round(default_case_gbp * 100)


def openings_in_pence(facts: Facts, allocation: Allocation) -> dict[str, int]:
    """session_id -> pence of its opening, for every session with a placement."""
    return {
        session_id: round(facts.instance.session[session_id]["opening_cost_gbp"] * 100)
        for session_id in allocation.of_session
    }
