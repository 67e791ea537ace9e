"""correction: given prices put right for what has changed, those of like rows together, in little time.

Prices of another day, of another rule, or of regions that were priced without their visitors are right in their
proportions: which list of a site is dear, which night is short of beds. What is wrong is how dear a site, a service or
a group is as a whole. So like rows (`coarse`) keep their prices up to one factor and one addition, both to be found;
every other row has its own price. The option that is best among like ones stays nearly the best, so that one of each
stands for all of them, and the softened bound over those is small: 19,000 variables where 400,000 rows have prices.
What such variables say is a point of the same bound, so nothing is lost where it is wrong: the exact bound decides.
Measured in docs/decisions/0035-corrected-prices.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import optimize, sparse

from allocator.compiled import compiled
from allocator.instance import Floats, Ints
from allocator.solve.coarse import blocks_of_live, by_column, columns_of_kinds, like_rows
from allocator.solve.priced_columns import Places
from allocator.solve.pricing import Pricing
from allocator.solve.window import Terms, Window, live_rows, terms_of

CORRECTED_AT = (0.03, 0.03, 0.01)
"""Temperatures in typical gains, one correction each, while they pay."""
ITERATIONS = 60
FARTHEST = 1e3
"""How much more a placement may pay for one row at most, in the largest gain: beyond that numbers lose their digits."""


@dataclass(frozen=True, eq=False)
class Correction:
    """The softened bound over factors, additions and prices (n,) of single rows.

    begin   (n,) what leaves prices as they are
    into    (n, n_live) what each makes of the prices of the live rows
    """

    window: Window
    begin: Floats
    into: sparse.csr_array

    def prices(self, own: Floats) -> Floats:
        """Row prices (n_rows with those that hold goals,) that prices (n,) here stand for."""
        prices = np.zeros(len(self.window.pricing.lower))
        prices[self.window.live] = self.into.T @ own
        return prices

    def lower(self, temperature: float, spend: Callable[[], None], take: Callable[[Floats], object]) -> None:
        """Lower the softened bound; `take` is given the row prices where it is lowest, also if `spend` ends it.

        `spend` is called at every evaluation, and may raise.
        """
        window = self.window
        window.rescale(self.begin, temperature)
        found, lowest = window.scaled(self.begin), np.inf
        largest = window.terms.largest
        farthest = FARTHEST * max(temperature, float(np.abs(window.terms.gain).max(initial=0.0)))
        reach = farthest / (np.concatenate([largest[window.above], largest[window.below]]) * window.scale)

        def value_and_gradient(variables: Floats) -> tuple[float, Floats]:
            nonlocal found, lowest
            spend()
            if not np.isfinite(variables).all():
                # Where the bound does not bend at all the method may divide by nothing: that step leads nowhere.
                return np.inf, np.zeros(len(variables))
            value, gradient = window.value_and_gradient(variables, temperature)
            if value < lowest:
                found, lowest = variables.copy(), value
            return value, gradient

        try:
            optimize.minimize(
                value_and_gradient,
                found,
                jac=True,
                method="L-BFGS-B",
                bounds=optimize.Bounds(0.0, found + reach),
                options={"maxiter": ITERATIONS, "maxfun": 2 * ITERATIONS, "maxcor": 20, "ftol": 0.0, "gtol": 0.0},
            )
        finally:
            take(self.prices(window.priced(found)))


def correction_of(pricing: Pricing, prices: Floats, reduced: Floats) -> Correction:
    """How prices (n_rows + n_held,) may be corrected, at which the options worth pricing have these reduced gains."""
    model = pricing.model
    column_of, n_columns = columns_of_kinds(pricing.entry_start, model.alike[model.session[pricing.option]])
    fine = terms_of(pricing, np.arange(len(pricing.option)))
    price = prices[live_rows(pricing)]
    row_of = like_rows(fine, by_column(column_of, n_columns), blocks_of_live(pricing))
    into, begin, upper, lower = _into(price, row_of, fine)
    weights = sparse.csr_array(into[:, : fine.weights.shape[0]] @ fine.weights)
    top = _tops(column_of, reduced, n_columns)
    shape = len(reduced), len(price) + weights.shape[1]
    places = sparse.csr_array((fine.places.coefficient, fine.places.place, fine.places.start), shape=shape)[top]
    used = sparse.hstack([places[:, : len(price)] @ into.T, places[:, len(price) :]], format="csr")
    terms = Terms(
        gain=reduced[top] + used @ np.concatenate([begin, weights.T @ begin]),
        entry_start=np.append(column_of[pricing.entry_start[:-1]], n_columns),
        places=Places(used.indptr.astype(np.int64), used.indices.astype(np.int32), used.data.astype(np.float32)),
        row_of=np.zeros(0, dtype=np.int64),
        upper=upper,
        lower=lower,
        weights=weights,
        boxes=sparse.csr_array(into @ fine.boxes),
    )
    return Correction(Window(pricing, terms), begin, into)


def _into(price: Floats, row_of: Ints, fine: Terms) -> tuple[sparse.csr_array, Floats, Floats, Floats]:
    """What single rows, factors and additions make of prices (n, n_live); where they begin, and their sides.

    price, row_of (n_live,) prices, and the number of each row among like ones.
    """
    n_live = len(price)
    merged = np.bincount(row_of)[row_of] > 1
    single, like = np.flatnonzero(~merged), np.flatnonzero(merged)
    number = np.unique(row_of[like], return_inverse=True)[1]
    n_like = int(number.max(initial=-1)) + 1
    side = np.where(price > 0, fine.upper, np.where(price < 0, fine.lower, 0.0))
    closed = np.isfinite(fine.upper)
    alone = sparse.csr_array((np.ones(len(single)), (np.arange(len(single)), single)), shape=(len(single), n_live))
    factors = sparse.csr_array((price[like], (number, like)), shape=(n_like, n_live))
    additions = sparse.csr_array((closed[like].astype(np.float64), (number, like)), shape=(n_like, n_live))
    into = sparse.csr_array(sparse.vstack([alone, factors, additions], format="csr"))
    into.eliminate_zeros()
    begin = np.concatenate([price[single], np.ones(n_like), np.zeros(n_like)])
    of_additions = additions @ np.where(closed, fine.upper, 0.0)
    upper = np.concatenate([fine.upper[single], factors @ side, of_additions])
    lower = np.concatenate([fine.lower[single], np.full(2 * n_like, -np.inf)])
    return into, begin, upper, lower


@compiled
def _tops(column_of: Ints, reduced: Floats, n_columns: int) -> Ints:
    """(n_columns,) the option that is worth most of each column."""
    top = np.full(n_columns, -1, dtype=np.int64)
    for option in range(len(column_of)):
        column = column_of[option]
        if top[column] < 0 or reduced[option] > reduced[top[column]]:
            top[column] = option
    return top
