"""The JSON of messages, cheap both ways: published in, delivered out."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Raw, UnsetType

from brokerweb.core.batches import ANSWER_BYTES
from brokerweb.core.errors import Invalid
from brokerweb.faces.codec.json import (
    AnyInstant,
    Base64,
    Destination,
    Headers,
    MediaType,
    Strict,
    Text,
    check_instant,
    each,
    instant_or_null,
    lasting_or_null,
    located,
    text_or_null,
)
from brokerweb.faces.codec.query import MAX_WAIT
from brokerweb.queues.limits import (
    MAX_DEPTH,
    Delay,
    Lease,
    Priority,
    Ttl,
    check_content_type,
    check_depth,
    check_destination,
    check_headers,
    check_text,
)
from brokerweb.queues.messages import Accepted, Leased, NewMessage

MAX_MESSAGES = 1000
DEFAULT_TYPE = {False: '"application/json"', True: '"application/octet-stream"'}  # of what named none, by whether it is binary


class WireMessage(Strict):
    """A message as clients send it: exactly one of ``body`` and ``body_base64``; durations are seconds."""

    body: Raw | UnsetType = UNSET
    body_base64: Base64 | UnsetType = UNSET
    key: Text | None = None
    headers: Headers | None = None
    content_type: MediaType | None = None
    priority: Priority | None = None
    delay: Delay | None = None
    deliver_at: AnyInstant | None = None
    ttl: Ttl | None = None
    dedup_id: Text | None = None
    reply_to: Destination | None = None
    correlation_id: Text | None = None


Messages = Annotated[list[WireMessage], Meta(min_length=1, max_length=MAX_MESSAGES)]


class PublishRequest(Strict):
    """Messages to store, all or none."""

    messages: Messages


class ReceiveRequest(Strict):
    """How many messages to lease, and how long to wait for the first, in seconds."""

    max: Annotated[int, Meta(ge=1, le=MAX_MESSAGES)] = 10
    wait: Annotated[float, Meta(ge=0, le=MAX_WAIT)] = 0
    lease: Lease | None = None
    ack: Literal["explicit", "none"] = "explicit"


# In


def to_new(messages: Sequence[WireMessage], pointer: str = "/messages") -> list[NewMessage]:
    """Messages as the verbs take them, every limit checked. Raises Invalid."""
    return each(_to_new, messages, pointer)


def to_one(message: WireMessage, pointer: str = "/message") -> NewMessage:
    """One message as the verbs take it. Raises Invalid with pointers below ``pointer``."""
    return located(_to_new, message, pointer)


def _to_new(m: WireMessage) -> NewMessage:
    if m.body is UNSET:
        if m.body_base64 is UNSET:
            raise Invalid.at("", "one of body and body_base64 is needed")
        body = m.body_base64
    else:
        if m.body_base64 is not UNSET:
            raise Invalid.at("", "only one of body and body_base64 may be given")
        body = bytes(m.body)
        if len(body) > 2 * MAX_DEPTH:
            check_depth(body, "/body")
        if (
            (m.key is None and m.headers is None and m.dedup_id is None and m.delay is None and m.ttl is None)
            and (m.priority is None and m.content_type is None and m.deliver_at is None)
            and (m.reply_to is None and m.correlation_id is None)
        ):  # nothing but a JSON body: most messages
            return NewMessage(body)
    return NewMessage(
        body,
        m.body is UNSET,
        check_text(m.key, "/key"),
        check_headers(m.headers, "/headers"),
        check_content_type(m.content_type, "/content_type"),
        4 if m.priority is None else m.priority,
        m.delay,
        _deliver_at(m),
        m.ttl,
        check_text(m.dedup_id, "/dedup_id"),
        check_destination(m.reply_to, "/reply_to"),
        check_text(m.correlation_id, "/correlation_id"),
    )


def _deliver_at(m: WireMessage) -> int | None:
    if m.deliver_at is None:
        return None
    if m.delay is not None:
        raise Invalid.at("/deliver_at", "only one of delay and deliver_at may be given")
    return check_instant(m.deliver_at, "/deliver_at")


# Out


def results(accepted: Sequence[Accepted]) -> bytes:
    """The answers to published messages as a JSON array."""
    items = [f'{{"id":"{a.id}","duplicate":{"true" if a.duplicate else "false"}}}' for a in accepted]
    return f"[{','.join(items)}]".encode()


def split(messages: Sequence[Leased]) -> Iterator[Sequence[Leased]]:
    """The messages in order, in runs that each fit one answer."""
    start = size = 0
    for index, message in enumerate(messages):
        length = len(message.body)
        if size and size + length > ANSWER_BYTES:
            yield messages[start:index]
            start, size = index, 0
        size += length
    if start < len(messages):
        yield messages[start:]


def delivered(messages: Sequence[Leased]) -> bytes:
    """Delivered messages as a JSON array, bodies as the bytes they came as."""
    return b"".join(delivered_parts(messages))


def delivered_parts(messages: Sequence[Leased]) -> list[bytes]:
    """The same in parts, for those who put it into something larger: bodies are then copied once."""
    parts: list[bytes] = []
    append = parts.append
    known: tuple[Any, ...] | None = None
    tail = b""
    for m in messages:
        # One publish or lease gives all its messages the same instants and counters: those are formatted once.
        same = (
            m.binary, m.lease_until, m.published_at, m.attempts, m.failures, m.priority,
            m.expires_at, m.content_type, m.headers, m.reply_to, m.correlation_id, m.redacted,
            m.redrives,
        )  # fmt: skip
        if same != known:
            known, tail = same, _tail(m)
        key = text_or_null(m.key)
        receipt = "null" if m.receipt is None else f'"{m.receipt}"'
        if m.place is not None:
            receipt += f',"partition":{m.place[0]},"offset":"{m.place[1]}"'
        if m.binary:
            append(f',{{"id":"{m.id}","receipt":{receipt},"key":{key},"body_base64":"'.encode())
            append(b64encode(m.body) + b'"')
        else:
            append(f',{{"id":"{m.id}","receipt":{receipt},"key":{key},"body":'.encode())
            append(m.body)
        append(tail)
    parts[:1] = [b"[", *(part[1:] for part in parts[:1])]
    append(b"]")
    return parts


def _tail(m: Leased) -> bytes:
    """What follows a body."""
    held = m.receipt is not None
    kind = text_or_null(m.content_type) if m.content_type else DEFAULT_TYPE[m.binary]
    headers, lease = m.headers or "{}", m.lease if held else "null"
    redacted = f',"redacted":{m.redacted}' if m.redacted else ""
    return (
        f',"content_type":{kind},"headers":{headers},"priority":{m.priority},'
        f'"published_at":{instant_or_null(m.published_at)},"expires_at":{lasting_or_null(m.expires_at)},'
        f'"reply_to":{text_or_null(m.reply_to)},"correlation_id":{text_or_null(m.correlation_id)},'
        f'"attempts":{m.attempts},"failures":{m.failures},"redrives":{m.redrives},'
        f'"lease_until_at":{lasting_or_null(m.lease_until if held else None)},"lease":{lease}{redacted}}}'
    ).encode()
