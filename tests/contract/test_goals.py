"""The contract of goals: price, openings and auxiliaries at their best, equals score on every set."""

from __future__ import annotations

import numpy as np
import pytest

from models.goals import GOALS
from tests.contract.harness import goal_disagreements
from tests.contract.shapes import draw_facts
from tests.contract.shapes_of_goals import SHAPES

INSTANCES = 9


def test_every_goal_has_a_shape() -> None:
    assert sorted(SHAPES) == sorted(goal.name for goal in GOALS)


@pytest.mark.parametrize("name", sorted(SHAPES))
def test_price_and_score_agree_on_every_set_of_pairs(name: str) -> None:
    goal, shape = SHAPES[name]
    disagreements: list[str] = []
    values: set[int] = set()
    for seed in range(INSTANCES):
        facts = draw_facts(shape, np.random.default_rng(seed))
        for part in goal.parts():
            wrong, seen = goal_disagreements(part, facts)
            disagreements += wrong
            values |= seen if len(seen) > 1 else set()
    assert disagreements == []
    assert len(values) > 1, "every plan scored the same: the comparison is vacuous"
