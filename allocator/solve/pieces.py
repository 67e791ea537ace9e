"""pieces: parts of a plan that are small enough to be solved anew, exactly, for one goal.

Entries that share sessions hang together. A part that hangs together and is small is a piece as it is; of larger ones
a piece is a few sessions that compete for the same entries. Free in a piece are the options near the best of their
entry at the goal's prices, of those who have a place there or none anywhere; everybody else stays. Pieces begin at
sessions by chance, more often at those that have less than the prices say they could: the gap says where to look.
Source: large neighbourhood search (Shaw, 1998); docs/decisions/0033-goals-by-part.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from scipy import sparse

from allocator.certificate import reduced_prices
from allocator.instance import Bools, Floats, Ints
from allocator.session_bound import session_values
from allocator.solve.construct import option_gain, own_gains
from allocator.solve.improve import near_the_best, parts
from allocator.solve.plan import Plan
from allocator.solve.prove import entry_prices

PIECE = 1000
"""Free options of a piece, about."""
NEAR = 0.1
"""Of a typical gain: options that lose more than this at the prices of the goal are left out."""
GROWTH = 1.5
"""How many times as many sessions each try at a piece has."""
LEAST_LOSS = 0.1
"""Of the mean loss of a session: what every session counts as losing at least."""
FINE = 2.0**20
"""Whole numbers to a unit of the goal, where losses are worked out."""


class Pieces:
    """Pieces of one goal, the one after those held, at its prices (n_rows + n_held,)."""

    def __init__(self, plan: Plan, held: Sequence[int], prices: Floats, seed: int) -> None:
        model, k = plan.model, len(held)
        self.plan, self.model, self.random = plan, model, np.random.default_rng(seed)
        gains = own_gains(model, k)
        gaining = np.max([option_gain(model, j) for j in range(k + 1)], axis=0) > 0
        concerned = np.isin(model.entry, model.entry[gaining]) & ~model.fixed
        self.near = concerned & near_the_best(model, gains, prices, NEAR)
        self.part = parts(model)[model.entry]
        free = self.near | (plan.chosen & ~model.fixed)
        self.sizes = np.bincount(self.part[free], minlength=int(self.part.max(initial=-1)) + 1)
        self.wanted = np.bincount(self.part[self.near & (option_gain(model, k) > 0)], minlength=len(self.sizes)) > 0
        self.large = np.zeros(model.n_sessions, dtype=bool)
        self.large[model.session[(self.wanted & (self.sizes > PIECE))[self.part]]] = True
        option = np.flatnonzero(self.near)
        pairs = np.ones(len(option)), (model.entry[option], model.session[option])
        wanting = sparse.csr_array(pairs, shape=(model.n_entries, model.n_sessions))
        self.ties = sparse.csr_array(wanting.T @ wanting)
        reduced = reduced_prices(model, gains, prices)[: model.n_options]
        best = np.zeros(model.n_entries)
        np.maximum.at(best, model.entry, reduced)
        self.share = (best / np.maximum(1, np.bincount(model.entry[option], minlength=model.n_entries)))[model.entry]
        priced = reduced_prices(model, gains, entry_prices(model, gains, prices))
        self.worth = np.rint(FINE * priced).astype(np.int64)
        self.most = session_values(model.sessions, self.worth).astype(np.float64)

    def whole(self) -> Iterator[Ints]:
        """Options of every part with something to gain that is a piece as it is, the largest first."""
        free = self.near | (self.plan.chosen & ~self.model.fixed)
        small = np.flatnonzero(self.wanted & (self.sizes > 1) & (self.sizes <= PIECE))
        for number in small[np.argsort(-self.sizes[small], kind="stable")]:
            yield np.flatnonzero(free & (self.part == number))

    def drawn(self, busy: Ints) -> Ints:
        """Options of a piece by chance, apart from sessions and entries of the options that are `busy`; maybe none."""
        model, chosen = self.model, self.plan.chosen
        loss = self.losses(chosen)
        loss[model.session[busy]] = 0.0
        if not loss.sum() > 0:
            return busy[:0]
        seed = self.random.choice(model.n_sessions, p=loss / loss.sum())
        tie = self.ties[[seed]].toarray().ravel() * self.random.random(model.n_sessions)
        tie[seed] = np.inf
        tie[model.session[busy]] = 0.0
        order = np.argsort(-tie, kind="stable")[: np.count_nonzero(tie)]
        where = np.full(model.n_entries, model.n_sessions)
        where[model.entry[chosen]] = model.session[chosen]
        near = self.near & ~np.isin(model.entry, model.entry[busy])
        number, found = 1, busy[:0]
        while number < GROWTH * len(order):
            inside = np.zeros(model.n_sessions + 1, dtype=bool)
            inside[order[:number]] = True
            inside[-1] = True  # has no place
            free = inside[model.session] & ((near & inside[where[model.entry]]) | chosen) & ~model.fixed
            if len(found) and free.sum() > PIECE:
                break
            found = np.flatnonzero(free)
            number = int(np.ceil(GROWTH * number))
        return found

    def losses(self, chosen: Bools) -> Floats:
        """(n_sessions,) what each has less than its best pattern, its share of those without a place, and a little.

        Nothing where no part that is too large for a piece has anything to gain.
        """
        model = self.model
        loss = self.most - np.bincount(model.session[chosen], self.worth[: model.n_options][chosen], model.n_sessions)
        used = np.zeros(model.n_sessions, dtype=bool)
        used[model.session[chosen]] = True
        opened = np.flatnonzero(used & (model.sessions.opening >= 0))
        loss[opened] -= self.worth[model.sessions.opening[opened]]
        placed = np.zeros(model.n_entries, dtype=bool)
        placed[model.entry[chosen]] = True
        left_out = np.flatnonzero(self.near & ~placed[model.entry])
        loss += np.bincount(model.session[left_out], FINE * self.share[left_out], model.n_sessions)
        loss = np.where(self.large, np.maximum(loss, 0.0), 0.0)
        return np.where(self.large, loss + LEAST_LOSS * loss.mean(), 0.0)
