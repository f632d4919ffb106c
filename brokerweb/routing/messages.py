"""What goes into the verbs of routing and what comes out. Answers encode as they are shown: ids and offsets are texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Raw, Struct

from brokerweb.core.errors import escape_pointer
from brokerweb.core.names import parse_destination
from brokerweb.queues.messages import NewMessage, Settle
from brokerweb.streams.records import NewRecord

PRIORITY = NewMessage(b"").priority  # of a message that names none
_ONLY_QUEUES = ("priority", "delay", "deliver_at", "ttl")
# The fields of a message that do not go with a kind of destination.
UNFIT = {"queue": ("partition", "routing_key"), "stream": (*_ONLY_QUEUES, "routing_key"), "topic": ()}


class TopicMessage(Struct):
    """A message for any destination: ``routing_key`` is for topics, ``partition`` for streams, delays and the like for queues."""

    message: NewMessage
    routing_key: str = ""
    partition: int | None = None

    def unfit_for(self, kind: str) -> str | None:
        """The first of its fields that a copy of that kind cannot have; the priority of those that name none is none."""
        if kind == "queue":
            return None if self.partition is None else "partition"
        m = self.message
        given = (m.priority != PRIORITY, m.delay is not None, m.deliver_at is not None, m.ttl is not None)
        return next((field for field, is_given in zip(_ONLY_QUEUES, given, strict=True) if is_given), None)

    def for_stream(self) -> NewRecord:
        m = self.message
        return NewRecord(
            m.body, m.binary, m.key, m.headers, m.content_type, m.dedup_id, self.partition, m.reply_to, m.correlation_id
        )  # fmt: skip


class Copy(Struct, omit_defaults=True):
    """Where a copy is: ``id`` in a queue, ``partition`` and ``offset`` in a stream."""

    to: str
    id: str | None = None
    partition: int | None = None
    offset: str | None = None


class Published(Struct):
    """The answer to one message published to a topic; with ``duplicate`` the copies that its ``dedup_id`` named before."""

    routed: list[Copy]
    duplicate: bool = False


class Commit(Struct):
    """Positions of a consumer group to be committed: the next offset to read, by partition."""

    stream: str
    group: str
    offsets: Mapping[int, int]
    generation: int | None = None


class Publish(Struct):
    """Messages for one destination: ``queue:``, ``stream:`` or ``topic:`` and its name."""

    to: str
    messages: Sequence[TopicMessage]


class TransactRequest(Struct):
    """What is to happen in one commit or not at all; ``settle`` by queue."""

    settle: Mapping[str, Sequence[Settle]] = {}
    commit: Sequence[Commit] = ()
    publish: Sequence[Publish] = ()
    dedup_id: str | None = None

    def uses(self) -> dict[tuple[str, str, str], str]:
        """(verb, kind, name) of every permission that it needs, and the part that needs it first, as a JSON Pointer.

        Raises Invalid for what is no destination.
        """
        consumed = [(("consume", "queue", queue), f"/settle/{escape_pointer(queue)}") for queue in self.settle]
        committed = [(("consume", "stream", part.stream), f"/commit/{i}") for i, part in enumerate(self.commit)]
        published = [
            (("publish", *parse_destination(part.to, f"/publish/{i}/to")), f"/publish/{i}") for i, part in enumerate(self.publish)
        ]
        uses: dict[tuple[str, str, str], str] = {}
        for use, pointer in [*consumed, *committed, *published]:
            uses.setdefault(use, pointer)
        return uses


class Transacted(Struct):
    """The answer to a transaction: per publish its ``to`` and ``results``, as JSON; with ``duplicate`` the first answer again."""

    duplicate: bool
    publish: Raw

    def plain(self) -> dict[str, Any]:
        """The answer as plain values."""
        return {"duplicate": self.duplicate, "publish": msgspec.json.decode(self.publish)}
