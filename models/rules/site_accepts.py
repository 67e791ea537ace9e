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
from functools import partial
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from allocator.allocation import Allocation
from allocator.instance import Bools, Floats, Instance
from allocator.options import Facts, Options
from allocator.rule import Screen, Violation, parameter
from models.screening import flag_numbers, no_session, sessions_of_entry, share_of, within


class SiteAccepts(Screen):
    """ASA, BMI, age, high dependency and overnight stay are within what the site takes."""

    name: ClassVar[str] = "site_accepts"
    sentence: ClassVar[str] = (
        "A person goes only to a site that takes their ASA grade, BMI and age, "
        "and has the high dependency care and overnight stay that they need."
    )
    refusal: ClassVar[str] = "no site with a suitable session takes a patient like this one"
    ruled_out: ClassVar[str] = "at sites that do not take a patient like this one"

    unknown_fits_independent: bool = parameter(
        False,
        "Does a value that is not known (ASA, BMI, age, high dependency, stay) fit an independent site as well.",
    )

    def keep(self, options: Options) -> Bools:
        """(n_options,) every limit of the site holds; worked out once for every site and every entry."""
        instance = options.instance
        hdu = flag_numbers(instance.column("patients", "needs_hdu"))
        accepts = [self._accepts(instance, code, hdu) for code in instance.column("sites", "site_code")]
        n_entries = len(instance.column("patients", "entry_id"))
        kept: Bools = np.array(accepts, dtype=bool).reshape(len(accepts), n_entries)[options.site, options.entry]
        return kept

    def _accepts(self, instance: Instance, site_code: str, hdu: Floats) -> Bools:
        """(n_entries,) does a site take each entry; `hdu` says who needs high dependency care."""
        site = instance.site[site_code]
        trusting = self.unknown_fits_independent or instance.provider_sector[site["provider_code"]] == "nhs"
        column = partial(instance.column, "patients")
        fits = within(column("asa_grade"), np.nan, site["max_asa"], trusting)
        fits &= within(column("bmi"), np.nan, site["max_bmi"], trusting)
        fits &= within(column("age_years"), site["min_age_years"], site["max_age_years"], trusting)
        fits &= within(hdu, np.nan, np.nan if site["has_hdu"] else 0, trusting)
        fits &= within(column("overnight_stays"), np.nan, np.nan if site["has_overnight"] else 0, trusting)
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
                message = f"{site['name']} does not take the patient: {'; '.join(obstacles)}"
                violations.append(Violation(self.name, message, (placement.entry_id,)))
        return violations

    def obstacles(self, facts: Facts, patient: Mapping[str, Any], site: Mapping[str, Any]) -> list[str]:
        """Everything about the patient that the site does not take, in words."""
        sector = facts.instance.provider_sector[site["provider_code"]]
        trusting = sector == "nhs" or self.unknown_fits_independent
        found = []
        for what, value, lowest, highest in (
            ("ASA grade", patient["asa_grade"], np.nan, site["max_asa"]),
            ("BMI", patient["bmi"], np.nan, site["max_bmi"]),
            ("age", patient["age_years"], site["min_age_years"], site["max_age_years"]),
        ):
            if np.isnan(lowest) and np.isnan(highest):
                continue
            if np.isnan(value) and not trusting:
                found.append(f"{what} is not known and the site has a limit for it")
            elif value > highest:
                found.append(f"{what} {value:g} is above its limit of {highest:g}")
            elif value < lowest:
                found.append(f"{what} {value:g} is below its limit of {lowest:g}")
        if not site["has_hdu"]:
            if pd.isna(patient["needs_hdu"]):
                found += [] if trusting else ["it has no high dependency unit, and whether one is needed is not known"]
            elif patient["needs_hdu"]:
                found.append("it has no high dependency unit")
        if not site["has_overnight"]:
            if np.isnan(patient["overnight_stays"]):
                found += [] if trusting else ["nobody can stay overnight, and the length of stay is not known"]
            elif patient["overnight_stays"] > 0:
                found.append(f"nobody can stay overnight; nights needed: {patient['overnight_stays']:g}")
        return found

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
        problems = "; ".join(obstacles[nearest])
        return f"{subject} at a site that does not take this patient. {instance.site[nearest]['name']}: {problems}."
