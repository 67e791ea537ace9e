"""Who waits in a generated instance: people, and their entries on waiting lists."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from allocator.instance import Array, Bools, Ints
from instances.generate_parameters import (
    CHILD_SHARE,
    PLAN_DATE,
    POOLED_CODE,
    QUINTILE_SHARES,
    TESTS,
    THEATRE_SERVICES,
    TRUSTS,
    WORKING_DAYS,
    Parameters,
)
from instances.generate_places import (
    SERVICE_CODES,
    SERVICE_SHARES,
    Areas,
    Sites,
    coordinates,
    dates_after,
    working_date,
)

PLAN = np.datetime64(PLAN_DATE)


@dataclass(frozen=True)
class Entries:
    """Entries as numbers, shape (n_entries,): theatre entries first, tests after them.

    person     row of the person's first entry
    service    row of THEATRE_SERVICES, -1 for a test
    test       row of TESTS, -1 for theatre
    required   row of the test entry that must be done first, -1 where none
    home       number of the home provider
    ready      working day from which a place may be given
    """

    person: Ints
    service: Ints
    procedure: Ints
    test: Ints
    required: Ints
    area: Ints
    home: Ints
    child: Bools
    ready: Ints


def draw_entries(
    rng: np.random.Generator, areas: Areas, n_entries: int, regions: int, parameters: Parameters
) -> Entries:
    """Who waits where, and for what."""
    n_tests = round(parameters.diagnostic * n_entries)
    n_theatre = n_entries - n_tests
    person = np.arange(n_entries)
    service = rng.choice(len(SERVICE_CODES), n_entries, p=SERVICE_SHARES)
    twice, once, tested = np.split(
        rng.permutation(n_theatre), np.cumsum([round(parameters.second_entry * n_entries)] * 2)
    )
    once = once[: len(twice)]
    person[twice], service[twice] = once, service[once]
    required = np.full(n_entries, -1)
    first = rng.permutation(np.arange(n_theatre, n_entries))[: round(parameters.test_first * n_tests)]
    tested = tested[: len(first)]
    person[first], required[tested] = tested, first
    child_share = np.array([CHILD_SHARE.get(code, 0.02) for code in SERVICE_CODES])[service]
    is_test = np.arange(n_entries) >= n_theatre
    area = _areas_of(rng, areas, n_entries, regions)
    elsewhere = TRUSTS * areas.region[area] + rng.integers(0, TRUSTS, n_entries)
    home = np.where(rng.random(n_entries) < 0.15, elsewhere, areas.trust[area])
    return Entries(
        person=person,
        service=np.where(is_test, -1, service),
        procedure=_procedures(rng, service),
        test=np.where(is_test, rng.integers(0, len(TESTS), n_entries), -1),
        required=required,
        area=area[person],
        home=home[person],
        child=(rng.random(n_entries) < child_share)[person],
        ready=rng.integers(0, WORKING_DAYS // 2 + 1, n_entries),
    )


def _areas_of(rng: np.random.Generator, areas: Areas, n_entries: int, regions: int) -> Ints:
    region = np.arange(n_entries) % regions
    area = np.zeros(n_entries, dtype=np.int64)
    for number in range(regions):
        here = np.flatnonzero(areas.region == number)
        mine = region == number
        weight = areas.weight[here]
        area[mine] = rng.choice(here, int(mine.sum()), p=weight / weight.sum())
    return area


def _procedures(rng: np.random.Generator, service: Ints) -> Ints:
    draw = rng.random(len(service))
    procedure = np.zeros(len(service), dtype=np.int64)
    for row, item in enumerate(THEATRE_SERVICES):
        reached = np.cumsum([step.share for step in item.procedures])[:-1]
        mine = service == row
        procedure[mine] = np.searchsorted(reached, draw[mine], side="right")
    return procedure


def patients_table(
    rng: np.random.Generator, entries: Entries, sites: Sites, areas: Areas, regions: int, parameters: Parameters
) -> pd.DataFrame:
    """The entries with everything that the tables say of them."""
    n = len(entries.person)
    theatre = entries.test < 0
    ids = np.array([f"E{number + 1:06d}" for number in range(n)])
    rare = _pathways(rng, theatre, parameters)
    columns = {
        "entry_id": ids,
        "patient_id": [f"SYN-{number + 1:06d}" for number in entries.person],
        "home_provider": sites.provider_codes[entries.home],
        "care_kind": np.where(theatre, "theatre", "diagnostic"),
        "pathway": rare,
        "laterality": np.where(entries.person == np.arange(n), "left", "right"),
        **_care(rng, entries, parameters),
        **_person(rng, entries, areas, regions, parameters),
        **_waiting(rng, entries, rare, parameters),
        "needs": _needs(rng, entries, parameters),
        "transfer_consent": rng.choice(["no", "not_asked", "yes"], n, p=_consent_shares(parameters)),
        "requires_entry_id": np.where(entries.required >= 0, ids[entries.required], ""),
        "required_done_on": np.where(
            theatre & (entries.required < 0) & (rng.random(n) < 0.02), PLAN - 10, np.datetime64("NaT")
        ),
    }
    return pd.DataFrame(columns)


def _consent_shares(parameters: Parameters) -> tuple[float, float, float]:
    no, not_asked = parameters.consent_no, parameters.consent_not_asked
    return no, not_asked, 1 - no - not_asked


def _pathways(rng: np.random.Generator, theatre: Bools, parameters: Parameters) -> Array:
    draw = rng.random(len(theatre))
    usual = np.where(theatre, "rtt", "dm01")
    cancer = theatre & (draw < parameters.planned + parameters.cancer)
    return np.where(theatre & (draw < parameters.planned), "planned", np.where(cancer, "cancer", usual))


def _care(rng: np.random.Generator, entries: Entries, parameters: Parameters) -> dict[str, Array]:
    """Procedure, minutes, stay and price."""
    n = len(entries.person)
    theatre = entries.test < 0
    table = np.zeros((len(THEATRE_SERVICES), 4, 2))
    codes = np.full((len(THEATRE_SERVICES), 4), "", dtype=object)
    for row, service in enumerate(THEATRE_SERVICES):
        for column, item in enumerate(service.procedures):
            table[row, column] = item.minutes, item.overnight
            codes[row, column] = item.code
    median, overnight = np.moveaxis(table[entries.service, entries.procedure], -1, 0)
    minutes = np.clip(np.rint(median * np.exp(rng.normal(0, 0.22, n)) / 5) * 5, 15, 220)
    minutes = np.where(theatre, minutes, np.array([item[1] for item in TESTS])[entries.test]).astype(np.int64)
    stays = np.where(theatre & (rng.random(n) < overnight), rng.choice([1, 2, 3], n, p=[0.5, 0.3, 0.2]), 0)
    pooled = theatre & (rng.random(n) < parameters.pooled)
    service = np.where(pooled, POOLED_CODE, SERVICE_CODES[entries.service])
    return {
        "service_code": np.where(theatre, service, np.array([item[0] for item in TESTS])[entries.test]),
        "procedure_code": np.where(theatre, codes[entries.service, entries.procedure], ""),
        "expected_minutes": minutes,
        "minutes_sd": np.where(rng.random(n) < 0.5, np.round(0.32 * minutes, 1), np.nan),
        "overnight_stays": stays,
        "tariff_gbp": 400 + 11 * minutes + 350 * stays,
    }


def _person(
    rng: np.random.Generator, entries: Entries, areas: Areas, regions: int, parameters: Parameters
) -> dict[str, Array]:
    """What belongs to the person, the same on all their entries."""
    n = len(entries.person)
    sick = rng.random(n) < 0.18
    quintile = np.where(rng.random(n) < 0.7, areas.quintile[entries.area], rng.choice(5, n, p=QUINTILE_SHARES) + 1)
    heavy = rng.random(n) < parameters.high_bmi
    bmi = np.where(heavy, rng.uniform(40.5, 52, n), np.clip(rng.normal(28, 4.5, n), 17, 39.5)).round(1)
    public = rng.random(n) < parameters.public_transport
    limit = rng.choice([30.0, 45.0, 60.0, 90.0], n, p=[0.2, 0.35, 0.3, 0.15])
    left_to_policy = (limit == 60) & ~public & (np.arange(n) % 2 == 0)
    latitude, longitude = coordinates(areas.east, areas.north, regions)
    where = np.where(areas.unlisted, 1.0, np.nan)
    asa = np.where(sick, 3.0, rng.choice([1.0, 2.0], n))
    columns = {
        "asa_grade": np.where(rng.random(n) < parameters.unknown, np.nan, asa),
        "bmi": np.where(rng.random(n) < parameters.unknown, np.nan, bmi),
        "age_years": np.where(
            entries.child, rng.integers(1, 18, n), np.clip(rng.normal(62, 16, n), 18, 95).astype(int)
        ),
        "needs_hdu": rng.random(n) < 0.06,
        "home_area": areas.codes[entries.area],
        "home_latitude": (latitude * where)[entries.area],
        "home_longitude": (longitude * where)[entries.area],
        "imd_quintile": quintile,
        "travel_mode": np.where(public, "public_transport", "car"),
        "max_travel_minutes": np.where(left_to_policy, np.nan, limit),
    }
    return {name: values[entries.person] for name, values in columns.items()}


def _waiting(rng: np.random.Generator, entries: Entries, pathway: Array, parameters: Parameters) -> dict[str, Array]:
    """Priority, clocks and dates. Waits are 52 weeks and more; tests 6 and more."""
    n = len(entries.person)
    theatre = entries.test < 0
    grade = rng.choice([2, 3, 4], n, p=[0.05, 0.4, 0.55])
    grade = np.where(theatre & (rng.random(n) < parameters.deferred), rng.choice([5, 6], n), grade)
    weeks = np.where(theatre, np.minimum(110, 52 + rng.exponential(12, n)), np.minimum(40, 6 + rng.exponential(5, n)))
    clock = PLAN - (7 * weeks.astype(np.int64) + rng.integers(0, 7, n))
    late = rng.random(n) < parameters.overdue
    due_day = working_date(np.minimum(WORKING_DAYS - 1, entries.ready + rng.integers(3, 12, n)))
    due = np.where(late, PLAN - rng.integers(1, 30, n), due_day)
    prioritised = np.where(grade == 2, np.clip(due - 28, clock, PLAN - 1), clock + 14)
    planned = pathway == "planned"
    told = (grade == 2) & (rng.random(n) < 0.2)
    ready_date = working_date(entries.ready)
    kind = rng.random(n)
    not_before = (kind < 0.3) & (entries.ready > 0)
    notice = np.where(not_before, 0, (ready_date - PLAN).astype(np.int64))
    assessed = rng.random(n)
    valid_days = np.where(
        assessed < parameters.assessment_lapses,
        rng.integers(10, 32, n),
        np.where(assessed < 0.4, rng.integers(40, 120, n), np.nan),
    )
    home_day = np.where(rng.random(n) < parameters.dated_at_home, rng.integers(0, WORKING_DAYS, n), -1)
    return {
        "clinical_priority": np.char.add(np.where(theatre, "P", "D"), grade.astype(str)),
        "clock_start": clock,
        "first_prioritised_on": prioritised,
        "due_date": np.where(planned, PLAN + rng.integers(-20, 40, n), np.where(told, due, np.datetime64("NaT"))),
        "earliest_date": np.where(not_before, ready_date, np.datetime64("NaT")),
        "min_notice_days": np.where((kind > 0.97) & (entries.ready <= 5), np.nan, notice),
        "home_tci_date": np.where(home_day >= 0, working_date(home_day), np.datetime64("NaT")),
        "poa_valid_until": dates_after(PLAN_DATE, valid_days),
    }


def _needs(rng: np.random.Generator, entries: Entries, parameters: Parameters) -> Array:
    """Tags: a robot, a hand surgeon, an interpreter, adjustments for a learning disability."""
    draw = rng.random(len(entries.person))
    needs = np.full(len(draw), "", dtype=object)
    code = np.where(entries.test < 0, SERVICE_CODES[entries.service], "")
    needs[draw < parameters.needs] = "interpreter:polish"
    needs[draw < parameters.needs / 2] = "ld"
    needs[np.isin(code, ["101", "104"]) & (draw < 2 * parameters.needs)] = "robot"
    needs[(code == "110") & (draw < parameters.needs)] = "sub:hand"
    return needs


def unavailable_table(rng: np.random.Generator, patients: pd.DataFrame, share: float) -> pd.DataFrame:
    """Days on which some cannot come, one stretch each."""
    who = np.flatnonzero(rng.random(len(patients)) < share)
    start = PLAN + rng.integers(5, 28, len(who))
    return pd.DataFrame(
        {
            "entry_id": patients["entry_id"].to_numpy()[who],
            "from": start,
            "to": start + rng.integers(2, 11, len(who)),
        }
    )
