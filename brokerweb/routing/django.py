"""Topics and transactions from Django code: verbs that join the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import msgspec
from django.db import DEFAULT_DB_ALIAS
from msgspec import Meta, Struct

from brokerweb.core.errors import Invalid, escape_pointer
from brokerweb.core.from_python import converted, each, text
from brokerweb.core.names import parse_destination
from brokerweb.queues import limits
from brokerweb.queues.from_python import new_message, settles
from brokerweb.queues.messages import Settle
from brokerweb.routing import bindings, publishing, topics, transacting
from brokerweb.routing.messages import UNFIT, Commit, Publish, TopicMessage, TransactRequest
from brokerweb.routing.models import Topic
from brokerweb.storage.run import joining
from brokerweb.streams.positions import parse_offsets


def publish(
    topic: str, body: Any, *, routing_key: str = "", using: str = DEFAULT_DB_ALIAS, publisher: str | None = None, **fields: Any
) -> list[dict[str, Any]]:
    """Publish one message to a topic; where its copies are. In ``transaction.atomic()`` it commits with the caller's rows.

    ``body`` is any JSON value, or bytes; ``fields`` are those of a message: ``key``, ``headers`` (a dict of strings),
    ``content_type``, ``priority``, ``delay``, ``deliver_at``, ``ttl``, ``dedup_id``, ``reply_to``, ``correlation_id``,
    ``partition``.
    Raises BrokerError: NotFound, Unroutable, what a destination raises, and StoreFull or Unavailable.
    """
    message, name = _message({"body": body, "routing_key": routing_key, **fields}), text(topic, "/topic")
    said = None if publisher is None else text(publisher, "/publisher")
    with joining(using) as tx:
        [published] = publishing.publish(tx, name, [message], publisher=said)
    routed: list[dict[str, Any]] = msgspec.to_builtins(published.routed)
    return routed


def declare(topic: str, *, using: str = DEFAULT_DB_ALIAS, **settings: Any) -> Topic:
    """Create a topic, or change the settings named (``bindings``, ``unrouted``); the topic as it is then.

    Raises Invalid, NotFound.
    """
    with joining(using) as tx:
        return topics.declare(tx, text(topic, "/topic"), settings)[0]


def bind(topic: str, pattern: str, to: str, *, headers: Mapping[str, str] | None = None, using: str = DEFAULT_DB_ALIAS) -> None:
    """Copy what is published under routing keys of a pattern to ``queue:NAME`` or ``stream:NAME``; once, however often said.

    With ``headers`` a message must have all of them. Raises NotFound, Invalid.
    """
    asked = bindings.asked({"bindings": [_binding(pattern, to, headers)]})
    with joining(using) as tx:
        topics.bind(tx, text(topic, "/topic"), asked)


def unbind(topic: str, pattern: str, to: str, *, headers: Mapping[str, str] | None = None, using: str = DEFAULT_DB_ALIAS) -> None:
    """Take a binding away; nothing happens where it is not there. Raises NotFound for an unknown topic, Invalid."""
    asked = bindings.asked({"bindings": [_binding(pattern, to, headers)]})
    with joining(using) as tx:
        topics.unbind(tx, text(topic, "/topic"), asked)


def delete(topic: str, *, using: str = DEFAULT_DB_ALIAS) -> None:
    """Delete a topic and its bindings; what they led to stays. Raises NotFound."""
    with joining(using) as tx:
        topics.delete(tx, text(topic, "/topic"))


def _binding(pattern: str, to: str, headers: Mapping[str, str] | None) -> dict[str, Any]:
    return {"pattern": text(pattern, "/pattern"), "to": text(to, "/to"), "headers": dict(headers or {})}


def transact(
    *,
    settle: Mapping[str, Mapping[str, Iterable[Any]]] | None = None,
    commit: Iterable[Mapping[str, Any]] = (),
    publish: Iterable[Mapping[str, Any]] = (),
    dedup_id: str | None = None,
    owner: str = "django",
    using: str = DEFAULT_DB_ALIAS,
) -> dict[str, Any]:
    """Settle, commit and publish in one commit or not at all; in ``transaction.atomic()`` with the caller's rows.

    Arguments and answer are those of ``POST /transact``, but that a message's ``body`` may be bytes. ``dedup_id`` is
    remembered per ``owner``, which is also the name of the publisher. Raises BrokerError; ``extra["pointer"]`` names the part.
    """
    request = TransactRequest(
        {text(queue, "/settle"): _settles(text(queue, "/settle"), kinds) for queue, kinds in (settle or {}).items()},
        [_commit(part, f"/commit/{place}") for place, part in enumerate(each(commit, "/commit"))],
        [_publish(part, f"/publish/{place}") for place, part in enumerate(each(publish, "/publish"))],
        _dedup_id(dedup_id),
    )
    said = text(owner, "/owner")
    with joining(using) as tx:
        return transacting.transact(tx, request, owner=said, publisher=said).plain()


def _dedup_id(given: Any) -> str | None:
    return None if given is None else limits.check_text(text(given, "/dedup_id"), "/dedup_id")


class _About(Struct):
    """What a message has besides those of a queue."""

    routing_key: str | None = None
    partition: Annotated[int, Meta(ge=0)] | None = None


def _message(fields: Mapping[str, Any]) -> TopicMessage:
    named = dict(fields)
    about = converted({name: named.pop(name) for name in _About.__struct_fields__ if name in named}, _About)
    return TopicMessage(new_message(named.pop("body", None), named), about.routing_key or "", about.partition)


def _settles(queue: str, kinds: Mapping[str, Iterable[Any]]) -> list[Settle]:
    pointer = f"/settle/{escape_pointer(queue)}"
    if not isinstance(kinds, Mapping):
        raise Invalid.at(pointer, "must be an object of settlements by kind")
    return settles(kinds, pointer)


def _commit(part: Mapping[str, Any], pointer: str) -> Commit:
    stream, group = (text(_needed(part, name, pointer), f"{pointer}/{name}") for name in ("stream", "group"))
    offsets = parse_offsets(_needed(part, "offsets", pointer), f"{pointer}/offsets")
    return Commit(stream, group, offsets, _generation(part.get("generation"), f"{pointer}/generation"))


def _generation(given: Any, pointer: str) -> int | None:
    return None if given is None else converted(given, int, pointer)


def _publish(part: Mapping[str, Any], pointer: str) -> Publish:
    to, messages = (_needed(part, name, pointer) for name in ("to", "messages"))
    to = text(to, f"{pointer}/to")
    kind, _ = parse_destination(to, f"{pointer}/to")
    messages = each(messages, f"{pointer}/messages")
    for place, fields in enumerate(messages):
        _needed(fields, "body", f"{pointer}/messages/{place}")
        for name in UNFIT[kind]:
            if fields.get(name) is not None:
                raise Invalid.at(f"{pointer}/messages/{place}/{name}", "does not go with this destination")
    return Publish(to, [_message(fields) for fields in messages])


def _needed(part: Mapping[str, Any], name: str, pointer: str) -> Any:
    if not isinstance(part, Mapping):
        raise Invalid.at(pointer, "must be an object")
    if name not in part:
        raise Invalid.at(f"{pointer}/{name}", "is needed")
    return part[name]
