"""Migrations, the clock, and the log that only grows, on both databases."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import delete, select, text, update
from sqlalchemy.exc import DBAPIError

from allocator.errors import UsageError
from api.store import log, schema
from api.store.database import Database, NowMs, connected, url_of
from api.store.tables import log as log_table
from api.store.tables import log_head, metadata


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    return connected(url_of(tmp_path) if request.param == "sqlite" else request.getfixturevalue("postgres_url"))


@pytest.mark.parametrize("earlier", [None, *schema.revisions()])
def test_every_earlier_revision_is_brought_up_to_the_tables_of_the_code(empty: Database, earlier: str | None) -> None:
    if earlier is not None:
        schema.upgrade(empty, earlier)
        assert schema.current(empty) == earlier
    schema.upgrade(empty)
    schema.upgrade(empty)
    assert schema.current(empty) == schema.revisions()[-1]
    with empty.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        assert log.head_of(connection) == (0, log.FIRST_HASH)
    empty.engine.dispose()


def test_rows_survive_an_upgrade(empty: Database) -> None:
    schema.upgrade(empty, "0001")
    with empty.write() as connection:
        log.append(connection, "someone", "did", "something")
    schema.upgrade(empty)
    with empty.read() as connection:
        assert [row["actor"] for row in log.rows(connection)] == ["someone"]
    empty.engine.dispose()


def test_a_failed_upgrade_leaves_nothing_behind(empty: Database) -> None:
    with empty.write() as connection:
        connection.execute(text("CREATE TABLE events (id INTEGER)"))
    with pytest.raises(DBAPIError):
        schema.upgrade(empty)
    assert schema.current(empty) is None
    with empty.write() as connection:
        connection.execute(text("DROP TABLE events"))
    schema.upgrade(empty)
    empty.engine.dispose()


def test_an_old_database_is_refused_with_what_to_do(empty: Database) -> None:
    schema.upgrade(empty, "0001")
    with pytest.raises(UsageError, match="revision 0001, this version needs 0002"):
        schema.require_current(empty)
    empty.engine.dispose()


def test_the_clock_is_in_milliseconds_and_moves_within_a_transaction(database: Database) -> None:
    with database.read() as connection:
        first = connection.execute(select(NowMs())).scalar_one()
        assert abs(first - time.time() * 1000) < 5_000
        while connection.execute(select(NowMs())).scalar_one() == first:
            pass


@pytest.mark.parametrize("url", ["mysql://somebody:secret@host/name", "nonsense", "sqlite://", "sqlite:///:memory:"])
def test_an_address_of_no_database_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(UsageError, match="DATABASE_URL") as refused:
        connected(url)
    assert "secret" not in str(refused.value)


def three_rows(database: Database) -> list[dict[str, object]]:
    with database.write() as connection:
        for number in range(3):
            log.append(connection, "someone", "did", f"thing {number}", detail=number)
    with database.read() as connection:
        return list(log.rows(connection))


def test_the_log_holds_and_refuses_any_change(database: Database) -> None:
    rows = three_rows(database)
    assert log.faults(rows, (3, str(rows[-1]["hash"]))) == []
    for change in (update(log_table).values(actor="other"), delete(log_table)):
        with pytest.raises(DBAPIError, match="never changed"), database.write() as connection:
            connection.execute(change)
    assert three_rows(database)[:3] == rows


def test_a_row_changed_taken_out_or_cut_off_is_found(database: Database) -> None:
    rows = three_rows(database)
    head = (3, str(rows[-1]["hash"]))
    assert "row 2 was changed" in log.faults([rows[0], {**rows[1], "actor": "other"}, rows[2]], head)[0]
    assert "row 2 is missing" in log.faults([rows[0], rows[2]], head)[0]
    assert "rows at the end are missing" in log.faults(rows[:2], head)[0]
    forged = {**rows[1], "actor": "other"}
    forged["hash"] = log.hash_of(forged)
    assert "row 3 does not follow" in log.faults([rows[0], forged, rows[2]], head)[0]


def test_the_log_is_part_of_the_deed(database: Database) -> None:
    with database.engine.connect() as connection:
        log.append(connection, "someone", "did", "something")
        connection.rollback()
    with database.read() as connection:
        assert list(log.rows(connection)) == []
        assert connection.execute(select(log_head.c.number)).scalar_one() == 0


def test_many_writers_make_one_chain(database: Database) -> None:
    def write() -> None:
        for number in range(10):
            with database.write() as connection:
                log.append(connection, threading.current_thread().name, "did", str(number))

    threads = [threading.Thread(target=write) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.read() as connection:
        rows = list(log.rows(connection))
        assert log.faults(rows, log.head_of(connection)) == []
    assert len(rows) == 50


def test_pages_of_the_log_end_where_they_should(database: Database) -> None:
    three_rows(database)
    with database.read() as connection:
        assert [row["number"] for row in log.rows(connection, after=1)] == [2, 3]
        assert [row["number"] for row in log.rows(connection, most=2)] == [1, 2]
        assert list(log.rows(connection, most=0)) == []
