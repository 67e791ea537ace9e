"""The run folder of the data contract, whole or not at all.

Every file but run.json and trace.csv holds no wall-clock figure: equal runs give equal bytes.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
import json
import os
import platform
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from allocator.answer import Audit, Certificate, Run
from allocator.errors import UsageError
from allocator.instance import Array
from allocator.intake import Intake, write_instance
from allocator.policy import policy_toml
from allocator.report.changes import changes_table
from allocator.report.data_wanted import data_wanted_table
from allocator.report.exports import write_exports
from allocator.report.page import page
from allocator.report.safe import plain_value, write_csv
from allocator.report.sessions import options_of, sessions_table
from allocator.report.summary import summarise
from allocator.report.tables import (
    allocation_table,
    conflicts_table,
    quarantine_table,
    trace_table,
    unplaced_table,
)
from allocator.warm import FILE, memory_arrays
from allocator.why.quick import changes_and_prices

PACKAGES = ("numpy", "pandas", "highspy", "ortools", "pulp")
ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)


def write_run(run: Run, intake: Intake | None, folder: Path, previous: Path | None = None) -> None:
    """Write everything that comes out of a run into `folder`, which must be absent or empty.

    `intake` is what reading the instance found; `previous` the folder of the run before, for changes.csv.
    Raises UsageError where the folder is not empty or `previous` is no run folder; then, as after any
    other error, there is no new folder.
    """
    with new_folder(folder) as draft:
        write_files(run, intake, draft, previous)


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A draft folder beside `folder` that takes its place at the end, or vanishes after an error."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f'"{folder}" is there already and is not empty. Maybe choose another folder for the run.')
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = folder.parent / f".{folder.name}.{os.getpid()}.partial"
    draft.mkdir()
    try:
        yield draft
        os.replace(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def write_files(run: Run, intake: Intake | None, folder: Path, previous: Path | None) -> None:
    """Write every file of a run into an empty folder; run.json, with the hashes of all others, comes last."""
    options = options_of(run)
    changes, prices = changes_and_prices(run, options)
    allocation, sessions = allocation_table(run), sessions_table(run, options)
    wanted = data_wanted_table(run, options)
    summary = summarise(run, intake, sessions, wanted, prices)
    tables = {
        "allocation": allocation,
        "unplaced": unplaced_table(run, changes),
        "quarantine": quarantine_table(intake),
        "conflicts": conflicts_table(run),
        "sessions": sessions,
        "data_wanted": wanted,
        "trace": trace_table(run),
    }
    if previous is not None:
        tables["changes"] = changes_table(run, allocation, previous)
    for name, table in tables.items():
        write_csv(table, folder / f"{name}.csv")
    policy = policy_toml(run.policy)
    write_text(folder / "policy.toml", policy)
    write_exports(run, allocation, folder / "exports", cover(run, policy))
    write_text(folder / "summary.json", json_text(summary))
    write_text(folder / "audit.json", json_text(audit_figures(run.audit)))
    write_text(folder / "report.html", page(summary))
    (folder / "certificate.npz").write_bytes(certificate_bytes(run.certificate))
    (folder / FILE).write_bytes(npz_bytes(memory_arrays(run.memory)))
    write_instance(run.facts.instance, folder / "instance")
    write_text(folder / "run.json", json_text(run_record(run, policy, file_hashes(folder))))


def cover(run: Run, policy: str) -> dict[str, str]:
    """What the cover sheet of every export says about the run."""
    info = run.facts.instance.info
    return {
        "Instance": info.name + (" (people are synthetic)" if info.synthetic else ""),
        "Plan date": info.plan_date.isoformat(),
        "Places from": info.horizon_start.isoformat(),
        "Places to": info.horizon_end.isoformat(),
        "Policy": run.policy.name,
        "Audit": "passed" if run.audit.passed else "FAILED: nothing of this plan may be used",
        "Fingerprint of the instance": run.facts.instance.fingerprint,
        "Fingerprint of the policy": sha256(policy.encode()),
    }


def audit_figures(audit: Audit) -> dict[str, Any]:
    """audit.json: what was checked, what is broken, every goal's value from the tables."""
    return {
        "passed": audit.passed,
        "checked": list(audit.checked),
        "violations": [asdict(violation) for violation in audit.violations],
        "scores": dict(audit.scores),
    }


def run_record(run: Run, policy: str, files: dict[str, str]) -> dict[str, Any]:
    """run.json: what is needed to run it again and to tell whether a file was changed since."""
    return {
        "status": "done" if run.audit.passed else "failed",
        "ending": str(run.ending),
        "fingerprints": {"instance": run.facts.instance.fingerprint, "policy": sha256(policy.encode())},
        "versions": {
            "allocator": importlib.metadata.version("mutual-aid-allocator"),
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in PACKAGES},
        },
        "seed": run.limits.seed,
        "limits": {name: plain_value(value) for name, value in asdict(run.limits).items()},
        "n_options": run.n_options,
        "seconds": {stage: round(seconds, 3) for stage, seconds in run.seconds.items()},
        "peak_megabytes": None if run.peak_megabytes is None else round(run.peak_megabytes, 1),
        "goal_seconds": {goal.label: round(goal.seconds, 3) for goal in run.goals},
        "goal_endings": {goal.label: str(goal.ending) for goal in run.goals},
        "files": files,
    }


def certificate_bytes(certificate: Certificate) -> bytes:
    """certificate.npz."""
    arrays = {
        "scale": np.array(certificate.scale, dtype=np.int64),
        "prices": certificate.prices,
        "held": certificate.held,
        "proven": certificate.proven,
        "by_session": certificate.by_session,
    }
    return npz_bytes(arrays)


def npz_bytes(arrays: Mapping[str, Array]) -> bytes:
    """Arrays as np.load reads them, with fixed times inside, so that equal arrays give equal bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.save(content, array, allow_pickle=False)
            info = zipfile.ZipInfo(f"{name}.npy", ZIP_EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content.getvalue())
    return buffer.getvalue()


def file_hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of every file in a folder and its folders, by relative path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): sha256(path.read_bytes()) for path in files}


def sha256(content: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def json_text(value: Any) -> str:
    """JSON for people and programs: two spaces, real letters, a line break at the end."""
    return json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 with the line breaks as they are."""
    path.write_bytes(text.encode("utf-8"))
