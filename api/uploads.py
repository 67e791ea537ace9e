"""What came in over the network, looked at before anything reads it: a zip of tables, or one workbook.

Nothing is believed: names, sizes and kinds are checked member by member, and bytes are counted as they come out.
"""

from __future__ import annotations

import gzip
import os
import re
import stat
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import IO, cast

from allocator.errors import InputError

MOST_MEMBERS = 500
LONGEST_NAME = 200
USUAL_COMPRESSION = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
CHUNK = 1 << 20
TABLE_SUFFIXES = (".csv", ".csv.gz", ".parquet", ".xlsx")
WORKBOOK_MARK = "[Content_Types].xml"
DECLARED_TYPE = re.compile(rb"<!\s*(DOCTYPE|ENTITY)", re.IGNORECASE)
MACRO_TYPE = re.compile(rb"macroEnabled|macrosheet|vbaProject", re.IGNORECASE)
PROGRAMS = (".bin", ".exe", ".dll", ".js", ".vbs")
DIFFERENT_KINDS = ((b"\xd0\xcf\x11\xe0", "an old Excel file (.xls)"), (b"\x1f\x8b", "a gzip file"), (b"%PDF", "a PDF"))


def unpack(upload: Path, into: Path, most_bytes: int) -> list[str]:
    """Put the tables of an upload into a folder; what was left out is told. Raises InputError, nothing of it kept.

    `into` must exist and be empty. `most_bytes` bounds everything unpacked.
    """
    with upload.open("rb") as file:
        start = file.read(4)
    if not start.startswith(b"PK"):
        found = next((name for mark, name in DIFFERENT_KINDS if start.startswith(mark)), "neither")
        raise InputError([f"The upload is {found}; wanted a zip of tables with instance.json, or an .xlsx workbook."])
    try:
        with zipfile.ZipFile(upload) as archive:
            members = archive.infolist()
            _refuse_dangerous(members)
            if WORKBOOK_MARK in archive.namelist():
                check_workbook(upload, most_bytes)
                upload.replace(into / "instance.xlsx")
                return []
            return _tables(archive, members, into, most_bytes)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, RuntimeError, ValueError) as error:
        # Of an error of the system only what went wrong: its text names folders of this machine.
        told = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise InputError(
            [f"The upload cannot be read as a zip: {told}. Maybe it was cut off on its way: send it again."]
        ) from error


def _refuse_dangerous(members: Iterable[zipfile.ZipInfo]) -> None:
    problems: list[str] = []
    seen: set[str] = set()
    for number, member in enumerate(members):
        shown = repr(member.filename[:100])
        path = PurePosixPath(member.filename)
        if number >= MOST_MEMBERS:
            problems.append(f"The zip holds more than {MOST_MEMBERS} files.")
            break
        if path.is_absolute() or ".." in path.parts or "\\" in member.filename or ":" in member.filename:
            problems.append(f"{shown} names a place outside of the zip; wanted plain file names.")
        if stat.S_ISLNK(member.external_attr >> 16):
            problems.append(f"{shown} is a link; wanted files.")
        if len(member.filename) > LONGEST_NAME:
            problems.append(f"{shown} is a name of more than {LONGEST_NAME} letters; wanted a shorter one.")
        if member.compress_type not in USUAL_COMPRESSION:
            problems.append(f"{shown} is compressed in an unusual way; wanted deflate, as every zip program does it.")
        if member.flag_bits & 1:
            problems.append(f"{shown} is encrypted; wanted a zip without a password.")
        if member.filename.lower() in seen:
            problems.append(f"{shown} stands twice in the zip.")
        seen.add(member.filename.lower())
    if problems:
        raise InputError(problems)


def _tables(archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], into: Path, most_bytes: int) -> list[str]:
    """Unpack the tables, from the top of the zip or from the one folder in it."""
    files = [item for item in members if not item.is_dir() and not _litter(item.filename)]
    folders = {PurePosixPath(item.filename).parent for item in files}
    if not files:
        raise InputError(["The zip is empty; wanted instance.json and tables."])
    if len(folders) > 1:
        shown = ", ".join(sorted(str(folder) for folder in folders)[:5])
        raise InputError([f"The zip holds files in several folders ({shown}); wanted all of them in one."])
    left_out = []
    room = most_bytes
    for member in files:
        name = PurePosixPath(member.filename).name
        if name.lower() != "instance.json" and not name.lower().endswith(TABLE_SUFFIXES):
            left_out.append(f"{name} is no table; left out.")
            continue
        with archive.open(member) as source, (into / name).open("xb") as target:
            room -= _copied(source, target, room, most_bytes)
        if name.lower().endswith(".gz"):
            with gzip.open(into / name) as source, open(os.devnull, "wb") as nowhere:
                room -= _copied(cast(IO[bytes], source), nowhere, room, most_bytes)
        if name.lower().endswith(".xlsx"):
            check_workbook(into / name, most_bytes)
    if len(left_out) == len(files):
        raise InputError(
            [f"The zip holds no tables, but {files[0].filename[:100]!r}; wanted instance.json and tables."]
        )
    return left_out


def _litter(name: str) -> bool:
    path = PurePosixPath(name)
    return path.parts[0] == "__MACOSX" or path.name.startswith((".", "~$"))


def _copied(source: IO[bytes], target: IO[bytes], room: int, most_bytes: int) -> int:
    copied = 0
    while chunk := source.read(CHUNK):
        copied += len(chunk)
        if copied > room:
            raise InputError([f"The upload unpacks to more than {most_bytes:,} bytes, the most that is taken."])
        target.write(chunk)
    return copied


def check_workbook(path: Path, most_bytes: int) -> None:
    """Raises InputError where a workbook has macros, declares entities, or unpacks to more than it may."""
    room = most_bytes
    with zipfile.ZipFile(path) as book:
        _refuse_dangerous(book.infolist())
        for member in book.infolist():
            lowered = member.filename.lower()
            runs = lowered.endswith(PROGRAMS) and "printersettings" not in lowered
            if runs or "macrosheets/" in lowered:
                raise macros(path, member.filename)
            with book.open(member) as source:
                tail = b""
                while chunk := source.read(CHUNK):
                    room -= len(chunk)
                    if room < 0:
                        raise InputError([f"The workbook unpacks to more than {most_bytes:,} bytes."])
                    # UTF-16 puts a zero between the letters.
                    seen = (tail + chunk).replace(b"\0", b"")
                    if lowered.endswith((".xml", ".rels")) and DECLARED_TYPE.search(seen):
                        raise InputError([f"{member.filename[:100]!r} declares entities; no spreadsheet program does."])
                    if member.filename == WORKBOOK_MARK and MACRO_TYPE.search(seen):
                        raise macros(path, member.filename)
                    tail = chunk[-32:]


def macros(path: Path, member: str) -> InputError:
    """The error for a workbook that can do something when it is opened."""
    return InputError([f"{path.name} holds macros ({member[:100]!r}). Save it as .xlsx without."])
