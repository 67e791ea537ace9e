"""Random tiny instances with screens on their boundaries, their best plan by enumeration, and the case of that plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache

import numpy as np

from allocator.allocation import Allocation
from allocator.answer import Certificate
from allocator.certificate import SCALE
from allocator.errors import ContradictionError
from allocator.instance import Ints
from allocator.options import Facts
from allocator.policy import Policy
from allocator.solve.construct import construct
from allocator.why.case import Case, case_of
from tests.contract.shapes import DAYS, Row, Shape, beds, draw_facts
from tests.solve import tiny


def tables(rng: np.random.Generator, entries: list[str], sessions: list[str]) -> Mapping[str, Sequence[Row]]:
    """Beds, journeys of 25 to 40 minutes away from home, one time away, one refusal."""
    travel = [
        {"home_area": "HOME", "site_code": site, "travel_mode": "car", "minutes": minutes}
        for site, minutes in (("RAA01", 10), ("RBB01", int(rng.integers(25, 41))), ("NCC01", int(rng.integers(25, 41))))
    ]
    away = [{"entry_id": entries[0], "from": DAYS[0], "to": DAYS[int(rng.integers(3))]}][: int(rng.integers(2))]
    refused = [
        {
            "entry_id": entries[-1],
            "session_id": sessions[int(rng.integers(len(sessions)))],
            "state": ("declined", "host_refused")[int(rng.integers(2))],
            "recorded_on": "2026-01-05T09:00:00",
        }
    ]
    return {**beds(rng, entries, sessions), "travel": travel, "unavailable": away, "commitments": refused}


SHAPE = Shape(
    (),
    {
        "home_provider": ("RAA", "RBB"),
        "clinical_priority": ("P2", "P3", "P4"),
        "clock_start": ("2024-11-01", "2025-03-12", "2025-12-17"),
        "expected_minutes": (60, 75, 90),
        "overnight_stays": (0, 0, 0, 1),
        "bmi": (*[25] * 5, 41, None),
        "needs": (*[""] * 5, "ga"),
        "max_travel_minutes": (None, None, None, 30, 35, 20),
        "earliest_date": (*[None] * 5, DAYS[1], DAYS[2]),
        "min_notice_days": (*[None] * 5, 37, 39),
        "transfer_consent": (*["yes"] * 5, "no"),
        "poa_valid_until": (*[None] * 5, DAYS[0]),
    },
    {
        "site_code": ("RAA01", "RBB01", "NCC01"),
        "date": DAYS[:3],
        "minutes": (90, 90, 150),
        "max_cases": (None, None, 2),
        "min_cases": (None, None, None, None, 2),
    },
    sites={"max_bmi": (None, 40), "provides": ("", "ga"), "lead_days": (None, None, None, 38)},
    tables=tables,
    info={"horizon_start": DAYS[0], "horizon_end": DAYS[4], "reporting_dates": (DAYS[2],)},
    n_entries=4,
    n_sessions=2,
)


def shut(rng: np.random.Generator, entries: list[str], sessions: list[str]) -> Mapping[str, Sequence[Row]]:
    """Beds that are short by a night or two."""
    found = dict(tables(rng, entries, sessions))
    nights = [row for row in found["beds"] if row["bed_kind"] == "ward"]
    return {**found, "beds": [{**row, "spare_beds": int(rng.integers(2))} for row in nights]}


LONGER_STAYS = replace(
    SHAPE,
    patients={
        **SHAPE.patients,
        "overnight_stays": (0, 2, 2),
        "needs": ("", "", "ga;xray"),
        "max_travel_minutes": (40,),
    },
    organisations={"max_outgoing": (None, 0, 1), "max_incoming": (None, 0, 1)},
    tables=shut,
)
"""Changes of more than one cell: two nights, two needs, a sender and a host that both are at what they agreed to."""


def no_prices(n_goals: int, n_rows: int) -> Certificate:
    """A certificate that proves nothing."""
    nothing = np.zeros(n_goals, dtype=bool)
    prices = np.zeros((n_goals, n_rows + n_goals), dtype=np.int64)
    return Certificate(SCALE, prices, np.zeros((n_goals, n_goals), dtype=np.int64), nothing, nothing)


def planned(case: tiny.Case, certificate: Certificate | None = None) -> Case:
    """The best plan of an enumerated case, as a run would leave it."""
    model = case.formulation
    best: Ints = case.plans[max(range(len(case.merits)), key=case.merits.__getitem__)]
    allocation = Allocation.from_options(model.options, best[: model.n_options].astype(bool))
    return case_of(case.facts, case.policy, allocation, certificate or no_prices(len(model.goals), model.n_rows))


def greedy(facts: Facts) -> Case:
    """A plan made without looking at all of them."""
    case = tiny.case_of(facts, tiny.DAILY)
    model = case.formulation
    allocation = Allocation.from_options(model.options, construct(model))
    return case_of(facts, case.policy, allocation, no_prices(len(model.goals), model.n_rows))


def enumerated(facts: Facts, policy: Policy = tiny.DAILY) -> tiny.Case | None:
    """Every plan of these tables; None where there are too many to enumerate, or pins contradict."""
    try:
        case = tiny.case_of(facts, policy)
    except ContradictionError:
        return None
    return case if (~case.formulation.options.fixed).sum() <= tiny.MAX_PAIRS else None


@cache
def cases(first: int, stop: int) -> tuple[Case, ...]:
    """The best plans of these seeds that leave somebody without a place."""
    return cases_of(SHAPE, first, stop)


def cases_of(shape: Shape, first: int, stop: int) -> tuple[Case, ...]:
    """The same of another shape."""
    found = []
    for seed in range(first, stop):
        case = enumerated(draw_facts(shape, np.random.default_rng(seed)))
        if case is not None and len(case.plans):
            run = planned(case)
            found += [run] if run.unplaced() else []
    return tuple(found)
