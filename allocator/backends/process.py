"""Worker: a child process for native solvers, killed when it overruns its limit.

Solvers were seen to run minutes past their own limits and not to answer an interrupt. So the parent
keeps every incumbent that the child sends, and when the time is over it kills the child and goes on with
the best that came. A new child takes its place at the next call. Starting one takes half a second: a few
that nobody uses any more wait for the next worker of the same process.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, TypeVar

from allocator.answer import silent
from allocator.backends.worker import received

P = ParamSpec("P")
T = TypeVar("T")

GRACE_SECONDS = 0.5
TICK_SECONDS = 0.2
STARTUP_SECONDS = 30.0
"""A child that has not read its call by then never will."""
MOST_IDLE = 2
"""Children that wait for the next worker, at most."""


@dataclass(frozen=True)
class Outcome:
    """What came back: `result` is None where the child was killed or died."""

    result: Any
    incumbents: tuple[Any, ...]
    killed: bool


class WorkerFailedError(RuntimeError):
    """The function in the child raised; the text is its traceback."""


@dataclass(eq=False)
class Child:
    """A process that waits for calls, and what it says. `served`: it has begun a call."""

    process: subprocess.Popen[bytes]
    messages: queue.Queue[tuple[str, Any]]
    served: bool = False

    @classmethod
    def started(cls) -> Child:
        """A new one."""
        one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        process = subprocess.Popen(
            [sys.executable, "-m", "allocator.backends.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # Its own session: Ctrl-C reaches the parent alone, which decides what is kept.
            start_new_session=True,
            env={**os.environ, **one_thread, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        messages: queue.Queue[tuple[str, Any]] = queue.Queue()
        threading.Thread(target=_listen, args=(process, messages), daemon=True).start()
        return cls(process, messages)

    @property
    def is_alive(self) -> bool:
        """Could it be called."""
        return self.process.poll() is None

    def stop(self) -> None:
        """Kill it and everything that it started."""
        with contextlib.suppress(ProcessLookupError):  # it may end by itself, and be buried, meanwhile
            if self.is_alive:
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                _close(stream)


_idle: list[Child] = []


@atexit.register
def stop_idle() -> None:
    """Kill the children that wait; the next worker starts its own."""
    while _idle:
        _idle.pop().stop()


# What another process started is not this one's to call.
os.register_at_fork(after_in_child=_idle.clear)


class Worker:
    """One child at a time, started when first needed, or taken from those that wait."""

    def __init__(self) -> None:
        self._child: Child | None = None
        self._stops = 0
        self.tick: Callable[[], None] = silent
        """Called a few times a second while a call is awaited, by the thread that awaits it."""

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._child is not None and kind is None and self._child.is_alive and len(_idle) < MOST_IDLE:
            _idle.append(self._child)
            self._child = None
        self.stop()

    def call(
        self, function: Callable[..., Any], *arguments: Any, seconds: float, heard: Callable[..., None] | None = None
    ) -> Outcome:
        """function(*arguments, emit) in the child; killed `seconds` (and a short grace) from now.

        `heard` is called with every incumbent as it comes. Raises WorkerFailedError if the function did.
        """
        incumbents: list[Any] = []
        stops = self._stops
        try:
            # Whatever interrupts this, from the first byte of the call, ends the child: it would answer somebody else.
            child = self._running()
            if self._stops != stops:  # by another thread, while the child began
                self.stop()
                return Outcome(None, (), killed=True)
            stdin = child.process.stdin
            assert stdin is not None
            deadline = time.monotonic() + seconds + GRACE_SECONDS + STARTUP_SECONDS
            try:
                pickle.dump((function, arguments), stdin, protocol=pickle.HIGHEST_PROTOCOL)
                stdin.flush()
            except (BrokenPipeError, ValueError) as error:
                # Of a child that was killed, whose end is heard below; a closed pipe where another thread stopped it.
                if isinstance(error, ValueError) and self._stops == stops:
                    raise
            begun = False
            while True:
                kind, payload = self._next(child, deadline)
                if kind == "started":
                    begun = child.served = True
                    deadline = time.monotonic() + seconds + GRACE_SECONDS
                elif kind == "incumbent":
                    incumbents.append(payload)
                    if heard is not None:
                        heard(*payload)
                elif kind == "failed":
                    raise WorkerFailedError(payload)
                elif kind == "done":
                    return Outcome(payload, tuple(incumbents), killed=False)
                elif child.served and not begun and self._stops == stops:
                    # It was killed before this call; the system may take a while until that is seen.
                    self.stop()
                    return self.call(function, *arguments, seconds=seconds, heard=heard)
                else:
                    self.stop()
                    return Outcome(None, tuple(incumbents), killed=True)
        except queue.Empty:
            self.stop()
            return Outcome(None, tuple(incumbents), killed=True)
        except BaseException:
            self.stop()
            raise

    def _next(self, child: Child, deadline: float) -> tuple[str, Any]:
        """The next message, ticking until it is there; queue.Empty once the deadline is over."""
        while True:
            left = max(0.0, deadline - time.monotonic())
            try:
                return child.messages.get(timeout=min(left, TICK_SECONDS))
            except queue.Empty:
                if left <= TICK_SECONDS:
                    raise
            self.tick()

    def stop(self) -> None:
        """Kill the child and everything that it started; a call that another thread awaits ends."""
        self._stops += 1
        child, self._child = self._child, None
        if child is not None:
            child.stop()

    def _running(self) -> Child:
        child = self._child  # another thread may stop it meanwhile
        if child is None or not child.is_alive:
            if child is not None:
                child.stop()
            child = self._child = _waiting() or Child.started()
        return child


def _waiting() -> Child | None:
    """A child that waits to be called, if one still lives."""
    with contextlib.suppress(IndexError):  # another thread may take the last
        while True:
            child = _idle.pop()
            if child.is_alive:
                return child
            child.stop()
    return None


class Pool:
    """A thread a worker: functions are called with a worker that nobody else uses meanwhile."""

    def __init__(self, threads: ThreadPoolExecutor, workers: Sequence[Worker]) -> None:
        self._threads = threads
        self._idle: queue.SimpleQueue[Worker] = queue.SimpleQueue()
        for worker in workers:
            self._idle.put(worker)

    def submit(self, function: Callable[Concatenate[Worker, P], T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """function(worker, ...) as soon as a worker is idle."""

        def call() -> T:
            worker = self._idle.get()
            try:
                return function(worker, *args, **kwargs)
            finally:
                self._idle.put(worker)

        return self._threads.submit(call)


def awaited(future: Future[T], heard: Callable[[], None]) -> T:
    """The future's result; `heard` is called a few times a second until it is there."""
    while not future.done():
        wait([future], TICK_SECONDS)
        heard()
    return future.result()


@contextlib.contextmanager
def side_by_side(workers: Sequence[Worker]) -> Iterator[Pool]:
    """Threads to call these workers from; what they wait for is killed where this thread is interrupted meanwhile."""
    with ThreadPoolExecutor(len(workers)) as threads:
        try:
            yield Pool(threads, workers)
        except BaseException:
            for worker in workers:
                worker.stop()
            raise


def _listen(process: subprocess.Popen[bytes], messages: queue.Queue[tuple[str, Any]]) -> None:
    assert process.stdout is not None
    try:
        while (message := received(process.stdout)) is not None:
            messages.put(message)
    except (pickle.UnpicklingError, ValueError, OSError):
        # A killed child leaves half a message, or a closed pipe: the same as its end.
        pass
    messages.put(("ended", None))


def _close(stream: Any) -> None:
    # What was still buffered for a killed child is not wanted any more.
    with contextlib.suppress(BrokenPipeError):
        stream.close()
