"""What there is in the test's broker, as tests ask for it: messages and records alike, read from the tables."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from django.db.models import Q as Where

from brokerweb.core.errors import Invalid, NotFound
from brokerweb.core.from_python import body_of
from brokerweb.core.names import parse_destination
from brokerweb.queues.models import Message, Queue, SettledMessage
from brokerweb.queues.states import State
from brokerweb.routing.models import Topic
from brokerweb.streams.models import MAX_OFFSET, Partition, Record, Stream

SHOWN, LONGEST = 20, 200  # messages, and characters of a body, that a failed assertion prints


@dataclass(frozen=True)
class Published:
    """A message of a queue, or a record of a stream, as it was published and as it stands.

    ``id`` is the message's, or the record's offset. ``body`` is the JSON value, or bytes; ``text`` is the JSON as it is stored,
    None for bytes. ``state`` is ``scheduled``, ``ready``, ``blocked``, ``leased`` or ``dead``, ``settled`` once a handler is done
    with it, and ``stored`` of a record. ``topic`` is the one it came through. ``delay`` is how
    many seconds after its publish one that is scheduled is due.
    """

    to: str
    id: int
    body: Any
    text: str | None
    key: str | None
    headers: dict[str, str]
    content_type: str | None
    publisher: str | None
    topic: str | None
    reply_to: str | None
    correlation_id: str | None
    published_at: datetime
    state: str = "stored"
    partition: int | None = None
    priority: int | None = None
    dedup_id: str | None = None
    delay: float | None = None
    attempts: int = 0
    failures: int = 0
    reason: str | None = None
    last_error: str | None = None

    def __str__(self) -> str:
        said = repr(self.body) if self.text is None else self.text
        told = {"key": self.key, "topic": self.topic, "headers": self.headers, "delay": self.delay, "last_error": self.last_error}
        shown = [f"{name}={value!r}" for name, value in told.items() if value]
        state = [] if self.state in ("ready", "stored") else [self.state]
        return "  ".join([said if len(said) <= LONGEST else f"{said[:LONGEST]}…", *state, *shown])


FIELDS = tuple(field.name for field in fields(Published))


def place(to: str) -> tuple[str, str]:
    """``orders`` and ``queue:orders`` are a queue, ``stream:events`` a stream, ``topic:news`` what came through a topic."""
    return parse_destination(to if ":" in to else f"queue:{to}")


def read(to: str, settled: Iterable[Published] = ()) -> list[Published]:
    """What is in a queue, and of ``settled`` what was; what is in a stream; or all copies of a topic. In the order it came.

    Raises NotFound, Invalid.
    """
    kind, name = place(to)
    if kind == "stream":
        return list(_records(_partitions(name)))
    if kind == "topic":
        return _copies(name, settled)
    queue = Queue.declared.filter(name=name).first()
    if queue is None:
        raise NotFound(f"There is no queue {name}.")
    return _messages(Where(queue=queue), [message for message in settled if message.to == f"queue:{name}"])


def one(message_id: int) -> Published | None:
    """A message as it is now; None where it is in no queue that somebody declared."""
    row = Message.objects.select_related("queue").filter(pk=message_id, queue__stream=None).first()
    return None if row is None else _message(row)


def everything() -> dict[str, int]:
    """How many there are in each queue and stream that is not empty."""
    queues = {queue.pk: f"queue:{queue.name}" for queue in Queue.declared.all()}
    found: dict[str, int] = {}
    for queue_id in Message.objects.filter(queue_id__in=queues).values_list("queue_id", flat=True):
        found[queues[queue_id]] = found.get(queues[queue_id], 0) + 1
    for name, records in Partition.objects.filter(stream__deleted_at=None).values_list("stream__name", "records"):
        found[f"stream:{name}"] = found.get(f"stream:{name}", 0) + records
    return {to: n for to, n in sorted(found.items()) if n}


def names() -> list[str]:
    """All queues and streams there are."""
    queues = Queue.declared.values_list("name", flat=True)
    streams = Stream.objects.filter(deleted_at=None).values_list("name", flat=True)
    return sorted([f"queue:{name}" for name in queues] + [f"stream:{name}" for name in streams])


def topics() -> list[str]:
    """All topics there are."""
    return [f"topic:{name}" for name in Topic.objects.values_list("name", flat=True)]


def _messages(chosen: Where, settled: Sequence[Published]) -> list[Published]:
    messages = Message.objects.filter(chosen, queue__stream=None).select_related("content", "queue")
    found = {message.pk: _message(message) for message in messages}
    for kept in SettledMessage.objects.filter(chosen, queue__stream=None).select_related("queue"):
        found.setdefault(kept.message_id, _message(kept))
    for gone in settled:
        found.setdefault(gone.id, gone)
    return [found[id] for id in sorted(found)]


def _message(row: Message | SettledMessage) -> Published:
    return Published(
        to=f"queue:{row.queue.name}",
        id=row.pk if isinstance(row, Message) else row.message_id,
        state=State(row.state).name.lower() if isinstance(row, Message) else "settled",
        topic=row.route,
        priority=row.priority,
        dedup_id=row.carries.dedup_id,
        delay=_delay(row) if isinstance(row, Message) and row.state == State.SCHEDULED else None,
        attempts=row.attempts,
        failures=row.failures,
        reason=row.reason,
        last_error=row.last_error,
        published_at=row.published_at,
        **_contents(row),
    )


def _delay(message: Message) -> float:
    return round((message.due - message.published_at).total_seconds(), 3)


def _contents(row: Any) -> dict[str, Any]:
    body = bytes(row.body)
    return {
        "body": body if row.binary else json.loads(body),
        "text": None if row.binary else body.decode(),
        "headers": json.loads(row.headers) if row.headers else {},
        **{name: getattr(row, name) for name in ("key", "content_type", "publisher", "reply_to", "correlation_id")},
    }


def _partitions(stream: str | None = None) -> list[Partition]:
    chosen = Where(stream__deleted_at=None) & (Where() if stream is None else Where(stream__name=stream))
    found = list(Partition.objects.filter(chosen).select_related("stream").order_by("stream__name", "number"))
    if stream is not None and not found:
        raise NotFound(f"There is no stream {stream}.")
    return found


def _records(partitions: Iterable[Partition], **chosen: Any) -> Iterator[Published]:
    for partition in partitions:
        for row in Record.objects.filter(partition_id=partition.pk, **chosen).order_by("id"):
            yield Published(
                to=f"stream:{partition.stream.name}",
                id=row.pk & MAX_OFFSET,
                partition=partition.number,
                topic=row.route,
                published_at=row.appended_at,
                **_contents(row),
            )


def _copies(topic: str, settled: Iterable[Published]) -> list[Published]:
    messages = _messages(Where(route=topic), [message for message in settled if message.topic == topic])
    return [*messages, *_records(_partitions(), route=topic)]


def matching(found: Iterable[Published], wanted: Mapping[str, Any]) -> list[Published]:
    """Those that are as wanted. Raises TypeError for what no message has."""
    unknown = sorted(wanted.keys() - set(FIELDS))
    if unknown:
        raise TypeError(f"a message has no {', '.join(unknown)}; it has {', '.join(FIELDS)}")
    return [message for message in found if all(_is(message, name, value) for name, value in wanted.items())]


def _is(message: Published, name: str, wanted: Any) -> bool:
    there = getattr(message, name)
    if name == "headers":  # those that are named; others may be there
        return all(there.get(header) == value for header, value in wanted.items())
    if there == wanted:
        return True
    if name == "body":
        with suppress(Invalid):
            published, binary = body_of(wanted)
            return not binary and message.text is not None and bool(there == json.loads(published))
    return False


def listed(found: Sequence[Published]) -> str:
    """The messages, a line each."""
    more = [f"  … and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
    return "\n".join([*(f"  {message}" for message in found[:SHOWN]), *more])
