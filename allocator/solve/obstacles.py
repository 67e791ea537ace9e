"""obstacles: which rules keep each option out of a plan as it stands, of millions of options in one pass over the rows.

The same as `Loader.obstacles` says of one option after the other. Rules are numbers, and a set of them is one whole
number, a bit a rule.
"""

from __future__ import annotations

import numpy as np

from allocator.compiled import compiled
from allocator.instance import Array, Bools, Floats, Ints
from allocator.solve.loader import Loader, RowRoom

MOST_RULES = 63


def barriers(loader: Loader, rule: Ints) -> Ints:
    """(n_options,) the rules whose rows adding each option would break, or its session's opening; bits of an int64.

    `rule` (n_rows,) is the number of each row's rule. A session that one case is too few to open counts as well.
    """
    model, rows, room = loader.model, loader.model.rows, loader.room
    assert rule.max(initial=-1) < MOST_RULES
    found = np.zeros(model.n_columns, dtype=np.int64)
    grouped = np.diff(rows.weights.indptr) > 0
    direct, members, weights = rows.direct, rows.members, rows.weights
    _direct(direct.indptr, direct.indices, direct.data, grouped, room, loader.activity, rule, found)
    net = np.zeros(model.n_columns if grouped.any() else 0, dtype=np.int64)
    for row in np.flatnonzero(grouped):
        inside = slice(direct.indptr[row], direct.indptr[row + 1])
        np.add.at(net, direct.indices[inside], direct.data[inside])
        span = slice(weights.indptr[row], weights.indptr[row + 1])
        group, weight = weights.indices[span], weights.data[span]
        for pass_over in (_add_group, _close_group):
            for g, w in zip(group, weight, strict=True):
                inside_group = members.indices[members.indptr[g] : members.indptr[g + 1]]
                sides = loader.activity[row], room.lower[row], room.upper[row]
                pass_over(inside_group, w, net, sides, 1 << int(rule[row]), found)
        _close_group(direct.indices[inside], 0, net, sides, 1 << int(rule[row]), found)
    of_session = np.zeros(model.n_sessions, dtype=np.int64)
    _openings(model.n_options, room, loader.activity, loader.short_if_alone, rule, of_session)
    of_session[~loader.closed] = 0
    found[: model.n_options] |= of_session[model.session]
    return found[: model.n_options]


@compiled
def _direct(
    indptr: Array, indices: Array, data: Array, skipped: Bools, room: RowRoom, activity: Floats, rule: Ints, found: Ints
) -> None:
    for row in range(len(indptr) - 1):
        if not skipped[row]:
            for k in range(indptr[row], indptr[row + 1]):
                after = activity[row] + data[k]
                if (data[k] > 0 and after > room.upper[row]) or (data[k] < 0 and after < room.lower[row]):
                    found[indices[k]] |= 1 << rule[row]


@compiled
def _add_group(members: Ints, weight: int, net: Ints, sides: tuple[float, float, float], bit: int, found: Ints) -> None:
    for column in members:
        net[column] += weight


@compiled
def _close_group(
    members: Ints, weight: int, net: Ints, sides: tuple[float, float, float], bit: int, found: Ints
) -> None:
    """Look at what a row has for each member in all, and forget it."""
    activity, lower, upper = sides
    for column in members:
        after = activity + net[column]
        if (net[column] > 0 and after > upper) or (net[column] < 0 and after < lower):
            found[column] |= bit
        net[column] = 0


@compiled
def _openings(n_options: int, room: RowRoom, activity: Floats, short: Ints, rule: Ints, of_session: Ints) -> None:
    """What opening each session would break; `short` (n_sessions,) is the row that one case leaves short, or -1."""
    for session in range(len(of_session)):
        opening = room.opening_column[session] - n_options
        if opening >= 0:
            for k in range(room.start[opening], room.start[opening + 1]):
                if activity[room.row[k]] + room.coefficient[k] > room.upper[room.row[k]]:
                    of_session[session] |= 1 << rule[room.row[k]]
        if short[session] >= 0:
            of_session[session] |= 1 << rule[short[session]]


@compiled
def tally(start: Ints, stop: Ints, barrier: Ints, n_rules: int) -> tuple[Ints, Ints]:
    """Of options start[i]..stop[i]: how many each rule keeps out (n, n_rules), and the first that none does, or -1."""
    count, free = np.zeros((len(start), n_rules), dtype=np.int64), np.full(len(start), -1, dtype=np.int64)
    for i in range(len(start)):
        for option in range(start[i], stop[i]):
            if barrier[option] == 0 and free[i] < 0:
                free[i] = option
            for r in range(n_rules):
                count[i, r] += (barrier[option] >> r) & 1
    return count, free


@compiled
def tally_sessions(start: Ints, stop: Ints, session: Ints, barrier: Ints, n_rules: int, n_sessions: int) -> Ints:
    """Of options start[i]..stop[i], by session: how many each rule keeps out, none does, and all, (n, n_rules + 2)."""
    count = np.zeros((n_sessions, n_rules + 2), dtype=np.int64)
    for i in range(len(start)):
        for option in range(start[i], stop[i]):
            s, barred = session[option], barrier[option]
            for r in range(n_rules):
                count[s, r] += (barred >> r) & 1
            count[s, n_rules] += barred == 0
            count[s, n_rules + 1] += 1
    return count
