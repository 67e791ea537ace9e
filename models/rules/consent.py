"""consent: nobody is sent away from home who said no.

Keep (e, s) where host(s) = home(e), or transfer_consent[e] = yes, or it is `not_asked` or unknown and
`offer_to_not_asked` is on: then a place may be planned, and the patient is asked before it is booked.
Source: NHS Choice Framework (moving to another provider is the patient's decision); 67% of London
patients who were offered another provider accepted it (see the README of the data sources).
"""

from __future__ import annotations

from typing import ClassVar

from allocator.allocation import Allocation
from allocator.change import Change, Edit, Miss
from allocator.instance import Bools
from allocator.options import Facts, Options
from allocator.rule import Screen, Violation, parameter
from models.screening import no_session, sessions_of_entry, share_of


class Consent(Screen):
    """Away from home only with consent, or where the policy lets plans be offered."""

    name: ClassVar[str] = "consent"
    sentence: ClassVar[str] = "Nobody is placed away from their home provider who said no to a transfer."
    refusal: ClassVar[str] = "the patient has not agreed to be treated away from home"
    ruled_out: ClassVar[str] = "away from home, to which the patient has not agreed"
    by_site: ClassVar[bool] = True

    offer_to_not_asked: bool = parameter(
        True, "May a place away from home be planned for a patient who was not asked yet, to be offered."
    )

    def keep(self, options: Options) -> Bools:
        """(n_options,) at home, or the answer allows a transfer."""
        answer = options.instance.column("patients", "transfer_consent")
        allowed = (answer != "no") if self.offer_to_not_asked else (answer == "yes")
        kept: Bools = options.at_home | allowed.astype(bool)[options.entry]
        return kept

    def check(self, facts: Facts, allocation: Allocation) -> list[Violation]:
        """New placements away from home without the consent that the policy asks for."""
        instance = facts.instance
        willing = ("yes", "not_asked", "") if self.offer_to_not_asked else ("yes",)
        violations = []
        for placement in allocation.placements:
            if placement.is_fixed:
                continue
            patient = instance.patient[placement.entry_id]
            host = instance.site[instance.session[placement.session_id]["site_code"]]["provider_code"]
            answer = patient["transfer_consent"]
            if host != patient["home_provider"] and answer not in willing:
                message = f"placed away from home at {host}; consent to a transfer: {answer or 'not known'}"
                violations.append(Violation(self.name, message, (placement.entry_id,)))
        return violations

    def miss(self, facts: Facts, entry_id: str, session_id: str) -> Miss:
        """What the patient said, and that they agree."""
        said = {
            "no": "the patient said no to a transfer",
            "not_asked": "the patient was not asked about a transfer",
            "": "it is not known whether the patient agrees to a transfer",
        }[facts.instance.patient[entry_id]["transfer_consent"]]
        edit = Edit("patients", {"entry_id": entry_id}, {"transfer_consent": "yes"})
        wish = Change("agreement", 1, "the patient agreed to be treated away from home", (edit,))
        return Miss(f"away from home, and {said}", change=wish)

    def reason(self, facts: Facts, entry_id: str) -> str:
        """What the patient said, and how many sessions are away from home."""
        instance = facts.instance
        patient = instance.patient[entry_id]
        session_ids = sessions_of_entry(facts, entry_id)
        hosts = [instance.session_provider[instance.session_row[session_id]] for session_id in session_ids]
        away = sum(host != patient["home_provider"] for host in hosts)
        if not away:
            return no_session(len(session_ids), "is away from home")
        answer = {
            "yes": "the patient agrees to a transfer",
            "no": "the patient said no to a transfer",
            "not_asked": "the patient was not asked about a transfer",
            "": "it is not known whether the patient agrees to a transfer",
        }[patient["transfer_consent"]]
        return f"{share_of(away, len(hosts))} away from the home provider {patient['home_provider']}; {answer}."
