from __future__ import annotations

from models import CATALOGUE
from models.readme import README, current, listing


def test_the_committed_list_of_rules_and_goals_is_current() -> None:
    text = README.read_text(encoding="utf-8")
    assert current(text) == text, "run: python -m models.readme"


def test_every_rule_and_goal_has_its_sentence_in_the_list() -> None:
    found = listing()
    for rule in (*CATALOGUE.rules, *CATALOGUE.goals):
        assert rule.sentence in found
