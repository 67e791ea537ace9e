"""Nearest change: for each kind the smallest change found that would place an entry, and whom that would displace.

Small instances are solved exactly, change by change; then "smallest" is proven. On large ones people in the way are
moved by search, one change is verified, and the others are estimates (`allocator.why.verified` says what that means).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

import numpy as np

from allocator.allocation import Allocation, Placement
from allocator.backends.process import Worker
from allocator.options import build_options
from allocator.rule import closed_sessions, find_conflicts
from allocator.solve.loader import merit_of
from allocator.why.candidates import Candidate, candidates, with_place
from allocator.why.case import Case
from allocator.why.exact import no_worse_plan
from allocator.why.room import Room, made_room, room_for, room_of
from allocator.why.verified import Nearest, changed_facts, nearest_of, verified

EXACT_OPTIONS = 1_500
"""Options up to which every change is solved exactly."""
MOST_TRIED = 24
"""Changes of one kind that are tried, of those that stand in nobody's way and of the others."""


def nearest_changes(case: Case, entry_id: str, worker: Worker) -> list[Nearest]:
    """The nearest change of each kind that was found: those verified first, then in the order of kinds."""
    small = case.formulation.n_options <= EXACT_OPTIONS
    ranked = candidates(case, entry_id, parts=small)
    tries = [worth_trying(list(group)) for _, group in groupby(ranked, key=lambda candidate: candidate.change.kind)]
    found = [exactly(case, group, worker) for group in tries] if small else by_search(case, entry_id, tries)
    return sorted((nearest for nearest in found if nearest is not None), key=lambda nearest: not nearest.verified)


def worth_trying(ranked: Sequence[Candidate]) -> list[Candidate]:
    """Of one kind, by rank, the first that stand in nobody's way and the first of the others."""
    free = [candidate for candidate in ranked if candidate.free]
    others = [candidate for candidate in ranked if not candidate.free]
    return sorted([*free[:MOST_TRIED], *others[:MOST_TRIED]], key=lambda candidate: candidate.rank)


def exactly(case: Case, tries: Sequence[Candidate], worker: Worker) -> Nearest | None:
    """The first of these changes under which a no worse plan exists; the smallest if none before it has one."""
    settled = True
    for candidate in tries:
        facts = changed_facts(case, candidate.change)
        closed = closed_sessions(facts, find_conflicts(case.policy.limits, facts))
        options = build_options(facts, case.policy.screens, closed)
        room = room_of(facts, case.policy, options, case.allocation)
        pair = (facts.instance.entry_row[candidate.entry_id], facts.instance.session_row[candidate.session_id])
        option = room.option(*pair)
        if option is None:
            continue
        floor = max(room.merit, merit_of(room.formulation, case.values))
        chosen, none_exists = made_room(room, option, floor), False
        if chosen is None:
            chosen, none_exists = no_worse_plan(room.formulation, option, floor, room.loader.chosen, worker)
        if chosen is not None:
            nearest = verified(case, candidate, facts, Allocation.from_options(options, chosen).placements)
            if nearest is not None:
                enumerated = settled and not candidate.of_limit
                return replace(nearest, smallest=enumerated or nothing_smaller(tries, candidate))
        settled &= none_exists
    return None


def by_search(case: Case, entry_id: str, tries: Sequence[Sequence[Candidate]]) -> list[Nearest | None]:
    """For each kind the first change for which a place was found; the first of them all that passes is verified."""
    instance, floor = case.facts.instance, merit_of(case.formulation, case.values)
    sessions = {instance.session_row[item.session_id] for group in tries for item in group if not item.free}
    room = room_for(case, instance.entry_row[entry_id], np.array(sorted(sessions), dtype=np.int64))
    found: list[Nearest | None] = []
    for group in tries:
        is_verified = any(nearest is not None and nearest.verified for nearest in found)
        found.append(first_found(case, group, room, floor, verify=not is_verified))
    return found


def first_found(
    case: Case, tries: Sequence[Candidate], room: Room, floor: tuple[int, ...], *, verify: bool
) -> Nearest | None:
    """The first of these changes for which a place was found, audited if `verify`."""
    for candidate in tries:
        placements = with_place(case, candidate) if candidate.free else squeezed(case, candidate, room, floor)
        if placements is None:
            continue
        if not verify:
            return nearest_of(case, candidate, placements, is_verified=False)
        nearest = verified(case, candidate, changed_facts(case, candidate.change), placements)
        if nearest is not None:
            return replace(nearest, smallest=nothing_smaller(tries, candidate))
    return None


def squeezed(case: Case, candidate: Candidate, room: Room, floor: tuple[int, ...]) -> tuple[Placement, ...] | None:
    """Placements with the candidate's pair among them, found in the room; None where none was found."""
    instance = case.facts.instance
    option = room.option(instance.entry_row[candidate.entry_id], instance.session_row[candidate.session_id])
    chosen = None if option is None else made_room(room, option, max(floor, room.merit))
    return None if chosen is None else Allocation.from_options(room.formulation.options, chosen).placements


def nothing_smaller(tries: Sequence[Candidate], candidate: Candidate) -> bool:
    """Is there no smaller change of the kind: of screens all are among `tries`; of limits, one unit is the least."""
    least = min(other.change.size for other in tries)
    return candidate.change.size == (1 if candidate.of_limit else least)
