"""Random instances in which every rule and goal has something to say; eight entries and six sessions unless said."""

from __future__ import annotations

from typing import Any

import numpy as np

from allocator.instance import Instance
from tests.build import ORGANISATIONS, SITES, Row, make_facts

N_ENTRIES, N_SESSIONS = 8, 6


def random_instance(seed: int, n_entries: int = N_ENTRIES, n_sessions: int = N_SESSIONS) -> Instance:
    """Values stand on the boundaries of the rules, so that < for <= would show."""
    draw = Draw(seed, n_entries)
    return make_facts(
        [draw.patient(number) for number in range(n_entries)],
        [draw.session() for _ in range(n_sessions)],
        info={"reporting_dates": draw.one((), ("2026-02-28", "2026-03-31"))},
        organisations=[{**row, **draw.caps()} for row in ORGANISATIONS],
        sites=[{**row, **draw.site()} for row in SITES],
        beds=draw.beds(),
        unavailable=draw.unavailable(),
        commitments=draw.commitments(),
        overrides=draw.overrides(),
    ).instance


class Draw:
    """Rows of tables, drawn with one seed."""

    def __init__(self, seed: int, n_entries: int) -> None:
        self.random = np.random.default_rng(seed)
        self.n_entries = n_entries

    def one(self, *values: Any) -> Any:
        """One of the values, all as likely."""
        return values[self.random.integers(len(values))]

    def mostly(self, usual: Any, *others: Any) -> Any:
        """`usual` nineteen times in twenty, else one of the others."""
        return self.one(*others) if self.random.random() < 0.05 else usual

    def seldom(self, *values: Any) -> Any:
        """Not known nineteen times in twenty, else one of the values."""
        return self.mostly(None, *values)

    def patient(self, number: int) -> Row:
        return {
            "patient_id": f"p{number // 2}",
            "home_provider": self.one("RAA", "RAA", "RBB"),
            "service_code": self.mostly("110", "X02"),
            "clinical_priority": self.one("P2", "P3", "P4", self.mostly("P4", "P5")),
            "pathway": self.mostly("rtt", "planned", "cancer"),
            "procedure_code": self.mostly("W37.1", "", "W381"),
            "clock_start": self.one("2024-04-01", "2024-04-02", "2025-03-31", "2025-04-01", "2025-12-29", "2026-02-16"),
            "first_prioritised_on": self.one(None, "2025-12-16", "2026-02-09"),
            "due_date": self.one(None, None, "2026-02-24", "2025-04-01"),
            "expected_minutes": self.one(60, 75, 90, 100),
            "minutes_sd": self.one(None, 10, 12.5),
            "overnight_stays": self.one(0, 0, 0, 1, 2, None),
            "asa_grade": self.mostly(2, 1, 3, None),
            "bmi": self.mostly(25, 40, 40.5, None),
            "needs_hdu": self.mostly(False, True, None),
            "needs": self.one("", "", "ga", self.mostly("ga", "ga;robot")),
            "imd_quintile": self.one(1, 1, 5, None),
            "max_travel_minutes": self.mostly(None, 20, 30),
            "earliest_date": self.seldom("2026-02-24", "2026-02-25", "2026-03-10"),
            "min_notice_days": self.seldom(0, 22, 23),
            "transfer_consent": self.mostly("yes", "not_asked", "no"),
            "home_tci_date": self.seldom("2026-03-10", "2026-03-11"),
            "poa_valid_until": self.seldom("2026-02-24", "2026-03-09"),
            "tariff_gbp": self.one(None, 999.99, 1500),
            "requires_entry_id": self.one("", "", f"e{number}" if number else ""),
            "required_done_on": self.seldom("2026-02-24", "2026-02-25"),
            "held": self.mostly(False, True),
        }

    def session(self) -> Row:
        return {
            "site_code": self.one("RAA01", "RBB01", "NCC01", "NCC01"),
            "date": self.one("2026-02-24", "2026-02-25", "2026-03-10", "2026-03-31"),
            "service_code": self.mostly("110", "X02"),
            "minutes": self.one(100, 180, 210),
            "turnaround_minutes": self.one(0, 15),
            "host_cases": self.one(0, 0, 1, 2),
            "max_cases": self.one(None, None, 1, 2),
            "min_cases": self.one(0, 0, 1, 2, 3),
            "opening_cost_gbp": self.one(0, 0, 750.5),
            "case_price_gbp": self.one(None, 1200.35),
            "accepts_procedures": self.mostly("", "W37;X1"),
            "provides": self.one("", "robot", "ga"),
            "book_by": self.seldom("2026-02-01", "2026-02-02"),
            "result_days": self.one(0, 1, 14),
            "max_age_years": self.seldom(49, 50),
        }

    def caps(self) -> Row:
        return {"max_outgoing": self.one(None, None, 1, 2), "max_incoming": self.one(None, None, 1, 2)}

    def site(self) -> Row:
        return {
            "max_asa": self.one(None, 2),
            "max_bmi": self.one(None, 40),
            "min_age_years": self.seldom(50, 51),
            "provides": self.one("ga", "ga;robot", ""),
            "has_overnight": self.mostly(True, False),
            "lead_days": self.mostly(None, 22, 23),
        }

    def beds(self) -> list[Row]:
        nights = ("2026-02-24", "2026-02-25", "2026-02-26", "2026-03-10", "2026-03-11")
        return [
            {"site_code": site, "night": night, "bed_kind": kind, "spare_beds": self.one(0, 1, 2)}
            for site in ("RAA01", "RBB01", "NCC01")
            for night in nights
            for kind in ("ward", "hdu")
        ]

    def entry(self) -> str:
        return f"e{self.random.integers(1, self.n_entries + 1)}"

    def unavailable(self) -> list[Row]:
        return [{"entry_id": self.entry(), "from": "2026-02-25", "to": self.one("2026-02-25", "2026-03-10")}]

    def commitments(self) -> list[Row]:
        return [
            {
                "entry_id": self.entry(),
                **self.one(
                    {"session_id": "s1"}, {"session_id": "s2"}, self.one({"session_id": "gone"}, {"site_code": "NCC01"})
                ),
                "state": self.one(
                    "proposed", "booked", "booked", "offered", self.one("declined", "cancelled", "treated")
                ),
                "recorded_on": self.one("2026-01-30T08:00:00", "2026-01-31T12:00:00"),
                "expires_on": self.one(None, "2026-02-01", "2026-02-02"),
            }
            for _ in range(self.random.integers(0, 6))
        ]

    def overrides(self) -> list[Row]:
        return [
            {
                "entry_id": self.entry(),
                **self.one({"session_id": "s3"}, {"site_code": "RAA01"}, {}),
                "action": self.mostly("never", "must"),
                "who": "A. Manager",
                "reason": "clinical",
                "recorded_on": self.one("2026-01-30T08:00:00", "2026-01-31T12:00:00"),
            }
            for _ in range(self.random.integers(0, 3))
        ]
