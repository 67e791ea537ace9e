"""provider_flow: providers send and receive no more people than they agreed to.

For every provider p with a figure:
    sum of x[e, s] over options with home(e) = p and host(s) != p <= max_outgoing[p],
    sum of x[e, s] over options with host(s) = p and home(e) != p <= max_incoming[p].
Every placement away from home counts, bookings included; a placement at home is no flow; an empty
figure is no cap. Source: mutual-aid agreements between trusts; the figures are theirs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
import pandas as pd

from allocator.allocation import Allocation, Placement
from allocator.change import Change, Edit
from allocator.instance import Array, Ints
from allocator.options import Facts
from allocator.rows import Rows
from allocator.rule import USAGE_COLUMNS, Columns, Limit, Pair, Violation


class ProviderFlow(Limit):
    """Caps on people sent to and received from other providers."""

    name: ClassVar[str] = "provider_flow"
    sentence: ClassVar[str] = "No provider sends or receives more people than it agreed to."
    blocked: ClassVar[str] = "a provider already sends or receives as many people as it agreed to"

    def rows(self, columns: Columns) -> Rows:
        """One row a provider with a cap, each way."""
        options, instance = columns.options, columns.facts.instance
        return Rows.stacked(
            [
                self._capped(
                    columns, "out of", "max_outgoing", instance.column("patients", "home_provider"), options.entry
                ),
                self._capped(columns, "into", "max_incoming", instance.session_provider, options.session),
            ]
        )

    def _capped(self, columns: Columns, way: str, figure: str, providers: Array, of_option: Ints) -> Rows:
        """One way: `providers` has one code a row of the table that `of_option` (n_options,) points into."""
        column = columns.facts.instance.column
        caps = column("organisations", figure)
        capped = np.flatnonzero(~np.isnan(caps))
        codes = column("organisations", "provider_code")[capped]
        row_of = {code: row for row, code in enumerate(codes)}
        rows = np.array([row_of.get(code, -1) for code in providers], dtype=np.int64)[of_option]
        moved = np.flatnonzero((rows >= 0) & ~columns.options.at_home)
        keys = [f"{way} {code}" for code in codes]
        return Rows.of(columns.n, keys, rows[moved], moved, np.ones(len(moved)), upper=caps[capped])

    def _flows(self, facts: Facts, allocation: Allocation) -> list[tuple[str, float, list[Placement]]]:
        """(what, cap, placements away from home) of every provider, each way, from the tables."""
        outgoing: dict[str, list[Placement]] = {}
        incoming: dict[str, list[Placement]] = {}
        for place in allocation.placements:
            home = facts.instance.patient[place.entry_id]["home_provider"]
            host = facts.instance.site[facts.instance.session[place.session_id]["site_code"]]["provider_code"]
            if home != host:
                outgoing.setdefault(home, []).append(place)
                incoming.setdefault(host, []).append(place)
        flows = []
        figures = [
            facts.instance.column("organisations", name) for name in ("provider_code", "max_outgoing", "max_incoming")
        ]
        for code, most_out, most_in in zip(*figures, strict=True):
            flows.append((f"sent by {code}", float(most_out), outgoing.get(code, [])))
            flows.append((f"received by {code}", float(most_in), incoming.get(code, [])))
        return flows

    def check(self, facts: Facts, allocation: Allocation) -> list[Violation]:
        """Providers over a cap, where a new placement is among those who move."""
        violations = []
        for what, cap, places in self._flows(facts, allocation):
            if len(places) > cap and not all(place.is_fixed for place in places):
                message = f"{len(places)} people {what}; {int(cap)} are agreed"
                violations.append(Violation(self.name, message, tuple(place.entry_id for place in places)))
        return violations

    def relief(self, facts: Facts, allocation: Allocation, pairs: Sequence[Pair]) -> Mapping[Pair, Change]:
        """One person more than agreed, sent by the home provider, received by the host, or both."""
        full = self._full(facts, allocation, pairs)
        return {pair: _one_more(ways) for pair, ways in full.items()}

    def partial_relief(self, facts: Facts, allocation: Allocation, pair: Pair) -> Sequence[Change]:
        """One person more only sent, or only received, where both are full."""
        ways = self._full(facts, allocation, [pair]).get(pair, ())
        return [_one_more([way]) for way in ways] if len(ways) > 1 else []

    def _full(self, facts: Facts, allocation: Allocation, pairs: Sequence[Pair]) -> dict[Pair, list[tuple[str, Edit]]]:
        """For each pair away from home that has one, each way that is full: in words, and as one person more."""
        instance, found = facts.instance, {}
        flows = {what: (len(places), cap) for what, cap, places in self._flows(facts, allocation)}
        for entry_id, session_id in pairs:
            home = instance.patient[entry_id]["home_provider"]
            host = instance.site[instance.session[session_id]["site_code"]]["provider_code"]
            ways = ((f"sent by {home}", home, "max_outgoing"), (f"received by {host}", host, "max_incoming"))
            full = [way for way in ways if flows[way[0]][0] + 1 > flows[way[0]][1]]
            if home != host and full:
                found[entry_id, session_id] = [
                    (what, Edit("organisations", {"provider_code": code}, {figure: float(flows[what][0] + 1)}))
                    for what, code, figure in full
                ]
        return found

    def usage(self, facts: Facts, allocation: Allocation) -> pd.DataFrame:
        """People sent and received by every provider that moves anybody or has a cap."""
        rows = [
            (what, len(places), cap, "people")
            for what, cap, places in self._flows(facts, allocation)
            if places or not math.isnan(cap)
        ]
        return pd.DataFrame(rows, columns=list(USAGE_COLUMNS))


def _one_more(ways: Sequence[tuple[str, Edit]]) -> Change:
    """One person more each of these ways."""
    words = f"one more person could be {' and '.join(what for what, _ in ways)}"
    return Change("flow", len(ways), words, tuple(edit for _, edit in ways))
