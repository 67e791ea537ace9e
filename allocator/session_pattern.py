"""The best pattern of a session: who together fits its room, and is worth most; compiled, in whole numbers.

maximise   sum of value over the chosen
subject to sum of weight <= room, fewest <= number chosen <= most

by dynamic programming over items, number chosen and room. Of equal weight only the best can be among the chosen,
no more than fit the room side by side; what is worth nothing only serves to reach `fewest`. Where the table would
be too large, a whole price of one unit of room proves a weaker bound.
Source: Martello and Toth, Knapsack Problems (1990), chapters 2 (bounds, dominance) and 3.
"""

from __future__ import annotations

import numpy as np

from allocator.compiled import compiled
from allocator.instance import Array, Bools, Ints

LARGEST_WORK = 30_000_000
"""Cells that one session's dynamic programme may fill in all."""
LARGEST_TABLE = 2_000_000
"""Cells of its table that are held at once."""
NEVER = -(2**62)
"""What no pattern is worth: values of one session must add up to less than half of it, however they are summed."""


@compiled
def best_patterns_of(
    start: Ints,
    option: Ints,
    candidate: Bools,
    value: Ints,
    weight: Ints,
    room: Ints,
    fewest: Ints,
    most: Ints,
    traced: bool,
) -> tuple[Ints, Bools]:
    """What the best pattern of each session is worth (n_sessions,), NEVER where no pattern has `fewest`.

    Options of session s are option[start[s]..start[s + 1]]; of them the candidates (n_options,) may be chosen.
    value, weight (n_options,), weights from 0; room, fewest, most (n_sessions,) from 0. If `traced`, the second
    array (n_options,) says who is in the patterns; in a session too large for the table one that merely fits.
    """
    best = np.zeros(len(room), dtype=np.int64)
    chosen = np.zeros(len(option), dtype=np.bool_)
    for session in range(len(room)):
        here = option[start[session] : start[session + 1]]
        useful = np.zeros(len(here), dtype=np.bool_)
        step = 0
        for k in range(len(here)):
            size = weight[here[k]]
            positive = value[here[k]] > 0 or fewest[session] > 0
            useful[k] = candidate[here[k]] and size <= room[session] and positive
            if useful[k] and step != 1:
                step = greatest_common_divisor(step, int(size))
        step = max(step, 1)
        items = here[useful]
        items = items[np.argsort(-value[items])]
        steps = room[session] // step
        items = items[undominated(value[items], weight[items] // step, steps, fewest[session], most[session])]
        taken = np.zeros(len(items) if traced else 0, dtype=np.bool_)
        best[session] = best_pattern(value[items], weight[items] // step, steps, fewest[session], most[session], taken)
        if traced:
            chosen[items[taken]] = True
    return best, chosen


@compiled
def greatest_common_divisor(a: int, b: int) -> int:
    """Of two numbers from 0; 0 of none."""
    while b:
        a, b = b, a % b
    return a


@compiled
def undominated(values: Ints, weights: Ints, room: int, fewest: int, most: int) -> Bools:
    """(n_items,) which of these items, best first, can be in a best pattern."""
    kept = np.ones(len(values), dtype=np.bool_)
    if room >= LARGEST_TABLE:
        return kept
    seen = np.zeros(room + 1, dtype=np.int64)
    for k in range(len(values)):
        size = weights[k]
        side_by_side = min(most, room // size) if size else most
        kept[k] = seen[size] < side_by_side and (values[k] > 0 or seen[size] < fewest)
        seen[size] += 1
    return kept


@compiled
def best_pattern(values: Ints, weights: Ints, room: int, fewest: int, most: int, taken: Bools) -> int:
    """What the best pattern of these items, best first, is worth; marks it in `taken` (n_items,) if that is there.

    A bound from above where the table would be too large; NEVER where no pattern has `fewest`.
    """
    positive = int(np.sum(values > 0))
    if fewest <= positive <= most and np.sum(weights[:positive]) <= room:
        taken[:positive] = True
        return int(np.sum(values[:positive]))
    lightest = weights.min() if len(weights) else 1
    at_once = min(len(weights), room // lightest) if lightest else len(weights)
    if fewest > min(at_once, most):
        return NEVER
    # With room for more than may be chosen every number is a level; else the last level is "fewest or more".
    counted = most < at_once
    top = most if counted else fewest
    cells = (top + 1) * (room + 1)
    if cells > LARGEST_TABLE or cells * len(values) > LARGEST_WORK:
        return bound_without_table(values, weights, room, most, taken)
    table = np.full((top + 1, room + 1), NEVER, dtype=np.int64)
    table[0] = 0
    moves = np.zeros((len(taken), top + 1, room + 1), dtype=np.uint8)
    for item in range(len(values)):
        if len(taken):
            add_traced(table, values[item], weights[item], counted, moves[item])
        else:
            add(table, values[item], weights[item], counted)
    level = top
    for other in range(fewest, top):
        if table[other, room] > table[level, room]:
            level = other
    if table[level, room] < NEVER // 2:
        return NEVER
    trace(moves, weights, level, taken)
    return int(table[level, room])


@compiled
def add(table: Ints, value: int, weight: int, counted: bool) -> None:
    """Let one more item be chosen: table[level, x] is the best worth within room x at this number chosen."""
    top, width = table.shape[0] - 1, table.shape[1]
    for level in range(top, -1, -1):
        here = table[level]
        if level > 0:
            below = table[level - 1]
            if level == top and not counted:
                for x in range(width - 1, weight - 1, -1):
                    here[x] = max(here[x], max(here[x - weight], below[x - weight]) + value)
            else:
                for x in range(width - 1, weight - 1, -1):
                    here[x] = max(here[x], below[x - weight] + value)
        elif top == 0 and not counted:
            for x in range(width - 1, weight - 1, -1):
                here[x] = max(here[x], here[x - weight] + value)


@compiled
def add_traced(table: Ints, value: int, weight: int, counted: bool, moves: Array) -> None:
    """The same, noting in `moves` whether the item was chosen: from one level below (2) or the same (1)."""
    top, width = table.shape[0] - 1, table.shape[1]
    for level in range(top, -1, -1):
        for x in range(width - 1, weight - 1, -1):
            if level == top and not counted and table[level, x - weight] + value > table[level, x]:
                table[level, x] = table[level, x - weight] + value
                moves[level, x] = 1
            if level > 0 and table[level - 1, x - weight] + value > table[level, x]:
                table[level, x] = table[level - 1, x - weight] + value
                moves[level, x] = 2


@compiled
def trace(moves: Array, weights: Ints, level: int, taken: Bools) -> None:
    """Mark in `taken` (n_items,) the items of the best pattern at this level, from what was noted of each."""
    x = moves.shape[2] - 1
    for item in range(len(taken) - 1, -1, -1):
        move = moves[item, level, x]
        if move:
            taken[item] = True
            x -= weights[item]
            level -= move - 1


@compiled
def bound_without_table(values: Ints, weights: Ints, room: int, most: int, taken: Bools) -> int:
    """A bound from above on the best pattern, `fewest` left out; marks a pattern that fits in `taken`.

    For any whole price p from 0 of one unit of room no pattern is worth more than
    p room + sum over items of max(0, value - p weight); nor more than its `most` best items.
    """
    # The bound is convex in p: it falls while those who are worth their room need more of it than there is.
    low, high = 0, max(0, int(values[0]))
    while low < high:
        price = low + (high - low) // 2
        if wanted_at(values, weights, price) > room:
            low = price + 1
        else:
            high = price
    best = min(bound_at(values, weights, room, low), bound_at(values, weights, room, max(0, low - 1)))
    left, places = room, most
    for k in range(len(taken)):
        taken[k] = places > 0 and weights[k] <= left and worth_its_room(values[k], weights[k], max(0, low - 1))
        if taken[k]:
            left -= int(weights[k])
            places -= 1
    return int(min(best, np.sum(np.maximum(values[:most], 0))))


@compiled
def worth_its_room(value: int, weight: int, price: int) -> bool:
    """Is value > price x weight, without the product, which may be too large."""
    return bool(value > 0 and (weight == 0 or price <= (value - 1) // weight))


@compiled
def wanted_at(values: Ints, weights: Ints, price: int) -> int:
    """Room that the items worth this price need together."""
    wanted = 0
    for k in range(len(values)):
        if worth_its_room(values[k], weights[k], price):
            wanted += int(weights[k])
    return wanted


@compiled
def bound_at(values: Ints, weights: Ints, room: int, price: int) -> int:
    """What this price of one unit of room proves."""
    bound = price * room
    for k in range(len(values)):
        if worth_its_room(values[k], weights[k], price):
            bound += int(values[k]) - price * int(weights[k])
    return bound
