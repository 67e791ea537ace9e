"""What placing an entry would cost each goal, from the prices of the certificate: proven, and estimated.

A plan that has an option is bounded by the total of the certificate less the option's loss (`allocator.option_losses`).
So over all plans that place the entry, the total falls by the smallest loss of its options, which is never below 0:

proven     every plan that places the entry, and is as good as ours on the goals before, is at least so much worse
           than ours on goal k. It errs downwards: the true cost may be more, by the gap of the goal and then some.
estimated  the loss / scale, by how much the bound itself falls: near the true cost where the prices are good, on
           neither side of it for certain.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from allocator.instance import Ints
from allocator.option_losses import Priced, option_losses, priced_goal
from allocator.why.case import Case


@dataclass(frozen=True)
class Cost:
    """What placing one entry would cost goal `label`: whole units at least, and about how much."""

    label: str
    unit: str
    proven: int
    estimated: float


def priced_goals(case: Case) -> tuple[Priced, ...]:
    """Every goal of the case that has a certificate, in order."""
    proven = case.certificate.proven
    return tuple(priced(case, k) for k in range(len(case.formulation.goals)) if proven[k])


def priced(case: Case, k: int) -> Priced:
    """Goal k at the prices of its certificate."""
    model, certificate = case.formulation, case.certificate
    held = [int(value) for value in certificate.held[k, :k]]
    prices = certificate.prices[k, : model.n_rows + k]
    return priced_goal(model, k, held, prices, certificate.scale, bool(certificate.by_session[k]), case.values[k])


def costs(case: Case, goals: tuple[Priced, ...], options: Ints) -> list[tuple[Cost, ...]]:
    """What placing each entry whose options are among `options` (sorted) would cost, goal by goal, entry by entry."""
    model = case.formulation
    starts = np.flatnonzero(np.diff(model.entry[options], prepend=-1))
    found: list[list[Cost]] = [[] for _ in starts]
    for goal in goals:
        least = np.minimum.reduceat(option_losses(model, goal, options), starts) if len(starts) else starts
        vector = model.goals[goal.k]
        for place, loss in enumerate(least.tolist()):
            found[place].append(cost_of(vector.label, vector.unit, loss, goal))
    return [tuple(row) for row in found]


def cost_of(label: str, unit: str, loss: int, goal: Priced) -> Cost:
    """The cost that a fall of the total by `loss` proves.

    value x scale <= our value x scale + slack - loss, so value <= ours + floor((slack - loss) / scale).
    """
    proven = max(0, -((goal.slack - loss) // goal.scale))
    return Cost(label, unit, proven, max(0, loss) / goal.scale)
