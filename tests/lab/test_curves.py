"""Curves: round numbers along the axes, the band to the bound, nothing to be escaped."""

from __future__ import annotations

import re

import pytest

from allocator.lab.curves import Point, curve_chart, number_words, spread, ticks


@pytest.mark.parametrize(
    ("ends", "wanted"),
    [
        ((0, 10), [0, 2, 4, 6, 8, 10]),
        ((28.8, 61.2), [30, 40, 50, 60]),
        ((-0.04, 1.04), [0, 0.5, 1]),
        ((1478, 5350), [2000, 3000, 4000, 5000]),
    ],
)
def test_ticks_are_round_and_within_the_axis(ends: tuple[float, float], wanted: list[float]) -> None:
    assert ticks(*ends) == wanted


def test_axis_of_one_value_has_room() -> None:
    assert spread([5, 5]) == (4, 6)


def test_numbers_have_no_more_digits_than_they_need() -> None:
    assert [number_words(value) for value in (1234.0, 0.5, 71.87)] == ["1,234", "0.5", "71.87"]


def test_band_goes_to_the_bound_and_the_line_through_the_values() -> None:
    points = [Point(1, 10, 20, "one <b>"), Point(2, 15, 30)]
    svg = str(curve_chart("key", "T", "D", points, ("x", "y & z")).svg)
    (band,) = re.findall(r'<polygon points="([^"]*)" class="band"', svg)
    corners = [tuple(map(float, corner.split(","))) for corner in band.split()]
    (line,) = re.findall(r'<polyline points="([^"]*)"', svg)
    values = [tuple(map(float, corner.split(","))) for corner in line.split()]
    assert corners[:2] == values
    # A bound above the value is further up, where y is less; the band comes back from right to left.
    assert [x for x, _ in corners[2:]] == [values[1][0], values[0][0]]
    assert all(up[1] < down[1] for up, down in zip(reversed(corners[2:]), values, strict=True))
    assert "one &lt;b&gt;: 10" in svg
    assert "y &amp; z" in svg


def test_curve_without_bounds_has_no_band() -> None:
    assert "polygon" not in str(curve_chart("key", "T", "D", [Point(1, 2, None)], ("x", "y")).svg)
