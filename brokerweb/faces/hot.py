"""The four hot calls of a queue: publish, raw, receive, settle. How a request reaches them is the mounts' affair.

Each is five steps: who may (the mount has asked), parse, one verb, map the result; errors are the mount's to map.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import msgspec

from brokerweb.core.errors import Invalid, NotFound
from brokerweb.core.names import check_name
from brokerweb.delivery.receive import receive as deliver
from brokerweb.faces import wire
from brokerweb.identity.principal import Principal
from brokerweb.storage.run import aperform
from queues import engine
from queues.messages import Handout, Leased, NewMessage, Settle

Headers = Mapping[str, str]  # names in lower case


@dataclass(slots=True)
class Call:
    """One request, from a caller who holds the verb it needs."""

    principal: Principal
    queue: str
    body: bytes
    headers: Headers  # of ``raw`` alone
    watch: Callable[[], AbstractAsyncContextManager[asyncio.Event]] | None = (
        None  # its event: nobody waits for the answer any more
    )


@dataclass(frozen=True, slots=True)
class Hot:
    """A hot call: the verb its caller must hold, the status of its success, and what answers it."""

    verb: str
    status: int
    answer: Callable[[Call], Awaitable[bytes]]


async def publish(call: Call) -> bytes:
    """Store the messages of the request, all or none."""
    messages = wire.to_new(wire.decode(wire.PublishRequest, call.body).messages)
    return await _publish(call, messages)


async def raw(call: Call) -> bytes:
    """Store the request's body as one message, described by the request's headers."""
    return await _publish(call, [raw_message(call.body, call.headers)])


async def receive(call: Call) -> bytes:
    """Lease messages, waiting for the first if asked to."""
    asked = wire.decode(wire.ReceiveRequest, call.body or b"{}")
    if asked.wait and call.watch:
        async with call.watch() as gone:
            handout = await _deliver(call, asked, gone)
    else:
        handout = await _deliver(call, asked, None)
    messages = wire.delivered(handout.messages)
    return b'{"messages":%b,"paused":true}' % messages if handout.paused else b'{"messages":%b}' % messages


async def _deliver(call: Call, asked: wire.ReceiveRequest, gone: asyncio.Event | None) -> Handout:
    handout = await deliver(
        call.queue,
        call.principal,
        limit=asked.max,
        wait=asked.wait,
        lease=asked.lease,
        acknowledge=asked.ack == "explicit",
        gone=gone,
    )
    if gone is not None and gone.is_set():
        await release(call.queue, handout.messages)
    return handout


async def settle(call: Call) -> bytes:
    """Acknowledge, fail, give back, bury or keep messages, each receipt by itself."""
    asked = wire.settles(wire.decode(wire.SettleRequest, call.body))
    answers = await aperform(engine.settle, asked, queue=call.queue)
    return b'{"results":%b}' % wire.settled(answers)


async def release(queue: str, messages: list[Leased]) -> None:
    """Give back what was leased for somebody who is gone: no failure, at its old place."""
    if given_back := [Settle("release", m.receipt) for m in messages if m.receipt is not None]:
        await aperform(engine.settle, given_back, queue=queue)


CALLS = {
    "messages": Hot("publish", 201, publish),
    "raw": Hot("publish", 201, raw),
    "receive": Hot("consume", 200, receive),
    "settle": Hot("consume", 200, settle),
}


async def answer(hot: Hot, call: Call) -> bytes:
    """The answer's body. A queue that is not there is ``invalid`` where its name could never be one."""
    try:
        return await hot.answer(call)
    except NotFound:
        check_name(call.queue, "/queue")
        raise


async def _publish(call: Call, messages: list[NewMessage]) -> bytes:
    accepted = await aperform(engine.publish, call.queue, messages, publisher=call.principal.name, cost=len(call.body))
    return b'{"results":%b}' % wire.results(accepted)


# The raw call

_PREFIX = "message-header-"
_JSON_TYPE = re.compile(r"application/(?:json|[!#$&^_.+a-z0-9-]+\+json)\s*(?:;.*)?", re.IGNORECASE | re.DOTALL)
_DIGIT = re.compile(r"[0-9]")
_SECONDS = re.compile(r"[0-9]{1,20}(?:\.[0-9]{1,30})?(?:[eE][+-]?[0-9]{1,3})?")
_JSON_SPACE = b" \t\r\n"


def raw_message(body: bytes, headers: Headers) -> NewMessage:
    """A message from a request's body and headers. Raises Invalid."""
    kind = _header(headers, "content-type")
    message = wire.WireMessage(
        key=_header(headers, "message-key"),
        headers=_message_headers(headers),
        content_type=kind,
        priority=_priority(headers),
        delay=_duration(headers, "message-delay", 0, wire.MAX_DELAY),
        ttl=_duration(headers, "message-ttl", wire.MIN_TTL, wire.MAX_TTL),
        dedup_id=_header(headers, "idempotency-key"),
    )
    if kind is not None and _JSON_TYPE.fullmatch(kind):
        wire.decode(msgspec.Raw, body)  # JSON, and nothing behind it
        message.body = msgspec.Raw(body.strip(_JSON_SPACE))
    else:
        message.body_base64 = body
    return wire.to_one(message, "")


def _header(headers: Headers, name: str) -> str | None:
    value = headers.get(name)
    if value is None:
        return None
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        raise Invalid.at("", f"the header {name} is not UTF-8") from None


def _message_headers(headers: Headers) -> dict[str, str]:
    named = [name for name in headers if name.startswith(_PREFIX)]
    return {name[len(_PREFIX) :]: _header(headers, name) or "" for name in named}


def _priority(headers: Headers) -> int | None:
    text = headers.get("message-priority")
    if text is None:
        return None
    if not _DIGIT.fullmatch(text):
        raise Invalid.at("", "the header message-priority is not a digit from 0 to 9")
    return int(text)


def _duration(headers: Headers, name: str, low: float, high: float) -> float | None:
    text = headers.get(name)
    if text is None:
        return None
    if not _SECONDS.fullmatch(text) or not low <= float(text) <= high:
        raise Invalid.at("", f"the header {name} is not a number of seconds from {low} to {high}")
    return float(text)
