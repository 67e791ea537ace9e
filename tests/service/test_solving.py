"""The solving process: what it keeps of a plan on the way, where it begins, and how it is stopped."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from allocator.answer import Progress
from allocator.run_folder import stored_memory
from api.solving import SNAPSHOT_SECONDS, Interruption, Snapshots, memory_for, message_of

PAIRS = (("e1", "s1"), ("e2", "s2"))


def test_the_best_plan_is_taken_once_in_a_while() -> None:
    snapshots = Snapshots()
    found = [
        snapshots.of(Progress("solve", seconds, places=lambda: PAIRS))
        for seconds in (1.0, 2.0, 1.0 + SNAPSHOT_SECONDS, 2.0 + SNAPSHOT_SECONDS)
    ]
    assert found == [PAIRS, None, PAIRS, None]
    assert snapshots.of(Progress("read", 1000.0)) is None
    assert json.loads(json.dumps(message_of(Progress("solve", 1.0), PAIRS)))["plan"] == [["e1", "s1"], ["e2", "s2"]]


def test_the_search_begins_from_the_attempt_before_else_from_the_run_before(sample: Path) -> None:
    run = sample / "run"
    assert memory_for(None, None) is None
    before, both, alone = memory_for(None, run), memory_for([["e1", "s1"]], run), memory_for([["e1", "s1"]], None)
    assert before is not None
    assert both is not None
    assert alone is not None
    assert before.pairs == stored_memory(run).pairs != ()
    assert (both.pairs, both.rows) == ((("e1", "s1"),), before.rows)
    assert (alone.pairs, alone.rows) == ((("e1", "s1"),), ())


def test_an_interrupt_comes_once_a_job_and_not_within_a_message() -> None:
    interruption = Interruption()
    interruption.come()  # nothing runs
    interruption.arm()
    with pytest.raises(KeyboardInterrupt):
        interruption.come()
    interruption.come()  # asked again: it is stopping already
    interruption.arm()
    interruption.disarm()
    interruption.come()  # the plan is being written

    class Asking(io.BytesIO):
        def write(self, content: object) -> int:  # type: ignore[override]
            interruption.come()
            return super().write(content)  # type: ignore[arg-type]

    answers = Asking()
    interruption.arm()
    with pytest.raises(KeyboardInterrupt):
        interruption.say(answers, {"event": "progress"})
    assert json.loads(answers.getvalue()) == {"event": "progress"}
