"""What holds on the connections with which a node reads and shows pages: nothing goes on for ever."""

from __future__ import annotations

import threading
from typing import Any

from django.db.backends.signals import connection_created

OWN = ("reader", "search", "identity", "read-", "write-")  # threads; a project's own views are its own affair
UID = "brokerweb.limits"
# Each where it is as a server comes, or would lose what was confirmed: whoever has set it otherwise has their reasons.
_SET = """
SELECT set_config(name, wanted, false)
FROM (
    VALUES ('statement_timeout', '0', '60s'),
        ('idle_in_transaction_session_timeout', '0', '60s'),
        ('synchronous_commit', 'off', 'on')
) AS setting (name, found, wanted)
WHERE current_setting(name) = found
"""


def begin() -> None:
    """From now on, for connections that this process opens. Safe to call twice."""
    connection_created.connect(_limit, dispatch_uid=UID)


def _limit(*, connection: Any, **named: Any) -> None:
    if connection.vendor == "postgresql" and threading.current_thread().name.startswith(OWN):
        with connection.cursor() as cursor:
            cursor.execute(_SET)
