"""Topics and transactions from Django code: verbs that join the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, TypeVar, cast, get_args

import msgspec
from django.db import DEFAULT_DB_ALIAS
from msgspec import Meta, Struct

from brokerweb.core.errors import Invalid, escape_pointer
from brokerweb.core.names import parse_destination
from brokerweb.queues import limits
from brokerweb.queues.from_python import new_message
from brokerweb.queues.messages import Kind, Settle
from brokerweb.routing import publishing, transacting
from brokerweb.routing.messages import UNFIT, Commit, Publish, TopicMessage, TransactRequest
from brokerweb.storage.run import joining
from brokerweb.streams.positions import parse_offsets

T = TypeVar("T")
KINDS = tuple(kind for kind in get_args(Kind) if kind != "lose")


def publish(
    topic: str, body: Any, *, routing_key: str = "", using: str = DEFAULT_DB_ALIAS, publisher: str | None = None, **fields: Any
) -> list[dict[str, Any]]:
    """Publish one message to a topic; where its copies are. In ``transaction.atomic()`` it commits with the caller's rows.

    ``body`` is any JSON value, or bytes; ``fields`` are those of a message: ``key``, ``headers`` (a dict of strings),
    ``content_type``, ``priority``, ``delay``, ``deliver_at``, ``ttl``, ``dedup_id``, ``reply_to``, ``correlation_id``,
    ``partition``.
    Raises BrokerError: NotFound, Unroutable, what a destination raises, and StoreFull or Unavailable.
    """
    message = _message({"body": body, "routing_key": routing_key, **fields})
    with joining(using) as tx:
        [published] = publishing.publish(tx, topic, [message], publisher=publisher)
    routed: list[dict[str, Any]] = msgspec.to_builtins(published.routed)
    return routed


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
        {queue: _settles(queue, kinds) for queue, kinds in (settle or {}).items()},
        [_commit(part, f"/commit/{place}") for place, part in enumerate(commit)],
        [_publish(part, f"/publish/{place}") for place, part in enumerate(publish)],
        _dedup_id(dedup_id),
    )
    with joining(using) as tx:
        return transacting.transact(tx, request, owner=owner, publisher=owner).plain()


def _dedup_id(given: Any) -> str | None:
    if given is not None and not isinstance(given, str):
        raise Invalid.at("/dedup_id", "must be a text")
    return limits.check_text(given, "/dedup_id")


class _About(Struct):
    """What a message has besides those of a queue."""

    routing_key: str | None = None
    partition: Annotated[int, Meta(ge=0)] | None = None


def _message(fields: Mapping[str, Any]) -> TopicMessage:
    named = dict(fields)
    about = _converted({name: named.pop(name) for name in _About.__struct_fields__ if name in named}, _About, "")
    return TopicMessage(new_message(named.pop("body", None), named), about.routing_key or "", about.partition)


class _Item(Struct, forbid_unknown_fields=True):
    """A settlement, within the limits that every face has."""

    receipt: str
    delay: limits.Delay | None = None
    error: str | None = None
    reason: str | None = None
    lease: limits.Lease | None = None


def _settles(queue: str, kinds: Mapping[str, Iterable[Any]]) -> list[Settle]:
    """Settlements by kind: receipts, or objects with ``receipt`` and what belongs to the kind."""
    found = []
    for kind, items in kinds.items():
        pointer = f"/settle/{escape_pointer(queue)}/{kind}"
        if kind not in KINDS:
            raise Invalid.at(pointer, f"is not one of {', '.join(KINDS)}")
        for item in items:
            settle = _converted({"receipt": item} if isinstance(item, str) else item, _Item, pointer)
            error = limits.cut(settle.error if settle.reason is None else settle.reason)
            found.append(Settle(cast(Kind, kind), settle.receipt, settle.delay, error, settle.lease))
    return found


def _converted(given: Any, kind: type[T], pointer: str) -> T:
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        raise Invalid.at(pointer, str(error)) from error


def _commit(part: Mapping[str, Any], pointer: str) -> Commit:
    stream, group, offsets = (_needed(part, name, pointer) for name in ("stream", "group", "offsets"))
    return Commit(stream, group, parse_offsets(offsets, f"{pointer}/offsets"), part.get("generation"))


def _publish(part: Mapping[str, Any], pointer: str) -> Publish:
    to, messages = (_needed(part, name, pointer) for name in ("to", "messages"))
    kind, _ = parse_destination(to, f"{pointer}/to")
    for place, fields in enumerate(messages):
        _needed(fields, "body", f"{pointer}/messages/{place}")
        for name in UNFIT[kind]:
            if fields.get(name) is not None:
                raise Invalid.at(f"{pointer}/messages/{place}/{name}", "does not go with this destination")
    return Publish(to, [_message(fields) for fields in messages])


def _needed(part: Mapping[str, Any], name: str, pointer: str) -> Any:
    if name not in part:
        raise Invalid.at(f"{pointer}/{name}", "is needed")
    return part[name]
