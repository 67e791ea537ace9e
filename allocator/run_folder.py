"""What stands in a run folder, read back: the accepted tables, the policy, the plan. No solver.

Writing is the business of `allocator.report`; the formats are those of the data contract.
"""

from __future__ import annotations

import hashlib
import io
import json
import lzma
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet
from pydantic import ValidationError

from allocator import schema
from allocator.answer import Memory
from allocator.errors import InputError, UsageError
from allocator.instance import Instance, InstanceInfo
from allocator.policy import Catalogue, Policy, read_policy
from allocator.report.safe import read_csv
from allocator.warm import FILE, memory_from

DAMAGED = (
    *(LookupError, ValueError, TypeError),
    *(OSError, EOFError, MemoryError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError),
)
"""What numpy lets through from a damaged file of arrays: what it says, how it ends, how it is packed."""
LARGEST_BYTES = 1 << 30
"""Of a prices file once unpacked."""
CONTENTS = (
    "allocation.csv",
    "unplaced.csv",
    "quarantine.csv",
    "conflicts.csv",
    "sessions.csv",
    "data_wanted.csv",
    "exports",
    "summary.json",
    "audit.json",
    "trace.csv",
    "run.json",
    "certificate.npz",
    "prices.npz",
    "instance",
    "policy.toml",
    "report.html",
)
"""What every run folder holds; changes.csv is there only where a previous run was given."""


def stored_instance(run_folder: Path) -> Instance:
    """The accepted rows of a run, from its `instance/` folder. Raises InputError with every problem."""
    folder = run_folder / "instance"
    if not folder.is_dir():
        raise InputError([f"{folder} is not there. Maybe {run_folder} is not a run folder."])
    problems: list[str] = []
    frames: dict[str, pd.DataFrame] = {}
    for table in schema.TABLES:
        path = folder / f"{table.name}.parquet"
        try:
            frames[table.name] = pyarrow.parquet.read_table(path).to_pandas()
        except FileNotFoundError:
            problems += [f"{path} is not there; wanted: the accepted rows of {table.name}."] if table.required else []
        except (pyarrow.ArrowException, OSError) as error:
            problems.append(f"{path} cannot be read as Parquet: {error}")
    info: InstanceInfo | None = None
    try:
        info = InstanceInfo.model_validate_json((folder / "instance.json").read_bytes())
    except FileNotFoundError:
        problems.append(f"{folder / 'instance.json'} is not there.")
    except ValidationError as error:
        problems.append(f"{folder / 'instance.json'} cannot be read: {error}")
    if info is None or problems:
        raise InputError(problems)
    try:
        return Instance.from_frames(info, frames)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError([f"{folder}: the tables are not as they were written: {error}"]) from error


def stored_table(run_folder: Path, name: str, wanted: tuple[str, ...]) -> pd.DataFrame:
    """One CSV file of a run, every cell as text. Raises InputError where it, or a wanted column, is missing."""
    path = run_folder / name
    try:
        frame = read_csv(path)
    except FileNotFoundError as error:
        raise InputError([f"{path} is not there. Maybe {run_folder} is not a run folder."]) from error
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise InputError([f"{path} cannot be read as CSV: {error}"]) from error
    missing = [column for column in wanted if column not in frame]
    if missing:
        raise InputError([f"{path} has no column {', '.join(missing)}; it has {', '.join(frame.columns)}."])
    return frame


def stored_json(run_folder: Path, name: str, hint: str = "") -> dict[str, Any]:
    """One JSON file of a run. Raises InputError, with this hint, where it is missing or no JSON object."""
    path = run_folder / name
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise InputError([f"{path} is not there. Maybe {run_folder} is not a run folder."]) from error
    except ValueError as error:
        raise InputError([f"{path} is not JSON: {error}.{hint}"]) from error
    if not isinstance(value, dict):
        raise InputError([f"{path}: given a {type(value).__name__}, wanted a JSON object.{hint}"])
    return value


def stored_policy(run_folder: Path, catalogue: Catalogue) -> Policy:
    """The policy that a run was made under. Raises InputError where it is missing or no policy."""
    path = run_folder / "policy.toml"
    try:
        return read_policy(catalogue, path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError([f"{path} is not there. Maybe {run_folder} is not a run folder."]) from error
    except (UnicodeDecodeError, UsageError) as error:
        raise InputError([f"{path} cannot be read: {error}"]) from error


def refuse_changed(run_folder: Path) -> None:
    """InputError where a run failed, or what a next one begins from is not as it was written."""
    record = stored_json(run_folder, "run.json")
    hint = "Maybe run without --previous."
    if record.get("status") != "done":
        raise InputError([f"{run_folder} is marked {record.get('status')}: nothing of it may be used. {hint}"])
    for name in ("allocation.csv", FILE):
        path, wanted = run_folder / name, record.get("files", {}).get(name)
        if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() != wanted:
            raise InputError([f"{path} was changed after the run. {hint}"])


def stored_memory(run_folder: Path) -> Memory:
    """The memory that a run folder holds. Raises InputError where it cannot be read."""
    table = stored_table(run_folder, "allocation.csv", ("entry_id", "session_id"))
    pairs = tuple(zip(table["entry_id"].tolist(), table["session_id"].tolist(), strict=True))
    path = run_folder / FILE
    if not path.is_file():
        return Memory(pairs)
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(item.file_size for item in archive.infolist()) > LARGEST_BYTES:
                raise InputError([f"{path} is larger than {LARGEST_BYTES >> 20} MiB unpacked. Maybe it is damaged."])
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in arrays.files}
        return memory_from(pairs, found)
    except DAMAGED as error:
        raise InputError([f"{path} cannot be read: {error}. Maybe run without --previous."]) from error
