"""How long intake takes on 100,000 patients, faults included. The promise is under 10 seconds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from allocator.intake import read_instance

ENTRIES = 100_000
SESSIONS = 2_000
AREAS = 1_500


def text(values: object) -> np.ndarray:
    return np.asarray(values).astype(str).astype(object)


def days(rng: np.random.Generator, first: str, spread: int, count: int) -> np.ndarray:
    return text(np.datetime64(first) + rng.integers(0, spread, count))


def large_instance(folder: Path) -> Path:
    """Write an instance of 100,000 entries in which about one cell in 2,000 is damaged."""
    rng = np.random.default_rng(20260202)
    info = {"name": "large", "plan_date": "2026-02-02", "horizon_start": "2026-02-03", "horizon_end": "2026-03-31"}
    (folder / "instance.json").write_text(json.dumps(info))
    providers = [f"R{number:02}" for number in range(12)]
    sites = [f"{code}01" for code in providers]
    yes_no = np.array(["yes", "no", "not_asked", ""])
    patients = pd.DataFrame(
        {
            "entry_id": [f"E{number:06}" for number in range(ENTRIES)],
            "patient_id": [f"P{number % 95_000:06}" for number in range(ENTRIES)],
            "home_provider": rng.choice(providers, ENTRIES),
            "care_kind": rng.choice(["theatre", "diagnostic"], ENTRIES),
            "service_code": rng.choice(["100", "110", "130", "502"], ENTRIES),
            "procedure_code": rng.choice(["W37.1", "C71.2", "H22.9"], ENTRIES),
            "clinical_priority": rng.choice(["P2", "P3", "P4"], ENTRIES),
            "clock_start": days(rng, "2023-06-01", 970, ENTRIES),
            "first_prioritised_on": days(rng, "2024-06-01", 600, ENTRIES),
            "due_date": "",
            "expected_minutes": text(rng.integers(20, 240, ENTRIES)),
            "minutes_sd": text(rng.uniform(5, 60, ENTRIES).round(2)),
            "overnight_stays": text(rng.integers(0, 4, ENTRIES)),
            "asa_grade": text(rng.integers(1, 5, ENTRIES)),
            "bmi": text(rng.uniform(17, 45, ENTRIES).round(1)),
            "age_years": text(rng.integers(1, 95, ENTRIES)),
            "needs_hdu": rng.choice(["true", "false", ""], ENTRIES),
            "needs": rng.choice(["ga", "ga;sub:hand", ""], ENTRIES),
            "home_area": [f"E{number:08}" for number in rng.integers(0, AREAS, ENTRIES)],
            "home_latitude": text(rng.uniform(53, 54, ENTRIES).round(6)),
            "home_longitude": text(rng.uniform(-3, -2, ENTRIES).round(6)),
            "imd_quintile": text(rng.integers(1, 6, ENTRIES)),
            "travel_mode": rng.choice(["car", "public_transport"], ENTRIES),
            "transfer_consent": rng.choice(yes_no, ENTRIES),
            "tariff_gbp": text(rng.uniform(500, 9000, ENTRIES).round(2)),
            "requires_entry_id": "",
        }
    )
    cells = patients.to_numpy()
    damaged = rng.integers(0, cells.size, cells.size // 2_000)
    cells[np.unravel_index(damaged, cells.shape)] = rng.choice(
        ["NULL", "9.43477E+09", "-5", "31/02/2026"], len(damaged)
    )
    pd.DataFrame(cells, columns=patients.columns).to_csv(folder / "patients.csv", index=False)
    tables = {
        "organisations": pd.DataFrame({"provider_code": providers, "name": providers, "sector": "nhs"}),
        "sites": pd.DataFrame(
            {"site_code": sites, "provider_code": providers, "name": sites, "has_hdu": "yes", "has_overnight": "yes"}
        ),
        "sessions": pd.DataFrame(
            {
                "session_id": [f"S{number:05}" for number in range(SESSIONS)],
                "site_code": rng.choice(sites, SESSIONS),
                "date": days(rng, "2026-02-03", 50, SESSIONS),
                "care_kind": "theatre",
                "service_code": "110",
                "minutes": "240",
            }
        ),
        "travel": pd.DataFrame(
            {
                "home_area": np.repeat([f"E{number:08}" for number in range(AREAS)], len(sites)),
                "site_code": sites * AREAS,
                "travel_mode": "car",
                "minutes": text(rng.integers(5, 90, AREAS * len(sites))),
            }
        ),
        "commitments": pd.DataFrame(
            {
                "entry_id": [f"E{number:06}" for number in rng.integers(0, ENTRIES + 500, 20_000)],
                "session_id": [f"S{number:05}" for number in rng.integers(0, SESSIONS, 20_000)],
                "state": rng.choice(["booked", "offered", "declined", "proposed", "bookd"], 20_000),
                "recorded_on": days(rng, "2026-01-01", 30, 20_000),
            }
        ),
    }
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.csv", index=False)
    return folder


@pytest.mark.benchmark(group="intake")
def test_hundred_thousand_patients(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    folder = large_instance(tmp_path)
    intake = benchmark.pedantic(  # type: ignore[no-untyped-call]
        read_instance, args=(folder,), rounds=1, iterations=1
    )
    refused = intake.quarantine[intake.quarantine["effect"] == "row_refused"]
    for table, read in intake.rows_read.items():
        assert intake.rows_accepted[table] + refused[refused["table"] == table]["row"].nunique() == read
    assert intake.rows_read["patients"] == ENTRIES
