"""Ground: an instance under a policy, as tables and as numbers. Every question of the laboratory starts from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from allocator.allocation import Allocation, Placement
from allocator.answer import Audit, Certificate, GoalResult
from allocator.audit import audit
from allocator.compare import Side
from allocator.formulation import Formulation, formulate
from allocator.instance import Bools, Instance, Ints, read_only
from allocator.options import Facts, Options, build_options
from allocator.policy import Catalogue, Policy
from allocator.rule import Conflict, closed_sessions, find_conflicts
from allocator.run_folder import stored_instance, stored_json, stored_policy, stored_table
from allocator.solve.loader import complete
from allocator.travel import TravelTimes
from allocator.verify import placements
from allocator.verify_goals import goal_result, read_certificate


@dataclass(frozen=True, eq=False)
class Ground:
    """An instance under a policy: its tables, what its bookings conflict with, and its formulation."""

    facts: Facts
    policy: Policy
    conflicts: tuple[Conflict, ...]
    formulation: Formulation

    @property
    def options(self) -> Options:
        """Who could go where."""
        return self.formulation.options

    @cached_property
    def base(self) -> Allocation:
        """The fixed places alone, with the bases of shares."""
        return Allocation.from_options(self.options, self.options.fixed)

    @cached_property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """(entry_id, session_id) of every option."""
        entries = self.facts.instance.column("patients", "entry_id")[self.options.entry]
        sessions = self.facts.instance.column("sessions", "session_id")[self.options.session]
        return tuple(zip(entries.tolist(), sessions.tolist(), strict=True))

    @cached_property
    def option_of(self) -> Mapping[tuple[str, str], int]:
        """(entry_id, session_id) -> its option."""
        return {pair: row for row, pair in enumerate(self.pairs)}

    def allocation(self, places: Iterable[Placement]) -> Allocation:
        """These placements as a plan of this ground."""
        return replace(self.base, placements=tuple(sorted(places)))

    def chosen(self, allocation: Allocation) -> Bools:
        """(n_options,) the options that a plan uses; placements that are no option are left out."""
        chosen = self.options.fixed.copy()
        for place in allocation.placements:
            row = self.option_of.get((place.entry_id, place.session_id))
            if row is not None:
                chosen[row] = True
        return read_only(chosen)

    def columns(self, allocation: Allocation) -> Ints:
        """All columns (n_columns,) of a plan."""
        return complete(self.formulation, self.chosen(allocation))

    def audited(self, allocation: Allocation) -> Audit:
        """Every rule checked and every goal scored, from the tables; no goal value is claimed."""
        return audit(self.facts, self.policy, allocation, (), self.conflicts)


def ground_of(instance: Instance, policy: Policy, known_travel: TravelTimes | None = None) -> Ground:
    """An instance under a policy, as a run sees it; `known_travel` of an instance with the same people and sites."""
    facts = Facts(instance, known_travel)
    conflicts = find_conflicts(policy.limits, facts)
    options = build_options(facts, policy.screens, closed_sessions(facts, conflicts))
    return Ground(facts, policy, conflicts, formulate(options, policy))


@dataclass(frozen=True, eq=False)
class Stored:
    """A run as its folder holds it: the ground it stood on, its plan, and its goals."""

    name: str
    ground: Ground
    allocation: Allocation
    goals: tuple[GoalResult, ...]

    @property
    def side(self) -> Side:
        """The run as one side of a comparison."""
        return Side(self.name, self.ground.facts, self.ground.policy, self.allocation, self.goals)


def stored_run(run_folder: Path, catalogue: Catalogue) -> Stored:
    """Read a run folder. Raises InputError where it is none, or damaged."""
    instance = stored_instance(run_folder)
    policy = stored_policy(run_folder, catalogue)
    ground = ground_of(instance, policy)
    goals = tuple(goal_result(row) for row in stored_json(run_folder, "summary.json")["goals"])
    plan = stored_table(run_folder, "allocation.csv", ("entry_id", "session_id", "state"))
    sessions = ground.facts.instance.session_row
    places = [place for place in placements(ground.facts, plan) if place.session_id in sessions]
    return Stored(run_folder.name, ground, ground.allocation(places), goals)


def stored_certificate(run_folder: Path) -> Certificate:
    """The prices behind a run's bounds. Raises InputError where they cannot be read."""
    return read_certificate(run_folder)
