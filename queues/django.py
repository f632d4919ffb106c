"""Queues from Django code: verbs that join the caller's transaction, and commit by themselves outside of one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from asgiref.sync import sync_to_async
from django.db import DEFAULT_DB_ALIAS
from msgspec import Meta, Struct

from brokerweb.core import clock
from brokerweb.core.errors import Invalid
from brokerweb.core.from_python import converted, text
from brokerweb.queues import bulk, control, filters, leasing, limits, publishing, settling
from brokerweb.queues.from_python import new_message, settles
from brokerweb.queues.messages import Accepted, Leased, Settled
from brokerweb.queues.models import Queue
from brokerweb.storage.run import joining

HOLDER = "python"  # who holds what is received, where nobody says more
MOST = 1000  # messages in one publish or receive


class _Asked(Struct):
    limit: Annotated[int, Meta(ge=1, le=MOST)]
    lease: limits.Lease | None


@dataclass(frozen=True)
class Received:
    """A message that is leased to the caller until ``lease_until_at``; ``receipt`` is what ``settle`` wants.

    ``body`` is the JSON value, or bytes; ``text`` is the JSON as it came, None for bytes. ``lease`` is in seconds.
    """

    id: int
    receipt: str
    body: Any
    text: str | None
    key: str | None
    headers: dict[str, str]
    content_type: str | None
    priority: int
    attempts: int
    failures: int
    redrives: int
    published_at: datetime
    expires_at: datetime | None
    reply_to: str | None
    correlation_id: str | None
    lease: float
    lease_until_at: datetime


def publish(queue: str, body: Any, *, using: str = DEFAULT_DB_ALIAS, publisher: str | None = None, **fields: Any) -> int:
    """Publish one message and return its id; in ``transaction.atomic()`` it commits with the caller's rows.

    ``body`` is any JSON value, or bytes; what Django's own JSON encoder takes may be in it. ``fields`` are those of a message:
    ``key``, ``headers`` (a dict of strings), ``content_type``, ``priority``, ``delay`` and ``ttl`` (seconds), ``deliver_at``
    (an aware datetime), ``dedup_id``, ``reply_to``, ``correlation_id``.
    Raises BrokerError: NotFound for an unknown queue, QueueFull, TooLarge, Invalid; StoreFull and Unavailable where the
    database does not take it, and then the caller's own transaction may be lost.
    """
    message, name = new_message(body, fields), text(queue, "/queue")
    said = None if publisher is None else text(publisher, "/publisher")
    with joining(using) as tx:
        accepted = publishing.publish(tx, name, [message], publisher=said)
        return accepted[0].id


async def apublish(queue: str, body: Any, *, using: str = DEFAULT_DB_ALIAS, publisher: str | None = None, **fields: Any) -> int:
    """``publish`` from a coroutine, in a commit of its own: Django has no transactions there."""
    said: int = await sync_to_async(publish)(queue, body, using=using, publisher=publisher, **fields)
    return said


def publish_many(
    queue: str, messages: Iterable[Mapping[str, Any]], *, using: str = DEFAULT_DB_ALIAS, publisher: str | None = None
) -> list[Accepted]:
    """Publish up to 1,000 messages, all or none, in their order; ``id`` and ``duplicate`` of each.

    A message is a mapping with ``body`` and the fields of ``publish``. Raises what ``publish`` does.
    """
    given = [dict(message) for message in messages]
    if len(given) > MOST:
        raise Invalid.at("/messages", f"at most {MOST} at once")
    for place, fields in enumerate(given):
        if "body" not in fields:
            raise Invalid.at(f"/messages/{place}/body", "is needed")
    made, name = [new_message(fields.pop("body"), fields) for fields in given], text(queue, "/queue")
    said = None if publisher is None else text(publisher, "/publisher")
    with joining(using) as tx:
        return publishing.publish(tx, name, made, publisher=said) if made else []


def receive(
    queue: str,
    *,
    limit: int = 1,
    lease: float | None = None,
    holder: str = HOLDER,
    using: str = DEFAULT_DB_ALIAS,
) -> list[Received]:
    """Lease up to ``limit`` (1 to 1,000) messages that are ready, for ``lease`` seconds or what the queue says; often none.

    It does not wait. ``holder`` names the caller where the console says who holds a message. Inside ``atomic()`` nobody else
    sees the lease before the commit, and with it rolled back the messages were never leased. Raises NotFound, Invalid.
    """
    asked = converted({"limit": limit, "lease": lease}, _Asked)
    terms = leasing.Terms(text(holder, "/holder")[:200], asked.lease)
    with joining(using) as tx:
        leased = leasing.lease(tx, text(queue, "/queue"), asked.limit, terms).messages
    return [received(message) for message in leased]


def settle(
    queue: str | None = None,
    *,
    ack: Iterable[Any] = (),
    nack: Iterable[Any] = (),
    release: Iterable[Any] = (),
    dead: Iterable[Any] = (),
    extend: Iterable[Any] = (),
    using: str = DEFAULT_DB_ALIAS,
) -> list[Settled]:
    """Settle leases, in that order; of each ``receipt``, ``status`` (``ok`` or ``lease_lost``) and, if extended, ``lease_until``.

    Each is a receipt, a ``Received``, or a mapping with ``receipt`` and what belongs to it: ``delay`` and ``error`` of a nack,
    ``reason`` of one that is dead, ``lease`` of one that is extended. With ``queue`` only its receipts count.
    Raises Invalid, NotFound.
    """
    given = {"ack": ack, "nack": nack, "release": release, "dead": dead, "extend": extend}
    plain = {kind: [item.receipt if isinstance(item, Received) else item for item in items] for kind, items in given.items()}
    asked = settles(plain, "")
    name = None if queue is None else text(queue, "/queue")
    with joining(using) as tx:
        return settling.settle(tx, asked, queue=name)


def declare(queue: str, *, using: str = DEFAULT_DB_ALIAS, **settings: Any) -> Queue:
    """Create a queue, or change the settings named; the queue as it is then. None resets a setting. Raises Invalid, Conflict."""
    with joining(using) as tx:
        return control.declare(tx, text(queue, "/queue"), settings)[0]


def delete(queue: str, *, if_empty: bool = False, using: str = DEFAULT_DB_ALIAS) -> None:
    """Delete a queue and its messages. Raises NotFound, and Conflict where it must be empty and is not."""
    with joining(using) as tx:
        control.delete(tx, text(queue, "/queue"), if_empty=if_empty)


def purge(queue: str, **chosen: Any) -> int:
    """Delete messages of a queue and say how many: ready, scheduled and blocked ones, unless ``states`` names others.

    ``chosen`` as for REST: ``states``, ``key``, ``ids``. Outside of ``atomic()`` in many small commits. Raises NotFound, Invalid.
    """
    return bulk.purge_all(text(queue, "/queue"), filters.for_purge(filters.parse(chosen)))


def received(message: Leased) -> Received:
    """A leased message as Python code has it."""
    body = message.body if message.binary else json.loads(message.body)
    expires_at = None if message.expires_at is None else clock.to_datetime(clock.to_wall(message.expires_at))
    return Received(
        message.id,
        message.receipt or "",
        body,
        None if message.binary else message.body.decode(),
        message.key,
        json.loads(message.headers) if message.headers else {},
        message.content_type,
        message.priority,
        message.attempts,
        message.failures,
        message.redrives,
        clock.to_datetime(message.published_at),
        expires_at,
        message.reply_to,
        message.correlation_id,
        message.lease,
        clock.to_datetime(clock.to_wall(message.lease_until)),
    )
