"""Why an entry has no place: a code from a closed list, and one sentence with numbers.

| code                  | it means                                                                    |
|-----------------------|-----------------------------------------------------------------------------|
| treated               | already treated: the entry leaves the list                                  |
| NAME OF A SCREEN      | this rule alone removes every session that is left for the entry            |
| session_in_conflict   | every session is closed: a booking there does not fit, or data are damaged  |
| several_rules         | no single rule removes every session; together they do                      |
| NAME OF A LIMIT       | sessions are possible, and this limit keeps the entry out of every one; of  |
|                       | several that do the first by name, and the sentence says all of them        |
| several_limits        | sessions are possible, and different limits keep the entry out of them      |
| worsens_a_goal        | a place is free, and using it would make the plan worse on a goal           |

Every sentence is about this plan as it stands: it says what keeps the entry out unless somebody else moves.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from allocator.allocation import Allocation
from allocator.answer import Unplaced
from allocator.formulation import Formulation
from allocator.instance import Bools, Ints
from allocator.options import Facts, Options, joined_pairs, spans, spans_of
from allocator.policy import Policy
from allocator.rule import Conflict, Screen, closed_sessions
from allocator.solve.loader import Loader, complete
from allocator.solve.obstacles import barriers, tally, tally_sessions
from allocator.words import goal_name, people, quantity

TREATED = "treated"
IN_CONFLICT = "session_in_conflict"
SEVERAL_RULES = "several_rules"
SEVERAL_LIMITS = "several_limits"
CLOSED = "closed to new cases, since a booking there does not fit or its data are damaged"
WORSENS = "worsens_a_goal"


@dataclass(frozen=True, eq=False)
class Obstacles:
    """A plan, and what keeps each option out of it.

    labels        rules by their number
    barrier       (n_options,) the rules that adding each option would break, a bit a rule
    start, stop   (n_unplaced,) where the options of each entry without a place begin and end
    """

    formulation: Formulation
    loader: Loader
    labels: tuple[str, ...]
    barrier: Ints
    start: Ints
    stop: Ints


def obstacles_to(formulation: Formulation, allocation: Allocation) -> Obstacles:
    """What keeps people out of a plan as it stands."""
    loader = loaded(formulation, allocation)
    labels = tuple(dict.fromkeys(block.label for block in formulation.blocks))
    rule = np.repeat(
        [labels.index(block.label) for block in formulation.blocks],
        [block.stop - block.start for block in formulation.blocks],
    ).astype(np.int64)
    start, stop = unplaced_spans(formulation.options, loader.chosen, allocation)
    return Obstacles(formulation, loader, labels, barriers(loader, rule), start, stop)


def explain_unplaced(obstacles: Obstacles, policy: Policy, conflicts: Sequence[Conflict]) -> tuple[Unplaced, ...]:
    """A reason for every entry that has no place, sorted by entry_id. Held entries are not among them."""
    options = obstacles.formulation.options
    facts = options.facts
    has_option = np.zeros(len(facts.standing.waiting), dtype=bool)
    has_option[options.entry] = True
    closed = closed_sessions(facts, conflicts)
    reasons = [
        *treated(facts),
        *without_option(facts, policy.screens, np.flatnonzero(facts.standing.waiting & ~has_option), closed),
        *with_option(obstacles, policy),
    ]
    return tuple(sorted(reasons, key=lambda unplaced: unplaced.entry_id))


def explain_sessions(obstacles: Obstacles, policy: Policy) -> dict[str, str]:
    """session_id -> how many people who fit it have no place, and what keeps them out; sessions without any left out.

    Like reasons, of the plan as it stands: what the session would have to have for one of them.
    """
    options, labels, phrases = obstacles.formulation.options, obstacles.labels, phrases_of(policy)
    session_ids = options.instance.column("sessions", "session_id")
    count = tally_sessions(
        obstacles.start, obstacles.stop, options.session, obstacles.barrier, len(labels), len(session_ids)
    )
    whys = [*(phrases.get(label, label) for label in labels), "a place would make a goal worse"]
    found = {}
    for row in np.flatnonzero(count[:, -1]):
        kept = sorted(zip(count[row, :-1].tolist(), whys, strict=True), key=lambda item: (-item[0], item[1]))
        told = "; ".join(f"for {number} {why}" for number, why in kept if number)
        n_people = int(count[row, -1])
        more = ". Some count more than once" if count[row, :-1].sum() > n_people else ""
        verbs = "fits and has" if n_people == 1 else "fit and have"
        found[str(session_ids[row])] = f"{people(n_people)} {verbs} no place: {told}{more}"
    return found


def phrases_of(policy: Policy) -> dict[str, str]:
    """What each limit says where it keeps somebody out, by its label."""
    return {limit.label: limit.blocked for limit in policy.limits}


def treated(facts: Facts) -> Iterator[Unplaced]:
    """Entries that have left the list."""
    held = facts.instance.column("patients", "held")
    for row in np.flatnonzero(facts.standing.treated & ~held):
        entry_id = facts.instance.column("patients", "entry_id")[row]
        yield Unplaced(entry_id, TREATED, "Already treated: this entry leaves the list.")


def without_option(
    facts: Facts, screens: Sequence[Screen], entries: Ints, closed: Collection[int]
) -> Iterator[Unplaced]:
    """Entries that the screens leave no session, with the screen that alone removes all, if there is one."""
    entry_ids = facts.instance.column("patients", "entry_id")
    unseen = set(entries.tolist())
    for pairs in joined_pairs(facts, screens, entries):
        kept = {screen.name: screen.keep(pairs) for screen in screens}
        kept[IN_CONFLICT] = ~np.isin(pairs.session, list(closed))
        for first, stop in spans(pairs.entry):
            entry = int(pairs.entry[first])
            unseen.discard(entry)
            funnel = {name: keep[first:stop] for name, keep in kept.items()}
            yield screened(facts, screens, str(entry_ids[entry]), funnel)
    joining = next((screen for screen in screens if screen.join(facts) is not None), None)
    for entry in unseen:
        entry_id = str(entry_ids[entry])
        if joining is None:
            yield Unplaced(entry_id, SEVERAL_RULES, "There is no spare session at all.")
        else:
            yield Unplaced(entry_id, joining.name, joining.reason(facts, entry_id))


def screened(facts: Facts, screens: Sequence[Screen], entry_id: str, funnel: dict[str, Bools]) -> Unplaced:
    """The reason of one entry, from what each screen keeps of its sessions."""
    n_sessions = len(funnel[IN_CONFLICT])
    patient = facts.instance.patient[entry_id]
    offered = facts.instance.sessions_of_service.get((patient["care_kind"], patient["service_code"]), ())
    for screen in screens:
        if not funnel[screen.name].any():
            if n_sessions == len(offered):
                return Unplaced(entry_id, screen.name, screen.reason(facts, entry_id))
            # A pooled code: the reason would count sessions that this entry may not use at all.
            few = "is open to this entry, and it is" if n_sessions == 1 else "are open to this entry, all of them"
            text = f"Of {len(offered)} sessions of this service {n_sessions} {few} {screen.ruled_out}."
            return Unplaced(entry_id, screen.name, text)
    if not funnel[IN_CONFLICT].any():
        closed = "The only session of this service is" if n_sessions == 1 else f"All {n_sessions} sessions are"
        return Unplaced(entry_id, IN_CONFLICT, f"{closed} {CLOSED}.")
    phrases = {IN_CONFLICT: CLOSED, **{screen.name: screen.ruled_out for screen in screens}}
    lost = [(int((~keep).sum()), phrases[name]) for name, keep in funnel.items() if not keep.all()]
    lost.sort(key=lambda item: (-item[0], item[1]))
    parts = "; ".join(f"{count} {'is' if count == 1 else 'are'} {phrase}" for count, phrase in lost)
    both = " Some count more than once." if sum(count for count, _ in lost) > n_sessions else ""
    return Unplaced(entry_id, SEVERAL_RULES, f"Of the {n_sessions} sessions of this service, {parts}.{both}")


def with_option(obstacles: Obstacles, policy: Policy) -> Iterator[Unplaced]:
    """Entries that could be placed somewhere and are not: what keeps them out of every option."""
    formulation, loader, start, stop = obstacles.formulation, obstacles.loader, obstacles.start, obstacles.stop
    options, labels, phrases = formulation.options, obstacles.labels, phrases_of(policy)
    entry_ids = options.instance.column("patients", "entry_id")
    count, free = tally(start, stop, obstacles.barrier, len(labels))
    standing = complete(formulation, loader.chosen)
    for i, entry in enumerate(options.entry[start].tolist()):
        entry_id = str(entry_ids[entry])
        if free[i] >= 0:
            yield Unplaced(entry_id, WORSENS, worsened(formulation, loader, int(free[i]), standing))
        else:
            blocked = {labels[r]: int(count[i, r]) for r in np.flatnonzero(count[i])}
            yield blocked_reason(entry_id, int(stop[i] - start[i]), blocked, phrases)


def unplaced_spans(options: Options, chosen: Bools, allocation: Allocation) -> tuple[Ints, Ints]:
    """Where the options of each entry without a place begin and end, (n_unplaced,) each."""
    starts, stops = spans_of(options.entry)
    placed = np.zeros(len(options.facts.standing.waiting), dtype=bool)
    placed[options.entry[chosen]] = True
    rows = options.instance.entry_row
    # Of a plan that was tampered with the audit says which entries are in no table.
    placed[[rows[entry_id] for entry_id in allocation.of_entry if entry_id in rows]] = True
    left = ~placed[options.entry[starts]]
    return starts[left], stops[left]


def blocked_reason(entry_id: str, n_options: int, blocked: Mapping[str, int], phrases: dict[str, str]) -> Unplaced:
    """The reason of an entry that limits keep out of all its options; `blocked` says out of how many each does."""
    everywhere = [label for label, count in blocked.items() if count == n_options]
    where = f"{n_options} suitable session{'s' if n_options > 1 else ''}"
    if everywhere:
        each = "in each " if n_options > 1 else ""
        whys = " and ".join(phrases.get(label, label) for label in sorted(everywhere))
        return Unplaced(entry_id, min(everywhere), f"Could go to {where}, but {each}{whys}.")
    parts = "; ".join(
        f"in {count} {phrases.get(label, label)}"
        for label, count in sorted(blocked.items(), key=lambda item: (-item[1], item[0]))
    )
    return Unplaced(entry_id, SEVERAL_LIMITS, f"Could go to {where}, but {parts}.")


def worsened(formulation: Formulation, loader: Loader, option: int, standing: Ints) -> str:
    """Which goal would get worse if this free option were used; `standing` (n_columns,) is the plan."""
    changed = np.array([option, formulation.opening_column[formulation.session[option]]])
    changed = changed[changed >= 0]
    after = standing
    if formulation.first_auxiliary < formulation.n_columns:
        chosen = loader.chosen.copy()
        chosen[option] = True
        after, changed = complete(formulation, chosen), np.arange(formulation.n_columns)
    session = formulation.options.instance.column("sessions", "session_id")[formulation.session[option]]
    for goal in formulation.goals:
        new = np.ones(len(changed), dtype=np.int64) if after is standing else after[changed]
        gain = int(goal.values[changed] @ (new - standing[changed])) * (1 if goal.sense == "max" else -1)
        if gain < 0:
            worse = f"“{goal_name(goal.label)}” worse by {quantity(-gain, goal.unit)}"
            return f"A place in {session} is free, but using it would make {worse}."
    return f"A place in {session} is free, but using it would improve no goal."


def loaded(formulation: Formulation, allocation: Allocation) -> Loader:
    """A loader that holds the plan."""
    loader = Loader(formulation)
    loader.hold(chosen_by(formulation.options, allocation))
    return loader


def chosen_by(options: Options, allocation: Allocation) -> Bools:
    """(n_options,) the plan, what is fixed included; placements of ids in no table are for the audit to find."""
    entry_row, session_row = options.instance.entry_row, options.instance.session_row
    rows = [
        (entry_row[place.entry_id], session_row[place.session_id])
        for place in allocation.placements
        if place.entry_id in entry_row and place.session_id in session_row
    ]
    entry, session = np.array(rows, dtype=options.entry.dtype).reshape(-1, 2).T
    spans = (np.searchsorted(options.entry, entry, side=side).tolist() for side in ("left", "right"))
    chosen = options.fixed.copy()
    for first, stop, row in zip(*spans, session, strict=True):
        chosen[first:stop] |= options.session[first:stop] == row
    return chosen


def block_labels(formulation: Formulation) -> list[str]:
    """The label of the rule that made each row."""
    labels = [""] * formulation.n_rows
    for block in formulation.blocks:
        labels[block.start : block.stop] = [block.label] * (block.stop - block.start)
    return labels
