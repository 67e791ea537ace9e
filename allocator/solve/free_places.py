"""free_places: who gets a place that is free, after a move has emptied some; compiled."""

from __future__ import annotations

import numpy as np

from allocator.compiled import compiled_moves, whole
from allocator.solve.moves import LOG, LONGEST_LOG, NONE, Arrays, State, Values, fits, is_open, note, put

FEW, SOME, MANY = whole(3), whole(12), whole(40)
"""How many a session that lost somebody, that was repacked, that was opened is filled with at most."""


@compiled_moves
def best_place(arrays: Arrays, values: Values, state: State, entry: int, barred: int) -> int:
    """The option of most reduced worth where the entry fits now, in a session already open; -1 for none."""
    found, most = NONE, 1e-9
    for option in range(arrays.entry_start[entry], arrays.entry_start[entry + 1]):
        session = arrays.session[option]
        if values.reduced[option] <= most or session == barred or not is_open(arrays, state, session):
            continue
        if fits(arrays, state, option):
            found, most = option, values.reduced[option]
    return found


@compiled_moves
def place_again(arrays: Arrays, values: Values, state: State) -> None:
    """Whoever lost a place in the move under way gets the best one that is free."""
    for k in range(state.number[LOG]):
        entry = state.log_entry[k]
        if state.place[entry] < 0:
            option = best_place(arrays, values, state, entry, NONE)
            if option >= 0:
                note(state, entry)
                put(arrays, values, state, option)


@compiled_moves
def fill(arrays: Arrays, values: Values, state: State, session: int, most: int, noise: float) -> None:
    """Add up to `most` of those without a place who fit the session, best reduced worth first."""
    for _ in range(most):
        free = arrays.room[session] - state.load[session]
        if free <= 0 or state.number[LOG] >= LONGEST_LOG - 10:
            return
        found, best = NONE, 1e-9
        for k in range(arrays.session_start[session], arrays.session_start[session + 1]):
            if arrays.session_weight[k] > free or state.place[arrays.session_entry[k]] >= 0:
                continue
            option = arrays.session_option[k]
            if values.reduced[option] <= 0:
                continue
            worth = values.reduced[option]
            if noise > 0:
                worth *= 1.0 + noise * np.random.random()
            if worth > best and fits(arrays, state, option):
                found, best = option, worth
        if found < 0:
            return
        note(state, arrays.entry[found])
        put(arrays, values, state, found)
