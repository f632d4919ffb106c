"""Reading how queues, messages and groups stand: a handful of statements, however many there are, and what this process knows.

Nothing here decides anything. What is read is bounded: messages are counted up to ``AHEAD``, keys are looked at up to ``HEADS``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from brokerweb.answers.verdicts.standing import (
    AHEAD,
    ASKED,
    SLOW,
    Consumer,
    Head,
    KeyHead,
    MessageStanding,
    Paused,
    QueueStanding,
)
from brokerweb.core import clock
from brokerweb.delivery import consumers
from brokerweb.delivery.consumers import Taking
from brokerweb.identity import clients
from brokerweb.queues import browse, stats
from brokerweb.queues.activity import activity
from brokerweb.queues.messages import json_ids
from brokerweb.queues.models import Message, Queue
from brokerweb.queues.selection import Q as CAUSES
from brokerweb.queues.states import State
from brokerweb.storage.reading import Reads
from brokerweb.storage.statements import Statements

Q = Statements("brokerweb.answers.verdicts", "verdicts.sql")

HEADS, KEYED = 2_000, 20  # heads of keys that are looked at in a queue, and queues in which they are, when all are asked about
NO_COUNTS = dict.fromkeys(browse.COUNTED, 0)


class QueueRow(NamedTuple):
    """The columns of ``every_queue``."""

    id: int
    name: str
    created_at: int
    lease: float
    max_failures: int | None
    keyed: bool
    max_length: int | None
    overflow: str
    paused_at: int | None
    paused_by: str
    pause_reason: str
    stream: str | None
    last_consumer_at: int | None
    last_consumer: str | None
    last_settled_at: int | None

    @classmethod
    def of(cls, queue: Queue) -> QueueRow:
        """The row of a queue that was read by the ORM."""
        values = (getattr(queue, name) for name in cls._fields)
        raw = cls(*values)
        instants: dict[str, Any] = {name: _broker(getattr(raw, name)) for name in ("last_consumer_at", "last_settled_at")}
        instants |= {name: _wall(getattr(raw, name)) for name in ("created_at", "paused_at")}
        return raw._replace(**instants)


class Every(NamedTuple):
    """All queues, and their counts by id: none of one that never held anything."""

    rows: list[QueueRow]
    counts: dict[int, dict[str, int]]


def _wall(value: Any) -> int | None:
    return None if value is None else clock.from_datetime(value)


def _broker(value: Any) -> int | None:
    return None if value is None else clock.from_wall(clock.from_datetime(value))


def shown(instant: int | None) -> int | None:
    """An instant of the broker's clock as the wall names it."""
    return None if instant is None else clock.to_wall(instant)


# Queues


def queues(reads: Reads, rows: Sequence[QueueRow], counts: Mapping[int, Mapping[str, int]]) -> list[QueueStanding]:
    """How these queues stand; ``counts`` are by their ids."""
    takings = consumers.of(row.id for row in rows)
    named = clients.describe(t.holder for takers in takings.values() for t in takers if t.client is None)
    rates = stats.by_id() if len(rows) > 1 else {row.id: stats.rates(row.id) for row in rows}
    busy = [row.id for row in rows if counts.get(row.id, NO_COUNTS)["ready"]]
    since = oldest(reads, busy)
    heads = _heads(reads, [row for row in rows if row.keyed], counts)
    now = clock.to_wall(clock.now())
    return [
        _queue(
            row,
            now=now,
            counts=counts.get(row.id, NO_COUNTS),
            rates=rates.get(row.id, {}),
            takers=tuple(_consumer(t, named) for t in takings[row.id]) if row.id in takings else (),
            oldest_at=shown(since.get(row.id)),
            head=heads.get(row.id),
        )
        for row in rows
    ]


def oldest(reads: Reads, ids: Iterable[int]) -> dict[int, int]:
    """Since when, by the broker's clock, the oldest ready message of each of these queues is ready."""
    asked = list(ids)
    return dict(reads.rows(Q.oldest_of, json_ids(asked))) if asked else {}


def one_queue(reads: Reads, queue: Queue) -> QueueStanding:
    """How a queue stands."""
    return queues(reads, [QueueRow.of(queue)], browse.counts([queue.pk]))[0]


def attended(reads: Reads, found: Iterable[Queue], counts: Mapping[int, Mapping[str, int]]) -> set[int]:
    """The ids of those of these queues that somebody will take from: a subscription, a call that waits, a handler's process,
    or a caller of ``receive`` that works on what it was given. Who has only looked in lately is none."""
    rows, since = list(found), clock.now() - clock.seconds(ASKED)
    handled = {queue.pk for queue in rows if (_broker(queue.attended_at) or 0) > since}
    standings = queues(reads, [QueueRow.of(queue) for queue in rows], counts)
    return handled | {each.id for each in standings if each.consumers or (each.asked and each.count("leased"))}


def every_queue(reads: Reads) -> Every:
    """All queues there are, those of shared groups too, and their counts."""
    counts = {
        queue_id: {"ready": ready, "scheduled": scheduled, "blocked": blocked, "leased": leased, "dead": dead}
        for queue_id, ready, scheduled, blocked, leased, dead in reads.rows(Q.every_count)
    }
    return Every([QueueRow._make(row) for row in reads.rows(Q.every_queue)], counts)


def _queue(
    row: QueueRow,
    *,
    now: int,
    counts: Mapping[str, int],
    rates: Mapping[str, float],
    takers: tuple[Consumer, ...],
    oldest_at: int | None,
    head: Head | None,
) -> QueueStanding:
    seen = activity.of(row.id)  # what this process knows, else what is stored; who it was is found out where it is told
    consumed_at = seen.consumed_at if seen.consumed_at is not None else row.last_consumer_at
    settled_at = seen.settled_at if seen.settled_at is not None else row.last_settled_at
    paused = None if row.paused_at is None else Paused(row.paused_by, row.pause_reason, row.paused_at)
    return QueueStanding(
        id=row.id,
        name=row.name,
        now=now,
        created_at=row.created_at,
        lease=row.lease,
        max_failures=row.max_failures,
        keyed=bool(row.keyed),
        max_length=row.max_length,
        refuses=row.overflow == "refuse",
        paused=paused,
        counts=counts,
        rates=rates,
        consumers=takers,
        asked_at=shown(seen.asked_at),
        last_consumer_at=shown(consumed_at),
        last_consumer=seen.client or row.last_consumer,
        last_settled_at=shown(settled_at),
        oldest_at=oldest_at,
        behind_since=shown(activity.behind.get(row.id)),
        head=head,
    )


def last_consumers(queue_ids: Iterable[int]) -> dict[int, str]:
    """What those are called who consumed these queues last in this process: for the few that are shown."""
    holders = {queue_id: holder for queue_id in queue_ids if (holder := activity.of(queue_id).holder) is not None}
    known = clients.describe(holders.values())
    return {queue_id: known[holder].client for queue_id, holder in holders.items()}


def _consumer(taking: Taking, named: Mapping[str, clients.Who]) -> Consumer:
    who = named.get(taking.holder)
    return Consumer(
        taking.client or (who.client if who is not None else "a client"),
        taking.connection or (who.connection if who is not None else None),
        taking.prefetch,
        taking.unsettled,
        taking.full,
        shown(taking.settled_at),
        shown(taking.busy_since),
        taking.rate,
    )


def _heads(reads: Reads, keyed: Sequence[QueueRow], counts: Mapping[int, Mapping[str, int]]) -> dict[int, Head]:
    """A head of each keyed queue that holds others back and fails, or is with somebody for long; those that hold back most."""
    blocking = [row for row in keyed if counts.get(row.id, NO_COUNTS)["blocked"]]
    blocking.sort(key=lambda row: -counts[row.id]["blocked"])
    leases = {row.id: row.lease for row in blocking[:KEYED]}
    if not leases:
        return {}
    now = clock.now()
    rows = [HeadRow(*row) for row in reads.rows(Q.heads, json_ids(leases), now - clock.seconds(SLOW), HEADS // len(leases))]
    long = [row for row in rows if row.state != State.LEASED or now - row.leased_at > clock.seconds(leases[row.queue_id])]
    who = clients.describe(row.holder for row in long)
    return {row.queue_id: row.head(who) for row in long}


class HeadRow(NamedTuple):
    """The columns of ``heads``."""

    queue_id: int
    id: int
    key: str
    state: int
    failures: int
    due_at: int
    leased_at: int
    holder: str | None
    held: int
    oldest_at: int | None

    def head(self, who: Mapping[str, clients.Who]) -> Head:
        leased = self.state == State.LEASED
        since = clock.to_wall(self.leased_at if leased else self.due_at)
        holder = who.get(self.holder or "")
        client = holder.client if leased and holder is not None else None
        state = State(self.state).name.lower()
        return Head(self.id, self.key, state, self.failures, since, client, self.held, shown(self.oldest_at))


# Messages


def messages(reads: Reads, queue: QueueStanding, found: Sequence[Message]) -> list[MessageStanding]:
    """How messages of a queue stand; those of a key without its head's verdict."""
    before = _ahead(reads, queue, found)
    who = clients.describe(message.holder for message in found)
    alike = _similar(reads, queue, found)
    return [
        replace(_message(message, before.get(message.pk), who.get(message.holder or "")), similar=alike.get(message.fingerprint))
        for message in found
    ]


def _similar(reads: Reads, queue: QueueStanding, found: Sequence[Message]) -> dict[str | None, int]:
    """How many of the queue died of the same, by fingerprint."""
    causes = {message.fingerprint for message in found if message.state == State.DEAD and message.fingerprint is not None}
    return {cause: reads.value(CAUSES.cause_summary, queue.id, cause, None) for cause in causes}


def _ahead(reads: Reads, queue: QueueStanding, found: Sequence[Message]) -> dict[int, int]:
    """How many are before each, in the queue or in its key; one after the other, so that none is counted twice."""
    before: dict[int, int] = {}
    ready = sorted((m for m in found if m.state == State.READY), key=lambda m: (-m.priority, m.position))
    last: Message | None = None
    for message in ready:
        place = (queue.id, message.priority)
        if last is not None and last.priority == message.priority:
            between = reads.value(Q.ahead_from, *place, last.position, message.position, AHEAD + 1)
            before[message.pk] = before[last.pk] + 1 + between
        else:
            before[message.pk] = reads.value(Q.ahead, *place, message.position, AHEAD + 1)
        last = message
    for message in found:
        if message.state == State.BLOCKED:
            place_in_key = (queue.id, message.key, message.position)
            before[message.pk] = 1 + reads.value(Q.ahead_in_key, *place_in_key, AHEAD)
    return before


def _message(message: Message, ahead: int | None, who: clients.Who | None) -> MessageStanding:
    return MessageStanding(
        id=message.pk,
        state=State(message.state).name.lower(),
        due_at=clock.from_datetime(message.due),
        published_at=_wall(message.published_at),
        attempts=message.attempts,
        failures=message.failures,
        alone=bool(message.alone),
        stated=message.deliver_at is not None,
        expires_at=_wall(message.expires_at),
        key=message.key,
        reason=message.reason,
        last_error=message.last_error,
        leased_at=_wall(message.leased_at),
        extended=message.extended,
        client=None if who is None else who.client,
        by=None if who is None else who.by,
        connection=None if who is None else who.connection,
        redrives=message.redrives,
        fingerprint=message.fingerprint,
        ahead=ahead,
    )


def head_of_key(reads: Reads, queue: QueueStanding, key: str | None) -> Message | None:
    """The message that goes first of a key."""
    id = None if key is None else reads.value(Q.head_of_key, queue.id, key)
    return None if id is None else Message.objects.filter(pk=id).first()


def key_head(message: MessageStanding, code: str) -> KeyHead:
    return KeyHead(message.id, message.state, code)
