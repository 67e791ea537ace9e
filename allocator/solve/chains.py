"""chains: ejection chains, and the closing of sessions.

An entry takes a place, whoever stood in its way takes another, and so on; where a row beyond the session is full, a
budget or what a trust may send, those of it who are worth least give up their places wherever they are. A session that
was opened is closed, another opened instead, and those dropped are placed again.
"""

from __future__ import annotations

import numpy as np

from allocator.compiled import compiled_moves
from allocator.instance import Array, Ints
from allocator.solve.free_places import FEW, MANY, best_place, fill, place_again
from allocator.solve.moves import (
    LOG,
    LONGEST_LOG,
    NONE,
    Arrays,
    State,
    Values,
    begin,
    fits,
    fits_rows,
    is_open,
    note,
    put,
    settle,
    take,
    takes_one_more,
    too_short,
)
from allocator.solve.room import MOST_OUT, cheapest, make_room, relieve

DEPTH = 4
"""Ejections in one chain, at most."""
HOPELESS = 3.0
"""An option so many times the noise below the best so far is not looked at closely."""
NOWHERE = -1e18


def new_path() -> Ints:
    """Room for the sessions that one chain has been in."""
    return np.empty(1 + DEPTH * (1 + MOST_OUT), dtype=np.int64)


@compiled_moves
def step_target(
    arrays: Arrays, values: Values, state: State, entry: int, last: bool, noise: float, visited: Ints, n_visited: int
) -> tuple[int, int, float]:
    """Where an entry without a place goes next: (option, entry to eject or -1, worth); option -1 for nowhere."""
    found, ejected, most = NONE, NONE, NOWHERE
    for option in range(arrays.entry_start[entry], arrays.entry_start[entry + 1]):
        session, weight = arrays.session[option], arrays.weight[option]
        minute = values.minute[session]
        here = values.reduced[option] - minute * weight
        if here < most - HOPELESS * noise or not is_open(arrays, state, session):
            continue
        if seen(visited, n_visited, session):
            continue
        here += noise * np.random.random()
        free = arrays.room[session] - state.load[session]
        if weight <= free and takes_one_more(arrays, state, session):
            into_room = fits_rows(arrays, state, option)
            worth = here + minute * weight if into_room else here
            if worth > most:
                found, ejected, most = option, -1, worth
            if into_room:
                continue
        for k in range(state.member_count[session]):
            other = state.members[session, k]
            held = state.place[other]
            if last:
                worth = values.reduced[option] - values.reduced[held]
            else:
                worth = here - (values.reduced[held] - minute * arrays.weight[held]) + values.best[other]
                worth -= minute * max(0, arrays.weight[held] - weight)
            worth += noise * np.random.random()
            if arrays.weight[held] + free < weight and worth > most:
                second = cheapest(arrays, values, state, session, other, weight - free - arrays.weight[held])
                worth -= values.reduced[state.place[second]] if second >= 0 else np.inf
            if worth > most:
                found, ejected, most = option, other, worth
    return found, ejected, most


@compiled_moves
def seen(visited: Ints, n_visited: int, session: int) -> bool:
    """Has the chain been in this session."""
    found = False
    for k in range(n_visited):
        found |= visited[k] == session
    return found


@compiled_moves
def chain(
    arrays: Arrays,
    values: Values,
    state: State,
    start: int,
    depth: int,
    noise: float,
    temperature: float,
    visited: Ints,
) -> float:
    """One move: an ejection chain from this entry. What it gained."""
    begin(state)
    n_visited = 0
    note(state, start)
    if state.place[start] >= 0:
        visited[0] = arrays.session[state.place[start]]
        n_visited = 1
        take(arrays, values, state, start)
    entry = start
    for link in range(depth):
        option, other, worth = step_target(arrays, values, state, entry, link == depth - 1, noise, visited, n_visited)
        if option < 0 or (other < 0 and worth <= 0):
            break
        if other >= 0:
            note(state, other)
            take(arrays, values, state, other)
        back = state.number[LOG]
        if not make_room(arrays, values, state, option, noise):
            # The rows beyond the session do not take it; settle sees what is left of the chain.
            while state.number[LOG] > back:
                state.number[LOG] -= 1
                put(arrays, values, state, state.log_option[state.number[LOG]])
            if other >= 0:
                put(arrays, values, state, state.log_option[back - 1])
            break
        for k in range(back, state.number[LOG]):
            visited[n_visited] = arrays.session[state.log_option[k]]
            n_visited += 1
        note(state, entry)
        put(arrays, values, state, option)
        visited[n_visited] = arrays.session[option]
        n_visited += 1
        entry = other
        if other < 0:
            break
    relieve(arrays, values, state, noise)
    place_again(arrays, values, state)
    possible = True
    for k in range(n_visited):
        if state.cases[visited[k]] > 0:
            fill(arrays, values, state, visited[k], FEW, 0.0)
        possible = possible and not too_short(arrays, state, visited[k])
    return settle(arrays, values, state, possible, temperature)


@compiled_moves
def close(
    arrays: Arrays, values: Values, state: State, session: int, instead: int, noise: float, temperature: float
) -> float:
    """One move: empty a session, open another `instead` (-1: none), place the dropped again. What it gained."""
    begin(state)
    while state.member_count[session] > 0:
        entry = state.members[session, state.member_count[session] - 1]
        note(state, entry)
        take(arrays, values, state, entry)
    possible = state.cases[session] == 0 or not too_short(arrays, state, session)
    if instead >= 0:
        draw_in(arrays, values, state, instead, noise)
        for k in range(state.number[LOG]):
            if state.log_option[k] >= 0:
                left = arrays.session[state.log_option[k]]
                if left != session and state.cases[left] > 0:
                    fill(arrays, values, state, left, FEW, 0.0)
                    possible = possible and not too_short(arrays, state, left)
        fill(arrays, values, state, instead, MANY, 0.1)
        possible = possible and not too_short(arrays, state, instead)
    dropped = state.number[LOG]
    for k in range(dropped):
        entry = state.log_entry[k]
        if not possible or state.place[entry] >= 0 or state.number[LOG] > LONGEST_LOG - 100:
            continue
        option = best_place(arrays, values, state, entry, session)
        if option >= 0:
            note(state, entry)
            put(arrays, values, state, option)
        else:
            possible = eject_one(arrays, values, state, entry, session)
    return settle(arrays, values, state, possible, temperature)


@compiled_moves
def draw_in(arrays: Arrays, values: Values, state: State, session: int, noise: float) -> None:
    """Bring the least number of cases into a session: those who lose least by leaving where they are."""
    for _ in range(2 * arrays.fewest[session]):
        if state.cases[session] >= arrays.fewest[session] or state.number[LOG] > LONGEST_LOG - 100:
            return
        found, most = NONE, NOWHERE
        for k in range(arrays.session_start[session], arrays.session_start[session + 1]):
            if state.load[session] + arrays.session_weight[k] > arrays.room[session]:
                continue
            option, now = arrays.session_option[k], state.place[arrays.session_entry[k]]
            worth = values.reduced[option] + noise * np.random.random()
            if now >= 0:
                if arrays.session[now] == session:
                    continue
                worth -= values.reduced[now] - values.minute[arrays.session[now]] * arrays.weight[now]
            if worth > most:
                found, most = option, worth
        if found < 0:
            return
        entry = arrays.entry[found]
        note(state, entry)
        if state.place[entry] >= 0:
            take(arrays, values, state, entry)
        if not make_room(arrays, values, state, found, noise):
            return
        note(state, entry)
        put(arrays, values, state, found)


@compiled_moves
def eject_one(arrays: Arrays, values: Values, state: State, entry: int, barred: int) -> bool:
    """Place the entry where it throws out the one worth least, if that pays; False if a list became too short."""
    found, ejected, most = NONE, NONE, 1e-9
    for option in range(arrays.entry_start[entry], arrays.entry_start[entry + 1]):
        session = arrays.session[option]
        if session == barred:
            continue
        free = arrays.room[session] - state.load[session]
        for k in range(state.member_count[session]):
            other = state.members[session, k]
            held = state.place[other]
            gain = values.reduced[option] - values.reduced[held]
            if arrays.weight[held] + free >= arrays.weight[option] and gain > most:
                found, ejected, most = option, other, gain
    if found < 0:
        return True
    note(state, ejected)
    take(arrays, values, state, ejected)
    if fits(arrays, state, found):
        note(state, entry)
        put(arrays, values, state, found)
    else:
        put(arrays, values, state, state.log_option[state.number[LOG] - 1])
    return not too_short(arrays, state, arrays.session[found])


@compiled_moves
def chain_many(
    arrays: Arrays,
    values: Values,
    state: State,
    starts: Array,
    visited: Ints,
    noise: float,
    temperature: float,
    seed: int,
) -> None:
    """Chains of random depth from these entries in turn; `visited` is room to work in (`new_path`)."""
    np.random.seed(seed)
    for start in starts:
        chain(arrays, values, state, start, 1 + np.random.randint(DEPTH), noise, temperature, visited)


@compiled_moves
def close_many(
    arrays: Arrays,
    values: Values,
    state: State,
    sessions: Array,
    instead: Array,
    noise: float,
    temperature: float,
    seed: int,
) -> None:
    """Close each of these sessions if it is open, or open it; with another opened instead where one is given."""
    np.random.seed(seed)
    for k in range(len(sessions)):
        session, other = sessions[k], instead[k]
        if state.cases[session] == 0:
            other = session
        if other >= 0 and other != session and state.cases[other] > 0:
            other = NONE
        if state.cases[session] > 0 or other == session:
            close(arrays, values, state, session, other, noise, temperature)
