"""Options: the pairs (entry, session) that no screen removed, as parallel arrays.

Built by joining entries to sessions on the keys that screens declare (same service), a chunk of entries
at a time, so that all pairs never stand in memory. Places that are fixed are options too, and the only
ones of their entry; no screen throws them out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from allocator.instance import Array, Bools, Floats, Instance, Ints, read_only
from allocator.standing import Standing, standing
from allocator.travel import TravelFinder, TravelTimes, travel_times

if TYPE_CHECKING:
    from allocator.rule import Screen

CHUNK_PAIRS = 4_000_000


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
    def standing(self) -> Standing:
        """Where every entry stands this morning."""
        return standing(self.instance)


@dataclass(frozen=True, eq=False)
class Options:
    """Parallel arrays over options, sorted by entry, then session.

    entry    (n_options,) row of patients
    session  (n_options,) row of sessions
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
        return self._gathered["patients", name]

    def of_session(self, name: str) -> Array:
        """A column of sessions, a value an option, shape (n_options,)."""
        return self._gathered["sessions", name]

    def of_site(self, name: str) -> Array:
        """A column of sites, a value an option, shape (n_options,)."""
        return self._gathered["sites", name]

    @cached_property
    def site(self) -> Ints:
        """Row of sites, shape (n_options,)."""
        return read_only(self.instance.session_site[self.session])

    @cached_property
    def provider(self) -> Array:
        """Code of the provider that hosts, shape (n_options,)."""
        return read_only(self.instance.session_provider[self.session])

    @cached_property
    def at_home(self) -> Bools:
        """Is the host the home provider, shape (n_options,)."""
        instance = self.instance
        homes = instance.column("patients", "home_provider")
        codes, _ = pd.factorize(np.concatenate([homes, instance.session_provider]))
        return read_only(np.asarray(codes[: len(homes)][self.entry] == codes[len(homes) :][self.session], dtype=bool))

    @cached_property
    def travel_minutes(self) -> Floats:
        """Whole minutes from home to the site, NaN where unknown, shape (n_options,)."""
        travel = self.facts.travel
        return read_only(travel.minutes[travel.place[self.entry], self.site])

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

    @cached_property
    def _gathered(self) -> _Gathered:
        return _Gathered(self)


class _Gathered(dict[tuple[str, str], Array]):
    """Columns of the tables, spread over the options on first use."""

    def __init__(self, options: Options) -> None:
        super().__init__()
        self._options = options

    def __missing__(self, key: tuple[str, str]) -> Array:
        options = self._options
        rows = {"patients": options.entry, "sessions": options.session, "sites": options.site}[key[0]]
        self[key] = read_only(options.instance.column(*key)[rows])
        return self[key]


def build_options(facts: Facts, screens: Sequence[Screen], closed: Collection[int] = ()) -> Options:
    """Every pair that all screens keep, and the fixed places, sorted by entry, then session.

    `closed` are rows of sessions that take nobody new (a booking there does not fit).
    """
    waiting = np.flatnonzero(facts.standing.waiting)
    pieces = []
    is_open = np.ones(len(facts.instance.session_row), dtype=bool)
    is_open[list(closed)] = False
    quickest = list(screens)
    for pairs in joined_pairs(facts, screens, waiting):
        pairs = kept(pairs, is_open[pairs.session])
        share: dict[str, float] = {}
        for screen in quickest:
            before = max(1, len(pairs))
            pairs = kept(pairs, screen.keep(pairs))
            share[screen.name] = len(pairs) / before
        # Screens commute: what removes most comes first in the next chunk, so that the others look at little.
        quickest.sort(key=lambda screen: share[screen.name])
        pieces.append((pairs.entry, pairs.session, pairs.fixed))  # and nothing that is worked out about them
    settled = fixed_options(facts)
    pieces.append((settled.entry, settled.session, settled.fixed))
    entry, session, fixed = (np.concatenate(parts) for parts in zip(*pieces, strict=True))
    # Nearly sorted already, and a stable sort of one key is quick on that.
    order = np.argsort(entry * len(is_open) + session, kind="stable")
    return Options(facts, read_only(entry[order]), read_only(session[order]), read_only(fixed[order]))


def kept(pairs: Options, keep: Bools) -> Options:
    """The pairs to keep: the same, with all that is worked out about them, where these are all."""
    return pairs if keep.all() else pairs.take(keep)


def fixed_options(facts: Facts) -> Options:
    """The fixed places whose session is there."""
    there = [(place.entry, place.session) for place in facts.standing.fixed if place.session >= 0]
    pairs = np.array(there, dtype=np.int64).reshape(-1, 2)
    return Options(
        facts,
        read_only(pairs[:, 0].copy()),
        read_only(pairs[:, 1].copy()),
        read_only(np.ones(len(pairs), dtype=bool)),
    )


def joined_pairs(facts: Facts, screens: Sequence[Screen], entries: Ints) -> Iterable[Options]:
    """All pairs of `entries` and sessions whose join keys agree, in chunks, unscreened."""
    joins = [join for screen in screens if (join := screen.join(facts)) is not None]
    n_sessions = len(facts.instance.column("sessions", "session_id"))
    entry_keys: list[tuple[Any, ...]] = list(zip(*(join.entry_keys for join in joins), strict=True))
    session_keys: list[tuple[Any, ...]] = list(zip(*(join.session_keys for join in joins), strict=True))
    if not joins:
        entry_keys, session_keys = [()] * len(facts.standing.waiting), [()] * n_sessions
    sessions_of: dict[tuple[Any, ...], list[int]] = {}
    for row, key in enumerate(session_keys):
        sessions_of.setdefault(key, []).append(row)
    rows_of = {key: np.array(rows, dtype=np.int64) for key, rows in sessions_of.items()}
    found = [rows_of.get(entry_keys[entry], np.zeros(0, dtype=np.int64)) for entry in entries]
    counts = np.array([len(rows) for rows in found], dtype=np.int64)
    chunk_of = np.cumsum(counts) // CHUNK_PAIRS
    for chunk in np.unique(chunk_of):
        here = np.flatnonzero(chunk_of == chunk)
        entry = np.repeat(entries[here], counts[here])
        session = np.concatenate([found[row] for row in here])
        yield Options(facts, read_only(entry), read_only(session), read_only(np.zeros(len(entry), dtype=bool)))
