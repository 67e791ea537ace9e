"""What a bound falls by if one option is in the plan: its unit is worth less with the option in it.

The certificate of goal k bounds k over all plans as good as ours on the goals before it:
    scale x goal <= total = rows + sum of units       (`allocator.certificate`; larger is better)
where each unit, an entry or a session, is counted at the most that it can be worth. A plan that has the option o
cannot have more from the unit of o than that unit with o in it is worth. So over the plans that have o
    scale x goal <= total - (unit - unit with o).

With the session as the unit, o's case takes its minutes and its place first, and the best pattern fills what is left;
the entry's own option may then be counted once more, which errs on the side of a smaller loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from allocator.certificate import sign_of, terms_of, unit_values, units_part
from allocator.formulation import Model
from allocator.instance import Bools, Ints
from allocator.session_bound import SessionProblems
from allocator.session_pattern import NEVER, best_patterns_of

IMPOSSIBLE = 2**62
"""What an option loses that no plan can have."""
GROUPS_AT_ONCE = 4_000
"""Sessions with one case set aside that are looked at together; each holds a copy of its session's options."""


@dataclass(frozen=True, eq=False)
class Priced:
    """One goal of a plan at the prices of a certificate, larger is better.

    slack     total - scale x the plan's value, in whole numbers: what a loss must exceed to prove a cost
    reduced   (n_columns,) reduced prices
    unit      what the unit of each entry (n_entries,) or session (n_sessions,) is worth
    """

    k: int
    scale: int
    slack: int
    reduced: Ints
    unit: Ints
    by_session: bool


def priced_goal(
    model: Model, k: int, held: Sequence[int], prices: Ints, scale: int, by_session: bool, value: int
) -> Priced:
    """Goal k of a plan with this value at row prices (n_rows + k,). Raises PricesTooLargeError."""
    terms = terms_of(model, k, held, prices, scale, by_session)
    reduced = terms.reduced
    unit = unit_values(model, reduced, by_session)
    total = terms.rows_part + units_part(model, reduced, unit, by_session)
    slack = total - sign_of(model, k) * scale * (value - model.goals[k].constant)
    return Priced(k, scale, slack, reduced, unit, by_session)


def may_be_better(model: Model, goal: Priced) -> Bools:
    """(n_options,) which options a plan that is better on the goal, by a whole unit, may have."""
    losses = option_losses(model, goal, np.arange(model.n_options))
    better: Bools = (losses <= min(goal.slack - goal.scale, IMPOSSIBLE - 1)) | model.fixed
    return better


def option_losses(model: Model, goal: Priced, options: Ints) -> Ints:
    """By how much the total falls if each of these options is in the plan, (n,) whole; IMPOSSIBLE where none has it."""
    if not goal.by_session:
        losses: Ints = goal.unit[model.entry[options]] - goal.reduced[options]
        return losses
    problems = model.sessions
    sessions, weight = model.session[options], problems.weight[options]
    width = int(weight.max(initial=0)) + 1
    groups, group = np.unique(sessions * width + weight, return_inverse=True)
    rest = np.concatenate(
        [
            patterns_beside(problems, goal.reduced, part // width, part % width)
            for part in np.array_split(groups, max(1, len(groups) // GROUPS_AT_ONCE))
        ]
    )[group]
    with_option = rest + goal.reduced[options]
    opened = problems.opening[sessions]
    with_option += np.where(opened >= 0, goal.reduced[opened], 0)
    fixed = np.zeros(model.n_sessions, dtype=np.int64)
    np.add.at(fixed, model.session[model.fixed], goal.reduced[: model.n_options][model.fixed])
    with_option += fixed[sessions]
    return np.where(rest == NEVER, IMPOSSIBLE, goal.unit[sessions] - with_option)


def patterns_beside(problems: SessionProblems, reduced: Ints, sessions: Ints, weight: Ints) -> Ints:
    """(n,) the best pattern of each session beside one case of this weight; NEVER where that case does not fit."""
    room, fewest, most = (side[sessions] for side in problems.left)
    fits = (room >= weight) & (most >= 1)
    counts = np.diff(problems.start)[sessions]
    start = np.concatenate([[0], np.cumsum(counts)])
    offset = np.arange(start[-1]) - np.repeat(start[:-1], counts)
    option = problems.option[np.repeat(problems.start[sessions], counts) + offset]
    candidates = np.arange(len(option))
    best, _ = best_patterns_of(
        start,
        candidates,
        ~problems.fixed[option],
        reduced[option],
        problems.weight[option],
        np.maximum(room - weight, 0),
        np.maximum(fewest - 1, 0),
        np.maximum(most - 1, 0),
        False,
    )
    return np.where(fits, best, NEVER)
