"""needs_met: everything the patient needs is there.

Keep (e, s) where needs[e] is a subset of provides[site of s] together with provides[s].
Tags are compared letter by letter, blanks around them dropped; no needs fit everywhere.
Source: tags are words that the hub agrees with its trusts (`ga`, `paediatric`, `interpreter:bsl` ...).
"""

from __future__ import annotations

from collections import Counter
from typing import ClassVar

import numpy as np
from scipy import sparse

from allocator.allocation import Allocation
from allocator.change import Change, Edit, Miss
from allocator.instance import Bools, Ints
from allocator.options import Facts, Options
from allocator.rule import Screen, Violation
from models.screening import codes_of, no_session, sessions_of_entry, share_of, tags_of


class NeedsMet(Screen):
    """Every tag that the patient needs is provided by the site or the session."""

    name: ClassVar[str] = "needs_met"
    sentence: ClassVar[str] = "A person goes only where the site or the session provides everything they need."
    refusal: ClassVar[str] = "no suitable session provides what the patient needs"
    ruled_out: ClassVar[str] = "without something that the patient needs"

    def keep(self, options: Options) -> Bools:
        """(n_options,) no tag is missing; counted once for each pair of distinct needs and provisions."""
        instance = options.instance
        needed, needs = codes_of(instance.column("patients", "needs"))
        sites = instance.column("sites", "provides")[instance.session_site]
        provided, provisions = codes_of(sites + ";" + instance.column("sessions", "provides"))
        needed_tags = [tags_of(cell) for cell in needs]
        provided_tags = [tags_of(cell) for cell in provisions]
        number = {tag: row for row, tag in enumerate(sorted(frozenset().union(*needed_tags)))}
        row = [code for code, tags in enumerate(needed_tags) for _ in tags]
        column = [number[tag] for tags in needed_tags for tag in tags]
        wants = sparse.csr_array((np.ones(len(row), np.int32), (row, column)), shape=(len(needs), len(number)))
        absent = np.array([[tag not in tags for tags in provided_tags] for tag in number], dtype=np.int32)
        missing: Ints = np.asarray(wants @ absent.reshape(len(number), len(provisions)))
        met: Bools = missing[needed[options.entry], provided[options.session]] == 0
        return met

    def check(self, facts: Facts, allocation: Allocation) -> list[Violation]:
        """New placements where a needed tag is missing."""
        violations = []
        for placement in allocation.placements:
            if placement.is_fixed:
                continue
            missing = missing_tags(facts, placement.entry_id, placement.session_id)
            if missing:
                message = f"needs {', '.join(missing)}, which neither the site nor {placement.session_id} provides"
                violations.append(Violation(self.name, message, (placement.entry_id,)))
        return violations

    def miss(self, facts: Facts, entry_id: str, session_id: str) -> Miss:
        """What is missing, and that the session provides it."""
        missing = missing_tags(facts, entry_id, session_id)
        provided = facts.instance.session[session_id]["provides"]
        edit = Edit("sessions", {"session_id": session_id}, {"provides": ";".join(filter(None, [provided, *missing]))})
        change = Change("acceptance", len(missing), f"{session_id} provided {', '.join(missing)}", (edit,))
        return Miss(f"without {', '.join(missing)}", change=change)

    def reason(self, facts: Facts, entry_id: str) -> str:
        """Which needs are missing at the session that comes nearest, and at how many sessions."""
        session_ids = sessions_of_entry(facts, entry_id)
        missing = {session_id: missing_tags(facts, entry_id, session_id) for session_id in session_ids}
        lacking = sorted((len(tags), session_id) for session_id, tags in missing.items() if tags)
        if not lacking:
            return no_session(len(session_ids), "lacks what this patient needs")
        subject = share_of(len(lacking), len(session_ids), "lacks", "lack")
        often = Counter(tag for tags in missing.values() for tag in tags)
        words = [f"{tag} (missing at {often[tag]})" for tag in missing[lacking[0][1]]]
        return f"{subject} something this patient needs: the nearest match, {lacking[0][1]}, lacks {', '.join(words)}."


def missing_tags(facts: Facts, entry_id: str, session_id: str) -> list[str]:
    """The tags that an entry needs and a session and its site do not provide, in order."""
    instance = facts.instance
    session = instance.session[session_id]
    there = f"{instance.site[session['site_code']]['provides']};{session['provides']}".split(";")
    provided = {tag.strip() for tag in there}
    return sorted({tag.strip() for tag in instance.patient[entry_id]["needs"].split(";")} - provided - {""})
