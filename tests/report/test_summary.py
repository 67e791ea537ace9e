"""summary.json: every entry once, both bases, the baseline beside every figure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from allocator.answer import Run
from allocator.report.data_wanted import data_wanted_table
from allocator.report.sessions import options_of, sessions_table
from allocator.report.summary import summarise
from models.daily import DAILY
from models.rules.consent import Consent
from tests.build import ORGANISATIONS
from tests.report.sample import REASONS, sample_facts, sample_intake, sample_run, usual_run


def summary_of(run: Run, with_intake: bool = True) -> dict[str, Any]:
    options = options_of(run)
    intake = sample_intake(run.facts.instance) if with_intake else None
    return summarise(run, intake, sessions_table(run, options), data_wanted_table(run, options), ())


@pytest.fixture(scope="module")
def summary() -> dict[str, Any]:
    """Of the sample run."""
    return summary_of(usual_run())


def test_every_row_read_is_placed_unplaced_refused_held_or_treated(summary: dict[str, Any]) -> None:
    assert summary["accounts"] == {
        "patients_read": 12,
        "placed": 5,
        "of_which_booking_lost": 1,
        "unplaced": 3,
        "refused": 2,
        "held": 1,
        "treated": 1,
        "balanced": True,
    }


@pytest.mark.parametrize("reasons", [{"e4": "x"}, {**REASONS, "e1": "placed_after_all"}])
def test_somebody_without_a_reason_or_with_one_too_many_is_noticed(reasons: dict[str, str]) -> None:
    assert summary_of(sample_run(reasons=reasons))["accounts"]["balanced"] is False


def test_both_bases_stand_in_every_group(summary: dict[str, Any]) -> None:
    groups = {row["group"]: row for row in summary["counts"]["quintile"]}
    assert set(groups) == {"1", "3", "5", "not known"}
    assert groups["3"] == {
        "group": "3",
        "all_waiting": 4,
        "with_option": 3,  # e8 needs a service that nobody offers
        "placed": 1,
        "unplaced": 3,
        "baseline_placed": groups["3"]["baseline_placed"],
    }
    for rows in summary["counts"].values():
        assert all(row.get("with_option", 0) <= row.get("all_waiting", 0) for row in rows if "all_waiting" in row)


@pytest.mark.parametrize("by", ["home", "service", "priority", "quintile"])
def test_groups_add_up_to_everybody_who_is_not_held_or_treated(summary: dict[str, Any], by: str) -> None:
    assert sum(row["all_waiting"] for row in summary["counts"][by]) == 8
    assert sum(row["placed"] for row in summary["counts"][by]) == 5


def test_flows_go_from_home_to_host(summary: dict[str, Any]) -> None:
    flows = {(row["home"], row["host"]): row["places"] for row in summary["flows"]}
    assert flows == {("RAA", "RBB"): 2, ("RBB", "RAA"): 1, ("RAA", "RAA"): 1}


def test_goals_stand_in_order_with_value_baseline_bounds_and_gaps(summary: dict[str, Any]) -> None:
    run = usual_run()
    assert [goal["label"] for goal in summary["goals"]] == [goal.label for goal in run.goals]
    for row, goal in zip(summary["goals"], run.goals, strict=True):
        assert row["value"] == run.audit.scores[goal.label]
        assert row["baseline"] == run.baseline_scores[goal.label]
        assert row["certified_gap"] == goal.gap(goal.certified_bound)
        assert row["sentence"]


def test_month_end_breaches_count_who_is_over_and_not_placed_by_then() -> None:
    patients = [{"clock_start": "2025-03-01"}, {"clock_start": "2025-03-02"}, {"clock_start": "2025-03-01"}]
    facts = sample_facts(
        patients=patients,
        sessions=[{"date": "2026-02-28"}, {"date": "2026-03-10"}],
        commitments=(),
        info={"reporting_dates": ["2026-02-28", "2026-03-31"]},
    )
    found = summary_of(sample_run(facts, {"e1": "s2"}, {"e2": "x", "e3": "x"}), with_intake=False)["month_end"]
    over_52 = [row for row in found if row["over_weeks"] == 52]
    # 364 days after 1 March 2025 is 28 February 2026: not over. By 31 March all three are.
    assert [(row["date"], row["people"], row["placed"], row["left"]) for row in over_52] == [
        ("2026-02-28", 0, 0, 0),
        ("2026-03-31", 3, 1, 2),
    ]


def test_urgent_people_overdue_without_a_place_are_counted() -> None:
    patients = [
        {"clinical_priority": "P2", "first_prioritised_on": "2026-01-04"},  # due on 1 February: overdue
        {"clinical_priority": "P2", "first_prioritised_on": "2026-01-05"},  # due on the plan date: not overdue
        {"due_date": "2026-01-15"},
        {"clinical_priority": "P2", "first_prioritised_on": "2026-01-01"},
    ]
    run = sample_run(
        sample_facts(patients=patients, sessions=[{}], commitments=()),
        {"e4": "s1"},
        dict.fromkeys(("e1", "e2", "e3"), "x"),
    )
    rows = {row["group"]: row for row in summary_of(run, with_intake=False)["urgent"]}
    assert rows["P2"]["waiting"] == 3
    assert rows["P2"]["overdue"] == 2
    assert rows["P2"]["overdue_unplaced"] == 1
    assert rows["P2"]["due_in_horizon_unplaced"] == 2
    assert rows["own due date"]["overdue_unplaced"] == 1


def test_a_list_is_old_after_more_than_seven_days() -> None:
    dates = ("2026-01-26", "2026-01-25", None)
    organisations = [{**row, "list_as_of": date} for row, date in zip(ORGANISATIONS, dates, strict=True)]
    old = summary_of(sample_run(sample_facts(organisations=organisations)))["old_lists"]
    assert old == [{"provider": "RBB", "list_as_of": "2026-01-25", "days_old": 8}]


def test_emergencies_are_counted_by_trust_and_effects_by_kind(summary: dict[str, Any]) -> None:
    assert summary["intake"]["emergencies"] == [{"home": "RAA", "entries": 1}]
    assert summary["intake"]["effects"] == {"entry_held": 1, "row_refused": 2, "value_blanked": 1}


def test_use_of_sites_and_rules_adds_up(summary: dict[str, Any]) -> None:
    sites = {row["site"]: row for row in summary["sites"]}
    assert (sites["RBB01"]["minutes_used"], sites["RBB01"]["cases"], sites["RBB01"]["sessions_used"]) == (210, 3, 1)
    minutes = next(row for row in summary["rules"] if row["rule"] == "session_minutes")
    assert minutes["used"] == sum(row["used"] for row in minutes["usage"] if row["limit"] is not None)


def test_headline_counts_the_baseline_by_the_same_rules(summary: dict[str, Any]) -> None:
    plan, baseline = summary["headline"]["plan"], summary["headline"]["baseline"]
    assert plan["places"] == 4
    assert plan["away_from_home"] == 3
    assert plan["already_booked_or_offered"] == baseline["already_booked_or_offered"] == 1
    assert plan["over_52_weeks"] == 3  # e1, e3 and e5; e2 has waited 35 weeks
    assert plan["travel_minutes"] == 30 + 10 + 30 + 10


def test_blanks_are_ranked_by_the_options_they_would_open() -> None:
    patients = [{"transfer_consent": ""}, {"asa_grade": None}, {"asa_grade": 1}, {"transfer_consent": "no"}]
    sites = [
        {"site_code": "RBB01", "provider_code": "RBB", "name": "Beta", "has_hdu": True, "has_overnight": True},
        {
            "site_code": "NCC01",
            "provider_code": "NCC",
            "name": "Gamma",
            "has_hdu": True,
            "has_overnight": True,
            "max_asa": 2,
        },
    ]
    sessions = [{"site_code": "RBB01"}, {"site_code": "NCC01"}, {"site_code": "NCC01"}]
    strict = Consent(offer_to_not_asked=False)
    policy = replace(DAILY, rules=tuple(strict if rule.name == "consent" else rule for rule in DAILY.rules))
    run = sample_run(
        sample_facts(patients=patients, sessions=sessions, sites=sites, commitments=()),
        {},
        dict.fromkeys(("e1", "e2", "e3", "e4"), "x"),
        policy,
    )
    table = data_wanted_table(run, options_of(run))
    assert list(table.columns) == ["column", "entry_id", "home_provider", "options_it_would_open"]
    # e1 could go to all three sessions with consent; e2 to both at the clinic if fit; e4 said no.
    assert table[["column", "entry_id", "options_it_would_open"]].to_numpy().tolist() == [
        ["transfer_consent", "e1", 3],
        ["asa_grade", "e2", 2],
    ]


def test_nothing_is_wanted_of_people_who_have_a_place() -> None:
    run = sample_run(sample_facts(patients=[{"asa_grade": None}], sessions=[{}], commitments=()), {"e1": "s1"}, {})
    table = data_wanted_table(run, options_of(run))
    assert isinstance(table, pd.DataFrame)
    assert table.empty
