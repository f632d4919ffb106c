"""A topic, queues and streams for tests of routing: real SQLite, every call a commit of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from brokerweb.queues import control
from brokerweb.queues.messages import NewMessage
from brokerweb.queues.models import Message
from brokerweb.routing import topics
from brokerweb.routing.messages import Published, TopicMessage
from brokerweb.routing.publishing import publish
from brokerweb.storage.reading import read
from brokerweb.storage.run import perform
from brokerweb.streams import control as streams
from brokerweb.streams import engine as records_engine
from brokerweb.streams import groups
from brokerweb.streams.models import Record
from brokerweb.streams.records import NewRecord


def declare_queues(*names: str, **settings: Any) -> None:
    for name in names:
        perform(control.declare, name, settings)


def declare_stream(name: str, **settings: Any) -> None:
    perform(streams.declare, name, settings)


def bind(topic: str, *bindings: tuple[str, str] | tuple[str, str, dict[str, str]], **settings: Any) -> None:
    """Declare the topic with (pattern, to) or (pattern, to, headers)."""
    given = [dict(zip(("pattern", "to", "headers"), binding, strict=False)) for binding in bindings]
    perform(topics.declare, topic, {"bindings": given, **settings})


def message(body: object, routing_key: str = "", **fields: Any) -> TopicMessage:
    return TopicMessage(NewMessage(str(body).encode(), **fields), routing_key)


def send(topic: str, *messages: TopicMessage, **about: Any) -> list[Published]:
    return perform(publish, topic, messages, **about)


def targets(answers: Sequence[Published]) -> list[list[str]]:
    return [[copy.to for copy in answer.routed] for answer in answers]


def bodies(queue: str) -> list[str]:
    """What a queue holds, in order."""
    rows = Message.objects.filter(queue__name=queue).order_by("position")
    return [bytes(row.body).decode() for row in rows]


def records() -> list[str]:
    return [bytes(record.body).decode() for record in Record.objects.order_by("pk")]


def group(stream: str = "log", name: str = "billing", n: int = 3) -> None:
    declare_stream(stream)
    perform(groups.declare_group, stream, name, {"start": "earliest"})
    perform(records_engine.append, stream, [NewRecord(b"1") for _ in range(n)])


def committed(stream: str = "log", name: str = "billing") -> list[int]:
    found = read(groups.find_group, stream, name)
    return [place.committed for place in read(groups.places, found.id)]
