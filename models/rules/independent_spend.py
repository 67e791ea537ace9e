"""independent_spend: what independent providers are paid stays within the budget.

In whole pence, over options at independent providers other than the entry's own, and their sessions:
    sum of price[e, s] x[e, s] + sum of opening_cost[s] open[s] <= budget.
price[e, s] is the session's case price, else the entry's tariff, else `default_case_gbp`. Bookings and
the sessions they use are included; no budget means no cap.
Source: the hub's own budget; the default price is one that a hub sets for itself.
"""

from __future__ import annotations

import math
from decimal import ROUND_HALF_EVEN, Decimal
from typing import ClassVar

import numpy as np
import pandas as pd

from allocator.allocation import Allocation
from allocator.instance import Ints
from allocator.options import Facts, Options
from allocator.rows import Rows
from allocator.rule import USAGE_COLUMNS, Columns, Limit, Violation, parameter
from models.cost import opening_rows


class IndependentSpend(Limit):
    """Prices and opening costs at independent providers, within a budget."""

    name: ClassVar[str] = "independent_spend"
    sentence: ClassVar[str] = "What independent providers are paid stays within the budget."
    blocked: ClassVar[str] = "the budget for independent providers is spent"

    budget_gbp: float | None = parameter(
        None, "Most that independent providers may be paid; empty = no cap.", "GBP", ge=0, le=1e9
    )
    default_case_gbp: float = parameter(
        2000.0, "Price of a case where neither the session nor the entry has one.", "GBP", ge=0, le=1_000_000
    )

    def case_pence(self, options: Options) -> Ints:
        """Whole pence of each option, 0 where it is not paid from the budget, shape (n_options,)."""
        session_price, tariff = options.of_session("case_price_gbp"), options.of_entry("tariff_gbp")
        price = np.where(np.isnan(session_price), tariff, session_price)
        price = np.where(np.isnan(price), self.default_case_gbp, price)
        paid = options.instance.session_independent[options.session] & ~options.at_home
        pence: Ints = np.where(paid, np.rint(price * 100), 0).astype(np.int64)
        return pence

    def rows(self, columns: Columns) -> Rows:
        """The budget, and a row for every session that costs an opening: who is placed there opens it."""
        if self.budget_gbp is None:
            return Rows.none(columns.n)
        instance = columns.facts.instance
        opening = np.rint(instance.column("sessions", "opening_cost_gbp") * 100).astype(np.int64)
        paid = instance.session_independent & (opening > 0)
        pence = self.case_pence(columns.options)
        cases = np.flatnonzero(pence)
        sessions = columns.opening_session[paid[columns.opening_session]]
        option_or_opening = np.concatenate([cases, columns.opening_column[sessions]])
        budget = Rows.of(
            columns.n,
            ["budget"],
            np.zeros(len(option_or_opening), dtype=np.int64),
            option_or_opening,
            np.concatenate([pence[cases], opening[sessions]]),
            upper=_pence(self.budget_gbp),
        )
        return Rows.stacked([budget, opening_rows(columns)])

    def _spend(self, facts: Facts, allocation: Allocation) -> tuple[int, int, tuple[str, ...]]:
        """(pence paid, of which for bookings, entries with a new paid place), from the tables."""
        paid = fixed = 0
        entry_ids = []
        for session_id, places in allocation.of_session.items():
            session = facts.instance.session[session_id]
            host = facts.instance.site[session["site_code"]]["provider_code"]
            if facts.instance.provider_sector[host] != "independent":
                continue
            opening = _pence(session["opening_cost_gbp"])
            paid += opening
            fixed += opening if any(place.is_fixed for place in places) else 0
            for place in places:
                patient = facts.instance.patient[place.entry_id]
                if patient["home_provider"] != host:
                    prices = (session["case_price_gbp"], patient["tariff_gbp"], self.default_case_gbp)
                    pence = _pence(next(price for price in prices if not math.isnan(price)))
                    paid += pence
                    fixed += pence if place.is_fixed else 0
                if not place.is_fixed:
                    entry_ids.append(place.entry_id)
        return paid, fixed, tuple(entry_ids)

    def check(self, facts: Facts, allocation: Allocation) -> list[Violation]:
        """More paid than the budget, beyond what bookings cost."""
        paid, fixed, entry_ids = self._spend(facts, allocation)
        if self.budget_gbp is None or paid <= max(fixed, _pence(self.budget_gbp)):
            return []
        message = f"independent providers are paid {paid / 100:.2f} GBP; the budget is {self.budget_gbp:.2f} GBP"
        return [Violation(self.name, message, entry_ids)]

    def usage(self, facts: Facts, allocation: Allocation) -> pd.DataFrame:
        """What independent providers are paid, and the budget."""
        paid, _, _ = self._spend(facts, allocation)
        budget = math.nan if self.budget_gbp is None else self.budget_gbp
        return pd.DataFrame([("independent providers", paid / 100, budget, "GBP")], columns=list(USAGE_COLUMNS))


def _pence(gbp: float) -> int:
    """Whole pence of an amount, half a penny to the even one."""
    return int((Decimal(str(float(gbp))) * 100).quantize(Decimal(1), rounding=ROUND_HALF_EVEN))
