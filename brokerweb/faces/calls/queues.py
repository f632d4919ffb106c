"""The hot calls of a queue: publish, raw, receive, settle. Each parses, calls one verb, and maps its result."""

from __future__ import annotations

import asyncio

from brokerweb.delivery.polls.receive import receive as deliver
from brokerweb.faces.calls.call import Call, waiting
from brokerweb.faces.calls.merging import amerged, publishing, settling
from brokerweb.faces.calls.raw import raw_message
from brokerweb.faces.codec.json import decode
from brokerweb.faces.codec.messages import PublishRequest, ReceiveRequest, delivered, results, to_new
from brokerweb.faces.codec.settles import SettleRequest, settled, settles
from brokerweb.queues import engine
from brokerweb.queues.messages import Handout, Leased, NewMessage, Settle
from brokerweb.storage.run import aperform


async def publish(call: Call) -> bytes:
    """Store the messages of the request, all or none."""
    messages = to_new(decode(PublishRequest, call.body).messages)
    return await _publish(call, messages)


async def raw(call: Call) -> bytes:
    """Store the request's body as one message, described by the request's headers."""
    return await _publish(call, [raw_message(call.body, call.headers)])


async def receive(call: Call) -> bytes:
    """Lease messages, waiting for the first if asked to."""
    return await receive_from(call.name, call)


async def receive_from(queue: str | int, call: Call) -> bytes:
    """``receive`` from a queue by name, or from a shared group's by its queue's id."""
    asked = decode(ReceiveRequest, call.body or b"{}")
    if asked.wait:
        async with waiting(call) as gone:
            handout = await _deliver(queue, call, asked, gone)
    else:
        handout = await _deliver(queue, call, asked, None)
    messages = delivered(handout.messages)
    return b'{"messages":%b,"paused":true}' % messages if handout.paused else b'{"messages":%b}' % messages


async def _deliver(queue: str | int, call: Call, asked: ReceiveRequest, gone: asyncio.Event | None) -> Handout:
    handout = await deliver(
        queue,
        call.holder(),
        limit=asked.max,
        wait=asked.wait,
        lease=asked.lease,
        acknowledge=asked.ack == "explicit",
        gone=gone,
    )
    if gone is not None and gone.is_set():
        await release(queue, handout.messages)
    return handout


async def settle(call: Call) -> bytes:
    """Acknowledge, fail, give back, bury or keep messages, each receipt by itself."""
    asked = settles(decode(SettleRequest, call.body))
    answers = await amerged(settling(queue=call.name), asked, len(call.body))
    return b'{"results":%b}' % settled(answers)


async def release(queue: str | int, messages: list[Leased]) -> None:
    """Give back what was leased for somebody who is gone: no failure, at its old place."""
    if given_back := [Settle("release", m.receipt) for m in messages if m.receipt is not None]:
        await aperform(engine.settle, given_back, queue=queue)


async def _publish(call: Call, messages: list[NewMessage]) -> bytes:
    queue, publisher = call.name, call.principal.name
    accepted = await amerged(publishing(queue, publisher=publisher), messages, len(call.body))
    return b'{"results":%b}' % results(accepted)
