"""Queues from Django code: verbs that join the caller's transaction."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from django.db import DEFAULT_DB_ALIAS

from brokerweb.core.errors import Invalid
from brokerweb.storage.transaction import transaction
from queues import publishing
from queues.messages import NewMessage

_ENCODE = msgspec.json.Encoder().encode


def publish(queue: str, body: Any, *, using: str = DEFAULT_DB_ALIAS, publisher: str | None = None, **fields: Any) -> int:
    """Publish one message and return its id; in ``transaction.atomic()`` it commits with the caller's rows.

    ``body`` is any JSON value, or bytes. ``fields`` are those of a message: ``key``, ``headers`` (a dict of strings),
    ``content_type``, ``priority``, ``delay`` and ``ttl`` (seconds), ``dedup_id``, ``reply_to``, ``correlation_id``.
    Raises BrokerError: NotFound for an unknown queue, QueueFull, TooLarge, Invalid.
    """
    headers = fields.pop("headers", None)
    if headers is not None:
        fields["headers"] = json.dumps(headers, ensure_ascii=False)
    binary = isinstance(body, bytes | bytearray | memoryview)
    try:
        message = NewMessage(bytes(body) if binary else _ENCODE(body), binary, **fields)
    except (TypeError, msgspec.MsgspecError) as error:
        raise Invalid(str(error)) from error
    with transaction(using) as tx:
        return publishing.publish(tx, queue, [message], publisher=publisher)[0].id
