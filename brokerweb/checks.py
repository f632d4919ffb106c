"""Wrong configuration, told by ``manage.py check`` and before every start. The ids are stable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.db import connections

from brokerweb import conf
from brokerweb.storage.django_sqlite.base import DatabaseWrapper

FIXED_BACKPORTS = ((3, 44, 6), (3, 50, 7))
FIXED = (3, 51, 3)


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
        Error(conf.unknown(name), hint="See docs/settings.md.", id="brokerweb.E001") for name in given if name not in conf.OPTIONS
    ]
    if wrong:
        return wrong
    try:
        conf.get()
    except conf.BadOption as error:
        return [Error(str(error), hint="See docs/settings.md.", id="brokerweb.E002")]
    return []


@register()
def check_sqlite(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """E003: a SQLite that can lose commits. E004: a database that the broker cannot use. W002: an engine that promises less."""
    connection = connections["default"]
    if connection.vendor != "sqlite":
        return [
            Error(
                f"brokerweb stores in SQLite; {connection.vendor} comes with scale-out",
                hint='Use the ENGINE "brokerweb.storage.django_sqlite" for the default database.',
                id="brokerweb.E004",
            )
        ]
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
