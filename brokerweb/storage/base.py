"""What the store asks of a database. A new one is one module beside this: a ``Dialect``, and texts where SQL differs.

Statements are named in the apps' ``.sql`` files; a dialect says which text is its own, how to run it on the driver's
connection, and what the driver's errors mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from enum import Enum
from typing import Any, Protocol

from brokerweb.core.clock import Clock
from brokerweb.core.errors import BrokerError
from brokerweb.storage import locks
from brokerweb.storage.disk import Sizes
from brokerweb.storage.statements import Statement
from brokerweb.storage.upkeep import Upkeep


class Failure(Enum):
    """What an error says of its transaction. Before the commit nothing of it is stored, whatever the error."""

    OTHER = "other"  # where it came of a commit, that may be stored
    REFUSED = "refused"  # the database said no
    CONFLICT = "conflict"  # others were in the way, and it may succeed at once
    WAITED = "waited"  # others have for too long what it waits for
    LOST = "lost"  # the connection is gone: on another it may succeed; a commit may be stored

    @property
    def certain(self) -> bool:
        """Whether nothing is stored, also where it came of a commit."""
        return self in {Failure.REFUSED, Failure.CONFLICT, Failure.WAITED}


class Dialect(Protocol):
    """One database's way. ``raw`` is the driver's connection, inside a transaction."""

    name: str

    single_writer: bool
    # One transaction at a time writes: what it reads stays as it was read until its commit. Where there are several, verbs
    # that read, decide and write take turns by ``Transaction.alone`` and ``share``.

    def instants(self, raw: Any) -> tuple[int, int]:
        """The present by the broker's clock and by the wall: of this process, or the database's where nodes share it."""

    def on_wait(self, raw: Any, waited: Callable[[], None]) -> None:
        """Tell the transaction that begins, by a method of its own, whenever a statement of it took long: as when it had to wait
        for a lock."""

    def run(self, raw: Any, statement: Statement, args: Sequence[Any]) -> Any:
        """Run one statement; the cursor has its rows and row count."""

    def scan(self, raw: Any, statement: Statement, args: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
        """The rows of a statement one by one, for a caller that stops early."""

    def ask(self, raw: Any, statement: Statement, args: Sequence[Any]) -> Callable[[], list[tuple[Any, ...]]]:
        """Run one statement that reads, now or when its rows are called for; what is run before that may go with it."""

    def foresee(self, raw: Any, statement: Statement, args: Sequence[Any], fits: Callable[[Any], bool]) -> None:
        """Run one statement without waiting for its answer, which is looked at before the commit: should it not be one that
        ``fits``, the transaction fails with a CONFLICT. For several writers."""

    def later(self, raw: Any, statement: Statement, rows: Sequence[Sequence[Any]]) -> None:
        """Run one statement for each row of values. Nobody asks what it did: it may wait for the next that somebody does ask,
        or for the commit."""

    def run_many(self, raw: Any, statement: Statement, rows: Iterable[Sequence[Any]]) -> int:
        """Run one statement for each row of values; the sum of the row counts."""

    def insert(self, raw: Any, statement: Statement, columns: Sequence[Sequence[Any]]) -> int:
        """Run an INSERT of one row for many, at least one, given as columns; how many were stored."""

    def insert_later(self, raw: Any, statement: Statement, columns: Sequence[Sequence[Any]]) -> None:
        """``insert``, as ``later`` has it."""

    def run_each(self, raw: Any, statement: Statement, rows: Iterable[Sequence[Any]]) -> list[int]:
        """Run one statement for each row of values; the row count of each."""

    def lock(self, raw: Any, kind: locks.Lock, numbers: Iterable[int], *, alone: bool) -> None:
        """Wait for these turns, and have them until the transaction ends; shared ones with all who share them."""

    def lock_at_once(self, raw: Any, kind: locks.Lock, number: int) -> bool:
        """Have this turn alone until the transaction ends, unless somebody else has or shares it."""

    def numbers(self, raw: Any, table: str, n: int) -> Sequence[int]:
        """``n`` ids of a table, rising; for several writers, as a single one counts on."""

    def prepare(self, raw: Any) -> None:
        """Make a connection the committer's."""

    def outermost(self, connection: Any) -> AbstractContextManager[None] | None:
        """A transaction on one of Django's connections that is in none, by a shorter way than Django's; None for Django's."""

    def shared_clock(self, raw: Any) -> Clock | None:
        """The clock of all nodes, where the database has it; None where a process has one of its own."""

    def waits_for_standby(self, raw: Any) -> bool:
        """Whether commits of this process wait for another machine, which does not answer; ``raw`` is one that commits nothing.

        Those that have waited for long are given up: they fail as ``committed`` says.
        """

    def upkeep(self, using: str) -> Upkeep | None:
        """What the database needs done again and again, where it does not do that by itself."""

    def vouch(self, raw: Any) -> None:
        """Let this transaction's commit be as sure as those whose rows it has seen, though it may write nothing itself."""

    def committing(self, raw: Any) -> None:
        """The transaction's last statement has run. Raises Unavailable where its commit would store nothing."""

    def committed(self, raw: Any) -> None:
        """The commit has returned. Raises Unavailable where that does not mean that it is stored."""

    def sizes(self, raw: Any) -> Sizes:
        """Of the database's file, as this transaction leaves it; asked only where it is a file of this machine."""

    def checkpoint(self, raw: Any, *, truncate: bool, patience: float = 0) -> None:
        """Take the log into the file as far as readers allow, outside of a transaction; ``truncate`` gives its room back.

        ``patience`` is how many seconds it waits for readers of an old state.
        """

    def version(self, raw: Any) -> int | None:
        """A number that changes when another connection has committed; None where that cannot be told."""

    def keeping(self, raw: Any) -> dict[Any, Any] | None:
        """What verbs keep for as long as this connection lasts; None where it is not a committer's."""

    def slot(self, raw: Any) -> int:
        """Which counter row this connection writes, so that writers never wait for each other."""

    def changed(self, raw: Any) -> int:
        """How many rows this connection has changed since it was opened."""

    def garbled(self, error: Exception) -> bool:
        """Whether a text could not be read because it is none: damage, of a row that a ``lenient`` reading then finds."""

    def lenient(self, raw: Any) -> AbstractContextManager[None]:
        """Texts that are none are read all the same, with U+FFFD, so that the checksum of what they belong to does not match."""

    def snapshot(self, raw: Any) -> AbstractContextManager[None]:
        """Statements within it, which read, see one state; within a transaction that of the transaction."""

    def failure(self, error: Exception) -> Failure:
        """What an error says of the transaction that it ended."""

    def translate(self, error: Exception) -> BrokerError | None:
        """What a driver's or Django's error means to a caller; None when it is not the database's."""
