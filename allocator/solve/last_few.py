"""last_few: the last few people whom a goal could still gain, placed exactly: moves by chance may miss one of four.

Everybody in a session where one of them could go is chosen anew with them, by an exact solver, the goals before held;
the others keep their places.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from allocator.backends.problem import Budget
from allocator.backends.process import Worker
from allocator.formulation import Model
from allocator.instance import Bools, Ints
from allocator.solve.construct import option_gain
from allocator.solve.improve import move, prepare
from allocator.solve.plan import Plan

FEW = 12
"""People."""
MOST_OPTIONS = 20_000
"""Options that are chosen anew at most; whoever shares fewest sessions with the few keeps their place first."""


def place_last_few(plan: Plan, held: Sequence[int], budget: Budget, worker: Worker) -> None:
    """Place those few whom goal len(held) would gain by and who have no place; nothing where there are more."""
    model = plan.model
    gaining = option_gain(model, len(held)) > 0
    missing = np.setdiff1d(model.entry[gaining], model.entry[plan.chosen])
    free = chosen_anew(model, plan.chosen, gaining, missing) if 0 < len(missing) <= FEW else missing[:0]
    if not 0 < len(free) <= MOST_OPTIONS:
        return
    columns = move(prepare(model, held), plan.columns, free, budget, worker)
    if columns is not None:
        plan.offer(columns, held)


def chosen_anew(model: Model, chosen: Bools, gaining: Bools, missing: Ints) -> Ints:
    """Numbers of the options of these entries, and of those in sessions where they could go."""
    theirs = np.isin(model.entry, missing)
    wanted = np.bincount(model.session[theirs & gaining], minlength=model.n_sessions)
    in_the_way = np.flatnonzero(chosen & (wanted[model.session] > 0) & ~model.fixed)
    in_the_way = in_the_way[np.argsort(-wanted[model.session[in_the_way]], kind="stable")]
    size = np.bincount(model.entry, minlength=model.n_entries)
    room = MOST_OPTIONS - int(theirs.sum())
    moved = model.entry[in_the_way[np.cumsum(size[model.entry[in_the_way]]) <= room]]
    return np.flatnonzero((theirs | np.isin(model.entry, moved)) & ~model.fixed)
