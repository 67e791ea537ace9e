"""The whole problem as a plain PuLP model, written to be read as the specification.

Start here, then `screens.py` (who may go where), `limits.py` (what fits together), `goals.py` (what is
wanted) and `reading.py` (the tables). Loops over entries and sessions, nothing of the engine's options,
columns or rows; every parameter comes from the policy. It is slow and small on purpose: every backend is
compared with it, goal by goal, on every small instance.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import pulp

from allocator.errors import ContradictionError
from allocator.instance import Instance
from allocator.policy import Policy
from tests.specification.goals import GOALS
from tests.specification.limits import LIMITS, Model, nights_away
from tests.specification.reading import Case, Pair, read
from tests.specification.screens import SCREENS


def specified(instance: Instance, policy: Policy) -> list[tuple[str, int]]:
    """The best value of every goal in order, each with the goals before it held.

    Raises ContradictionError where no plan keeps every rule (pins that cannot be kept).
    """
    model = build(read(instance), policy)
    found = []
    for goal in policy.ordered_goals:
        wanted = GOALS[goal.name](model, goal)
        value = best(model, wanted, goal.sense)
        found.append((goal.label, value))
        # Later goals may spend a share of the value, constants and what is fixed left out.
        base = round(wanted.constant + sum(each * variable.lowBound for variable, each in wanted.items()))
        room = math.floor(Fraction(str(goal.tolerance)) * abs(value - base))
        if len(wanted):
            model.problem += wanted <= value + room if goal.sense == "min" else wanted >= value - room
    return found


def allowed_pairs(case: Case, policy: Policy) -> list[Pair]:
    """What is fixed, and every pair of an entry that waits and an open session that all screens allow."""
    closed = closed_sessions(case, policy)
    return [
        (e, s)
        for e in case.entries
        for s in case.sessions
        if (e, s) in case.fixed
        or (
            e in case.waiting
            and s not in closed
            and all(SCREENS[rule.name](case, rule, e, s) for rule in policy.screens)
        )
    ]


def build(case: Case, policy: Policy) -> Model:
    """x for every allowed pair, 1 where fixed; openings; all limits."""
    model = Model(case, pulp.LpProblem("specification", pulp.LpMinimize))
    for number, pair in enumerate(allowed_pairs(case, policy)):
        is_fixed = pair in case.fixed
        model.x[pair] = model.problem.add_variable(f"x_{number}", int(is_fixed), 1, cat="Integer")
    for s, session in case.sessions.items():
        if model.of_session(s) and (session["min_cases"] > 0 or session["opening_cost_gbp"] > 0):
            is_open = any(pair in case.fixed for pair in model.of_session(s))
            model.opened[s] = model.problem.add_variable(f"open_{len(model.opened)}", int(is_open), 1, cat="Integer")
    for rule in policy.limits:
        LIMITS[rule.name](model, rule)
    return model


def closed_sessions(case: Case, policy: Policy) -> set[str]:
    """Sessions whose fixed places do not fit what is physically there: minutes, cases, beds. No one new."""
    rules = {rule.name: rule for rule in policy.limits}
    closed = set()
    for s, session in case.sessions.items():
        booked = [e for e, t in case.fixed if t == s]
        minutes = sum(case.entries[e]["expected_minutes"] + session["turnaround_minutes"] for e in booked)
        too_long = minutes - session["turnaround_minutes"] > session["minutes"]
        too_many = session["max_cases"] is not None and session["host_cases"] + len(booked) > session["max_cases"]
        if booked and (("session_minutes" in rules and too_long) or ("session_cases" in rules and too_many)):
            closed.add(s)
    if "overnight_beds" in rules:
        stays = [(night, s) for e, s in case.fixed for night in nights_away(case, rules["overnight_beds"], e, s)]
        for night, s in stays:
            if sum(other == night for other, _ in stays) > case.beds.get(night, 0):
                closed.add(s)
    return closed


def best(model: Model, wanted: Any, sense: str) -> int:
    """The best value of one goal under everything said so far."""
    if not len(wanted):
        return round(wanted.constant)
    model.problem.sense = pulp.LpMinimize if sense == "min" else pulp.LpMaximize
    model.problem.setObjective(wanted)
    program = pulp.PULP_CBC_CMD.pulp_cbc_path
    try:
        # Its preprocessing loses plans; without it, it breaks down on some problems that have none (decision 0043).
        model.problem.solve(pulp.COIN_CMD(path=program, msg=False, gapRel=0, gapAbs=0, options=["preprocess off"]))
    except pulp.PulpSolverError:
        model.problem.solve(pulp.COIN_CMD(path=program, msg=False, gapRel=0, gapAbs=0))
        assert model.problem.status == pulp.LpStatusInfeasible
    # "Integer infeasible" of CBC has no sol_status of its own in PuLP.
    if model.problem.status == pulp.LpStatusInfeasible:
        raise ContradictionError("No plan keeps every rule.")
    assert model.problem.sol_status == pulp.LpSolutionOptimal, pulp.LpSolution[model.problem.sol_status]
    return round(wanted.constant + sum(each * round(variable.varValue) for variable, each in wanted.items()))
