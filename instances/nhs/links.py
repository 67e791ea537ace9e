"""What ties entries together: one person on two lists, a test that a treatment waits for, days away."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd

PERSON = (
    "patient_id",
    "age_years",
    "asa_grade",
    "bmi",
    "own_needs",
    "home_area",
    "imd_quintile",
    "travel_mode",
    "max_travel_minutes",
    "transfer_consent",
)
TEST_OF = {  # treatment's service -> tests it may wait for
    "100": ("GASTROSCOPY", "COLONOSCOPY", "ULTRASOUND"),
    "101": ("CYSTOSCOPY", "URODYNAMICS"),
    "110": ("MRI", "ECHOCARDIOGRAPHY"),
    "320": ("ECHOCARDIOGRAPHY",),
    "502": ("ULTRASOUND", "URODYNAMICS"),
    "X05": ("ECHOCARDIOGRAPHY", "COLONOSCOPY"),
}
ONE_SEX = ("101", "502")  # never two services of one person: the data has no sex
SECOND_ENTRY_SHARE, CHAIN_SHARE, DONE_SHARE, AWAY_SHARE = 0.03, 0.01, 0.02, 0.10


def link_entries(patients: pd.DataFrame, plan_date: dt.date, rng: np.random.Generator) -> pd.DataFrame:
    """Give everyone a pseudonym, some people two entries, and some treatments a test to wait for."""
    linked = patients.assign(
        patient_id=[f"SYN{number:06d}" for number in rng.permutation(len(patients)) + 1],
    )
    chains = _chains(linked, rng)
    taken = {row for pair in chains for row in pair}
    pairs = [*chains, *_pairs(linked, taken, rng)]
    if pairs:
        first, second = (list(rows) for rows in zip(*pairs, strict=True))
        person = list(PERSON)
        linked.loc[second, person] = linked.loc[first, person].to_numpy()
        linked = linked.astype({name: patients[name].dtype for name in person if name in patients})
    waits_for = {treatment: patients["entry_id"].iloc[test] for test, treatment in chains}
    linked = linked.assign(requires_entry_id=pd.Series(waits_for, dtype="object").reindex(linked.index))
    return _done_tests(linked, taken, plan_date, rng)


def tags_of(patients: pd.DataFrame) -> list[str]:
    """The needs column: what the person needs, what the operation needs, and children's care under 16."""
    child = np.where(patients["age_years"] < 16, "paediatric", "")
    rows = zip(patients["care_needs"], patients["own_needs"], child, strict=True)
    return [";".join(tag for tag in tags if tag) for tags in rows]


def away(patients: pd.DataFrame, start: dt.date, end: dt.date, rng: np.random.Generator) -> pd.DataFrame:
    """The unavailable table: one in ten is away for one to three weeks within the horizon."""
    chosen = patients["entry_id"].to_numpy()[rng.random(len(patients)) < AWAY_SHARE]
    begin = rng.integers(0, (end - start).days, len(chosen))
    length = rng.integers(6, 21, len(chosen))
    return pd.DataFrame(
        {
            "entry_id": chosen,
            "from": [start + dt.timedelta(days=int(day)) for day in begin],
            "to": [start + dt.timedelta(days=int(day + days)) for day, days in zip(begin, length, strict=True)],
        }
    )


def _chains(patients: pd.DataFrame, rng: np.random.Generator) -> list[tuple[int, int]]:
    """(test row, treatment row) at one home provider, of adults."""
    adults = patients[patients["age_years"] >= 18]
    keys = zip(adults["home_provider"], adults["service_code"], strict=True)
    by_key: dict[tuple[str, str], list[int]] = {}
    for row, key in zip(adults.index, keys, strict=True):
        by_key.setdefault(key, []).append(row)
    wanted = round(CHAIN_SHARE * (patients["care_kind"] == "theatre").sum())
    chains: list[tuple[int, int]] = []
    for row in rng.permutation(adults.index.to_numpy()):
        if len(chains) == wanted:
            break
        provider, service = patients.loc[row, "home_provider"], patients.loc[row, "service_code"]
        tests = [rows for test in TEST_OF.get(service, ()) if (rows := by_key.get((provider, test)))]
        if tests:
            rows = tests[int(rng.integers(len(tests)))]
            chains.append((rows.pop(int(rng.integers(len(rows)))), int(row)))
    return chains


def _pairs(patients: pd.DataFrame, taken: set[int], rng: np.random.Generator) -> list[tuple[int, int]]:
    """(first row, second row) of one adult on two lists of one provider, for different services."""
    free = patients[(patients["age_years"] >= 18) & ~patients["service_code"].isin(ONE_SEX)]
    waiting: dict[str, int] = {}
    pairs: list[tuple[int, int]] = []
    for row in rng.permutation(free.index.to_numpy()):
        if len(pairs) >= SECOND_ENTRY_SHARE * len(patients):
            break
        if row in taken:
            continue
        provider = str(patients.loc[row, "home_provider"])
        other = waiting.pop(provider, None)
        if other is None or patients.loc[other, "service_code"] == patients.loc[row, "service_code"]:
            waiting[provider] = int(row)
        else:
            pairs.append((other, int(row)))
    return pairs


def _done_tests(patients: pd.DataFrame, taken: set[int], plan_date: dt.date, rng: np.random.Generator) -> pd.DataFrame:
    """Some treatments waited for a test that is done: its date is here and its id is gone."""
    chosen = (patients["care_kind"] == "theatre") & (rng.random(len(patients)) < DONE_SHARE)
    chosen &= ~patients.index.isin(list(taken))
    ago = rng.integers(3, 60, len(patients))
    done = [plan_date - dt.timedelta(days=int(days)) if yes else None for days, yes in zip(ago, chosen, strict=True)]
    return patients.assign(required_done_on=pd.Series(done, index=patients.index, dtype="object"))
