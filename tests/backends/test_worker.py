"""The child process: killed when it overruns, replaced when it dies, and never left behind."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import numpy as np
import pytest

from allocator.backends import cbc
from allocator.backends.problem import Budget
from allocator.backends.process import MOST_IDLE, Worker, WorkerFailedError, stop_idle
from tests.backends import children
from tests.backends.problems import hard


@pytest.fixture
def worker() -> Iterator[Worker]:
    with Worker() as made:
        yield made


def is_alive(pid: int) -> bool:
    """Does the process run; a dead one that nobody has waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def alive_in_group(group: int) -> list[int]:
    """Processes of a process group that run."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[2]) == group and fields[0] != "Z":
            found.append(int(folder.name))
    return found


def gone_soon(pid: int) -> bool:
    """A killed process is gone at once, but for the moment that the system needs."""
    deadline = time.monotonic() + 30
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not is_alive(pid)


def test_call_gives_the_result_of_the_function(worker: Worker) -> None:
    outcome = worker.call(children.add, 2, 3, seconds=10)
    assert (outcome.result, outcome.incumbents, outcome.killed) == (5, (), False)


def test_one_child_serves_many_calls(worker: Worker) -> None:
    first, second = (worker.call(children.whereabouts, seconds=10).result for _ in range(2))
    assert first[0] == second[0]
    assert first[0] != os.getpid()


def test_call_that_overruns_is_killed_and_its_incumbents_kept(worker: Worker) -> None:
    pid = worker.call(children.whereabouts, seconds=10).result[0]
    heard: list[int] = []
    begun = time.monotonic()
    outcome = worker.call(children.emit_then_sleep, 3, 60, seconds=0.3, heard=lambda values, bound: heard.append(bound))
    taken = time.monotonic() - begun
    assert 0.3 <= taken < 30
    assert (outcome.result, outcome.killed) == (None, True)
    assert [bound for _, bound in outcome.incumbents] == heard == [0, -1, -2]
    assert np.array_equal(outcome.incumbents[2][0], np.full(3, 2))
    assert gone_soon(pid)


def test_call_after_a_killed_one_works_and_hears_nothing_of_it(worker: Worker) -> None:
    worker.call(children.emit_then_sleep, 2, 60, seconds=0.1)
    outcome = worker.call(children.add, 2, 3, seconds=10)
    assert (outcome.result, outcome.incumbents, outcome.killed) == (5, (), False)


def test_child_that_is_killed_from_outside_in_mid_call_ends_the_call(worker: Worker) -> None:
    pid = worker.call(children.whereabouts, seconds=10).result[0]
    killer = threading.Timer(0.3, os.kill, (pid, signal.SIGKILL))
    killer.start()
    begun = time.monotonic()
    outcome = worker.call(children.emit_then_sleep, 1, 300, seconds=300)
    killer.join()
    assert time.monotonic() - begun < 60
    assert (outcome.result, outcome.killed, len(outcome.incumbents)) == (None, True, 1)
    assert worker.call(children.add, 1, 1, seconds=10).result == 2


def test_child_that_was_killed_between_calls_is_replaced(worker: Worker) -> None:
    pid = worker.call(children.whereabouts, seconds=10).result[0]
    os.kill(pid, signal.SIGKILL)
    assert gone_soon(pid)
    assert worker.call(children.add, 1, 1, seconds=10).result == 2


def test_child_that_dies_of_itself_ends_the_call(worker: Worker) -> None:
    outcome = worker.call(children.die, seconds=10)
    assert (outcome.result, outcome.incumbents, outcome.killed) == (None, (("last words", None),), True)


def test_error_in_the_child_is_raised_here_with_its_text(worker: Worker) -> None:
    with pytest.raises(WorkerFailedError, match=r"(?s)raise_an_error.*ValueError: the matrix has 3 rows; 4 were"):
        worker.call(children.raise_an_error, seconds=10)
    assert worker.call(children.add, 1, 1, seconds=10).result == 2


def test_prints_of_native_code_do_not_reach_the_pipe(worker: Worker, capfd: pytest.CaptureFixture[str]) -> None:
    stop_idle()  # one that waits was started with another standard error
    outcome = worker.call(children.print_everywhere, seconds=10)
    assert (outcome.result, outcome.incumbents) == ("done", (("between", None),))
    out, err = capfd.readouterr()
    assert out == ""
    assert "straight to descriptor 1" in err


def test_result_larger_than_a_pipe_arrives_whole(worker: Worker) -> None:
    assert worker.call(children.large, 300_000, seconds=10).result.sum() == 300_000 * 299_999 // 2


def test_stop_leaves_no_child_and_no_grandchild(worker: Worker) -> None:
    outcome = worker.call(children.start_a_child_then_sleep, 60, seconds=0.5)
    ((child, grandchild),) = outcome.incumbents
    assert gone_soon(child)
    assert gone_soon(grandchild)


def test_killed_cbc_leaves_no_solver_behind(worker: Worker) -> None:
    group = worker.call(children.whereabouts, seconds=10).result[1]
    seen: set[int] = set()
    done = threading.Event()

    def look() -> None:
        while not done.wait(0.05):
            seen.update(alive_in_group(group))

    watcher = threading.Thread(target=look)
    watcher.start()
    outcome = worker.call(cbc.solve, hard(), Budget(600), seconds=1.0)
    done.set()
    watcher.join()
    assert outcome.killed
    assert len(seen) >= 2, "CBC was seen beside the child"
    assert all(gone_soon(pid) for pid in seen)


def pid_of(worker: Worker) -> int:
    return int(worker.call(children.whereabouts, seconds=10).result[0])


@pytest.fixture
def nobody_waits() -> None:
    stop_idle()


@pytest.mark.usefixtures("nobody_waits")
def test_children_that_nobody_uses_wait_for_the_next_worker_but_only_a_few() -> None:
    with ExitStack() as stack:
        pids = {pid_of(stack.enter_context(Worker())) for _ in range(MOST_IDLE + 1)}
    waiting = {pid for pid in pids if is_alive(pid)}
    assert len(waiting) == MOST_IDLE
    with ExitStack() as stack:
        again = [pid_of(stack.enter_context(Worker())) for _ in range(MOST_IDLE + 1)]
    assert set(again[:MOST_IDLE]) == waiting
    assert again[MOST_IDLE] not in pids
    stop_idle()
    assert not any(is_alive(pid) for pid in again)


@pytest.mark.usefixtures("nobody_waits")
def test_a_waiting_child_that_died_is_not_used() -> None:
    with Worker() as worker:
        pid = pid_of(worker)
    os.kill(pid, signal.SIGKILL)
    assert gone_soon(pid)
    with Worker() as worker:
        assert pid_of(worker) != pid


def test_leaving_the_block_by_an_error_stops_the_child() -> None:
    def fail() -> None:
        with Worker() as worker:
            pids.append(pid_of(worker))
            raise KeyboardInterrupt

    pids = list[int]()
    with pytest.raises(KeyboardInterrupt):
        fail()
    assert not is_alive(pids[0])


@pytest.mark.parametrize("end", ["", "os.kill(os.getpid(), signal.SIGKILL)"])
def test_the_end_of_the_process_leaves_no_waiting_child(end: str) -> None:
    program = (
        "import os, signal\nfrom allocator.backends.process import Worker\nfrom tests.backends import children\n"
        "with Worker() as worker:\n    print(worker.call(children.whereabouts, seconds=10).result[0], flush=True)\n"
    )
    said = subprocess.run([sys.executable, "-c", program + end], capture_output=True, text=True, check=False).stdout
    assert gone_soon(int(said))


@pytest.mark.parametrize("sent", [True, False])
def test_interrupt_while_a_call_is_handed_over_ends_the_child_which_would_answer_the_next(
    monkeypatch: pytest.MonkeyPatch, sent: bool
) -> None:
    real = pickle.dump

    def interrupted(call: object, stream: IO[bytes], **options: int) -> None:
        if sent:
            real(call, stream, **options)  # type: ignore[arg-type]
        else:
            stream.write(b"half of a call")
        stream.flush()
        raise KeyboardInterrupt

    with Worker() as worker:
        pid = pid_of(worker)
        monkeypatch.setattr("allocator.backends.process.pickle.dump", interrupted)
        with pytest.raises(KeyboardInterrupt):
            worker.call(children.add, 1, 1, seconds=10)
        monkeypatch.undo()
        assert gone_soon(pid)
        assert worker.call(children.add, 2, 3, seconds=10).result == 5


def test_a_child_keeps_nothing_of_its_last_call(worker: Worker) -> None:
    worker.call(children.large, 30_000_000, seconds=30)
    assert worker.call(children.resident_megabytes, seconds=10).result < 200


def test_stop_twice_or_before_any_call_does_nothing() -> None:
    worker = Worker()
    worker.stop()
    worker.call(children.add, 1, 1, seconds=10)
    worker.stop()
    worker.stop()


def test_child_has_a_session_of_its_own_so_that_ctrl_c_reaches_the_parent_alone(worker: Worker) -> None:
    pid, group, session = worker.call(children.whereabouts, seconds=10).result
    assert group == session == pid
    assert session != os.getsid(0)


def test_interrupt_in_the_parent_ends_the_call_and_the_child(worker: Worker) -> None:
    pid = worker.call(children.whereabouts, seconds=10).result[0]

    def interrupt(values: object, bound: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        worker.call(children.emit_then_sleep, 1, 60, seconds=30, heard=interrupt)
    assert gone_soon(pid)
    assert worker.call(children.add, 1, 1, seconds=10).result == 2


@pytest.mark.parametrize("pause", [0.002, 0.02, 0.5])
def test_a_call_ends_where_another_thread_stops_the_worker(pause: float) -> None:
    """At whatever moment, and not by beginning anew: the child would sleep for ten minutes."""
    with Worker() as worker, ThreadPoolExecutor(1) as threads:
        assert worker.call(children.add, 1, 2, seconds=20.0).result == 3
        call = threads.submit(worker.call, children.emit_then_sleep, 1, 600.0, seconds=600.0)
        while not call.done():
            time.sleep(pause)
            worker.stop()
        assert call.result().killed
        assert worker.call(children.add, 1, 2, seconds=20.0).result == 3


def test_a_child_whose_caller_has_gone_leaves_without_a_word() -> None:
    """An early interrupt closes the pipe while the child is still at its imports."""
    child = subprocess.Popen(
        [sys.executable, "-m", "allocator.backends.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdout.close()
    child.stdin.write(pickle.dumps((children.add, (1, 2))))
    child.stdin.close()
    assert child.stderr is not None
    assert child.stderr.read() == b""
    child.stderr.close()
    assert child.wait() == 1
