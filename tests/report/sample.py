"""A run made without a solver: real tables, options, audit and baseline; the plan and the bounds by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from allocator import schema
from allocator.allocation import Allocation
from allocator.answer import Certificate, GoalResult, Limits, Memory, Run, TracePoint, Unplaced
from allocator.audit import audit
from allocator.baseline import baseline
from allocator.ending import Ending
from allocator.explain import explain_sessions, obstacles_to
from allocator.formulation import formulate
from allocator.instance import Instance
from allocator.intake import Intake
from allocator.options import Facts, Options, build_options
from allocator.policy import Policy
from allocator.rule import Goal, closed_sessions, find_conflicts
from models.daily import DAILY
from tests.build import make_facts

PATIENTS: Sequence[Mapping[str, Any]] = (
    {"clock_start": "2024-12-01", "imd_quintile": 1, "procedure_code": "W40", "laterality": "left"},
    {"clock_start": "2025-06-01", "home_provider": "RBB", "transfer_consent": "not_asked"},
    {"clinical_priority": "P2", "first_prioritised_on": "2026-01-26", "imd_quintile": None},
    {"patient_id": "9434765919", "transfer_consent": ""},
    {"imd_quintile": 5},
    {"imd_quintile": 5},
    {"expected_minutes": 90},
    {"service_code": "130"},
    {"held": True},
    {},
)
"""e5 is booked, e6 has a booking in a session that is gone, e9 is held and keeps its room, e10 was treated."""

SESSIONS: Sequence[Mapping[str, Any]] = (
    {"minutes": 180, "date": "2026-03-10", "start_time": "08:30", "team": "=cmd|' /C calc'!A0"},
    {"site_code": "RBB01", "minutes": 300, "date": "2026-03-03", "book_by": "2026-02-06"},
    {"site_code": "NCC01", "minutes": 180, "date": "2026-02-12"},
    {"service_code": "502"},
)
COMMITMENTS: Sequence[Mapping[str, Any]] = (
    {"entry_id": "e1", "session_id": "s2", "state": "proposed", "recorded_on": "2026-02-01"},
    {"entry_id": "e5", "session_id": "s1", "state": "booked", "recorded_on": "2026-01-20"},
    {"entry_id": "e6", "session_id": "gone", "state": "booked", "recorded_on": "2026-01-20"},
    {"entry_id": "e9", "session_id": "s2", "state": "booked", "recorded_on": "2026-01-20"},
    {"entry_id": "e10", "session_id": "s1", "state": "treated", "recorded_on": "2026-01-20"},
)
PLAN: Mapping[str, str] = {"e1": "s2", "e2": "s1", "e3": "s2"}
REASONS: Mapping[str, str] = {"e4": "no_consent", "e7": "lists_full", "e8": "no_session", "e10": "treated"}


def sample_facts(**changes: Any) -> Facts:
    """The instance of the sample; `changes` replace patients, sessions, commitments or info."""
    given: dict[str, Any] = {
        "patients": PATIENTS,
        "sessions": SESSIONS,
        "commitments": COMMITMENTS,
        "info": {"synthetic": True, "sources": ("Published figures",)},
    } | changes
    return make_facts(given.pop("patients"), given.pop("sessions"), **given)


def sample_intake(instance: Instance) -> Intake:
    """Two refused rows of patients, of which one is an emergency; one value blanked."""
    columns = ["table", "row", "column", "value", "problem", "hint", "effect"]
    rows = [
        ("patients", 12, "clinical_priority", "P1a", "an emergency priority", "Act today.", "row_refused"),
        ("patients", 13, "expected_minutes", "-5", "below 1", "Maybe 5.", "row_refused"),
        ("patients", 4, "bmi", "=1+1", "not a number", "Maybe 25.", "value_blanked"),
        ("patients", 9, "requires_entry_id", "zz", "no such entry", "Maybe e1.", "entry_held"),
    ]
    read = {table.name: len(instance.frames[table.name]) for table in schema.TABLES}
    return Intake(
        instance,
        pd.DataFrame(rows, columns=columns),
        ("The column surgeon is not known and was left alone.",),
        pd.DataFrame([("e11", "RAA", "P1a")], columns=["entry_id", "home_provider", "priority"]),
        read | {"patients": read["patients"] + 2},
        read,
    )


@cache
def usual_run() -> Run:
    """The sample run as it stands, made once."""
    return sample_run()


def sample_run(
    facts: Facts | None = None,
    plan: Mapping[str, str] = PLAN,
    reasons: Mapping[str, str] = REASONS,
    policy: Policy = DAILY,
) -> Run:
    """A run whose plan is `plan` (entry_id -> session_id) and whose reasons are `reasons`."""
    facts = facts or sample_facts()
    conflicts = find_conflicts(policy.limits, facts)
    options = build_options(facts, policy.screens, closed_sessions(facts, conflicts))
    return run_of(options, policy, chosen_options(options, plan), reasons)


def chosen_options(options: Options, plan: Mapping[str, str]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """(n_options,) is the option in the plan; fixed ones always are."""
    column = options.instance.column
    pairs = zip(
        column("patients", "entry_id")[options.entry], column("sessions", "session_id")[options.session], strict=True
    )
    return np.array([plan.get(entry) == session for entry, session in pairs], dtype=bool) | options.fixed


def run_of(options: Options, policy: Policy, chosen: np.ndarray[Any, Any], reasons: Mapping[str, str]) -> Run:
    """The run of chosen options; goals are scored, bounds invented, and audited like any other."""
    facts = options.facts
    conflicts = find_conflicts(policy.limits, facts)
    formulation = formulate(options, policy)
    allocation = Allocation.from_options(options, chosen)
    by_hand = baseline(formulation)
    goals = tuple(
        GoalResult(
            label=vector.label,
            name=goal.name,
            sense=goal.sense,
            unit=goal.unit,
            tolerance=goal.tolerance,
            value=goal.score(facts, allocation),
            base=vector.base,
            solver_bound=beyond(goal, goal.score(facts, allocation), number % 3),
            certified_bound=None if number % 4 == 3 else beyond(goal, goal.score(facts, allocation), number % 2 * 10),
            ending=Ending.OPTIMAL,
            seconds=0.25,
        )
        for number, (goal, vector) in enumerate(zip(policy.ordered_goals, formulation.goals, strict=True))
    )
    return Run(
        facts=facts,
        policy=policy,
        limits=Limits(seconds=10, work=100),
        allocation=allocation,
        goals=goals,
        baseline=by_hand,
        baseline_scores={goal.label: goal.score(facts, by_hand) for goal in policy.ordered_goals},
        audit=audit(facts, policy, allocation, goals, conflicts),
        unplaced=tuple(Unplaced(entry, code, f"Because of {code}.") for entry, code in reasons.items()),
        conflicts=conflicts,
        ending=Ending.OPTIMAL,
        certificate=Certificate(
            1000,
            np.arange(6, dtype=np.int64).reshape(2, 3),
            np.array([4, 5], dtype=np.int64),
            np.array([1, 0], dtype=np.int64),
            np.array([0, 1], dtype=np.int64),
        ),
        memory=Memory(()),
        trace=(TracePoint(0.5, goals[0].label, 3, None), TracePoint(1.25, goals[0].label, 2, 2)),
        entries_with_option=options.entries_with_option,
        n_options=len(options),
        seconds={"options": 0.1, "solve": 1.5},
        kept_out=explain_sessions(obstacles_to(formulation, allocation), policy),
    )


def beyond(goal: Goal, value: int, distance: int) -> int:
    """A bound that a value has not reached."""
    return value + distance if goal.sense == "max" else value - distance


def greedy_run(instance: Instance, policy: Policy = DAILY) -> Run:
    """A run over any instance: the baseline made again with the services in another order stands in as the plan."""
    facts = Facts(instance)
    conflicts = find_conflicts(policy.limits, facts)
    options = build_options(facts, policy.screens, closed_sessions(facts, conflicts))
    plan = baseline(formulate(options, policy))
    chosen = chosen_options(options, {place.entry_id: place.session_id for place in plan.placements})
    left = set(instance.column("patients", "entry_id")[facts.standing.waiting]) - set(plan.of_entry)
    codes = ("no_session_near", "lists_full", "no_consent", "site_does_not_accept")
    return run_of(options, policy, chosen, {entry: codes[len(entry) % 4] for entry in sorted(left)})
