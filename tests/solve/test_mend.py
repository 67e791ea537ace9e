"""A plan of an earlier run that breaks a share now: it is mended before anything else is tried."""

from __future__ import annotations

import numpy as np

from allocator.answer import silent
from allocator.formulation import Model
from allocator.solve.arrays import Layout, Part
from allocator.solve.construct import own_gains
from allocator.solve.loader import complete, feasible
from allocator.solve.pace import Pace
from allocator.solve.search import Search
from tests.models_of_arrays import RowList, model_of

PEOPLE, LISTS, CASES = 40, 5, 4
MOST_APART = 2


def two_groups() -> Model:
    """Forty people, twenty of each group, for five lists of four; a place gains 10 in one group and 1 in the other.

    Of one group at most two more may be placed than of the other.
    """
    pairs = [(person, at) for person in range(PEOPLE) for at in range(LISTS)]
    found = RowList()
    for person in range(PEOPLE):
        found.add([(option, 1) for option, (who, _) in enumerate(pairs) if who == person], upper=1)
    for at in range(LISTS):
        found.add([(option, 1) for option, (_, where) in enumerate(pairs) if where == at], upper=CASES)
    apart = [(option, 1 if who < PEOPLE // 2 else -1) for option, (who, _) in enumerate(pairs)]
    found.add(apart, lower=-MOST_APART, upper=MOST_APART)
    gains = [10 if who < PEOPLE // 2 else 1 for who, _ in pairs]
    return model_of(pairs, LISTS, found.rows(len(pairs)), [gains], senses=("max",), n_one_place=PEOPLE)


def begun(model: Model) -> Search:
    """A search that has loaded a place for everybody of the one group, as an earlier plan without the share had."""
    part = Part.of(Layout.of(model), np.ones(model.n_options, dtype=bool))
    search = Search(part, own_gains(model, 0), np.zeros(model.n_rows), model.column_lower, 0)
    search.start(np.array([LISTS * person + person // CASES for person in range(PEOPLE // 2)]))
    return search


def test_a_plan_that_breaks_a_share_keeps_it_before_its_pace_is_over() -> None:
    model = two_groups()
    search = begun(model)
    assert not search.feasible()
    pace = Pace(60.0, 300)
    search.mend(pace, silent)
    assert search.feasible()
    assert search.best is not None
    assert feasible(model, complete(model, search.part.chosen(search.best.place)))
    assert search.best.worth >= 9 * 10 + 9  # all places but two are used
    assert pace.taken < 300


def test_mending_a_plan_that_breaks_nothing_changes_nothing() -> None:
    model = two_groups()
    search = begun(model)
    search.mend(Pace(60.0, 300), silent)
    place, pace = search.state.place.copy(), Pace(60.0, 300)
    search.mend(pace, silent)
    assert pace.taken == 0
    assert np.array_equal(search.state.place, place)


def test_mending_ends_with_its_pace() -> None:
    search = begun(two_groups())
    pace = Pace(60.0, 1)
    search.mend(pace, silent)
    assert pace.taken == 1
    assert not search.feasible()
