"""Which entries: the margins, one row a person waiting, with a clock start inside the published band."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd

from allocator.instance import Floats, Ints
from instances.nhs.figures import DIAGNOSTIC_TAIL_DAYS, WIDE_BAND_DAYS
from instances.nhs.margins import Margins

LONGEST_DIAGNOSTIC_DAYS = 364


def diagnostic_weeks(cohort_weeks: int) -> int:
    """The shortest diagnostic wait that goes with a theatre cohort: 13, 10 or 6 weeks (DM01 counts 6 and 13)."""
    return 13 if cohort_weeks >= 52 else 10 if cohort_weeks >= 40 else 6


def cohort(margins: Margins, cohort_weeks: int, rng: np.random.Generator) -> pd.DataFrame:
    """entry_id, home_provider, care_kind, service_code, clock_start (date), waited_days (to the census).

    Theatre: 7 * week_from < days <= 7 * week_to. Diagnostics: 7 * week_from <= days < 7 * week_to.
    """
    theatre = _people(margins.theatre_waits, cohort_weeks)
    tests = _people(margins.diagnostic_waits, diagnostic_weeks(cohort_weeks))
    theatre_days = _days_in_band(theatre, rng) + 1
    frame = pd.concat(
        [
            theatre.assign(care_kind="theatre", waited_days=theatre_days),
            tests.assign(care_kind="diagnostic", waited_days=_days_in_band(tests, rng)),
        ],
        ignore_index=True,
    )
    frame = frame.rename(columns={"provider_code": "home_provider"})
    started = [margins.census - dt.timedelta(days=int(days)) for days in frame["waited_days"]]
    number = frame.groupby("home_provider").cumcount() + 1
    return frame.assign(
        clock_start=started,
        entry_id=frame["home_provider"] + "-" + number.astype(str).str.zfill(5),
    )[["entry_id", "home_provider", "care_kind", "service_code", "clock_start", "waited_days"]]


def counted(margins: Margins, cohort_weeks: int) -> pd.DataFrame:
    """care_kind, service_code, provider_code, entries: the cohort by provider and service, without drawing anyone."""
    kinds = (
        ("theatre", margins.theatre_waits, cohort_weeks),
        ("diagnostic", margins.diagnostic_waits, diagnostic_weeks(cohort_weeks)),
    )
    parts = [waits[waits["week_from"] >= weeks].assign(care_kind=kind) for kind, waits, weeks in kinds]
    return pd.concat(parts).groupby(["care_kind", "service_code", "provider_code"], as_index=False)[["entries"]].sum()


def _people(waits: pd.DataFrame, weeks: int) -> pd.DataFrame:
    kept = waits[waits["week_from"] >= weeks]
    return kept.loc[kept.index.repeat(kept["entries"])].reset_index(drop=True)


def _days_in_band(people: pd.DataFrame, rng: np.random.Generator) -> Ints:
    """Days waited counted from the band's start: even over one week, thinning out over a wider or an open band."""
    drawn = rng.random(len(people))
    first = people["week_from"].to_numpy(dtype=np.int64) * 7
    last_open = np.maximum(LONGEST_DIAGNOSTIC_DAYS, first + 7)
    end = people["week_to"].to_numpy(dtype=float, na_value=np.nan) * 7
    width = np.where(np.isnan(end), last_open, end) - first
    scale = np.where(np.isnan(end), DIAGNOSTIC_TAIL_DAYS, WIDE_BAND_DAYS)
    days: Floats = np.where(width <= 7, drawn * width, _thinning(drawn, width, scale))
    return first + np.floor(days).astype(np.int64)


def _thinning(drawn: Floats, width: Floats, scale: Floats) -> Floats:
    """Exponential with mean `scale`, cut off at `width`."""
    days: Floats = -scale * np.log1p(-drawn * (1 - np.exp(-width / scale)))
    return days
