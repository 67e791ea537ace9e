"""visitors: regions price their own rows once more, now with everybody who could come there.

A region that was priced by itself never saw who would come to it from elsewhere. At given prices of all other rows the
bound of the whole depends on a region's own rows (those that only its sessions use) through its own options alone: an
entry is worth its best option there, or what it has elsewhere. So an entry of anywhere is priced in the region by what
it gains there beyond its best elsewhere, and lower is better for the whole: one region after the other, descent by
blocks. Rows that several regions use keep their prices; `correction` sees to those.
Source: docs/decisions/0044-visitors.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from allocator.answer import Limits
from allocator.certificate import UNPRICED, reduced_prices
from allocator.compiled import compiled
from allocator.formulation import Model
from allocator.instance import Array, Bools, Floats, Ints
from allocator.memory import give_back
from allocator.solve.best_options import usual_gain
from allocator.solve.construct import own_gains
from allocator.solve.crew import Key
from allocator.solve.dual import lowered_prices
from allocator.solve.part_model import Place, part_model
from allocator.solve.partition import Regions
from allocator.solve.pricing import make_room

NOBODY, SEVERAL = -2, -1


@dataclass(frozen=True, eq=False)
class Visit:
    """A region's own rows to be priced: others are open in the part, and paid for in the gains.

    gains (n_columns,) of the part, of an option beyond what its entry has elsewhere; typical what a placement usually
    gains; prices (n_rows,) those of its own rows, 0 elsewhere
    """

    key: Key
    part: Model
    gains: Floats
    typical: float
    prices: Floats
    limits: Limits


@dataclass(frozen=True, eq=False)
class Visited:
    """Prices (n_rows,) of the region's own rows, and what its columns (n_columns,) pay more than before."""

    prices: Floats
    paid: Floats


def visit(task: Visit) -> Visited:
    """Price a region's own rows. A pure function of the task, where its limits count work and not seconds."""
    make_room()
    limits = task.limits
    prices = lowered_prices(
        task.part,
        task.gains,
        task.prices,
        task.typical,
        seconds=limits.seconds,
        work=limits.work,
        threads=limits.threads,
    )
    return Visited(prices, task.part.rows.column_prices(prices - task.prices))


class Neighbours:
    """The regions of a model, and prices (n_rows + k,) of goal k, which they change in turn."""

    def __init__(self, model: Model, regions: Regions, owner: Ints, k: int, prices: Floats) -> None:
        """`owner` (n_rows,) as `owners` says."""
        self.model, self.regions, self.owner, self.k, self.prices = model, regions, owner, k, prices
        self.typical = usual_gain(model, k)
        self.reduced = reduced_prices(model, own_gains(model, k), prices)

    def in_turn(self, limits: Limits, seconds: Iterator[float], done: dict[Key, Visited]) -> Iterator[Visit]:
        """What each region is to do, as soon as `done` has what the one before it found, which it is to see."""
        for number in range(self.regions.number):
            key = ("visitors", self.k * self.regions.number + number)
            task, place = self.visit(number, key, replace(limits, seconds=next(seconds)))
            give_back()
            yield task
            del task
            self.take(number, place, done[key])

    def visit(self, number: int, key: Key, limits: Limits) -> tuple[Visit, Place]:
        """What a region is to do at the prices that stand now, and where its part stands."""
        model, rows = self.model, self.model.rows
        here = self.regions.of_session == number
        option = np.flatnonzero(here[model.session]).astype(np.int32)
        own = self.owner == number
        sides = np.where(own, rows.lower, -np.inf), np.where(own, rows.upper, np.inf)
        part, place = part_model(model, option, option[model.fixed[option]], sides)
        prices = np.where(own, self.prices[: model.n_rows], 0.0)[place.row]
        gains = self.reduced[place.column] + part.rows.column_prices(prices)
        elsewhere = np.zeros(model.n_entries)
        _best_elsewhere(model.entry, model.session, model.fixed, here, self.reduced, elsewhere)
        gains[: part.n_options] -= elsewhere[model.entry[option]]
        return Visit(key, part, gains, self.typical, prices, limits), place

    def take(self, number: int, place: Place, found: Visited) -> None:
        """The prices that a region found for its own rows."""
        own = self.owner[place.row] == number
        self.prices[place.row[own]] = found.prices[own]
        self.reduced[place.column] -= found.paid


def owners(model: Model, of_session: Ints) -> Ints:
    """(n_rows,) the region whose columns alone are in the row and may have a price there; SEVERAL, or NOBODY.

    of_session (n_sessions,). A row with an auxiliary in it is nobody's own, nor one of one place an entry.
    """
    rows = model.rows
    region = np.full(model.n_columns, SEVERAL, dtype=np.int16)
    region[: model.n_options] = of_session[model.session]
    region[model.n_options : model.first_auxiliary] = of_session[model.opening_session]
    owner = np.full(model.n_rows, NOBODY, dtype=np.int64)
    group = np.full(rows.members.shape[0], NOBODY, dtype=np.int64)
    _owned(rows.members.indptr, rows.members.indices, region, group)
    _owned(rows.direct.indptr, rows.direct.indices, region, owner)
    _owned(rows.weights.indptr, rows.weights.indices, group, owner)
    for block in model.blocks:
        if block.label == UNPRICED:
            owner[block.start : block.stop] = NOBODY
    return owner


@compiled
def _owned(indptr: Array, indices: Array, region: Array, owner: Ints) -> None:
    """The region of all that stands in each row, beside whose it is already."""
    for row in range(len(owner)):
        for k in range(indptr[row], indptr[row + 1]):
            found = region[indices[k]]
            if found == NOBODY:
                continue
            if owner[row] == NOBODY:
                owner[row] = found
            elif owner[row] != found:
                owner[row] = SEVERAL
                break


@compiled
def _best_elsewhere(entry: Array, session: Array, fixed: Bools, here: Bools, reduced: Floats, best: Floats) -> None:
    """best[e] of what entry e has in sessions that are not `here`, at least 0."""
    for option in range(len(entry)):
        if not here[session[option]] and not fixed[option]:
            best[entry[option]] = max(best[entry[option]], reduced[option])
