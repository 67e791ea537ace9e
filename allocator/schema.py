"""The tables and columns of an instance: names, kinds, bounds, what an empty cell means.

Declared here and nowhere else; intake checks against it, `Instance` takes its dtypes from it.
Source: the project's data contract.

| kind     | in a DataFrame                       | unknown  |
|----------|--------------------------------------|----------|
| code     | str, upper case kept, zeros kept     | ""       |
| text     | str                                  | ""       |
| choice   | str, one of `choices`                | ""       |
| tags     | str, tags separated by semicolons    | ""       |
| clock    | str, HH:MM                           | ""       |
| date     | datetime64[s], midnight              | NaT      |
| moment   | datetime64[s]                        | NaT      |
| whole    | int64 if required, else float64      | NaN      |
| number   | float64                              | NaN      |
| flag     | bool if required, else boolean       | NA       |
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["code", "text", "choice", "tags", "clock", "date", "moment", "whole", "number", "flag"]
TEXT_KINDS = frozenset({"code", "text", "choice", "tags", "clock"})


@dataclass(frozen=True)
class Column:
    """One column. `empty` replaces an empty cell; `low` and `high` are inclusive bounds."""

    name: str
    kind: Kind
    required: bool = False
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    empty: str | float | bool | None = None


@dataclass(frozen=True)
class Table:
    """One table. `key` names the columns that together are unique and give the row order.

    An empty `key` keeps the rows in the order they came (commitments: the later row wins a tie).
    """

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    required: bool = False

    def column(self, name: str) -> Column:
        """The column called `name`; KeyError where there is none."""
        return {column.name: column for column in self.columns}[name]


CARE_KINDS = ("theatre", "diagnostic")
SECTORS = ("nhs", "independent")
PATHWAYS = ("rtt", "dm01", "planned", "cancer")
PRIORITIES = ("P2", "P3", "P4", "P5", "P6", "D2", "D3", "D4")
EMERGENCY_PRIORITIES = ("P1a", "P1b", "D1")
TRAVEL_MODES = ("car", "public_transport")
CONSENTS = ("yes", "no", "not_asked")
ARRANGEMENTS = ("transfer", "subcontract")
BED_KINDS = ("ward", "hdu")
STATES = ("proposed", "offered", "booked", "declined", "host_refused", "cancelled", "treated")
DECIDERS = ("patient", "home", "host", "hub")
ACTIONS = ("must", "never")

ORGANISATIONS = Table(
    "organisations",
    (
        Column("provider_code", "code", required=True),
        Column("name", "text", required=True),
        Column("sector", "choice", required=True, choices=SECTORS),
        Column("max_outgoing", "whole", low=0),
        Column("max_incoming", "whole", low=0),
        Column("list_as_of", "date"),
        Column("valid_from", "date"),
        Column("valid_to", "date"),
        Column("successor_code", "code"),
    ),
    key=("provider_code",),
    required=True,
)

WAITING_LISTS = Table(
    "waiting_lists",
    (
        Column("provider_code", "code", required=True),
        Column("care_kind", "choice", required=True, choices=CARE_KINDS),
        Column("service_code", "code", required=True),
        Column("list_size", "whole", required=True, low=0),
    ),
    key=("provider_code", "care_kind", "service_code"),
)

SITES = Table(
    "sites",
    (
        Column("site_code", "code", required=True),
        Column("provider_code", "code", required=True),
        Column("name", "text", required=True),
        Column("latitude", "number", low=49, high=61),
        Column("longitude", "number", low=-9, high=2),
        Column("max_asa", "whole", low=1, high=5),
        Column("max_bmi", "number", low=10, high=120),
        Column("min_age_years", "whole", low=0, high=120),
        Column("max_age_years", "whole", low=0, high=120),
        Column("has_hdu", "flag", required=True),
        Column("has_overnight", "flag", required=True),
        Column("provides", "tags"),
        Column("lead_days", "whole", low=0, high=365),
    ),
    key=("site_code",),
    required=True,
)

PATIENTS = Table(
    "patients",
    (
        Column("entry_id", "code", required=True),
        Column("patient_id", "code", required=True),
        Column("home_provider", "code", required=True),
        Column("care_kind", "choice", required=True, choices=CARE_KINDS),
        Column("service_code", "code", required=True),
        Column("pathway", "choice", choices=PATHWAYS),
        Column("procedure_code", "code"),
        Column("laterality", "text"),
        Column("clinical_priority", "choice", required=True, choices=PRIORITIES),
        Column("clock_start", "date", required=True),
        Column("first_prioritised_on", "date"),
        Column("due_date", "date"),
        Column("expected_minutes", "whole", required=True, low=1, high=1440),
        Column("minutes_sd", "number", low=0, high=720),
        Column("overnight_stays", "whole", low=0, high=60),
        Column("asa_grade", "whole", low=1, high=5),
        Column("bmi", "number", low=10, high=120),
        Column("age_years", "whole", low=0, high=120),
        Column("needs_hdu", "flag"),
        Column("needs", "tags"),
        Column("home_area", "code"),
        Column("home_latitude", "number", low=49, high=61),
        Column("home_longitude", "number", low=-9, high=2),
        Column("imd_quintile", "whole", low=1, high=5),
        Column("travel_mode", "choice", choices=TRAVEL_MODES, empty="car"),
        Column("max_travel_minutes", "whole", low=0, high=1440),
        Column("earliest_date", "date"),
        Column("min_notice_days", "whole", low=0, high=365),
        Column("transfer_consent", "choice", choices=CONSENTS),
        Column("home_tci_date", "date"),
        Column("poa_valid_until", "date"),
        Column("tariff_gbp", "number", low=0, high=1_000_000),
        Column("requires_entry_id", "code"),
        Column("required_done_on", "date"),
    ),
    key=("entry_id",),
    required=True,
)

UNAVAILABLE = Table(
    "unavailable",
    (
        Column("entry_id", "code", required=True),
        Column("from", "date", required=True),
        Column("to", "date", required=True),
    ),
)

SESSIONS = Table(
    "sessions",
    (
        Column("session_id", "code", required=True),
        Column("site_code", "code", required=True),
        Column("date", "date", required=True),
        Column("start_time", "clock"),
        Column("care_kind", "choice", required=True, choices=CARE_KINDS),
        Column("service_code", "code", required=True),
        Column("minutes", "whole", required=True, low=0, high=1440),
        Column("turnaround_minutes", "whole", low=0, high=240, empty=0),
        Column("host_cases", "whole", low=0, high=200, empty=0),
        Column("max_cases", "whole", low=0, high=200),
        Column("min_cases", "whole", low=0, high=200, empty=0),
        Column("opening_cost_gbp", "number", low=0, high=1_000_000, empty=0),
        Column("case_price_gbp", "number", low=0, high=1_000_000),
        Column("accepts_procedures", "tags"),
        Column("min_age_years", "whole", low=0, high=120),
        Column("max_age_years", "whole", low=0, high=120),
        Column("provides", "tags"),
        Column("team", "text"),
        Column("book_by", "date"),
        Column("result_days", "whole", low=0, high=365, empty=0),
        Column("arrangement", "choice", choices=ARRANGEMENTS, empty="transfer"),
    ),
    key=("session_id",),
    required=True,
)

BEDS = Table(
    "beds",
    (
        Column("site_code", "code", required=True),
        Column("night", "date", required=True),
        Column("bed_kind", "choice", choices=BED_KINDS, empty="ward"),
        Column("spare_beds", "whole", required=True, low=0, high=10_000),
    ),
    key=("site_code", "night", "bed_kind"),
)

TRAVEL = Table(
    "travel",
    (
        Column("home_area", "code", required=True),
        Column("site_code", "code", required=True),
        Column("travel_mode", "choice", required=True, choices=TRAVEL_MODES),
        Column("minutes", "whole", required=True, low=0, high=1440),
    ),
    key=("home_area", "site_code", "travel_mode"),
)

COMMITMENTS = Table(
    "commitments",
    (
        Column("entry_id", "code", required=True),
        Column("session_id", "code"),
        Column("site_code", "code"),
        Column("state", "choice", required=True, choices=STATES),
        Column("decided_by", "choice", choices=DECIDERS),
        Column("reason_code", "code"),
        Column("recorded_on", "moment", required=True),
        Column("expires_on", "date"),
    ),
)

OVERRIDES = Table(
    "overrides",
    (
        Column("entry_id", "code", required=True),
        Column("session_id", "code"),
        Column("site_code", "code"),
        Column("action", "choice", required=True, choices=ACTIONS),
        Column("who", "text", required=True),
        Column("reason", "text", required=True),
        Column("recorded_on", "moment", required=True),
    ),
)

TABLES: tuple[Table, ...] = (
    ORGANISATIONS,
    WAITING_LISTS,
    SITES,
    PATIENTS,
    UNAVAILABLE,
    SESSIONS,
    BEDS,
    TRAVEL,
    COMMITMENTS,
    OVERRIDES,
)
