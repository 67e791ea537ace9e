"""partition: a large model cut into regions that hang together loosely, from its arrays alone.

Kinds of session (one site, one service) that share a narrow row stay together: those of a site, by its beds, and of a
trust, by what it takes from others. Such units hang together through the entries that could go to either, and through
the rows and groups that both stand in. Each entry, and each row or group by the placements in it, is shared out evenly
among the pairs of its kinds. The heaviest part is cut in two where the ties that are cut weigh least against the
smaller side, along the second eigenvector of the scaled ties, until no part has more options than asked for.
Source: normalised cuts (Shi and Malik, 2000); docs/decisions/0031-regions.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import eigsh

from allocator.answer import silent
from allocator.certificate import priced_rows
from allocator.compiled import compiled
from allocator.formulation import Model
from allocator.instance import Array, Bools, Floats, Ints

CUT_FROM = 8_000_000
"""Options from which a model is cut."""
MOST_OF_A_REGION = 4_000_000
"""Options of a region, about."""

LARGEST_UNIT = 0.1
"""Of the options of a region, those of kinds that stay together at most."""
SMALLEST_SIDE = 0.2
"""Of the options of a part that is cut, those of the smaller side at least."""
LOCAL, MAJORITY = 0.8, 0.5
"""Share of a group's options in one region above which the group is of that region; the same for kinds of session."""
LOSES_MUCH = 0.2
"""Share of a group's options across a border above which it gets sessions there."""
NEEDED = 0.1
"""Share of a group's options in one unit above which it needs it."""
REFINEMENTS, TOO_LARGE = 2, 1.3
"""How often units follow the people, and how much larger than asked for a region may grow by that."""
DENSE = 300
"""Kinds up to which all eigenvectors are worked out at once."""


@dataclass(frozen=True, eq=False)
class Regions:
    """Where everything belongs. An option whose entry and session are of different regions crosses a border.

    of_session (n_sessions,), of_entry (n_entries,)
    """

    number: int
    of_session: Ints
    of_entry: Ints


def cut_into_regions(model: Model, most: int, heard: Callable[[], None] = silent) -> Regions:
    """Regions with about `most` options each, or less. `heard` is called now and then.

    The cut follows journeys, and may give the sites of a trust to a neighbour of its people, who then could not be
    placed within what a row over them allows. So units go to the people who need them most, while that leaves the
    group that loses most with more, or everybody with fewer options across borders, and no region much too large.
    """
    size = np.bincount(model.alike[model.session], minlength=n_kinds_of(model))
    of_rows = kinds_of_rows(model)
    heard()
    unit = units_of(of_rows, size, most)
    into = sparse.csr_array((np.ones(len(unit)), (np.arange(len(unit)), unit)))
    size = np.bincount(unit, size).astype(np.int64)
    ties = sparse.csr_array(into.T @ ties_of(model, of_rows) @ into)
    heard()
    ties.setdiag(0.0)
    ties.sort_indices()
    of_unit, of_session, must = cut_units(ties, size, most), unit[model.alike], where_they_must(model)
    heard()
    best = regions_of(model, must, of_unit[of_session])
    heard()
    least = losses(model, best)
    for _ in range(REFINEMENTS):
        heard()
        of_unit = where_needed(model, must, of_unit, of_session, size)
        if np.bincount(of_unit, size).max(initial=0) > TOO_LARGE * most:
            break
        heard()
        found = regions_of(model, must, of_unit[of_session])
        heard()
        if (lost := losses(model, found)) >= least:
            break
        best, least = found, lost
    heard()
    return lending(model, best)


def regions_of(model: Model, must: Bools, of_session: Ints) -> Regions:
    """Regions from the region of every session (n_sessions,)."""
    number = int(of_session.max(initial=0)) + 1
    return Regions(number, of_session, homes_of(model, must, of_session, number, LOCAL))


def losses(model: Model, regions: Regions) -> tuple[float, int]:
    """The largest share of its options that a group of one region has across a border, and how many cross one."""
    crossing = regions.of_session[model.session] != regions.of_entry[model.entry]
    local, _ = local_groups(model, regions.of_entry, regions.number)
    stay, cross = counts_of_groups(model, crossing, 2)[local].T
    return float((cross / (stay + cross)).max(initial=0.0)), int(np.count_nonzero(crossing))


def local_groups(model: Model, homes: Ints, number: int) -> tuple[Ints, Ints]:
    """Groups whose options are, nearly all, of people of one region, and which; homes (n_entries,)."""
    people = counts_of_groups(model, homes.astype(np.int32)[model.entry], number)
    local = np.flatnonzero(people.max(axis=1) > LOCAL * people.sum(axis=1))
    return local, people[local].argmax(axis=1)


def counts_of_groups(model: Model, kind: Array, number: int) -> Ints:
    """(n_groups, number) how many options of each kind (n_options,) are in each group."""
    groups = model.rows.members
    return _counts_of_groups(groups.indptr, groups.indices, kind.astype(np.int32, copy=False), number)


def lending(model: Model, regions: Regions) -> Regions:
    """The same regions, where groups that lose much across a border get sessions there, of each kind by their options.

    A row that compares a group with everybody would hold everybody back otherwise.
    """
    of_session, kind = regions.of_session.copy(), model.alike[model.session]
    n_kinds = n_kinds_of(model)
    options = np.bincount(kind, minlength=n_kinds)
    groups = model.rows.members
    for group, home in zip(*local_groups(model, regions.of_entry, regions.number), strict=True):
        option = groups.indices[groups.indptr[group] : groups.indptr[group + 1]]
        option = option[option < model.n_options]
        away = option[of_session[model.session[option]] != home]
        if len(away) > LOSES_MUCH * len(option):
            wanted = np.bincount(kind[away], minlength=n_kinds) / np.maximum(options, 1)
            for number in np.flatnonzero(wanted):
                theirs = np.flatnonzero((model.alike == number) & (of_session != home))
                steps = np.floor(np.arange(len(theirs) + 1) * wanted[number] + 0.5)
                of_session[theirs[np.diff(steps) > 0]] = home
    return replace(regions, of_session=of_session)


def where_needed(model: Model, must: Bools, of_unit: Ints, unit_of_session: Ints, size: Ints) -> Ints:
    """(n_units,) the region of the group that has the largest share of its options in a unit; regions without any go.

    Where that is no large share, the region where most people are at home who could go there.
    """
    number = int(of_unit.max(initial=0)) + 1
    homes = homes_of(model, must, of_unit[unit_of_session], number, MAJORITY)
    unit = unit_of_session.astype(np.int32)[model.session]
    people = np.bincount(homes[model.entry] + number * unit, minlength=number * len(of_unit)).reshape(-1, number)
    found, most = people.argmax(axis=1), np.full(len(of_unit), NEEDED)
    groups, home_of = local_groups(model, homes, number)
    options = counts_of_groups(model, unit, len(of_unit))[groups]
    for share, home in zip(options / options.sum(axis=1, keepdims=True), home_of, strict=True):
        found[share > most] = home
        most = np.maximum(most, share)
    return np.unique(np.where(size > 0, found, of_unit), return_inverse=True)[1]


def units_of(of_rows: tuple[Ints, Array, Floats], size: Ints, most: int) -> Ints:
    """(n_kinds,) number of the unit of each kind: kinds that share a row, narrow rows first, while a unit is small.

    `of_rows` as `kinds_of_rows` has them; `size` (n_kinds,) options of each kind.
    """
    unit, weight = np.arange(len(size)), size.copy()
    ends, kinds, _ = of_rows
    width = np.diff(ends)
    for row in np.argsort(width, kind="stable")[np.count_nonzero(width < 2) :]:
        units = np.unique(unit[kinds[ends[row] : ends[row + 1]]])
        if len(units) > 1 and weight[units].sum() <= LARGEST_UNIT * most:
            weight[units[0]] = weight[units].sum()
            unit[np.isin(unit, units)] = units[0]
    return np.unique(unit, return_inverse=True)[1]


def n_kinds_of(model: Model) -> int:
    """Number of kinds of session."""
    return int(model.alike.max(initial=-1)) + 1


def kinds_of_rows(model: Model) -> tuple[Ints, Array, Floats]:
    """Kinds that stand in each row, those of one entry left out: see `_kinds_of_rows`."""
    direct, kind = model.rows.direct, model.alike[model.session]
    return _kinds_of_rows(direct.indptr, direct.indices, kind, priced_rows(model, 0), n_kinds_of(model))


def ties_of(model: Model, of_rows: tuple[Ints, Array, Floats]) -> sparse.csr_array:
    """(n_kinds, n_kinds) symmetric: how strongly two kinds hang together, in entries."""
    n_kinds = n_kinds_of(model)
    kind = model.alike[model.session]
    of_entries = _kinds_of_entries(model.entry, kind, model.n_entries, n_kinds)
    groups = model.rows.members
    of_groups = _kinds_of_rows(groups.indptr, groups.indices, kind, np.ones(groups.shape[0], dtype=bool), n_kinds)
    per_entry = max(1.0, model.n_options / max(1, len(of_entries[0]) - 1))
    weight = np.concatenate([np.ones(len(of_entries[0]) - 1), of_rows[2] / per_entry, of_groups[2] / per_entry])
    size = np.concatenate([np.diff(ends) for ends, *_ in (of_entries, of_rows, of_groups)])
    ends = np.concatenate([[0], np.cumsum(size)])
    touched = np.concatenate([of_entries[1], of_rows[1], of_groups[1]])
    # Rows by their pairs, not by their kinds: a budget that the whole country stands in is cut by every cut, and ties
    # nothing.
    others = np.maximum(size - 1, 1)
    others[len(of_entries[0]) - 1 :] *= np.maximum(size, 1)[len(of_entries[0]) - 1 :]
    share = np.repeat(weight / others, size)
    n_ties = len(size)
    which = sparse.csr_array((np.ones(len(touched)), touched, ends), shape=(n_ties, n_kinds))
    weighted = sparse.csr_array((share, touched, ends), shape=(n_ties, n_kinds))
    found = sparse.csr_array(which.T @ weighted)
    found.setdiag(0.0)
    found.eliminate_zeros()
    found.sort_indices()
    return found


def cut_units(ties: sparse.csr_array, size: Ints, most: int) -> Ints:
    """(n_units,) number of the part of each unit; `size` (n_units,) options of each."""
    part = np.zeros(len(size), dtype=np.int64)
    number, done = 1, set[int]()
    while True:
        weight = np.bincount(part, size, number)
        weight[list(done)] = 0
        heaviest = int(weight.argmax())
        if weight[heaviest] <= most:
            return part
        inside = np.flatnonzero((part == heaviest) & (size > 0))
        if len(inside) < 2:
            done.add(heaviest)
            continue
        side = halves(sparse.csr_array(ties[inside][:, inside]), size[inside])
        # An eigenvector has no sign of its own: the side of the first kind keeps its number.
        part[inside[side != side[0]]] = number
        number += 1


def halves(ties: sparse.csr_array, size: Ints) -> Bools:
    """(n,) one side of the best cut of what these ties hold together."""
    degree = np.maximum(np.asarray(ties.sum(axis=1)).ravel(), 1e-9)
    order = np.argsort(second_vector(ties, degree), kind="stable")
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    pairs = ties.tocoo()
    first, last = place[pairs.row], place[pairs.col]
    ahead = first < last
    steps = np.bincount(first[ahead], pairs.data[ahead], len(order))
    steps -= np.bincount(last[ahead], pairs.data[ahead], len(order))
    cut = np.cumsum(steps)[:-1]
    before = np.cumsum(size[order])[:-1]
    smaller = np.minimum(before, size.sum() - before)
    enough = smaller >= min(SMALLEST_SIDE * size.sum(), smaller.max())
    at = int(np.where(enough, cut / np.maximum(smaller, 1), np.inf).argmin())
    side: Bools = place <= at
    return side


def second_vector(ties: sparse.csr_array, degree: Floats) -> Floats:
    """(n,) second eigenvector of the scaled ties, which lines the kinds up; the same on every call."""
    root = np.sqrt(degree)
    scaled = sparse.csr_array(ties.multiply(1.0 / root[:, None]).multiply(1.0 / root[None, :]))
    if len(root) <= DENSE:
        _, vectors = np.linalg.eigh(scaled.toarray())
        found = vectors[:, -2]
    else:
        begun = np.random.default_rng(0).random(len(root))
        values, vectors = eigsh(scaled, k=2, which="LA", v0=begun, tol=1e-4)
        found = vectors[:, int(values.argmin())]
    lined: Floats = found / root
    return lined


def where_they_must(model: Model) -> Bools:
    """(n_options,) fixed, or asked for by a row."""
    rows = model.rows
    asking = np.flatnonzero(rows.lower > rows.activity(model.column_lower))
    asking = asking[priced_rows(model, 0)[asking]]
    asked = rows.direct[asking].tocoo()
    must = model.fixed.copy()
    must[asked.col[(asked.data > 0) & (asked.col < model.n_options)]] = True
    return must


def homes_of(model: Model, must: Bools, of_session: Ints, number: int, local: float) -> Ints:
    """(n_entries,) region of each entry: where it must go; else where its groups are; else where most options are.

    People of a group that has more than `local` of its options in one region stay in it, with or without options there,
    so that a row over groups is of one region as well: shared out among several, the few places that it may be off
    would be none for the smaller.
    """
    groups, region = model.rows.members, of_session.astype(np.int32)[model.session]
    homes = _heaviest(model.entry, region, np.where(must, float(model.n_options), 1.0), model.n_entries, number)
    options = counts_of_groups(model, region, number)
    favourite = np.where(options.max(axis=1) > local * options.sum(axis=1), options.argmax(axis=1), -1)
    votes = _votes(groups.indptr, groups.indices, model.entry, favourite, model.n_entries, number)
    free: Bools = votes.max(axis=1) > 0
    free[model.entry[must]] = False
    homes[free] = votes[free].argmax(axis=1)
    return homes


@compiled
def _heaviest(entry: Ints, region: Ints, weight: Floats, n_entries: int, number: int) -> Ints:
    """(n_entries,) region with most weight among the options of each entry, which stand together; 0 without any."""
    found = np.zeros(n_entries, dtype=np.int64)
    total = np.zeros(number)
    first = 0
    for option in range(len(entry)):
        total[region[option]] += weight[option]
        if option + 1 == len(entry) or entry[option + 1] != entry[option]:
            found[entry[option]] = np.argmax(total)
            for k in range(first, option + 1):
                total[region[k]] = 0.0
            first = option + 1
    return found


@compiled
def _counts_of_groups(indptr: Array, indices: Array, kind: Ints, number: int) -> Ints:
    """(n_groups, number) how many options of each kind (n_options,) are in each group."""
    found = np.zeros((len(indptr) - 1, number), dtype=np.int64)
    for group in range(len(indptr) - 1):
        for k in range(indptr[group], indptr[group + 1]):
            if indices[k] < len(kind):
                found[group, kind[indices[k]]] += 1
    return found


@compiled
def _votes(indptr: Array, indices: Array, entry: Ints, favourite: Ints, n_entries: int, number: int) -> Ints:
    """(n_entries, number) how many groups of each entry have this favourite region (n_groups,); -1 for none."""
    found = np.zeros((n_entries, number), dtype=np.int64)
    last = np.full(n_entries, -1, dtype=np.int64)
    for group in range(len(indptr) - 1):
        if favourite[group] >= 0:
            for k in range(indptr[group], indptr[group + 1]):
                if indices[k] < len(entry) and last[entry[indices[k]]] != group:
                    last[entry[indices[k]]] = group
                    found[entry[indices[k]], favourite[group]] += 1
    return found


@compiled
def _kinds_of_entries(entry: Ints, kind: Ints, n_entries: int, n_kinds: int) -> tuple[Ints, Array]:
    """Kinds that each entry could go to: where those of each begin, and the kinds."""
    ends, kinds = np.zeros(n_entries + 1, dtype=np.int64), np.empty(0, dtype=np.int32)
    for fill in range(2):
        if fill:
            kinds = np.empty(ends[-1], dtype=np.int32)
        seen = np.full(n_kinds, -1, dtype=np.int64)
        number, option = 0, 0
        for who in range(n_entries):
            while option < len(entry) and entry[option] == who:
                if seen[kind[option]] != who:
                    seen[kind[option]] = who
                    if fill:
                        kinds[number] = kind[option]
                    number += 1
                option += 1
            ends[who + 1] = number
    return ends, kinds


@compiled
def _kinds_of_rows(
    indptr: Array, indices: Array, kind: Ints, priced: Bools, n_kinds: int
) -> tuple[Ints, Array, Floats]:
    """The same of rows with several kinds, and how many placements stand in each row."""
    n_rows = len(indptr) - 1
    ends, kinds = np.zeros(n_rows + 1, dtype=np.int64), np.empty(0, dtype=np.int32)
    placements = np.zeros(n_rows)
    for fill in range(2):
        if fill:
            kinds = np.empty(ends[-1], dtype=np.int32)
        seen = np.full(n_kinds, -1, dtype=np.int64)
        number = 0
        for row in range(n_rows):
            begun, count = number, 0
            if priced[row]:
                for k in range(indptr[row], indptr[row + 1]):
                    if indices[k] < len(kind):
                        count += 1
                        if seen[kind[indices[k]]] != row:
                            seen[kind[indices[k]]] = row
                            number += 1
            if number - begun < 2:
                number = begun
            else:
                placements[row] = count
                if fill:
                    at = begun
                    for k in range(indptr[row], indptr[row + 1]):
                        if indices[k] < len(kind) and seen[kind[indices[k]]] == row:
                            kinds[at] = kind[indices[k]]
                            seen[kind[indices[k]]] = -1
                            at += 1
            ends[row + 1] = number
    return ends, kinds, placements
