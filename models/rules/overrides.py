"""overrides: pins and vetoes that a person recorded.

The latest row for the same entry, session and site wins; a pin and a veto of one moment are both in force,
and stop the run. A row means its session where it names one, else its site, else any place at all.
    must:  sum of x[e, s] over the sessions meant >= 1
    never: sum of x[e, s] over the sessions meant <= 0; a booking there stays and is shown as a conflict
A `must` of somebody who was treated since, or is on no list, means nothing. A `must` that no option can
keep stops the run: who asked for the impossible is asked again.
Source: the hub's decisions, each with a name and a reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd

from allocator.allocation import Allocation
from allocator.demand import Demand
from allocator.errors import ContradictionError
from allocator.instance import Ints
from allocator.options import Facts, Options
from allocator.rows import Rows
from allocator.rule import USAGE_COLUMNS, Columns, Conflict, Limit, Violation


@dataclass(frozen=True)
class Override:
    """One pin or veto in force; `session_id` and `site_code` are "" where the row does not name one."""

    entry_id: str
    session_id: str
    site_code: str
    action: str
    who: str
    reason: str

    @property
    def target(self) -> str:
        """The place that is meant, for people."""
        if self.session_id:
            return f"session {self.session_id}"
        return f"site {self.site_code}" if self.site_code else "any session"

    def means(self, session_id: str, site_code: str) -> bool:
        """Is this session, at this site, meant."""
        if self.session_id:
            return session_id == self.session_id
        return self.site_code in ("", site_code)

    def __str__(self) -> str:
        action = "must" if self.action == "must" else "must never"
        return f"{self.entry_id} {action} go to {self.target} ({self.who}: {self.reason})"


class Overrides(Limit):
    """Pins are kept and vetoes respected."""

    name: ClassVar[str] = "overrides"
    sentence: ClassVar[str] = "What a person pinned or ruled out by name is respected."
    blocked: ClassVar[str] = "a person ruled this place out, or pinned another"

    def rows(self, columns: Columns) -> Rows:
        """One row an override in force. Raises ContradictionError, naming every pin without an option."""
        options = columns.options
        overrides = in_force(columns.facts)
        meant = [meant_options(options, override) for override in overrides]
        vetoed = [rows for override, rows in zip(overrides, meant, strict=True) if override.action == "never"]
        barred = np.zeros(len(options), dtype=bool)
        barred[np.concatenate([np.zeros(0, dtype=np.int64), *vetoed])] = True
        barred &= ~options.fixed
        impossible = [
            impossible_pin(options.facts, override, len(rows))
            for override, rows in zip(overrides, meant, strict=True)
            if override.action == "must" and barred[rows].all()
        ]
        if impossible:
            raise ContradictionError("Overrides that cannot be kept:\n" + "\n".join(impossible))
        pins = np.array([override.action == "must" for override in overrides], dtype=bool)
        return Rows.of(
            columns.n,
            [str(override) for override in overrides],
            np.repeat(np.arange(len(overrides)), [len(rows) for rows in meant]),
            np.concatenate([np.zeros(0, dtype=np.int64), *meant]),
            np.ones(sum(map(len, meant))),
            lower=np.where(pins, 1.0, -np.inf),
            upper=np.where(pins, np.inf, 0.0),
        )

    def demands(self, facts: Facts) -> tuple[Demand, ...]:
        """Every override in force."""
        instance = facts.instance
        sites = [(session_id, instance.session[session_id]["site_code"]) for session_id in instance.session_row]
        return tuple(
            Demand(
                str(override),
                override.entry_id,
                tuple(session_id for session_id, site_code in sites if override.means(session_id, site_code)),
                override.action == "must",
            )
            for override in in_force(facts)
        )

    def check(self, facts: Facts, allocation: Allocation) -> list[Violation]:
        """Pins that are not kept, and new placements that were ruled out."""
        violations = []
        for override in in_force(facts):
            places = [
                place
                for place in allocation.of_entry.get(override.entry_id, ())
                if override.means(place.session_id, facts.instance.session[place.session_id]["site_code"])
            ]
            if override.action == "must" and not places:
                violations.append(Violation(self.name, f"not kept: {override}", (override.entry_id,)))
            if override.action == "never" and not all(place.is_fixed for place in places):
                violations.append(Violation(self.name, f"broken: {override}", (override.entry_id,)))
        return violations

    def conflicts(self, facts: Facts) -> list[Conflict]:
        """Fixed places that a person ruled out."""
        entry_ids = facts.instance.column("patients", "entry_id")
        vetoes = [override for override in in_force(facts) if override.action == "never"]
        return [
            Conflict(veto.entry_id, place.session_id, f"it is {place.state}, yet {veto}", "overrides", closes=False)
            for place in facts.standing.fixed
            for veto in vetoes
            if place.session >= 0
            and entry_ids[place.entry] == veto.entry_id
            and veto.means(place.session_id, facts.instance.session[place.session_id]["site_code"])
        ]

    def usage(self, facts: Facts, allocation: Allocation) -> pd.DataFrame:
        """Pins kept, against pins in force."""
        overrides = in_force(facts)
        broken = {violation.message for violation in self.check(facts, allocation)}
        rows = []
        for action, what, verdict in (("must", "pins kept", "not kept"), ("never", "vetoes kept", "broken")):
            given = [override for override in overrides if override.action == action]
            kept = sum(f"{verdict}: {override}" not in broken for override in given)
            rows.append((what, kept, len(given), "overrides"))
        return pd.DataFrame(rows, columns=list(USAGE_COLUMNS))


def in_force(facts: Facts) -> list[Override]:
    """The latest override for every entry, session and site; of entries that are on a list.

    Of one moment the last row of each action: which of a pin and a veto came later, nobody can tell.
    """
    instance = facts.instance
    latest: dict[tuple[str, str, str], dict[str, Override]] = {}
    moments: dict[tuple[str, str, str], np.datetime64] = {}
    names = ("entry_id", "session_id", "site_code", "action", "who", "reason")
    columns = [instance.column("overrides", name) for name in names]
    recorded_on = instance.column("overrides", "recorded_on")
    for row in np.argsort(recorded_on, kind="stable"):
        override = Override(*(str(column[row]) for column in columns))
        place = (override.entry_id, override.session_id, override.site_code)
        if moments.get(place) != recorded_on[row]:
            latest[place], moments[place] = {}, recorded_on[row]
        latest[place][override.action] = override
    return [
        override
        for of_place in latest.values()
        for override in of_place.values()
        if override.entry_id in instance.entry_row and not facts.standing.treated[instance.entry_row[override.entry_id]]
    ]


def meant_options(options: Options, override: Override) -> Ints:
    """The options that an override means, as rows of the options."""
    instance = options.instance
    low, high = np.searchsorted(options.entry, instance.entry_row[override.entry_id] + np.array([0, 1]))
    mine: Ints = np.arange(low, high)
    if override.session_id:
        mine = mine[options.session[mine] == instance.session_row.get(override.session_id, -1)]
    elif override.site_code:
        mine = mine[options.site[mine] == instance.site_row.get(override.site_code, -1)]
    return mine


def impossible_pin(facts: Facts, override: Override, n_options: int) -> str:
    """Why no option keeps a pin, and what to do about it."""
    entry = facts.instance.entry_row[override.entry_id]
    booked = [place.session_id for place in facts.standing.fixed if place.entry == entry]
    if n_options:
        why = "every session that it means was ruled out too. Maybe take the veto back."
    elif booked:
        why = f"the entry is already fixed in {', '.join(booked)}. Maybe cancel that first."
    elif facts.instance.column("patients", "held")[entry]:
        why = "the entry is held, because its row is damaged. Maybe correct the row."
    elif override.session_id and override.session_id not in facts.instance.session_row:
        why = "the session is not in the list of sessions. Maybe it was withdrawn."
    else:
        why = (
            "no session that it means is open to the entry under the rules. Maybe relax the rule, or withdraw the pin."
        )
    return f"{override}: {why}"
