"""The broker vacuums its own tables on PostgreSQL: by how many dead rows they have, and without cost limits.

Every claim walks the dead entries that stand left of the first live one, and nobody but VACUUM takes those away. The server's
own autovacuum comes once a minute and is braked; at full rate a table holds a million dead rows by then. On a connection of its
own, outside of any transaction, and never two at once: one node in the cluster does it.

A transaction that stays open keeps VACUUM from taking away what has died since it began: how long the oldest has lasted is
told, with who it is.
"""

from __future__ import annotations

import time
from typing import Any

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections
from psycopg import sql

from brokerweb.storage.upkeep import Snapshot, figures

EVERY = 2.0  # seconds between looks
DEAD, SHARE = 50_000, 0.1  # dead rows since the last time from which on a table is vacuumed, and of how many rows

_TABLES = """
SELECT relid::bigint, relname, n_live_tup, n_dead_tup FROM pg_stat_user_tables
WHERE schemaname = ANY (current_schemas(false)) AND relname LIKE 'brokerweb\\_%%' AND n_dead_tup >= %s ORDER BY n_dead_tup DESC
"""
_DEAD_OF = "SELECT n_dead_tup FROM pg_stat_user_tables WHERE relid = %s"
# Whoever may not see what others do sees no start of theirs, and they are passed over.
_OLDEST = """
SELECT extract(epoch FROM clock_timestamp() - xact_start)::float8, pid, coalesce(nullif(application_name, ''), backend_type)
FROM pg_stat_activity WHERE (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL) AND xact_start IS NOT NULL
  AND pid <> pg_backend_pid() AND backend_type <> 'autovacuum worker' ORDER BY xact_start LIMIT 1
"""


class Vacuum:
    """``tend`` does what is due, on whatever thread calls it; ``close`` ends its connection."""

    def __init__(self, using: str = DEFAULT_DB_ALIAS) -> None:
        self._using = using
        self._raw: psycopg.Connection[Any] | None = None
        self._left: dict[int, int] = {}  # table -> dead rows that its last VACUUM could not take

    def tend(self) -> float:
        """Vacuum the table that needs it most; seconds until the next look. Raises what the database does."""
        try:
            raw = self._open()
            figures.oldest = _oldest(raw)
            return self._tend(raw)
        except BaseException:
            self.close()  # it may be the connection that failed
            raise

    def close(self) -> None:
        raw, self._raw = self._raw, None
        if raw is not None:
            raw.close()

    def _open(self) -> psycopg.Connection[Any]:
        if self._raw is None:
            params: dict[str, Any] = connections[self._using].get_connection_params()
            self._raw = psycopg.connect(**{**params, "application_name": "brokerweb vacuum"}, autocommit=True)
            self._raw.execute("SET vacuum_cost_delay = 0")
        return self._raw

    def _tend(self, raw: psycopg.Connection[Any]) -> float:
        found = raw.execute(_TABLES, [DEAD]).fetchall()
        due = [(relid, name) for relid, name, live, dead in found if self._due(relid, live, dead)]
        if not due:
            return EVERY
        relid, name = due[0]
        began = time.monotonic()
        # No truncation: that takes the table for itself, and a queue that drains would shrink and grow all the time. What is
        # being vacuumed already is left alone: neither waits for the other.
        raw.execute(sql.SQL("VACUUM (TRUNCATE OFF, INDEX_CLEANUP ON, SKIP_LOCKED) {}").format(sql.Identifier(name)))
        figures.runs, figures.seconds = figures.runs + 1, figures.seconds + time.monotonic() - began
        [left] = raw.execute(_DEAD_OF, [relid]).fetchone() or (0,)
        self._left[relid] = left
        return EVERY if len(due) == 1 else 0

    def _due(self, relid: int, live: int, dead: int) -> bool:
        """Whether enough has died since its last VACUUM, which may have left much that a long transaction still sees."""
        left = min(self._left.get(relid, 0), dead)
        return dead - left >= max(DEAD, SHARE * (live + left))


def _oldest(raw: psycopg.Connection[Any]) -> Snapshot | None:
    found = raw.execute(_OLDEST).fetchone()
    return None if found is None else Snapshot(*found)
