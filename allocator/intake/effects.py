"""What a damaged cell does to its row: the whole safety policy of intake, in one table.

What is damaged never frees a patient and never drops a constraint. Blanking a cell is right where a rule
says what not-known means; where an empty cell means "no limit", blanking would drop the limit, so that
the entry is held, the session closed, or the strictest value taken instead.

| action | what happens | in quarantine.csv |
|--------|--------------|-------------------|
| refuse | the row is left out | row_refused |
| blank  | the value counts as not known | value_blanked |
| strict | the value counts as `value`, the most cautious one | value_blanked |
| close  | blank, and the session (or every session of the site) takes nobody new | value_blanked |
| hold   | blank, and the entry is held: it keeps what it has and is never placed | entry_held |
| keep   | the row stays as it is for the day when its entry is known again | entry_held |

Columns that are not named here: an empty or damaged required cell refuses its row, any other is blanked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from allocator.schema import Table

Action = Literal["refuse", "blank", "strict", "close", "hold", "keep"]


@dataclass(frozen=True)
class Effect:
    """What a damaged cell does. `value` stands in for it where the action is strict."""

    action: Action
    value: str | float | bool | None = None

    @property
    def consequence(self) -> str:
        """What happens until the cell is put right, for the hint."""
        return {
            "refuse": "",
            "blank": "",
            "strict": f"counts as {self._shown} until it is put right",
            "close": "takes nobody new until it is put right",
            "hold": "",
            "keep": "",
        }[self.action]

    @property
    def _shown(self) -> str:
        return {True: "no", False: "no"}[self.value] if isinstance(self.value, bool) else f"{self.value}"


REFUSE, BLANK, CLOSE, HOLD = Effect("refuse"), Effect("blank"), Effect("close"), Effect("hold")
KEEP = Effect("keep")

EFFECTS: Mapping[str, Mapping[str, Effect]] = {
    "organisations": {
        "name": BLANK,
        # Independent is the sector that has to know a patient's limits and costs money.
        "sector": Effect("strict", "independent"),
        "max_outgoing": Effect("strict", 0),
        "max_incoming": Effect("strict", 0),
    },
    "sites": {
        "name": BLANK,
        "max_asa": CLOSE,
        "max_bmi": CLOSE,
        "min_age_years": CLOSE,
        "max_age_years": CLOSE,
        "has_hdu": Effect("strict", False),
        "has_overnight": Effect("strict", False),
        "lead_days": CLOSE,
    },
    "patients": {
        # ASA grade, BMI, age, stay and high dependency are blanked: site_accepts says what not-known means.
        "pathway": HOLD,
        "needs": HOLD,
        "travel_mode": HOLD,
        "max_travel_minutes": HOLD,
        "earliest_date": HOLD,
        "min_notice_days": HOLD,
        "transfer_consent": HOLD,
        "home_tci_date": HOLD,
        "poa_valid_until": HOLD,
        "requires_entry_id": HOLD,
        "required_done_on": HOLD,
    },
    # In the three tables that speak about an entry, a damaged row holds the entry (see references, settled).
    "unavailable": {"from": HOLD, "to": HOLD},
    "sessions": {
        "turnaround_minutes": CLOSE,
        "host_cases": CLOSE,
        "max_cases": CLOSE,
        "min_cases": CLOSE,
        "opening_cost_gbp": CLOSE,
        "case_price_gbp": CLOSE,
        "accepts_procedures": CLOSE,
        "min_age_years": CLOSE,
        "max_age_years": CLOSE,
        "book_by": CLOSE,
        "result_days": CLOSE,
    },
    "beds": {"bed_kind": REFUSE, "spare_beds": Effect("strict", 0)},
    "travel": {"minutes": Effect("strict", 1440)},
    "commitments": {"entry_id": KEEP, "session_id": HOLD, "site_code": HOLD, "state": HOLD, "recorded_on": HOLD},
    "overrides": {
        "session_id": HOLD,
        "site_code": HOLD,
        "action": HOLD,
        "who": HOLD,
        "reason": HOLD,
        "recorded_on": HOLD,
    },
}

ORDERED = {
    "organisations": (("valid_from", "valid_to"),),
    "sites": (("min_age_years", "max_age_years"),),
    "unavailable": (("from", "to"),),
    "sessions": (("min_age_years", "max_age_years"), ("min_cases", "max_cases")),
}
"""Pairs of columns of which the first may not be above the second; the second carries the fault."""

NOT_AFTER_PLAN_DATE = {"patients": ("clock_start", "first_prioritised_on")}


def effect_of(table: Table, column: str) -> Effect:
    """What a damaged cell of this column does."""
    special = EFFECTS.get(table.name, {}).get(column)
    return special or (REFUSE if table.column(column).required else BLANK)
