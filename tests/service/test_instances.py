"""Uploads: what is taken, and a clear problem, with nothing written, for whatever is hostile or broken."""

from __future__ import annotations

import gzip
import io
import json
import re
import shutil
import struct
import threading
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from starlette.testclient import TestClient

from allocator.errors import InputError
from api.checking import check
from api.http.access import Service
from api.service_settings import ServiceSettings
from api.store.tables import instances
from api.uploads import MOST_MEMBERS, unpack
from instances import path
from tests.service.sample import Keys, as_workbook, with_key, zip_of

INFO = '{"name": "x", "plan_date": "2026-02-02", "horizon_start": "2026-02-03", "horizon_end": "2026-02-27"}'
SHEET = '<?xml version="1.0"?><worksheet/>'


def zipped(files: dict[str, bytes | str], change: Callable[[zipfile.ZipInfo], None] = lambda _: None) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo("placeholder")
            info.filename = name
            info.compress_type = zipfile.ZIP_DEFLATED
            change(info)
            archive.writestr(info, content)
    return buffer.getvalue()


def as_link(info: zipfile.ZipInfo) -> None:
    info.external_attr = 0o120777 << 16


def in_lzma(info: zipfile.ZipInfo) -> None:
    info.compress_type = zipfile.ZIP_LZMA


def parquet(**columns: pa.Array) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def ten_million_rows() -> bytes:
    """In a few kilobytes: the same row again and again."""
    same = pa.DictionaryArray.from_arrays(pa.array(bytearray(10_000_000), pa.int8()), ["e1"])
    return parquet(entry_id=same)


def encrypted(content: bytes) -> bytes:
    """The same zip with the flag of a password set in both headers."""
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.index(mark) + offset
        content = content[:at] + struct.pack("<H", 1) + content[at + 2 :]
    return content


def workbook(**files: str) -> bytes:
    return zipped({"[Content_Types].xml": "<Types/>", "xl/workbook.xml": SHEET, **files})


BILLION_LAUGHS = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><worksheet>&b;</worksheet>'
HOSTILE = {
    "nothing": (b"", "is empty"),
    "text": (b"hello", "wanted a zip of tables"),
    "old Excel": (b"\xd0\xcf\x11\xe0" + bytes(600), "an old Excel file"),
    "gzip": (b"\x1f\x8b" + bytes(20), "a gzip file"),
    "cut off": (zipped({"instance.json": INFO, "patients.csv": "a,b\n" * 9_000})[:-40], "cut off on its way"),
    "bad bytes": (zipped({"instance.json": INFO})[:60] + bytes(5) + zipped({"instance.json": INFO})[65:], "zip"),
    "empty zip": (zipped({}), "cannot be read as a zip|is empty"),
    "bomb": (zipped({"instance.json": INFO, "patients.csv": bytes(3_000_000)}), "unpacks to more than 2,000,000 bytes"),
    "bomb in a workbook": (workbook(**{"xl/big.xml": "x" * 3_000_000}), "unpacks to more than 2,000,000 bytes"),
    "parent": (zipped({"../patients.csv": "x"}), "outside of the zip"),
    "absolute": (zipped({"/etc/patients.csv": "x"}), "outside of the zip"),
    "backslash": (zipped({"..\\patients.csv": "x"}), "outside of the zip"),
    "drive": (zipped({"C:patients.csv": "x"}), "outside of the zip"),
    "link": (zipped({"patients.csv": "/etc/passwd"}, as_link), "is a link"),
    "password": (encrypted(zipped({"patients.csv": "x"})), "is encrypted"),
    "twice": (zipped({"patients.csv": "x", "PATIENTS.csv": "x"}), "stands twice"),
    "too many": (zipped({f"{n}.csv": "" for n in range(MOST_MEMBERS + 1)}), f"more than {MOST_MEMBERS} files"),
    "no tables": (zipped({"a.txt": "x"}), "holds no tables, but 'a.txt'"),
    "folders": (zipped({"a/instance.json": INFO, "b/patients.csv": "x"}), "in several folders"),
    "macros": (workbook(**{"xl/vbaProject.bin": "x"}), "holds macros"),
    "entities": (workbook(**{"xl/worksheets/sheet1.xml": BILLION_LAUGHS}), "declares entities"),
    "program": (zipped({"run.exe": "MZ"}), "holds no tables, but 'run.exe'"),
    "macro sheets": (workbook(**{"xl/macrosheets/sheet1.xml": SHEET}), "holds macros"),
    "macros by type": (
        zipped({"[Content_Types].xml": "<x>application/vnd.ms-excel.sheet.macroEnabled.main+xml</x>", "xl/a.xml": ""}),
        "holds macros",
    ),
    "unusual compression": (zipped({"patients.csv": "x"}, in_lzma), "compressed in an unusual way"),
    "long name": (zipped({"a" * 300 + ".csv": "x"}), "more than 200 letters"),
    "name that is no text": (
        zipped({"\u00e9.csv": "x"}).replace("\u00e9".encode(), b"\xff\xfe"),
        "cannot be read as a zip",
    ),
    "bomb in gzip": (
        zipped({"instance.json": INFO, "patients.csv.gz": gzip.compress(bytes(3_000_000))}),
        "unpacks to more than 2,000,000 bytes",
    ),
    "gzip cut off": (
        zipped({"instance.json": INFO, "patients.csv.gz": gzip.compress(b"entry_id\n" * 900)[:-20]}),
        "cut off on its way",
    ),
    "ten million rows in Parquet": (
        zipped({"instance.json": INFO, "patients.parquet": ten_million_rows()}),
        "more than 2,000,000 rows",
    ),
    "Parquet cut off": (
        zipped({"instance.json": INFO, "patients.parquet": parquet(entry_id=pa.array(["e1"] * 99))[:-30]}),
        "cannot be read as Parquet",
    ),
    "lists in Parquet": (
        zipped({"instance.json": INFO, "patients.parquet": parquet(entry_id=pa.array([[1], [2]]))}),
        "holds lists",
    ),
    "workbook cut off": (
        zipped({"instance.json": INFO, "all.xlsx": workbook()[:-30]}),
        "cannot be read as a zip",
    ),
    "no workbook within": (workbook(), "cannot be read as an Excel workbook"),
    "bytes that are no table": (
        zipped({"instance.json": INFO, "patients.csv": bytes(range(256)) * 9}),
        "patients",
    ),
    "JSON cut off": (zipped({"instance.json": INFO[:30], "patients.csv": "x"}), "cannot be read as JSON"),
    "JSON of the wrong kind": (zipped({"instance.json": "[1]", "patients.csv": "x"}), "holds a list"),
    "JSON too deep": (zipped({"instance.json": "[" * 90_000, "patients.csv": "x"}), "cannot be read as JSON"),
    "a number for a date": (
        zipped({"instance.json": INFO.replace('"2026-02-02"', "5e300"), "patients.csv": "x"}),
        '"plan_date" is',
    ),
    "macros in a zipped workbook": (
        zipped({"instance.json": INFO, "all.xlsx": workbook(**{"xl/vbaProject.bin": "x"})}),
        "holds macros",
    ),
}


def files_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def small_service(service: Service) -> Service:
    """A service that unpacks two megabytes at most."""
    settings = ServiceSettings(data=service.settings.data, max_unpacked_mb=2, max_upload_mb=1)
    return Service(settings, service.database)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_upload_is_refused_with_a_reason_and_nothing_is_written(
    name: str, small_service: Service, client: TestClient, keys: Keys
) -> None:
    client.app.state.service = small_service  # type: ignore[attr-defined]
    content, why = HOSTILE[name]
    found = client.post("/v1/instances", content=content, headers=with_key(keys.hub))
    assert found.status_code == 422, found.text
    assert found.headers["content-type"] == "application/problem+json"
    assert re.search(why, found.json()["detail"])
    assert files_in(small_service.settings.artefact_folder) == []
    with small_service.database.read() as connection:
        assert connection.execute(select(func.count()).select_from(instances)).scalar_one() == 0
    assert client.get("/ready").status_code == 200


SOUND = zipped(
    {
        "instance.json": INFO,
        "patients.csv": "entry_id\ne1\n" * 9,
        "beds.csv.gz": gzip.compress(b"site_code\nRAA01\n" * 9),
        "all.xlsx": workbook(),
    }
)


@settings(max_examples=300, deadline=None)
@given(
    damage=st.lists(st.tuples(st.integers(0, len(SOUND) - 1), st.binary(min_size=1, max_size=4)), max_size=4),
    length=st.integers(0, len(SOUND)),
)
def test_a_damaged_zip_is_refused_or_read_and_never_breaks_the_reader(
    damage: list[tuple[int, bytes]], length: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = bytearray(SOUND)
    for at, given_bytes in damage:
        content[at : at + len(given_bytes)] = given_bytes
    folder = tmp_path_factory.mktemp("damaged")
    (folder / "upload").write_bytes(content[:length] if length % 2 else content)
    (folder / "into").mkdir()
    told = ""
    try:
        unpack(folder / "upload", folder / "into", 1_000_000)
    except InputError as error:
        told = str(error)
    assert str(folder) not in told
    shutil.rmtree(folder)


@pytest.mark.parametrize("told", [True, False])
def test_an_upload_that_is_too_large_is_refused_as_it_comes(
    told: bool, small_service: Service, client: TestClient, keys: Keys
) -> None:
    client.app.state.service = small_service  # type: ignore[attr-defined]
    content = bytes(1_000_001)
    body: Any = content if told else iter([content[:600_000], content[600_000:]])
    found = client.post("/v1/instances", content=body, headers=with_key(keys.hub))
    assert (found.status_code, found.json()["title"]) == (413, "Request Entity Too Large")
    assert files_in(small_service.settings.artefact_folder) == []


def test_entities_in_two_byte_letters_are_found_too(tmp_path: Path) -> None:
    upload = tmp_path / "upload"
    upload.write_bytes(zipped({"[Content_Types].xml": b"", "xl/a.xml": BILLION_LAUGHS.encode("utf-16")}))
    (tmp_path / "into").mkdir()
    with pytest.raises(InputError, match="declares entities"):
        unpack(upload, tmp_path / "into", 10_000)


def test_files_that_are_no_tables_are_left_out_and_told(tmp_path: Path) -> None:
    upload = tmp_path / "upload"
    files = {"in/instance.json": INFO, "in/patients.csv": "x", "in/run.exe": "x", "__MACOSX/in/._patients.csv": "x"}
    upload.write_bytes(zipped(dict(files)))
    (tmp_path / "into").mkdir()
    assert unpack(upload, tmp_path / "into", 10_000) == ["run.exe is no table; left out."]
    assert files_in(tmp_path / "into") == ["instance.json", "patients.csv"]


def test_an_instance_is_uploaded_listed_and_downloaded_as_it_was(
    service: Service, client: TestClient, keys: Keys, sample: Path
) -> None:
    headers = with_key(keys.planner)
    found = client.post("/v1/instances", content=zip_of(sample / "tables"), headers=headers)
    assert found.status_code == 201, found.text
    uploaded = found.json()
    assert found.headers["location"] == f"/v1/instances/{uploaded['id']}"
    assert uploaded["report"]["rows_accepted"]["patients"] == 5
    assert uploaded["plan_date"] == "2026-02-02"
    assert client.get("/v1/instances", headers=headers).json() == {"instances": [uploaded], "next": None}
    assert client.get(found.headers["location"], headers=headers).json() == uploaded
    archive = zipfile.ZipFile(io.BytesIO(client.get(f"{found.headers['location']}/download", headers=headers).content))
    assert archive.namelist() == files_in(sample / "tables")
    assert archive.read("patients.parquet") == (sample / "tables" / "patients.parquet").read_bytes()
    assert client.get("/v1/instances/i-none", headers=headers).status_code == 404
    assert not any((service.settings.artefact_folder / "drafts").iterdir())


def test_a_workbook_is_uploaded_and_what_has_a_name_for_no_database_is_not(
    client: TestClient, keys: Keys, tmp_path: Path
) -> None:
    headers = with_key(keys.hub)
    found = client.post("/v1/instances", content=as_workbook(path("tiny-bookings"), tmp_path), headers=headers)
    assert found.status_code == 201, found.text
    rows = (path("tiny-bookings") / "patients.csv").read_text("utf-8").splitlines()
    assert found.json()["report"]["rows_accepted"]["patients"] == len(rows) - 1
    shutil.copytree(path("tiny-bookings"), tmp_path / "tables")
    told = json.loads((tmp_path / "tables" / "instance.json").read_text("utf-8"))
    for name in ("a\0b", "x" * 501):
        (tmp_path / "tables" / "instance.json").write_text(json.dumps(told | {"name": name}), "utf-8")
        found = client.post("/v1/instances", content=zip_of(tmp_path / "tables"), headers=headers)
        assert (found.status_code, '"name" is no text of at most 500' in found.text.replace('\\"', '"')) == (422, True)


def test_uploads_that_wait_for_their_check_hold_up_nobody(
    client: TestClient, keys: Keys, sample: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_go = threading.Event()

    def slow(*_: Any) -> Any:
        let_go.wait(60)
        raise InputError(["checked"])

    monkeypatch.setattr("api.http.instances.check", slow)
    content, headers = zip_of(sample / "tables"), with_key(keys.hub)
    with ThreadPoolExecutor(60) as many:
        waiting = [many.submit(client.post, "/v1/instances", content=content, headers=headers) for _ in range(60)]
        assert client.get("/v1/runs", headers=headers).status_code == 200
        assert not any(upload.done() for upload in waiting)
        let_go.set()
        assert {upload.result().status_code for upload in waiting} == {422}


@pytest.mark.parametrize(
    ("memory_mb", "seconds", "why"), [(6_000, 0.01, "more than 0.01 seconds"), (50, 60.0, "more memory than it may")]
)
def test_a_check_ends_when_it_takes_too_long_or_too_much_memory(
    memory_mb: int, seconds: float, why: str, sample: Path, tmp_path: Path
) -> None:
    (tmp_path / "upload").write_bytes(zip_of(sample / "tables"))
    (tmp_path / "into").mkdir()
    with pytest.raises(InputError, match=why):
        check(tmp_path / "upload", tmp_path / "into", 1_000_000, memory_mb, seconds)


@pytest.mark.slow
def test_a_table_of_ten_million_rows_is_refused_and_the_service_stays_up(
    service: Service, client: TestClient, keys: Keys
) -> None:
    rows = b"e1,p1,RAA,theatre,110,P4,2025-01-06,60\n"
    header = (
        b"entry_id,patient_id,home_provider,care_kind,service_code,clinical_priority,clock_start,expected_minutes\n"
    )
    content = zipped({"instance.json": INFO, "patients.csv": header + rows * 10_000_000})
    found = client.post("/v1/instances", content=content, headers=with_key(keys.hub))
    assert found.status_code == 422
    assert "more than 2,000,000 rows" in found.text
    assert files_in(service.settings.artefact_folder) == []
    assert client.get("/ready").status_code == 200


def test_values_of_the_wrong_type_are_refused_row_by_row_with_hints(
    client: TestClient, keys: Keys, tmp_path: Path
) -> None:
    shutil.copytree(path("tiny-bookings"), tmp_path / "tables")
    patients = tmp_path / "tables" / "patients.csv"
    patients.write_text(patients.read_text("utf-8").replace(",90\n", ",ninety\n"), "utf-8")
    found = client.post("/v1/instances", content=zip_of(tmp_path / "tables"), headers=with_key(keys.hub))
    assert found.status_code == 201
    uploaded = found.json()
    assert uploaded["report"]["rows_accepted"]["patients"] == uploaded["report"]["rows_read"]["patients"] - 1
    url = f"/v1/instances/{uploaded['id']}/quarantine"
    rows = client.get(url, headers=with_key(keys.hub)).json()["rows"]
    found_first = [rows[0][name] for name in ("table", "row", "column", "value")]
    assert found_first == ["patients", 2, "expected_minutes", "ninety"]


def test_tables_that_intake_cannot_run_are_refused_with_every_reason(
    service: Service, client: TestClient, keys: Keys
) -> None:
    content = zipped({"instance.json": INFO.replace("2026-02-27", "2025-01-01"), "patients.csv": "entry_id\ne1\n"})
    found = client.post("/v1/instances", content=content, headers=with_key(keys.hub))
    assert found.status_code == 422
    told = [error["wanted"] for error in found.json()["errors"]]
    assert any("horizon_end" in text for text in told)
    assert len(told) > 1
    assert files_in(service.settings.artefact_folder) == []
