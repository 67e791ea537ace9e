"""How much memory was in use at most, by this process and all that it started."""

from __future__ import annotations

import os
import resource
import sys
import threading
from pathlib import Path
from types import TracebackType

SAMPLE_SECONDS = 0.1
PROC = Path("/proc")


class PeakMemory:
    """Within `with`, looks ten times a second how much this process and its children have in memory.

    `megabytes` is the most that was seen. Where this process alone held more between two looks, it is that; where the
    system has no /proc it is what this process, and its largest child, ever held.
    """

    def __init__(self) -> None:
        self.megabytes = 0.0
        self._done = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> PeakMemory:
        self._before = ever_held(resource.RUSAGE_SELF)
        self._watcher.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._done.set()
        self._watcher.join()
        own = ever_held(resource.RUSAGE_SELF)
        if not self.megabytes:
            self.megabytes = own + ever_held(resource.RUSAGE_CHILDREN)
        elif own > self._before:
            self.megabytes = max(self.megabytes, own)

    def _watch(self) -> None:
        while True:
            self.megabytes = max(self.megabytes, memory_in_use(os.getpid()) or 0.0)
            if self._done.wait(SAMPLE_SECONDS):
                return


def ever_held(who: int) -> float:
    """The most megabytes that this process, or its largest child that has ended, ever had in memory."""
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return resource.getrusage(who).ru_maxrss / unit


def memory_in_use(process: int) -> float | None:
    """Megabytes in memory of a process and all that it started; None where it is gone or the system has no /proc."""
    folder = PROC / str(process)
    try:
        status = (folder / "status").read_text()
        children = [
            int(child) for task in (folder / "task").iterdir() for child in (task / "children").read_text().split()
        ]
    except (FileNotFoundError, ProcessLookupError):
        return None
    own = next((int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS:")), 0.0)
    return own + sum(memory_in_use(child) or 0.0 for child in children)
