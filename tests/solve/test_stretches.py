"""A pass in two stretches sees every unit once, and says the same with one thread and with two."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocator.certificate import goal_rows
from allocator.solve import stretches
from allocator.solve.construct import own_gains
from allocator.solve.dual import solve_dual
from allocator.solve.stretches import columns_of, in_two, starts_within
from tests.solve.towns import city

SIZES = st.lists(st.integers(0, 9), max_size=12)


@given(SIZES, st.integers(0, 5), st.sampled_from([1, 2]))
def test_every_unit_and_every_column_is_in_one_stretch(sizes: list[int], first: int, threads: int) -> None:
    start = first + np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]).astype(np.int64)
    units = np.zeros(len(sizes), dtype=np.int64)
    columns = np.zeros(start[-1], dtype=np.int64)

    def count(stretch: slice) -> int:
        units[stretch] += 1
        columns[columns_of(start, stretch)] += 1
        own = starts_within(start, stretch)
        return int(own[-1] - own[0])

    one, other = in_two(start, count, threads)
    assert (units == 1).all()
    assert (columns[first:] == 1).all()
    assert one + other == sum(sizes)
    assert abs(one - other) <= 2 * max(sizes, default=0)


def test_two_threads_find_the_same_prices_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stretches, "SIDE_BY_SIDE", 0)
    model, names = city()[2], set[str]()

    def found(threads: int) -> tuple[list[float], list[float], float]:
        rows = goal_rows(model, ())
        dual = solve_dual(model, own_gains(model, 0), rows, seconds=60.0, work=60, threads=threads)
        return dual.prices.tolist(), dual.shares.tolist(), dual.bound

    assert found(1) == found(2)
    in_two(np.array([0, 1, 2]), lambda _: names.add(threading.current_thread().name), 2)
    assert len(names) == 2


def test_what_goes_wrong_in_the_second_stretch_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stretches, "SIDE_BY_SIDE", 0)

    def work(units: slice) -> None:
        if units.start:
            raise ArithmeticError("second")

    with pytest.raises(ArithmeticError, match="second"):
        in_two(np.array([0, 1, 2]), work, 2)
