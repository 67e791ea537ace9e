"""Does what a screen keeps agree with what its check allows, pair by pair."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from allocator.allocation import Allocation, Placement
from allocator.options import Facts, Options
from allocator.rule import Screen


def all_pairs(facts: Facts, *, only_waiting: bool = True) -> Options:
    """Every entry (that waits for a place) with every session, nothing fixed, nothing screened."""
    n_entries = len(facts.instance.column("patients", "entry_id"))
    n_sessions = len(facts.instance.column("sessions", "session_id"))
    entries = np.flatnonzero(facts.standing.waiting) if only_waiting else np.arange(n_entries)
    entry, session = np.repeat(entries, n_sessions), np.tile(np.arange(n_sessions), len(entries))
    return Options(facts, entry, session, np.zeros(len(entry), dtype=bool))


def named_pairs(pairs: Options) -> list[tuple[str, str]]:
    """The pairs as (entry_id, session_id)."""
    entry_ids = pairs.instance.column("patients", "entry_id")[pairs.entry]
    session_ids = pairs.instance.column("sessions", "session_id")[pairs.session]
    return list(zip(entry_ids, session_ids, strict=True))


def kept(screen: Screen, facts: Facts, *, only_waiting: bool = True) -> set[tuple[str, str]]:
    """The pairs (entry_id, session_id) that the screen keeps, after its check has agreed with it on each.

    Reasons are asked for as well: they must never raise and always be one sentence or two.
    """
    pairs = all_pairs(facts, only_waiting=only_waiting)
    keep = screen.keep(pairs)
    assert keep.shape == (len(pairs),)
    assert keep.dtype == bool
    for (entry_id, session_id), is_kept in zip(named_pairs(pairs), keep, strict=True):
        violations = screen.check(facts, Allocation.of([Placement(entry_id, session_id)]))
        assert (violations == []) == is_kept, (entry_id, session_id, bool(is_kept), violations)
        assert all(item.rule == screen.name and item.entry_ids == (entry_id,) for item in violations)
        assert screen.check(facts, Allocation.of([Placement(entry_id, session_id, "booked")])) == []
        reason = screen.reason(facts, entry_id)
        assert reason[0].isupper() or reason[0].isdigit()
        assert reason.endswith(".")
    return set(named_pairs(pairs.take(keep)))


def kept_sessions(screen: Screen, facts: Facts, entry_id: str = "e1") -> list[str]:
    """The sessions that the screen keeps for one entry, in order."""
    return sorted(session for entry, session in kept(screen, facts) if entry == entry_id)


def through(screens: Iterable[Screen], pairs: Options) -> list[tuple[str, str]]:
    """What is left when the screens are used one after the other."""
    for screen in screens:
        pairs = pairs.take(screen.keep(pairs))
    return named_pairs(pairs)
