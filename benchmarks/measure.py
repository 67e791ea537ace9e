"""What a figure needs beside it: the commit, the machine, and the most memory that was in use."""

from __future__ import annotations

import os
import platform
import subprocess
import threading
from importlib.metadata import version
from pathlib import Path
from types import TracebackType

SAMPLE_SECONDS = 0.1
PROC = Path("/proc")


def commit() -> str:
    """The commit that is measured, "-dirty" behind it where files differ; outside a checkout the version."""
    here = Path(__file__)
    try:
        # An installed copy may lie in somebody else's checkout: only one that tracks this file is meant.
        git("ls-files", "--error-unmatch", here.name, folder=here.parent)
        return git("describe", "--always", "--dirty", folder=here.parent)
    except (OSError, subprocess.CalledProcessError):
        return version("mutual-aid-allocator")


def git(*arguments: str, folder: Path) -> str:
    """What git says; an error where it is not there or says no."""
    found = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True)
    return found.stdout.strip()


def machine() -> str:
    """Cores and model of the processor."""
    model = platform.processor() or platform.machine()
    info = PROC / "cpuinfo"
    if info.is_file():
        named = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if line[:10] == "model name"]
        model = named[0] if named else model
    return f"{os.cpu_count()} x {model}"


class PeakMemory:
    """Within `with`, looks ten times a second how much this process and its children have in memory.

    `megabytes` is the most that was seen; None where the system does not say.
    """

    def __init__(self) -> None:
        self.megabytes: float | None = None
        self._done = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> PeakMemory:
        self._watcher.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._done.set()
        self._watcher.join()

    def _watch(self) -> None:
        while True:
            used = memory_in_use(os.getpid())
            if used is not None:
                self.megabytes = max(used, self.megabytes or 0.0)
            if self._done.wait(SAMPLE_SECONDS):
                return


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
