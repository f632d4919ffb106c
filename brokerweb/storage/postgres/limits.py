"""Nothing goes on for ever on the connections with which a node reads and shows pages: a slow page ends."""

from __future__ import annotations

import threading
from typing import Any

from django.db.backends.signals import connection_created

OWN = ("reader", "search", "identity", "read-", "write-")  # threads; a project's own views are its own affair
LONGEST = "60s"
# Whoever has set them otherwise has their reasons.
_SET = (
    "SELECT set_config(name, %s, false) "
    "FROM (VALUES ('statement_timeout'), ('idle_in_transaction_session_timeout')) AS wanted (name) "
    "WHERE current_setting(name) = '0'"
)


def begin() -> None:
    """From now on, for connections that this process opens. Safe to call twice."""
    connection_created.connect(_limit, dispatch_uid="brokerweb.limits")


def _limit(*, connection: Any, **named: Any) -> None:
    if connection.vendor == "postgresql" and threading.current_thread().name.startswith(OWN):
        with connection.cursor() as cursor:
            cursor.execute(_SET, [LONGEST])
