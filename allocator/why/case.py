"""Case: a finished run as it can be asked: its tables, policy, plan, and the model that the plan stands in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from allocator.allocation import Allocation
from allocator.answer import Certificate, Run
from allocator.explain import block_labels, loaded
from allocator.formulation import Formulation, Model, formulate
from allocator.instance import Array, Bools, Floats, Ints
from allocator.options import Facts, Options, build_options
from allocator.policy import Policy
from allocator.rule import Conflict, closed_sessions, find_conflicts
from allocator.session_bound import local_rows
from allocator.solve.construct import option_gain
from allocator.solve.loader import Loader, complete, goal_values


@dataclass(frozen=True, eq=False)
class Case:
    """A run, and the model that its plan keeps."""

    facts: Facts
    policy: Policy
    conflicts: tuple[Conflict, ...]
    formulation: Formulation
    allocation: Allocation
    certificate: Certificate

    @cached_property
    def loader(self) -> Loader:
        """A loader that holds the plan; who tries something with it puts it back."""
        return loaded(self.formulation, self.allocation)

    @cached_property
    def columns(self) -> Ints:
        """(n_columns,) the plan in columns."""
        return complete(self.formulation, self.loader.chosen)

    @cached_property
    def values(self) -> tuple[int, ...]:
        """The plan's value on every goal, in order."""
        return goal_values(self.formulation, self.columns)

    @cached_property
    def closed(self) -> frozenset[int]:
        """Rows of sessions that take nobody new."""
        return closed_sessions(self.facts, self.conflicts)

    @cached_property
    def entry_ids(self) -> Array:
        """(n_entries,) entry_id of every row of patients."""
        return self.facts.instance.column("patients", "entry_id")

    @cached_property
    def session_ids(self) -> Array:
        """(n_sessions,) session_id of every row of sessions."""
        return self.facts.instance.column("sessions", "session_id")

    @cached_property
    def labels(self) -> list[str]:
        """(n_rows,) the label of the rule that made each row."""
        return block_labels(self.formulation)

    @cached_property
    def session_rows(self) -> Bools:
        """(n_rows,) rows that are about one session alone: one more list like it would have its own."""
        of_session = {limit.label for limit in self.policy.limits if limit.of_session}
        return np.array([label in of_session for label in self.labels], dtype=bool)

    @cached_property
    def pinned(self) -> Bools:
        """(n_options,) places, not fixed ones, that a person asked for by name."""
        found = np.zeros(self.formulation.n_options, dtype=bool)
        for demand in (demand for limit in self.policy.limits for demand in limit.demands(self.facts) if demand.wanted):
            options = self.options_of(demand.entry_id)
            there = self.session_ids[self.formulation.session[options]]
            found[options[np.isin(there, demand.session_ids)]] = True
        return found & ~self.formulation.fixed

    @cached_property
    def room_alone(self) -> Floats:
        """(n_rows,) what a row about one session lets in if the session is open and nobody is in it.

        Nothing where bookings use it up: such a row may have been widened for them.
        """
        model = self.formulation
        rows, local = model.rows, local_rows(model)
        room: Floats = rows.upper - local.opening
        booked = np.isin(local.session, model.session[model.fixed])
        room[booked & (rows.activity(model.column_lower) >= rows.upper)] = 0
        return room

    def fits_alone(self, option: int) -> bool:
        """Would the person fit the session if nobody else were in it, however few it needs to be opened."""
        start, row, coefficient = self.loader.by_column
        span = slice(start[option], start[option + 1])
        mine = self.session_rows[row[span]]
        return bool((coefficient[span][mine] <= self.room_alone[row[span][mine]]).all())

    @cached_property
    def gains(self) -> Ints:
        """(n_goals, n_options) what each option does for each goal, larger is better."""
        model = self.formulation
        return np.array([option_gain(model, k) for k in range(len(model.goals))], dtype=np.int64).reshape(
            len(model.goals), model.n_options
        )

    @cached_property
    def base_options(self) -> Bools:
        """(n_options,) of every entry a free option, and one at an independent provider not its own: bases of shares"""
        model, options = self.formulation, self.formulation.options
        independent = options.instance.session_independent[options.session] & ~options.at_home
        found = np.zeros(model.n_options, dtype=bool)
        for among in (~model.fixed, ~model.fixed & independent):
            rows = np.flatnonzero(among)
            found[rows[np.flatnonzero(np.diff(model.entry[rows], prepend=-1))]] = True
        return found

    @cached_property
    def helpful(self) -> Bools:
        """(n_options,) options that make no goal worse before they make one better."""
        return helpful(self.formulation)

    def by_gain(self, options: Ints) -> Ints:
        """These options, those that do most for the goals, in order, first."""
        return options[np.lexsort([options, *-self.gains[::-1, options]])]

    def options_of(self, entry_id: str) -> Ints:
        """Rows of the options of one entry."""
        entry = self.facts.instance.entry_row[entry_id]
        return np.arange(*self.formulation.option_start[entry : entry + 2])

    def unplaced(self) -> list[str]:
        """entry_id of everybody who may be given a place and has none, in order."""
        waiting = self.entry_ids[self.facts.standing.waiting]
        return [str(entry_id) for entry_id in waiting if entry_id not in self.allocation.of_entry]


def case_of_run(run: Run, options: Options) -> Case:
    """The case of a run that has just been made, with the options built once more for its folder."""
    return case_with(options, run.policy, run.conflicts, run.allocation, run.certificate)


def case_of(facts: Facts, policy: Policy, allocation: Allocation, certificate: Certificate) -> Case:
    """The model is made anew from the tables, as verify does."""
    conflicts = find_conflicts(policy.limits, facts)
    options = build_options(facts, policy.screens, closed_sessions(facts, conflicts))
    return case_with(options, policy, conflicts, allocation, certificate)


def case_with(
    options: Options,
    policy: Policy,
    conflicts: tuple[Conflict, ...],
    allocation: Allocation,
    certificate: Certificate,
) -> Case:
    """The model of these options, and the plan in it."""
    base = Allocation.from_options(options, options.fixed)
    plan = replace(base, placements=allocation.placements)
    return Case(options.facts, policy, conflicts, formulate(options, policy), plan, certificate)


def helpful(model: Model) -> Bools:
    """(n_options,) does an option make no goal worse before it makes one better, what its session costs left out."""
    found = np.ones(model.n_options, dtype=bool)
    decided = np.zeros(model.n_options, dtype=bool)
    for k in range(len(model.goals)):
        gain = option_gain(model, k)
        found[~decided & (gain < 0)] = False
        decided |= gain != 0
    return found
