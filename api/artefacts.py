"""The folder of instances and results, which all workers share: what is where, and how it gets there whole.

instances/ID/tables/     the tables as they were uploaded, or one workbook
runs/ID/TOKEN/           the result of the claim with that token
drafts/                  what is being written; nothing in it counts
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DRAFT_SECONDS = 24 * 3600.0


def instance_folder(artefacts: Path, instance_id: str) -> Path:
    """The uploaded files of an instance."""
    return artefacts / "instances" / instance_id / "tables"


def the_workbook_or_folder(folder: Path) -> Path:
    """What intake reads: the one workbook, or the folder of tables."""
    workbooks = sorted(folder.glob("*.xlsx"))
    return workbooks[0] if workbooks and len(list(folder.iterdir())) == 1 else folder


def result_name(job_id: str, token: int) -> str:
    """The result of one claim of a job, relative to the artefacts: no two claims share a folder."""
    return f"runs/{job_id}/{token}"


@contextmanager
def draft_folder(artefacts: Path) -> Iterator[Path]:
    """A folder to work in that is gone afterwards; on the same disk, so that it can be moved into place."""
    drafts = artefacts / "drafts"
    drafts.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=drafts, ignore_cleanup_errors=True) as name:
        yield Path(name)


def tidy(artefacts: Path) -> None:
    """Remove drafts that a killed process left behind: those that nobody touched for a day."""
    oldest = time.time() - DRAFT_SECONDS
    for draft in (artefacts / "drafts").glob("*"):
        if draft.stat().st_mtime < oldest:
            take_away(draft)


def put_in_place(draft: Path, target: Path) -> None:
    """Move a finished folder to where it is looked for, in one step."""
    target.parent.mkdir(parents=True, exist_ok=True)
    for path in draft.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
    os.replace(draft, target)


def take_away(folder: Path) -> None:
    """Remove a folder that nothing refers to."""
    shutil.rmtree(folder, ignore_errors=True)


def keep_alone(folder: Path) -> None:
    """Remove what earlier and interrupted attempts left beside a result that is recorded."""
    for other in folder.parent.iterdir() if folder.parent.is_dir() else ():
        if other != folder:
            take_away(other)
