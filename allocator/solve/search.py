"""search: annealing by compiled moves around prices, for models too large for an exact solver.

Moves are proposed by reduced worth and accepted by worth. Soft rows (shares, floors, goals held) enter acceptance
at a price and a penalty; the prices follow each row: up while it is tight or broken, down while it is slack, for a
price frozen at the dual's keeps a search where the dual's fractional plan was. The best plan that breaks nothing is
kept, and the end of every cycle accepts nothing that breaks more. Source: docs/decisions/0006-large-models.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from allocator.compiled import compiled
from allocator.instance import Array, Bools, Floats, Ints
from allocator.solve.arrays import Part
from allocator.solve.chains import chain_many, close_many, new_path
from allocator.solve.moves import Arrays, Values, load, refresh
from allocator.solve.pace import Pace
from allocator.solve.repack import new_desk, repack_many

PENALTY = 1.0
"""Cost of one placement's worth of violation, per typical worth of a placement, while violation is allowed."""
HARD = 1e4
"""The same while it is not."""
HELD = 1e8
"""The same of a goal that is held, at any time: no other row is worth giving it up."""
HOT, COLD = 0.06, 0.0015
"""Temperatures of a cycle, per typical worth of a placement."""
POLISH = 0.15
"""Share of a cycle that accepts nothing that breaks more."""
GAIN = (0.05, 0.015)
"""How fast prices follow their rows, at the beginning and at the end of a cycle."""
LEAST_STEP = 0.1
"""Least price that a step is a share of, per typical worth."""
DEMAND = 20.0
"""Bonus of a place for somebody who must have one, per largest worth."""
REPACKS, CHAINS, CLOSES = 2, 6, 0.5
"""Moves of each kind in a segment, per session (closes: per session that can be opened)."""
CHAIN_NOISE = 0.015
"""What differs by less is decided by chance in chains and where lists are opened, per typical worth."""
MOST_MOVES, SESSIONS_TO_A_MOVE = 100, 30
"""Repackings in a segment at most, so that prices, progress and time are looked at often; more where there are very
many sessions, for that look goes over all options."""


@compiled
def reprice(
    arrays: Arrays, truth: Floats, prices: Floats, charged: Bools, minute: Floats, case: Floats, values: Values
) -> None:
    """Reduced worth, worth in acceptance and best of every entry at these row prices."""
    n_groups = len(arrays.weight_start) - 1
    of_group, charged_group = np.zeros(n_groups), np.zeros(n_groups)
    for group in range(n_groups):
        for k in range(arrays.weight_start[group], arrays.weight_start[group + 1]):
            row = arrays.weight_row[k]
            of_group[group] += prices[row] * arrays.weights[k]
            if charged[row]:
                charged_group[group] += prices[row] * arrays.weights[k]
    for entry in range(len(arrays.entry_start) - 1):
        best = 0.0
        for option in range(arrays.entry_start[entry], arrays.entry_start[entry + 1]):
            reduced = truth[option] - case[arrays.session[option]]
            accepted = truth[option]
            for k in range(arrays.row_start[option], arrays.row_start[option + 1]):
                cost = prices[arrays.row[k]] * arrays.coefficient[k]
                reduced -= cost
                if charged[arrays.row[k]]:
                    accepted -= cost
            for g in range(arrays.group_start[option], arrays.group_start[option + 1]):
                reduced -= of_group[arrays.group[g]]
                accepted -= charged_group[arrays.group[g]]
            values.reduced[option] = reduced
            values.option[option] = accepted
            best = max(best, reduced - minute[arrays.session[option]] * arrays.weight[option])
        values.best[entry] = best


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A plan of a search: option within the part of each entry (-1 none), and its worth."""

    place: Ints
    worth: float


class Search:
    """One search over one part: the only thing here that changes.

    worth (n_columns,) of the model, larger is better; prices (n_rows of the layout,) row prices in the sense of a
    maximisation, from a dual; columns (n_columns,) the plan to start from.
    """

    def __init__(self, part: Part, worth: Floats, prices: Floats, columns: Ints, seed: int) -> None:
        model, arrays = part.layout.model, part.arrays
        self.part, self.of_columns, self.of_rows = part, worth, prices
        self.random = np.random.default_rng(seed)
        self.truth = worth[part.option].copy()
        usual = np.abs(self.truth[self.truth != 0])
        top = float(usual.max(initial=1.0))
        self.demanded = np.flatnonzero(part.layout.demanded & (np.diff(arrays.entry_start) > 0))
        self.truth[part.layout.demanded[arrays.entry]] += DEMAND * top
        opening = np.zeros(model.n_sessions)
        opening[model.opening_session] = worth[model.n_options : model.first_auxiliary]
        self.opening = opening
        self.auxiliary = worth[model.first_auxiliary :]
        self.dual_prices = prices[part.row] * part.size
        self.prices = self.dual_prices.copy()
        self.charged = arrays.soft & (arrays.auxiliary < 0)
        minute, case = session_prices(part, prices)
        self.case = case
        n_options = len(part.option)
        self.values = Values(
            np.zeros(n_options),
            opening.copy(),
            self.auxiliary,
            np.zeros(len(part.row)),
            np.zeros(n_options),
            minute,
            np.zeros(model.n_entries),
        )
        self.state = part.state(columns)
        self.desk, self.path = new_desk(), new_path()
        self.best: Snapshot | None = None
        self.segment = 0
        self.typical = float(np.median(usual)) if len(usual) else 1.0
        self.apply(PENALTY)
        load(arrays, self.values, self.state, part.placed(columns))
        placed = self.state.place[self.state.place >= 0]
        if len(placed):
            self.typical = max(1e-9, float(np.abs(worth[part.option[placed]]).mean()))
        self.apply(PENALTY)
        self.keep()

    def over(self, part: Part, columns: Ints, seed: int) -> Search:
        """A search of another part from a plan (n_columns,), for the same worth and at the prices of this one."""
        other = Search(part, self.of_columns, self.of_rows, columns, seed)
        other.prices = self.prices / self.part.size * part.size
        other.apply(PENALTY)
        return other

    def join(self, others: Sequence[Search]) -> None:
        """Go on from what searches of other parts have found, who share no option: their best plans, their prices.

        Where one of them found no plan that breaks nothing, from where it stands.
        """
        columns = np.zeros(self.part.layout.model.n_columns, dtype=np.int64)
        for other in others:
            place = other.state.place if other.best is None else other.best.place
            columns[other.part.option[place[place >= 0]]] = 1
        self.prices = self.part.size * np.mean([other.prices / other.part.size for other in others], axis=0)
        self.apply(PENALTY)
        self.adopt(columns)

    def apply(self, penalty: float, priced: bool = True) -> None:
        """Make the current prices count; without `priced`, acceptance counts the truth alone."""
        part = self.part
        charged = self.charged if priced else np.zeros_like(self.charged)
        reprice(part.arrays, self.truth, self.prices / part.size, charged, self.values.minute, self.case, self.values)
        held = part.row >= part.layout.model.n_rows
        held |= np.diff(part.arrays.relief_start) > 0
        self.values.penalty[:] = np.where(held, HELD, penalty) * self.typical / part.size
        refresh(part.arrays, self.values, self.state)

    def follow(self, gain: float) -> None:
        """Move the price of every soft row towards what the row asks for."""
        part, arrays = self.part, self.part.arrays
        activity = self.state.activity / part.size
        upper, lower = arrays.upper / part.size, arrays.lower / part.size
        half = np.where(np.isfinite(upper) & np.isfinite(lower), (upper - lower) / 2, np.inf)
        margin = np.minimum(1.0, 0.2 * half)
        up = np.clip((activity - (upper - margin)) / 2, -1.0, 1.0)
        down = np.clip((lower + margin - activity) / 2, -1.0, 1.0)
        step = gain * (np.abs(self.dual_prices) + LEAST_STEP * self.typical)
        now = self.prices
        rising = np.maximum(0.0, now + step * up)
        falling = np.minimum(0.0, now - step * down)
        moved = np.where((now > 0) | (up > 0), rising, np.where((now < 0) | (down > 0), falling, 0.0))
        self.prices = np.where(self.charged, moved, now)

    def worth(self) -> float:
        """True worth of the plan as it stands; the bonus of those who must have a place is in it."""
        state = self.state
        placed = state.place[state.place >= 0]
        opened = state.cases > 0
        return float(self.truth[placed].sum() + self.opening[opened].sum() + self.auxiliary @ state.ease)

    def feasible(self) -> bool:
        """Does the plan as it stands break nothing."""
        return not (self.state.broken > 0).any() and bool((self.state.place[self.demanded] >= 0).all())

    def keep(self) -> None:
        """Keep the plan as it stands if it breaks nothing and is the best so far."""
        if self.feasible():
            worth = self.worth()
            if self.best is None or worth > self.best.worth + 1e-9:
                self.best = Snapshot(self.state.place.copy(), worth)

    def adopt(self, columns: Ints) -> None:
        """Go on from a plan (n_columns,)."""
        part = self.part
        self.state = part.state(columns)
        load(part.arrays, self.values, self.state, part.placed(columns))
        refresh(part.arrays, self.values, self.state)
        self.keep()

    def within(self, lower: Floats, upper: Floats, ease: Floats) -> None:
        """Keep these sides of the rows, and values of auxiliaries, from now on."""
        arrays = self.part.arrays._replace(lower=lower, upper=upper, auxiliary_upper=ease)
        self.part = replace(self.part, arrays=arrays)
        refresh(arrays, self.values, self.state)
        self.best = None
        self.keep()

    def load(self, order: Ints) -> None:
        """Place options of the part in this order wherever they fit beside what is there."""
        load(self.part.arrays, self.values, self.state, order)
        refresh(self.part.arrays, self.values, self.state)
        self.keep()

    def start(self, order: Ints) -> None:
        """Load, then repack every session once."""
        arrays = self.part.arrays
        self.load(order)
        sessions = np.flatnonzero(np.diff(arrays.session_start) > 0)
        repack_many(arrays, self.values, self.state, self.desk, sessions, 0.0, 0.0, 0.0, 1)
        self.keep()

    def mend(self, pace: Pace, heard: Callable[[], None]) -> None:
        """Move until the plan as it stands breaks nothing, within a pace."""
        while not self.feasible() and pace.done < 1.0:
            self.follow(GAIN[0])
            self.apply(HARD, priced=False)
            self.moves(self.typical * COLD)
            pace.step()
            heard()
        self.keep()

    def cycle(self, pace: Pace, hot: float, heard: Callable[[], None]) -> None:
        """One annealing from `hot` to cold within a pace, the last part breaking nothing more.

        `heard` is called after every segment of moves.
        """
        self.apply(PENALTY)
        while (done := pace.done / (1 - POLISH)) < 1.0:
            self.follow(GAIN[0] + (GAIN[1] - GAIN[0]) * done)
            self.apply(PENALTY)
            self.moves(self.typical * hot * (COLD / hot) ** done)
            if done > 0.3:
                self.keep()
            pace.step()
            heard()
        self.apply(HARD, priced=False)
        while (now := pace.done) < 1.0:
            self.moves(self.typical * 4 * COLD * 0.1 ** ((now - 1 + POLISH) / POLISH))
            self.keep()
            pace.step()
            heard()

    def moves(self, temperature: float) -> None:
        """One segment of moves at one temperature."""
        arrays, values, state, random = self.part.arrays, self.values, self.state, self.random
        self.segment += 1
        seed = int(random.integers(2**31))
        used = np.flatnonzero(np.diff(arrays.session_start) > 0)
        if not len(used):
            return
        n_moves = min(max(MOST_MOVES, len(used) // SESSIONS_TO_A_MOVE), REPACKS * len(used))
        noise = 0.2 * np.sqrt(min(1.0, temperature / (HOT * self.typical)))
        repack_many(
            arrays, values, state, self.desk, random.choice(used, n_moves), 0.9, float(noise), temperature, seed
        )
        loss = self.loss()
        if loss.sum() > 0:
            starts = random.choice(len(loss), n_moves * CHAINS // REPACKS, p=loss / loss.sum())
            chain_many(arrays, values, state, starts, self.path, CHAIN_NOISE * self.typical, temperature, seed + 1)
        openable = used[(arrays.fewest[used] > 1) | (self.opening[used] != 0)]
        if len(openable):
            n_closes = int(CLOSES * min(len(openable), n_moves)) + 1
            sessions, instead = self.to_close(openable, n_closes)
            close_many(arrays, values, state, sessions, instead, CHAIN_NOISE * self.typical, temperature, seed + 2)

    def loss(self) -> Floats:
        """(n_entries,) what each entry with an option loses against the best that prices say it could have."""
        arrays, values, place = self.part.arrays, self.values, self.state.place
        loss = values.best.copy()
        placed = np.flatnonzero(place >= 0)
        option = place[placed]
        here = values.reduced[option] - values.minute[arrays.session[option]] * arrays.weight[option]
        loss[placed] -= here
        movable = np.diff(arrays.entry_start) > 0
        return np.where(movable, np.maximum(loss, 0.0) + 0.003 * self.typical, 0.0)

    def to_close(self, openable: Ints, number: int) -> tuple[Array, Array]:
        """Sessions to close, and for half of them a closed one to open instead."""
        sessions = self.random.choice(openable, number)
        closed = openable[self.state.cases[openable] == 0]
        if not len(closed):
            return sessions, np.full(number, -1)
        instead = self.random.choice(closed, number)
        return sessions, np.where(self.random.random(number) < 0.5, instead, -1)


def session_prices(part: Part, prices: Floats) -> tuple[Floats, Floats]:
    """(n_sessions,) price of one unit of capacity and of one case in each session, from its own rows' prices."""
    layout, model = part.layout, part.layout.model
    rows = np.flatnonzero((layout.sessions.inside | layout.implied) & (prices[: model.n_rows] != 0))
    matrix = sparse.coo_array(model.rows.direct[rows][:, : model.n_options])
    session, weight = model.session[matrix.col], layout.sessions.weight[matrix.col]
    by_weight = np.ones(len(rows), dtype=bool)
    by_weight[matrix.row[(matrix.data != weight) & ~layout.implied[rows][matrix.row]]] = False
    cost = prices[rows][matrix.row] * matrix.data
    minute, case = np.zeros(model.n_sessions), np.zeros(model.n_sessions)
    heavy = by_weight[matrix.row] & (weight > 0)
    size = np.zeros(model.n_sessions)
    np.add.at(size, model.session, layout.sessions.weight.astype(np.float64))
    np.add.at(minute, session[heavy], cost[heavy])
    minute /= np.maximum(size, 1.0)
    number = np.bincount(model.session, minlength=model.n_sessions)
    np.add.at(case, session[~heavy], cost[~heavy])
    case /= np.maximum(number, 1)
    return np.maximum(minute, 0.0), case
