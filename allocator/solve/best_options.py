"""best_options: a few options of each entry that stand for all of them, at given prices.

For parts of a model that is too large to be worked on as a whole: one of each kind of session where prices are
corrected, and those nearest the best where a plan is improved.
"""

from __future__ import annotations

import numpy as np

from allocator.certificate import reduced_prices
from allocator.compiled import compiled
from allocator.formulation import Model
from allocator.instance import Array, Bools, Floats, Ints
from allocator.solve.construct import own_gains
from allocator.solve.improve import losses_of_options
from allocator.solve.large import moved_goals

NEAR_THE_BEST = 3.0
"""In usual gains: kinds of session that lose more against an entry's best have no part in a correction."""
SHOWS_LIKENESS = 4
"""Of so many entries one shows which rows are alike."""


def usual_gain(model: Model, k: int) -> float:
    """What a placement usually gains on goal k, or a column costs."""
    size = np.abs(model.goals[k].values)
    return float(np.median(size[size > 0]))


def best_of_kinds(model: Model, prices: dict[int, Floats]) -> Bools:
    """(n_options,) the best of every entry in like sessions, by each goal's prices; for some entries one more of each.

    The best alone would not show which rows are alike.
    """
    best = np.zeros(model.n_options, dtype=bool)
    for k in moved_goals(model):
        near = NEAR_THE_BEST * usual_gain(model, k)
        reduced = reduced_prices(model, own_gains(model, k), prices[k])[: model.n_options]
        _mark_best(model.entry, model.session, model.alike, reduced, near, best)
    _mark_others(model.entry, model.session, model.alike, best)
    return best


def least_losses(model: Model, prices: dict[int, Floats]) -> Array:
    """(n_options,) float32: what each loses against the best of its entry, in usual gains of the goal where least."""
    least = np.full(model.n_options, np.inf, dtype=np.float32)
    for k in moved_goals(model):
        losses = losses_of_options(model, own_gains(model, k), prices[k])
        least = np.minimum(least, losses / usual_gain(model, k), dtype=np.float32)
    return least


def least(loss: Array, most: int) -> Bools:
    """(n_options,) the `most` options that lose least, with all that lose as much as the last of them."""
    if len(loss) <= most:
        return np.ones(len(loss), dtype=bool)
    return np.asarray(loss <= np.partition(loss, most)[most])


@compiled
def _mark_best(entry: Array, session: Array, alike: Ints, reduced: Floats, near: float, best: Bools) -> None:
    """Mark the best option of each entry in each kind of session, unless it loses more than `near` against its best."""
    found = np.full(alike.max() + 1, -1, dtype=np.int64)
    option = 0
    while option < len(entry):
        first, most = option, 0.0
        while option < len(entry) and entry[option] == entry[first]:
            kind = alike[session[option]]
            if found[kind] < first or reduced[option] > reduced[found[kind]]:
                found[kind] = option
            most = max(most, reduced[option])
            option += 1
        for other in range(first, option):
            if found[alike[session[other]]] == other and reduced[other] >= most - near:
                best[other] = True


@compiled
def _mark_others(entry: Array, session: Array, alike: Ints, best: Bools) -> None:
    """Of every so many entries mark one more option in each kind of session that has a mark, each time another."""
    n_kinds = alike.max() + 1
    marked, count, seen = np.full(n_kinds, -1), np.zeros(n_kinds, np.int64), np.zeros(n_kinds, np.int64)
    option = 0
    while option < len(entry):
        first = option
        while option < len(entry) and entry[option] == entry[first]:
            kind = alike[session[option]]
            count[kind], seen[kind] = 0, 0
            option += 1
        if entry[first] % SHOWS_LIKENESS:
            continue
        for other in range(first, option):
            kind = alike[session[other]]
            if best[other]:
                marked[kind] = first
            else:
                count[kind] += 1
        for other in range(first, option):
            kind = alike[session[other]]
            if marked[kind] == first and not best[other]:
                best[other] = seen[kind] == (entry[first] // SHOWS_LIKENESS) % count[kind]
                seen[kind] += 1
