"""master: the linear relaxation whose columns are patterns of sessions.

A session's patterns are all sets of cases that its own rows allow (`allocator.session_bound`), so that the relaxation
is as tight as the bound by sessions. Patterns are found when they are wanted: the relaxation over those known prices
the rows between sessions, and the best pattern of every session at these prices joins it, until none is worth more
than what the relaxation has (column generation; prices are smoothed towards those of the best bound).
Sources: Dantzig and Wolfe (1960); Wentges (1997) for the smoothing. What it brings: docs/decisions/0032-dives.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy import sparse

from allocator.backends.highs import Relaxation
from allocator.certificate import boxed_beside_sessions, boxed_values, priced_rows, with_held
from allocator.formulation import Model
from allocator.instance import Bools, Floats, Ints
from allocator.session_bound import best_patterns

SMOOTHING = 0.85
"""Share of the prices of the best bound in those that patterns are asked for at."""
PENALTY = 2.0
"""Cost of breaking a row by what one placement does to it at most, per largest gain."""
EXACT = 1e-6
"""Of a typical gain: what is less is nothing."""
CLOSE = 1e-4
"""Of a typical gain, for each session: bound and relaxation so near are one."""
BLOCKED = 4.0
"""What an option that may not be used is worth, per largest reduced worth, below nothing."""
ROUNDS, LEVELS = 100, (0.1, 0.03, 0.01)
"""How often every session is asked for a pattern at prices disturbed by chance, and how much they are, per typical
difference between options of an entry: a relaxation that knows many good patterns from the start converges in a tenth
of the time."""
LEAST_SHARE = 1e-6
"""A pattern with a smaller share is not in the relaxation."""

Pattern = tuple[int, Ints]
"""A session and its options, sorted."""


def key_of(pattern: Pattern) -> tuple[int, bytes]:
    """Equal where patterns are the same."""
    session, option = pattern
    return session, option.tobytes()


class Master:
    """The relaxation of one model at `gains` (n_columns,), larger is better, the first len(held) goals held.

    It begins with the patterns of a plan `columns` (n_columns,). Patterns may be fixed, and released again.
    prices   (n_rows + n_held,) those of the best bound of the last `solve`
    session  (n_patterns,) of every pattern known; `patterns` are the patterns themselves
    taken    (n_entries,) entries of fixed patterns; settled (n_sessions,) sessions of fixed patterns
    """

    def __init__(self, model: Model, gains: Floats, held: Sequence[int], columns: Ints) -> None:
        self.model, self.gains = model, gains
        matrix, lower, upper = with_held(model, held)
        priced = priced_rows(model, len(held), by_session=True) & (np.isfinite(lower) | np.isfinite(upper))
        self.row = np.flatnonzero(priced)
        self.matrix = sparse.csc_array(matrix[self.row])
        self.lower, self.upper = lower[self.row], upper[self.row]
        moved = np.abs(gains[gains != 0])
        self.typical, self.largest = (float(np.median(moved)), float(moved.max())) if len(moved) else (1.0, 1.0)
        self.prices = np.zeros(len(lower))
        self.session = np.zeros(0, dtype=np.int64)
        self.patterns: list[Pattern] = []
        self.number: dict[tuple[int, bytes], int] = {}
        self.fixed: list[int] = []
        self.taken = np.zeros(model.n_entries, dtype=bool)
        self.settled = np.zeros(model.n_sessions, dtype=bool)
        self.opened = np.flatnonzero(model.sessions.opening >= 0)
        self.boxed = boxed_beside_sessions(model)
        self.relaxation = self._without_patterns()
        self.know(self.patterns_of(columns[: model.n_options].astype(bool)))

    def _without_patterns(self) -> Relaxation:
        """Rows, then one of each session; the boxed columns, and what breaking a row costs."""
        model, n_rows, n_sessions = self.model, len(self.row), self.model.n_sessions
        size = np.ones(n_rows)
        coefficients = self.matrix[:, : model.n_options].tocoo()
        np.maximum.at(size, coefficients.row, np.abs(coefficients.data))
        row = np.concatenate([np.flatnonzero(np.isfinite(self.lower)), np.flatnonzero(np.isfinite(self.upper))])
        sign = np.where(np.arange(len(row)) < np.isfinite(self.lower).sum(), 1, -1)
        breaks = sparse.csc_array((sign, (row, np.arange(len(row)))), shape=(n_rows, len(row)))
        matrix = sparse.hstack([self.matrix[:, self.boxed], breaks], format="csc")
        costs = np.append(-self.gains[self.boxed], PENALTY * self.largest / size[row])
        low = np.append(model.column_lower[self.boxed], np.zeros(len(row)))
        high = np.append(model.column_upper[self.boxed], np.full(len(row), np.inf))
        lower = np.append(self.lower, np.where(model.sessions.closable, -np.inf, 1.0))
        one_each = sparse.csc_array((n_sessions, matrix.shape[1]))
        whole = sparse.vstack([matrix, one_each], format="csc")
        return Relaxation(whole, costs, (low, high), lower, np.append(self.upper, np.ones(n_sessions)))

    def patterns_of(self, chosen: Bools, wanted: Bools | None = None) -> list[Pattern]:
        """The patterns of a choice (n_options,) in the sessions `wanted` (n_sessions,); closed sessions have none."""
        model = self.model
        option = np.flatnonzero(chosen)
        option = option[np.argsort(model.session[option], kind="stable")]
        start = np.searchsorted(model.session[option], np.arange(model.n_sessions + 1))
        there = (np.diff(start) > 0) | ~model.sessions.closable
        if wanted is not None:
            there &= wanted
        return [(int(s), option[start[s] : start[s + 1]]) for s in np.flatnonzero(there)]

    def know(self, patterns: Sequence[Pattern]) -> int:
        """Add those of these patterns that are new; how many."""
        new: list[Pattern] = []
        for pattern in patterns:
            number = len(self.patterns) + len(new)
            if self.number.setdefault(key_of(pattern), number) == number:
                new.append(pattern)
        if not new:
            return 0
        model = self.model
        self.patterns += new
        numbers, session = np.arange(len(new)), np.array([session for session, _ in new])
        self.session = np.append(self.session, session)
        opening = model.sessions.opening[session]
        opens = np.flatnonzero(opening >= 0)
        column = np.concatenate([*(option for _, option in new), opening[opens]])
        of = np.append(np.repeat(numbers, [len(option) for _, option in new]), opens)
        what = sparse.csc_array((np.ones(len(column)), (column, of)), shape=(model.n_columns, len(new)))
        one = sparse.csc_array((np.ones(len(new)), (session, numbers)), shape=(model.n_sessions, len(new)))
        matrix = sparse.vstack([self.matrix @ what, one], format="csc")
        self.relaxation.add(matrix, -np.asarray(what.T @ self.gains))
        return len(new)

    def begin(self, prices: Floats, random: np.random.Generator) -> None:
        """Begin from these prices (n_rows + n_held,): patterns that are good around them become known."""
        model, n_options = self.model, self.model.n_options
        self.prices = prices
        reduced = self._reduced(prices)
        best = np.full(model.n_entries, -np.inf)
        np.maximum.at(best, model.entry, reduced[:n_options])
        behind = best[model.entry] - reduced[:n_options]
        usual = float(np.median(behind[behind > 0])) if (behind > 0).any() else 0.0
        for turn in range(ROUNDS):
            asked = reduced.copy()
            asked[:n_options] += usual * LEVELS[turn % len(LEVELS)] * random.standard_normal(n_options)
            self.know(self.patterns_of(best_patterns(model.sessions, asked)[1]))

    def solve(self, cutoff: float, iterations: int, stop: Callable[[], bool]) -> float:
        """Generate patterns until no better ones are left; the best bound from above on gains @ columns.

        Ends early once the bound is below the cutoff, after so many iterations, or where `stop` says so.
        """
        best, centre = np.inf, self.prices
        close = CLOSE * self.typical * self.model.n_sessions
        for _ in range(iterations):
            value, _, costs = self.relaxation.solve()
            duals = -costs
            now = np.zeros_like(self.prices)
            now[self.row] = duals[: len(self.row)]
            reduced, added = self._reduced(now), 0
            for share in (SMOOTHING, 0.0):
                asked = share * centre + (1.0 - share) * now
                bound, found = self._priced(asked)
                if bound < best:
                    best, centre = bound, asked
                better = self._worth(reduced, found) > duals[len(self.row) :] + EXACT * self.typical
                added = self.know(self.patterns_of(found, better & ~self.settled))
                if added:
                    break
            if not added or best + value < close or best < cutoff or stop():
                break
        self.prices = centre
        return float(best)

    def shares(self) -> Floats:
        """(n_patterns,) how much of each pattern is in the relaxation; of fixed ones, and of traces, nothing."""
        _, share, _ = self.relaxation.solve()
        share[self.settled[self.session] | (share < LEAST_SHARE)] = 0.0
        return share

    def fix(self, patterns: Sequence[int]) -> None:
        """Settle these patterns, but for those that want an entry which another has."""
        model = self.model
        for number in patterns:
            session, option = self.patterns[number]
            if self.settled[session] or self.taken[model.entry[option]].any():
                continue
            self.fixed.append(number)
            self.settled[session] = True
            self.taken[model.entry[option]] = True
            self.relaxation.fix(number, True)

    def release(self) -> None:
        """Nothing is fixed any more."""
        for number in self.fixed:
            self.relaxation.fix(number, False)
        self.fixed = []
        self.taken[:] = False
        self.settled[:] = False

    def keep(self, chosen: Bools) -> None:
        """Settle the patterns of these placements (n_options,), whole sessions, known or not."""
        patterns = self.patterns_of(chosen)
        self.know(patterns)
        self.fix([self.number[key_of(pattern)] for pattern in patterns])

    @property
    def placed(self) -> Bools:
        """(n_options,) the placements of fixed patterns."""
        placed = np.zeros(self.model.n_options, dtype=bool)
        for number in self.fixed:
            placed[self.patterns[number][1]] = True
        return placed

    @property
    def blocked(self) -> Bools:
        """(n_options,) options of sessions and entries that are settled; fixed ones are never blocked."""
        model = self.model
        blocked: Bools = (self.taken[model.entry] | self.settled[model.session]) & ~model.fixed
        return blocked

    def _reduced(self, prices: Floats) -> Floats:
        """(n_columns,) gains less what the rows cost at these prices."""
        reduced: Floats = self.gains - self.matrix.T @ prices[self.row]
        return reduced

    def _worth(self, reduced: Floats, chosen: Bools) -> Floats:
        """(n_sessions,) what the chosen pattern of each session is worth at reduced prices (n_columns,), opened."""
        model = self.model
        worth = np.zeros(model.n_sessions)
        worth += np.bincount(model.session[chosen], reduced[: model.n_options][chosen], model.n_sessions)
        worth[self.opened] += reduced[model.sessions.opening[self.opened]]
        return worth

    def _priced(self, prices: Floats) -> tuple[float, Bools]:
        """The bound at these prices, infinite where a price has no side; the best patterns (n_options,)."""
        model, mine, reduced = self.model, prices[self.row], self._reduced(prices)
        sides = np.where(mine > 0, self.upper, np.where(mine < 0, self.lower, 0.0))
        wanted, blocked = reduced.copy(), self.blocked
        wanted[: model.n_options][blocked] = -BLOCKED * max(1e-9, float(np.abs(reduced).max(initial=0.0)))
        worth, found = best_patterns(model.sessions, wanted)
        found &= ~blocked
        boxed = boxed_values(model, reduced, self.boxed).sum()
        finite = np.isfinite(sides)
        bound = float(mine[finite] @ sides[finite] + worth[~self.settled].sum() + boxed)
        bound += float(self._worth(reduced, self.placed)[self.settled].sum())
        return (bound if finite.all() else np.inf), found
