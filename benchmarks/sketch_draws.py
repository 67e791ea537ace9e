"""The random numbers of the first sketch of this allocator, drawn in its order: same size and seed, same numbers.

A hub like Cheshire and Merseyside (20 NHS sites of 12 trusts, 8 independent ones), or ten of them beside each
other. Distances are in km, days are numbered 0 to 19 without weekends, nights 0 to 22. Who draws what when is
part of the definition: a call moved or merged gives other instances.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from allocator.instance import Array, Bools, Floats, Ints

SIZES = {"S": (500, 60, 1), "M": (5_000, 500, 1), "L": (30_000, 2_500, 1), "XL": (300_000, 25_000, 10)}
"""Entries, sessions, regions."""

SERVICES = ("110", "130", "100", "502", "101", "120", "145", "160", "150", "170", "107", "330", "171", "104", "103")
"""Treatment function codes, the most frequent first."""

FREQUENCY = np.array([0.22, 0.16, 0.13, 0.11, 0.10, 0.09, 0.04, 0.03, 0.02, 0.02, 0.02, 0.02, 0.01, 0.02, 0.01])
FREQUENCY = FREQUENCY / FREQUENCY.sum()

PROCEDURES: tuple[tuple[tuple[float, float, float], ...], ...] = (
    ((125, 0.35, 0.9), (150, 0.1, 1.0), (60, 0.35, 0.1), (35, 0.2, 0.0)),
    ((25, 0.8, 0.0), (50, 0.2, 0.05)),
    ((60, 0.5, 0.1), (95, 0.3, 0.5), (40, 0.2, 0)),
    ((45, 0.5, 0.05), (90, 0.3, 0.6), (30, 0.2, 0)),
    ((30, 0.5, 0.02), (75, 0.35, 0.45), (120, 0.15, 0.9)),
    ((40, 0.5, 0.05), (70, 0.4, 0.3), (110, 0.1, 0.8)),
    ((40, 0.7, 0.02), (90, 0.3, 0.4)),
    ((60, 0.6, 0.1), (120, 0.4, 0.5)),
    ((90, 0.5, 0.7), (140, 0.5, 1.0)),
    ((70, 0.6, 0.3), (150, 0.4, 1.0)),
    ((60, 0.6, 0.1), (120, 0.4, 0.9)),
    ((25, 0.7, 0.0), (45, 0.3, 0.0)),
    ((40, 0.7, 0.2), (80, 0.3, 0.5)),
    ((50, 0.4, 0.1), (140, 0.6, 1.0)),
    ((70, 0.6, 0.2), (110, 0.4, 0.7)),
)
"""By service: median minutes, share, chance of a night in hospital."""

NHS_SITES = np.array(
    [
        (0, 0, 0, 0), (4, 6, 0, 0), (4, -1, 0, 1), (5, -2, 1, 0), (1, -1, 2, 0), (15, 1, 3, 0), (17, 4, 3, 1),
        (-3, 28, 4, 0), (10, 22, 4, 1), (26, -4, 5, 0), (18, -9, 5, 1), (-10, -5, 6, 0), (-6, -9, 6, 1), (2, -24, 7, 0),
        (3, -17, 7, 1), (33, -38, 8, 0), (56, -22, 9, 0), (50, -12, 9, 1), (3, 7, 10, 0), (-6, -8, 11, 0),
    ]
)  # fmt: skip
"""x, y, trust, kind."""
CLINIC_SITES = np.array([(2, -3), (-7, -6), (25, -2), (4, -22), (35, -36), (-2, 25), (55, -20), (17, 5)])
ACUTE, COLD, CLINIC = 0, 1, 2
"""Kinds of site: with everything; planned operations only; independent."""
TRUSTS, AREAS, DAYS, NIGHTS = 12, 300, 20, 23
"""Trusts and home areas of a region; days with sessions; nights with beds."""
TURNAROUND = 15
QUINTILES = (0.32, 0.2, 0.17, 0.16, 0.15)
ASA, HDU, CHILD = 1, 2, 4
"""Bits of what an entry needs and a site takes: ASA above 2, high dependency care, under 18."""

MEAN_MINUTES = np.array([sum(part[0] * part[1] for part in parts) + TURNAROUND for parts in PROCEDURES])
"""Minutes of an average case of each service, turnaround included."""


@dataclass(frozen=True, eq=False)
class Sites:
    """x, y, region, kind, takes (n_sites,); trust (n_sites,), -1 for clinics; offers (n_sites, n_services)."""

    x: Floats
    y: Floats
    region: Ints
    kind: Ints
    trust: Ints
    takes: Ints
    offers: Bools


@dataclass(frozen=True, eq=False)
class Areas:
    """trust, region, quintile, people (n_areas,); minutes (n_areas, n_sites) by car."""

    trust: Ints
    region: Ints
    quintile: Ints
    people: Floats
    minutes: Ints


@dataclass(frozen=True, eq=False)
class Entries:
    """(n_entries,) each; quintile 0 to 4; minutes without turnaround; earliest and due are days, due 99 = none."""

    area: Ints
    trust: Ints
    quintile: Ints
    service: Ints
    minutes: Ints
    nights: Ints
    priority: Ints
    weeks: Ints
    needs: Ints
    most_travel: Ints
    earliest: Ints
    due: Ints


@dataclass(frozen=True, eq=False)
class Sessions:
    """(n_sessions,) each, by service, site and day; minutes with a turnaround; cases = of average length."""

    site: Ints
    service: Ints
    day: Ints
    minutes: Ints
    min_cases: Ints
    opening_gbp: Floats

    @property
    def cases(self) -> Floats:
        """Cases of average length that fit."""
        fits: Floats = self.minutes / MEAN_MINUTES[self.service]
        return fits


@dataclass(frozen=True, eq=False)
class Sketch:
    """Everything drawn for one size and seed.

    beds         (n_sites, NIGHTS) spare
    outgoing     (n_trusts,) people that a trust may send; incoming: receive
    price_factor (n_sites,) what a site charges as a multiple of the tariff
    """

    sites: Sites
    areas: Areas
    entries: Entries
    sessions: Sessions
    beds: Ints
    outgoing: Ints
    incoming: Ints
    price_factor: Floats
    budget_gbp: float


def draw(size: str, seed: int) -> Sketch:
    """Draw one instance; `size` is a key of SIZES."""
    n_entries, n_sessions, regions = SIZES[size]
    rng = np.random.default_rng(seed)
    sites = draw_sites(rng, regions)
    areas = draw_areas(rng, sites, regions)
    entries = draw_entries(rng, areas, n_entries, regions)
    sessions = draw_sessions(rng, sites, n_sessions, regions)
    beds = draw_beds(rng, sites, sessions)
    n_trusts = TRUSTS * regions
    nhs = sites.trust[sessions.site] >= 0
    hosted = np.zeros(n_trusts)
    np.add.at(hosted, sites.trust[sessions.site[nhs]], sessions.cases[nhs])
    listed = np.bincount(entries.trust, minlength=n_trusts)
    outgoing = np.ceil(listed * rng.uniform(0.15, 0.45, n_trusts)).astype(np.int64)
    incoming = np.ceil(hosted * rng.uniform(0.35, 0.9, n_trusts)).astype(np.int64)
    n_sites = len(sites.x)
    factor = np.where(sites.trust < 0, rng.uniform(1.05, 1.35, n_sites), rng.uniform(0.9, 1.1, n_sites))
    usual_gbp = 400 + 11 * (MEAN_MINUTES[sessions.service] - TURNAROUND)
    budget = 0.65 * 1.2 * np.sum(sessions.cases[~nhs] * usual_gbp[~nhs])
    return Sketch(sites, areas, entries, sessions, beds, outgoing, incoming, factor, float(budget))


def draw_sites(rng: np.random.Generator, regions: int) -> Sites:
    """Sites of every region; several regions stand in a grid, each a little different."""
    places = np.concatenate([NHS_SITES[:, :2], CLINIC_SITES]).astype(np.float64)
    n_clinics = len(CLINIC_SITES)
    region = np.repeat(np.arange(regions), len(places))
    corner = np.column_stack([region % 5, region // 5]) * 85.0
    where = np.asarray(corner + np.tile(places, (regions, 1)), dtype=np.float64)
    if regions > 1:
        where = where + rng.normal(0, 4.0, where.shape)
    kind = np.tile(np.append(NHS_SITES[:, 3], np.full(n_clinics, CLINIC)), regions)
    trust = np.tile(np.append(NHS_SITES[:, 2], np.full(n_clinics, -1)), regions)
    trust = np.where(trust >= 0, trust + TRUSTS * region, -1)
    takes = np.where(kind == ACUTE, ASA | HDU | CHILD, 0)
    takes[(kind == CLINIC) & (rng.random(len(kind)) < 0.4)] |= ASA
    chance = np.where(kind == CLINIC, 0.4, np.where(kind == COLD, 0.45, 0.7))
    offers = rng.random((len(kind), len(SERVICES))) < chance[:, None]
    offers[:, :6] |= rng.random((len(kind), 6)) < 0.35
    for number in range(regions):
        acute = np.flatnonzero((region == number) & (kind == ACUTE))
        for service in range(len(SERVICES)):
            if offers[acute, service].sum() < 2:
                offers[rng.choice(acute, 2, replace=False), service] = True
    return Sites(where[:, 0], where[:, 1], region, kind, trust, takes, offers)


def draw_areas(rng: np.random.Generator, sites: Sites, regions: int) -> Areas:
    """Home areas around NHS sites, with their car minutes to every site."""
    region = np.repeat(np.arange(regions), AREAS)
    nhs = [np.flatnonzero((sites.region == number) & (sites.kind != CLINIC)) for number in range(regions)]
    near = np.array([rng.choice(nhs[number]) for number in region])
    x = sites.x[near] + rng.normal(0, 6, len(region))
    y = sites.y[near] + rng.normal(0, 6, len(region))
    km = np.hypot(x[:, None] - sites.x[None], y[:, None] - sites.y[None])
    minutes = np.rint(5 + 1.7 * km * rng.uniform(0.9, 1.25, km.shape)).astype(np.int64)
    people = rng.lognormal(0, 0.4, len(region))
    quintile = rng.choice(5, len(region), p=QUINTILES)
    return Areas(sites.trust[near], region, quintile, people, minutes)


def draw_entries(rng: np.random.Generator, areas: Areas, n_entries: int, regions: int) -> Entries:
    """Entries of every region, one in seven on the list of another trust than the nearest."""
    homes = [np.flatnonzero(areas.region == number) for number in range(regions)]
    chances = [areas.people[home] / areas.people[home].sum() for home in homes]
    drawn = [rng.choice(home, n_entries // regions, p=chance) for home, chance in zip(homes, chances, strict=True)]
    area = np.concatenate(drawn)
    trust = areas.trust[area]
    elsewhere = rng.random(n_entries) < 0.15
    trust[elsewhere] = rng.integers(0, TRUSTS, elsewhere.sum()) + TRUSTS * areas.region[area[elsewhere]]
    own_area = rng.random(n_entries) < 0.7
    quintile = np.where(own_area, areas.quintile[area], rng.choice(5, n_entries, p=QUINTILES))
    service = rng.choice(len(SERVICES), n_entries, p=FREQUENCY)
    median, stays = draw_procedures(rng, service)
    minutes = np.clip(np.rint(median * np.exp(rng.normal(0, 0.22, n_entries)) / 5) * 5, 15, 220).astype(np.int64)
    stay = rng.random(n_entries) < stays
    nights = np.where(stay, rng.choice([1, 2, 3], n_entries, p=[0.5, 0.3, 0.2]), 0)
    priority = rng.choice([2, 3, 4], n_entries, p=[0.05, 0.4, 0.55])
    weeks = np.minimum(110, 52 + rng.exponential(12, n_entries)).astype(np.int64)
    children = np.where(np.isin(service, [5, 6]), 0.25, np.where(service == 12, 1, 0.02))
    needs = ASA * (rng.random(n_entries) < 0.18) + HDU * (rng.random(n_entries) < 0.06)
    needs = needs + CHILD * (rng.random(n_entries) < children)
    most_travel = rng.choice([30, 45, 60, 90], n_entries, p=[0.2, 0.35, 0.3, 0.15])
    earliest = rng.integers(0, 11, n_entries)
    due = np.where(priority == 2, np.minimum(DAYS - 1, earliest + rng.integers(3, 12, n_entries)), 99)
    return Entries(
        area, trust, quintile, service, minutes, nights, priority, weeks, needs, most_travel, earliest, due
    )  # fmt: skip


def draw_procedures(rng: np.random.Generator, service: Ints) -> tuple[Floats, Floats]:
    """Median minutes and chance of a stay of every entry's procedure, (n_entries,) each."""
    median, stays = np.zeros(len(service)), np.zeros(len(service))
    for number, parts in enumerate(PROCEDURES):
        here = np.flatnonzero(service == number)
        shares = np.array([part[1] for part in parts])
        chosen = rng.choice(len(parts), len(here), p=shares / shares.sum())
        median[here] = np.array([part[0] for part in parts])[chosen]
        stays[here] = np.array([part[2] for part in parts])[chosen]
    return median, stays


def draw_sessions(rng: np.random.Generator, sites: Sites, n_sessions: int, regions: int) -> Sessions:
    """Sessions of every region, sorted by service, site and day."""
    site, service = np.zeros(n_sessions, dtype=np.int64), np.zeros(n_sessions, dtype=np.int64)
    busy = np.where(sites.kind == CLINIC, 1.0, np.where(sites.kind == COLD, 1.3, 0.8))
    for region in range(regions):
        first = region * (n_sessions // regions)
        stop = first + n_sessions // regions if region < regions - 1 else n_sessions
        weight = sites.offers * FREQUENCY[None] * (sites.region == region)[:, None] * busy[:, None]
        picked = rng.choice(weight.size, stop - first, p=(weight / weight.sum()).ravel())
        site[first:stop], service[first:stop] = np.divmod(picked, len(SERVICES))
    day = rng.integers(0, DAYS, n_sessions)
    minutes = np.where(rng.random(n_sessions) < 0.65, 480, 240)
    order = np.lexsort((day, site, service))
    site, service, day, minutes = site[order], service[order], day[order], minutes[order]
    clinic = sites.trust[site] < 0
    opens = rng.random(n_sessions) < np.where(clinic, 0.6, 0.25)
    least = np.maximum(1, np.floor(0.55 * minutes / MEAN_MINUTES[service])).astype(np.int64)
    opening = np.where(opens, np.where(clinic, 1500.0, 800.0), 0.0)
    return Sessions(site, service, day, minutes, np.where(opens, least, 0), opening)


def draw_beds(rng: np.random.Generator, sites: Sites, sessions: Sessions) -> Array:
    """Spare beds of every site and night, about as many as its sessions would use."""
    used = np.zeros((len(sites.x), NIGHTS))
    rate = np.where(np.isin(sessions.service, [1, 11]), 0.01, 0.32)
    np.add.at(used, (sessions.site, sessions.day), sessions.cases * rate)
    wanted = used.copy()
    wanted[:, 1:] += 0.5 * used[:, :-1]
    wanted[:, 2:] += 0.2 * used[:, :-2]
    beds = np.ceil(wanted * rng.uniform(0.6, 1.3, (len(sites.x), 1))).astype(np.int64)
    beds[:, DAYS:] = np.maximum(beds[:, DAYS:], beds[:, DAYS - 3 : DAYS])
    return beds
