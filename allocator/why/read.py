"""Reading a run folder back as a case."""

from __future__ import annotations

from pathlib import Path

from allocator.allocation import Allocation
from allocator.options import Facts
from allocator.policy import Catalogue
from allocator.run_folder import stored_instance, stored_policy, stored_table
from allocator.verify import placements
from allocator.verify_goals import read_certificate
from allocator.why.case import Case, case_of


def read_case(run_folder: Path, catalogue: Catalogue) -> Case:
    """The case of a run folder. Raises InputError where it is none, or damaged."""
    instance = stored_instance(run_folder)
    policy = stored_policy(run_folder, catalogue)
    plan = stored_table(run_folder, "allocation.csv", ("entry_id", "session_id", "site_code", "date", "state"))
    facts = Facts(instance)
    certificate = read_certificate(run_folder)
    return case_of(facts, policy, Allocation.of(placements(facts, plan)), certificate)
