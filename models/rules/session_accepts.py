"""session_accepts: a session takes the patient's age and procedure.

Keep (e, s) where min_age[s] <= age[e] <= max_age[s] and, where s names OPCS-4 prefixes, the procedure of
e begins with one of them (dots and blanks left out: W37.1 is W371).
Equal is allowed, and a session that states no limit refuses nobody. An age or a procedure that is not
known fits sessions at NHS sites; it fits those at independent ones only with `unknown_fits_independent`.
Source: what a list takes is agreed with its team, so it is data of the session; OPCS-4 (NHS England).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from allocator.allocation import Allocation
from allocator.change import Miss
from allocator.instance import Bools
from allocator.options import Facts, Options
from allocator.rule import Screen, Violation, parameter
from models.screening import Obstacle, codes_of, no_session, not_taken, sessions_of_entry, share_of, tags_of, within


class SessionAccepts(Screen):
    """Age and procedure are within what the session takes."""

    name: ClassVar[str] = "session_accepts"
    sentence: ClassVar[str] = "A person goes only to a session that takes their age and their procedure."
    refusal: ClassVar[str] = "no suitable session takes this age or procedure"
    ruled_out: ClassVar[str] = "not for this age or procedure"

    unknown_fits_independent: bool = parameter(
        False,
        "Does an age or a procedure that is not known fit sessions at independent sites as well.",
    )

    def keep(self, options: Options) -> Bools:
        """(n_options,) age and procedure fit the session."""
        return self._takes_age(options) & self._takes_procedure(options)

    def _takes_age(self, options: Options) -> Bools:
        """(n_options,), worked out once for every entry and every distinct pair of limits."""
        column = options.instance.column
        profiles = [
            (lowest, highest, bool(self.unknown_fits_independent or not independent))
            for lowest, highest, independent in zip(
                np.nan_to_num(column("sessions", "min_age_years"), nan=-1),
                np.nan_to_num(column("sessions", "max_age_years"), nan=-1),
                options.instance.session_independent,
                strict=True,
            )
        ]
        number = {profile: row for row, profile in enumerate(dict.fromkeys(profiles))}
        ages = column("patients", "age_years")
        takes = [
            within(ages, np.nan if lowest < 0 else lowest, np.nan if highest < 0 else highest, trusting)
            for lowest, highest, trusting in number
        ]
        profile = np.array([number[profile] for profile in profiles], dtype=np.int64)
        kept: Bools = np.array(takes, dtype=bool).reshape(len(number), len(ages))[
            profile[options.session], options.entry
        ]
        return kept

    def _takes_procedure(self, options: Options) -> Bools:
        """(n_options,), worked out once for every distinct procedure and distinct list of prefixes."""
        procedure, procedures = codes_of(options.instance.column("patients", "procedure_code"))
        accepted, cells = codes_of(options.instance.column("sessions", "accepts_procedures"))
        prefixes = [tuple(tags_of(plain(cell))) for cell in cells]
        found = np.array([[_begins(plain(code), accepts) for accepts in prefixes] for code in procedures])
        independent = options.instance.session_independent.astype(np.int64)
        # takes[is the host independent][procedure, prefixes]
        takes = np.array([found != REFUSED, (found == FITS) | (self.unknown_fits_independent & (found == UNKNOWN))])
        kept: Bools = takes[independent[options.session], procedure[options.entry], accepted[options.session]]
        return kept

    def check(self, facts: Facts, allocation: Allocation) -> list[Violation]:
        """New placements in a session that does not take the patient."""
        instance = facts.instance
        violations = []
        for placement in allocation.placements:
            if placement.is_fixed:
                continue
            patient, session = instance.patient[placement.entry_id], instance.session[placement.session_id]
            obstacles = self.obstacles(facts, patient, session)
            if obstacles:
                told = "; ".join(obstacle.words for obstacle in obstacles)
                message = f"{placement.session_id} does not take the patient: {told}"
                violations.append(Violation(self.name, message, (placement.entry_id,)))
        return violations

    def obstacles(self, facts: Facts, patient: Mapping[str, Any], session: Mapping[str, Any]) -> list[Obstacle]:
        """Everything about the patient that the session does not take."""
        provider = facts.instance.site[session["site_code"]]["provider_code"]
        trusting = facts.instance.provider_sector[provider] == "nhs" or self.unknown_fits_independent
        found = []
        name, age = session["session_id"], patient["age_years"]
        lowest, highest = session["min_age_years"], session["max_age_years"]
        if np.isnan(age) and not (np.isnan(lowest) and np.isnan(highest)) and not trusting:
            fits = {"age_years": lowest if np.isnan(highest) else highest}
            words = "age is not known and the session has a limit for it"
            found.append(Obstacle(words, "the age were known and taken there", "patients", fits))
        elif age > highest:
            wish = f"{name} took age {age:g} (its limit is {highest:g})"
            words = f"age {age:g} is above its limit of {highest:g}"
            found.append(Obstacle(words, wish, "sessions", {"max_age_years": age}))
        elif age < lowest:
            wish = f"{name} took age {age:g} (its limit is {lowest:g})"
            words = f"age {age:g} is below its limit of {lowest:g}"
            found.append(Obstacle(words, wish, "sessions", {"min_age_years": age}))
        prefixes = [part for part in plain(session["accepts_procedures"]).split(";") if part]
        code = patient["procedure_code"]
        if prefixes and not plain(code) and not trusting:
            words = "the procedure is not known and the session takes only some"
            wish = "the procedure were known and taken there"
            found.append(Obstacle(words, wish, "patients", {"procedure_code": prefixes[0]}))
        elif prefixes and plain(code) and not any(plain(code)[: len(prefix)] == prefix for prefix in prefixes):
            words = f"procedure {code} is not among those it takes ({', '.join(prefixes)})"
            longer = {"accepts_procedures": f"{session['accepts_procedures']};{code}"}
            found.append(Obstacle(words, f"{name} took procedure {code}", "sessions", longer))
        return found

    def miss(self, facts: Facts, entry_id: str, session_id: str) -> Miss:
        """What the session does not take, and the one cell that would mend it where one thing alone is in the way."""
        session = facts.instance.session[session_id]
        obstacles = self.obstacles(facts, facts.instance.patient[entry_id], session)
        keys = {"sessions": {"session_id": session_id}, "patients": {"entry_id": entry_id}}
        return not_taken("not for this patient", obstacles, keys)

    def reason(self, facts: Facts, entry_id: str) -> str:
        """The session with the fewest obstacles, and what they are."""
        instance = facts.instance
        session_ids = sessions_of_entry(facts, entry_id)
        patient = instance.patient[entry_id]
        obstacles = {code: self.obstacles(facts, patient, instance.session[code]) for code in session_ids}
        refusing = sorted((len(found), code) for code, found in obstacles.items() if found)
        if not refusing:
            return no_session(len(session_ids), "refuses this age or procedure")
        nearest = refusing[0][1]
        subject = share_of(len(refusing), len(session_ids), "does not take", "do not take")
        return f"{subject} this patient. {nearest}: {'; '.join(obstacle.words for obstacle in obstacles[nearest])}."


REFUSED, FITS, UNKNOWN = 0, 1, 2


def plain(codes: str) -> str:
    """Procedure codes as they are compared: no dots, no blanks, upper case."""
    return codes.replace(".", "").replace(" ", "").upper()


def _begins(procedure: str, prefixes: tuple[str, ...]) -> int:
    """Does a procedure begin with one of the prefixes: REFUSED, FITS or UNKNOWN."""
    if not prefixes:
        return FITS
    if not procedure:
        return UNKNOWN
    return FITS if procedure.startswith(prefixes) else REFUSED
