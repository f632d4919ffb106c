"""A message as Python code gives it: any JSON value or bytes, and its fields, within the limits that every face has."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, TypeVar, cast, get_args

import msgspec
from django.core.serializers.json import DjangoJSONEncoder
from django.utils.functional import Promise
from msgspec import Meta, Struct

from brokerweb.core import clock
from brokerweb.core.errors import Invalid, escape_pointer
from brokerweb.queues import limits
from brokerweb.queues.messages import Kind, NewMessage, Settle

T = TypeVar("T")
KINDS = tuple(kind for kind in get_args(Kind) if kind != "lose")
_EXACT = {str, int, float, bool, bytes, type(None), list, tuple}
_FIELD, _UNKNOWN = re.compile(r"\.(\w+)"), re.compile(r"field `(.*)`", re.DOTALL)


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


def text(value: Any, pointer: str) -> str:
    """A name or another text, of whatever kind of text it is. Raises Invalid."""
    return converted(value, str, pointer)


def converted(given: Any, kind: type[T], pointer: str = "") -> T:
    """Ordinary values of Django code as a ``kind``. Raises Invalid, which names the place below ``pointer``."""
    try:
        return msgspec.convert(_plain(given), kind)
    except msgspec.ValidationError as error:
        what, _, place = str(error).partition(" - at `$")
        named = _FIELD.match(place) or _UNKNOWN.search(what)
        raise Invalid.at(pointer + (f"/{escape_pointer(named[1])}" if named else ""), what) from error


def _plain(value: Any) -> Any:
    """Texts, numbers and instants of the types themselves, in which nothing is decided yet; others as they are."""
    if isinstance(value, Mapping):
        return {_plain(name): _plain(member) for name, member in value.items()}
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime):
        return datetime.combine(value.date(), value.timetz())
    return value if type(value) in _EXACT else _exact(value)


def _exact(value: Any) -> Any:
    """What a lazy text, or a value of a subclass, is."""
    if isinstance(value, Enum):
        return _plain(value.value)
    if isinstance(value, Promise | str):
        return str.__str__(str(value))
    return next((kind(value) for kind in (int, float) if isinstance(value, kind)), value)


def _said(value: Any) -> Any:
    """What JSON is to say of a value that msgspec does not know. Raises TypeError."""
    if isinstance(value, datetime):
        return datetime.combine(value.date(), value.timetz())
    if isinstance(value, Mapping):
        return dict(value)
    exact = _exact(value)
    return DjangoJSONEncoder().default(value) if exact is value else exact


def _json(body: Any) -> bytes:
    """The body as JSON text. Raises Invalid for what JSON cannot say, NaN and lone surrogates among it."""
    try:
        said = _dumped(body)
    except _UNSAID:
        pointer, error = _culprit(body, "/body")
        raise Invalid.at(pointer, str(error)) from error
    limits.check_depth(said, "/body")
    return said


_UNSAID = (TypeError, ValueError, RecursionError, OverflowError)


def _dumped(body: Any) -> bytes:
    plain = msgspec.to_builtins(body, enc_hook=_said)
    return json.dumps(plain, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _culprit(value: Any, pointer: str) -> tuple[str, Exception]:
    """The innermost place that JSON cannot say, and why: asked for only where there is one."""
    while True:
        reason, members = _reason(value), _members(value)
        wrong = next(((name, member) for name, member in members if _reason(member)), None) if pointer.count("/") < 100 else None
        if wrong is None:
            return pointer, reason or ValueError("JSON cannot say it")
        pointer, value = f"{pointer}/{escape_pointer(wrong[0])}", wrong[1]


def _reason(value: Any) -> Exception | None:
    try:
        _dumped(value)
    except _UNSAID as error:
        return error
    return None


def _members(value: Any) -> list[tuple[Any, Any]]:
    if isinstance(value, Mapping):
        return list(value.items())
    return list(enumerate(value)) if isinstance(value, list | tuple) else []


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


def each(items: Any, pointer: str) -> list[Any]:
    """A text is no list of texts. Raises Invalid."""
    if isinstance(items, str | bytes | Mapping) or not isinstance(items, Iterable):
        raise Invalid.at(pointer, "must be a list")
    return list(items)
