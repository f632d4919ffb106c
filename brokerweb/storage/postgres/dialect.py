"""The dialect: statements with PostgreSQL's own parameters on psycopg's connections, whoever opened them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import count
from typing import Any
from weakref import WeakMethod

from psycopg.pq import TransactionStatus

from brokerweb.core import clock
from brokerweb.core.errors import BrokerError, Unavailable
from brokerweb.storage import locks
from brokerweb.storage.base import Failure
from brokerweb.storage.disk import Sizes
from brokerweb.storage.postgres import errors, inserts
from brokerweb.storage.postgres.clock import DatabaseClock
from brokerweb.storage.postgres.cursors import ServerCursor
from brokerweb.storage.postgres.standby import Standby
from brokerweb.storage.postgres.vacuum import Vacuum
from brokerweb.storage.postgres.wire import LaneTransaction, committing, wire_of
from brokerweb.storage.statements import Statement
from brokerweb.storage.upkeep import Upkeep

_NOW = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
# Sorted, so that two that take the same ones cannot wait for each other.
_ALONE = "SELECT pg_advisory_xact_lock(key) FROM unnest($1::bigint[]) AS key"
_SHARED = "SELECT pg_advisory_xact_lock_shared(key) FROM unnest($1::bigint[]) AS key"
_ONE_ALONE, _ONE_SHARED = "SELECT pg_advisory_xact_lock($1)", "SELECT pg_advisory_xact_lock_shared($1)"
_AT_ONCE = "SELECT pg_try_advisory_xact_lock($1)"
# Of the lanes' connections. A plan of the planner's own choice falls over where a table was empty when it was last looked at.
SETTINGS = (
    "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_bitmapscan = off; "
    "SET jit = off; SET plan_cache_mode = force_generic_plan; SET lock_timeout = '2s'; "
    "SET idle_in_transaction_session_timeout = '10s'"  # of a process that stands still, whose locks keep others
)
# Confirmed means on disk, whatever the server's own default is.
ON_DISK = "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
AT_ONCE = 100  # rows that a scan fetches in one go
# The transaction has its own number before it has any of these: who sees that all before some number have ended sees all that was
# stored under lower ids than some (``queues/bounds.py``).
_NUMBERS = (
    "SELECT array_agg(CASE WHEN x IS NOT NULL THEN nextval(s) END) FROM (WITH taker AS MATERIALIZED "
    "(SELECT pg_current_xact_id() AS x, pg_get_serial_sequence($1::text, 'id')::regclass AS s) SELECT x, s FROM taker) AS taker, "
    "generate_series(1, $2::bigint)"
)
# A commit that was told to wait for the standby no longer is seen by all, and may be on no other machine. One that has written
# nothing waits for nobody; with a word in the log it does, and so for all that came before.
_VOUCH = "SELECT pg_logical_emit_message(true, 'brokerweb', ''::text)::text"
_scans = count()


class Postgres:
    """The dialect of PostgreSQL, with Django's own backend."""

    name = "postgres"
    single_writer = False

    def __init__(self) -> None:
        self._standby = Standby()

    def instants(self, raw: Any) -> tuple[int, int]:
        running = clock.running()
        if running is not None and not isinstance(running, DatabaseClock):
            return running.instants()
        wire = wire_of(raw)
        if running is not None and wire.saving:
            # By the clock that follows the database's, which is asked again on the way: no round trip for that alone.
            if not running.fresh:
                wire.waiting.append((_NOW, (), running.told))
            at = running.now()
            return at, at
        before = clock.monotonic()
        [at] = wire.execute(raw, _NOW, ()).fetchone() or (0,)
        if running is not None:
            running.observe(at, before, clock.monotonic())
        return at, at

    def on_wait(self, raw: Any, waited: Callable[[], None]) -> None:
        wire_of(raw).waited = WeakMethod(waited)

    def run(self, raw: Any, statement: Statement, args: Sequence[Any]) -> Any:
        return wire_of(raw).execute(raw, statement.text["postgres"], args)

    def ask(self, raw: Any, statement: Statement, args: Sequence[Any]) -> Callable[[], list[tuple[Any, ...]]]:
        return wire_of(raw).ask(raw, statement.text["postgres"], args)

    def foresee(self, raw: Any, statement: Statement, args: Sequence[Any], fits: Callable[[Any], bool]) -> None:
        wire_of(raw).foresee(raw, statement.text["postgres"], args, fits)

    def later(self, raw: Any, statement: Statement, rows: Sequence[Sequence[Any]]) -> None:
        wire = wire_of(raw)
        for row in rows:
            wire.later(raw, statement.text["postgres"], row)

    def scan(self, raw: Any, statement: Statement, args: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
        own = raw.pgconn.transaction_status == TransactionStatus.IDLE and raw.autocommit
        with raw.transaction() if own else nullcontext():
            wire_of(raw).settle(raw)
            with ServerCursor(raw, f"scan_{next(_scans)}") as cursor:
                cursor.itersize = AT_ONCE
                yield from cursor.execute(statement.text["postgres"], args, binary=True)

    def run_many(self, raw: Any, statement: Statement, rows: Iterable[Sequence[Any]]) -> int:
        rows = list(rows)
        if not rows:
            return 0
        if len(rows) == 1:
            return max(0, int(self.run(raw, statement, rows[0]).rowcount))
        if len(rows[0]) and inserts.plain(statement):
            return self.insert(raw, statement, list(zip(*rows, strict=True)))
        return sum(self.run_each(raw, statement, rows))

    def insert(self, raw: Any, statement: Statement, columns: Sequence[Sequence[Any]]) -> int:
        text, args = inserts.shortened(raw, statement, columns)
        if text is None:
            return sum(self.run_each(raw, statement, zip(*columns, strict=True)))
        return int(wire_of(raw).execute(raw, text, args).rowcount)

    def insert_later(self, raw: Any, statement: Statement, columns: Sequence[Sequence[Any]]) -> None:
        text, args = inserts.shortened(raw, statement, columns)
        if text is None:
            self.later(raw, statement, list(zip(*columns, strict=True)))
        else:
            wire_of(raw).later(raw, text, args)

    def run_each(self, raw: Any, statement: Statement, rows: Iterable[Sequence[Any]]) -> list[int]:
        return wire_of(raw).execute_each(raw, statement.text["postgres"], rows)

    def lock(self, raw: Any, kind: locks.Lock, numbers: Iterable[int], *, alone: bool) -> None:
        keys = [locks.key(kind, number) for number in sorted(numbers)]
        if len(keys) == 1:  # as nearly always, at half the price
            wire_of(raw).later(raw, _ONE_ALONE if alone else _ONE_SHARED, keys)
        elif keys:
            wire_of(raw).later(raw, _ALONE if alone else _SHARED, [keys])

    def lock_at_once(self, raw: Any, kind: locks.Lock, number: int) -> bool:
        [got] = wire_of(raw).execute(raw, _AT_ONCE, [locks.key(kind, number)]).fetchone() or (False,)
        return bool(got)

    def numbers(self, raw: Any, table: str, n: int) -> Sequence[int]:
        if n == 0:
            return range(0)
        [numbers] = wire_of(raw).execute(raw, _NUMBERS, [table, n]).fetchone() or ([],)
        first, last = numbers[0], numbers[-1]
        return range(first, last + 1) if last - first + 1 == n else numbers

    def prepare(self, raw: Any) -> None:
        raw.prepare_threshold = None  # the driver prepares nothing: a rollback would have it forget all that is prepared
        raw.execute(SETTINGS)
        raw.execute(ON_DISK)
        wire_of(raw).lane = True

    def shared_clock(self, raw: Any) -> clock.Clock | None:
        before = clock.monotonic()
        [at] = wire_of(raw).execute(raw, _NOW, ()).fetchone() or (0,)
        return DatabaseClock(at, clock.monotonic() - before)

    def waits_for_standby(self, raw: Any) -> bool:
        return self._standby.look(raw, committing())

    def outermost(self, connection: Any) -> AbstractContextManager[None] | None:
        connection.ensure_connection()
        own = wire_of(connection.connection).lane and not connection.in_atomic_block and connection.get_autocommit()
        return LaneTransaction(connection) if own else None

    def upkeep(self, using: str) -> Upkeep | None:
        return Vacuum(using)

    def vouch(self, raw: Any) -> None:
        wire_of(raw).later(raw, _VOUCH, ())

    def committing(self, raw: Any) -> None:
        if raw.pgconn.transaction_status == TransactionStatus.INERROR:  # COMMIT would then succeed, and store nothing
            raise Unavailable("The store did not take it: the transaction had failed.")
        wire = wire_of(raw)
        if wire.unsure:
            wire.settle(raw)
        wire.notices.clear()
        wire.committing_since = time.monotonic()

    def committed(self, raw: Any) -> None:
        wire = wire_of(raw)
        wire.committing_since = None
        if wire.notices:
            said, wire.notices = wire.notices[0], []
            raise Unavailable(f"Whether the store took it is not known: {said}")
        if wire.changed != wire.stored:
            wire.stored = wire.changed
            self._standby.waited_for = False

    def sizes(self, raw: Any) -> Sizes:
        return Sizes(0, 0)

    def checkpoint(self, raw: Any, *, truncate: bool, patience: float = 0) -> None:
        """The server does that by itself."""

    def version(self, raw: Any) -> int | None:
        return None

    def keeping(self, raw: Any) -> dict[Any, Any] | None:
        wire = wire_of(raw)
        return wire.kept if wire.lane else None

    def slot(self, raw: Any) -> int:
        return int(raw.pgconn.backend_pid)

    def changed(self, raw: Any) -> int:
        return wire_of(raw).changed

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

    def failure(self, error: Exception) -> Failure:
        return errors.failure(error)

    def translate(self, error: Exception) -> BrokerError | None:
        return errors.translate(error)
