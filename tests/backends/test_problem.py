"""What a solver claims is checked in whole numbers before anybody believes it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from allocator.backends.problem import checked, whole_bound
from tests.backends.problems import problem

ROOM = problem([[100, 100, 50]], -np.inf, 200, [-1, -1, -1], column_upper=[1, 1, 2], column_lower=[0, 0, 0])


@pytest.mark.parametrize(
    ("values", "whole"),
    [
        ([1.0, 1.0, 0.0], [1, 1, 0]),
        ([0.9999999, 1.0000001, -1e-9], [1, 1, 0]),
        ([0.0, 0.0, 2.0], [0, 0, 2]),
    ],
)
def test_values_that_keep_every_row_are_rounded(values: list[float], whole: list[int]) -> None:
    found = checked(ROOM, np.array(values))
    assert found is not None
    assert (found.tolist(), found.dtype) == (whole, np.int64)


@pytest.mark.parametrize(
    "values",
    [
        [1.0, 1.0, 1.0],
        [1.0, 0.6, 0.4 + 0.2],
        [0.0, 0.0, 3.0],
        [-1.0, 0.0, 0.0],
        [1.0, 1.0],
        [],
    ],
    ids=["row broken", "row broken once rounded", "above its box", "below its box", "too few", "none"],
)
def test_values_that_break_a_row_or_a_box_are_refused(values: list[float]) -> None:
    assert checked(ROOM, np.array(values)) is None


def test_no_values_are_refused() -> None:
    assert checked(ROOM, None) is None


def test_lower_side_of_a_row_is_checked_too() -> None:
    assert checked(problem([[1, 1]], 2, np.inf, [1, 1]), np.array([1.0, 0.0])) is None
    assert checked(problem([[1, 1]], 2, np.inf, [1, 1]), np.array([1.0, 1.0])) is not None


@pytest.mark.parametrize(
    ("bound", "whole"),
    [
        (5.0, 5),
        (5.0 + 1e-9, 5),
        (5.0 - 1e-9, 5),
        (5.0 + 1e-4, 6),
        (4.2, 5),
        (-4.2, -4),
        (-5.0 - 1e-9, -5),
        (0.0, 0),
        (1e6 + 0.0009, 10**6),
        (1e6 + 0.0011, 10**6 + 1),
        (1e9 + 0.9, 10**9),
        (1e9 + 1.1, 10**9 + 1),
    ],
)
def test_bound_is_rounded_up_unless_it_is_whole_but_for_a_billionth(bound: float, whole: int) -> None:
    assert whole_bound(bound) == whole


@pytest.mark.parametrize("bound", [math.inf, -math.inf, math.nan, 1e16, -1e16])
def test_bound_that_says_nothing_is_none(bound: float) -> None:
    assert whole_bound(bound) is None
