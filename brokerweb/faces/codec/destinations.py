"""Publish to any destination: which verb that is, what it takes, and how its answer reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import UNSET, Meta

from brokerweb.core.errors import Invalid
from brokerweb.faces.codec import records
from brokerweb.faces.codec.json import Text
from brokerweb.faces.codec.messages import MAX_MESSAGES, WireMessage, results, to_new
from brokerweb.queues import engine as queues
from brokerweb.queues import limits
from brokerweb.routing import publishing
from brokerweb.routing.messages import UNFIT, Published, TopicMessage
from brokerweb.streams import engine as streams


class AnyMessage(WireMessage):
    """A message for any destination: ``partition`` is for streams, ``routing_key`` for topics."""

    partition: Annotated[int, Meta(ge=0)] | None = None
    routing_key: Text | None = None


AnyMessages = Annotated[list[AnyMessage], Meta(min_length=1, max_length=MAX_MESSAGES)]


class Publishing(NamedTuple):
    """A verb to be called with a name and ``items``, and what makes JSON of its answer."""

    verb: Callable[..., Any]
    items: Sequence[Any]
    as_json: Callable[[Any], bytes]


def publishing_to(kind: str, messages: Sequence[AnyMessage], pointer: str = "/messages") -> Publishing:
    """What publishing these to a queue, a stream or a topic is. Raises Invalid."""
    # One pass for the hot case: a queue's messages, which as a rule have neither of the two.
    if kind != "queue" or any(m.partition is not None or m.routing_key is not None for m in messages):
        _refuse(messages, UNFIT[kind], pointer)
    if kind == "queue":
        return Publishing(queues.publish, to_new(messages, pointer), results)
    if kind == "stream":
        return Publishing(streams.append, [m.for_stream() for m in for_topic(messages, pointer)], records.appended)
    return Publishing(publishing.publish, for_topic(messages, pointer), published)


def for_any(kind: str, messages: Sequence[AnyMessage], pointer: str = "/messages") -> list[TopicMessage]:
    """The messages, once it is known that all of it goes with that kind of destination. Raises Invalid."""
    _refuse(messages, UNFIT[kind], pointer)
    return for_topic(messages, pointer)


def for_topic(messages: Sequence[AnyMessage], pointer: str = "/messages") -> list[TopicMessage]:
    """Messages with what belongs to each kind of destination. Raises Invalid."""
    converted = to_new(messages, pointer)
    for i, m in enumerate(messages):
        if m.routing_key is not None:
            limits.check_text(m.routing_key, f"{pointer}/{i}/routing_key")
    return [TopicMessage(new, m.routing_key or "", m.partition) for new, m in zip(converted, messages, strict=True)]


def published(answers: Sequence[Published]) -> bytes:
    """The answers to messages published to a topic as a JSON array."""
    return msgspec.json.encode(answers)


def _refuse(messages: Sequence[AnyMessage], fields: Sequence[str], pointer: str) -> None:
    for field in fields:
        for i, message in enumerate(messages):
            if getattr(message, field) not in (None, UNSET):
                raise Invalid.at(f"{pointer}/{i}/{field}", "does not go with this destination")
