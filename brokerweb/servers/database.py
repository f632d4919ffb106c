"""A database server at a node's start: waited for, looked at, and prepared by one node at a time."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any, cast

from django.conf import settings
from django.db import OperationalError, connection

from brokerweb import conf
from brokerweb.checks import too_old

WAIT = 60.0  # seconds for a server to come up: it may be started together with the broker
LOOK = 0.5  # seconds between looks for it
PREPARING = 0x62726F6B6572  # "broker": the number of the lock, among those that programs of this database agree on
# What a server says that waiting will not change. In another language than English it is waited for all the same.
HOPELESS = re.compile(r"password authentication failed|no password supplied|does not exist|pg_hba\.conf|certificate|SSL")


def shown() -> str:
    """The database as people know it, without its password."""
    given: dict[str, Any] = connection.settings_dict
    host, port = (str(given.get(name) or "") for name in ("HOST", "PORT"))
    if host.startswith("/") or not host:
        return f"{given['NAME']} on this machine"
    hosts, ports = host.split(","), port.split(",")
    ports = ports * len(hosts) if len(ports) == 1 else ports
    return f"{given['NAME']} on " + ", ".join(f"{h}:{p or 5432}" for h, p in zip(hosts, ports, strict=False))


def version() -> str:
    """Of the server, as ``18.6``."""
    return "{}.{}".format(*divmod(cast(Any, connection).pg_version, 10_000))


def unusable(error: Exception) -> conf.BadOption:
    """The server does not answer, or refuses what was asked of it; in one line."""
    named_by = "DATABASE_URL" if conf.get().database_url else "DATABASES"
    return conf.BadOption(f"{named_by}: cannot use {shown()}: {' '.join(str(error).split())}")


def reach(tell: Callable[[str], None]) -> None:
    """Return once the server answers; ``tell`` that it is waited for. Raises BadOption after a minute, or where it is no use."""
    until, told = time.monotonic() + WAIT, False
    while True:
        try:
            connection.ensure_connection()
            break
        except OperationalError as error:
            if HOPELESS.search(str(error)) or time.monotonic() > until:
                raise unusable(error) from error
            if not told:
                tell(f"Waiting up to {WAIT:.0f} seconds for the database {shown()}: {' '.join(str(error).split())}")
            told = True
        time.sleep(LOOK)
    if old := too_old(connection):
        raise conf.BadOption(old)


def settle() -> None:
    """A node's start is over: what all nodes share is known, and this thread, which serves, keeps no connection."""
    if connection.vendor == "postgresql":
        str(settings.SECRET_KEY)  # else looked up by the first who needs it, who may be on the event loop
        connection.close()


@contextmanager
def alone() -> Iterator[None]:
    """Within it no other node prepares the database. A file has one server anyway."""
    if connection.vendor != "postgresql":
        yield
        return
    other: Any = connection.copy()
    with closing(other):
        with other.cursor() as cursor:
            cursor.execute("BEGIN")  # a lock that ends with it: behind a pooler no session is one's own
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [PREPARING])
        yield
