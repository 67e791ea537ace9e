"""soft_patterns: temperature x log sum exp over all patterns of each session, and each option's part in it; compiled.

Over items one after the other a table holds, for every number of cases and every room, the sum of exp(worth) of the
patterns within it; back through the same tables goes what part of all patterns passes through each cell, and so the
share of patterns that an item is in: the derivative of the softened worth. Sums are plain numbers centred about the
pattern that is best, where those fit the range of a double; else their logarithms, which costs several times more.
A session whose tables would be too large is softened without them, at the best price of one unit of its room.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from allocator.compiled import compiled, compiled_sums
from allocator.instance import Bools, Floats, Ints

DEPTH = 60.0
"""Sums are centred at exp(-DEPTH): patterns that do not fit the open room may be worth far more than the best."""
LEAST, LARGEST = 1e-120, 1e120
"""Between these a sum is exact enough as a plain number, and so is its product with another."""
FARTHEST = 590.0
"""Largest exponent of the empty pattern."""
STEEPEST = 80.0
"""Temperatures that one item may stand above its room before it counts as taken, and leaving it as what is small."""
FAR = 30.0
"""A term so many temperatures below another adds nothing to it."""
NOWHERE = -1e300
"""Logarithm of no pattern at all."""
SLIP = 1e-6
"""By how much the parts of all patterns may add up to more or less than 1 before the sums count as out of range."""
LEAST_PART = 1e-14
"""A smaller part of all patterns is followed no further."""
HALVINGS = 60
"""Of the interval that the best price of room lies in."""


class Tables(NamedTuple):
    """Sessions with items side by side: those of session s are start[s]..start[s + 1]. All but two (n_sessions,).

    start, weight  (n_sessions + 1,), (n_items,) the weights in steps of the session
    room       in steps
    fewest     cases of a pattern
    top        last number of cases that the table tells apart; -1 where it would be too large
    counted    may no pattern have more than `top`; else the last level is `fewest` or more, and top is `fewest`
    may_close  may be closed, and that is not the same as the empty pattern
    tilt       price of one step about which sums are centred
    centre     worth of the best pattern, about
    """

    start: Ints
    weight: Ints
    room: Ints
    fewest: Ints
    top: Ints
    counted: Bools
    may_close: Bools
    tilt: Floats
    centre: Floats


@compiled
def soften_patterns(
    tables: Tables, value: Floats, opening: Floats, temperature: float, share: Floats, opened: Floats
) -> float:
    """The softened worth of all sessions at these values (n_items,) and with what opening is worth (n_sessions,).

    Writes how much of each item (n_items,) and opening (n_sessions,) is in the softened choice.
    """
    n_sessions, largest = len(tables.room), 0
    for s in range(n_sessions):
        size = (tables.start[s + 1] - tables.start[s] + 1) * (tables.top[s] + 1) * (tables.room[s] + 1)
        largest = max(largest, size)
    forward = np.empty(largest)
    total = 0.0
    for s in range(n_sessions):
        first, last = tables.start[s], tables.start[s + 1]
        values, weights, shares = value[first:last], tables.weight[first:last], share[first:last]
        if tables.top[s] < 0:
            log_sum = without_table(values, weights, tables.room[s], temperature, shares)
        else:
            log_sum = plain(tables, s, values, weights, temperature, forward, shares)
            if np.isnan(log_sum):
                log_sum = logarithmic(tables, s, values, weights, temperature, forward, shares)
        opened[s] = 1.0
        if log_sum <= NOWHERE / 2.0:
            shares[:] = 0.0
            opened[s] = 0.0 if tables.may_close[s] else 1.0
            total += opened[s] * opening[s]
        elif tables.may_close[s]:
            worth = log_sum + opening[s] / temperature
            lifted = max(worth, 0.0) + np.log1p(np.exp(-abs(worth)))
            opened[s] = np.exp(worth - lifted)
            shares *= opened[s]
            total += temperature * lifted
        else:
            total += temperature * log_sum + opening[s]
    return total


@compiled
def plain(
    tables: Tables, s: int, values: Floats, weights: Ints, temperature: float, forward: Floats, shares: Floats
) -> float:
    """Logarithm of the sum over patterns of an open session, and shares (n_items,); NaN out of a double's range."""
    room, top, width, n = tables.room[s], tables.top[s], tables.room[s] + 1, len(values)
    cells, last = (top + 1) * width, top * width
    tilt = tables.tilt[s] / temperature
    offset = tilt * room - tables.centre[s] / temperature - DEPTH
    lifted = values / temperature - tilt * weights
    taken = 0.0
    stay = np.ones(n)
    for i in range(n):
        if lifted[i] > STEEPEST:
            taken += lifted[i]
            stay[i], lifted[i] = np.exp(-lifted[i]), 0.0
    offset += taken
    if abs(offset) > FARTHEST:
        return np.nan
    lifted = np.exp(lifted)
    forward[:cells] = 0.0
    forward[:width] = np.exp(offset - tilt * np.arange(width))
    for i in range(n):
        before, after = forward[i * cells : (i + 1) * cells], forward[(i + 1) * cells : (i + 2) * cells]
        u, z = weights[i], lifted[i]
        scaled(before, stay[i], after)
        for level in range(0, last, width):
            add_times(before[level : level + width - u], z, after[level + width + u : level + 2 * width])
        if not tables.counted[s]:
            add_times(before[last : cells - u], z, after[last + u :])
    part, moved = np.zeros(cells), np.empty(width)
    final = forward[n * cells : (n + 1) * cells]
    lowest = tables.fewest[s] if tables.counted[s] else top
    total = 0.0
    for level in range(lowest, top + 1):
        total += final[level * width + room]
    if not (total > LEAST and final.max() < LARGEST):
        return np.nan
    for level in range(lowest, top + 1):
        part[level * width + room] = 1.0 / total
    for i in range(n - 1, -1, -1):
        before, u, z = forward[i * cells : (i + 1) * cells], weights[i], lifted[i]
        through = 0.0
        for level in range(0, last, width):
            taking, leaving = part[level + width + u : level + 2 * width], part[level : level + width]
            through += hand_back(taking, z, before[level : level + width - u], stay[i], leaving, moved)
        leaving = part[last:]
        if tables.counted[s]:
            scaled(leaving, stay[i], leaving)
        else:
            through += hand_back(part[last + u :], z, before[last : cells - u], stay[i], leaving, moved)
        if not through <= 1.0 + SLIP:
            return np.nan  # a part is beyond a double, or has become no number
        shares[i] = through
    whole = 0.0
    for x in range(width):
        whole += forward[x] * part[x]
    if not abs(whole - 1.0) <= SLIP:
        return np.nan  # patterns that leave out what counts as taken were lost, and they matter
    return float(np.log(total) - offset + taken + tilt * room)


@compiled
def scaled(cells: Floats, factor: float, into: Floats) -> None:
    """Write a run of cells times a factor."""
    if factor == 1.0:
        into[:] = cells
    else:
        into[:] = cells * factor


@compiled
def add_times(cells: Floats, factor: float, into: Floats) -> None:
    """Add a run of cells times a factor to another; of one length."""
    for x in range(len(cells)):
        into[x] += cells[x] * factor


@compiled_sums
def hand_back(taking: Floats, factor: float, before: Floats, stay: float, leaving: Floats, moved: Floats) -> float:
    """What part of all patterns takes an item between two runs of cells, handed back to the cells that it came from.

    taking, before (n,), leaving (n or more,): parts of the cells with the item, the table before it, and the parts of
    the cells without it, which leaving it has multiplied by `stay`. moved (n or more,) is scratch.
    """
    n, through = len(before), 0.0
    for x in range(n):
        moved[x] = taking[x] * factor
    for x in range(n):
        through += moved[x] * before[x]
    if stay != 1.0:
        for x in range(len(leaving)):
            leaving[x] *= stay
    for x in range(n):
        leaving[x] += moved[x]
    return through


@compiled
def log_add(a: float, b: float) -> float:
    """log(exp(a) + exp(b)), the smaller one left out where it is far below."""
    high, low = max(a, b), min(a, b)
    return high if high - low > FAR else high + np.log1p(np.exp(low - high))


@compiled
def logarithmic(
    tables: Tables, s: int, values: Floats, weights: Ints, temperature: float, forward: Floats, shares: Floats
) -> float:
    """The same by logarithms, within any range; NOWHERE where no pattern has `fewest`."""
    room, top, width, n = tables.room[s], tables.top[s], tables.room[s] + 1, len(values)
    cells, last = (top + 1) * width, top * width
    forward[:width] = 0.0
    forward[width:cells] = NOWHERE
    for i in range(n):
        a, b, u, rise = forward[i * cells :], forward[(i + 1) * cells :], weights[i], values[i] / temperature
        for x in range(cells):
            b[x] = a[x]
        for level in range(0, last, width):
            for x in range(level, level + width - u):
                if a[x] > NOWHERE / 2.0:
                    b[x + width + u] = log_add(b[x + width + u], a[x] + rise)
        if not tables.counted[s]:
            for x in range(last, cells - u):
                if a[x] > NOWHERE / 2.0:
                    b[x + u] = log_add(b[x + u], a[x] + rise)
    final = forward[n * cells : (n + 1) * cells]
    lowest = tables.fewest[s] if tables.counted[s] else top
    total = NOWHERE
    for level in range(lowest, top + 1):
        total = log_add(total, final[level * width + room])
    if total <= NOWHERE / 2.0:
        return NOWHERE
    part = np.zeros(cells)
    for level in range(lowest, top + 1):
        part[level * width + room] = np.exp(final[level * width + room] - total)
    for i in range(n - 1, -1, -1):
        a, b, u, rise = forward[i * cells :], forward[(i + 1) * cells :], weights[i], values[i] / temperature
        shares[i] = passed_on(a, b, u, rise, width, last, cells, tables.counted[s], part)
    return total


@compiled
def passed_on(
    a: Floats, b: Floats, u: int, rise: float, width: int, last: int, cells: int, counted: bool, part: Floats
) -> float:
    """Move `part` (cells,) from the table b after an item to the table a before it; how much went by the item."""
    through = 0.0
    for y in range(u, cells):
        here = part[y]
        if here <= LEAST_PART or y % width < u:
            continue
        stayed = here * np.exp(a[y] - b[y])
        if y >= width:
            moved = here * np.exp(a[y - width - u] + rise - b[y])
            part[y - width - u] += moved
            through += moved
        if not counted and y >= last:
            moved = here * np.exp(a[y - u] + rise - b[y])
            through += moved
            if u:
                part[y - u] += moved
            else:
                stayed += moved
        part[y] = stayed
    return through


@compiled
def without_table(values: Floats, weights: Ints, room: int, temperature: float, shares: Floats) -> float:
    """A bound from above on the softened worth over temperature, numbers of cases left out; shares (n_items,).

    For any price q from 0 of one step of room: q room + sum over items of log(1 + exp(value - q weight)); the lowest.
    """
    low, high = 0.0, 0.0
    for i in range(len(values)):
        if weights[i] > 0:
            high = max(high, values[i] / weights[i] + FAR * temperature)
    for _ in range(HALVINGS):
        price = 0.5 * (low + high)
        used = 0.0
        for i in range(len(values)):
            used += weights[i] / (1.0 + np.exp(-clipped((values[i] - price * weights[i]) / temperature)))
        if used > room:
            low = price
        else:
            high = price
    total = high * room / temperature
    for i in range(len(values)):
        above = clipped((values[i] - high * weights[i]) / temperature)
        shares[i] = 1.0 / (1.0 + np.exp(-above))
        total += max(above, 0.0) + np.log1p(np.exp(-abs(above)))
    return total


@compiled
def clipped(exponent: float) -> float:
    """An exponent that neither overflows nor matters."""
    return min(max(exponent, -700.0), 700.0)
