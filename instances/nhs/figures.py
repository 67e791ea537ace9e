"""The figures that published margins do not hold: how long operations take, who may go where, what people say.

Three committed tables (procedures.csv, services.csv, site_figures.csv) and the constants below. A figure with
a source names it; every other figure is an assumption of ours, and `instances/README.md` says so. The sources
are those of the data notes: Stepaniak 2009 (lognormal times), German OR benchmarking 2019 (variation 0.32),
British Association of Day Surgery (day cases 81-84%), London choice pilot (67% accept another provider).
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

import pandas as pd

MINUTES_CV = 0.32  # German OR benchmarking 2019: within one procedure
EXPECTED_CV = 0.20  # ours: how far the surgeon's expectation for a patient is from the procedure's mean
DEPRIVATION_RATIO = 1.8  # waits over a year, most against least deprived fifth: see `instances.nhs.deprivation`
PRIORITY_SHARES = {"2": 0.05, "3": 0.40, "4": 0.55}
CONSENT_SHARES = {"yes": 0.45, "no": 0.22, "not_asked": 0.30, "": 0.03}  # 67% of those who answered say yes
UNKNOWN_SHARE = {"theatre": 0.05, "diagnostic": 0.12}  # ASA, BMI and HDU need not written down
STATED_TRAVEL_SHARE = 0.35
STATED_TRAVEL = {30: 0.29, 45: 0.30, 60: 0.26, 90: 0.15}  # 71% would travel more than 30 minutes
PUBLIC_TRANSPORT_SHARE = {1: 0.09, 2: 0.06, 3: 0.04, 4: 0.03, 5: 0.02}
PUBLIC_TRANSPORT = (2.2, 10)  # minutes = 2.2 x car + 10: ours, so that nobody is screened out as unknown
LANGUAGES = {"": 0.97, "interpreter:ar": 0.012, "interpreter:pl": 0.010, "interpreter:ro": 0.008}
LEARNING_DISABILITY_SHARE = 0.015
ASA_SHARES = {  # grade 1 to 4, by youngest age
    0: (0.80, 0.17, 0.03, 0.00),
    18: (0.42, 0.46, 0.12, 0.00),
    40: (0.25, 0.52, 0.22, 0.01),
    65: (0.08, 0.52, 0.37, 0.03),
}
CATCHMENT_MINUTES = {"acute": 5.0, "specialist": 10.0, "independent": 8.0}  # attraction falls by e each so many minutes
SPECIALIST_TRUSTS = ("RBQ", "RBS", "REN", "REP", "RET")
CHILDRENS_TRUSTS = ("RBS",)
DIAGNOSTIC_TAIL_DAYS = 42  # mean beyond 13 weeks, where DM01 has one open band
WIDE_BAND_DAYS = 28  # mean beyond the start of a band wider than a week
BANK_HOLIDAYS = tuple(
    dt.date.fromisoformat(day)
    for day in ("2024-03-29", "2024-04-01", "2024-05-06", "2024-05-27", "2026-04-03", "2026-04-06", "2026-05-04")
)
PREDECESSORS = (  # code, name, last day, successor
    ("RVY", "Southport and Ormskirk Hospital NHS Trust", "2023-06-30", "RBN"),
    ("NVG01", "Fairfield Independent Hospital (former code)", "2025-03-31", "Y9S1N"),
)


@dataclass(frozen=True)
class Figures:
    """The three tables.

    procedures  care_kind, service_code, service, procedure_code, label, share, minutes, day_case_share, nights,
                sub (the sub-specialty tag it needs), sides (is it of the left or the right)
    services    by (care_kind, service_code): turnaround, ages, shares, tariff, result_days, long_share, and from the
                procedures: minutes (mean), overnight_nights (mean nights a case, day cases counted as none)
    sites       site_code and what each site has, accepts and provides
    """

    procedures: pd.DataFrame
    services: pd.DataFrame
    sites: pd.DataFrame


@cache
def figures() -> Figures:
    """The committed figures."""
    procedures = _read("procedures.csv", ("procedure_code", "service_code", "sub", "label"))
    services = _read("services.csv", ("service_code",)).set_index(["care_kind", "service_code"])
    weighted = procedures.assign(
        minutes=procedures["share"] * procedures["minutes"],
        overnight_nights=procedures["share"] * (1 - procedures["day_case_share"]) * procedures["nights"],
    )
    means = weighted.groupby(["care_kind", "service_code"])[["minutes", "overnight_nights"]].sum()
    return Figures(procedures, services.join(means), _read("site_figures.csv", ("site_code", "provides")))


def _read(name: str, codes: tuple[str, ...]) -> pd.DataFrame:
    path = Path(str(files("instances.nhs"))) / name
    frame = pd.read_csv(path, dtype=dict.fromkeys(codes, "str"))
    return frame.fillna(dict.fromkeys(codes, ""))
