"""What a figure needs beside it: the commit and the machine."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

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
