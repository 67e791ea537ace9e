"""Warming up ends once a run keeps its limit, and in any case."""

from __future__ import annotations

from benchmarks.warm import MOST_ROUNDS, until_warm


def rounds(*taken: float) -> int:
    """Rounds until warm, of runs with a limit of ten seconds that take so long; the last again and again."""
    left = list(taken)
    return until_warm(lambda limit: left.pop(0) if len(left) > 1 else left[0], 10.0)


def test_run_that_keeps_its_limit_ends_it() -> None:
    assert rounds(3.0) == 1
    assert rounds(14.0) == 1


def test_run_that_compiled_is_run_again() -> None:
    assert rounds(106.0, 14.1, 10.5, 99.0) == 3


def test_busy_machine_does_not_hold_it_for_ever() -> None:
    assert rounds(99.0) == MOST_ROUNDS
