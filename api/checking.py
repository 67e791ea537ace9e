"""The checking process: unpacks one upload, reads it, says what intake found. Run as `python -m api.checking`.

A process of its own, with a limit on memory and (by its parent) on time: whatever is in an upload, the API stays up.
Arguments: the upload, a folder for tables/ and quarantine.csv, bytes unpacked at most, megabytes of memory.
One JSON object on standard output.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

from allocator.errors import InputError
from api.uploads import unpack

MEGABYTE = 1 << 20
LONGEST_NAME = 500


def main(upload: Path, into: Path, most_bytes: int, memory_mb: int) -> None:
    """Check and say."""
    resource.setrlimit(resource.RLIMIT_DATA, (memory_mb * MEGABYTE, memory_mb * MEGABYTE))
    try:
        found = checked(upload, into, most_bytes)
    except InputError as error:
        found = {"problems": error.problems}
    except Exception as error:
        # Only where, never what: the text of an unforeseen error may hold somebody's data.
        traceback.print_tb(error.__traceback__)
        raise SystemExit(f"The check ended with an unforeseen {type(error).__name__}.") from None
    print(json.dumps(found))


def checked(upload: Path, into: Path, most_bytes: int) -> dict[str, Any]:
    """Put the tables and quarantine.csv into a folder; what intake found. Raises InputError."""
    (into / "tables").mkdir()
    left_out = unpack(upload, into / "tables", most_bytes)
    # Only now: most of what is refused needs none of it.
    from allocator.intake import read_instance, summary_lines
    from allocator.report.safe import write_csv
    from allocator.report.tables import quarantine_table
    from api.artefacts import the_workbook_or_folder

    intake = read_instance(the_workbook_or_folder(into / "tables"))
    info = intake.instance.info
    if len(info.name) > LONGEST_NAME or "\0" in info.name:
        raise InputError([f'instance.json: "name" is no text of at most {LONGEST_NAME} letters.'])
    write_csv(quarantine_table(intake), into / "quarantine.csv")
    return {
        "name": info.name,
        "plan_date": info.plan_date.isoformat(),
        "fingerprint": intake.instance.fingerprint,
        "report": {
            "lines": summary_lines(intake),
            "rows_read": dict(intake.rows_read),
            "rows_accepted": dict(intake.rows_accepted),
            "emergencies": len(intake.emergencies),
            "held": int(intake.instance.column("patients", "held").sum()),
            "quarantine_rows": len(intake.quarantine),
            "notices": [*intake.notices, *left_out],
        },
    }


def check(upload: Path, into: Path, most_bytes: int, memory_mb: int, seconds: float) -> dict[str, Any]:
    """What intake finds in an upload, from a process of its own that unpacks it. Raises InputError."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", "api.checking", str(upload), str(into), str(most_bytes), str(memory_mb)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            timeout=seconds,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise InputError(
            [f"Checking the upload took more than {seconds:g} seconds. Maybe split the instance."]
        ) from error
    if done.returncode:
        raise InputError(["The upload could not be checked: reading it took more memory than it may, or failed."])
    found: dict[str, Any] = json.loads(done.stdout)
    if "problems" in found:
        raise InputError(found["problems"])
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
