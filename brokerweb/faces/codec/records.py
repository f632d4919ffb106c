"""The JSON of records, shared by REST, WebSocket and server-sent events: strict in, cheap out."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from typing import Annotated

from msgspec import UNSET, Meta, Raw, UnsetType

from brokerweb.core.errors import Invalid
from brokerweb.faces.codec.json import (
    Base64,
    Destination,
    Headers,
    MediaType,
    Strict,
    Text,
    each,
    instant_or_null,
    text_or_null,
)
from brokerweb.faces.codec.messages import DEFAULT_TYPE, MAX_MESSAGES
from brokerweb.queues import limits
from brokerweb.streams.records import Appended, NewRecord, StoredRecord

Offset = Annotated[str, Meta(pattern=r"^[0-9]{1,13}$")] | Annotated[int, Meta(ge=0, lt=2**40)]


class WireRecord(Strict):
    """A record as clients send it: exactly one of ``body`` and ``body_base64``."""

    body: Raw | UnsetType = UNSET
    body_base64: Base64 | UnsetType = UNSET
    key: Text | None = None
    headers: Headers | None = None
    content_type: MediaType | None = None
    dedup_id: Text | None = None
    partition: Annotated[int, Meta(ge=0)] | None = None
    reply_to: Destination | None = None
    correlation_id: Text | None = None


Records = Annotated[list[WireRecord], Meta(min_length=1, max_length=MAX_MESSAGES)]


def to_new(records: Sequence[WireRecord], pointer: str = "/records") -> list[NewRecord]:
    """Records as the verbs take them, every limit checked. Raises Invalid."""
    return each(_to_new, records, pointer)


def _to_new(r: WireRecord) -> NewRecord:
    if r.body is UNSET:
        if r.body_base64 is UNSET:
            raise Invalid.at("", "one of body and body_base64 is needed")
        body = r.body_base64
    else:
        if r.body_base64 is not UNSET:
            raise Invalid.at("", "only one of body and body_base64 may be given")
        body = bytes(r.body)
        if len(body) > 2 * limits.MAX_DEPTH:
            limits.check_depth(body, "/body")
    return NewRecord(
        body,
        r.body is UNSET,
        limits.check_text(r.key, "/key"),
        limits.check_headers(r.headers, "/headers"),
        limits.check_content_type(r.content_type, "/content_type"),
        limits.check_text(r.dedup_id, "/dedup_id"),
        r.partition,
        limits.check_destination(r.reply_to, "/reply_to"),
        limits.check_text(r.correlation_id, "/correlation_id"),
    )


def appended(answers: Sequence[Appended]) -> bytes:
    """The answers to appended records as a JSON array."""
    items = [
        f'{{"partition":{a.partition},"offset":"{a.offset}","duplicate":{"true" if a.duplicate else "false"}}}' for a in answers
    ]
    return f"[{','.join(items)}]".encode()


def encode(records: Sequence[StoredRecord]) -> bytes:
    """Records as a JSON array, bodies as the bytes they came as."""
    return b"".join(encoded_parts(records))


def encoded_parts(records: Sequence[StoredRecord]) -> list[bytes]:
    """The same in parts, for those who put it into something larger: bodies are then copied once."""
    parts: list[bytes] = []
    append = parts.append
    known: tuple[object, ...] | None = None
    tail = b""
    for r in records:
        # Records that were appended together share their instant: what follows the body is then made once.
        same = (r.appended_at, r.binary, r.content_type, r.headers, r.reply_to, r.correlation_id, r.redacted)
        if same != known:
            known, tail = same, _tail(r)
        key = text_or_null(r.key)
        if r.damaged:
            append(f',{{"partition":{r.partition},"offset":"{r.offset}","key":null,"damaged":true'.encode())
        elif r.binary:
            append(f',{{"partition":{r.partition},"offset":"{r.offset}","key":{key},"body_base64":"'.encode())
            append(b64encode(r.body) + b'"')
        else:
            append(f',{{"partition":{r.partition},"offset":"{r.offset}","key":{key},"body":'.encode())
            append(r.body)
        append(tail)
    parts[:1] = [b"[", *(part[1:] for part in parts[:1])]
    append(b"]")
    return parts


def encode_one(record: StoredRecord) -> bytes:
    """One record as a JSON object."""
    return encode([record])[1:-1]


def _tail(r: StoredRecord) -> bytes:
    """What follows a body."""
    kind = text_or_null(r.content_type) if r.content_type else DEFAULT_TYPE[r.binary]
    rest = f',"content_type":{kind},"headers":{r.headers or "{}"},"appended_at":{instant_or_null(r.appended_at)}'
    if r.reply_to is not None:
        rest += f',"reply_to":{text_or_null(r.reply_to)}'
    if r.correlation_id is not None:
        rest += f',"correlation_id":{text_or_null(r.correlation_id)}'
    if r.redacted is not None:
        rest += f',"redacted":{r.redacted}'
    return f"{rest}}}".encode()
