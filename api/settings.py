"""What a person may set on the command line, checked before anything heavy is imported."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

USUAL_SECONDS = 120.0


class Backend(StrEnum):
    """Solvers that can be named."""

    AUTO = "auto"
    HIGHS = "highs"
    CPSAT = "cpsat"
    SCIP = "scip"
    CBC = "cbc"


class Size(StrEnum):
    """Sizes of generated instances."""

    S = "S"
    M = "M"
    L = "L"
    XL = "XL"


class ExportFormat(StrEnum):
    """Formats of an exported model."""

    LP = "lp"
    MPS = "mps"


@dataclass(frozen=True)
class Cohort:
    """Options of `allocator import-nhs`: whom to take from the published figures, and how much room they get."""

    weeks: int
    month: str
    seed: int
    population: int
    capacity_share: float | None


@dataclass(frozen=True)
class Settings:
    """Options of `allocator run`."""

    policy: Path | None = None
    changes: tuple[str, ...] = ()
    previous: Path | None = None
    seconds: float | None = None
    work: int | None = None
    seed: int = 0
    threads: int | None = None
    strict: bool = False
    backend: Backend = Backend.AUTO
    executor: str = "local"

    @property
    def time_limit(self) -> float:
        """Seconds from options to audited plan: as given; with `work` alone there is none."""
        if self.seconds is not None:
            return self.seconds
        return USUAL_SECONDS if self.work is None else math.inf

    @property
    def cores(self) -> int:
        """Threads as given, or what the machine has."""
        return self.threads or os.cpu_count() or 1
