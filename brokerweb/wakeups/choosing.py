"""Which transport this process uses."""

from __future__ import annotations

from django.db import DEFAULT_DB_ALIAS, connections

from brokerweb import conf
from brokerweb.wakeups.transport import Transport


def chosen() -> Transport | None:
    """What the settings ask for; None on SQLite, where one process serves and others tell it nothing.

    Drivers are imported where they are used: who stores in SQLite needs none.
    """
    if connections[DEFAULT_DB_ALIAS].vendor != "postgresql":
        return None
    if url := conf.get().redis_url:
        from brokerweb.wakeups.redis import Redis

        return Redis(url)
    from brokerweb.wakeups.postgres import Postgres

    return Postgres()
