"""Placed: why an entry is where it is, and the runner-up: the best other place it could have had in this plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from allocator.formulation import Model
from allocator.solve.loader import complete, feasible, merit
from allocator.why.case import Case
from allocator.words import goal_name, plural, quantity


@dataclass(frozen=True)
class Placed:
    """Why here.

    state      proposed, or offered, booked or reserved: those stay whatever is better
    options    that the screens left the entry
    runner_up  session_id of the best other option; "" without one
    free       could it move there as the plan stands
    worse      what that would do: goal, by how much worse (less than 0: better), unit; the first goal that differs
    limits     why it cannot go to the runner-up as the plan stands: "no bed is spare on a night of the stay"
    pinned     a person asked for this place by name
    """

    entry_id: str
    session_id: str
    state: str
    options: int
    runner_up: str
    free: bool
    worse: tuple[str, int, str] | None
    limits: tuple[str, ...]
    pinned: bool = False

    def sentences(self) -> list[str]:
        """The same for people."""
        if self.state != "proposed":
            return [f"It is {self.state} in {self.session_id}; such a place is kept, whatever else is planned."]
        told = [f"It is placed in {self.session_id}, one of {plural(self.options, 'session')} that would suit it."]
        if self.pinned:
            told.append("A person asked for this place by name (rule overrides).")
        if not self.runner_up:
            return [*told, "No other session was open to it."]
        against = "The runner-up is as good on every goal"
        if self.worse is not None:
            goal, amount, unit = self.worse
            direction = "worse" if amount > 0 else "better"
            against = f"There “{goal_name(goal)}” would be {direction} by {quantity(abs(amount), unit)}"
        if self.free:
            return [*told, f"Runner-up: {self.runner_up}, which could take it. {against}."]
        there = f", where {' and '.join(self.limits)}" if self.limits else ""
        return [*told, f"Runner-up: {self.runner_up}{there}. {against}."]


def placed(case: Case, entry_id: str) -> Placed:
    """Why this entry, which has a place, is where it is."""
    place = case.allocation.of_entry[entry_id][0]
    if place.is_fixed:
        return Placed(entry_id, place.session_id, place.state, 1, "", False, None, ())
    options, model = case.options_of(entry_id), case.formulation
    (here,) = options[case.loader.chosen[options]]
    others = case.by_gain(options[options != here])
    pinned = bool(case.pinned[here])
    if not len(others):
        return Placed(entry_id, place.session_id, place.state, 1, "", False, None, (), pinned)
    loader = case.loader
    loader.remove(int(here))
    merits = {}
    for option in others.tolist():
        if loader.can_add(option):
            loader.add(option)
            columns = complete(model, loader.chosen)
            # Others may rest on this place: a list that it keeps open, a treatment that waits for this test.
            if feasible(model, columns):
                merits[option] = merit(model, columns)
            loader.remove(option)
    best = max(merits, key=lambda option: merits[option], default=int(others[0]))
    _, rows = loader.obstacles(best, best + 1)
    loader.add(int(here))
    now = merit(model, case.columns)
    # Where the runner-up is not free, options are compared by what they do themselves: sums over placements.
    after = merits.get(best) or tuple((np.array(now) + case.gains[:, best] - case.gains[:, here]).tolist())
    labels = {case.labels[row] for row in rows}
    limits = tuple(limit.blocked for limit in case.policy.limits if limit.label in labels)
    session_id = str(case.session_ids[model.session[best]])
    worse = first_difference(model, now, after)
    free = best in merits
    return Placed(entry_id, place.session_id, place.state, len(options), session_id, free, worse, limits, pinned)


def first_difference(model: Model, before: Sequence[int], after: Sequence[int]) -> tuple[str, int, str] | None:
    """(goal, by how much `after` is worse, unit) for the first goal on which two merits differ."""
    for goal, old, new in zip(model.goals, before, after, strict=True):
        if old != new:
            return goal.label, old - new, goal.unit
    return None
