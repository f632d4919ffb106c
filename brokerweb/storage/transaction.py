"""A unit of work: the caller's database transaction, one reading of the clocks, and what to tell afterwards.

Verbs take one as their first argument and never commit. Inside ``transaction.atomic()`` it joins the caller's
transaction, so that a message commits with the caller's own rows or not at all.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol, TypeVar

from django.db import DEFAULT_DB_ALIAS, connections
from django.db import transaction as django_transaction

from brokerweb.core import events
from brokerweb.core.errors import Unavailable
from brokerweb.storage import damage
from brokerweb.storage.base import Dialect
from brokerweb.storage.dialects import dialect_of
from brokerweb.storage.handover import HandOver
from brokerweb.storage.locks import Lock
from brokerweb.storage.lookups import Lookups
from brokerweb.storage.reading import Reads
from brokerweb.storage.statements import Statement

log = logging.getLogger(__name__)


class Gathered(Protocol):
    """Changes that a transaction writes once, however often its verbs made them."""

    def flush(self, tx: Transaction) -> None:
        """Write them, and forget them."""


G = TypeVar("G", bound=Gathered)


class Transaction(Reads):
    """``now`` is the instant of what its verbs do, ``wall`` what the wall calls it: read when it begins, and anew after a
    statement that had to wait, so that what lasts is counted from when its locks were held. ``writes`` counts statements that
    may have changed a row. ``by`` is the token or user on whose behalf an operator's verb runs (``acting``). ``lasting``: it
    is part of a caller's own transaction, which may last. ``foreseeing``: it is run once more, should an answer not be
    what a verb went on with.
    """

    __slots__ = (
        "__weakref__",
        "_changed",
        "_gathered",
        "_later",
        "_learnt",
        "by",
        "committing",
        "foreseeing",
        "handover",
        "kept",
        "lasting",
        "memo",
        "now",
        "outcome",
        "wall",
        "writes",
    )

    def __init__(
        self,
        raw: Any,
        dialect: Dialect,
        handover: HandOver | None = None,
        *,
        lasting: bool = False,
        kept: dict[Any, Any] | None = None,
        foreseeing: bool = False,
    ) -> None:
        super().__init__(raw, dialect)
        self.handover, self.lasting, self.foreseeing = handover, lasting, foreseeing and not dialect.single_writer
        self.now, self.wall = dialect.instants(raw)
        if not dialect.single_writer:
            dialect.on_wait(raw, self._waited)
        self.outcome = events.Outcome()
        self.writes = 0
        self._changed = dialect.changed(raw)
        self.memo: dict[Any, Any] = {}  # what verbs of this transaction have looked up
        self.kept = (
            kept  # what those of the writer's earlier transactions have, as far as it still is so; None where nobody knows
        )
        self._gathered: dict[type, Any] = {}
        self._later: list[tuple[Callable[..., Any], tuple[Any, ...]]] = []
        self._learnt: list[Callable[[], None]] = []
        self.by: str | None = None
        self.committing = False  # all its statements have been answered, and its commit is next

    def _waited(self) -> None:
        now, wall = self.dialect.instants(self.raw)
        if now > self.now:
            self.now, self.wall = now, wall

    @property
    def difference(self) -> int:
        """How far the wall is ahead of the broker's clock."""
        return self.wall - self.now

    def ask(self, statement: Statement, *args: Any) -> Callable[[], list[tuple[Any, ...]]]:
        """Run a statement whose rows are called for later, so that it may go to the database together with others."""
        return self.dialect.ask(self.raw, statement, args)

    def change(self, statement: Statement, *args: Any) -> int:
        self.writes += 1
        return self.dialect.run(self.raw, statement, args).rowcount

    def change_many(self, statement: Statement, rows: Iterable[Sequence[Any]]) -> int:
        self.writes += 1
        return self.dialect.run_many(self.raw, statement, rows)

    def insert(self, statement: Statement, columns: Sequence[Sequence[Any]]) -> int:
        """Store rows, at least one, that are given as columns: a sequence of the same length for each parameter."""
        self.writes += 1
        return self.dialect.insert(self.raw, statement, columns)

    def later(self, statement: Statement, *args: Any) -> None:
        """Run a statement of which nobody asks what it did: at the latest with the commit, and before what comes after it."""
        self.writes += 1
        self.dialect.later(self.raw, statement, [args])

    def later_many(self, statement: Statement, rows: Sequence[Sequence[Any]]) -> None:
        self.writes += 1
        self.dialect.later(self.raw, statement, rows)

    def insert_later(self, statement: Statement, columns: Sequence[Sequence[Any]]) -> None:
        self.writes += 1
        self.dialect.insert_later(self.raw, statement, columns)

    def change_each(self, statement: Statement, rows: Iterable[Sequence[Any]]) -> list[int]:
        self.writes += 1
        return self.dialect.run_each(self.raw, statement, rows)

    def returning(self, statement: Statement, *args: Any) -> list[tuple[Any, ...]]:
        self.writes += 1
        return self.dialect.run(self.raw, statement, args).fetchall()

    def foreseen(self, row: tuple[Any, ...] | None, statement: Statement, *args: Any) -> tuple[Any, ...] | None:
        """The first row of a statement, which has most likely not changed since it was ``row``: then nobody waits for it."""
        if row is None or not self.foreseeing:
            return self.row(statement, *args)
        self.dialect.foresee(self.raw, statement, args, lambda answer: answer.fetchone() == row)
        return row

    def changes(self, n: int, statement: Statement, *args: Any) -> bool:
        """Whether a statement changes ``n`` rows, as it most likely does."""
        if not self.foreseeing:
            return self.change(statement, *args) == n
        self.writes += 1
        self.dialect.foresee(self.raw, statement, args, lambda answer: answer.rowcount == n)
        return True

    def changes_each(self, statement: Statement, rows: Sequence[Sequence[Any]]) -> list[int]:
        """``change_each`` for rows of which each most likely changes one."""
        if not self.foreseeing:
            return self.change_each(statement, rows)
        self.writes += 1
        for row in rows:
            self.dialect.foresee(self.raw, statement, row, lambda answer: answer.rowcount == 1)
        return [1] * len(rows)

    def change_kept(self, n: int, statement: Statement, *args: Any) -> None:
        """Change ``n`` rows that others are kept from, by their locks or since nobody else writes: all of them change."""
        if self.dialect.single_writer:
            self.exactly(n, self.change(statement, *args))
        else:
            self.later(statement, *args)

    def exactly(self, n: int, changed: int) -> None:
        """``n`` rows were to change. Raises Unavailable if others were faster with some: the whole verb must be tried anew."""
        if changed != n:
            raise Unavailable("Others changed the same at the same time.")

    def alone(self, kind: Lock, *numbers: int) -> None:
        """Nobody else has any of these turns until this transaction ends; what it reads from now on is what they left."""
        self._lock(kind, numbers, alone=True)

    def share(self, kind: Lock, *numbers: int) -> None:
        """Nobody has any of these turns alone until this transaction ends."""
        self._lock(kind, numbers, alone=False)

    def alone_at_once(self, kind: Lock, number: int) -> bool:
        """Whether nobody else has this turn, or shares it, until this transaction ends: for who can come back later."""
        return self.dialect.lock_at_once(self.raw, kind, number)

    def _lock(self, kind: Lock, numbers: Sequence[int], *, alone: bool) -> None:
        if self.dialect.single_writer:
            return
        held: dict[int, bool] = self.memo.setdefault(("locks", kind), {})
        wanted = [number for number in numbers if not (held.get(number) or (number in held and not alone))]
        if wanted:
            self.dialect.lock(self.raw, kind, wanted, alone=alone)
            held.update(dict.fromkeys(wanted, alone))

    def vouch(self) -> None:
        """The answer confirms what an earlier transaction stored, whose own commit nobody may have been told of."""
        self.dialect.vouch(self.raw)

    def wrote(self) -> bool:
        """Whether a row was changed, which a statement that found none has not done."""
        return self.dialect.changed(self.raw) != self._changed

    def changes_lookups(self) -> None:
        """Something changes that verbs look up: what was kept of that is so no more, nor is it kept before the commit."""
        self.kept = None

    def gathered(self, kind: type[G]) -> G:
        """The transaction's one ``kind()``, whose ``flush`` is called at its end."""
        found: G | None = self._gathered.get(kind)
        if found is None:
            found = self._gathered[kind] = kind()
        return found

    def flush(self) -> None:
        """Write what was gathered, last in the transaction: on PostgreSQL counters must be locked after all other rows."""
        for gathered in self._gathered.values():
            gathered.flush(self)

    def afterwards(self, verb: Callable[..., Any], *args: Any) -> None:
        """Run a verb in a transaction of its own when this one is committed, should that come to pass: something else must find
        what it leaves undone.
        """
        self._later.append((verb, args))

    def learnt(self, note: Callable[[], None]) -> None:
        """``note`` what the transaction has seen, once it is committed: what it saw of its own changes is true from then on."""
        self._learnt.append(note)

    def abandon(self) -> None:
        """The transaction was rolled back: give reserved takers their room back."""
        handed, self.outcome.handed = self.outcome.handed, []
        if self.handover is not None and handed:
            self.handover.cancel([(taker, len(messages)) for taker, messages in handed])


def acting(tx: Transaction, by: str, verb: Callable[..., Any], /, *args: Any, **options: Any) -> Any:
    """Run a verb on behalf of a token or user by that name, whom the history of what it does then names."""
    before, tx.by = tx.by, by
    try:
        return verb(tx, *args, **options)
    finally:
        tx.by = before


def _atomic(connection: Any, dialect: Dialect) -> AbstractContextManager[Any]:
    """The backend's own short way for a caller who is in no transaction yet, where it has one; else Django's."""
    return dialect.outermost(connection) or django_transaction.atomic(using=connection.alias)


@contextmanager
def transaction(
    using: str = DEFAULT_DB_ALIAS,
    handover: HandOver | None = None,
    *,
    brief: bool = False,
    lookups: Lookups | None = None,
    foreseeing: bool = False,
) -> Iterator[Transaction]:
    """One unit of work; commits at the end, or with the caller's ``atomic()``. Listeners hear of it after the commit.

    ``brief``: a caller's transaction that it is part of, if there is one, ends right after it. ``lookups`` are those of a writer
    that is in no other transaction. ``foreseeing``: the caller runs it once more after a CONFLICT. Raises Unavailable where the
    store is damaged.
    """
    damage.refuse()
    connection = connections[using]
    dialect, joined = dialect_of(connection), connection.in_atomic_block
    lasting = joined and not brief and _lasts(connection)
    with _atomic(connection, dialect):
        connection.validate_no_broken_transaction()
        raw = connection.connection
        kept = None if lookups is None else lookups.taken(raw, dialect.version(raw))
        tx = Transaction(raw, dialect, handover, lasting=lasting, kept=kept, foreseeing=foreseeing)
        try:
            yield tx
            tx.flush()
            dialect.committing(tx.raw)
            tx.committing = True
        except BaseException:
            tx.abandon()
            raise
        connection.on_commit(lambda: _committed(tx, using, joined=joined))
    if lookups is not None:
        lookups.keep(tx.kept)


def relisted(what: str) -> None:
    """That list (of ``events``) is another one, once the caller's transaction is committed; at once where there is none."""
    outcome = events.Outcome()
    outcome.lists |= {what}
    django_transaction.on_commit(lambda: events.committed(outcome))


def _lasts(connection: Any) -> bool:
    """Whether a caller's own transaction is under way. The one that a ``TestCase`` rolls back is none: what is done in it stands
    for what is done in no transaction."""
    return any(not block._from_testcase for block in connection.atomic_blocks)


def _committed(tx: Transaction, using: str, *, joined: bool) -> None:
    if not joined:  # else the server may have spoken of the caller's own statements, and Django has said that it is stored
        tx.dialect.committed(tx.raw)
    for note in tx._learnt:
        note()
    events.committed(tx.outcome)
    for verb, args in tx._later:
        try:
            with transaction(using, brief=True) as own:
                verb(own, *args)
        except Exception:
            log.exception("what was to follow a commit failed")
