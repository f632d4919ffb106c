"""What the model test drives: a store that keeps what its commits told, takers who wait, and the rows to compare."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.db import connection

from brokerweb.core import events
from brokerweb.core.errors import BrokerError
from brokerweb.queues import engine, leasing
from brokerweb.queues.definitions import Q
from brokerweb.queues.states import ARROWS, State
from brokerweb.storage.reading import read
from tests.contract.store import Store
from tests.contract.test_handover import Waiting
from tests.queues.bench import Time
from tests.queues.books import Item, Taker

COLUMNS = (
    "id, state, priority, position, attempts, failures, holds_key, alone, due_at, expires_at, deliver_at, key, ttl,"
    " holder, reason, parent, (SELECT count(*) FROM brokerweb_queues_failure f WHERE f.message_id = m.id)"
)
NOTE_CHANGES = (
    "CREATE TEMP TABLE changed (old, new)",
    "CREATE TEMP TRIGGER note AFTER UPDATE OF state ON main.brokerweb_queues_message WHEN old.state <> new.state"
    " BEGIN INSERT INTO changed VALUES (old.state, new.state); END",
)
NOTE_CHANGES_THERE = (
    "CREATE TABLE IF NOT EXISTS changed (old int, new int)",
    "CREATE OR REPLACE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql AS"
    " 'BEGIN INSERT INTO changed VALUES (old.state, new.state); RETURN NULL; END'",
    "CREATE OR REPLACE TRIGGER note AFTER UPDATE OF state ON brokerweb_queues_message FOR EACH ROW"
    " WHEN (old.state <> new.state) EXECUTE FUNCTION note_change()",
)
NOTE_NO_MORE = (
    "DROP TABLE IF EXISTS changed; DROP FUNCTION IF EXISTS note_change CASCADE"  # there alone: the others are temporary
)
Call = Callable[[Any], Any]


class Crash(Exception):
    """The process dies before the commit."""


def terms(taker: Taker) -> engine.Terms:
    return engine.Terms(taker.holder, taker.lease, taker.acknowledge)


def want(taker: Taker) -> leasing.Want:
    return leasing.Want(taker.room, terms(taker), taker.unsettled)


def _waiting(t: Taker) -> Waiting:
    return Waiting(t.holder, t.room, t.lease, acknowledge=t.acknowledge, unsettled=t.unsettled)


class Waiters:
    """Offers the room of those who wait at each queue, first come first served."""

    def __init__(self, by_queue: dict[int, list[Taker]]) -> None:
        self.by_queue = {id: [_waiting(t) for t in takers] for id, takers in by_queue.items()}

    def has_room(self, queue_id: int) -> bool:
        return any(one.room for one in self.by_queue[queue_id])

    def reserve(self, queue_id: int, wanted: int) -> Sequence[Any]:
        reserved = [(one, min(one.room, max(0, wanted - before))) for before, one in self._with_room_before(queue_id)]
        for one, n in reserved:
            one.room, one.unsettled = one.room - n, one.unsettled + n
        return [(one, n) for one, n in reserved if n]

    def _with_room_before(self, queue_id: int) -> Sequence[tuple[int, Waiting]]:
        rooms = [one.room for one in self.by_queue[queue_id]]
        return [(sum(rooms[:i]), one) for i, one in enumerate(self.by_queue[queue_id])]

    def reserve_all(self, queue_id: int) -> Sequence[Any]:
        return self.reserve(queue_id, sum(one.room for one in self.by_queue[queue_id]))

    def cancel(self, reserved: Sequence[Any]) -> None:
        for one, n in reserved:
            one.room, one.unsettled = one.room + n, one.unsettled - n

    def rooms(self) -> list[tuple[str, int, int]]:
        return [(one.holder, one.room, one.unsettled) for waiting in self.by_queue.values() for one in waiting]


class Rig(Store):
    """A store whose books the model keeps, with all that its commits told since it was last asked."""

    def __init__(self) -> None:
        super().__init__(Time())
        self.told: list[events.Outcome] = []
        self.several = connection.vendor == "postgresql"
        with connection.cursor() as cursor:
            for statement in NOTE_CHANGES_THERE if self.several else NOTE_CHANGES:
                cursor.execute(statement)

    def check_books(self) -> None: ...

    def do(self, verb: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        result = super().do(verb, *args, **kwargs)
        self.told.append(self.outcome)
        return result

    def together(self, calls: Sequence[Call], *, crash: bool = False) -> list[Any]:
        """The answers of calls in one commit; of an only call also its error, which undoes the commit."""

        def run(tx: Any) -> list[Any]:
            answers = [_answer(call, tx) for call in calls]
            if crash:
                raise Crash
            return answers

        return [_answer(lambda _: self.do(calls[0]), None)] if len(calls) == 1 and not crash else self.do(run)

    def last_number(self) -> int:
        """The last that was given of ids and positions."""
        return int(read(lambda reads: reads.value(Q.last_id)) or 0)

    def rows(self, queue_id: int) -> list[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {COLUMNS} FROM brokerweb_queues_message m WHERE queue_id = %s ORDER BY id", [queue_id])
            return [tuple(row) for row in cursor.fetchall()]

    def counts(self, queue_id: int) -> list[int]:
        with connection.cursor() as cursor:
            sums = ", ".join(f"coalesce(sum({state.name}), 0)" for state in State)
            cursor.execute(f"SELECT {sums} FROM brokerweb_queues_queuecount WHERE queue_id = %s", [queue_id])
            return list(cursor.fetchone())

    def events(self) -> dict[int, list[tuple[Any, ...]]]:
        """What is written of each message, in order: the event, its attempt, and whether it ends the message."""
        found: dict[int, list[tuple[Any, ...]]] = {}
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT message_id, event, attempt, forget_at IS NOT NULL FROM brokerweb_queues_messageevent ORDER BY id"
            )
            for id, *rest in cursor.fetchall():
                found.setdefault(id, []).append(tuple(rest))
        return found

    def kept(self, queue_id: int) -> dict[int, tuple[str, int]]:
        """What a queue keeps: how each message ended, and until when it is kept."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT message_id, outcome, expires_at FROM brokerweb_queues_settledmessage WHERE queue_id = %s", [queue_id]
            )
            return {id: (outcome, until) for id, outcome, until in cursor.fetchall()}

    def check_leftovers(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM brokerweb_queues_failure WHERE message_id NOT IN (SELECT id FROM brokerweb_queues_message)"
                " AND message_id NOT IN (SELECT id FROM brokerweb_queues_settledmessage)"
            )
            assert cursor.fetchone() == (0,)
            cursor.execute(
                "SELECT id FROM brokerweb_queues_message UNION ALL SELECT id FROM brokerweb_queues_settledmessage ORDER BY id"
            )
            messages = cursor.fetchall()
            cursor.execute("SELECT message_id FROM brokerweb_queues_content ORDER BY message_id")
            assert cursor.fetchall() == messages
            for table in ("content", "failure"):
                cursor.execute(
                    f"SELECT count(*) FROM brokerweb_queues_{table} b JOIN brokerweb_queues_message m ON m.id = b.message_id"
                    " WHERE b.queue_id <> m.queue_id"
                )
                assert cursor.fetchone() == (0,), f"a {table} is not of its message's queue"
            cursor.execute("SELECT DISTINCT old, new FROM changed")
            arrows = {(State(old), State(new)) for old, new in cursor.fetchall()}
        assert [(old, new) for old, new in arrows if new not in ARROWS[old]] == []


def _answer(call: Call, tx: Any) -> Any:
    try:
        return call(tx)
    except BrokerError as error:
        return error.code


def row(i: Item) -> tuple[Any, ...]:
    """An item as ``COLUMNS`` have it."""
    return (
        i.id, i.state, i.priority, i.position, i.attempts, i.failures, i.holds, i.alone, i.due, i.expires, i.deliver_at, i.key,
        i.ttl, i.holder, i.reason, i.parent, i.recorded,
    )  # fmt: skip
