"""Every set of pairs of a tiny instance: do the rows or the screen allow what the check allows.

Nothing here knows a particular rule. Rows allow a set if some choice of openings and auxiliaries, within
their boxes, satisfies all of them; bookings are in every set unless said otherwise.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from allocator.allocation import Allocation, Placement
from allocator.errors import ContradictionError
from allocator.formulation import Formulation, formulate
from allocator.instance import Bools, Ints
from allocator.options import Facts, Options, build_options, fixed_options
from allocator.policy import Policy
from allocator.rule import Goal, Limit, Screen, closed_sessions, find_conflicts
from models.rules.one_place import OnePlace
from models.rules.same_service import SameService

MAX_PAIRS = 12
SMALLEST, LARGEST = -(2**62), 2**62


@dataclass(frozen=True)
class Comparison:
    """What was found on one instance. `admitted` and `forbidden` count sets with a new placement."""

    disagreements: tuple[str, ...]
    admitted: int
    forbidden: int


def pairs_of(facts: Facts, *, same_service: bool) -> Options:
    """Every waiting entry with every session (of its service), unscreened, and the fixed places."""
    waiting = np.flatnonzero(facts.standing.waiting)
    n_sessions = len(facts.instance.column("sessions", "session_id"))
    entry, session = np.repeat(waiting, n_sessions), np.tile(np.arange(n_sessions), len(waiting))
    pairs = Options(facts, entry, session, np.zeros(len(entry), dtype=bool))
    if same_service:
        pairs = pairs.take(SameService().keep(pairs))
    fixed = fixed_options(facts)
    parts = [np.concatenate([getattr(pairs, name), getattr(fixed, name)]) for name in ("entry", "session", "fixed")]
    order = np.lexsort((parts[1], parts[0]))
    return Options(facts, *(part[order] for part in parts))


def all_sets(options: Options, *, with_fixed_free: bool = False) -> Bools:
    """Every set of pairs, shape (n_sets, n_options); fixed ones are in all, unless they are left free too."""
    free = np.flatnonzero(~options.fixed | with_fixed_free)
    assert len(free) <= MAX_PAIRS, f"{len(free)} pairs give too many sets"
    bits = np.arange(2 ** len(free))[:, None] >> np.arange(len(free)) & 1
    sets = np.tile(options.fixed, (len(bits), 1))
    sets[:, free] = bits.astype(bool)
    return sets


def allocations(options: Options, sets: Bools, base: Options | None = None) -> list[Allocation]:
    """Each set as a plan; who has an option is taken from `base` (default: all pairs)."""
    instance = options.instance
    entry_ids, session_ids = instance.column("patients", "entry_id"), instance.column("sessions", "session_id")
    state = {(place.entry, place.session): place.state for place in options.facts.standing.fixed}
    places = [
        Placement(
            entry_ids[entry],
            session_ids[session],
            state[int(entry), int(session)] if fixed else "proposed",
        )
        for entry, session, fixed in zip(options.entry, options.session, options.fixed, strict=True)
    ]
    base = options if base is None else base
    bases = Allocation.from_options(base, base.fixed)
    return [
        Allocation(tuple(places[i] for i in np.flatnonzero(row)), bases.with_option, bases.with_independent_option)
        for row in sets
    ]


def screen_disagreements(screen: Screen, facts: Facts) -> Comparison:
    """A set is kept where every new pair of it is kept; the check must say the same."""
    options = pairs_of(facts, same_service=False)
    sets = all_sets(options)
    kept = (~sets | (screen.keep(options) | options.fixed)).all(axis=1)
    allowed = [not screen.check(facts, plan) for plan in allocations(options, sets)]
    return compared(screen.label, options, sets, kept, np.array(allowed))


def limit_disagreements(limit: Limit, facts: Facts, *, with_fixed_free: bool = False) -> Comparison:
    """Rows against check; what takes one place an entry for granted is compared beside one_place."""
    options = pairs_of(facts, same_service=True)
    sets = all_sets(options, with_fixed_free=with_fixed_free)
    rules: tuple[Limit, ...] = (limit, OnePlace()) if limit.name in NEEDS_ONE_PLACE else (limit,)
    feasible = rows_allow(options, Policy("contract", rules, ()), sets)
    allowed = [not any(rule.check(facts, plan) for rule in rules) for plan in allocations(options, sets)]
    return compared(limit.label, options, sets, feasible, np.array(allowed))


NEEDS_ONE_PLACE = ("one_place_at_a_time", "test_before_treatment")
"""Limits whose rows add up the options of an entry: they count on one_place, which no policy can drop."""


def compared(label: str, options: Options, sets: Bools, feasible: Bools, allowed: Bools) -> Comparison:
    """Where the two statements of a rule differ, and how often they say yes and no."""
    wrong = np.flatnonzero(feasible != allowed)
    new = (sets & ~options.fixed).any(axis=1) | ~(sets | ~options.fixed).all(axis=1)
    said = [
        f"{label}: {described(options, sets[i])}: rows or screen say {bool(feasible[i])}, check says {bool(allowed[i])}"
        for i in wrong
    ]
    return Comparison(tuple(said), int((allowed & new).sum()), int((~allowed & new).sum()))


def described(options: Options, chosen: Bools) -> str:
    """A set of pairs for people; fixed ones with a star."""
    entry_ids, session_ids = options.of_entry("entry_id"), options.of_session("session_id")
    stars = np.where(options.fixed, "*", "")
    return " ".join(f"{entry_ids[i]}-{session_ids[i]}{stars[i]}" for i in np.flatnonzero(chosen)) or "nobody"


def rows_allow(options: Options, policy: Policy, sets: Bools) -> Bools:
    """(n_sets,) do the rows of a policy allow the set; none where its pins contradict what is possible."""
    try:
        formulation = formulate(options, policy)
    except ContradictionError:
        return np.zeros(len(sets), dtype=bool)
    feasible = np.zeros(len(sets), dtype=bool)
    for opened in opening_choices(formulation):
        low, high = auxiliary_ranges(formulation, sets, opened)
        feasible |= (low <= high).all(axis=1) & plain_rows_hold(formulation, sets, opened)
    return feasible


def best_values(formulation: Formulation, sets: Bools) -> list[int | None]:
    """The value of the only goal for every set, openings and auxiliaries at their best; None if there is none."""
    (goal,) = formulation.goals
    n_options, n_openings = len(formulation.options), len(formulation.columns.opening_session)
    prices = goal.values[n_options + n_openings :]
    sign = 1 if goal.sense == "min" else -1
    best: list[int | None] = [None] * len(sets)
    for opened in opening_choices(formulation):
        low, high = auxiliary_ranges(formulation, sets, opened)
        feasible = (low <= high).all(axis=1) & plain_rows_hold(formulation, sets, opened)
        auxiliaries = np.where(sign * prices >= 0, low, high)
        for i in np.flatnonzero(feasible):
            value = goal.value(np.concatenate([sets[i].astype(np.int64), opened, auxiliaries[i]]))
            found = best[i]
            best[i] = value if found is None else sign * min(sign * found, sign * value)
    return best


def opening_choices(formulation: Formulation) -> list[Ints]:
    """Every choice of openings within their boxes."""
    first = len(formulation.options)
    last = first + len(formulation.columns.opening_session)
    boxes = zip(formulation.column_lower[first:last], formulation.column_upper[first:last], strict=True)
    choices = itertools.product(*(range(low, high + 1) for low, high in boxes))
    return [np.array(choice, dtype=np.int64) for choice in choices]


def activity(formulation: Formulation, sets: Bools, opened: Ints) -> Ints:
    """(n_sets, n_rows) what placements and openings bring to every row."""
    matrix = formulation.rows.matrix.toarray()
    n_options = len(formulation.options)
    brought: Ints = sets.astype(np.int64) @ matrix[:, :n_options].T
    return brought + matrix[:, n_options : n_options + len(opened)] @ opened


def plain_rows_hold(formulation: Formulation, sets: Bools, opened: Ints) -> Bools:
    """(n_sets,) do the rows without auxiliaries hold."""
    n_others = len(formulation.options) + len(opened)
    plain = ~formulation.rows.matrix.toarray()[:, n_others:].any(axis=1)
    brought = activity(formulation, sets, opened)[:, plain]
    holds = (brought >= formulation.rows.lower[plain]) & (brought <= formulation.rows.upper[plain])
    return np.asarray(holds.all(axis=1), dtype=bool)


def auxiliary_ranges(formulation: Formulation, sets: Bools, opened: Ints) -> tuple[Ints, Ints]:
    """Least and most of every auxiliary that its rows and its box allow, each (n_sets, n_auxiliaries).

    Exact, because no row has two auxiliaries (asserted).
    """
    n_others = len(formulation.options) + len(opened)
    coefficients = formulation.rows.matrix.toarray()[:, n_others:]
    assert ((coefficients != 0).sum(axis=1) <= 1).all(), "a row with two auxiliaries needs a search"
    brought = activity(formulation, sets, opened)
    low = np.tile(formulation.column_lower[n_others:], (len(sets), 1))
    high = np.tile(formulation.column_upper[n_others:], (len(sets), 1))
    for row, column in zip(*np.nonzero(coefficients), strict=True):
        coefficient = int(coefficients[row, column])
        for bound, is_lower in ((formulation.rows.lower[row], True), (formulation.rows.upper[row], False)):
            if np.isfinite(bound):
                room = int(bound) - brought[:, row]
                if is_lower == (coefficient > 0):
                    low[:, column] = np.maximum(low[:, column], -(-room // coefficient))
                else:
                    high[:, column] = np.minimum(high[:, column], room // coefficient)
    return low, high


def goal_disagreements(goal: Goal, facts: Facts) -> tuple[list[str], set[int]]:
    """Prices against scores over every set with one place an entry, and the values that were seen."""
    options = pairs_of(facts, same_service=True)
    formulation = formulate(options, Policy("contract", (), (goal,)))
    sets = all_sets(options)
    sets = sets[rows_allow(options, Policy("contract", (OnePlace(),), ()), sets)]
    scores = [goal.score(facts, plan) for plan in allocations(options, sets)]
    wrong = [
        f"{goal.label}: {described(options, chosen)}: prices say {value}, score says {score}"
        for chosen, value, score in zip(sets, best_values(formulation, sets), scores, strict=True)
        if value != score
    ]
    return wrong, set(scores)


def policy_disagreements(policy: Policy, facts: Facts) -> Comparison:
    """A whole policy: options built as a run does, every row of rules and goals, against all checks together.

    The sets are over all pairs of the service, screened ones included; who has an option is what a run says.
    """
    closed = closed_sessions(facts, find_conflicts(policy.limits, facts))
    base = build_options(facts, policy.screens, closed)
    options = pairs_of(facts, same_service=True)
    sets = all_sets(options)
    n_sessions = len(facts.instance.column("sessions", "session_id"))
    kept = np.isin(options.entry * n_sessions + options.session, base.entry * n_sessions + base.session)
    feasible: Bools = ~sets[:, ~kept].any(axis=1)
    feasible[feasible] = rows_allow(base, policy, sets[feasible][:, kept])
    in_closed = np.isin(options.session, list(closed)) & ~options.fixed
    plans = allocations(options, sets, base)
    allowed = checks_allow(facts, policy.rules, plans) & ~sets[:, in_closed].any(axis=1)
    return compared(policy.name, options, sets, feasible, allowed)


def checks_allow(facts: Facts, rules: Sequence[Screen | Limit], plans: Sequence[Allocation]) -> Bools:
    """(n_plans,) no rule reports anything."""
    return np.array([not any(rule.check(facts, plan) for rule in rules) for plan in plans], dtype=bool)
