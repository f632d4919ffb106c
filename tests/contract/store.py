"""A store to hold the contract against: verbs in a commit each, time that stands still, books checked after every step."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from django.db import DEFAULT_DB_ALIAS, connections

from brokerweb.core import events
from brokerweb.queues import control, duties, engine, kept, leasing
from brokerweb.queues.messages import Accepted, Leased, NewMessage, Settle
from brokerweb.queues.models import Content, Failure, Message, Queue, QueueCount, SettledMessage
from brokerweb.queues.states import State
from brokerweb.storage.handover import HandOver
from brokerweb.storage.transaction import transaction
from tests.queues.bench import Time

NAMES = [state.name.lower() for state in State]
NO_JITTER = {"initial": 1, "factor": 2, "max": 3600, "jitter": 0}


def behind_its_back(alias: str, sql: str) -> None:
    """Change rows as no verb does: what SQLite's SQL says, on any database. What columns of that one cannot hold cannot fail."""
    if connections[alias].vendor == "postgresql":
        if "AS TEXT" in sql:
            pytest.xfail("a column of bytes holds nothing else there")
        sql = re.sub(r"\bx'([0-9a-f]*)'", r"'\\x\1'::bytea", sql).replace("AS BLOB", "AS bytea")
        sql = sql.replace('"binary" = 1', '"binary" = true')
    with connections[alias].cursor() as cursor:
        cursor.execute(sql)


class Store:
    """One database. ``outcome`` is what the last commit told; ``handover`` is asked inside publishes."""

    def __init__(self, time: Time, alias: str = DEFAULT_DB_ALIAS) -> None:
        self.time, self.alias = time, alias
        self.handover: HandOver | None = None
        self.outcome = events.Outcome()

    def do(self, verb: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run a verb in a commit of its own; whatever becomes of it, the books are right afterwards."""
        try:
            with transaction(self.alias, self.handover) as tx:
                result = verb(tx, *args, **kwargs)
            self.outcome = tx.outcome
            return result
        finally:
            self.check_books()

    def queue(self, name: str = "orders", **settings: Any) -> Orders:
        self.do(control.declare, name, {"backoff": NO_JITTER, **settings})
        return Orders(self, name)

    def pass_time(self, seconds: float) -> None:
        """Let time pass, and the duties do what is due by then."""
        self.time.advance(seconds)
        self.run_duties()

    def run_duties(self, limit: int = duties.LIMIT) -> None:
        for duty in (duties.promote, duties.expire_leases, duties.expire_messages, kept.end_kept):
            while self.do(duty, limit):
                pass

    def message(self, id: int) -> Message:
        return Message.objects.using(self.alias).get(pk=id)

    def state(self, id: int) -> str:
        found = Message.objects.using(self.alias).filter(pk=id).first()
        return "gone" if found is None else State(found.state).name.lower()

    def states(self, ids: list[int]) -> list[str]:
        return [self.state(id) for id in ids]

    # The books

    def check_books(self) -> None:
        """Counters equal a recount, keys have one head each, and nothing is left of what is gone."""
        messages = list(Message.objects.using(self.alias).defer("content__body"))
        deleted = set(Queue.objects.using(self.alias).exclude(deleted_at=None).values_list("pk", flat=True))
        counted: Counter[tuple[int, str]] = Counter()
        for row in QueueCount.objects.using(self.alias).values("queue_id", *NAMES):
            counted.update({(row["queue_id"], name): row[name] for name in NAMES if row[name]})
        stored = Counter((m.queue_id, NAMES[m.state]) for m in messages if m.queue_id not in deleted)
        assert {k: n for k, n in counted.items() if n and k[0] not in deleted} == stored
        self._check_keys(messages)
        kept = set(SettledMessage.objects.using(self.alias).values_list("pk", flat=True))
        there = {m.pk for m in messages} | kept
        failures = set(Failure.objects.using(self.alias).values_list("message_id", flat=True))
        assert failures <= there
        assert all(m.reason for m in messages if m.state == State.DEAD)
        contents = set(Content.objects.using(self.alias).values_list("pk", flat=True))
        assert contents <= there
        self._check_belongings({m.pk: m.queue_id for m in messages})
        assert not kept & {m.pk for m in messages}, "a message has ended or not"

    def _check_belongings(self, queues: dict[int, int]) -> None:
        """What belongs to a message is of its queue, wherever that has moved."""
        of_contents = Content.objects.using(self.alias).values_list("pk", "queue_id")
        of_failures = Failure.objects.using(self.alias).values_list("message_id", "queue_id")
        assert [pair for pair in [*of_contents, *of_failures] if pair[0] in queues and queues[pair[0]] != pair[1]] == []
        of_kept = dict(SettledMessage.objects.using(self.alias).values_list("pk", "queue_id"))
        assert [pair for pair in of_contents if pair[0] in of_kept and of_kept[pair[0]] != pair[1]] == []

    def _check_keys(self, messages: list[Message]) -> None:
        keyed = set(Queue.objects.using(self.alias).filter(keyed=True).values_list("pk", flat=True))
        heads: Counter[tuple[int, str | None]] = Counter((m.queue_id, m.key) for m in messages if m.holds_key)
        active: Counter[tuple[int, str | None]] = Counter(
            (m.queue_id, m.key)
            for m in messages
            if m.queue_id in keyed and m.key is not None and m.state in (State.READY, State.LEASED)
        )
        blocked = {(m.queue_id, m.key) for m in messages if m.state == State.BLOCKED}
        assert not active - heads, "only heads are ready or leased"
        assert blocked <= set(heads), "a key with blocked messages has a head"
        assert all(n == 1 for n in heads.values())
        assert not [m.pk for m in messages if m.holds_key and m.state in (State.BLOCKED, State.DEAD)]


class Orders:
    """One queue of a store."""

    def __init__(self, store: Store, name: str) -> None:
        self.store, self.name = store, name

    @property
    def row(self) -> Queue:
        return Queue.objects.using(self.store.alias).get(name=self.name)

    def publish_all(self, messages: list[NewMessage]) -> list[Accepted]:
        return self.store.do(engine.publish, self.name, messages, publisher="shop")

    def publish(self, *bodies: object, **fields: Any) -> list[int]:
        return [a.id for a in self.publish_all([NewMessage(str(b).encode(), **fields) for b in bodies])]

    def one(self, body: object = 1, **fields: Any) -> int:
        return self.publish(body, **fields)[0]

    def lease(
        self, limit: int = 1, *, holder: str = "worker", lease: float | None = None, acknowledge: bool = True
    ) -> list[Leased]:
        handout = self.store.do(leasing.lease, self.name, limit, engine.Terms(holder, lease, acknowledge))
        return handout.messages

    def take(self) -> Leased:
        [message] = self.lease()
        return message

    def settle(self, kind: Any, *messages: Leased, **fields: Any) -> list[str]:
        settles = [Settle(kind, m.receipt or "", **fields) for m in messages]
        return [answer.status for answer in self.store.do(engine.settle, settles)]

    def ack(self, *messages: Leased) -> list[str]:
        return self.settle("ack", *messages)

    def nack(self, *messages: Leased, delay: float | None = None, error: str | None = None) -> list[str]:
        return self.settle("nack", *messages, delay=delay, error=error)

    def kill(self, body: object = 1, **fields: Any) -> int:
        """A dead message; nothing else may be ready."""
        id = self.one(body, **fields)
        assert self.settle("dead", *self.lease(), error="bad") == ["ok"]
        return id

    def drain(self, limit: int = 100) -> list[int]:
        """The ids in the order in which they are handed out; all are acknowledged."""
        ids: list[int] = []
        while leased := self.lease(limit):
            ids += [m.id for m in leased]
            self.ack(*leased)
        return ids

    def counts(self) -> dict[str, int]:
        """The states that are not empty."""
        counted: Counter[str] = Counter()
        for row in QueueCount.objects.using(self.store.alias).filter(queue_id=self.row.pk).values(*NAMES):
            counted.update(row)
        return {name: n for name, n in counted.items() if n}

    def failures(self, id: int) -> list[tuple[int, str, str | None, str | None]]:
        found = Failure.objects.using(self.store.alias).filter(message_id=id).order_by("id")
        return list(found.values_list("attempt", "kind", "consumer", "error"))
