"""Quick: a nearest change for everybody without a place, for unplaced.csv: only changes that displace nobody.

Of pairs that one screen alone removes those are looked at for which the plan has room as it stands; of options those
that one more bed, one more person sent, or one more list would free. Each is an estimate, but where the instance is
small enough to audit a plan for every entry. `allocator explain` looks further, and verifies.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from allocator.answer import Run
from allocator.instance import Ints
from allocator.options import Options
from allocator.rule import Screen
from allocator.why.candidates import Candidate, kept_out, missed, missed_once, with_place
from allocator.why.case import Case, case_of_run, helpful
from allocator.why.pins import PinPrice, pin_prices, unpriced
from allocator.why.room import beside_plan, room_of
from allocator.why.verified import Nearest, changed_facts, verified

MOST_ENTRIES = 20_000
"""Entries without a place that are looked at; the rest have none in the table."""
NONE_FOUND = "No single change that displaces nobody was found; allocator explain looks further."
MOST_OPTIONS = 2_000_000
"""Options of a run up to which its folder says nearest changes and prices of pins."""
MOST_AUDITED = 5_000
"""Entries without a place, times options, up to which every change is audited."""


def changes_and_prices(run: Run, options: Options) -> tuple[dict[str, str], list[PinPrice]]:
    """For a run folder: entry_id -> its nearest change in words, and every pin with its price.

    The model of the run's `options` is made once more for it; a run of more than MOST_OPTIONS goes without, and says so
    of its pins.
    """
    if run.n_options > MOST_OPTIONS:
        return {}, unpriced(run.facts, run.policy)
    case = case_of_run(run, options)
    told = dict.fromkeys(case.unplaced()[:MOST_ENTRIES], NONE_FOUND)
    told |= {entry_id: nearest.sentence() for entry_id, nearest in quick_changes(case).items()}
    return told, pin_prices(case)


def quick_changes(case: Case) -> dict[str, Nearest]:
    """entry_id -> its nearest change that displaces nobody, for those that have one."""
    entry_ids = case.unplaced()[:MOST_ENTRIES]
    rows = np.array([case.facts.instance.entry_row[entry_id] for entry_id in entry_ids], dtype=np.int64)
    best: dict[str, Candidate] = {}
    for candidate in with_room(case, rows):
        keep_better(best, candidate)
    for candidate in kept_out(case, [entry_id for entry_id in entry_ids if entry_id not in best]):
        keep_better(best, candidate)
    if len(entry_ids) * case.formulation.n_options > MOST_AUDITED:
        return {
            entry_id: Nearest(entry_id, found.change, found.session_id, False, False, (), (), ())
            for entry_id, found in best.items()
        }
    audited = (
        verified(case, found, changed_facts(case, found.change), with_place(case, found)) for found in best.values()
    )
    return {nearest.entry_id: nearest for nearest in audited if nearest is not None}


def keep_better(best: dict[str, Candidate], candidate: Candidate) -> None:
    """Keep the candidate if it is the first of its entry by rank."""
    before = best.get(candidate.entry_id)
    if before is None or candidate.rank < before.rank:
        best[candidate.entry_id] = candidate


def with_room(case: Case, entries: Ints) -> Iterator[Candidate]:
    """Of these rows of patients, the pairs that one change lets through and for which the plan has room."""
    width = np.int64(len(case.session_ids))
    screen_of: dict[int, Screen] = {}
    for pairs, screen in missed_once(case, entries):
        screen_of |= dict.fromkeys((pairs.entry * width + pairs.session).tolist(), screen)
    wanted = np.array(sorted(screen_of), dtype=np.int64)
    options = beside_plan(case, wanted // width, wanted % width)
    room = room_of(case.facts, case.policy, options, case.allocation)
    loader, model = room.loader, room.formulation
    free = loader.addable(0, model.n_options) & ~loader.too_few_to_open(0, model.n_options)
    free &= helpful(model)
    keys = model.entry * width + model.session
    for option in np.flatnonzero(free & np.isin(keys, wanted)):
        found = missed(case, screen_of[int(keys[option])], int(model.entry[option]), int(model.session[option]))
        if found is not None:
            yield found
