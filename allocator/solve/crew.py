"""crew: tasks done by the workers of any executor, each once as far as anybody can tell.

A task is a pure function of what it is handed and its result belongs to its key, so it does not matter where it is
done, nor how often: the first result of a key counts. Workers that die take nothing with them: what they had is done
again. At most as many tasks are handed over as there are workers, so that no more of them stand in memory.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from typing import Protocol, TypeVar

Key = tuple[str, int]
"""Run (or stage of one) and part."""

ATTEMPTS = 4
"""How often the workers may die over the same tasks before the run fails."""
HEARD_SECONDS = 0.5
THREADS_OF_A_WORKER = 2
"""A region with two threads takes hardly more memory than with one; two regions at once take twice as much."""


class Task(Protocol):
    """What a worker is handed."""

    @property
    def key(self) -> Key:
        """Names the task: equal keys are the same task."""


T = TypeVar("T", bound=Task)
R = TypeVar("R")


@dataclass(frozen=True)
class Crew:
    """Where tasks are done: `hire` opens an executor with so many workers; it is closed after use."""

    hire: Callable[[], Executor]
    workers: int


def local_crew(workers: int) -> Crew:
    """Processes of this machine, started anew so that nothing is inherited; they leave with whoever started them."""

    def hire() -> Executor:
        return ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=leave_with_parent)

    return Crew(hire, workers)


def crew_for(threads: int) -> Crew | None:
    """Local workers for so many threads; None where one would do, for that the process itself is."""
    workers = threads // THREADS_OF_A_WORKER
    return local_crew(workers) if workers > 1 else None


def leave_with_parent() -> None:
    """In a worker process: leave as soon as who started it is killed; by itself its pool would wait for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_leave_after, args=(parent,), daemon=True).start()


def _leave_after(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)


def done_by(
    crew: Crew, work: Callable[[T], R], tasks: Iterable[T], done: dict[Key, R], heard: Callable[[], None]
) -> None:
    """work(task) for every task, written into `done` by key as it comes. `heard` is called at least every second.

    KeyboardInterrupt drops what is under way and is raised again; what is done stays in `done`. Raises BrokenExecutor
    where workers go on dying, and what `work` raises.
    """
    waiting, again, left = iter(tasks), list[T](), ATTEMPTS
    while True:
        others = multiprocessing.active_children()
        executor = crew.hire()
        under_way: dict[Future[R], T] = {}
        try:
            _work_through(executor, crew.workers, work, again, waiting, under_way, done, heard)
            executor.shutdown()
            return
        except BrokenExecutor:
            executor.shutdown(wait=False)
            left -= 1
            if not left:
                raise
            again += [task for task in under_way.values() if task.key not in done]
        except KeyboardInterrupt:
            executor.shutdown(wait=False)
            # Processes of a pool of our own; what runs elsewhere ends at its own limit.
            for child in multiprocessing.active_children():
                if child not in others:
                    child.terminate()
            raise


def nothing() -> None:
    """Do nothing."""


def _work_through(
    executor: Executor,
    workers: int,
    work: Callable[[T], R],
    again: list[T],
    waiting: Iterator[T],
    under_way: dict[Future[R], T],
    done: dict[Key, R],
    heard: Callable[[], None],
) -> None:
    """Hand over tasks, those to be done again first, and collect results, until nothing is left."""
    while True:
        while len(under_way) < workers:
            task = again.pop() if again else next(waiting, None)
            if task is None:
                break
            again.append(task)  # and there it stays where the executor breaks while it is handed over
            under_way[executor.submit(work, task)] = task
            again.pop()
            del task
            # A pool of processes keeps what it wrote last, a region of gigabytes: a word after it takes its place.
            executor.submit(nothing)
        if not under_way:
            return
        finished, _ = wait(under_way, timeout=HEARD_SECONDS, return_when=FIRST_COMPLETED)
        for future in finished:
            result = future.result()
            done.setdefault(under_way.pop(future).key, result)
        heard()
