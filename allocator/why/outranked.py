"""Outranked: an entry had options; who holds the capacity that they need, and on which goal they rank higher.

An option is held by the placements that stand in the rows which keep it out of the plan. Of two placements the one
ranks higher that does more for the first goal, in order, on which they differ; goals that are not sums over
placements (the worst trust's share) say nothing here. Who ranks lower may hold a place all the same: it may be too
short, or too few, to make room; or the plan is not the best possible.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from allocator.formulation import Model
from allocator.instance import Bools, Ints
from allocator.option_losses import Priced
from allocator.options import spans
from allocator.why.case import Case
from allocator.why.cost import Cost, costs, priced_goals
from allocator.why.funnel import is_are
from allocator.words import goal_name, plural, quantity

MOST_HOLDERS = 400
"""Placements of one row that are looked at: a row of a session has a few, one of a whole provider thousands."""


@dataclass(frozen=True)
class Holder:
    """A placement that holds room which an option needs. `goal`: the first on which it differs; is it higher there.

    fixed   offered, booked or reserved: it stays, however it ranks
    pinned  a person asked for it by name
    """

    entry_id: str
    session_id: str
    goal: str
    higher: bool
    fixed: bool
    pinned: bool = False


@dataclass(frozen=True)
class Outranked:
    """Who holds the room of one entry's options.

    free      options that nothing keeps out of the plan as it stands
    limits    limit -> how many options it keeps out
    blocked   limit -> why, in words: "no bed is spare on a night of the stay"
    holders   everybody who holds room of some option, each once
    barred    each option breaks a rule that nobody's leaving would satisfy (a veto, too few people to open a list)
    costs     what placing the entry would cost each goal that has a certificate
    """

    entry_id: str
    options: int
    free: int
    limits: dict[str, int]
    blocked: dict[str, str]
    holders: tuple[Holder, ...]
    costs: tuple[Cost, ...]
    barred: bool = False

    def sentences(self) -> list[str]:
        """The same for people."""
        if not self.options:
            return ["Nobody: the rules above left it no session."]
        told = [f"{plural(self.options, 'session')} would suit it; {self.free} could take it as the plan stands."]
        for label, count in self.limits.items():
            told.append(f"In {count} {self.blocked.get(label, 'there is no room')} (rule {label}).")
        if self.barred:
            return [*told, "Nobody's leaving would give it a place: in each, a rule above bars it whoever is there."]
        told += holder_sentences(self.holders)
        return told + cost_sentences(self.costs)


def holder_sentences(holders: Sequence[Holder]) -> list[str]:
    """How many rank higher, goal by goal, and how many do not."""
    if not holders:
        return []
    told = [f"{plural(len(holders), 'placement')} {'holds' if len(holders) == 1 else 'hold'} the room it would need."]
    fixed = sum(holder.fixed for holder in holders)
    if fixed:
        told.append(f"{fixed} {is_are(fixed)} offered or booked already, and {'stays' if fixed == 1 else 'stay'}.")
    pinned = sum(holder.pinned for holder in holders)
    if pinned:
        told.append(f"{pinned} {is_are(pinned)} there because a person asked for it by name.")
    holders = [holder for holder in holders if not holder.fixed and not holder.pinned]
    goals = list(dict.fromkeys(holder.goal for holder in holders if holder.higher))
    for goal in goals:
        here = [holder for holder in holders if holder.higher and holder.goal == goal]
        told.append(
            f"{len(here)} {'ranks' if len(here) == 1 else 'rank'} higher on “{goal_name(goal)}”, "
            f"for example {here[0].entry_id} in {here[0].session_id}."
        )
    lower = [holder for holder in holders if not holder.higher]
    if lower:
        first = lower[0]
        told.append(
            f"{len(lower)} {'does' if len(lower) == 1 else 'do'} not rank higher (for example {first.entry_id} in "
            f"{first.session_id}): giving that place away alone would not do, since another rule bars it too or the "
            "room is too little, or the plan is not the best possible."
        )
    return told


def cost_sentences(found: Sequence[Cost]) -> list[str]:
    """What is proven, else the first goal for which there is a price."""
    proven = [cost for cost in found if cost.proven > 0]
    if proven:
        first = proven[0]
        return [
            f"Proven: placing it makes “{goal_name(first.label)}” worse by at least "
            f"{quantity(first.proven, first.unit)}, unless a goal that comes before is given up."
        ]
    priced = [cost for cost in found if cost.estimated >= 0.05]
    if not priced:
        return ["What placing it would cost is not known: the plan may not be the best possible."]
    first = priced[0]
    return [
        f"Estimate: placing it costs about {first.estimated:,.1f} {first.unit} of “{goal_name(first.label)}”; "
        "that is less than the plan may be short of the best, so that nothing is proven."
    ]


@dataclass(frozen=True, eq=False)
class Standings:
    """What is worked out once for all entries of a case.

    goals   at the prices of their certificates
    held    (n_rows, n_options) the chosen options that use room of each row
    """

    case: Case
    goals: tuple[Priced, ...]
    held: sparse.csr_array


def standings(case: Case) -> Standings:
    """The standings of a case."""
    held = placements_by_row(case.formulation, case.loader.chosen)
    return Standings(case, priced_goals(case), held)


def outranked(standings: Standings, options: Ints) -> Iterator[Outranked]:
    """For each entry whose options (sorted rows, all of an entry's or none) these are."""
    case, model, loader = standings.case, standings.case.formulation, standings.case.loader
    prices = costs(case, standings.goals, options)
    for (first, stop), cost in zip(entry_spans(model, options), prices, strict=True):
        position, row = loader.obstacles(first, stop)
        pairs = np.unique(np.stack([position, row]), axis=1)
        by_limit: dict[str, set[int]] = {}
        for place, at in pairs.T.tolist():
            by_limit.setdefault(case.labels[at], set()).add(place)
        start = standings.held.indptr
        nobodys = np.unique(position[start[row] == start[row + 1]])
        yield Outranked(
            str(case.entry_ids[model.entry[first]]),
            stop - first,
            stop - first - len(np.unique(position)),
            {label: len(by_limit[label]) for label in sorted(by_limit, key=lambda name: (-len(by_limit[name]), name))},
            {limit.label: limit.blocked for limit in case.policy.limits if limit.label in by_limit},
            tuple(holders_of(standings, first + pairs[0], pairs[1])),
            cost,
            barred=len(nobodys) == stop - first,
        )


def placements_by_row(model: Model, chosen: Bools) -> sparse.csr_array:
    """(n_rows, n_options) the chosen options that use room of each row."""
    options = sparse.csc_array(model.rows.matrix[:, : model.n_options])
    used = np.flatnonzero(chosen)
    part = sparse.coo_array(options[:, used])
    helps = part.data > 0
    shape = (model.n_rows, model.n_options)
    return sparse.coo_array((part.data[helps], (part.row[helps], used[part.col[helps]])), shape=shape).tocsr()


def holders_of(standings: Standings, options: Ints, rows: Ints) -> Iterator[Holder]:
    """Everybody in the rows (n,) that keep the options (n,) out, each once: higher ones first, by goal."""
    case, gains, held = standings.case, standings.case.gains, standings.held
    found: dict[int, tuple[int, bool]] = {}
    for option, row in zip(options.tolist(), rows.tolist(), strict=True):
        there = held.indices[held.indptr[row] : held.indptr[row + 1]][:MOST_HOLDERS]
        differs = gains[:, there] != gains[:, [option]]
        level = np.where(differs.any(axis=0), differs.argmax(axis=0), len(gains))
        for holder, k in zip(there.tolist(), level.tolist(), strict=True):
            higher = k < len(gains) and bool(gains[k, holder] > gains[k, option])
            # Of several options, the one at which the holder ranks least: enough to say that it does not everywhere.
            before = found.get(holder)
            if before is None or (before[1] and not higher):
                found[holder] = (k, higher)
    goals = [*(goal.label for goal in case.formulation.goals), ""]
    for holder, (k, higher) in sorted(found.items(), key=lambda item: (not item[1][1], item[1][0], item[0])):
        model = case.formulation
        entry_id, session_id = case.entry_ids[model.entry[holder]], case.session_ids[model.session[holder]]
        fixed, pinned = bool(model.fixed[holder]), bool(case.pinned[holder])
        yield Holder(str(entry_id), str(session_id), goals[k], higher, fixed, pinned)


def entry_spans(model: Model, options: Ints) -> Iterator[tuple[int, int]]:
    """(first, stop) of the options of each entry among these sorted rows; an entry's options stand together."""
    for first, stop in spans(model.entry[options]):
        yield int(options[first]), int(options[stop - 1]) + 1
