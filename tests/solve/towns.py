"""Towns with a few people who could go to either, whose best plan an exact solver proves; and a small city."""

from __future__ import annotations

from functools import cache

import numpy as np

from allocator.formulation import Formulation, Model, formulate
from allocator.options import Facts, build_options
from allocator.policy import Policy
from benchmarks.sketch import sketch_instance, sketch_policy
from tests.models_of_arrays import RowList, model_of

ENTRIES, SESSIONS = 24, 4
"""In each town."""


def two_towns(seed: int = 0, crossing: int = 4) -> Model:
    """Every entry could go to all sessions of its town; the first `crossing` of the first town to the other as well.

    Rows: one place each, minutes of each session, a budget over everybody, a share of the first town over groups.
    The first town has little room.
    """
    rng = np.random.default_rng(seed)
    pairs = [
        (entry, session)
        for entry in range(2 * ENTRIES)
        for session in range(2 * SESSIONS)
        if entry // ENTRIES == session // SESSIONS or entry < crossing
    ]
    minutes = rng.integers(2, 6, 2 * ENTRIES)
    found = RowList()
    for entry in range(2 * ENTRIES):
        found.add([(option, 1) for option, (of, _) in enumerate(pairs) if of == entry], upper=1)
    for session in range(2 * SESSIONS):
        own = [(option, int(minutes[of])) for option, (of, at) in enumerate(pairs) if at == session]
        found.add(own, upper=8 if session < SESSIONS else 30)
    found.add([(option, 1 + option % 3) for option in range(len(pairs))], upper=70)
    found.add([], lower=-20, upper=20, weights=[(0, 2), (1, -1)])
    members = [(entry // ENTRIES, option) for option, (entry, _) in enumerate(pairs)]
    gains = rng.integers(5, 40, 2 * ENTRIES)
    values = [[int(gains[entry]) for entry, _ in pairs]]
    rows = found.rows(len(pairs), members)
    return model_of(pairs, 2 * SESSIONS, rows, values, n_one_place=2 * ENTRIES)


def four_towns() -> Model:
    """Four towns in a ring with two people of each who could go on to the next, and budgets over everybody."""
    pairs = [
        (entry, session)
        for entry in range(4 * ENTRIES)
        for session in range(4 * SESSIONS)
        if entry // ENTRIES == session // SESSIONS
        or (entry % ENTRIES < 2 and (entry // ENTRIES + 1) % 4 == session // SESSIONS and session % SESSIONS == 0)
    ]
    found = RowList()
    for entry in range(4 * ENTRIES):
        found.add([(option, 1) for option, (of, _) in enumerate(pairs) if of == entry], upper=1)
    for paid in range(3):
        found.add([(option, 1 + option % (2 + paid)) for option in range(len(pairs))], upper=70)
    rows = found.rows(len(pairs))
    return model_of(pairs, 4 * SESSIONS, rows, [[1] * len(pairs)], n_one_place=4 * ENTRIES)


@cache
def city() -> tuple[Facts, Policy, Formulation]:
    """S of the sketch, seed 1: beds, flows, a budget and equity over everybody."""
    instance = sketch_instance("S", 1)
    facts, policy = Facts(instance), sketch_policy(instance)
    return facts, policy, formulate(build_options(facts, policy.screens), policy)


def border_trust() -> Model:
    """Two towns, and one session more: of a trust of the first, whose six people could also go to a session of theirs.

    Twelve people of the second could go there as well. Groups: the people of each town, and those of the trust.
    """
    trust, last = range(2 * ENTRIES, 2 * ENTRIES + 6), 2 * SESSIONS
    pairs = [
        (entry, session)
        for entry in range(2 * ENTRIES)
        for session in range(2 * SESSIONS + 1)
        if entry // ENTRIES == session // SESSIONS or (session == last and ENTRIES <= entry < ENTRIES + 12)
    ]
    pairs += [(entry, session) for entry in trust for session in (0, last)]
    found = RowList()
    for entry in range(trust.stop):
        found.add([(option, 1) for option, (of, _) in enumerate(pairs) if of == entry], upper=1)
    for group in range(3):
        found.add([], upper=20, weights=[(group, 1)])
    of_second = {option for option, (entry, _) in enumerate(pairs) if ENTRIES <= entry < 2 * ENTRIES}
    members = [(1 if option in of_second else 0, option) for option in range(len(pairs))]
    members += [(2, option) for option, (entry, _) in enumerate(pairs) if entry in trust]
    rows = found.rows(len(pairs), members)
    return model_of(pairs, last + 1, rows, [[1] * len(pairs)], n_one_place=trust.stop)
