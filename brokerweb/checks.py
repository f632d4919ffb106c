"""Wrong configuration, told by ``manage.py check`` and before every start. The ids are stable."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import closing
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import DatabaseError, connections

from brokerweb import conf
from brokerweb.core.errors import BrokerError
from brokerweb.servers.lock import is_held
from brokerweb.storage import mark
from brokerweb.storage.django_sqlite.base import DatabaseWrapper
from brokerweb.storage.files import Files, files_of

FIXED_BACKPORTS = ((3, 44, 6), (3, 50, 7))
FIXED = (3, 51, 3)
POSTGRESQL = 15  # the oldest major version
BESIDE = (
    "Leave the project's database as it is, and brokerweb's apps out of it: run brokerweb beside the project, as a process with "
    "settings and a data directory of its own, and publish over REST. docs/operations.md says how."
)


def sqlite_is_sound(version: tuple[int, ...]) -> bool:
    """Whether this SQLite has the fix of the WAL-reset race, which can lose commits when connections share a file."""
    return version >= FIXED or any(version[:2] == fixed[:2] and version >= fixed for fixed in FIXED_BACKPORTS)


def sqlite_version() -> str:
    """The version of the SQLite behind the default database."""
    return str(connections["default"].Database.sqlite_version)  # type: ignore[attr-defined]  # of the SQLite backend


@register()
def check_options(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """E001: an option that does not exist. E002: a value that cannot be used."""
    given = getattr(settings, "BROKERWEB", {})
    if not isinstance(given, dict):
        return [Error("BROKERWEB must be a dictionary of options", hint="See docs/settings.md.", id="brokerweb.E002")]
    wrong: list[CheckMessage] = [
        Error(conf.unknown(name), hint="See docs/settings.md.", id="brokerweb.E001")
        for name in given
        if name not in (*conf.OPTIONS, *conf.DECLARED)
    ]
    if wrong:
        return wrong
    try:
        conf.get()
    except conf.BadOption as error:
        return [Error(str(error), hint="See docs/settings.md.", id="brokerweb.E002")]
    from brokerweb.identity import oidc

    return [Error(text, hint="See docs/settings.md.", id="brokerweb.E002") for text in oidc.wrong()]


@register()
def check_sqlite(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """E003: a SQLite that can lose commits. E004: a database that the broker cannot use. W002: an engine that promises less."""
    connection = connections["default"]
    if connection.vendor == "postgresql":
        return []
    if connection.vendor != "sqlite":
        return [Error(conf.other_database(connection.vendor), hint=BESIDE, id="brokerweb.E004")]
    version = tuple(connection.Database.sqlite_version_info)  # type: ignore[attr-defined]  # of the SQLite backend
    if not sqlite_is_sound(version):
        return [
            Error(
                f"SQLite {'.'.join(map(str, version))} has a race between connections that can lose commits",
                hint='Use the ENGINE "brokerweb.storage.django_sqlite", which brings its own SQLite, or SQLite 3.51.3 or newer.',
                id="brokerweb.E003",
            )
        ]
    return [] if isinstance(connection, DatabaseWrapper) else [_other_engine()]


def _other_engine() -> Warning:
    return Warning(
        "the default database is on another engine than brokerweb's: as it comes, it has no WAL, so that a power cut can take "
        "a confirmed message, and writers beside the broker wait for seconds",
        hint='Use the ENGINE "brokerweb.storage.django_sqlite"; the file stays as it is.',
        id="brokerweb.W002",
    )


@register(Tags.database)
def check_postgresql(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """E003: a PostgreSQL that is too old. Asked by those who may connect: ``migrate``, and ``check --database default``."""
    connection = connections["default"]
    if "default" not in (databases or ()) or connection.vendor != "postgresql":
        return []
    old = too_old(connection)
    return [Error(old, hint="Move the database to a newer one.", id="brokerweb.E003")] if old else []


def too_old(connection: Any) -> str | None:
    """What to say of a PostgreSQL server that lacks what the broker needs; None of one that will do."""
    major, minor = divmod(connection.pg_version, 10_000)
    return None if major >= POSTGRESQL else f"brokerweb needs PostgreSQL {POSTGRESQL} or newer, and this is {major}.{minor}"


@register()
def check_timers(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """W005: messages wait for a moment that nobody watches, since no broker runs."""
    connection = connections["default"]
    try:
        files = files_of(connection)
    except conf.BadOption:
        return []
    if sys.argv[1:2] == ["serve"] or files is None or is_held(files):
        return []
    last = mark.read(files.mark)
    if last is not None and last.running:  # what it left is for the next start to look at, untouched
        return [_unattended("the last one did not end cleanly, and whatever was delayed or leased then waits")]
    waiting = _waiting(connection, files)
    return [_unattended(_waits(waiting))] if waiting else []


@register(Tags.database)
def check_timers_of_nodes(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """W005 where nodes share a database: asked by those who may connect, as E003."""
    connection = connections["default"]
    if "default" not in (databases or ()) or connection.vendor != "postgresql" or sys.argv[1:2] == ["serve"]:
        return []
    from brokerweb.cluster import nodes
    from brokerweb.storage.reading import read

    try:
        waiting = 0 if read(nodes.alive) else _counted(connection)
    except (BrokerError, DatabaseError):  # there are no tables yet
        return []
    return [_unattended(_waits(waiting))] if waiting else []


def _waits(n: int) -> str:
    return "1 message that is delayed or leased waits" if n == 1 else f"{n} messages that are delayed or leased wait"


def _counted(connection: Any) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(sum(scheduled) + sum(leased), 0) FROM brokerweb_queues_queuecount")
        return int(cursor.fetchone()[0])


def _unattended(what: str) -> Warning:
    return Warning(
        f"no broker runs on the default database: {what} until one does",
        hint="Run manage.py serve: delays, ended leases and retention are its work. Publishing needs none.",
        id="brokerweb.W005",
    )


def _waiting(connection: Any, files: Files) -> int:
    """How many messages something is to happen to as time passes; read without Django, whose checks leave databases alone."""
    if not (files.database.exists() and files.database.stat().st_size):
        return 0
    driver = connection.Database
    try:
        with closing(driver.connect(f"{files.database.as_uri()}?mode=ro", uri=True)) as reading:
            (waiting,) = reading.execute("SELECT sum(scheduled) + sum(leased) FROM brokerweb_queues_queuecount").fetchone()
    except driver.Error:  # there are no tables yet, or somebody holds them
        return 0
    return waiting or 0


@register(deploy=True)
def check_public_url(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """W001: people come over the network without https."""
    options = conf.get()
    if options.public_url and not options.secure:
        return [
            Warning(
                "BROKERWEB_PUBLIC_URL has an origin without https: tokens and sessions travel in the clear",
                hint="Put a proxy that ends TLS in front, and name its https origin.",
                id="brokerweb.W001",
            )
        ]
    return []
