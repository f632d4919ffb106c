"""Queues from Django code: verbs that join the caller's transaction."""

from __future__ import annotations

from typing import Any

from django.db import DEFAULT_DB_ALIAS

from brokerweb.queues import publishing
from brokerweb.queues.from_python import new_message, text
from brokerweb.storage.run import joining


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
        return publishing.publish(tx, name, [message], publisher=said)[0].id
