"""Verify: re-check a run folder later, on another machine, without any solver.

What a run says is worked out again from its own accepted tables and policy: fingerprints, rules, goal
values, certified bounds from the prices, the baseline, that every entry is accounted for once, and the tables and
figures that people read.
`solver_bound` is what a backend claimed; it cannot be worked out again, and is not.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from allocator.allocation import Allocation, Placement, fixed_placements
from allocator.answer import Audit, Limits, Memory, Run, Unplaced
from allocator.audit import audit, wrong_fates
from allocator.baseline import baseline
from allocator.ending import Ending
from allocator.errors import AllocatorError
from allocator.explain import chosen_by, explain_sessions, explain_unplaced, obstacles_to
from allocator.formulation import formulate
from allocator.instance import Instance
from allocator.intake import read_instance
from allocator.options import Facts, build_options
from allocator.policy import Catalogue, Policy, read_policy
from allocator.rule import Conflict, closed_sessions, find_conflicts
from allocator.run_folder import CONTENTS, stored_instance, stored_json, stored_table
from allocator.solve.loader import complete
from allocator.verify_files import wrong_tables
from allocator.verify_goals import (
    goal_result,
    read_certificate,
    wrong_baseline,
    wrong_bounds,
    wrong_endings,
    wrong_figures,
)

CHECKED = (
    "every file is there and as it was written",
    "fingerprints of instance and policy",
    "every rule, invariant and goal value, from the tables",
    "certified bounds, and where each gap is, from the prices",
    "what is called optimal, from the bounds",
    "baseline values",
    "every entry accounted for once, with a true reason where it has no place",
    "tables and figures, but for how the input was read, nearest changes, prices of pins, seconds",
)


@dataclass(frozen=True)
class Verification:
    """What was found wrong, as plain sentences, and what was checked. Nothing wrong: `ok`."""

    ok: bool
    findings: tuple[str, ...]
    checked: tuple[str, ...]


def verify(run_folder: Path, instance_folder: Path | None, catalogue: Catalogue) -> Verification:
    """Re-check a run folder; with `instance_folder`, that it was made from that instance too.

    Never raises for what it finds in the folder: damage is a finding.
    """
    findings = []
    try:
        record = stored_json(run_folder, "run.json")
        findings += wrong_files(run_folder, record)
        instance, policy, wrong = inputs(run_folder, record, catalogue)
        findings += wrong
        if instance_folder is not None:
            findings += other_instance(instance_folder, instance)
        findings += wrong_outputs(run_folder, record, instance, policy)
    except AllocatorError as error:
        findings += str(error).splitlines()
    except (AttributeError, LookupError, OSError, TypeError, ValueError) as error:
        # Only a folder that was tampered with gets here: a value of another type, a column that is gone.
        findings.append(f"The run cannot be read as it was written: {type(error).__name__} {error}.")
    checked = (*CHECKED, "the instance it was made from") if instance_folder is not None else CHECKED
    return Verification(not findings, tuple(dict.fromkeys(findings)), checked)


def wrong_files(run_folder: Path, record: Mapping[str, Any]) -> list[str]:
    """Files of a run that are missing or not as they were written."""
    findings = [f"{name} is missing." for name in CONTENTS if not (run_folder / name).exists()]
    for name, wanted in record["files"].items():
        path = run_folder / name
        if not path.is_file():
            findings.append(f"{name} is missing.")
        elif hashlib.sha256(path.read_bytes()).hexdigest() != wanted:
            findings.append(f"{name} was changed after the run.")
    here = {path.relative_to(run_folder).as_posix() for path in run_folder.rglob("*") if path.is_file()}
    unsigned = here - set(record["files"]) - {"run.json"}
    findings += [f"{name} is in the folder and not in the list of its files." for name in sorted(unsigned)]
    if record["status"] != "done":
        findings.append(f"The run is marked {record['status']}: nothing of it may be used.")
    return findings


def inputs(run_folder: Path, record: Mapping[str, Any], catalogue: Catalogue) -> tuple[Instance, Policy, list[str]]:
    """The accepted tables, the policy, and what is wrong with their fingerprints."""
    instance = stored_instance(run_folder)
    toml = (run_folder / "policy.toml").read_bytes()
    policy = read_policy(catalogue, toml.decode("utf-8"))
    stored = record["fingerprints"]
    findings = []
    for what, now in (("instance", instance.fingerprint), ("policy", hashlib.sha256(toml).hexdigest())):
        if stored[what] != now:
            findings.append(
                f"The {what} is not the one of the run: fingerprint {now[:12]}, wanted {stored[what][:12]}."
            )
    return instance, policy, findings


def other_instance(instance_folder: Path, instance: Instance) -> list[str]:
    """Is the given instance another than the one of the run."""
    given = read_instance(instance_folder).instance.fingerprint
    if given == instance.fingerprint:
        return []
    wanted = instance.fingerprint
    return [f"{instance_folder} is not the instance of this run: fingerprint {given[:12]}, wanted {wanted[:12]}."]


def wrong_outputs(run_folder: Path, record: Mapping[str, Any], instance: Instance, policy: Policy) -> list[str]:
    """What the run says of its plan, against the same worked out again."""
    facts = Facts(instance)
    found = find_conflicts(policy.limits, facts)
    options = build_options(facts, policy.screens, closed_sessions(facts, found))
    formulation = formulate(options, policy)
    summary = stored_json(run_folder, "summary.json")
    goals = [goal_result(row) for row in summary["goals"]]
    plan = stored_table(run_folder, "allocation.csv", ("entry_id", "session_id", "site_code", "date", "state"))
    base = Allocation.from_options(options, options.fixed)
    allocation = replace(base, placements=placements(facts, plan))
    columns = complete(formulation, chosen_by(options, allocation))
    obstacles = obstacles_to(formulation, allocation)
    unplaced = explain_unplaced(obstacles, policy, found)
    audited = audit(facts, policy, allocation, goals, stored_conflicts(run_folder))
    if policy.ordered_goals and not goals:
        return ["summary.json reports no goal values."]
    without_us = baseline(formulation)
    run = Run(
        facts=facts,
        policy=policy,
        limits=Limits(),
        allocation=allocation,
        goals=tuple(goals),
        baseline=without_us,
        baseline_scores={goal.label: goal.score(facts, without_us) for goal in policy.ordered_goals},
        audit=audited,
        unplaced=unplaced,
        kept_out=explain_sessions(obstacles, policy),
        conflicts=found,
        ending=Ending(summary["ending"]),
        certificate=read_certificate(run_folder),
        trace=(),
        memory=Memory(()),
        entries_with_option=options.entries_with_option,
        n_options=len(options),
    )
    return [
        *(f"{violation.rule}: {violation.message}." for violation in audited.violations),
        *wrong_places(facts, plan),
        *wrong_audit(stored_json(run_folder, "audit.json"), audited),
        *wrong_figures(summary["goals"], goals, formulation),
        *wrong_endings(summary["ending"], record["ending"], goals, formulation),
        *wrong_bounds(run_folder, summary["goals"], goals, formulation, columns),
        *wrong_baseline(summary["goals"], run.baseline_scores),
        *wrong_reasons(run_folder, unplaced),
        *wrong_accounts(run_folder, summary["accounts"], facts, allocation),
        *(wrong_tables(run_folder, summary, run) if audited.passed else ()),
    ]


def placements(facts: Facts, plan: pd.DataFrame) -> tuple[Placement, ...]:
    """The places of allocation.csv, and the room that held entries keep, which stands in no list."""
    lost = lost_places(facts)
    listed = [
        Placement(row["entry_id"], row["session_id"], row["state"])
        for row in plan.to_dict(orient="records")
        if (row["entry_id"], row["session_id"]) not in lost
    ]
    reserved = [place for place in fixed_placements(facts) if place.state == "reserved"]
    return tuple(sorted([*listed, *reserved]))


def lost_places(facts: Facts) -> dict[tuple[str, str], str]:
    """(entry_id, session_id) -> state of bookings whose session is gone, held entries left out."""
    entry_ids = facts.instance.column("patients", "entry_id")
    return {
        (str(entry_ids[place.entry]), place.session_id): place.state
        for place in facts.standing.fixed
        if place.session < 0 and place.state != "reserved"
    }


def wrong_places(facts: Facts, plan: pd.DataFrame) -> list[str]:
    """Rows of allocation.csv whose site or day is not the session's, and lost bookings that are not listed."""
    findings = []
    listed: Counter[tuple[str, str, str]] = Counter()
    for row in plan.to_dict(orient="records"):
        listed[row["entry_id"], row["session_id"], row["state"]] += 1
        session = (
            facts.instance.session.get(row["session_id"]) if row["session_id"] in facts.instance.session_row else None
        )
        wanted = ("", "") if session is None else (session["site_code"], str(session["date"]))
        if (row["site_code"], row["date"]) != wanted:
            told = f"{row['entry_id']} in {row['session_id']}"
            there = "nothing" if session is None else " ".join(wanted)
            findings.append(f"allocation.csv: {told} says {row['site_code']} {row['date']}; the tables say {there}.")
    for (entry_id, session_id), state in lost_places(facts).items():
        if listed[entry_id, session_id, state] != 1:
            findings.append(
                f"allocation.csv: {entry_id} is {state} in {session_id}, which is gone, and not listed once."
            )
    return findings


def stored_conflicts(run_folder: Path) -> list[Conflict]:
    """The conflicts that the run reported."""
    names = ("entry_id", "session_id", "problem", "conflicts_with")
    table = stored_table(run_folder, "conflicts.csv", names)
    return [Conflict(*row) for row in zip(*(table[name] for name in names), strict=True)]


def wrong_audit(stored: Mapping[str, Any], audited: Audit) -> list[str]:
    """Is audit.json another than the audit worked out again."""
    findings = []
    for name, now in (("checked", list(audited.checked)), ("scores", dict(audited.scores))):
        if stored[name] != now:
            findings.append(f"audit.json: {name} is {stored[name]}; worked out again: {now}.")
    if stored["passed"] is not True or stored["violations"]:
        findings.append(f"audit.json says that the audit failed: {stored['violations']}.")
    return findings


def wrong_reasons(run_folder: Path, explained: Iterable[Unplaced]) -> list[str]:
    """Rows of unplaced.csv that are not what the tables give as the reason."""
    table = stored_table(run_folder, "unplaced.csv", ("entry_id", "reason_code", "reason"))
    said = set(zip(table["entry_id"], table["reason_code"], table["reason"], strict=True))
    true = {(item.entry_id, item.reason_code, item.reason) for item in explained}
    return [
        *(
            f"unplaced.csv: {entry_id} is not there as {code}: {reason}"
            for entry_id, code, reason in sorted(true - said)
        ),
        *(f"unplaced.csv: {entry_id} is said to be {code}, untruly." for entry_id, code, _ in sorted(said - true)),
    ]


def wrong_accounts(run_folder: Path, accounts: Mapping[str, Any], facts: Facts, allocation: Allocation) -> list[str]:
    """Entries that are in none of placed, unplaced, held and treated, or in two; totals that do not add up."""
    unplaced = stored_table(run_folder, "unplaced.csv", ("entry_id", "reason_code", "reason"))["entry_id"]
    twice = sorted(entry_id for entry_id, number in Counter(unplaced).items() if number > 1)
    findings = [f"unplaced.csv: {entry_id} stands there twice." for entry_id in twice]
    findings += [f"{violation.message}." for violation in wrong_fates(facts, allocation, list(unplaced))]
    parts = ("placed", "unplaced", "refused", "held", "treated")
    total = sum(accounts[name] for name in parts)
    if accounts["patients_read"] != total:
        findings.append(f"summary.json: {accounts['patients_read']} patients were read, {total} are accounted for.")
    if accounts["patients_read"] - accounts["refused"] != len(facts.instance.patients):
        findings.append(f"summary.json: the tables hold {len(facts.instance.patients)} accepted entries.")
    return findings
