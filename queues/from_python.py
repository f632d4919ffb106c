"""A message as Python code gives it: any JSON value or bytes, and its fields, within the limits that every face has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any, cast, get_args

from msgspec import Meta, Struct

from brokerweb.core import clock
from brokerweb.core.errors import Invalid, escape_pointer
from brokerweb.core.from_python import body_of, converted, each
from brokerweb.queues import limits
from brokerweb.queues.messages import Kind, NewMessage, Settle

KINDS = tuple(kind for kind in get_args(Kind) if kind != "lose")


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


def new_message(body: Any, fields: Mapping[str, Any]) -> NewMessage:
    """The message of that body and those fields. Raises Invalid."""
    given = converted(fields, _Fields)
    stored, binary = body_of(body)
    return NewMessage(
        stored,
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


def _deliver_at(given: _Fields) -> int | None:
    if given.deliver_at is None:
        return None
    if given.delay is not None:
        raise Invalid.at("/deliver_at", "only one of delay and deliver_at may be given")
    instant = clock.from_datetime(given.deliver_at)
    if instant > clock.wall() + clock.seconds(limits.MAX_DELAY):
        raise Invalid.at("/deliver_at", "more than 366 days ahead")
    return instant


class _Item(Struct, forbid_unknown_fields=True):
    """A settlement, within the limits that every face has."""

    receipt: str
    delay: limits.Delay | None = None
    error: str | None = None
    reason: str | None = None
    lease: limits.Lease | None = None


def settles(kinds: Mapping[str, Iterable[Any]], pointer: str) -> list[Settle]:
    """Settlements by kind: receipts, or objects with ``receipt`` and what belongs to the kind. Raises Invalid."""
    found = []
    for kind, items in kinds.items():
        place = f"{pointer}/{escape_pointer(kind)}"
        if kind not in KINDS:
            raise Invalid.at(place, f"is not one of {', '.join(KINDS)}")
        for item in each(items, place):
            settle = converted(item if isinstance(item, Mapping) else {"receipt": item}, _Item, place)
            error = limits.cut(settle.error if settle.reason is None else settle.reason)
            found.append(Settle(cast(Kind, kind), settle.receipt, settle.delay, error, settle.lease))
    return found
