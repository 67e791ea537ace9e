"""Seeded generator of synthetic instances in four sizes, with every table and every rule in use.

    instance = generate("S", seed=1)
    write(instance, Path("my-instance"))

Same size, seed, parameters and library versions give the same tables, to the byte. Each part draws from
a stream of its own. The plain problem (parameters PLAIN) has service, travel, dates, ASA, HDU, age and the
limits only.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from allocator import schema
from allocator.instance import Instance, InstanceInfo
from instances.generate_commitments import settled_tables
from instances.generate_parameters import (
    CLINIC,
    HORIZON_END,
    HORIZON_START,
    PLAIN,
    PLAN_DATE,
    REPORTING_DATES,
    SIZES,
    USUAL,
    Parameters,
    Size,
)
from instances.generate_people import draw_entries, patients_table, unavailable_table
from instances.generate_places import (
    CASE_MINUTES,
    Sites,
    draw_areas,
    draw_sites,
    organisations_table,
    sites_table,
    travel_table,
)
from instances.generate_sessions import beds_table, draw_sessions

__all__ = ["PLAIN", "USUAL", "Parameters", "Size", "generate", "generate_counts", "write"]

BUDGET_SHARE = 0.65
"""Share of what independent sessions could cost that the region has to spend."""


def generate(size: Size, seed: int, parameters: Parameters = USUAL) -> Instance:
    """A synthetic instance of one of the four sizes. `seed` is 0 or more."""
    return generate_counts(size, *SIZES[size], seed, parameters)


def generate_counts(
    name: str, n_entries: int, n_sessions: int, regions: int, seed: int, parameters: Parameters = USUAL
) -> Instance:
    """The same for any number of entries, sessions and regions; `name` says which."""
    streams = [np.random.default_rng([seed, part]) for part in range(8)]
    sites = draw_sites(streams[0], regions, parameters)
    areas = draw_areas(streams[1], sites, regions)
    entries = draw_entries(streams[2], areas, n_entries, regions, parameters)
    sessions = draw_sessions(streams[3], sites, n_sessions, regions, parameters)
    patients = patients_table(streams[4], entries, sites, areas, regions, parameters)
    tables = {
        "organisations": organisations_table(streams[5], sites, entries.home, sessions),
        "waiting_lists": waiting_lists_table(streams[5], patients),
        "sites": sites_table(sites, regions, parameters),
        "patients": patients,
        "unavailable": unavailable_table(streams[6], patients, parameters.unavailable),
        "sessions": sessions,
        "beds": beds_table(streams[5], sites, sessions),
        "travel": travel_table(sites, areas),
    }
    tables |= settled_tables(streams[7], tables, entries, sites, areas, parameters.commitments)
    info = InstanceInfo(
        name=f"generated-{name}-{seed}",
        plan_date=PLAN_DATE,
        horizon_start=HORIZON_START,
        horizon_end=HORIZON_END,
        reporting_dates=REPORTING_DATES,
        synthetic=True,
        sources=("seeded generator; no real person, trust or list",),
        assumptions={
            "size": name,
            "seed": seed,
            "independent_budget_gbp": independent_budget_gbp(sessions, sites),
            **asdict(parameters),
        },
        notes="Made up from end to end. Provider codes that begin with G and N are not ODS codes.",
    )
    named = {table.name: [column.name for column in table.columns] for table in schema.TABLES}
    kept = {name: table[[column for column in named[name] if column in table]] for name, table in tables.items()}
    return Instance.from_frames(info, kept)


def independent_budget_gbp(sessions: pd.DataFrame, sites: Sites) -> int:
    """What the region has for independent places: a share of what its independent sessions could cost."""
    theatre = sessions[sessions["service"] >= 0]
    clinics = theatre[sites.kind[theatre["site"]] == CLINIC]
    price = 400 + 11 * (CASE_MINUTES[clinics["service"]] - 15)
    return round(float(BUDGET_SHARE * 1.2 * (clinics["cases"] * price).sum()))


def waiting_lists_table(rng: np.random.Generator, patients: pd.DataFrame) -> pd.DataFrame:
    """Whole lists, of which the entries are the longest waiters."""
    keys = {"home_provider": "provider_code", "care_kind": "care_kind", "service_code": "service_code"}
    counts = patients.groupby(list(keys)).size().rename("list_size").reset_index().rename(columns=keys)
    return counts.assign(list_size=np.ceil(counts["list_size"] * rng.uniform(8, 15, len(counts))).astype(np.int64))


def write(instance: Instance, folder: Path) -> None:
    """Write a generated instance as a folder of the data contract: a CSV a table with rows.

    Beside instance.json and the tables there is a policy.toml: the daily policy with the region's budget.
    """
    folder.mkdir(parents=True, exist_ok=True)
    info = instance.info.model_dump_json(indent=2)
    (folder / "instance.json").write_text(info + "\n", encoding="utf-8", newline="\n")
    budget = instance.info.assumptions["independent_budget_gbp"]
    policy = f'base = "daily"\n\n[rules.independent_spend]\nbudget_gbp = {budget}\n'
    (folder / "policy.toml").write_text(policy, encoding="utf-8", newline="\n")
    for table in schema.TABLES:
        frame = instance.table(table.name)[[column.name for column in table.columns]]
        if len(frame):
            text = pd.DataFrame({name: _cells(frame[name]) for name in frame.columns})
            text.to_csv(folder / f"{table.name}.csv", index=False, lineterminator="\n")


def _cells(column: pd.Series[Any]) -> pd.Series[Any]:
    """Cells as the data contract wants them: true and false, whole numbers without a point, ISO dates."""
    if column.dtype.kind == "b" or column.dtype == "boolean":
        words: pd.Series[Any] = column.astype("object").map({True: "true", False: "false"})
        return words
    if column.dtype.kind == "f" and (column.dropna() % 1 == 0).all():
        return column.astype("Int64")
    if column.dtype.kind == "M":
        moment = bool((column.dropna() != column.dropna().dt.normalize()).any())
        dates: pd.Series[Any] = column.dt.strftime("%Y-%m-%dT%H:%M:%S" if moment else "%Y-%m-%d")
        return dates
    return column
