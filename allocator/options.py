"""Options: the pairs (entry, session) that no screen removed, as parallel arrays.

Built by joining entries to sessions on the keys that screens declare (same service), a chunk of entries
at a time, so that all pairs never stand in memory. What a screen says of a whole site is asked once a site, before
its sessions are laid out. Places that are fixed are options too, and the only ones of their entry; no screen throws
them out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from allocator.compiled import compiled
from allocator.instance import Array, Bools, Floats, Instance, Ints, read_only
from allocator.standing import Standing, standing
from allocator.travel import TravelFinder, TravelTimes, travel_times

if TYPE_CHECKING:
    from allocator.rule import Screen

CHUNK_PAIRS = 4_000_000
CHUNK_KINDS = 4_000_000
"""Pairs of an entry and a kind of session at a time: what the screens of sites leave of them is laid out at once."""


@dataclass(frozen=True, eq=False)
class Facts:
    """The instance with what is derived from it once: travel times and where entries stand.

    `known_travel` are the travel times where they have been worked out already, of an instance with the same
    homes, sites and travel table.
    """

    instance: Instance
    known_travel: TravelTimes | None = None

    @cached_property
    def travel(self) -> TravelTimes:
        """Minutes from every home to every site."""
        return self.known_travel or travel_times(self.instance)

    @cached_property
    def _finder(self) -> TravelFinder:
        return TravelFinder(self.instance)

    def travel_minutes(self, entry_id: str, site_code: str) -> int | None:
        """Whole minutes of one journey, from the tables; None where it is not known."""
        found = self._finder.minutes(entry_id, site_code)
        return None if found is None else found[0]

    def travel_estimated(self, entry_id: str, site_code: str) -> bool:
        """Was this journey estimated from coordinates."""
        found = self._finder.minutes(entry_id, site_code)
        return found is not None and found[1]

    @cached_property
    def providers(self) -> tuple[Ints, Ints]:
        """Numbers of the home provider of every entry and of the host of every session: (n_entries,), (n_sessions,)."""
        homes = self.instance.column("patients", "home_provider")
        codes, _ = pd.factorize(np.concatenate([homes, self.instance.session_provider]))
        return read_only(codes[: len(homes)]), read_only(codes[len(homes) :])

    @cached_property
    def standing(self) -> Standing:
        """Where every entry stands this morning."""
        return standing(self.instance)


@dataclass(frozen=True, eq=False)
class Options:
    """Parallel arrays over options, sorted by entry, then session.

    entry    (n_options,) row of patients, int32
    session  (n_options,) row of sessions, int32
    fixed    (n_options,) offered, booked or reserved: in every plan
    """

    facts: Facts
    entry: Ints
    session: Ints
    fixed: Bools

    def __len__(self) -> int:
        return len(self.entry)

    @property
    def instance(self) -> Instance:
        """The tables behind the options."""
        return self.facts.instance

    def of_entry(self, name: str) -> Array:
        """A column of patients, a value an option, shape (n_options,)."""
        return self.instance.column("patients", name)[self.entry]

    def of_session(self, name: str) -> Array:
        """A column of sessions, a value an option, shape (n_options,)."""
        return self.instance.column("sessions", name)[self.session]

    def of_site(self, name: str) -> Array:
        """A column of sites, a value an option, shape (n_options,)."""
        return self.instance.column("sites", name)[self.site]

    @property
    def site(self) -> Ints:
        """Row of sites, shape (n_options,)."""
        return self.instance.session_site[self.session]

    @cached_property
    def at_home(self) -> Bools:
        """Is the host the home provider, shape (n_options,)."""
        home, host = self.facts.providers
        return read_only(np.asarray(home[self.entry] == host[self.session], dtype=bool))

    @property
    def travel_minutes(self) -> Floats:
        """Whole minutes from home to the site, NaN where unknown, shape (n_options,)."""
        travel = self.facts.travel
        return travel.minutes[travel.place[self.entry], self.site]

    @cached_property
    def entries_with_option(self) -> frozenset[str]:
        """entry_id of everybody who could be placed somewhere, fixed places included."""
        return frozenset(self.instance.column("patients", "entry_id")[np.unique(self.entry)])

    def take(self, keep: Bools | Ints) -> Options:
        """The options that `keep` selects."""
        return Options(
            self.facts,
            read_only(self.entry[keep]),
            read_only(self.session[keep]),
            read_only(self.fixed[keep]),
        )


def build_options(facts: Facts, screens: Sequence[Screen], closed: Collection[int] = ()) -> Options:
    """Every pair that all screens keep, and the fixed places, sorted by entry, then session.

    `closed` are rows of sessions that take nobody new (a booking there does not fit).
    """
    waiting = np.flatnonzero(facts.standing.waiting)
    is_open = np.ones(len(facts.instance.session_row), dtype=bool)
    is_open[list(closed)] = False
    of_entry, of_session = join_codes(facts, screens)
    site = facts.instance.session_site
    # A kind of session: one join key, one site. Its first session stands for all of them before the screens of sites.
    kind_of = np.unique(of_session * (int(site.max(initial=0)) + 1) + site, return_inverse=True)[1]
    kinds = Members.of(kind_of)
    first = kinds.member[kinds.start[:-1]]
    kinds_of = Members.of(of_session[first])
    of_site = Funnel([screen for screen in screens if screen.by_site])
    of_pair = Funnel([screen for screen in screens if not screen.by_site])
    settled = fixed_options(facts)
    entries, sessions = [settled.entry[:0]], [settled.session[:0]]
    for entry, kind in chunks(waiting, of_entry, kinds_of, CHUNK_KINDS):
        there = of_site.kept(new_options(facts, entry, first[kind]))
        position, session = kinds.spread(kind_of[there.session])
        pairs = new_options(facts, there.entry[position], session)
        pairs = of_pair.kept(kept(pairs, is_open[pairs.session]))
        # Kinds come one after the other; a key sorts an entry's sessions in the order of their rows.
        key = np.sort(pairs.entry.astype(np.int64) * len(is_open) + pairs.session)
        entries.append((key // len(is_open)).astype(np.int32))
        sessions.append((key % len(is_open)).astype(np.int32))
    return with_fixed(settled, np.concatenate(entries), np.concatenate(sessions))


class Funnel:
    """Screens, one after the other: what removed most the last time comes first, so that the others look at little.

    Screens commute, so the order changes nothing.
    """

    def __init__(self, screens: Sequence[Screen]) -> None:
        self._screens = list(screens)

    def kept(self, pairs: Options) -> Options:
        """The pairs that all screens keep."""
        share: dict[str, float] = {}
        for screen in self._screens:
            before = max(1, len(pairs))
            pairs = kept(pairs, screen.keep(pairs))
            share[screen.name] = len(pairs) / before
        self._screens.sort(key=lambda screen: share[screen.name])
        return pairs


def with_fixed(settled: Options, entry: Ints, session: Ints) -> Options:
    """The settled places among new options (n_options,), sorted; nobody has both."""
    order = np.lexsort((settled.session, settled.entry))
    at = np.searchsorted(entry, settled.entry[order])
    return Options(
        settled.facts,
        read_only(np.insert(entry, at, settled.entry[order])),
        read_only(np.insert(session, at, settled.session[order])),
        read_only(np.insert(np.zeros(len(entry), dtype=bool), at, settled.fixed[order])),
    )


def kept(pairs: Options, keep: Bools) -> Options:
    """The pairs to keep: the same, with all that is worked out about them, where these are all."""
    return pairs if keep.all() else pairs.take(keep)


def fixed_options(facts: Facts) -> Options:
    """The fixed places whose session is there."""
    there = [(place.entry, place.session) for place in facts.standing.fixed if place.session >= 0]
    pairs = np.array(there, dtype=np.int32).reshape(-1, 2)
    return Options(
        facts,
        read_only(pairs[:, 0].copy()),
        read_only(pairs[:, 1].copy()),
        read_only(np.ones(len(pairs), dtype=bool)),
    )


def spans_of(entry: Ints) -> tuple[Ints, Ints]:
    """Where each entry's options begin and end, both (n_there,); entry (n_options,), equal ones side by side."""
    starts = np.flatnonzero(np.diff(entry, prepend=-1))
    return starts, np.append(starts[1:], len(entry))[: len(starts)]


def spans(entry: Ints) -> Iterator[tuple[int, int]]:
    """The same as (first, stop) of one entry after the other."""
    starts, stops = spans_of(entry)
    yield from zip(starts.tolist(), stops.tolist(), strict=True)


def new_options(facts: Facts, entry: Ints, session: Ints) -> Options:
    """These pairs of rows (n_options,), none of them fixed."""
    return Options(facts, read_only(entry), read_only(session), read_only(np.zeros(len(entry), dtype=bool)))


def joined_pairs(facts: Facts, screens: Sequence[Screen], entries: Ints) -> Iterable[Options]:
    """All pairs of `entries` and sessions whose join keys agree, in chunks, unscreened."""
    of_entry, of_session = join_codes(facts, screens)
    for entry, session in chunks(entries, of_entry, Members.of(of_session), CHUNK_PAIRS):
        yield new_options(facts, entry, session)


def join_codes(facts: Facts, screens: Sequence[Screen]) -> tuple[Ints, Ints]:
    """(n_entries,) and (n_sessions,) numbers that are equal where all join keys are; -1 for keys no session has."""
    joins = [join for screen in screens if (join := screen.join(facts)) is not None]
    n_sessions = len(facts.instance.session_row)
    if not joins:
        return np.zeros(len(facts.standing.waiting), dtype=np.int64), np.zeros(n_sessions, dtype=np.int64)
    number: dict[tuple[Any, ...], int] = {}
    session_keys = zip(*(join.session_keys for join in joins), strict=True)
    of_session = np.array([number.setdefault(key, len(number)) for key in session_keys], dtype=np.int64)
    entry_keys = zip(*(join.entry_keys for join in joins), strict=True)
    return np.array([number.get(key, -1) for key in entry_keys], dtype=np.int64), of_session


def chunks(entries: Ints, of_entry: Ints, members: Members, most: int) -> Iterable[tuple[Ints, Ints]]:
    """(entry, member) of every entry and all members of its group, about `most` at a time; no group is -1."""
    n_groups = len(members.start) - 1
    entries = entries[(of_entry[entries] >= 0) & (of_entry[entries] < n_groups)].astype(np.int32)
    chunk_of = np.cumsum(np.diff(members.start)[of_entry[entries]]) // most
    for here in np.split(entries, np.flatnonzero(np.diff(chunk_of)) + 1):
        if len(here):
            position, member = members.spread(of_entry[here])
            yield here[position], member


@dataclass(frozen=True, eq=False)
class Members:
    """What belongs to each group: those of group g are member[start[g]..start[g + 1]], ascending, int32."""

    start: Ints
    member: Ints

    @classmethod
    def of(cls, group: Ints) -> Members:
        """Number i belongs to group[i]; groups are numbered from 0 and none is empty."""
        size = np.bincount(group)
        return cls(np.concatenate([[0], np.cumsum(size)]), np.argsort(group, kind="stable").astype(np.int32))

    def spread(self, group: Ints) -> tuple[Ints, Ints]:
        """All members of each of these groups in turn: (place of the group among those given, member)."""
        total = int(np.diff(self.start)[group].sum())
        position, member = np.empty(total, dtype=np.int32), np.empty(total, dtype=np.int32)
        _spread(self.start, self.member, np.asarray(group, dtype=np.int64), position, member)
        return position, member


@compiled
def _spread(start: Ints, member: Ints, group: Ints, position: Ints, found: Ints) -> None:
    at = 0
    for i in range(len(group)):
        for k in range(start[group[i]], start[group[i] + 1]):
            position[at] = i
            found[at] = member[k]
            at += 1
