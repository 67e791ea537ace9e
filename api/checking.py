"""The checking process: reads one uploaded instance and says what intake found. Run as `python -m api.checking`.

A process of its own, with a limit on memory and (by its parent) on time: whatever is in an upload, the API stays up.
Arguments: folder of the tables, file for quarantine.csv, megabytes. One JSON object on standard output.
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

MEGABYTE = 1 << 20


def main(tables: Path, quarantine: Path, memory_mb: int) -> None:
    """Check and say."""
    resource.setrlimit(resource.RLIMIT_DATA, (memory_mb * MEGABYTE, memory_mb * MEGABYTE))
    from allocator.intake import read_instance, summary_lines
    from allocator.report.safe import write_csv
    from allocator.report.tables import quarantine_table
    from api.solving import the_workbook_or_folder

    try:
        intake = read_instance(the_workbook_or_folder(tables))
    except InputError as error:
        print(json.dumps({"problems": error.problems}))
        return
    except Exception as error:
        # Only where, never what: the text of an unforeseen error may hold somebody's data.
        traceback.print_tb(error.__traceback__)
        raise SystemExit(f"The check ended with an unforeseen {type(error).__name__}.") from None
    write_csv(quarantine_table(intake), quarantine)
    info = intake.instance.info
    found = {
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
            "notices": list(intake.notices),
        },
    }
    print(json.dumps(found))


def check(tables: Path, quarantine: Path, memory_mb: int, seconds: float) -> dict[str, Any]:
    """What intake finds in uploaded tables, from a process of its own. Raises InputError."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", "api.checking", str(tables), str(quarantine), str(memory_mb)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            timeout=seconds,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise InputError(
            [f"Checking the tables took more than {seconds:g} seconds. Maybe split the instance."]
        ) from error
    if done.returncode:
        raise InputError(["The tables could not be checked: reading them took more memory than it may, or failed."])
    found: dict[str, Any] = json.loads(done.stdout)
    if "problems" in found:
        raise InputError(found["problems"])
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
