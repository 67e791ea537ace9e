"""Small instances for tests, written as the few values that matter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from allocator.instance import Instance, InstanceInfo
from allocator.options import Facts

Row = Mapping[str, Any]

INFO = {
    "name": "test",
    "plan_date": "2026-02-02",
    "horizon_start": "2026-02-03",
    "horizon_end": "2026-03-31",
}
ORGANISATIONS: Sequence[Row] = (
    {"provider_code": "RAA", "name": "Alpha NHS Trust", "sector": "nhs"},
    {"provider_code": "RBB", "name": "Beta NHS Trust", "sector": "nhs"},
    {"provider_code": "NCC", "name": "Gamma Clinic", "sector": "independent"},
)
SITES: Sequence[Row] = (
    {"site_code": "RAA01", "provider_code": "RAA", "name": "Alpha General", "has_hdu": True, "has_overnight": True},
    {"site_code": "RBB01", "provider_code": "RBB", "name": "Beta General", "has_hdu": True, "has_overnight": True},
    {"site_code": "NCC01", "provider_code": "NCC", "name": "Gamma Clinic", "has_hdu": False, "has_overnight": False},
)
PATIENT: Row = {
    "home_provider": "RAA",
    "care_kind": "theatre",
    "service_code": "110",
    "clinical_priority": "P4",
    "clock_start": "2025-01-06",
    "expected_minutes": 60,
    "overnight_stays": 0,
    "home_area": "HOME",
    "transfer_consent": "yes",
    "asa_grade": 1,
    "bmi": 25,
    "age_years": 50,
    "needs_hdu": False,
    "held": False,
    "imd_quintile": 3,
    "tariff_gbp": 1000,
}
SESSION: Row = {
    "site_code": "RAA01",
    "date": "2026-03-10",
    "care_kind": "theatre",
    "service_code": "110",
    "minutes": 240,
    "turnaround_minutes": 15,
}
NEAR: Sequence[Row] = tuple(
    {"home_area": "HOME", "site_code": site, "travel_mode": "car", "minutes": minutes}
    for site, minutes in (("RAA01", 10), ("RBB01", 30), ("NCC01", 20))
)


def make_facts(
    patients: Sequence[Row] = (),
    sessions: Sequence[Row] = (),
    *,
    info: Row | None = None,
    organisations: Sequence[Row] = ORGANISATIONS,
    sites: Sequence[Row] = SITES,
    travel: Sequence[Row] = NEAR,
    **tables: Sequence[Row],
) -> Facts:
    """Facts over three providers; patients e1, e2 ... at home in RAA and sessions s1, s2 ... unless said."""
    rows: dict[str, Sequence[Row]] = {
        "organisations": organisations,
        "sites": sites,
        "travel": travel,
        "patients": [
            {**PATIENT, "entry_id": f"e{number}", "patient_id": f"p{number}", **patient}
            for number, patient in enumerate(patients, 1)
        ],
        "sessions": [{**SESSION, "session_id": f"s{number}", **row} for number, row in enumerate(sessions, 1)],
        **tables,
    }
    frames = {name: pd.DataFrame(list(table)) for name, table in rows.items()}
    return Facts(Instance.from_frames(InstanceInfo(**{**INFO, **(info or {})}), frames))
