"""Instances: the seeded generator, the importer of the published NHS figures, and instances to run at once."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from allocator.errors import UsageError, maybe


def names() -> tuple[str, ...]:
    """The shipped instances, by name."""
    return tuple(sorted(folder.name for folder in _root().iterdir() if (folder / "instance.json").is_file()))


def path(name: str) -> Path:
    """The folder of a shipped instance; UsageError where there is none of that name."""
    known = names()
    if name not in known:
        raise UsageError(f'There is no shipped instance "{name}"; there are {", ".join(known)}.{maybe(name, known)}')
    return _root() / name


def _root() -> Path:
    return Path(str(files(__name__)))
