"""Databases as the command line names them: ``sqlite:data``, ``sqlite:///srv/brokerweb``, ``postgresql://user:password@host/name``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections

from brokerweb import conf
from brokerweb.database_url import as_django

FORMS = "sqlite:PATH or postgresql://USER:PASSWORD@HOST:PORT/NAME"


class BadAddress(ValueError):
    """No database can be meant by it. The message repeats no password."""


@dataclass(frozen=True)
class Address:
    """One database. ``shown`` is what people know it by, and tells it from others."""

    shown: str
    settings: dict[str, Any]

    def open(self, alias: str) -> Any:
        """A connection of Django's, under that alias, which is not connected yet."""
        given = {DEFAULT_DB_ALIAS: connections.settings[DEFAULT_DB_ALIAS], alias: self.settings}
        connections.settings[alias] = connections.configure_settings(given)[alias]
        connections[alias] = connections.create_connection(alias)
        return connections[alias]


def parse(text: str) -> Address:
    """The database of that address. Raises BadAddress."""
    scheme, colon, rest = text.partition(":")
    if not colon or not rest:
        raise BadAddress(f"write {FORMS}")
    if scheme == "sqlite":
        return _file(rest)
    if scheme in ("postgresql", "postgres"):
        return _server(text)
    raise BadAddress(f"{scheme}: is no database that brokerweb stores in; write {FORMS}")


def _file(rest: str) -> Address:
    """A path, with or without the two slashes of a URL; a directory is a broker's data directory."""
    path = Path(re.sub(r"^/{2,}(?=/)|^//", "", rest)).expanduser().resolve()
    if path.is_dir() or (not path.suffix and not path.exists()):
        path /= conf.DATABASE
    return Address(f"sqlite:{path}", {"ENGINE": "brokerweb.storage.django_sqlite", "NAME": str(path), "CONN_MAX_AGE": None})


def _server(text: str) -> Address:
    try:
        settings = as_django(text)
    except conf.BadOption as error:
        raise BadAddress(str(error).removeprefix("DATABASE_URL: ")) from None
    where = settings["HOST"] or "this machine"
    return Address(f"postgresql:{settings['NAME']} on {where}" + (f":{settings['PORT']}" if settings["PORT"] else ""), settings)
