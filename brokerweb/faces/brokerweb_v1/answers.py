"""The frames a client is sent, each as the text it goes out as, or its parts. The shapes are in docs/protocol/websocket.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from brokerweb import __version__, conf
from brokerweb.cluster import here
from brokerweb.core import clock
from brokerweb.core.errors import BrokerError, LeaseLost, shorten
from brokerweb.delivery.streams.tail import Run
from brokerweb.faces.brokerweb_v1.frames import SUBPROTOCOL
from brokerweb.faces.codec import records as records_json
from brokerweb.faces.codec.json import quoted
from brokerweb.faces.codec.messages import delivered_parts, split
from brokerweb.faces.codec.settles import settled
from brokerweb.faces.websocket.language import Text
from brokerweb.queues.messages import Leased, Settled

_encode = msgspec.json.Encoder().encode


def hello() -> str:
    """What a client needs to know first."""
    limit = conf.get().max_request_bytes
    return _text({"op": "hello", "version": __version__, "node": here.name(), "max_frame_bytes": limit})


# To commands


def ok(id: Any, fields: str = "") -> str:
    """A command was done; ``fields`` are what the answer has besides, as JSON."""
    return f'{{"op":"ok","id":{_text(id)}{"," + fields if fields else ""}}}'


def subscribed(id: Any, sub: str) -> str:
    """A subscription has begun."""
    return ok(id, f'"sub":{_text(sub)}')


def pong(id: Any) -> str:
    return '{"op":"pong"}' if id is None else _text({"op": "pong", "id": id})


def error(id: Any, error: BrokerError) -> str:
    """What went wrong; with the ``id`` of the command, where it had one."""
    frame: dict[str, Any] = {"op": "error"}
    if id is not None:
        frame["id"] = id
    message = shorten(error.detail)
    return _text(frame | {"code": error.code, "message": message, "retryable": error.retryable} | error.extra)


def lost(id: Any, fates: Sequence[Settled]) -> str:
    """Some receipts could not be settled: the fate of each."""
    return f'{error(id, LeaseLost())[:-1]},"results":{settled(fates).decode()}}}'


# What is delivered


def deliver(sub: str, messages: list[Leased]) -> Sequence[Text]:
    """Messages of one subscription, in as few frames as hold them."""
    head = b'{"op":"deliver","sub":%b,"messages":' % quoted(sub)
    return [Text([head, *delivered_parts(part), b"}"]) for run in batches(messages) for part in split(run)]


def batches(messages: list[Leased], most: int = 1000) -> Sequence[list[Leased]]:
    """Runs of at most ``most`` messages, so that a frame of tiny ones stays within a client's limits."""
    if len(messages) <= most:
        return (messages,)
    return [messages[i : i + most] for i in range(0, len(messages), most)]


def records(sub: str, run: Run) -> Sequence[Text]:
    """The frame for a subscription of that name; encoded once for all who are sent the run."""
    key = SUBPROTOCOL, sub
    frames: Sequence[Text] | None = run.encoded.get(key)
    if frames is None:
        parts: list[bytes] | None = run.encoded.get("json")
        if parts is None:
            parts = run.encoded["json"] = records_json.encoded_parts(run.records)
        head = b'{"op":"records","sub":%b,"partition":%d,"records":' % (quoted(sub), run.records[0].partition)
        frames = run.encoded[key] = (Text([head, *parts, b"}"]),)
    return frames


# The broker's own word


def closed(sub: str, code: str, message: str, extra: Mapping[str, Any] = {}) -> str:
    """The broker has ended a subscription."""
    return _text({"op": "closed", "sub": sub, "code": code, "message": message, **extra})


def assigned(sub: str, generation: int, starts: Mapping[int, int]) -> str:
    """A member of a group is to read these partitions, each from that offset on."""
    places = {str(number): str(offset) for number, offset in starts.items()}
    return _text({"op": "assigned", "sub": sub, "generation": generation, "partitions": places})


def revoked(sub: str, generation: int, partitions: Sequence[int], until_at: int) -> str:
    """A member of a group is to read these partitions no more, and may commit until then."""
    until = clock.rfc3339(clock.to_wall(until_at))
    return _text({"op": "revoked", "sub": sub, "generation": generation, "partitions": partitions, "until_at": until})


def expiring(expires_at: int) -> str:
    """The token ends soon."""
    return _text({"op": "expiring", "expires_at": clock.rfc3339(expires_at)})


def _text(value: Any) -> str:
    return _encode(value).decode()
