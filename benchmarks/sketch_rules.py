"""The goal and the budget of the first sketch, where a case costs its tariff times a factor of the site.

The factor is a column of `sites` beside those of the data contract, which has prices of sessions and tariffs
of entries, and no product of the two.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np

from allocator.allocation import Allocation
from allocator.instance import Ints
from allocator.options import Facts, Options
from allocator.rows import Rows
from allocator.rule import Columns, Limit, Violation, parameter
from models.goals.weighted import Weighted

PRICE_FACTOR = "price_factor"


def case_pence(options: Options) -> Ints:
    """Whole pence of each option, shape (n_options,): tariff times the factor of the site."""
    pence: Ints = np.rint(options.of_entry("tariff_gbp") * options.of_site(PRICE_FACTOR) * 100).astype(np.int64)
    return pence


def case_pence_of(facts: Facts, patient: Mapping[str, Any], session: Mapping[str, Any]) -> int:
    """The same for one placement, from its two rows and the row of the site."""
    pence: int = round(patient["tariff_gbp"] * facts.instance.site[session["site_code"]][PRICE_FACTOR] * 100)
    return pence


class SketchWeighted(Weighted):
    """The weighted goal at the prices of the sketch; its defaults are the weights of the sketch."""

    def case_pence(self, options: Options) -> Ints:
        """Tariff times factor."""
        return case_pence(options)

    def case_pence_of(self, facts: Facts, patient: Mapping[str, Any], session: Mapping[str, Any]) -> int:
        """Tariff times factor."""
        return case_pence_of(facts, patient, session)


class SketchBudget(Limit):
    """What cases at independent sites cost, within a budget: whole pence, openings left out."""

    name: ClassVar[str] = "independent_budget"
    sentence: ClassVar[str] = "What cases at independent sites cost stays within the budget."
    blocked: ClassVar[str] = "the budget for independent sites is spent"

    budget_gbp: float = parameter(0.0, "Most that cases at independent sites may cost.", "GBP", ge=0)

    def rows(self, columns: Columns) -> Rows:
        """The one row: pence of every option at an independent site, at most the budget."""
        options = columns.options
        paid = np.flatnonzero(options.instance.session_independent[options.session])
        pence = case_pence(options)[paid]
        return Rows.of(columns.n, ["budget"], np.zeros(len(paid), dtype=np.int64), paid, pence, upper=self._pence)

    @property
    def _pence(self) -> int:
        # Exactly as the decimal is written: 0.29 is 29 pence, not 28.999...
        return math.floor(Fraction(str(self.budget_gbp)) * 100)

    def check(self, facts: Facts, allocation: Allocation) -> list[Violation]:
        """More paid than the budget."""
        instance = facts.instance
        paid = 0
        for place in allocation.placements:
            session = instance.session[place.session_id]
            host = instance.site[session["site_code"]]["provider_code"]
            if instance.provider_sector[host] == "independent":
                paid += case_pence_of(facts, instance.patient[place.entry_id], session)
        if paid <= self._pence:
            return []
        return [Violation(self.name, f"cases cost {paid} pence; the budget is {self._pence}")]
