"""The funnel against the specification's plain loops: every count, and the numbers of the nearest miss."""

from __future__ import annotations

import re

import numpy as np

from allocator.explain import IN_CONFLICT
from allocator.why.case import Case
from allocator.why.funnel import Funnel, funnels, with_figure
from models.daily import DAILY
from tests.build import make_facts
from tests.contract.shapes import draw_facts
from tests.specification.model import allowed_pairs
from tests.specification.reading import read
from tests.specification.screens import SCREENS
from tests.why.cases import SHAPE, greedy


def funnel_of(case: Case, entry_id: str) -> Funnel:
    (found,) = funnels(case, np.array([case.facts.instance.entry_row[entry_id]]))
    return found


def test_every_count_of_the_funnel_is_that_of_plain_loops() -> None:
    steps = set()
    for seed in range(40):
        case = greedy(draw_facts(SHAPE, np.random.default_rng(seed)))
        spec = read(case.facts.instance)
        left = allowed_pairs(spec, case.policy)
        for entry_id in case.unplaced():
            found = funnel_of(case, entry_id)
            mine = [s for s in spec.sessions if SCREENS["same_service"](spec, DAILY.screens[1], entry_id, s)]
            removed = {
                rule.name: [s for s in mine if not SCREENS[rule.name](spec, rule, entry_id, s)]
                for rule in case.policy.screens
            }
            assert found.sessions == len(mine)
            assert found.left == sum(pair[0] == entry_id for pair in left)
            told = {step.rule: step.removed for step in found.steps if step.rule != IN_CONFLICT}
            assert told == {name: len(gone) for name, gone in removed.items() if gone}
            steps |= set(told)
    assert len(steps) >= 5


def test_nearest_miss_names_the_site_the_range_and_the_limit() -> None:
    """Three sessions at Beta, 31 and 33 minutes away by two homes of the table; the limit is 30."""
    facts = make_facts([{"max_travel_minutes": 25}], [{"site_code": "RBB01"}, {"site_code": "RBB01"}])
    case = greedy(facts)
    found = funnel_of(case, "e1")
    assert [step.nearest for step in found.steps] == ["2 sessions at Beta General are 30 minutes away; the limit is 25"]
    assert found.sentences()[0] == "2 sessions for this entry's service; 0 left after all rules below."
    early = make_facts([{}], [{"date": "2026-02-10"}, {"date": "2026-02-13"}, {"date": "2026-03-10"}])
    case = greedy(early)
    (step,) = funnel_of(case, "e1").steps
    assert (step.rule, step.removed, step.alone) == ("dates", 2, 2)
    assert re.fullmatch(r"2 sessions at Alpha General are 3 to 6 days too soon for 14 days' notice .*", step.nearest)


def test_nearest_miss_is_of_a_session_that_nothing_else_removes_where_there_is_one() -> None:
    """s1 is on the first day and 30 minutes away, both too near; s2 is as far, and on a day that does."""
    sessions = [{"site_code": "RBB01", "date": "2026-02-03"}, {"site_code": "RBB01"}]
    steps = {
        step.rule: step for step in funnel_of(greedy(make_facts([{"max_travel_minutes": 25}], sessions)), "e1").steps
    }
    assert (steps["max_travel"].removed, steps["max_travel"].alone) == (2, 1)
    assert steps["max_travel"].nearest == "1 session at Beta General is 30 minutes away; the limit is 25"
    assert (steps["dates"].alone, steps["dates"].nearest[:30]) == (0, "1 session at Beta General is 1")


def test_entry_without_a_session_of_its_service_has_an_empty_funnel() -> None:
    case = greedy(make_facts([{"service_code": "999"}], [{}]))
    found = funnel_of(case, "e1")
    assert (found.sessions, found.left, found.steps) == (0, 0, ())
    assert found.sentences() == ["There is no session that is open to its service."]


def test_one_is_one_day_and_not_one_days() -> None:
    assert with_figure("{} days too soon for 10 days' notice", "1") == "1 day too soon for 10 days' notice"
    assert with_figure("{} days too soon", "2 to 5") == "2 to 5 days too soon"
    assert with_figure("{} minutes away; the limit is 1 minutes", "41") == "41 minutes away; the limit is 1 minutes"
