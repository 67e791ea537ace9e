"""Allocation: the plan in table terms, placements of entries in sessions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from allocator.instance import Bools
from allocator.options import Facts, Options


@dataclass(frozen=True, order=True)
class Placement:
    """One place. `state` is proposed (chosen by this run), offered, booked or reserved (all kept)."""

    entry_id: str
    session_id: str
    state: str = "proposed"

    @property
    def is_fixed(self) -> bool:
        """Was it there before the run; limits never throw it out."""
        return self.state != "proposed"


@dataclass(frozen=True, eq=False)
class Allocation:
    """All placements of a run whose session is there, sorted by entry_id, then session_id.

    with_option              entry_id of everybody whom the run could have given a new place: the base of shares
    with_independent_option  the same for a new place at an independent provider that is not their own
    """

    placements: tuple[Placement, ...]
    with_option: frozenset[str] = frozenset()
    with_independent_option: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls,
        placements: Iterable[Placement],
        with_option: frozenset[str] = frozenset(),
        with_independent_option: frozenset[str] = frozenset(),
    ) -> Allocation:
        """The placements, sorted, and the bases of shares."""
        return cls(tuple(sorted(placements)), with_option, with_independent_option)

    @classmethod
    def from_options(cls, options: Options, chosen: Bools) -> Allocation:
        """The options that `chosen` (n_options,) marks; fixed ones with the state they had."""
        instance = options.instance
        entry_ids = instance.column("patients", "entry_id")
        session_ids = instance.column("sessions", "session_id")
        placed = [
            Placement(entry_ids[options.entry[row]], session_ids[options.session[row]])
            for row in np.flatnonzero(chosen & ~options.fixed)
        ]
        free = ~options.fixed
        independent = free & instance.session_independent[options.session] & ~options.at_home
        return cls.of(
            [*placed, *fixed_placements(options.facts)],
            frozenset(entry_ids[np.unique(options.entry[free])]),
            frozenset(entry_ids[np.unique(options.entry[independent])]),
        )

    @cached_property
    def of_entry(self) -> Mapping[str, tuple[Placement, ...]]:
        """entry_id -> its placements (more than one only by mistake, or by double booking)."""
        return _grouped(self.placements, "entry_id")

    @cached_property
    def of_session(self) -> Mapping[str, tuple[Placement, ...]]:
        """session_id -> its placements."""
        return _grouped(self.placements, "session_id")


def fixed_placements(facts: Facts) -> tuple[Placement, ...]:
    """What is offered, booked or reserved in sessions that are there."""
    entry_ids = facts.instance.column("patients", "entry_id")
    return tuple(
        Placement(entry_ids[place.entry], place.session_id, place.state)
        for place in facts.standing.fixed
        if place.session >= 0
    )


def _grouped(placements: Iterable[Placement], by: str) -> dict[str, tuple[Placement, ...]]:
    groups: dict[str, list[Placement]] = {}
    for placement in placements:
        groups.setdefault(getattr(placement, by), []).append(placement)
    return {key: tuple(group) for key, group in groups.items()}
