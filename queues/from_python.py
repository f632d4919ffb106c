"""A message as Python code gives it: any JSON value or bytes, and its fields, within the limits that every face has."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from brokerweb.core import clock
from brokerweb.core.errors import Invalid
from brokerweb.queues import limits
from brokerweb.queues.messages import NewMessage


class _Fields(Struct, forbid_unknown_fields=True):
    key: str | None = None
    headers: dict[str, str] | None = None
    content_type: str | None = None
    priority: limits.Priority | None = None
    delay: limits.Delay | None = None
    deliver_at: Annotated[datetime, Meta(tz=True)] | None = None
    ttl: limits.Ttl | None = None
    dedup_id: str | None = None
    reply_to: str | None = None
    correlation_id: str | None = None


def new_message(body: Any, fields: dict[str, Any]) -> NewMessage:
    """The message of that body and those fields. Raises Invalid."""
    try:
        given = msgspec.convert(fields, _Fields)
    except msgspec.ValidationError as error:
        raise Invalid(str(error)) from error
    binary = isinstance(body, bytes | bytearray | memoryview)
    return NewMessage(
        bytes(body) if binary else _json(body),
        binary,
        limits.check_text(given.key, "/key"),
        limits.check_headers(given.headers, "/headers"),
        limits.check_content_type(given.content_type, "/content_type"),
        4 if given.priority is None else given.priority,
        given.delay,
        _deliver_at(given),
        given.ttl,
        limits.check_text(given.dedup_id, "/dedup_id"),
        limits.check_destination(given.reply_to, "/reply_to"),
        limits.check_text(given.correlation_id, "/correlation_id"),
    )


def _json(body: Any) -> bytes:
    """The body as JSON text. Raises Invalid for what JSON cannot say, NaN and lone surrogates among it."""
    try:
        plain = msgspec.to_builtins(body)
        text = json.dumps(plain, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise Invalid.at("/body", str(error)) from error
    limits.check_depth(text, "/body")
    return text


def _deliver_at(given: _Fields) -> int | None:
    if given.deliver_at is None:
        return None
    if given.delay is not None:
        raise Invalid.at("/deliver_at", "only one of delay and deliver_at may be given")
    instant = clock.from_datetime(given.deliver_at)
    if instant > clock.wall() + clock.seconds(limits.MAX_DELAY):
        raise Invalid.at("/deliver_at", "more than 366 days ahead")
    return instant
