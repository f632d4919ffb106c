from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import DEFAULT_DB_ALIAS, connections

from brokerweb.core import clock
from tests.moving.shop import furnish
from tests.postgres import Postgres, Servers
from tests.queues.bench import Time


@pytest.fixture(scope="session")
def furnished_file(tmp_path_factory: pytest.TempPathFactory, django_db_blocker: Any) -> Path:
    """A file with some of everything in it; nobody changes it. It is made as the default database, for which verbs ask."""
    path = tmp_path_factory.mktemp("furnished") / "shop.sqlite3"
    time, before, own = Time(), connections[DEFAULT_DB_ALIAS], connections.create_connection(DEFAULT_DB_ALIAS)
    own.settings_dict = {**own.settings_dict, "NAME": str(path)}
    connections[DEFAULT_DB_ALIAS] = own
    clock.install(time)
    try:
        with django_db_blocker.unblock():
            call_command("migrate", verbosity=0)
            furnish(time)
    finally:
        own.close()
        connections[DEFAULT_DB_ALIAS] = before
        clock.install(None)
    return path


@pytest.fixture(autouse=True)
def _any_database(django_db_blocker: Any) -> Iterator[None]:
    with django_db_blocker.unblock():
        yield


@pytest.fixture
def shop(furnished_file: Path, tmp_path: Path) -> str:
    """The address of a database with some of everything in it, on which no broker runs."""
    path = tmp_path / "shop.sqlite3"
    shutil.copy(furnished_file, path)
    return f"sqlite:{path}"


@pytest.fixture(scope="session")
def server(postgres_servers: Servers) -> Postgres:
    """The newest PostgreSQL."""
    return postgres_servers.get("wheel")


@pytest.fixture
def empty(server: Postgres) -> str:
    """The address of a PostgreSQL database with nothing in it."""
    return f"postgresql:///{server.new_database()}?host={server.folder}&user=tests"


@pytest.fixture
def file(tmp_path: Path) -> str:
    """The address of a file that is not there yet."""
    return f"sqlite://{tmp_path / 'copy.sqlite3'}"
