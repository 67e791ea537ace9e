"""site_accepts: a site takes the patient's ASA grade, BMI, age, need of high dependency care and stay.

Keep (e, s) where at the site h of s
    asa[e] <= max_asa[h], bmi[e] <= max_bmi[h], min_age[h] <= age[e] <= max_age[h],
    has_hdu[h] or not needs_hdu[e],  has_overnight[h] or overnight_stays[e] = 0.
Equal is allowed, and a limit that the site does not state refuses nobody. A value of the patient that is
not known fits NHS sites; it fits independent ones only with `unknown_fits_independent`.
Source: independent hospitals commonly exclude BMI over 40, people under 18, ASA above 2 or unstable 3,
and anyone who may need intensive care. It varies by hospital, so the limits are data of the site.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from allocator.allocation import Allocation
from allocator.change import Miss
from allocator.instance import Bools, Floats, Instance
from allocator.options import Facts, Options
from allocator.rule import Screen, Violation, parameter
from models.numbering import numbered
from models.screening import Obstacle, flag_numbers, no_session, not_taken, sessions_of_entry, share_of, within

TAKEN = ("asa_grade", "bmi", "age_years", "overnight_stays")
"""Columns of patients that sites have limits for."""


class SiteAccepts(Screen):
    """ASA, BMI, age, high dependency and overnight stay are within what the site takes."""

    name: ClassVar[str] = "site_accepts"
    sentence: ClassVar[str] = (
        "A person goes only to a site that takes their ASA grade, BMI and age, "
        "and has the high dependency care and overnight stay that they need."
    )
    refusal: ClassVar[str] = "no site with a suitable session takes a patient like this one"
    ruled_out: ClassVar[str] = "at sites that do not take a patient like this one"
    by_site: ClassVar[bool] = True

    unknown_fits_independent: bool = parameter(
        False,
        "Does a value that is not known (ASA, BMI, age, high dependency, stay) fit an independent site as well.",
    )

    def keep(self, options: Options) -> Bools:
        """(n_options,) every limit of the site holds; worked out once for every site and every entry there is."""
        entries, place = numbered(options.entry)
        patients = {name: options.instance.column("patients", name)[entries] for name in TAKEN}
        hdu = flag_numbers(options.instance.column("patients", "needs_hdu")[entries])
        accepts = [
            self._accepts(options.instance, code, patients, hdu)
            for code in options.instance.column("sites", "site_code")
        ]
        kept: Bools = np.array(accepts, dtype=bool).reshape(len(accepts), len(entries))[options.site, place]
        return kept

    def _accepts(self, instance: Instance, site_code: str, patients: Mapping[str, Floats], hdu: Floats) -> Bools:
        """(n_entries,) does a site take entries with these columns; `hdu` says who needs high dependency care."""
        site = instance.site[site_code]
        trusting = self.unknown_fits_independent or instance.provider_sector[site["provider_code"]] == "nhs"
        fits = within(patients["asa_grade"], np.nan, site["max_asa"], trusting)
        fits &= within(patients["bmi"], np.nan, site["max_bmi"], trusting)
        fits &= within(patients["age_years"], site["min_age_years"], site["max_age_years"], trusting)
        fits &= within(hdu, np.nan, np.nan if site["has_hdu"] else 0, trusting)
        fits &= within(patients["overnight_stays"], np.nan, np.nan if site["has_overnight"] else 0, trusting)
        return fits

    def check(self, facts: Facts, allocation: Allocation) -> list[Violation]:
        """New placements at a site that does not take the patient."""
        violations = []
        for placement in allocation.placements:
            if placement.is_fixed:
                continue
            site = facts.instance.site[facts.instance.session[placement.session_id]["site_code"]]
            obstacles = self.obstacles(facts, facts.instance.patient[placement.entry_id], site)
            if obstacles:
                told = "; ".join(obstacle.words for obstacle in obstacles)
                message = f"{site['name']} does not take the patient: {told}"
                violations.append(Violation(self.name, message, (placement.entry_id,)))
        return violations

    def obstacles(self, facts: Facts, patient: Mapping[str, Any], site: Mapping[str, Any]) -> list[Obstacle]:
        """Everything about the patient that the site does not take."""
        sector = facts.instance.provider_sector[site["provider_code"]]
        trusting = sector == "nhs" or self.unknown_fits_independent
        found = []
        for what, column, least, most in (
            ("ASA grade", "asa_grade", "", "max_asa"),
            ("BMI", "bmi", "", "max_bmi"),
            ("age", "age_years", "min_age_years", "max_age_years"),
        ):
            value, lowest, highest = patient[column], site[least] if least else np.nan, site[most]
            if np.isnan(lowest) and np.isnan(highest):
                continue
            if np.isnan(value) and not trusting:
                words = f"{what} is not known and the site has a limit for it"
                fits = lowest if np.isnan(highest) else highest
                found.append(Obstacle(words, f"the {what} were known and taken there", "patients", {column: fits}))
            elif value > highest:
                wish = f"{site['name']} took {what} {value:g} (its limit is {highest:g})"
                found.append(
                    Obstacle(f"{what} {value:g} is above its limit of {highest:g}", wish, "sites", {most: value})
                )
            elif value < lowest:
                wish = f"{site['name']} took {what} {value:g} (its limit is {lowest:g})"
                found.append(
                    Obstacle(f"{what} {value:g} is below its limit of {lowest:g}", wish, "sites", {least: value})
                )
        return [*found, *_missing_at(site, patient, trusting)]

    def miss(self, facts: Facts, entry_id: str, session_id: str) -> Miss:
        """What the site does not take, and the one cell that would mend it where one thing alone is in the way."""
        site = facts.instance.site[facts.instance.session[session_id]["site_code"]]
        obstacles = self.obstacles(facts, facts.instance.patient[entry_id], site)
        keys = {"sites": {"site_code": site["site_code"]}, "patients": {"entry_id": entry_id}}
        return not_taken("at a site that does not take this patient", obstacles, keys)

    def reason(self, facts: Facts, entry_id: str) -> str:
        """The site with the fewest obstacles, and what they are."""
        instance = facts.instance
        session_ids = sessions_of_entry(facts, entry_id)
        sites = Counter(instance.session[session_id]["site_code"] for session_id in session_ids)
        obstacles = {code: self.obstacles(facts, instance.patient[entry_id], instance.site[code]) for code in sites}
        refusing = sorted((len(found), code) for code, found in obstacles.items() if found)
        if not refusing:
            return no_session(len(session_ids), "is at a site that does not take this patient")
        nearest = refusing[0][1]
        subject = share_of(sum(sites[code] for _, code in refusing), len(session_ids))
        problems = "; ".join(obstacle.words for obstacle in obstacles[nearest])
        return f"{subject} at a site that does not take this patient. {instance.site[nearest]['name']}: {problems}."


def _missing_at(site: Mapping[str, Any], patient: Mapping[str, Any], trusting: bool) -> list[Obstacle]:
    """High dependency care and overnight stay that the patient needs, or may need, and the site has not."""
    found = []
    if not site["has_hdu"]:
        if not pd.isna(patient["needs_hdu"]) and patient["needs_hdu"]:
            wish = f"{site['name']} had a high dependency unit"
            found.append(Obstacle("it has no high dependency unit", wish, "sites", {"has_hdu": True}))
        elif pd.isna(patient["needs_hdu"]) and not trusting:
            words = "it has no high dependency unit, and whether one is needed is not known"
            wish = "it were known that no high dependency care is needed"
            found.append(Obstacle(words, wish, "patients", {"needs_hdu": False}))
    if not site["has_overnight"]:
        nights = patient["overnight_stays"]
        if nights > 0:
            wish = f"patients could stay overnight at {site['name']}"
            words = f"nobody can stay overnight; nights needed: {nights:g}"
            found.append(Obstacle(words, wish, "sites", {"has_overnight": True}))
        elif np.isnan(nights) and not trusting:
            words = "nobody can stay overnight, and the length of stay is not known"
            wish = "it were known that this is a day case"
            found.append(Obstacle(words, wish, "patients", {"overnight_stays": 0.0}))
    return found
