"""From margins to an instance folder: `import_nhs` is what the command line calls.

    import_nhs(Path("my-instance"), cohort_weeks=18)

The same margins, cohort, capacity share, seed and population give the same tables, to the byte. Sessions depend on
the seed only, people on seed and population: populations of one seed differ in their people alone.
"""

from __future__ import annotations

import datetime as dt
import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from allocator import schema
from allocator.errors import UsageError
from allocator.instance import Instance, InstanceInfo
from instances.nhs import figures as fig
from instances.nhs.capacity import session_counts
from instances.nhs.cohort import cohort, diagnostic_weeks
from instances.nhs.files import find_and_derive
from instances.nhs.links import away, link_entries, tags_of
from instances.nhs.margins import Margins, read_margins
from instances.nhs.people import draw_people
from instances.nhs.places import Places, organisations, waiting_lists
from instances.nhs.sessions import make_beds, make_sessions, spare_cases
from instances.nhs.settled import make_commitments

VERSION = "1"
CAPACITY_SHARE = 0.43
COHORTS = (18, 104)
LONG_TABLE = 1000
REGIONS = {"QYG": "cm"}
SOURCES = (
    "Office for National Statistics: LSOA 2011 population and centroids; IMD 2019 (Open Government Licence v3.0)",
    "Sites: NHS.uk, ODS, Code-Point Open 2025",
)
ASSUMPTIONS = {
    "capacity": "Spare sessions follow admitted completions and months of backlog; see instances/README.md.",
    "travel": "0.16 + 0.260 km + 5.809 sqrt(km) by car, the Mersey crossed by tunnels and bridges only.",
    "public_transport": "2.2 times the car minutes and 10 more.",
    "people": "Deprivation, age, priority, ASA, BMI, needs, minutes, stays and consent are drawn; see instances/nhs.",
}


def import_nhs(
    out: Path,
    *,
    cohort_weeks: int = 52,
    month: str = "2026-01",
    seed: int = 1,
    population: int = 1,
    capacity_share: float = CAPACITY_SHARE,
    published: Path | None = None,
) -> Instance:
    """Build an instance, write it to the folder `out`, return it.

    `published` is a folder with the published files; without it the shipped margins are used. Raises
    UsageError where a number is out of range or nobody waited so long, InputError where margins or files are absent.
    """
    margins = read_margins(month) if published is None else find_and_derive(published, month)
    info, frames = build_instance(
        margins, cohort_weeks, seed=seed, population=population, capacity_share=capacity_share
    )
    write_folder(info, frames, out)
    return Instance.from_frames(info, frames)


def build_instance(
    margins: Margins,
    cohort_weeks: int,
    *,
    seed: int = 1,
    population: int = 1,
    capacity_share: float = CAPACITY_SHARE,
) -> tuple[InstanceInfo, dict[str, pd.DataFrame]]:
    """The instance as tables. Entries reproduce the margins from `cohort_weeks` upwards exactly."""
    _check(margins, cohort_weeks, capacity_share)
    places = Places(margins)
    plan_date = first_working_day(margins.census)
    days = (plan_date + dt.timedelta(days=1), month_end(margins.census, 2))
    sessions_rng, beds_rng, counts_rng = (np.random.default_rng([seed, part]) for part in range(3))
    entries_rng, people_rng, links_rng, away_rng, settled_rng = (
        np.random.default_rng([seed, population, part]) for part in range(3, 8)
    )
    counts = session_counts(margins, cohort_weeks, capacity_share, counts_rng)
    sessions = make_sessions(counts, places, plan_date, days, sessions_rng)
    people = draw_people(cohort(margins, cohort_weeks, entries_rng), places, plan_date, days[1], people_rng)
    people = link_entries(people, plan_date, links_rng)
    people = people.assign(needs=tags_of(people))
    unavailable = away(people, *days, away_rng)
    providers = sessions["site_code"].map(places.sites.set_index("site_code")["provider_code"])
    frames = {
        "organisations": organisations(
            margins, people.groupby("home_provider").size(), spare_cases(sessions).groupby(providers).sum()
        ),
        "waiting_lists": waiting_lists(margins),
        "sites": places.sites,
        "patients": people,
        "unavailable": unavailable,
        "sessions": sessions,
        "beds": make_beds(sessions, places, days, beds_rng),
        "travel": places.travel_table(people),
        "commitments": make_commitments(people, sessions, unavailable, places, plan_date, settled_rng),
    }
    kept = {name: _columns_of(name, frame) for name, frame in frames.items()}
    facts = {"cohort_weeks": cohort_weeks, "seed": seed, "population": population, "capacity_share": capacity_share}
    return _info(margins, plan_date, days, facts), kept


def write_folder(info: InstanceInfo, frames: Mapping[str, pd.DataFrame], folder: Path) -> None:
    """Write instance.json and a table a file: long tables as .csv.gz, others as .csv."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(info.model_dump(mode="json"), indent=2, ensure_ascii=False)
    (folder / "instance.json").write_text(text + "\n", encoding="utf-8", newline="\n")
    for name, frame in frames.items():
        lines = frame.to_csv(index=False, lineterminator="\n")
        if len(frame) <= LONG_TABLE:
            (folder / f"{name}.csv").write_text(lines, encoding="utf-8", newline="\n")
        else:
            # No time of writing in the file: the same rows give the same bytes.
            (folder / f"{name}.csv.gz").write_bytes(gzip.compress(lines.encode(), 9, mtime=0))


def first_working_day(census: dt.date) -> dt.date:
    """The first day after the census that is neither weekend nor bank holiday."""
    day = census + dt.timedelta(days=1)
    while day.weekday() >= 5 or day in fig.BANK_HOLIDAYS:
        day += dt.timedelta(days=1)
    return day


def month_end(census: dt.date, months: int) -> dt.date:
    """The last day of the month that comes `months` after that of the census."""
    return (pd.Timestamp(census) + pd.offsets.MonthEnd(months)).date()


def _check(margins: Margins, cohort_weeks: int, capacity_share: float) -> None:
    low, high = COHORTS
    if not low <= cohort_weeks <= high:
        raise UsageError(f"--cohort-weeks is {cohort_weeks}; wanted {low} to {high}: margins begin at {low} weeks.")
    if not 0 < capacity_share <= 1:
        raise UsageError(f"The capacity share is {capacity_share}; wanted above 0 and at most 1. Maybe 0.43.")
    longest = margins.theatre_waits["week_from"]
    if not (longest >= cohort_weeks).any():
        raise UsageError(f"In {margins.month} nobody in a published band waits {cohort_weeks} weeks or more.")
    if longest.min() > cohort_weeks:
        raise UsageError(
            f"The margins of {margins.month} begin at {longest.min()} weeks; {cohort_weeks} was given. "
            f"Maybe --cohort-weeks {longest.min()}."
        )


def _info(
    margins: Margins, plan_date: dt.date, days: tuple[dt.date, dt.date], facts: Mapping[str, Any]
) -> InstanceInfo:
    board = str(margins.source["board"])
    region = REGIONS.get(board, board.lower())
    tests = diagnostic_weeks(int(facts["cohort_weeks"]))
    return InstanceInfo(
        name=f"{region}-{margins.month}-{facts['cohort_weeks']}w",
        plan_date=plan_date,
        horizon_start=days[0],
        horizon_end=days[1],
        reporting_dates=(month_end(margins.census, 1), days[1]),
        synthetic=True,
        sources=(str(margins.source["publisher"]), str(margins.source["licence"]), *SOURCES),
        assumptions={
            **facts,
            "importer_version": VERSION,
            "diagnostic_weeks": tests,
            "census": margins.census.isoformat(),
            "published_totals": dict(margins.source["totals"]),
            **ASSUMPTIONS,
        },
        notes=(
            f"Counts by provider, service and week band are those published for {margins.month}; every person and "
            "every session is synthetic. Only entries with a decision to admit need theatre; most long waiters "
            "have none and are not in this instance."
        ),
    )


def _columns_of(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    table = next(table for table in schema.TABLES if table.name == name)
    return frame[[column.name for column in table.columns if column.name in frame]]
