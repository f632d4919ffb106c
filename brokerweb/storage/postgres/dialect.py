"""The dialect: statements with PostgreSQL's own parameters on psycopg's connections, whoever opened them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import count
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.types.array import ListBinaryDumper
from psycopg.types.numeric import Int8BinaryDumper

from brokerweb.core import clock
from brokerweb.core.errors import BrokerError, Unavailable
from brokerweb.storage import locks
from brokerweb.storage.disk import Sizes
from brokerweb.storage.postgres import errors, inserts
from brokerweb.storage.postgres.clock import DatabaseClock
from brokerweb.storage.postgres.standby import Standby
from brokerweb.storage.statements import Statement

_NOW = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
# Sorted, so that two that take the same ones cannot wait for each other.
_ALONE = "SELECT pg_advisory_xact_lock(key) FROM unnest($1::bigint[]) AS key"
_SHARED = "SELECT pg_advisory_xact_lock_shared(key) FROM unnest($1::bigint[]) AS key"
_AT_ONCE = "SELECT pg_try_advisory_xact_lock($1)"
# Of the lanes' connections. A plan of the planner's own choice falls over where a table was empty when it was last looked at.
SETTINGS = (
    "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_bitmapscan = off; "
    "SET jit = off; SET plan_cache_mode = force_generic_plan; SET lock_timeout = '2s'"
)
# Confirmed means on disk, whatever the server's own default is.
ON_DISK = "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
PREPARED = 500  # statements a lane keeps
AT_ONCE = 100  # rows that a scan fetches in one go
# The numbers of one call are in a row: nobody takes one between, and the lock is held for that long alone.
_NUMBERS = (
    "SELECT pg_advisory_lock($3), setval(s, nextval(s) + $2 - 1) - $2 + 1, pg_advisory_unlock($3) "
    "FROM (SELECT pg_get_serial_sequence($1::text, 'id')::regclass AS s) AS sequence"
)
_scans = count()


class _Connection:
    """What is known of one of the driver's connections."""

    __slots__ = ("changed", "committing_since", "notices", "stored")

    def __init__(self) -> None:
        self.changed = self.stored = 0
        self.committing_since: float | None = None
        self.notices: list[str] = []

    def notice(self, diagnostic: Any) -> None:
        self.notices.append(f"{diagnostic.severity}: {diagnostic.message_primary}")


class Postgres:
    """The dialect of PostgreSQL, with Django's own backend."""

    name = "postgres"
    single_writer = False

    def __init__(self) -> None:
        self._known: WeakKeyDictionary[Any, _Connection] = WeakKeyDictionary()
        self._standby = Standby()

    def _of(self, raw: Any) -> _Connection:
        found = self._known.get(raw)
        if found is None:
            found = self._known[raw] = _Connection()
            raw.add_notice_handler(found.notice)
            # One type for all numbers, so that a statement is prepared once; arrays as bytes, since text costs ten times that.
            raw.adapters.register_dumper(int, Int8BinaryDumper)
            raw.adapters.register_dumper(list, ListBinaryDumper)
        return found

    def _cursor(self, raw: Any) -> psycopg.RawCursor[Any]:
        self._of(raw)
        return psycopg.RawCursor(raw)

    def instants(self, raw: Any) -> tuple[int, int]:
        running = clock.running()
        if running is not None and not isinstance(running, DatabaseClock):
            return running.instants()
        before = clock.monotonic()
        [at] = self._cursor(raw).execute(_NOW, binary=True).fetchone() or (0,)
        if running is not None:
            running.observe(at, before, clock.monotonic())
        return at, at

    def run(self, raw: Any, statement: Statement, args: Sequence[Any]) -> Any:
        cursor = self._cursor(raw).execute(statement.text["postgres"], args, binary=True)
        if cursor.rowcount > 0 and not (cursor.statusmessage or "").startswith("SELECT"):
            self._of(raw).changed += cursor.rowcount
        return cursor

    def scan(self, raw: Any, statement: Statement, args: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
        own = raw.pgconn.transaction_status == TransactionStatus.IDLE and raw.autocommit
        with raw.transaction() if own else nullcontext():
            self._of(raw)
            with psycopg.RawServerCursor(raw, f"scan_{next(_scans)}") as cursor:
                cursor.itersize = AT_ONCE
                yield from cursor.execute(statement.text["postgres"], args, binary=True)

    def run_many(self, raw: Any, statement: Statement, rows: Iterable[Sequence[Any]]) -> int:
        rows = list(rows)
        if not rows:
            return 0
        if len(rows) == 1:
            return max(0, int(self.run(raw, statement, rows[0]).rowcount))
        if len(rows[0]) and inserts.text(self._cursor(raw), statement, ()) is not None:
            return self.insert(raw, statement, list(zip(*rows, strict=True)))
        return sum(self.run_each(raw, statement, rows))

    def insert(self, raw: Any, statement: Statement, columns: Sequence[Sequence[Any]]) -> int:
        n = len(columns[0])
        empty = tuple(i for i, values in enumerate(columns) if values[0] is None and values.count(None) == n)
        cursor = self._cursor(raw)
        text = inserts.text(cursor, statement, empty) if len(empty) < len(columns) else None
        if text is None:
            return sum(self.run_each(raw, statement, zip(*columns, strict=True)))
        cursor.execute(text, [list(values) for i, values in enumerate(columns) if i not in empty], binary=True)
        self._of(raw).changed += cursor.rowcount
        return int(cursor.rowcount)

    def run_each(self, raw: Any, statement: Statement, rows: Iterable[Sequence[Any]]) -> list[int]:
        cursor = self._cursor(raw)
        cursor.executemany(statement.text["postgres"], rows, returning=True)
        counts: list[int] = []
        while True:
            if cursor.statusmessage is not None:
                counts.append(max(0, cursor.rowcount))
            if not cursor.nextset():
                break
        self._of(raw).changed += sum(counts)
        return counts

    def lock(self, raw: Any, kind: locks.Lock, numbers: Iterable[int], *, alone: bool) -> None:
        keys = [locks.key(kind, number) for number in sorted(numbers)]
        if keys:
            self._cursor(raw).execute(_ALONE if alone else _SHARED, [keys])

    def lock_at_once(self, raw: Any, kind: locks.Lock, number: int) -> bool:
        [got] = self._cursor(raw).execute(_AT_ONCE, [locks.key(kind, number)], binary=True).fetchone() or (False,)
        return bool(got)

    def numbers(self, raw: Any, table: str, n: int) -> int:
        args = [table, n, locks.key(locks.Lock.NUMBERS, 0)]
        _, first, _ = self._cursor(raw).execute(_NUMBERS, args, binary=True).fetchone() or (None, 0, None)
        return int(first)

    def prepare(self, raw: Any) -> None:
        raw.prepare_threshold = 1
        raw.prepared_max = PREPARED
        raw.execute(SETTINGS)
        raw.execute(ON_DISK)

    def shared_clock(self, raw: Any) -> clock.Clock | None:
        before = clock.monotonic()
        [at] = self._cursor(raw).execute(_NOW, binary=True).fetchone() or (0,)
        return DatabaseClock(at, clock.monotonic() - before)

    def lost(self, raw: Any, error: BaseException | None) -> bool:
        return bool(raw.closed) or errors.ends(error)

    def waits_for_standby(self, raw: Any) -> bool:
        now = time.monotonic()
        commits = [(each, since) for each, known in list(self._known.items()) if (since := known.committing_since) is not None]
        # One that joined a transaction of its caller's is not committing yet.
        under_way = [(each, since) for each, since in commits if each.pgconn.transaction_status == TransactionStatus.ACTIVE]
        return self._standby.look(raw, {each.info.backend_pid: now - since for each, since in under_way})

    def committing(self, raw: Any) -> None:
        if raw.pgconn.transaction_status == TransactionStatus.INERROR:  # COMMIT would then succeed, and store nothing
            raise Unavailable("The store did not take it: the transaction had failed.")
        known = self._of(raw)
        known.notices.clear()
        known.committing_since = time.monotonic()

    def committed(self, raw: Any) -> None:
        known = self._of(raw)
        known.committing_since = None
        if known.notices:
            said, known.notices = known.notices[0], []
            raise Unavailable(f"Whether the store took it is not known: {said}")
        if known.changed != known.stored:
            known.stored = known.changed
            self._standby.waited_for = False

    def sizes(self, raw: Any) -> Sizes:
        return Sizes(0, 0)

    def checkpoint(self, raw: Any, *, truncate: bool, patience: float = 0) -> None:
        """The server does that by itself."""

    def version(self, raw: Any) -> int | None:
        return None

    def slot(self, raw: Any) -> int:
        return int(raw.pgconn.backend_pid)

    def changed(self, raw: Any) -> int:
        return self._of(raw).changed

    def garbled(self, error: Exception) -> bool:
        return False  # the server takes no text that is none

    def lenient(self, raw: Any) -> AbstractContextManager[None]:
        return nullcontext()

    @contextmanager
    def snapshot(self, raw: Any) -> Iterator[None]:
        if raw.pgconn.transaction_status != TransactionStatus.IDLE:
            yield
            return
        raw.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        try:
            yield
        finally:
            raw.execute("ROLLBACK")

    def translate(self, error: Exception) -> BrokerError | None:
        return errors.translate(error)
