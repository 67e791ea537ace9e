"""visitors: regions price their own rows once more, now with everybody who could come there.

A region that was priced by itself never saw who would come to it from elsewhere. At given prices of all other rows the
bound of the whole depends on a region's own rows (those that only its sessions use) through its own options alone: an
entry is worth its best option there, or what it has elsewhere. So an entry of anywhere is priced in the region by what
it gains there beyond its best elsewhere, and lower is better for the whole: one region after the other, descent by
blocks. Rows that several regions use are priced after them in the same way, over the options near the best of their
entry: the one step here that may be worse, and is dropped where it is.
Source: docs/decisions/0044-visitors.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from allocator.answer import Limits, silent
from allocator.certificate import UNPRICED, boxed_values, goal_sides, reduced_prices
from allocator.compiled import compiled
from allocator.formulation import Model
from allocator.instance import Array, Bools, Floats, Ints
from allocator.memory import give_back
from allocator.solve.best_options import least, usual_gain
from allocator.solve.construct import own_gains
from allocator.solve.dual import lowered_prices
from allocator.solve.part_model import Place, part_model
from allocator.solve.partition import Regions
from allocator.solve.pricing import make_room
from allocator.solve.teller import Teller

NOBODY, SEVERAL = -2, -1
NEAREST = 5_000_000
"""Options, near the best of their entry, over which rows of several regions are priced: of three million, what they
gain there is lost again over the others."""
LOWERED_AT, OF_SEVERAL_AT = (0.03, 0.01, 0.004), (0.01, 0.004)
"""Temperatures, a look each, of prices that are nearly right but for some that are far off; and of rows of several."""


@dataclass(frozen=True, eq=False)
class Visit:
    """Rows to be priced, of region `number` or SEVERAL: others are open in the part, and paid for in the gains.

    place where the part stands; gains (n_columns,) of the part, of an option beyond what its entry has elsewhere;
    prices (n_rows,) those of the rows to be priced, 0 elsewhere
    """

    number: int
    part: Model
    place: Place
    gains: Floats
    prices: Floats


def price_in_turn(neighbours: Neighbours, limits: Limits, teller: Teller, seconds: float) -> None:
    """Price the rows of one region after the other, each seeing what those before it found; then those of several.

    `seconds` are for all of them. What the whole is proven to be by then is told after each.
    """
    watch = teller.watch
    stop, turns = watch.elapsed + seconds, [*range(neighbours.regions.number), SEVERAL]
    teller.bounded(neighbours.bound)
    for turn, number in enumerate(turns):
        until = watch.elapsed + (stop - watch.elapsed) / (len(turns) - turn)
        if number == SEVERAL:
            give_back()  # what regions' visits were made in; this part is the largest
        visit = neighbours.visit(number, teller.heard)
        prices = lowered_prices(
            visit.part,
            visit.gains,
            visit.prices,
            neighbours.typical,
            OF_SEVERAL_AT if number == SEVERAL else LOWERED_AT,
            seconds=until - watch.elapsed,
            work=limits.work,
            tell=lambda bound: teller.heard(),
            threads=limits.threads,
        )
        neighbours.take(visit, prices)
        teller.bounded(neighbours.bound)
        del visit
        make_room()


class Neighbours:
    """The regions of a model, and prices (n_rows + k,) of goal k, which they change in turn."""

    def __init__(self, model: Model, regions: Regions, owner: Ints, held: Sequence[int], prices: Floats) -> None:
        """`owner` (n_rows,) as `owners` says; `held` are the values of the goals before goal k."""
        k = len(held)
        self.model, self.regions, self.owner, self.k, self.prices = model, regions, owner, k, prices
        lower, upper = goal_sides(model, held)
        self.lower, self.upper = np.append(model.rows.lower, lower), np.append(model.rows.upper, upper)
        self.typical = usual_gain(model, k)
        self.reduced = reduced_prices(model, own_gains(model, k), prices)

    @property
    def bound(self) -> float:
        """What no plan gains more than, at the prices that stand now."""
        return self._bound(self.prices, self.reduced)

    def visit(self, number: int, heard: Callable[[], None] = silent) -> Visit:
        """What a region is to do at the prices that stand now, or who prices rows of several."""
        model, rows = self.model, self.model.rows
        inside = self._nearest() if number == SEVERAL else (self.regions.of_session == number)[model.session]
        option = np.flatnonzero(inside).astype(np.int32)
        own = self.owner == number
        sides = np.where(own, rows.lower, -np.inf), np.where(own, rows.upper, np.inf)
        part, place = part_model(model, option, option[model.fixed[option]], sides, heard)
        prices = np.where(own, self.prices[: model.n_rows], 0.0)[place.row]
        gains = self.reduced[place.column] + part.rows.column_prices(prices)
        gains[: part.n_options] -= self._best(self.reduced, inside | model.fixed)[model.entry[option]]
        return Visit(number, part, place, gains, prices)

    def take(self, visit: Visit, found: Floats) -> None:
        """Prices (n_rows,) of the part for a region's own rows; those for rows of several where the whole gains."""
        place, own = visit.place, self.owner[visit.place.row] == visit.number
        prices, reduced = self.prices.copy(), self.reduced
        prices[place.row[own]] = found[own]
        if visit.number == SEVERAL:
            model = self.model
            reduced = reduced - model.rows.column_prices((prices - self.prices)[: model.n_rows])
            if self._bound(prices, reduced) > self._bound(self.prices, self.reduced):
                return
        else:
            reduced[place.column] -= visit.part.rows.column_prices(found - visit.prices)
        self.prices[:], self.reduced = prices, reduced

    def _best(self, reduced: Floats, without: Bools) -> Floats:
        """(n_entries,) the best that each entry has `without` some options (n_options,), at least 0."""
        best = np.zeros(self.model.n_entries)
        _best_without(self.model.entry, without, reduced, best)
        return best

    def _nearest(self) -> Bools:
        """(n_options,) those that lose least against the best of their entry, and all that are in every plan."""
        model = self.model
        best = self._best(self.reduced, model.fixed)
        loss = (best[model.entry] - self.reduced[: model.n_options]).astype(np.float32)
        loss[model.fixed] = -np.inf
        return least(loss, NEAREST)

    def _bound(self, prices: Floats, reduced: Floats) -> float:
        """The bound of the whole at these prices, with entries as units."""
        model = self.model
        alone = np.append(np.flatnonzero(model.fixed), np.arange(model.n_options, model.n_columns))
        priced = np.flatnonzero(prices)
        side = np.where(prices[priced] > 0, self.upper[priced], self.lower[priced])
        entries = self._best(reduced, model.fixed).sum()
        return float(entries + boxed_values(model, reduced, alone).sum() + prices[priced] @ side)


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
def _best_without(entry: Array, without: Bools, reduced: Floats, best: Floats) -> None:
    """best[e] of what entry e has in all options but those it is `without`, at least 0."""
    for option in range(len(entry)):
        if not without[option]:
            best[entry[option]] = max(best[entry[option]], reduced[option])
