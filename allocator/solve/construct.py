"""construct: a plan that keeps every row, from the first second.

Greedy over entries in the order of what their best option does for the goals, most important first;
each takes its best option that every row still allows. Lists that stay too short to open are emptied,
and their people placed elsewhere.
"""

from __future__ import annotations

import numpy as np

from allocator.formulation import Formulation
from allocator.instance import Bools, Ints
from allocator.solve.loader import Loader

PASSES = 4


def option_rank(formulation: Formulation) -> Ints:
    """Rank of every option by its gains, goal after goal; 0 is best, shape (n_options,)."""
    n_options = len(formulation.options)
    gains = [(goal.values if goal.sense == "min" else -goal.values)[:n_options] for goal in reversed(formulation.goals)]
    order = np.lexsort([np.arange(n_options), *gains])
    rank = np.empty(n_options, dtype=np.int64)
    rank[order] = np.arange(n_options)
    return rank


def construct(formulation: Formulation) -> Bools:
    """Options chosen (n_options,), fixed ones included."""
    return load(formulation, option_rank(formulation))


def load(formulation: Formulation, rank: Ints) -> Bools:
    """Options chosen when everybody takes, in order of rank, the best option that rows allow."""
    options = formulation.options
    loader = Loader(formulation)
    _, starts = np.unique(options.entry, return_index=True)
    stops = np.append(starts[1:], len(options))
    best = np.minimum.reduceat(rank, starts) if len(starts) else rank
    barred = np.zeros(len(options), dtype=bool)
    for _ in range(PASSES):
        added = False
        for position in np.argsort(best, kind="stable"):
            first, stop = int(starts[position]), int(stops[position])
            if loader.chosen[first:stop].any():
                continue
            free = np.flatnonzero(loader.addable(first, stop) & ~barred[first:stop])
            if len(free):
                loader.add(first + int(free[np.argmin(rank[first + free])]))
                added = True
        short = loader.short_sessions()
        if not short and not added:
            break
        for option in np.flatnonzero(loader.chosen & np.isin(options.session, list(short))):
            loader.remove(int(option))
        barred |= np.isin(options.session, list(short))
    return close_short(loader)


def close_short(loader: Loader) -> Bools:
    """Empty the lists that are still too short to open; the plan that is left."""
    options = loader.formulation.options
    short = loader.short_sessions()
    for option in np.flatnonzero(loader.chosen & ~options.fixed & np.isin(options.session, list(short))):
        loader.remove(int(option))
    return loader.chosen.copy()
