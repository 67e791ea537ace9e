"""Where the gap is: bound minus plan, split exactly into what each part of the certificate gives away.

With total, prices u, sides b and reduced prices r as in `allocator.certificate`, and the plan z, larger is better,

    total - scale c @ z  =  sum over rows of u (b - row @ z)                      slack at its price
                          + sum over units of (the most it can be worth - what the plan has of it)
                          + sum over other columns of (their best over their box - what the plan has)

because scale c @ z = r @ z + u @ (rows @ z). No term is below 0 where the plan keeps every row and what is held. The
certified bound rounds the total down to whole units of the goal; what that takes off is a part of its own.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from allocator.answer import Certificate, GapKind, GapPart
from allocator.certificate import (
    UNPRICED,
    Terms,
    boxed_beside_sessions,
    boxed_values,
    entry_values,
    exact_sum,
    sign_of,
    terms_of,
)
from allocator.formulation import Model
from allocator.instance import Ints
from allocator.session_bound import session_values

Amounts = dict[tuple[GapKind, str], int]


def gap_splits(model: Model, certificate: Certificate, columns: Ints) -> Mapping[str, tuple[GapPart, ...]]:
    """The gap of every goal that has a certificate, by label, for a plan (n_columns,)."""
    return {
        goal.label: gap_split(model, k, certificate, columns)
        for k, goal in enumerate(model.goals)
        if certificate.proven[k]
    }


def gap_split(model: Model, k: int, certificate: Certificate, columns: Ints) -> tuple[GapPart, ...]:
    """The parts of the gap of goal k, largest first, rounding last; scale x gap is exactly their sum."""
    by_session, scale = bool(certificate.by_session[k]), certificate.scale
    held = [int(value) for value in certificate.held[k, :k]]
    terms = terms_of(model, k, held, certificate.prices[k, : model.n_rows + k], scale, by_session)
    amounts = slack_of_rows(model, terms, columns)
    units = losses_of_sessions(model, terms, columns) if by_session else losses_of_entries(model, terms, columns)
    for part, amount in units.items():
        amounts[part] = amounts.get(part, 0) + amount
    value = sign_of(model, k) * scale * (model.goals[k].value(columns) - model.goals[k].constant)
    rounding = -((sum(amounts.values()) + value) % scale)
    found = [GapPart(kind, label, amount) for (kind, label), amount in amounts.items() if amount]
    found.sort(key=lambda part: (-part.amount, part.kind, part.label))
    return (*found, GapPart("rounding", "", rounding)) if rounding else tuple(found)


def slack_of_rows(model: Model, terms: Terms, columns: Ints) -> Amounts:
    """What rows have left at their prices: by the rule that made them, or by the goal that they hold."""
    held = model.goals[: len(terms.prices) - model.n_rows]
    of_goals = np.array([goal.values @ columns for goal in held], dtype=np.int64)
    activity = np.concatenate([model.rows.activity(columns), of_goals])

    def slack(start: int, stop: int) -> int:
        told = start + np.flatnonzero(terms.prices[start:stop])
        parts = zip(terms.prices[told].tolist(), terms.sides[told].tolist(), activity[told].tolist(), strict=True)
        return sum(price * (int(side) - used) for price, side, used in parts)

    amounts: Amounts = {}
    for block in model.blocks:
        # Somebody's row of one place has room left where they have no place.
        part: tuple[GapKind, str] = ("without_place", "") if block.label == UNPRICED else ("rule", block.label)
        amounts[part] = amounts.get(part, 0) + slack(block.start, block.stop)
    for number, goal in enumerate(held):
        amounts["goal", goal.label] = slack(model.n_rows + number, model.n_rows + number + 1)
    return amounts


def losses_of_entries(model: Model, terms: Terms, columns: Ints) -> Amounts:
    """What entries lose against the best of their options, those with and those without a place; other columns."""
    chosen = np.flatnonzero(columns[: model.n_options])
    free = chosen[~model.fixed[chosen]]
    losses = entry_values(model, terms.reduced)
    np.subtract.at(losses, model.entry[free], terms.reduced[free])
    placed = np.zeros(model.n_entries, dtype=bool)
    placed[model.entry[chosen]] = True
    return {
        ("without_place", ""): exact_sum(losses[~placed]),
        ("placed", ""): exact_sum(losses[placed]),
        **losses_of_boxed(model, terms, columns, np.arange(model.n_options, model.n_columns)),
    }


def losses_of_sessions(model: Model, terms: Terms, columns: Ints) -> Amounts:
    """What sessions lose against their best pattern; other columns."""
    chosen = np.flatnonzero(columns[: model.n_options])
    losses = session_values(model.sessions, terms.reduced)
    np.subtract.at(losses, model.session[chosen], terms.reduced[chosen])
    opened = np.flatnonzero(model.sessions.opening >= 0)
    opening = model.sessions.opening[opened]
    losses[opened] -= terms.reduced[opening] * columns[opening]
    return {("sessions", ""): exact_sum(losses), **losses_of_boxed(model, terms, columns, boxed_beside_sessions(model))}


def losses_of_boxed(model: Model, terms: Terms, columns: Ints, which: Ints) -> Amounts:
    """What openings and auxiliaries lose against the best over their box."""
    losses = boxed_values(model, terms.reduced, which) - terms.reduced[which] * columns[which]
    opens = which < model.first_auxiliary
    return {("openings", ""): exact_sum(losses[opens]), ("auxiliaries", ""): exact_sum(losses[~opens])}
