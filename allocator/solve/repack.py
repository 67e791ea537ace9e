"""repack: empty a session and fill it best by dynamic programming, from its own, the unplaced and the stolen.

Those from whom somebody was stolen are repacked in turn, without stealing; whoever lost a place gets the best
that is left. Worth is reduced worth: what a placement brings less the price of what it uses elsewhere.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from allocator.compiled import compiled_moves
from allocator.instance import Array, Bools, Floats, Ints
from allocator.solve.free_places import SOME, fill, place_again
from allocator.solve.moves import (
    DEEP,
    LOG,
    LONGEST_LOG,
    LONGEST_QUEUE,
    Arrays,
    State,
    Values,
    begin,
    fits,
    fits_rows,
    note,
    put,
    settle,
    take,
    too_short,
)
from allocator.solve.room import relieve

MOST_ITEMS = 600
"""Candidates in one dynamic programme."""
WIDEST = 600
"""Steps of capacity in one dynamic programme; a finer session is coarsened, weights rounded up."""
LEAST_GAIN = 0.02
"""Somebody is stolen only for this much more than where they are, as a share."""


class Desk(NamedTuple):
    """Room to work in for a dynamic programme.

    worth, option  (WIDEST + 1, DEEP) best candidates of each weight; deep (WIDEST + 1,) how many
    used           (WIDEST + 1,) weights in use
    item_worth, item_size, item_option (MOST_ITEMS,); taken (MOST_ITEMS, WIDEST + 1); best (WIDEST + 1,)
    chosen (MOST_ITEMS,) options of the best pattern; queue (LONGEST_QUEUE,) sessions to repack
    """

    worth: Floats
    option: Ints
    deep: Ints
    used: Ints
    item_worth: Floats
    item_size: Ints
    item_option: Ints
    taken: Bools
    best: Floats
    chosen: Ints
    queue: Ints


def new_desk() -> Desk:
    """An empty desk."""
    return Desk(
        np.zeros((WIDEST + 1, DEEP)),
        np.zeros((WIDEST + 1, DEEP), dtype=np.int64),
        np.zeros(WIDEST + 1, dtype=np.int64),
        np.zeros(WIDEST + 1, dtype=np.int64),
        np.zeros(MOST_ITEMS),
        np.zeros(MOST_ITEMS, dtype=np.int64),
        np.zeros(MOST_ITEMS, dtype=np.int64),
        np.zeros((MOST_ITEMS, WIDEST + 1), dtype=bool),
        np.zeros(WIDEST + 1),
        np.zeros(MOST_ITEMS, dtype=np.int64),
        np.zeros(LONGEST_QUEUE, dtype=np.int64),
    )


@compiled_moves
def step_of(arrays: Arrays, session: int) -> int:
    """Units of capacity to one step of the dynamic programme."""
    step = arrays.unit[session]
    while arrays.room[session] // step > WIDEST:
        step *= 2
    return int(step)


@compiled_moves
def candidate_worth(
    arrays: Arrays, values: Values, state: State, option: int, stealing: bool, generosity: float
) -> float:
    """What an option is worth to a session being repacked; at most 0 where it is no candidate."""
    worth = values.reduced[option]
    if worth <= 0:
        return 0.0
    now = state.place[arrays.entry[option]]
    if now < 0:
        return worth if fits_rows(arrays, state, option) else 0.0
    if not stealing or arrays.session[now] == arrays.session[option]:
        return 0.0
    kept = values.reduced[now] - generosity * arrays.weight[now] * values.minute[arrays.session[now]]
    worth -= max(0.0, kept)
    return float(worth - LEAST_GAIN * abs(worth))


@compiled_moves
def gather(
    arrays: Arrays,
    values: Values,
    state: State,
    desk: Desk,
    session: int,
    stealing: bool,
    generosity: float,
    noise: float,
) -> int:
    """Fill the desk with the best candidates of each weight; how many."""
    step = step_of(arrays, session)
    steps = (arrays.room[session] - state.load[session]) // step
    n_used = 0
    for k in range(arrays.session_start[session], arrays.session_start[session + 1]):
        option = arrays.session_option[k]
        worth = candidate_worth(arrays, values, state, option, stealing, generosity)
        if worth <= 0:
            continue
        if noise > 0:
            worth *= 1.0 + noise * (np.random.random() - 0.5)
        size = -(-arrays.weight[option] // step)
        if size > steps:
            continue
        deepest = min(DEEP, steps // size) if size > 0 else DEEP
        deep = desk.deep[size]
        if deep == 0:
            desk.used[n_used] = size
            n_used += 1
        elif deep == deepest and worth <= desk.worth[size, deep - 1]:
            continue
        place = min(deep, deepest - 1)
        desk.deep[size] = place + 1
        while place > 0 and desk.worth[size, place - 1] < worth:
            desk.worth[size, place] = desk.worth[size, place - 1]
            desk.option[size, place] = desk.option[size, place - 1]
            place -= 1
        desk.worth[size, place] = worth
        desk.option[size, place] = option
    n_items = 0
    for k in range(n_used):
        size = desk.used[k]
        for place in range(desk.deep[size]):
            if n_items < MOST_ITEMS:
                desk.item_worth[n_items] = desk.worth[size, place]
                desk.item_size[n_items] = size
                desk.item_option[n_items] = desk.option[size, place]
                n_items += 1
        desk.deep[size] = 0
    return n_items


@compiled_moves
def pattern(desk: Desk, n_items: int, steps: int) -> int:
    """Best pattern of the items on the desk into `steps`; options into desk.chosen, best first; how many."""
    for x in range(steps + 1):
        desk.best[x] = 0.0
    for n in range(n_items):
        size, worth = desk.item_size[n], desk.item_worth[n]
        for x in range(steps + 1):
            desk.taken[n, x] = False
        for x in range(steps, size - 1, -1):
            other = desk.best[x - size] + worth
            if other > desk.best[x]:
                desk.best[x] = other
                desk.taken[n, x] = True
    n_chosen, x = 0, steps
    for n in range(n_items - 1, -1, -1):
        if desk.taken[n, x]:
            x -= desk.item_size[n]
            place = n_chosen
            while place > 0 and desk.item_worth[desk.chosen[place - 1]] < desk.item_worth[n]:
                desk.chosen[place] = desk.chosen[place - 1]
                place -= 1
            desk.chosen[place] = n
            n_chosen += 1
    for k in range(n_chosen):
        desk.chosen[k] = desk.item_option[desk.chosen[k]]
    return n_chosen


@compiled_moves
def enqueue(desk: Desk, length: int, session: int) -> int:
    """Add a session to those to repack, once; the new length."""
    for k in range(length):
        if desk.queue[k] == session:
            return length
    if length < LONGEST_QUEUE:
        desk.queue[length] = session
        return length + 1
    return length


@compiled_moves
def repack(
    arrays: Arrays,
    values: Values,
    state: State,
    desk: Desk,
    session: int,
    stealing: bool,
    noise: float,
    temperature: float,
) -> float:
    """One move: this session, and those it stole from, filled anew. What it gained."""
    begin(state)
    generosity = 0.6 + 0.4 * np.random.random()
    desk.queue[0] = session
    length, done, possible = 1, 0, True
    while done < length and possible:
        here = desk.queue[done]
        while state.member_count[here] > 0:
            entry = state.members[here, state.member_count[here] - 1]
            note(state, entry)
            take(arrays, values, state, entry)
        n_items = gather(arrays, values, state, desk, here, stealing and done == 0, generosity, noise)
        steps = (arrays.room[here] - state.load[here]) // step_of(arrays, here)
        for k in range(pattern(desk, n_items, steps)):
            option = desk.chosen[k]
            entry = arrays.entry[option]
            note(state, entry)
            if state.place[entry] >= 0:
                length = enqueue(desk, length, arrays.session[state.place[entry]])
                take(arrays, values, state, entry)
            if fits(arrays, state, option):
                put(arrays, values, state, option)
        fill(arrays, values, state, here, SOME, 0.0)
        possible = not too_short(arrays, state, here) and state.number[LOG] < LONGEST_LOG - 500
        done += 1
    if possible:
        relieve(arrays, values, state, 0.0)
        place_again(arrays, values, state)
    return settle(arrays, values, state, possible, temperature)


@compiled_moves
def repack_many(
    arrays: Arrays,
    values: Values,
    state: State,
    desk: Desk,
    sessions: Array,
    stealing: float,
    noise: float,
    temperature: float,
    seed: int,
) -> None:
    """Repack these sessions in turn, stealing in so large a share of the moves."""
    np.random.seed(seed)
    for session in sessions:
        repack(arrays, values, state, desk, session, np.random.random() < stealing, noise, temperature)
