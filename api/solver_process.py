"""The worker's end of a solving process: start it, give it a job, hear from it, stop it."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import Any

STOP_SECONDS = 3.0
"""How long a solving process has to stop the solvers it started before it is killed."""


class SolverProcess:
    """One process at a time, replaced when it died, was stopped, or has done its share of jobs."""

    def __init__(self, jobs_per_process: int) -> None:
        self._jobs_per_process = jobs_per_process
        self._done = 0
        self._child: subprocess.Popen[bytes] | None = None
        self._messages: queue.Queue[Mapping[str, Any]] = queue.Queue()

    def give(self, spec: Mapping[str, Any]) -> None:
        """Start a job."""
        if self._done >= self._jobs_per_process:
            self.stop()
        self.ready()
        assert self._child is not None
        assert self._child.stdin is not None
        self._done += 1
        # A process that died since is found out by its last message.
        with contextlib.suppress(BrokenPipeError):
            self._child.stdin.write(json.dumps(spec).encode("utf-8") + b"\n")
            self._child.stdin.flush()

    def ready(self) -> None:
        """Have a process that waits for a job: its imports take seconds."""
        if self._child is not None and self._child.poll() is None:
            return
        self.stop()
        self._child = subprocess.Popen(
            [sys.executable, "-m", "api.solving"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C reaches the worker alone
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        self._done = 0
        self._messages = queue.Queue()
        threading.Thread(target=_listen, args=(self._child, self._messages), daemon=True).start()

    def heard(self, seconds: float) -> list[Mapping[str, Any]]:
        """What it said, waiting so long for a first message; the last of a dead process is {"event": "died"}."""
        said = []
        with contextlib.suppress(queue.Empty):
            said.append(self._messages.get(timeout=seconds))
            while True:
                said.append(self._messages.get_nowait())
        return said

    def interrupt(self) -> None:
        """Ask it to stop the job at the next safe point; asking again does no harm."""
        if self._child is not None and self._child.poll() is None:
            self._child.send_signal(signal.SIGINT)

    def stop(self) -> None:
        """End the process, and through it the solvers that it started."""
        if self._child is None:
            return
        self._child.terminate()
        try:
            self._child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        for stream in (self._child.stdin, self._child.stdout):
            with contextlib.suppress(BrokenPipeError):
                if stream is not None:
                    stream.close()
        self._child = None


def _listen(child: subprocess.Popen[bytes], messages: queue.Queue[Mapping[str, Any]]) -> None:
    assert child.stdout is not None
    for line in child.stdout:
        if line.endswith(b"\n"):  # the last line of a killed process may be half a one
            messages.put(json.loads(line))
    messages.put({"event": "died"})
