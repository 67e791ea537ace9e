"""What the generator draws from: sizes, shares, services, the map of one region.

Shapes and shares of places, services, minutes, stays and waits are invented, in the manner of an
integrated care system in the north west of England; no figure here describes a real trust or person.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import Literal

Size = Literal["S", "M", "L", "XL"]

SIZES: dict[Size, tuple[int, int, int]] = {
    "S": (500, 60, 1),
    "M": (5_000, 500, 1),
    "L": (30_000, 2_500, 1),
    "XL": (300_000, 25_000, 10),
}
"""Entries, sessions and regions of each size."""

PLAN_DATE = dt.date(2026, 2, 2)
HORIZON_START = dt.date(2026, 2, 9)
HORIZON_END = dt.date(2026, 3, 6)
WORKING_DAYS = 20
REPORTING_DATES = (dt.date(2026, 2, 28),)


@dataclass(frozen=True)
class Parameters:
    """Shares, of entries unless said otherwise, of what the rules beyond the plain problem act on."""

    diagnostic: float = 0.06
    second_entry: float = 0.02
    test_first: float = 0.5
    """Share of diagnostic entries that a theatre entry of the same person waits for."""
    pooled: float = 0.01
    """Share of theatre entries, and of theatre sessions, under a pooled code."""
    needs: float = 0.05
    unavailable: float = 0.05
    consent_no: float = 0.06
    consent_not_asked: float = 0.3
    high_bmi: float = 0.03
    unknown: float = 0.02
    """Share of ASA grades and BMIs that are blank."""
    public_transport: float = 0.05
    planned: float = 0.01
    cancer: float = 0.01
    deferred: float = 0.005
    dated_at_home: float = 0.02
    assessment_lapses: float = 0.05
    overdue: float = 0.1
    """Share of P2 entries that are past due on the morning of the plan."""
    day_case_sites: float = 0.25
    """Share of hubs and independent sites without overnight beds."""
    lead_days: int = 14
    """Days that a quarter of the independent sites need."""
    book_by: float = 0.2
    """Share of sessions with a last day of booking."""
    special_lists: float = 0.1
    """Share of sessions that take only some procedures, and that provide a subspecialty."""
    case_limit: float = 0.3
    """Share of sessions with a highest number of cases."""
    host_cases: float = 0.1
    commitments: float = 0.04
    """Share of entries with something settled."""


USUAL = Parameters()
PLAIN = replace(
    USUAL,
    diagnostic=0.0,
    second_entry=0.0,
    test_first=0.0,
    pooled=0.0,
    needs=0.0,
    unavailable=0.0,
    consent_no=0.0,
    consent_not_asked=0.0,
    high_bmi=0.0,
    unknown=0.0,
    public_transport=0.0,
    planned=0.0,
    cancer=0.0,
    deferred=0.0,
    dated_at_home=0.0,
    assessment_lapses=0.0,
    overdue=0.0,
    day_case_sites=0.0,
    lead_days=0,
    book_by=0.0,
    special_lists=0.0,
    case_limit=0.0,
    host_cases=0.0,
    commitments=0.0,
)
"""The plain problem: service, travel, dates, ASA, HDU and age, and the limits, with nothing settled."""


@dataclass(frozen=True)
class Procedure:
    """OPCS-4 style code, median minutes, share within the service, chance of a stay overnight."""

    code: str
    minutes: int
    share: float
    overnight: float


@dataclass(frozen=True)
class Service:
    """Treatment function code, share of theatre demand, its procedures."""

    code: str
    share: float
    procedures: tuple[Procedure, ...]

    @property
    def case_minutes(self) -> float:
        """Expected minutes of a case, turnaround included."""
        return sum(item.minutes * item.share for item in self.procedures) + TURNAROUND_MINUTES


def _service(code: str, share: float, *procedures: tuple[str, int, float, float]) -> Service:
    return Service(code, share, tuple(Procedure(*item) for item in procedures))


TURNAROUND_MINUTES = 15
PAEDIATRIC = "171"
CHILD_SHARE = {"120": 0.25, "140": 0.25, PAEDIATRIC: 1.0}
"""Share of patients under 18 by service; 0.02 elsewhere."""
DAY_CASE_SERVICES = ("130", "330")
POOLED_CODE = "X05"
TESTS = (("MRI", 30, 5), ("CT", 20, 3), ("GASTROSCOPY", 40, 7))
"""Test code, minutes, days until the result."""

THEATRE_SERVICES: tuple[Service, ...] = (
    _service(
        "110", 0.22, ("W371", 125, 0.35, 0.9), ("W401", 150, 0.1, 1.0), ("W822", 60, 0.35, 0.1), ("A651", 35, 0.2, 0.0)
    ),
    _service("130", 0.16, ("C751", 25, 0.8, 0.0), ("C791", 50, 0.2, 0.05)),
    _service("100", 0.13, ("T202", 60, 0.5, 0.1), ("J183", 95, 0.3, 0.5), ("S065", 40, 0.2, 0.0)),
    _service("502", 0.11, ("Q181", 45, 0.5, 0.05), ("Q074", 90, 0.3, 0.6), ("Q103", 30, 0.2, 0.0)),
    _service("101", 0.10, ("M451", 30, 0.5, 0.02), ("M653", 75, 0.35, 0.45), ("M611", 120, 0.15, 0.9)),
    _service("120", 0.09, ("F341", 40, 0.5, 0.05), ("E036", 70, 0.4, 0.3), ("D101", 110, 0.1, 0.8)),
    _service("140", 0.04, ("F091", 40, 0.7, 0.02), ("V103", 90, 0.3, 0.4)),
    _service("160", 0.03, ("S352", 60, 0.6, 0.1), ("B291", 120, 0.4, 0.5)),
    _service("150", 0.02, ("V254", 90, 0.5, 0.7), ("A021", 140, 0.5, 1.0)),
    _service("172", 0.02, ("K601", 70, 0.6, 0.3), ("K401", 150, 0.4, 1.0)),
    _service("107", 0.02, ("L851", 60, 0.6, 0.1), ("L681", 120, 0.4, 0.9)),
    _service("330", 0.02, ("S063", 25, 0.7, 0.0), ("S361", 45, 0.3, 0.0)),
    _service(PAEDIATRIC, 0.01, ("N082", 40, 0.7, 0.2), ("T193", 80, 0.3, 0.5)),
    _service("104", 0.02, ("H252", 50, 0.4, 0.1), ("H062", 140, 0.6, 1.0)),
    _service("103", 0.01, ("B283", 70, 0.6, 0.2), ("B274", 110, 0.4, 0.7)),
)

ACUTE, HUB, CLINIC = 0, 1, 2
NHS_SITES: tuple[tuple[int, int, int, int], ...] = (
    (0, 0, 0, ACUTE),
    (4, 6, 0, ACUTE),
    (4, -1, 0, HUB),
    (5, -2, 1, ACUTE),
    (1, -1, 2, ACUTE),
    (15, 1, 3, ACUTE),
    (17, 4, 3, HUB),
    (-3, 28, 4, ACUTE),
    (10, 22, 4, HUB),
    (26, -4, 5, ACUTE),
    (18, -9, 5, HUB),
    (-10, -5, 6, ACUTE),
    (-6, -9, 6, HUB),
    (2, -24, 7, ACUTE),
    (3, -17, 7, HUB),
    (33, -38, 8, ACUTE),
    (56, -22, 9, ACUTE),
    (50, -12, 9, HUB),
    (3, 7, 10, ACUTE),
    (-6, -8, 11, ACUTE),
)
"""km east, km north, trust and kind of each NHS site of a region."""
CLINIC_SITES: tuple[tuple[int, int], ...] = (
    (2, -3),
    (-7, -6),
    (25, -2),
    (4, -22),
    (35, -36),
    (-2, 25),
    (55, -20),
    (17, 5),
)
"""km east and north of each independent site of a region; two sites belong to one provider."""
TRUSTS = 12
SITES_A_REGION = len(NHS_SITES) + len(CLINIC_SITES)
AREAS_A_REGION = 300
REGION_KM = 85.0
QUINTILE_SHARES = (0.32, 0.2, 0.17, 0.16, 0.15)
