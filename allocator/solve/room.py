"""room: who gives up a place so that another may have one, and who has to come along; compiled.

Where a session or a row that placements only use up is full, whoever is worth least there goes. Where a row asks for
somebody else first, as a treatment does for its test, that one is placed in the same move.
"""

from __future__ import annotations

import numpy as np

from allocator.compiled import compiled_moves
from allocator.solve.moves import LOG, LONGEST_LOG, NONE, Arrays, State, Values, fits, note, put, take

MOST_OUT = 3
"""Who may give up a place for one link of a chain, beside the one who goes on with it."""


@compiled_moves
def cheapest(arrays: Arrays, values: Values, state: State, session: int, barred: int, weight: int) -> int:
    """Who is worth least of those in a session who weigh as much; -1 for nobody."""
    found, least = NONE, np.inf
    for k in range(state.member_count[session]):
        held = state.place[state.members[session, k]]
        if arrays.weight[held] >= weight and state.members[session, k] != barred and values.reduced[held] < least:
            found, least = state.members[session, k], values.reduced[held]
    return found


@compiled_moves
def make_room(arrays: Arrays, values: Values, state: State, option: int, noise: float) -> bool:
    """Take out who is worth least of the session, and of every row, that does not take the option; does it fit then."""
    session = arrays.session[option]
    for _ in range(MOST_OUT):
        if fits(arrays, state, option):
            return True
        short = state.load[session] + arrays.weight[option] - arrays.room[session]
        row = full_row(arrays, state, option)
        found, least = NONE, np.inf
        if short > 0:
            found = cheapest(arrays, values, state, session, NONE, short)
        elif row >= 0:
            for k in range(arrays.user_start[row], arrays.user_start[row + 1]):
                entry = arrays.user[k]
                held = state.place[entry]
                if held >= 0 and stands_in(arrays, held, row):
                    worth = values.reduced[held] - values.minute[arrays.session[held]] * arrays.weight[held]
                    worth += noise * np.random.random()
                    if worth < least:
                        found, least = entry, worth
        if found < 0:
            return False
        note(state, found)
        take(arrays, values, state, found)
    return fits(arrays, state, option)


@compiled_moves
def full_row(arrays: Arrays, state: State, option: int) -> int:
    """The first row of its own that is only used up and does not take the option; -1 for none."""
    for k in range(arrays.row_start[option], arrays.row_start[option + 1]):
        row = arrays.row[k]
        if not arrays.soft[row] and state.activity[row] + arrays.coefficient[k] > arrays.upper[row]:
            return int(row)
    return -1


@compiled_moves
def stands_in(arrays: Arrays, option: int, row: int) -> bool:
    """Does the option use the row up by itself."""
    for k in range(arrays.row_start[option], arrays.row_start[option + 1]):
        if arrays.row[k] == row:
            return bool(arrays.coefficient[k] > 0)
    return False


@compiled_moves
def relieve(arrays: Arrays, values: Values, state: State, noise: float) -> None:
    """Rows that the move under way has broken, and that one entry alone relieves: it is placed where it does."""
    if not len(arrays.relief_option):
        return
    for n in range(state.number[LOG]):
        option = state.place[state.log_entry[n]]
        if option < 0:
            continue
        for k in range(arrays.row_start[option], arrays.row_start[option + 1]):
            row = arrays.row[k]
            if (
                arrays.relief_start[row] < arrays.relief_start[row + 1]
                and state.activity[row] > arrays.upper[row]
                and state.number[LOG] < LONGEST_LOG - 100
            ):
                bring(arrays, values, state, row, noise)


@compiled_moves
def bring(arrays: Arrays, values: Values, state: State, row: int, noise: float) -> None:
    """Place who relieves this row: in the best place that is free, or else in the best that others make room for."""
    found, most, is_free = NONE, -np.inf, False
    for k in range(arrays.relief_start[row], arrays.relief_start[row + 1]):
        option = arrays.relief_option[k]
        free = fits(arrays, state, option)
        worth = values.reduced[option] - values.minute[arrays.session[option]] * arrays.weight[option]
        worth += noise * np.random.random()
        if (free and not is_free) or (free == is_free and worth > most):
            found, most, is_free = option, worth, free
    entry = arrays.entry[found]
    note(state, entry)
    if state.place[entry] >= 0:
        take(arrays, values, state, entry)
    if make_room(arrays, values, state, found, noise):
        note(state, entry)
        put(arrays, values, state, found)
