"""moves: what a search may do to a plan, compiled: put, take out, repack a session, eject in chains, close.

Knows arrays (`allocator.solve.arrays`), not rules. A move changes the state at once and writes down what it
changed; `settle` then keeps it or takes it back. Rows that placements only use up are never overrun; soft rows
(shares, floors, goals held) may be broken on the way at a penalty.

A session is open exactly while somebody is in it. Source: repacking with stealing, ejection chains and the close
move are those measured in docs/decisions/0006-large-models.md.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from allocator.compiled import compiled_moves, whole
from allocator.instance import Array, Bools, Floats, Ints


class Arrays(NamedTuple):
    """The model as the search sees it: options that may move, session by session and entry by entry.

    entry_start   (n_entries + 1,) options of entry e are entry_start[e]..entry_start[e + 1]
    entry, session, weight  (n_options,) weight in the session's own capacity row
    session_start, session_option  options of session s: session_option[session_start[s]..session_start[s + 1]]
    session_entry, session_weight  whose those options are, and their weights: read in a row, where who needs more than
                  is free is passed over
    row_start, row, coefficient  rows beyond the session that each option stands in
    group_start, group  groups that each option is in; weight_start, weight_row, weights: rows of each group
    opening_start, opening_row, opening_coefficient  rows that opening a session stands in
    room, unit, fewest, most  (n_sessions,) capacity, greatest common step of weights, least and most cases
    lower, upper, soft  (n_rows,)
    auxiliary, auxiliary_coefficient  (n_rows,) the auxiliary that eases the row, -1 for none
    auxiliary_start, auxiliary_row, auxiliary_upper  rows of each auxiliary, and its largest value
    user_start, user  entries with an option that uses a row up which is not soft: those of row r, in order, are
                  user[user_start[r]..user_start[r + 1]]
    relief_start, relief_option  options that lower a row which those of one entry alone lower: those of row r are
                  relief_option[relief_start[r]..relief_start[r + 1]]
    """

    entry_start: Ints
    entry: Array
    session: Array
    weight: Array
    session_start: Ints
    session_option: Array
    session_entry: Array
    session_weight: Array
    row_start: Ints
    row: Array
    coefficient: Floats
    group_start: Ints
    group: Array
    weight_start: Ints
    weight_row: Array
    weights: Floats
    opening_start: Ints
    opening_row: Array
    opening_coefficient: Floats
    room: Ints
    unit: Ints
    fewest: Ints
    most: Ints
    lower: Floats
    upper: Floats
    soft: Bools
    auxiliary: Ints
    auxiliary_coefficient: Floats
    auxiliary_start: Ints
    auxiliary_row: Ints
    auxiliary_upper: Floats
    user_start: Ints
    user: Array
    relief_start: Ints
    relief_option: Ints


class Values(NamedTuple):
    """What things are worth to the search, all larger is better.

    option, opening  (n_options,), (n_sessions,) what acceptance counts
    auxiliary  (n_auxiliaries,) worth of one unit, usually below zero
    penalty    (n_rows,) cost of one unit of violation of a soft row
    reduced    (n_options,) worth less the price of all rows but the session's own
    minute     (n_sessions,) price of one unit of the session's capacity
    best       (n_entries,) the best of reduced - minute x weight, at least 0
    """

    option: Floats
    opening: Floats
    auxiliary: Floats
    penalty: Floats
    reduced: Floats
    minute: Floats
    best: Floats


class State(NamedTuple):
    """The plan as it stands, and room to work in.

    place      (n_entries,) option, -1 for none
    load, cases  (n_sessions,) fixed placements included
    activity   (n_rows,)
    members, position  (n_sessions, most), (n_entries,) who is in each session, and where in that list
    member_count (n_sessions,) movable members
    ease       (n_auxiliaries,) value of each auxiliary
    broken     (n_rows,) cost of each row as it stands
    log_entry, log_option  what the move under way changed; touched, stamp: rows that it touched
    number     (4,) length of the log, of touched, number of the move, number of the auxiliary check
    worth      (1,) what the move under way has gained so far, rows left out
    """

    place: Ints
    load: Ints
    cases: Ints
    activity: Floats
    members: Array
    position: Ints
    member_count: Ints
    ease: Floats
    broken: Floats
    log_entry: Ints
    log_option: Ints
    touched: Ints
    stamp: Ints
    number: Ints
    worth: Floats


LOG, TOUCHED, MOVE = 0, 1, 2
IN, OUT = whole(1), whole(-1)
NONE = whole(-1)
"""No entry, option or session."""
LONGEST_LOG = 4000
LONGEST_QUEUE = 200
DEEP = 24
"""Candidates of one weight that a repacking looks at."""


@compiled_moves
def touch(state: State, row: int) -> None:
    """Remember that the move under way changes this row."""
    if state.stamp[row] != state.number[MOVE]:
        state.stamp[row] = state.number[MOVE]
        state.touched[state.number[TOUCHED]] = row
        state.number[TOUCHED] += 1


@compiled_moves
def shift(arrays: Arrays, values: Values, state: State, option: int, sign: int) -> None:
    """Count an option IN or OUT: session, rows, groups, opening, worth."""
    session = arrays.session[option]
    state.load[session] += sign * arrays.weight[option]
    before = state.cases[session]
    state.cases[session] = before + sign
    for k in range(arrays.row_start[option], arrays.row_start[option + 1]):
        touch(state, arrays.row[k])
        state.activity[arrays.row[k]] += sign * arrays.coefficient[k]
    for g in range(arrays.group_start[option], arrays.group_start[option + 1]):
        group = arrays.group[g]
        for k in range(arrays.weight_start[group], arrays.weight_start[group + 1]):
            touch(state, arrays.weight_row[k])
            state.activity[arrays.weight_row[k]] += sign * arrays.weights[k]
    state.worth[0] += sign * values.option[option]
    if (before == 0 and sign > 0) or (before == 1 and sign < 0):
        state.worth[0] += sign * values.opening[session]
        for k in range(arrays.opening_start[session], arrays.opening_start[session + 1]):
            touch(state, arrays.opening_row[k])
            state.activity[arrays.opening_row[k]] += sign * arrays.opening_coefficient[k]


@compiled_moves
def put(arrays: Arrays, values: Values, state: State, option: int) -> None:
    """Place the option's entry there; it must have no place."""
    entry, session = arrays.entry[option], arrays.session[option]
    shift(arrays, values, state, option, IN)
    state.place[entry] = option
    last = state.member_count[session]
    state.members[session, last] = entry
    state.position[entry] = last
    state.member_count[session] = last + 1


@compiled_moves
def take(arrays: Arrays, values: Values, state: State, entry: int) -> None:
    """Take an entry out of its place."""
    option = state.place[entry]
    session = arrays.session[option]
    shift(arrays, values, state, option, OUT)
    state.place[entry] = -1
    last = state.member_count[session] - 1
    other = state.members[session, last]
    state.members[session, state.position[entry]] = other
    state.position[other] = state.position[entry]
    state.member_count[session] = last


@compiled_moves
def note(state: State, entry: int) -> None:
    """Write down where an entry is before it changes."""
    state.log_entry[state.number[LOG]] = entry
    state.log_option[state.number[LOG]] = state.place[entry]
    state.number[LOG] += 1


@compiled_moves
def fits_rows(arrays: Arrays, state: State, option: int) -> bool:
    """Do all rows that are only used up still take the option (the session's own left out)."""
    for k in range(arrays.row_start[option], arrays.row_start[option + 1]):
        row = arrays.row[k]
        if not arrays.soft[row] and state.activity[row] + arrays.coefficient[k] > arrays.upper[row]:
            return False
    for g in range(arrays.group_start[option], arrays.group_start[option + 1]):
        group = arrays.group[g]
        for k in range(arrays.weight_start[group], arrays.weight_start[group + 1]):
            row = arrays.weight_row[k]
            if not arrays.soft[row] and state.activity[row] + arrays.weights[k] > arrays.upper[row]:
                return False
    session = arrays.session[option]
    if state.cases[session] == 0:
        for k in range(arrays.opening_start[session], arrays.opening_start[session + 1]):
            row = arrays.opening_row[k]
            if not arrays.soft[row] and state.activity[row] + arrays.opening_coefficient[k] > arrays.upper[row]:
                return False
    return True


@compiled_moves
def fits(arrays: Arrays, state: State, option: int) -> bool:
    """Does the option fit into its session and all rows that are only used up."""
    session = arrays.session[option]
    if state.load[session] + arrays.weight[option] > arrays.room[session]:
        return False
    return takes_one_more(arrays, state, session) and fits_rows(arrays, state, option)


@compiled_moves
def takes_one_more(arrays: Arrays, state: State, session: int) -> bool:
    """May the session have one case more."""
    return bool(state.cases[session] < arrays.most[session] and state.member_count[session] < state.members.shape[1])


@compiled_moves
def row_cost(arrays: Arrays, values: Values, state: State, row: int) -> float:
    """Cost of a row's violation, what its auxiliary may ease left out."""
    over = 0.0
    activity = state.activity[row]
    if activity > arrays.upper[row]:
        over = activity - arrays.upper[row]
    elif activity < arrays.lower[row]:
        over = arrays.lower[row] - activity
    if over > 0 and arrays.auxiliary[row] >= 0:
        over = max(0.0, over - arrays.auxiliary_upper[arrays.auxiliary[row]] * abs(arrays.auxiliary_coefficient[row]))
    return over * values.penalty[row] if over > 0 else 0.0


@compiled_moves
def eased(arrays: Arrays, state: State, auxiliary: int) -> float:
    """Smallest whole value of an auxiliary that its rows ask for."""
    most = 0.0
    for k in range(arrays.auxiliary_start[auxiliary], arrays.auxiliary_start[auxiliary + 1]):
        row = arrays.auxiliary_row[k]
        coefficient = arrays.auxiliary_coefficient[row]
        short = arrays.lower[row] - state.activity[row] if coefficient > 0 else state.activity[row] - arrays.upper[row]
        if short > 0:
            most = max(most, np.ceil(short / abs(coefficient)))
    return float(min(most, arrays.auxiliary_upper[auxiliary]))


@compiled_moves
def rows_gain(arrays: Arrays, values: Values, state: State) -> float:
    """What the rows touched by the move under way cost less than before it."""
    gain = 0.0
    for k in range(state.number[TOUCHED]):
        row = state.touched[k]
        if not arrays.soft[row]:
            continue
        gain += state.broken[row] - row_cost(arrays, values, state, row)
        auxiliary = arrays.auxiliary[row]
        if auxiliary >= 0 and first_touched(arrays, state, auxiliary, row):
            gain += values.auxiliary[auxiliary] * (eased(arrays, state, auxiliary) - state.ease[auxiliary])
    return gain


@compiled_moves
def first_touched(arrays: Arrays, state: State, auxiliary: int, row: int) -> bool:
    """Is this the first touched row among those of the auxiliary, so that it is counted once."""
    for k in range(arrays.auxiliary_start[auxiliary], arrays.auxiliary_start[auxiliary + 1]):
        other = arrays.auxiliary_row[k]
        if state.stamp[other] == state.number[MOVE]:
            return bool(other == row)
    return True


@compiled_moves
def begin(state: State) -> None:
    """Begin a move."""
    state.number[MOVE] += 1
    state.number[LOG] = 0
    state.number[TOUCHED] = 0
    state.worth[0] = 0.0


@compiled_moves
def settle(arrays: Arrays, values: Values, state: State, possible: bool, temperature: float) -> float:
    """Keep the move if it is possible and good enough (annealing), else take it back; what it gained."""
    gain = -np.inf
    if possible:
        gain = state.worth[0] + rows_gain(arrays, values, state)
        possible = gain >= -1e-9 or (temperature > 0 and np.random.random() < np.exp(gain / temperature))
    if possible:
        for k in range(state.number[TOUCHED]):
            row = state.touched[k]
            if arrays.soft[row]:
                state.broken[row] = row_cost(arrays, values, state, row)
                if arrays.auxiliary[row] >= 0:
                    state.ease[arrays.auxiliary[row]] = eased(arrays, state, arrays.auxiliary[row])
        return gain
    for k in range(state.number[LOG] - 1, -1, -1):
        entry, option = state.log_entry[k], state.log_option[k]
        if state.place[entry] >= 0:
            take(arrays, values, state, entry)
        if option >= 0:
            put(arrays, values, state, option)
    return 0.0


@compiled_moves
def refresh(arrays: Arrays, values: Values, state: State) -> None:
    """Work out the cost of every row anew, after prices changed."""
    for row in range(len(arrays.lower)):
        state.broken[row] = row_cost(arrays, values, state, row) if arrays.soft[row] else 0.0
    for auxiliary in range(len(arrays.auxiliary_upper)):
        state.ease[auxiliary] = eased(arrays, state, auxiliary)


@compiled_moves
def load(arrays: Arrays, values: Values, state: State, order: Ints) -> None:
    """Place options in this order wherever they fit; lists that stay too short are emptied again."""
    for option in order:
        if state.place[arrays.entry[option]] < 0 and fits(arrays, state, option):
            put(arrays, values, state, option)
            state.number[TOUCHED] = 0
            state.number[MOVE] += 1
    for session in range(len(arrays.room)):
        if 0 < state.cases[session] < arrays.fewest[session]:
            while state.member_count[session] > 0:
                take(arrays, values, state, state.members[session, 0])
                state.number[TOUCHED] = 0
                state.number[MOVE] += 1


@compiled_moves
def too_short(arrays: Arrays, state: State, session: int) -> bool:
    """Is somebody in the session, and too few for it to be open."""
    return bool(0 < state.cases[session] < arrays.fewest[session])


@compiled_moves
def is_open(arrays: Arrays, state: State, session: int) -> bool:
    """May one more case be added without a list to be opened for several."""
    return bool(state.cases[session] > 0 or arrays.fewest[session] <= 1)
