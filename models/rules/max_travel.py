"""max_travel: nobody is sent further than they can or want to go.

Keep (e, s) where travel[e, s] <= limit[e]; limit[e] = the patient's own, else the policy's for the mode
of travel; never above `hard_cap_minutes`. Equal is allowed, unknown travel does not fit.
At the patient's home provider the rule holds as well: it is about the journey, not about the transfer.
Source: the limits are defaults that a hub sets for itself; 71% of people say that they would travel more
than 30 minutes for quicker care (see the README of the data sources).
"""

from __future__ import annotations

from collections import Counter
from typing import ClassVar

import numpy as np

from allocator.allocation import Allocation
from allocator.change import Change, Edit, Miss
from allocator.instance import Bools
from allocator.options import Facts, Options
from allocator.rule import Screen, Violation, parameter
from models.screening import no_session, sessions_of_entry, share_of


class MaxTravel(Screen):
    """The journey is not longer than the patient's own limit, else the policy's."""

    name: ClassVar[str] = "max_travel"
    sentence: ClassVar[str] = "Nobody travels longer than their own limit or, where they gave none, the policy's."
    refusal: ClassVar[str] = "every suitable session is too far away, or the journey to it is not known"
    ruled_out: ClassVar[str] = "too far away"
    by_site: ClassVar[bool] = True

    car_minutes: int = parameter(60, "Longest journey by car.", "minutes", ge=0, le=1440)
    public_transport_minutes: int = parameter(75, "Longest journey by public transport.", "minutes", ge=0, le=1440)
    hard_cap_minutes: int | None = parameter(
        None,
        "Longest journey of all, even where a patient accepts more; empty = none.",
        "minutes",
        ge=0,
        le=1440,
    )

    def keep(self, options: Options) -> Bools:
        """(n_options,) known and not above the limit."""
        column = options.instance.column
        public = column("patients", "travel_mode") == "public_transport"
        by_mode = np.where(public, self.public_transport_minutes, self.car_minutes)
        own = column("patients", "max_travel_minutes")
        limit = np.where(np.isnan(own), by_mode, own)
        if self.hard_cap_minutes is not None:
            limit = np.minimum(limit, self.hard_cap_minutes)
        near: Bools = options.travel_minutes <= limit[options.entry]  # NaN compares as False: unknown does not fit
        return near

    def limit_of(self, facts: Facts, entry_id: str) -> int:
        """The limit of one entry in minutes, read from its row."""
        patient = facts.instance.patient[entry_id]
        limit = patient["max_travel_minutes"]
        if np.isnan(limit):
            by_public_transport = patient["travel_mode"] == "public_transport"
            limit = self.public_transport_minutes if by_public_transport else self.car_minutes
        return int(limit if self.hard_cap_minutes is None else min(limit, self.hard_cap_minutes))

    def check(self, facts: Facts, allocation: Allocation) -> list[Violation]:
        """New placements whose journey is unknown or above the limit."""
        violations = []
        for placement in allocation.placements:
            if placement.is_fixed:
                continue
            site_code = facts.instance.session[placement.session_id]["site_code"]
            minutes = facts.travel_minutes(placement.entry_id, site_code)
            limit = self.limit_of(facts, placement.entry_id)
            if minutes is None or minutes > limit:
                journey = "unknown" if minutes is None else f"{minutes} minutes"
                message = f"the journey to {placement.session_id} is {journey}; the limit is {limit} minutes"
                violations.append(Violation(self.name, message, (placement.entry_id,)))
        return violations

    def miss(self, facts: Facts, entry_id: str, session_id: str) -> Miss:
        """Minutes of the journey, and that the patient accepts them; nobody accepts more than the hard cap."""
        minutes = facts.travel_minutes(entry_id, facts.instance.session[session_id]["site_code"])
        limit = self.limit_of(facts, entry_id)
        if minutes is None:
            return Miss(f"at a distance that is not known; the limit is {limit} minutes")
        words = f"{{}} minutes away; the limit is {limit}"
        if self.hard_cap_minutes is not None and minutes > self.hard_cap_minutes:
            return Miss(words, minutes)
        wish = f"the patient accepted a journey of {minutes} minutes (the limit is {limit})"
        edit = Edit("patients", {"entry_id": entry_id}, {"max_travel_minutes": float(minutes)})
        return Miss(words, minutes, Change("travel", minutes - limit, wish, (edit,)))

    def reason(self, facts: Facts, entry_id: str) -> str:
        """The nearest session that is too far away, and the limit."""
        instance = facts.instance
        limit = self.limit_of(facts, entry_id)
        session_ids = sessions_of_entry(facts, entry_id)
        sites = Counter(instance.session[session_id]["site_code"] for session_id in session_ids)
        journeys = {code: facts.travel_minutes(entry_id, code) for code in sites}
        refused = {code: minutes for code, minutes in journeys.items() if minutes is None or minutes > limit}
        if not refused:
            return no_session(len(session_ids), f"is further than the limit of {limit} minutes")
        subject = share_of(sum(sites[code] for code in refused), len(session_ids))
        too_far = [(minutes, instance.site[code]["name"]) for code, minutes in refused.items() if minutes is not None]
        if not too_far:
            return f"{subject} at a site to which the journey is not known; the limit is {limit} minutes."
        minutes, name = min(too_far)
        unknown = " or the journey is not known" if len(too_far) < len(refused) else ""
        return f"{subject} too far away{unknown}: the limit is {limit} minutes, the nearest is {minutes} ({name})."
