"""Every error this package raises on purpose.

AllocatorError
|-- UsageError          wrong name or value given by a person            exit code 2
|-- InputError          the input cannot be run at all; lists all causes exit code 3
|-- ContradictionError  pins, or with --strict bookings, cannot be kept  exit code 4
|-- AuditFailedError    a plan broke a rule; nothing of it may be used   exit code 5
|-- NoPlanError         a limit was reached before any plan stood        exit code 6
`-- CancelledError      stopped by a person before any plan stood        exit code 130

Messages say what was given, what was wanted and, where it can be guessed, "Maybe ...".
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class AllocatorError(Exception):
    """Base of all; `exit_code` is what the command line returns."""

    exit_code = 1


class UsageError(AllocatorError):
    """A name or a value that a person gave is wrong."""

    exit_code = 2


class InputError(AllocatorError):
    """The input cannot be run; `problems` holds every reason, not the first."""

    exit_code = 3

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class ContradictionError(AllocatorError):
    """What is fixed contradicts what is possible."""

    exit_code = 4


class AuditFailedError(AllocatorError):
    """The independent audit found a broken rule or a wrong value."""

    exit_code = 5


class NoPlanError(AllocatorError):
    """A limit was reached before any plan stood."""

    exit_code = 6


class CancelledError(AllocatorError):
    """Stopped by a person before any plan stood."""

    exit_code = 130


def maybe(given: str, known: Iterable[str]) -> str:
    """' Maybe "x".' with the nearest known name, or '' where none is near."""
    near = difflib.get_close_matches(given, list(known), n=1, cutoff=0.6)
    return f' Maybe "{near[0]}".' if near else ""
