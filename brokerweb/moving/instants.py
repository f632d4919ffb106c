"""The broker's clock of one database as that of another: what lasts goes on for as long as it had left.

What the wall names (stamps, what people have stated) stays as it is. Each of the broker's own instants moves by the
difference of the two clocks. A lease does not run while no broker does: one that ran at the last heartbeat ends later by what
has passed since.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from brokerweb.cluster.here import EMBEDDED
from brokerweb.cluster.models import Node, WallStep
from brokerweb.cluster.nodes import Seen
from brokerweb.core import machine
from brokerweb.core.clock import Clock, Step
from brokerweb.jobs.models import Job
from brokerweb.moving.tables import Row, Table
from brokerweb.queues.models import Message, Transfer
from brokerweb.queues.standing import Standing
from brokerweb.queues.states import State

# A message as it stood, in a transfer: these of its columns are of the broker's clock.
_STANDING = [
    n for n, name in enumerate(name for name in Standing._fields if name != "last_error") if name in ("due_at", "expires_at")
]
_CURSOR = ("started", "since", "began")  # and these of where a job stands


@dataclass(frozen=True)
class Shift:
    """``by`` is how far the target's clock is ahead; of leases that ran at ``seen_at`` ``paused`` is added."""

    by: int
    seen_at: int
    paused: int

    def __call__(self, table: Table, rows: list[Row]) -> None:
        """Change these rows to what the target is to have."""
        if table.model is Message:
            self._leases(table, rows)
        if self.by:
            for n in table.lasting:
                for row in rows:
                    if row[n] is not None:
                        row[n] += self.by
            if table.model is Transfer:
                self._standings(table, rows)
            if table.model is Job:
                self._cursors(table, rows)

    def _leases(self, table: Table, rows: list[Row]) -> None:
        state, due_at = table.place["state"], table.place["due_at"]
        for row in rows:
            if row[state] == State.LEASED and row[due_at] > self.seen_at:
                row[due_at] += self.paused

    def _standings(self, table: Table, rows: list[Row]) -> None:
        before = table.place["before"]
        for row in rows:
            columns = json.loads(row[before])
            for n in _STANDING:
                columns[n] = None if columns[n] is None else columns[n] + self.by
            row[before] = json.dumps(columns, separators=(",", ":"), ensure_ascii=False)

    def _cursors(self, table: Table, rows: list[Row]) -> None:
        cursor = table.place["cursor"]
        for row in rows:
            row[cursor] = {name: at + self.by if name in _CURSOR else at for name, at in row[cursor].items()}

    def noted(self) -> dict[str, int]:
        return asdict(self)


def between(source: Any, target: Any) -> Shift:
    """The clocks of two databases, at this moment."""
    here, seen = now(source), _last_seen(source)
    return Shift(now(target) - here, seen.at if seen else 0, max(0, here - seen.at) if seen else 0)


def now(connection: Any) -> int:
    """The present by the broker's clock of a database on which no broker runs."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")
            return int(cursor.fetchone()[0])
        cursor.execute(f"SELECT since_at, difference, slept FROM {WallStep._meta.db_table} ORDER BY id")  # noqa: S608 (a model's name)
        steps = [Step(since, difference, bool(slept)) for since, difference, slept in cursor.fetchall()]
    seen = _last_seen(connection)
    return (Clock.resumed(seen.at, steps, elapsed=seen.elapsed) if seen else Clock(steps=steps)).now()


def _last_seen(connection: Any) -> Seen | None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT seen_at, boot, up FROM {Node._meta.db_table} ORDER BY seen_at DESC LIMIT 1")  # noqa: S608 (a model's name)
        row = cursor.fetchone()
    return Seen(*row) if row else None


def begin(target: Any) -> None:
    """From here on leases stand still in a file: its next start prolongs them by the time that no broker was there."""
    if target.vendor == "sqlite":
        at = now(target)
        here = {"boot": machine.boot(), "up": machine.up()}
        Node.objects.using(target.alias).create(name=EMBEDDED, started_at=at, seen_at=at, **here)
