"""The contract: what the rows or the screen of a rule allow is what its check allows, set by set."""

from __future__ import annotations

import numpy as np
import pytest

from allocator.rule import Limit, Screen
from models.rules import RULES
from tests.contract.harness import Comparison, limit_disagreements, screen_disagreements
from tests.contract.shapes import Shape, draw
from tests.contract.shapes_of_rules import SHAPES

INSTANCES = {Screen: 6, Limit: 14}


def compare_rule(shape: Shape, rule: Screen | Limit | None = None, instances: int | None = None) -> Comparison:
    """All that is found over seeded instances of a shape; `rule` replaces the shape's own."""
    found = []
    kind = Screen if isinstance(shape.rules[0], Screen) else Limit
    for seed in range(instances or INSTANCES[kind]):
        own, facts = draw(shape, np.random.default_rng(seed))
        chosen = own if rule is None else rule
        if isinstance(chosen, Screen):
            found.append(screen_disagreements(chosen, facts))
        else:
            found.append(limit_disagreements(chosen, facts, with_fixed_free=chosen.name == "commitments"))
    return Comparison(
        tuple(text for one in found for text in one.disagreements),
        sum(one.admitted for one in found),
        sum(one.forbidden for one in found),
    )


def test_every_rule_has_a_shape() -> None:
    assert sorted(SHAPES) == sorted(rule.name for rule in RULES)


@pytest.mark.parametrize("name", sorted(SHAPES))
def test_rows_and_check_agree_on_every_set_of_pairs(name: str) -> None:
    found = compare_rule(SHAPES[name])
    assert found.disagreements == ()
    assert found.admitted > 0, "no set with a new placement was allowed: the comparison is vacuous"
    assert found.forbidden > 0, "no set was forbidden: the comparison is vacuous"
