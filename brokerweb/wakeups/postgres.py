"""PostgreSQL: hints by NOTIFY and LISTEN, on connections that do nothing else.

NOTIFY takes a lock of the whole database until its transaction has committed: in the transactions of the verbs it would make
them commit one by one. Here it is a transaction by itself, which does not wait for the disk or for a standby.
"""

from __future__ import annotations

from typing import Any

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections

from brokerweb.wakeups.transport import Unreachable

CHANNEL = "brokerweb_hints"
PATIENCE = {"connect_timeout": 2, "tcp_user_timeout": 2000}  # seconds, milliseconds
KEEPALIVES = {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 2}
TELL = "SELECT set_config('synchronous_commit', 'off', true), pg_notify(%s, %s)"
OF_DJANGO = ("cursor_factory", "context")  # parameters for connections that Django uses


class Postgres:
    """The default database."""

    name = "PostgreSQL"

    def sending(self) -> Notifying:
        return Notifying(_connected())

    def listening(self) -> Listened:
        connection = _connected()
        try:
            connection.execute(f"LISTEN {CHANNEL}")
        except psycopg.Error as error:
            connection.close()
            raise Unreachable(str(error)) from error
        return Listened(connection)


class Notifying:
    """A connection for NOTIFY."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def send(self, text: bytes) -> None:
        try:
            self._connection.execute(TELL, (CHANNEL, text.decode()))
        except psycopg.Error as error:
            raise Unreachable(str(error)) from error

    def close(self) -> None:
        self._connection.close()


class Listened:
    """A connection that has said LISTEN."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def hear(self, seconds: float) -> list[bytes]:
        try:
            return [told.payload.encode() for told in self._connection.notifies(timeout=seconds, stop_after=1)]
        except psycopg.Error as error:
            raise Unreachable(str(error)) from error

    def close(self) -> None:
        self._connection.close()


def _connected() -> psycopg.Connection[Any]:
    """To the default database, with the parameters that Django has for it. None of its statements is prepared: a pooler that
    gives connections away after each transaction may stand between.
    """
    given = connections[DEFAULT_DB_ALIAS].get_connection_params()
    kept = {name: value for name, value in given.items() if name not in OF_DJANGO}
    try:
        return psycopg.connect(**{**PATIENCE, **KEEPALIVES, **kept, "prepare_threshold": None, "autocommit": True})
    except psycopg.Error as error:
        raise Unreachable(str(error)) from error
