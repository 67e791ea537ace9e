"""The contract test bites: bugs planted on one side of a rule are found as disagreements."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from allocator.instance import Bools, Ints
from allocator.options import Options
from allocator.rows import Rows
from allocator.rule import Columns, Limit, Screen
from models.rules.max_travel import MaxTravel
from models.rules.one_place import OnePlace
from models.rules.session_minutes import SessionMinutes
from tests.contract.shapes_of_rules import SHAPES
from tests.contract.test_rules import compare_rule


class StrictlyLessTravel(MaxTravel):
    """Keeps `<` where the sentence says `<=`."""

    def keep(self, options: Options) -> Bools:
        at_the_limit = [
            minutes == self.limit_of(options.facts, entry_id)
            for minutes, entry_id in zip(options.travel_minutes, options.of_entry("entry_id"), strict=True)
        ]
        return super().keep(options) & ~np.array(at_the_limit, dtype=bool)


class TurnaroundForgotten(SessionMinutes):
    """Counts the cases without the turnaround between them."""

    def case_minutes(self, options: Options) -> Ints:
        return super().case_minutes(options) - options.of_session("turnaround_minutes")


class TwoPlaces(OnePlace):
    """Lets an entry have two places."""

    def rows(self, columns: Columns) -> Rows:
        return replace(super().rows(columns), upper=super().rows(columns).upper + 1)


PLANTED = (
    (
        StrictlyLessTravel(car_minutes=30, public_transport_minutes=31),
        MaxTravel(car_minutes=30, public_transport_minutes=31),
    ),
    (TurnaroundForgotten(), SessionMinutes()),
    (TwoPlaces(), OnePlace()),
)


@pytest.mark.parametrize(("bug", "sound"), PLANTED, ids=lambda rule: type(rule).__name__)
def test_planted_bug_is_found(bug: Screen | Limit, sound: Screen | Limit) -> None:
    shape = SHAPES[sound.name]
    assert compare_rule(shape, bug, instances=8).disagreements != ()
    assert compare_rule(shape, sound, instances=8).disagreements == ()
