"""What operations.md says is so: settings, keys, backup and restore, upgrade, the log checked elsewhere."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from allocator.errors import UsageError
from api import cli
from api.artefacts import DRAFT_SECONDS, keep_alone, put_in_place, tidy
from api.commands import Discreet, first_key
from api.http.access import Service
from api.keys import Role, holder_of, make_key
from api.service_settings import ServiceSettings, service_settings, variable_of
from api.store import schema
from api.store.database import Database, connected, url_of

DOCS = Path(__file__).parents[2] / "docs" / "operations.md"
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def admin(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["allocator", "admin", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


def test_the_table_of_settings_is_that_of_the_code() -> None:
    told = re.findall(r"^\| `([A-Z_]+)` \| `?([^|`]*?)`? \| (.*?) \|$", DOCS.read_text("utf-8"), re.MULTILINE)
    code = [
        (variable_of(name), "empty" if field.default in (None, "") else str(field.default), field.description)
        for name, field in ServiceSettings.model_fields.items()
    ]
    assert [(name, default) for name, default, _ in told] == [(name, default) for name, default, _ in code]
    for (_, _, written), (name, _, described) in zip(told, code, strict=True):
        assert written.split(";")[0].rstrip(".") in str(described).replace("`", "`"), name


def test_a_setting_out_of_bounds_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOCATOR_LEASE_SECONDS", "0")
    monkeypatch.setenv("ALLOCATOR_ATTEMPTS", "many")
    with pytest.raises(UsageError) as refused:
        service_settings()
    assert "ALLOCATOR_LEASE_SECONDS: given '0'" in str(refused.value)
    assert "ALLOCATOR_ATTEMPTS: given 'many'" in str(refused.value)


def test_the_database_url_of_the_environment_wins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert service_settings(tmp_path).url == url_of(tmp_path)
    monkeypatch.setenv("DATABASE_URL", "postgresql://h/d")
    assert service_settings(tmp_path).url == "postgresql://h/d"


def test_the_first_key_is_made_once(service: Service) -> None:
    key = first_key(service.database)
    assert key is not None
    with service.database.read() as connection:
        holder = holder_of(connection, key)
    assert holder is not None
    assert holder.role is Role.HUB
    assert first_key(service.database) is None


@pytest.mark.parametrize("name", ["", " ", "x" * 151, "two\nlines"])
def test_a_key_needs_a_name_that_the_log_can_hold(name: str, service: Service) -> None:
    with pytest.raises(UsageError, match="name of its holder"), service.database.write() as connection:
        make_key(connection, name, Role.HUB)


@pytest.mark.parametrize("code", ["", " ", "RJR "])
def test_a_provider_code_is_what_stands_in_the_tables(code: str, service: Service) -> None:
    with pytest.raises(UsageError, match="provider code"), service.database.write() as connection:
        make_key(connection, "desk", Role.PROVIDER, ["RJR", code])


def test_the_web_process_never_solves() -> None:
    """It cannot: no solver is in it."""
    code = "import sys, api.serve; print({'highspy', 'ortools', 'pulp', 'allocator.run'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"


def test_keys_are_made_listed_and_revoked(service: Service, admin: Command) -> None:
    data = service.settings.data
    code, out, _ = admin("add-key", "Theatre desk", "--role", "provider", "--provider", "RJR", "--data", data)
    assert code == 0
    key_id = out.split()[1]
    assert f"mutual_{key_id}_" in out
    assert re.search(rf"{key_id}  provider +RJR .* in force  Theatre desk", admin("keys", "--data", data)[1])
    assert admin("revoke-key", key_id, "--data", data)[0] == 0
    assert "revoked" in admin("keys", "--data", data)[1]
    code, _, err = admin("revoke-key", key_id, "--data", data)
    assert (code, f'No key "{key_id}" is in force' in err) == (2, True)
    assert admin("add-key", "x", "--role", "provider", "--data", data)[0] == 2


def test_every_admin_command_says_the_same_in_json(service: Service, admin: Command, tmp_path: Path) -> None:
    where = ("--data", service.settings.data, "--json")
    made = json.loads(admin("add-key", "hub", "--role", "hub", *where)[1])
    assert made["key"].startswith(f"mutual_{made['id']}_")
    assert json.loads(admin("revoke-key", made["id"], *where)[1]) == {"id": made["id"], "revoked": True}
    (listed,) = json.loads(admin("keys", *where)[1])["keys"]
    assert (listed["id"], listed["role"], listed["revoked_at"] is None) == (made["id"], "hub", False)
    assert json.loads(admin("upgrade", *where)[1]) == {"revision": schema.revisions()[-1]}
    assert json.loads(admin("check-log", *where)[1])["rows"] == 2
    assert json.loads(admin("backup", tmp_path / "copy.db", *where)[1])["database"] == str(tmp_path / "copy.db")


def test_a_backup_taken_in_use_is_a_whole_database(service: Service, admin: Command, tmp_path: Path) -> None:
    data = service.settings.data
    admin("add-key", "before", "--role", "hub", "--data", data)
    with service.database.write():
        pass
    assert admin("backup", tmp_path / "copy.db", "--data", data)[0] == 0
    admin("add-key", "after", "--role", "hub", "--data", data)
    (tmp_path / "restored").mkdir()
    shutil.copy(tmp_path / "copy.db", tmp_path / "restored" / "allocator.db")
    listed = admin("keys", "--data", tmp_path / "restored")[1]
    assert "before" in listed
    assert "after" not in listed
    assert admin("check-log", "--data", tmp_path / "restored")[0] == 0
    assert admin("backup", tmp_path / "copy.db", "--data", data)[0] == 2


def test_an_exported_log_is_checked_anywhere(service: Service, admin: Command, tmp_path: Path) -> None:
    from api.http.logbook import lines

    admin("add-key", "one", "--role", "hub", "--data", service.settings.data)
    admin("add-key", "two", "--role", "hub", "--data", service.settings.data)
    text = "".join(lines(service))
    (tmp_path / "log.ndjson").write_text(text, "utf-8")
    assert admin("check-log", tmp_path / "log.ndjson")[0] == 0
    (tmp_path / "log.ndjson").write_text(text.replace('"key.made"', '"key.lost"', 1), "utf-8")
    code, _, err = admin("check-log", tmp_path / "log.ndjson")
    assert (code, "row 1 was changed" in err) == (5, True)
    (tmp_path / "log.ndjson").write_text("nonsense", "utf-8")
    assert admin("check-log", tmp_path / "log.ndjson")[0] == 2


def test_a_worker_refuses_a_database_of_another_version(tmp_path: Path, admin: Command) -> None:
    database = connected(url_of(tmp_path))
    schema.upgrade(database, "0001")
    code, _, err = admin("keys", "--data", tmp_path)
    assert (code, "this version needs" in err) == (2, True)
    assert admin("upgrade", "--data", tmp_path)[0] == 0
    assert admin("keys", "--data", tmp_path)[0] == 0
    database.engine.dispose()


def test_only_drafts_of_yesterday_are_tidied_away(tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / "drafts" / name).mkdir(parents=True)
    then = (tmp_path / "drafts" / "old").stat().st_mtime - DRAFT_SECONDS - 1
    os.utime(tmp_path / "drafts" / "old", (then, then))
    tidy(tmp_path)
    assert [path.name for path in (tmp_path / "drafts").iterdir()] == ["new"]


def test_a_result_that_is_recorded_stays_alone(tmp_path: Path) -> None:
    for name in ("1", "2", ".2.77.partial"):
        (tmp_path / "r-1" / name).mkdir(parents=True)
    keep_alone(tmp_path / "r-1" / "2")
    assert [path.name for path in (tmp_path / "r-1").iterdir()] == ["2"]
    (tmp_path / "draft").mkdir()
    (tmp_path / "draft" / "file").write_text("x")
    put_in_place(tmp_path / "draft", tmp_path / "deep" / "there")
    assert (tmp_path / "deep" / "there" / "file").read_text() == "x"


def test_an_error_in_the_log_says_where_and_what_kind_but_never_its_text() -> None:
    secret = "patient 943 476 5919"
    try:
        raise KeyError(secret)
    except KeyError as error:
        about = (KeyError, error, error.__traceback__)
        record = logging.LogRecord("x", logging.ERROR, "file", 1, "it failed", (), about)
    written = Discreet("%(message)s").format(record)
    assert "943" not in written
    assert "KeyError" in written
    assert "test_an_error_in_the_log" in written


def test_an_error_of_the_database_shows_no_parameters(database: Database) -> None:
    with pytest.raises(DBAPIError) as refused, database.read() as connection:
        connection.execute(text("SELECT * FROM nowhere WHERE entry = :entry"), {"entry": "943 476 5919"})
    assert "943" not in str(refused.value)
