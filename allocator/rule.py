"""What a rule is: Screen (removes options), Limit (adds rows), Goal (a value to make large or small).

A rule is one frozen pydantic model: its fields are its parameters, declared once with default, unit,
bounds and description; from there they reach TOML, the command line and the JSON schema. The engine
knows options, columns and rows, never a particular rule.

Two independent statements of each rule are compared by the contract test: the rows or the screen
(arrays, for the solver) and the check (tables and placements, written from the policy sentence).

Forgiveness: what is fixed (offered, booked, reserved) is never thrown out. The engine widens every row
so far that the fixed placements alone satisfy it, and a check reports nothing that they alone cause:
where they use 250 of 240 minutes, the limit is 250, and anyone added breaks it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from allocator.allocation import Allocation
from allocator.change import Change, Miss
from allocator.demand import Demand
from allocator.errors import ContradictionError
from allocator.instance import Array, Bools, Ints, read_only
from allocator.options import Facts, Options
from allocator.rows import Rows

Pair = tuple[str, str]
"""entry_id, session_id."""
USAGE_COLUMNS = ("what", "used", "limit", "unit")


def parameter(default: Any, description: str, unit: str = "", **bounds: Any) -> Any:
    """A parameter of a rule: default, one sentence, unit, and pydantic bounds (ge, le, min_length...)."""
    return Field(default, description=description, json_schema_extra={"unit": unit}, **bounds)


@dataclass(frozen=True)
class Violation:
    """A broken rule, with numbers, and the entries it concerns."""

    rule: str
    message: str
    entry_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class Conflict:
    """A fixed place that does not fit what is there.

    Its session takes nobody new where it `closes`: where the room is short, not where a person disagrees.
    """

    entry_id: str
    session_id: str
    problem: str
    conflicts_with: str = ""
    closes: bool = True


@dataclass(frozen=True, eq=False)
class Join:
    """Keys that must be equal for a pair to be an option: hashable, (n_entries,) and (n_sessions,)."""

    entry_keys: Sequence[Any]
    session_keys: Sequence[Any]


@dataclass(frozen=True)
class Auxiliary:
    """One whole-number column in the box [0, upper] that a limit or goal needs."""

    key: str
    upper: int


@dataclass(frozen=True, eq=False)
class Columns:
    """The columns of the model: placements (the options), then openings, then auxiliaries.

    opening_session  (n_openings,) rows of sessions that have to be opened (min_cases or a cost)
    auxiliaries      by rule label, in order
    """

    options: Options
    opening_session: Ints
    auxiliaries: tuple[tuple[str, tuple[Auxiliary, ...]], ...] = ()

    @property
    def facts(self) -> Facts:
        """The tables behind the columns."""
        return self.options.facts

    @cached_property
    def n(self) -> int:
        """Number of all columns."""
        return len(self.options) + len(self.opening_session) + sum(len(group) for _, group in self.auxiliaries)

    @cached_property
    def opening_column(self) -> Ints:
        """Column of each session's opening, -1 where it needs none, shape (n_sessions,)."""
        n_sessions = len(self.facts.instance.column("sessions", "session_id"))
        columns = np.full(n_sessions, -1, dtype=np.int64)
        columns[self.opening_session] = len(self.options) + np.arange(len(self.opening_session))
        return read_only(columns)

    def auxiliary_columns(self, label: str) -> Ints:
        """Columns of the auxiliaries that the rule with this label declared."""
        start = len(self.options) + len(self.opening_session)
        for owner, group in self.auxiliaries:
            if owner == label:
                return np.arange(start, start + len(group))
            start += len(group)
        return np.arange(0)

    @cached_property
    def fixed(self) -> Bools:
        """(n,) placements that are fixed."""
        fixed = np.zeros(self.n, dtype=bool)
        fixed[: len(self.options)] = self.options.fixed
        return read_only(fixed)


@dataclass(frozen=True, eq=False)
class Price:
    """A goal as numbers: value of a plan = constant + values @ columns; values (n_columns,) int64."""

    values: Ints
    constant: int = 0


class Rule(BaseModel, ABC):
    """What screens, limits and goals share."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: ClassVar[str]
    sentence: ClassVar[str]
    """The rule as one plain-English sentence for people who never saw the code."""

    @property
    def label(self) -> str:
        """Unique name within a policy; differs from `name` where a goal comes in several parts."""
        return self.name

    def auxiliaries(self, options: Options) -> tuple[Auxiliary, ...]:
        """Whole-number columns that this rule needs beside placements and openings."""
        return ()

    def rows(self, columns: Columns) -> Rows:
        """Rows that this rule adds."""
        return Rows.none(columns.n)

    def usage(self, facts: Facts, allocation: Allocation) -> pd.DataFrame:
        """A tidy table (what, used, limit, unit) of how much of the rule's room is used."""
        return pd.DataFrame(columns=list(USAGE_COLUMNS))


class Screen(Rule):
    """Removes options, one by one, whatever else is chosen. Screens commute."""

    refusal: ClassVar[str]
    """Why an entry that only this screen left without a session has none, for people."""
    ruled_out: ClassVar[str]
    """What sessions that this screen removes are for an entry, for people ("too far away")."""
    by_site: ClassVar[bool] = False
    """Is `keep` the same for all sessions of one site that have equal join keys: it is then asked once for them all."""

    def join(self, facts: Facts) -> Join | None:
        """Keys, where the screen is an equality: options are then made by joining."""
        return None

    @abstractmethod
    def keep(self, options: Options) -> Bools:
        """(n_options,) is the pair allowed."""

    @abstractmethod
    def check(self, facts: Facts, allocation: Allocation) -> list[Violation]:
        """Every placement, fixed ones left out, that breaks the rule."""

    @abstractmethod
    def reason(self, facts: Facts, entry_id: str) -> str:
        """One plain sentence with numbers: the nearest miss of this entry against this rule."""

    @abstractmethod
    def miss(self, facts: Facts, entry_id: str, session_id: str) -> Miss:
        """By how much a pair that is not kept misses the rule, and the single change that would let it through."""


class Limit(Rule):
    """Adds rows over all columns."""

    blocked: ClassVar[str]
    """Why a session could not take an entry because of this limit, for people ("the list is full")."""

    of_session: ClassVar[bool] = False
    """Is each row about one session and nothing else, so that one more list like it would have its own."""

    @abstractmethod
    def rows(self, columns: Columns) -> Rows:
        """The rows, whole numbers."""

    @abstractmethod
    def check(self, facts: Facts, allocation: Allocation) -> list[Violation]:
        """What breaks the rule, beyond what fixed placements alone cause."""

    def conflicts(self, facts: Facts) -> list[Conflict]:
        """Fixed places that do not fit what is physically there."""
        return []

    def demands(self, facts: Facts) -> Sequence[Demand]:
        """What people asked for by name."""
        return ()

    def relief(self, facts: Facts, allocation: Allocation, pairs: Sequence[Pair]) -> Mapping[Pair, Change]:
        """For each pair the single change that lets it in, alone, beside `allocation`; of those that have one."""
        return {}

    def partial_relief(self, facts: Facts, allocation: Allocation, pair: Pair) -> Sequence[Change]:
        """Parts of the pair's relief, the smaller first: they let it in only where somebody makes room for the rest."""
        return ()


class Goal(Rule):
    """Something to get as much or as little of as possible. All values are whole numbers."""

    sense: ClassVar[Literal["min", "max"]]
    unit: ClassVar[str]
    """What one whole unit of the value is ("days", "people", "pence")."""

    tolerance: float = parameter(
        0.0,
        "Share of the value that later goals may spend, bookings and constants left out.",
        "share",
        ge=0,
        le=1,
    )

    def parts(self) -> tuple[Goal, ...]:
        """The goals that this one stands for, in order (wait bands); itself where it is one."""
        return (self,)

    def due(self, facts: Facts) -> Array | None:
        """(n_entries,) datetime64[D], the day by which this goal wants each entry treated; NaT where it sets none."""
        return None

    def bands_weeks(self) -> tuple[int, ...]:
        """Wait bands over which this goal counts people at each reporting date; reports count breaches by them."""
        return ()

    @abstractmethod
    def price(self, columns: Columns) -> Price:
        """The value of any plan as constant + values @ columns, auxiliaries at their best."""

    @abstractmethod
    def score(self, facts: Facts, allocation: Allocation) -> int:
        """The exact value of a plan, from the tables and the placements alone."""


def find_conflicts(limits: Sequence[Limit], facts: Facts, *, strict: bool = False) -> tuple[Conflict, ...]:
    """Fixed places that do not fit what is there; with `strict` they raise ContradictionError."""
    instance = facts.instance
    entry_ids = instance.column("patients", "entry_id")
    gone = [
        Conflict(entry_ids[place.entry], place.session_id, "its session is not in the list of sessions", "sessions")
        for place in facts.standing.fixed
        if place.session < 0
    ]
    found = tuple(gone + [conflict for limit in limits for conflict in limit.conflicts(facts)])
    if strict and found:
        lines = [f"{item.entry_id} in {item.session_id}: {item.problem} ({item.conflicts_with})" for item in found]
        raise ContradictionError("Bookings that do not fit:\n" + "\n".join(lines))
    return found


def closed_sessions(facts: Facts, conflicts: Iterable[Conflict]) -> frozenset[int]:
    """Rows of sessions that take nobody new: intake closed them, or a fixed place there does not fit."""
    rows = facts.instance.session_row
    by_intake = np.flatnonzero(facts.instance.column("sessions", "closed")).tolist()
    return frozenset(rows[item.session_id] for item in conflicts if item.closes and item.session_id in rows).union(
        by_intake
    )
