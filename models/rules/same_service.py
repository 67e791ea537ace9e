"""same_service: an entry goes to a session of its own kind and service.

Keep (e, s) where care_kind and service_code of e and s are equal; for pooled codes also home(e) = host(s).
Pooled codes (X02 to X06 and "other") gather many services under one name, so only the home provider
knows what such a session can do. Source: NHS England RTT recording and reporting guidance (2024).
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pandas as pd

from allocator.allocation import Allocation
from allocator.change import Miss
from allocator.instance import Array, Bools, Ints
from allocator.options import Facts, Options
from allocator.rule import Join, Screen, Violation, parameter
from models.screening import codes_of, sessions_of_entry


class SameService(Screen):
    """Kind and service must be equal; pooled codes match only at home."""

    name: ClassVar[str] = "same_service"
    sentence: ClassVar[str] = "A person goes to a session for the same kind of care and the same service."
    refusal: ClassVar[str] = "no spare session offers this service"
    ruled_out: ClassVar[str] = "not for this service"

    pooled_codes: tuple[str, ...] = parameter(
        ("X02", "X03", "X04", "X05", "X06", "other"),
        "Codes that pool several services: they match only at the home provider.",
    )

    def join(self, facts: Facts) -> Join:
        """(kind, service, "" or the provider where the code is pooled)."""
        column = facts.instance.column
        return Join(
            self._keys(
                column("patients", "care_kind"),
                column("patients", "service_code"),
                column("patients", "home_provider"),
            ),
            self._keys(
                column("sessions", "care_kind"),
                column("sessions", "service_code"),
                facts.instance.session_provider,
            ),
        )

    def _keys(self, care_kinds: Array, service_codes: Array, providers: Array) -> list[tuple[str, str, str]]:
        return [
            (kind, service, provider if service in self.pooled_codes else "")
            for kind, service, provider in zip(care_kinds, service_codes, providers, strict=True)
        ]

    def keep(self, options: Options) -> Bools:
        """(n_options,) same kind, same service, and at home where the code is pooled."""
        column = options.instance.column
        wanted, offered = _same_codes(column("patients", "care_kind"), column("sessions", "care_kind"))
        same: Bools = wanted[options.entry] == offered[options.session]
        services = column("patients", "service_code")
        wanted, offered = _same_codes(services, column("sessions", "service_code"))
        same &= wanted[options.entry] == offered[options.session]
        pooled = pd.Series(services, dtype=object).isin(self.pooled_codes).to_numpy()
        same &= ~pooled[options.entry] | options.at_home
        return same

    def check(self, facts: Facts, allocation: Allocation) -> list[Violation]:
        """New placements in a session of another kind or service, or pooled and away from home."""
        instance = facts.instance
        violations = []
        for placement in allocation.placements:
            if placement.is_fixed:
                continue
            patient, session = instance.patient[placement.entry_id], instance.session[placement.session_id]
            wanted = (patient["care_kind"], patient["service_code"])
            offered = (session["care_kind"], session["service_code"])
            host = instance.site[session["site_code"]]["provider_code"]
            if wanted != offered:
                message = f"needs {' '.join(wanted)}; {placement.session_id} is for {' '.join(offered)}"
            elif patient["service_code"] in self.pooled_codes and host != patient["home_provider"]:
                message = f"{patient['service_code']} is a pooled code and the session is not at home"
            else:
                continue
            violations.append(Violation(self.name, message, (placement.entry_id,)))
        return violations

    def miss(self, facts: Facts, entry_id: str, session_id: str) -> Miss:
        """For another service, or a pooled code away from home: no small change makes it another."""
        service = facts.instance.patient[entry_id]["service_code"]
        pooled = service in self.pooled_codes
        return Miss(f"away from home, where {service} is not treated" if pooled else "for another service")

    def reason(self, facts: Facts, entry_id: str) -> str:
        """Which sessions there are for the service, and for a pooled code where."""
        patient = facts.instance.patient[entry_id]
        service = f"{patient['care_kind']} service {patient['service_code']}"
        session_ids = sessions_of_entry(facts, entry_id)
        if not session_ids:
            return f"No spare session is for {service}."
        if patient["service_code"] not in self.pooled_codes:
            return f"{len(session_ids)} spare sessions are for {service}."
        home = patient["home_provider"]
        rows = [facts.instance.session_row[session_id] for session_id in session_ids]
        at_home = int(np.sum(facts.instance.session_provider[rows] == home))
        return (
            f"{patient['service_code']} pools several services and is treated only at the home provider {home}, "
            f"which has {at_home} of the {len(session_ids)} spare sessions for it."
        )


def _same_codes(wanted: Array, offered: Array) -> tuple[Ints, Ints]:
    """Two text columns as numbers that are equal where the texts are."""
    codes, _ = codes_of(np.concatenate([wanted, offered]))
    return codes[: len(wanted)], codes[len(wanted) :]
