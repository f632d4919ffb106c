"""The JSON of messages and settlements, shared by REST and WebSocket: strict in, cheap both ways.

A JSON body is never decoded and encoded again: it goes in and out as the very text it came as (``msgspec.Raw``).
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from functools import cache, lru_cache
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from brokerweb.core import clock
from brokerweb.core.errors import Invalid, escape_pointer
from brokerweb.queues.limits import (
    MAX_DELAY,
    MAX_DEPTH,
    MAX_HEADERS,
    MAX_TEXT_BYTES,
    Delay,
    Lease,
    Priority,
    Ttl,
    check_content_type,
    check_depth,
    check_destination,
    check_headers,
    check_text,
    cut,
)
from brokerweb.queues.messages import Accepted, Kind, Leased, NewMessage, Settle, Settled

T = TypeVar("T")
R = TypeVar("R")

MAX_MESSAGES = MAX_RECEIPTS = 1000
MAX_BODIES = 512 * 1024  # bytes of bodies in one answer or frame


# The patterns are for the OpenAPI document alone: what they say is checked below, where a message turns out to need it.
Text = Annotated[str, Meta(extra_json_schema={"maxLength": MAX_TEXT_BYTES, "pattern": "^[^\\u0000]*$"})]
MediaType = Annotated[str, Meta(extra_json_schema={"maxLength": MAX_TEXT_BYTES, "pattern": "^[ -~]*$"})]
Destination = Annotated[
    str,
    Meta(extra_json_schema={"pattern": "^(queue|stream|topic):[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}$"}, examples=["queue:answers"]),
]
Headers = Annotated[dict[str, str], Meta(extra_json_schema={"maxProperties": MAX_HEADERS})]
Instant = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
_BASE64 = "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
Base64 = Annotated[bytes, Meta(extra_json_schema={"pattern": _BASE64})]


class Strict(Struct, forbid_unknown_fields=True, gc=False):
    """A JSON object in which an unknown field is an error."""


class WireMessage(Strict):
    """A message as clients send it: exactly one of ``body`` and ``body_base64``; durations are seconds."""

    body: Raw | UnsetType = UNSET
    body_base64: Base64 | UnsetType = UNSET
    key: Text | None = None
    headers: Headers | None = None
    content_type: MediaType | None = None
    priority: Priority | None = None
    delay: Delay | None = None
    deliver_at: Instant | None = None
    ttl: Ttl | None = None
    dedup_id: Text | None = None
    reply_to: Destination | None = None
    correlation_id: Text | None = None


Messages = Annotated[list[WireMessage], Meta(min_length=1, max_length=MAX_MESSAGES)]


class NackItem(Strict):
    """A failed message: ``delay`` replaces the queue's backoff, ``error`` says what went wrong."""

    receipt: str
    delay: Delay | None = None
    error: str | None = None


class DeadItem(Strict):
    """A message that must not be tried again."""

    receipt: str
    reason: str | None = None


class ExtendItem(Strict):
    """A lease to be counted anew from now; the queue's own lease when none is named."""

    receipt: str
    lease: Lease | None = None


Receipts = Annotated[list[str], Meta(max_length=MAX_RECEIPTS)]
NackItems = Annotated[list[NackItem], Meta(max_length=MAX_RECEIPTS)]
DeadItems = Annotated[list[DeadItem], Meta(max_length=MAX_RECEIPTS)]
ExtendItems = Annotated[list[ExtendItem], Meta(max_length=MAX_RECEIPTS)]


class PublishRequest(Strict):
    """Messages to store, all or none."""

    messages: Messages


class ReceiveRequest(Strict):
    """How many messages to lease, and how long to wait for the first, in seconds."""

    max: Annotated[int, Meta(ge=1, le=1000)] = 10
    wait: Annotated[float, Meta(ge=0, le=20)] = 0
    lease: Lease | None = None
    ack: Literal["explicit", "none"] = "explicit"


class SettleRequest(Strict):
    """Receipts and what became of their messages, at most 1000 together."""

    ack: Receipts = []
    nack: NackItems = []
    release: Receipts = []
    dead: DeadItems = []
    extend: ExtendItems = []


# In: decoding


@cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def decode(kind: type[T], data: bytes | str) -> T:
    """``data`` as a ``kind``. Raises Invalid, with a pointer where the fault has a place.

    Bytes are checked as UTF-8 first: ``Raw`` would let invalid UTF-8 in bodies through, and one such body closes
    every text WebSocket it is sent to.
    """
    try:
        if isinstance(data, bytes):
            str(data, "utf-8")
        decoded: T = _decoder(kind).decode(data)  # type: ignore[arg-type]  # a type is hashable
    except UnicodeError:
        raise Invalid(
            "the request is not valid UTF-8",
            errors=[{"pointer": "", "detail": "not valid UTF-8"}],
        ) from None
    except RecursionError:
        raise Invalid.at("", f"JSON nests deeper than {MAX_DEPTH}") from None
    except msgspec.DecodeError as error:  # ValidationError too
        raise invalid(str(error)) from None
    return decoded


_PLACE = re.compile(r"(?P<what>.*?) - at `(?:key` in `)?\$(?P<path>.*)`", re.DOTALL)
_STEP = re.compile(r"\.(?P<field>[^.\[\]]+)|\[(?P<index>\d+)\]")
_FIELD = re.compile(r"field `(.*)`", re.DOTALL)


def invalid(text: str) -> Invalid:
    """msgspec's message, which names places as ``$.messages[3].key``, as an error with a JSON Pointer."""
    found = _PLACE.fullmatch(text)
    what, path = (found["what"], found["path"]) if found else (text, "")
    known, unnamed, _ = path.partition("[...]")  # where it does not say by which name, the pointer goes no further
    steps = [step["field"] or step["index"] for step in _STEP.finditer(known)]
    if not unnamed and (found_field := _FIELD.search(what)):
        steps.append(found_field[1])
    return Invalid.at("".join("/" + escape_pointer(step) for step in steps), what)


# In: conversion


def to_new(messages: Sequence[WireMessage], pointer: str = "/messages") -> list[NewMessage]:
    """Messages as the verbs take them, every limit checked. Raises Invalid."""
    return each(_to_new, messages, pointer)


def to_one(message: WireMessage, pointer: str = "/message") -> NewMessage:
    """One message as the verbs take it. Raises Invalid with pointers below ``pointer``."""
    return located(_to_new, message, pointer)


def each(convert: Callable[[T], R], items: Sequence[T], pointer: str) -> list[R]:
    """Every item converted. Raises Invalid with pointers below ``pointer`` and the item's place."""
    try:
        return [convert(item) for item in items]
    except Invalid:  # once more, to say where: pointers cost too much to be made for every good item
        return [located(convert, item, f"{pointer}/{index}") for index, item in enumerate(items)]


def located(convert: Callable[[T], R], item: T, pointer: str) -> R:
    """One item converted. Raises Invalid with pointers below ``pointer``."""
    try:
        return convert(item)
    except Invalid as error:
        fault = error.extra["errors"][0]
        raise Invalid.at(pointer + fault["pointer"], fault["detail"]) from None


def _to_new(m: WireMessage) -> NewMessage:
    body = m.body
    if body is UNSET:
        if m.body_base64 is UNSET:
            raise Invalid.at("", "one of body and body_base64 is needed")
        return _convert(m, m.body_base64)
    if m.body_base64 is not UNSET:
        raise Invalid.at("", "only one of body and body_base64 may be given")
    text = bytes(body)
    if len(text) > 2 * MAX_DEPTH:
        check_depth(text, "/body")
    if (
        (m.key is None and m.headers is None and m.dedup_id is None and m.delay is None and m.ttl is None)
        and (m.priority is None and m.content_type is None and m.deliver_at is None)
        and (m.reply_to is None and m.correlation_id is None)
    ):  # nothing but a JSON body: most messages
        return NewMessage(text)
    return _convert(m, text)


def _convert(m: WireMessage, body: bytes) -> NewMessage:
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


def check_instant(text: str, pointer: str) -> int:
    """An RFC 3339 instant, at most 366 days ahead. Raises Invalid."""
    try:
        instant = clock.parse_rfc3339(text)
    except (ValueError, OverflowError):
        raise Invalid.at(pointer, "not an RFC 3339 instant with a time zone") from None
    if instant > clock.wall() + clock.seconds(MAX_DELAY):
        raise Invalid.at(pointer, "more than 366 days ahead")
    return instant


def settles(request: SettleRequest) -> list[Settle]:
    """A settle request's receipts in the order of the answer: ack, nack, release, dead, extend. Raises Invalid."""
    asked = [
        *settle_receipts("ack", request.ack),
        *settle_nacks(request.nack),
        *settle_receipts("release", request.release),
        *settle_deads(request.dead),
        *settle_extends(request.extend),
    ]
    if len(asked) > MAX_RECEIPTS:
        raise Invalid.at("", f"at most {MAX_RECEIPTS} receipts")
    return asked


def settle_receipts(kind: Kind, receipts: Sequence[str]) -> list[Settle]:
    """Settlements that need nothing but the receipt."""
    return [Settle(kind, receipt) for receipt in receipts]


def settle_nacks(items: Sequence[NackItem]) -> list[Settle]:
    return [Settle("nack", item.receipt, item.delay, cut(item.error)) for item in items]


def settle_deads(items: Sequence[DeadItem]) -> list[Settle]:
    return [Settle("dead", item.receipt, None, cut(item.reason)) for item in items]


def settle_extends(items: Sequence[ExtendItem]) -> list[Settle]:
    return [Settle("extend", item.receipt, None, None, item.lease) for item in items]


# Out


def results(accepted: Sequence[Accepted]) -> bytes:
    """The answers to published messages as a JSON array."""
    items = [f'{{"id":"{a.id}","duplicate":{"true" if a.duplicate else "false"}}}' for a in accepted]
    return f"[{','.join(items)}]".encode()


def settled(answers: Sequence[Settled]) -> bytes:
    """The answers to settlements as a JSON array; a receipt is the client's own text, so it is escaped."""
    return msgspec.json.encode([_settled(answer) for answer in answers])


def _settled(answer: Settled) -> dict[str, str]:
    item = {"receipt": answer.receipt, "status": answer.status}
    if answer.lease_until is not None:
        item["lease_until_at"] = clock.rfc3339(clock.to_wall(answer.lease_until))
    return item


def split(messages: Sequence[Leased]) -> Iterator[Sequence[Leased]]:
    """The messages in order, in runs of at most 512 KiB of bodies; a larger one goes alone."""
    start = size = 0
    for index, message in enumerate(messages):
        length = len(message.body)
        if size and size + length > MAX_BODIES:
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
            m.expires_at, m.content_type, m.headers, m.reply_to, m.correlation_id,
        )  # fmt: skip
        if same != known:
            known, tail = same, _tail(m)
        key = _text(m.key)
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
    kind = _text(m.content_type) if m.content_type else '"application/octet-stream"' if m.binary else '"application/json"'
    headers, lease = m.headers or "{}", m.lease if held else "null"
    return (
        f',"content_type":{kind},"headers":{headers},"priority":{m.priority},'
        f'"published_at":{_instant(m.published_at)},"expires_at":{_lasting(m.expires_at)},'
        f'"reply_to":{_text(m.reply_to)},"correlation_id":{_text(m.correlation_id)},'
        f'"attempts":{m.attempts},"failures":{m.failures},'
        f'"lease_until_at":{_lasting(m.lease_until if held else None)},"lease":{lease}}}'
    ).encode()


def text(value: str) -> bytes:
    """A text as JSON."""
    return _encode(value)


def default_type(binary: bool) -> str:
    """The content type of a message that named none."""
    return "application/octet-stream" if binary else "application/json"


_encode = msgspec.json.Encoder().encode


def _text(value: str | None) -> str:
    return "null" if value is None else _encode(value).decode()


@lru_cache(maxsize=256)
def _to_second(second: int) -> str:
    return clock.rfc3339(second * clock.SECOND)[:19]


def _lasting(instant: int | None) -> str:
    """An instant of the broker's clock as JSON, as the wall names it."""
    return "null" if instant is None else _instant(clock.to_wall(instant))


def _instant(instant: int | None) -> str:
    """The instant as JSON; as ``clock.rfc3339`` writes it, which takes fifteen times as long."""
    if instant is None:
        return "null"
    second, micro = divmod(instant, clock.SECOND)
    return f'"{_to_second(second)}.{micro:06d}Z"'
