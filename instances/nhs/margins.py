"""Margins: the published counts that an instance must reproduce, and the places they belong to.

A folder of small CSV files and `source.json`, derived from the published files by `instances.nhs.published`
and committed, so that instances can be built without those files.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd

from allocator.errors import InputError

CODES = ("provider_code", "service_code", "site_code", "area_code", "name", "sector", "local_authority")
TABLES = ("theatre_waits", "theatre_lists", "theatre_completed", "diagnostic_waits", "diagnostic_lists", "providers")
PLACES = ("sites", "areas")
OPEN_BAND_TO = 130  # "104 weeks and more" is published without an end: this one is ours, for drawing dates only


@dataclass(frozen=True)
class Margins:
    """Published counts of one month for one integrated care board.

    month             '2026-01'
    census            last day of the month: waits are counted to it
    theatre_waits     provider_code, service_code, week_from, week_to, entries: with a decision to admit;
                      7 * week_from < days waited <= 7 * week_to
    theatre_lists     provider_code, service_code, list_size, decision_to_admit, over_52: whole lists
    theatre_completed provider_code, service_code, completed: admitted in the month, neighbours' sites included
    diagnostic_waits  provider_code, service_code, week_from, week_to, entries;
                      7 * week_from <= days waited < 7 * week_to
    diagnostic_lists  provider_code, service_code, list_size, tests_done
    providers         provider_code, name, sector, on_board (counted in the board's totals)
    sites             site_code, provider_code, name, latitude, longitude
    areas             area_code, local_authority, imd_quintile, people_0_15, people_16_over, latitude, longitude
    source            what source.json says: files, licence, totals, how derived
    """

    month: str
    census: dt.date
    theatre_waits: pd.DataFrame
    theatre_lists: pd.DataFrame
    theatre_completed: pd.DataFrame
    diagnostic_waits: pd.DataFrame
    diagnostic_lists: pd.DataFrame
    providers: pd.DataFrame
    sites: pd.DataFrame
    areas: pd.DataFrame
    source: Mapping[str, Any]


def shipped_months() -> tuple[str, ...]:
    """The months whose margins ship with the package."""
    return tuple(sorted(folder.name for folder in _shipped().iterdir() if (folder / "source.json").is_file()))


def read_margins(month: str, folder: Path | None = None) -> Margins:
    """The margins of a month from `folder`, or those that ship with the package; InputError where absent."""
    root = _shipped() if folder is None else folder
    months = root / month
    if not (months / "source.json").is_file():
        known = ", ".join(shipped_months())
        raise InputError(
            [f'There are no margins for "{month}". Maybe one of {known}, or give --rtt and --dm01 to derive them.']
        )
    source = json.loads((months / "source.json").read_text(encoding="utf-8"))
    frames = {name: _read(months / f"{name}.csv") for name in TABLES}
    frames |= {name: _read(root / f"{name}.csv") for name in PLACES}
    return Margins(month=month, census=dt.date.fromisoformat(source["census"]), source=source, **frames)


def write_margins(margins: Margins, folder: Path) -> None:
    """Write sites and areas to `folder`, the month's tables and source.json to the month's folder in it."""
    months = folder / margins.month
    months.mkdir(parents=True, exist_ok=True)
    for name in TABLES:
        getattr(margins, name).to_csv(months / f"{name}.csv", index=False, lineterminator="\n")
    for name in PLACES:
        getattr(margins, name).to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")
    text = json.dumps(margins.source, indent=2, ensure_ascii=False)
    (months / "source.json").write_text(text + "\n", encoding="utf-8")


def _read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype=dict.fromkeys(CODES, "str"), keep_default_na=False, na_values={"week_to": [""]})


def _shipped() -> Path:
    return Path(str(files("instances"))) / "margins"
