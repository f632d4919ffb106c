"""A message from a request's body, described by the request's headers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from brokerweb.core.errors import Invalid, escape_pointer
from brokerweb.faces.calls.call import Headers
from brokerweb.faces.codec.json import decode
from brokerweb.faces.codec.messages import WireMessage, to_one
from brokerweb.faces.codec.query import NUMBER, Parameter
from brokerweb.queues import limits
from brokerweb.queues.messages import NewMessage


def _described(name: str, schema: Mapping[str, Any], description: str) -> Parameter:
    return Parameter(name, schema, description, where="header")


HEADERS = (
    _described("Message-Key", {"type": "string", "maxLength": limits.MAX_TEXT_BYTES}, "the message's key"),
    _described("Message-Priority", {"type": "integer", "minimum": 0, "maximum": 9}, "4 without it"),
    _described("Message-Delay", {"type": "number", "minimum": 0, "maximum": limits.MAX_DELAY}, "seconds"),
    _described("Message-Ttl", {"type": "number", "minimum": limits.MIN_TTL, "maximum": limits.MAX_TTL}, "seconds"),
    _described("Message-Deliver-At", {"type": "string", "format": "date-time"}, "RFC 3339, instead of `Message-Delay`"),
    _described("Message-Reply-To", {"type": "string"}, "the message's `reply_to`, such as `queue:answers`"),
    _described(
        "Message-Correlation-Id", {"type": "string", "maxLength": limits.MAX_TEXT_BYTES}, "the message's `correlation_id`"
    ),
    _described("Idempotency-Key", {"type": "string", "maxLength": limits.MAX_TEXT_BYTES}, "the message's `dedup_id`"),
    _described("traceparent", {"type": "string"}, "kept as the header of that name"),
    _described("tracestate", {"type": "string"}, "kept as the header of that name"),
    _described("Content-Encoding", {"type": "string", "enum": ["identity"]}, "any other is refused"),
)
_FIELDS = frozenset(header.name.lower() for header in HEADERS)
_PREFIX = "message-header-"
_KEPT = ("traceparent", "tracestate")  # of W3C's Trace Context
_WORD = r"[!#$&^_.+a-z0-9-]+"
_JSON_TYPE = re.compile(rf"(?:(?:application|text)/json|{_WORD}/{_WORD}\+json)\s*(?:;.*)?", re.IGNORECASE | re.DOTALL)
_DIGIT = re.compile(r"[0-9]")


def raw_message(body: bytes, headers: Headers) -> NewMessage:
    """A message from a request's body, every byte of it, and its headers; those that say more than is understood are refused.

    Raises Invalid.
    """
    headers = {name: value.strip(" \t") for name, value in headers.items()}  # RFC 9110, 5.5: that is no part of a value
    _check_names(headers)
    kind = _header(headers, "content-type")
    message = WireMessage(
        key=_header(headers, "message-key"),
        headers=_message_headers(headers),
        content_type=kind,
        priority=_priority(headers),
        delay=_duration(headers, "message-delay", 0, limits.MAX_DELAY),
        deliver_at=_header(headers, "message-deliver-at"),
        ttl=_duration(headers, "message-ttl", limits.MIN_TTL, limits.MAX_TTL),
        dedup_id=_header(headers, "idempotency-key"),
        reply_to=_header(headers, "message-reply-to"),
        correlation_id=_header(headers, "message-correlation-id"),
    )
    if kind is not None and _JSON_TYPE.fullmatch(kind):
        decode(msgspec.Raw, body)  # JSON, and nothing behind it
        message.body = msgspec.Raw(body)  # with the white space around it: somebody may have signed it
    else:
        message.body_base64 = body
    return to_one(message, "")


def _check_names(headers: Headers) -> None:
    for name in headers:
        if name.startswith("message-") and name not in _FIELDS and (name == _PREFIX or not name.startswith(_PREFIX)):
            raise Invalid.at(f"/{escape_pointer(name)}", "unknown header")
        if name.startswith("ce-"):
            raise Invalid.at(f"/{escape_pointer(name)}", "CloudEvents are planned")
    codings = headers.get("content-encoding", "").lower().split(",")
    if any(coding.strip() not in ("", "identity") for coding in codings):
        raise Invalid.at("/content-encoding", "a body is kept as it comes: send it without, or name the coding in Content-Type")


def _header(headers: Headers, name: str) -> str | None:
    value = headers.get(name)
    if value is None:
        return None
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        raise Invalid.at(f"/{escape_pointer(name)}", "is not UTF-8") from None


def _message_headers(headers: Headers) -> dict[str, str]:
    named = {name.removeprefix(_PREFIX): name for name in headers if name.startswith(_PREFIX)}
    for name in _KEPT:
        if name in headers and named.setdefault(name, name) != name:
            raise Invalid.at(f"/{name}", f"given twice, as {_PREFIX}{name} too")
    return {name: _header(headers, given) or "" for name, given in named.items()}


def _priority(headers: Headers) -> int | None:
    text = headers.get("message-priority")
    if text is None:
        return None
    if not _DIGIT.fullmatch(text):
        raise Invalid.at("/message-priority", "is not a digit from 0 to 9")
    return int(text)


def _duration(headers: Headers, name: str, low: float, high: float) -> float | None:
    text = headers.get(name)
    if text is None:
        return None
    if not NUMBER.fullmatch(text) or not low <= float(text) <= high:
        raise Invalid.at(f"/{name}", f"is not a number of seconds from {low} to {high}")
    return float(text)
