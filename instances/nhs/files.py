"""Find the published files in a folder and derive the margins of a month from them."""

from __future__ import annotations

from pathlib import Path

from allocator.errors import InputError
from instances.nhs.margins import Margins
from instances.nhs.published import derive_margins
from instances.nhs.series import derive_series_margins

BASE_MONTH = "2026-01"
PATTERNS = {
    "dm01": "dm01*.csv*",
    "sites": "cm_sites.csv",
    "areas": "lsoa11_*.csv",
    "trust_series": "cm_trust_tfc_month.csv*",
    "board_series": "icb_tfc_month.csv*",
}


def find_and_derive(folder: Path, month: str) -> Margins:
    """Margins of `month`: from its full extract where the folder has one, else from the trust and board series.

    Needs `rtt_full_extract_YYYY-MM.zip` (of the month, or of the base month for the series), DM01, sites and areas,
    at any depth. Raises InputError naming every file that is absent.
    """
    extract = find_file(folder, f"rtt_full_extract_{month}.zip")
    wanted = ["dm01", "sites", "areas"] + ([] if extract else ["trust_series", "board_series"])
    found = {name: find_file(folder, PATTERNS[name]) for name in wanted}
    base = extract or find_file(folder, f"rtt_full_extract_{BASE_MONTH}.zip")
    missing = [PATTERNS[name] for name, path in found.items() if path is None]
    missing += [] if base else [f"rtt_full_extract_{month}.zip"]
    if missing:
        raise InputError([f'{folder} has no file "{pattern}".' for pattern in missing])
    there = {name: path for name, path in found.items() if path is not None}
    assert base is not None
    margins = derive_margins(base, there["dm01"], there["sites"], there["areas"])
    if extract:
        return margins
    return derive_series_margins(there["trust_series"], there["board_series"], there["dm01"], margins, month)


def find_file(folder: Path, pattern: str) -> Path | None:
    """The first file of that name pattern in the folder, at any depth; None where there is none."""
    return next(iter(sorted(folder.rglob(pattern))), None)
