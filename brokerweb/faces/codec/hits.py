"""What a search found, as JSON: items as browsing shows them, each with its destination."""

from __future__ import annotations

from typing import Any

import msgspec

from brokerweb.answers.search.search import Found, Hit
from brokerweb.faces.codec import records
from brokerweb.queues.models import Message, SettledMessage
from brokerweb.queues.represent import message_object, settled_object

_encode = msgspec.json.Encoder().encode


def encode_one(hit: Hit) -> bytes:
    """One item."""
    if isinstance(hit.found, Message):
        return _encode({"destination": hit.destination, **message_object(hit.found, hit.veil)})
    if isinstance(hit.found, SettledMessage):
        return _encode({"destination": hit.destination, **settled_object(hit.found, hit.veil)})
    masked = b'"masked":%b,' % _encode(hit.veil.fields) if hit.veil else b""
    return b'{"destination":%b,%b%b' % (_encode(hit.destination), masked, records.encode_one(hit.found)[1:])


def encode(found: Found) -> bytes:
    """The whole answer."""
    items = b",".join(map(encode_one, found.items))
    return b'{"items":[%b],%b' % (items, _encode(outcome(found))[1:])


def outcome(found: Found) -> dict[str, Any]:
    """How far it came."""
    return {
        "scanned": found.scanned,
        "of": found.of,
        "complete": found.complete,
        "stopped": found.stopped,
        "next": found.next,
    }
