"""construct: a plan that keeps every row, from the first second.

Greedy over entries in the order of what their best option does for the goals, most important first;
each takes its best option that every row still allows. Lists that stay too short to open are emptied,
and their people placed elsewhere.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from allocator.certificate import sign_of
from allocator.formulation import Model
from allocator.instance import Bools, Floats, Ints
from allocator.options import spans_of
from allocator.solve.loader import Loader, complete

PASSES = 4


def option_rank(model: Model) -> Ints:
    """Rank of every option by its gains, goal after goal; 0 is best, shape (n_options,)."""
    n_options = model.n_options
    gains = [(goal.values if goal.sense == "min" else -goal.values)[:n_options] for goal in reversed(model.goals)]
    order = np.lexsort([np.arange(n_options), *gains])
    rank = np.empty(n_options, dtype=np.int64)
    rank[order] = np.arange(n_options)
    return rank


def construct(model: Model, rank: Ints | None = None, begun: Bools | None = None) -> Bools:
    """Options chosen (n_options,), fixed ones included, taken in order of `rank` (by gains if not given).

    `begun` are placements to build upon. Pins come first: an entry that a row demands takes only what the
    row asks for, before everybody else.
    """
    rank = option_rank(model) if rank is None else rank
    entry = model.entry
    pinned = np.zeros(model.n_entries, dtype=bool)
    pinned[entry[asked_for(model)]] = True
    first = np.where(pinned[entry], rank - len(rank), rank)
    return load(model, first, only_pins_of_the_pinned(model), begun)


def and_the_others(model: Model, chosen: Bools, before: Bools) -> Ints:
    """Columns of these placements, and whom they leave out as they were before where that fits, or anywhere.

    Both (n_options,). Who is best for one goal leaves out whom it does not concern, and the goals after it with them.
    """
    rank = option_rank(model)
    rank[before] -= model.n_options
    return complete(model, construct(model, rank, chosen))


def own_gains(model: Model, k: int) -> Floats:
    """(n_columns,) one goal in its own units, larger is better."""
    return (sign_of(model, k) * model.goals[k].values).astype(np.float64)


def option_gain(model: Model, k: int) -> Ints:
    """What each option does for goal k, larger is better, (n_options,)."""
    gain: Ints = sign_of(model, k) * model.goals[k].values[: model.n_options]
    return gain


def only_pins_of_the_pinned(model: Model) -> Bools:
    """(n_options,) may be used: everything, but of an entry that a row demands only what the row asks for.

    Such a row (a pin) is not satisfied by the fixed placements and has no column but placements.
    """
    asked = asked_for(model)
    pinned = np.zeros(model.n_entries, dtype=bool)
    pinned[model.entry[asked]] = True
    allowed: Bools = asked | ~pinned[model.entry]
    return allowed


def asked_for(model: Model) -> Bools:
    """(n_options,) the options that a row asks for which what is fixed does not satisfy."""
    asking = model.rows.take(np.flatnonzero(asking_rows(model))).matrix[:, : model.n_options]
    asked: Bools = np.asarray(asking.maximum(0).sum(axis=0)).ravel() > 0
    return asked


def asking_rows(model: Model) -> Bools:
    """(n_rows,) rows over placements alone that what is fixed does not satisfy: pins."""
    rows = model.rows
    unmet = np.flatnonzero(rows.lower > rows.activity(model.column_lower))
    elsewhere = rows.take(unmet).matrix[:, model.n_options :].tocsr()
    asking = np.zeros(model.n_rows, dtype=bool)
    asking[unmet[np.diff(elsewhere.indptr) == 0]] = True
    return asking


def load(model: Model, rank: Ints, allowed: Bools, begun: Bools | None = None) -> Bools:
    """Options chosen when everybody takes, in order of rank, the best allowed option that rows leave."""
    loader = Loader(model)
    if begun is not None:
        loader.hold(begun | model.fixed)
    starts, stops = spans_of(model.entry)
    best = np.minimum.reduceat(rank, starts) if len(starts) else rank
    barred = ~allowed
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
        barred |= np.isin(model.session, list(short))
        empty_short(loader, rank)
    empty_short(loader, rank)
    return loader.chosen.copy()


def empty_short(loader: Loader, rank: Ints) -> None:
    """Empty the lists that are too short to open, and take out whoever rested on somebody in them."""
    model = loader.model
    while short := loader.short_sessions():
        for option in np.flatnonzero(loader.chosen & ~model.fixed & np.isin(model.session, list(short))):
            loader.remove(int(option))
        while len(resting := resting_on_nothing(loader, rank)):
            for option in resting:
                loader.remove(int(option))


def resting_on_nothing(loader: Loader, rank: Ints) -> Ints:
    """Of every row that the plan breaks, the option to take out: the last in rank that makes it worse."""
    rows, above = loader.broken()
    part = sparse.coo_array(loader.model.rows.matrix[rows][:, : loader.n_options])
    free = loader.chosen & ~loader.model.fixed
    worse = ((part.data > 0) == above[part.row]) & free[part.col]
    row, option = part.row[worse], part.col[worse]
    order = np.lexsort((rank[option], row))
    last = np.flatnonzero(np.diff(row[order], append=-1) != 0)
    return np.unique(option[order][last])
