"""How statements go over one of the driver's connections, and what is known of it.

A statement sent by itself is a round trip, and a wait for the interpreter's lock after it. In a lane's transactions what nobody
waits for goes out with the next statement that somebody does: BEGIN with the first, locks before what they guard, and inserts,
counters and COMMIT at the end as one. They are prepared, bound and read without the driver's cursors, which take longer
over a small statement than the server does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from functools import partial
from itertools import count
from typing import Any
from weakref import WeakMethod, WeakSet

from psycopg import generators, waiting
from psycopg.adapt import Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus, Format, TransactionStatus

from brokerweb.core import clock
from brokerweb.storage.outermost import Outermost
from brokerweb.storage.postgres.binary import dumped
from brokerweb.storage.postgres.cursors import Cursor
from brokerweb.storage.postgres.errors import ForeseenWrong

BINARY = Format.BINARY
LONG = clock.SECOND // 4  # a round trip in which something was waited for: a lock, the network, or this process itself
GOOD = {ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK, ExecStatus.EMPTY_QUERY}

_names = count()
_known: WeakSet[Any] = WeakSet()  # the driver's connections
_Key = tuple[str, tuple[int, ...]]  # a text, and the types of its parameters
_Waiting = tuple[str, Sequence[Any], Callable[["Rows", int, int], None] | None]  # a statement, and who is told what it answered


class Rows:
    """What a statement of a lane answered; as much of a cursor as is asked of one."""

    __slots__ = ("_left", "_result", "_transformer", "rowcount")

    def __init__(self, result: Any, transformer: Any) -> None:
        self._result, self._transformer = result, transformer
        self.rowcount: int = result.ntuples if result.status == ExecStatus.TUPLES_OK else result.command_tuples or 0
        self._left: Iterator[tuple[Any, ...]] | None = None

    @property
    def changed(self) -> int:
        """How many rows it changed."""
        return 0 if (self._result.command_status or b"SELECT").startswith(b"SELECT") else self.rowcount

    def fetchall(self) -> list[tuple[Any, ...]]:
        self._transformer.set_pgresult(self._result)
        return self._transformer.load_rows(0, self._result.ntuples, tuple)

    def fetchone(self) -> tuple[Any, ...] | None:
        return next(iter(self), None)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        if self._left is None:
            self._left = iter(self.fetchall())
        return self._left


class Wire:
    """``lane``: it is the committer's. ``saving``: its transaction is under way, and what nobody asks for may wait."""

    __slots__ = (
        "_prepared",
        "_transformer",
        "changed",
        "committing_since",
        "kept",
        "lane",
        "notices",
        "saving",
        "stored",
        "unsure",
        "waited",
        "waiting",
    )

    def __init__(self) -> None:
        self.changed = self.stored = 0  # rows; those of which it is known that they are on disk
        self.notices: list[str] = []
        self.kept: dict[Any, Any] = {}  # what verbs keep, for as long as the connection lasts
        self.lane = self.saving = False
        self.waiting: list[_Waiting] = []
        self.unsure = False  # an answer that has been foreseen is yet to come
        self.committing_since: float | None = None  # by the monotonic clock, while a COMMIT is under way
        self.waited: WeakMethod[Callable[[], None]] | None = None  # to be told when a statement took long
        self._prepared: dict[_Key, bytes] = {}  # by which name the server knows it
        self._transformer: Any = None

    def execute(self, raw: Any, text: str, args: Sequence[Any]) -> Any:
        """Run a statement behind whatever waits; a cursor with its rows, or as much as ``Rows`` is of one."""
        if not self.lane:
            before = clock.monotonic()
            cursor = Cursor(raw).execute(text, args, binary=True)
            self._took(clock.monotonic() - before)
            self.changed += cursor.rowcount if not (cursor.statusmessage or "SELECT").startswith("SELECT") else 0
            return cursor
        self.waiting.append((text, args, None))
        return self.send(raw)[-1]

    def execute_each(self, raw: Any, text: str, rows: Iterable[Sequence[Any]]) -> list[int]:
        """Run a statement for each row of values; the row count of each."""
        if not self.lane:
            return self._execute_each(raw, text, rows)
        own: list[_Waiting] = [(text, row, None) for row in rows]
        self.waiting += own
        return [answer.rowcount for answer in self.send(raw)[-len(own) :]] if own else []

    def _execute_each(self, raw: Any, text: str, rows: Iterable[Sequence[Any]]) -> list[int]:
        cursor = Cursor(raw)
        cursor.executemany(text, rows, returning=True)
        counts: list[int] = []
        while True:
            if cursor.statusmessage is not None:
                counts.append(max(0, cursor.rowcount))
            if not cursor.nextset():
                break
        self.changed += sum(counts)
        return counts

    def later(self, raw: Any, text: str, args: Sequence[Any]) -> None:
        """Run a statement of which nobody asks what it did."""
        if self.saving:
            self.waiting.append((text, args, None))
        else:
            self.execute(raw, text, args)

    def ask(self, raw: Any, text: str, args: Sequence[Any]) -> Callable[[], list[tuple[Any, ...]]]:
        """Run a statement that reads, for its rows when they are called for."""
        if not self.saving:
            return lambda: self.execute(raw, text, args).fetchall()
        answers: list[Rows] = []
        self.waiting.append((text, args, lambda answer, before, after: answers.append(answer)))

        def rows() -> list[tuple[Any, ...]]:
            if not answers:
                self.settle(raw)
            return answers[0].fetchall()

        return rows

    def foresee(self, raw: Any, text: str, args: Sequence[Any], fits: Callable[[Any], bool]) -> None:
        """Run a statement whose answer is taken to be one that ``fits``. Raises ForeseenWrong where it is not, at the latest when
        ``settle`` sends it.
        """

        def check(answer: Any, before: int, after: int) -> None:
            if not fits(answer):
                raise ForeseenWrong(f"another answer than was foreseen: {text[:60]}")

        if self.saving:
            self.waiting.append((text, args, check))
            self.unsure = True
        else:
            check(self.execute(raw, text, args), 0, 0)

    def settle(self, raw: Any) -> None:
        """Nothing waits after this."""
        if self.waiting:
            self.send(raw)

    def send(self, raw: Any) -> list[Any]:
        """Run what waits, in one round trip. Raises what the first of them does that fails; what is behind it has not run."""
        sent, self.waiting, self.unsure = self.waiting, [], False
        pgconn, new = raw.pgconn, dict[_Key, bytes]()
        steps = [step for text, args, _ in sent for step in self._steps(pgconn, new, text, args)]
        before = clock.monotonic()
        pgconn.enter_pipeline_mode()
        try:
            results = raw.wait(_round_trip(pgconn, [step for step, _ in steps]))
        finally:
            if pgconn.status == ConnStatus.OK:
                pgconn.exit_pipeline_mode()
        for result in results:
            if result.status not in GOOD:
                raise error_from_result(result, encoding=raw.info.encoding)
        self._prepared |= new
        if self._transformer is None:
            self._transformer = Transformer.from_context(raw)
        answers = [Rows(result, self._transformer) for result, (_, own) in zip(results, steps, strict=True) if own]
        after = clock.monotonic()
        for (_, _, told), answer in zip(sent, answers, strict=True):
            self.changed += answer.changed
            if told is not None:
                told(answer, before, after)
        self._took(after - before)
        return answers

    def _took(self, microseconds: int) -> None:
        """Tell the transaction under way that what was sent took so long, where that is long."""
        if microseconds < LONG or self.waited is None:
            return
        waited, self.waited = self.waited, None  # what it asks may take long, too
        tell = waited()
        if tell is not None:
            tell()
        self.waited = waited

    def _steps(
        self, pgconn: Any, new: dict[_Key, bytes], text: str, args: Sequence[Any]
    ) -> list[tuple[Callable[[], None], bool]]:
        """What to do for a statement, and of which step its answer is: it is prepared at first."""
        dumps = [dumped(value) for value in args]
        key = text, tuple(kind for kind, _ in dumps)
        name = self._prepared.get(key) or new.get(key)
        steps: list[tuple[Callable[[], None], bool]] = []
        if name is None:
            name = new[key] = f"brokerweb_{next(_names)}".encode()
            steps.append((partial(pgconn.send_prepare, name, text.encode(), key[1]), False))
        values = [value for _, value in dumps]
        steps.append((partial(pgconn.send_query_prepared, name, values, [BINARY] * len(values), BINARY), True))
        return steps

    # A lane's transactions

    def begin(self) -> None:
        self.saving, self.unsure, self.waiting = True, False, [("BEGIN", (), None)]

    def commit(self, raw: Any) -> None:
        """Send what waits, and the commit behind it."""
        self.waited = None
        self.waiting.append(("COMMIT", (), None))
        try:
            self.send(raw)
        finally:
            self.saving = False

    def roll_back(self, raw: Any) -> None:
        self.saving, self.unsure, self.waiting, self.committing_since, self.waited = False, False, [], None, None
        raw.rollback()

    def notice(self, diagnostic: Any) -> None:
        self.notices.append(f"{diagnostic.severity}: {diagnostic.message_primary}")


def _round_trip(pgconn: Any, steps: Iterable[Callable[[], None]]) -> Generator[Any, Any, list[Any]]:
    """Send, all at once, and gather what is answered. For the driver's ``wait``."""
    for step in steps:
        step()
    pgconn.pipeline_sync()
    while pgconn.flush():
        if (yield waiting.WAIT_RW) & waiting.READY_R:
            pgconn.consume_input()
    results: list[Any] = []
    while True:
        answered = yield from generators.fetch_many(pgconn)
        if answered and answered[-1].status == ExecStatus.PIPELINE_SYNC:
            return results
        results += answered


def wire_of(raw: Any) -> Wire:
    """What belongs to one of the driver's connections; made ready for the dialect's statements at first sight."""
    try:
        return raw.brokerweb
    except AttributeError:
        found = raw.brokerweb = Wire()
        _known.add(raw)
        raw.add_notice_handler(found.notice)
        return found


def committing() -> dict[int, float]:
    """The commits under way in this process: for how many seconds, by the number of their backend."""
    now, found = time.monotonic(), [(raw, wire_of(raw).committing_since) for raw in list(_known)]
    # One that joined a transaction of its caller's is not committing yet.
    active = [(raw, since) for raw, since in found if raw.pgconn.transaction_status == TransactionStatus.ACTIVE]
    return {raw.info.backend_pid: now - since for raw, since in active if since is not None}


class LaneTransaction(Outermost):
    """``atomic()`` on a lane's connection. Django's own statements in it go out behind what waits."""

    __slots__ = ()

    def begin(self) -> None:
        wrapper = self.wrapper
        wire_of(wrapper.connection).begin()
        if _behind not in wrapper.execute_wrappers:
            wrapper.execute_wrappers.append(_behind)

    def commit(self) -> None:
        with self.wrapper.wrap_database_errors:
            wire_of(self.wrapper.connection).commit(self.wrapper.connection)

    def roll_back(self) -> None:
        with self.wrapper.wrap_database_errors:
            wire_of(self.wrapper.connection).roll_back(self.wrapper.connection)


def _behind(execute: Any, sql: Any, params: Any, many: Any, context: Any) -> Any:
    raw = context["connection"].connection
    wire_of(raw).settle(raw)
    return execute(sql, params, many, context)
