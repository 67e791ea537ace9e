"""What the tests let a child process do; a child imports these by name."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Emit = Callable[..., None]


def add(a: int, b: int, emit: Emit) -> int:
    return a + b


def whereabouts(emit: Emit) -> tuple[int, int, int]:
    """Process, group and terminal session of the child."""
    return os.getpid(), os.getpgid(0), os.getsid(0)


def emit_then_sleep(n: int, seconds: float, emit: Emit) -> str:
    for number in range(n):
        emit(np.full(3, number), -number)
    time.sleep(seconds)
    return "slept"


def start_a_child_then_sleep(seconds: float, emit: Emit) -> None:
    grandchild = subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({seconds})"])
    emit(os.getpid(), grandchild.pid)
    time.sleep(seconds)


def raise_an_error(emit: Emit) -> None:
    raise ValueError("the matrix has 3 rows; 4 were wanted")


def print_everywhere(emit: Emit) -> str:
    """As native code does: past Python's own streams too."""
    print("to standard output")
    sys.stdout.flush()
    os.write(1, b"straight to descriptor 1\n")
    emit("between", None)
    subprocess.run(["echo", "from a program that was started"], check=True)
    return "done"


def die(emit: Emit) -> None:
    emit("last words", None)
    os._exit(7)


def large(n: int, emit: Emit) -> Any:
    return np.arange(n)


def resident_megabytes(emit: Emit) -> float:
    """What this process has in memory."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024
