"""Receive: one answer with messages, waiting for the first if asked to."""

from __future__ import annotations

import asyncio
from typing import Any

from brokerweb.core.errors import NotFound
from brokerweb.delivery import hub
from brokerweb.delivery.hub import Hub
from brokerweb.delivery.taker import Taker
from brokerweb.identity.principal import Principal
from brokerweb.sharing import feed
from brokerweb.storage.run import aperform
from queues import engine
from queues.leasing import ANSWER_BYTES
from queues.messages import Handout, Leased

LOOKS = 10  # in a commit each, before a call waits


class Receiver(Taker):
    """A taker for one answer: whatever comes first is all it gets."""

    def __init__(self, hub: Hub, queue_id: int, terms: engine.Terms, limit: int) -> None:
        super().__init__(queue_id, terms, limit)
        self._hub = hub
        self.answer: asyncio.Future[list[Leased]] = asyncio.get_running_loop().create_future()

    def take(self, n: int) -> None:
        super().take(n)
        self.withheld = True

    def give_back(self, n: int) -> None:
        super().give_back(n)
        if self.unsettled == 0:
            self.withheld = False

    def accept(self, messages: list[Leased]) -> None:
        if self.answer.done() or not self.open:
            self._release(messages)
            return
        fitting = _fitting(messages) if self.acknowledge else messages
        self._release(messages[len(fitting) :])
        self.answer.set_result(fitting)

    def queue_deleted(self) -> None:
        if not self.answer.done():
            self.answer.set_exception(NotFound(f"The {'queue' if self.stream_id is None else 'group'} was deleted."))

    def dismiss(self) -> None:
        if not self.answer.done():
            self.answer.set_result([])

    def abandon(self) -> None:
        """Nobody waits for the answer any more; what it holds is given back."""
        if not self.answer.done():
            self.answer.cancel()
        elif not self.answer.cancelled() and self.answer.exception() is None:
            self._release(self.answer.result())

    def _release(self, messages: list[Leased]) -> None:
        self._hub.release([m.receipt for m in messages if m.receipt is not None])


def _fitting(messages: list[Leased]) -> list[Leased]:
    """The messages whose bodies one answer may carry."""
    size = 0
    for n, message in enumerate(messages):
        size += len(message.body)
        if n and size > ANSWER_BYTES:
            return messages[:n]
    return messages


async def receive(
    queue: str | int,
    principal: Principal,
    *,
    limit: int,
    wait: float = 0,
    lease: float | None = None,
    acknowledge: bool = True,
    gone: asyncio.Event | None = None,
) -> Handout:
    """Lease up to ``limit`` messages of a queue, or of a shared group by its queue's id. Raises NotFound.

    It waits up to ``wait`` seconds for the first, or until ``gone``.
    """
    terms = engine.Terms(f"rest:{principal.owner}", lease, acknowledge)
    handout = await _look(queue, limit, terms)
    if handout.messages or not wait:
        return handout
    current = hub.current
    if current is None or current.stopping:
        return handout
    definition, stream_id = await aperform(feed.source_of, queue)
    receiver = Receiver(current, definition.id, terms, limit)
    receiver.stream_id = stream_id
    current.join(receiver)
    try:
        messages = await _wait(receiver, wait, gone)
    except asyncio.CancelledError:
        receiver.abandon()
        raise
    finally:
        current.leave(receiver)
    if messages:
        return Handout(messages)
    return Handout([], paused=(await aperform(feed.source_of, queue))[0].paused_at is not None)


async def _look(queue: str | int, limit: int, terms: engine.Terms) -> Handout:
    """Lease what is there, again while a look only cleared messages away that were past their ttl.

    A caller that goes away meanwhile cancels nothing: what was leased for nobody is given back.
    """
    for _ in range(LOOKS):
        look = asyncio.ensure_future(aperform(feed.lease, queue, limit, terms))
        try:
            handout: Handout = await asyncio.shield(look)
        except asyncio.CancelledError:
            look.add_done_callback(_give_back)
            raise
        if handout.messages or not handout.more:
            break
    return handout


def _give_back(look: asyncio.Future[Handout]) -> None:
    current = hub.current
    if not look.cancelled() and look.exception() is None and current is not None:
        current.release([m.receipt for m in look.result().messages if m.receipt is not None])


async def _wait(receiver: Receiver, wait: float, gone: asyncio.Event | None) -> list[Leased]:
    """What the receiver got. Messages reserved for it in a transaction under way are released by ``accept``."""
    leaving = asyncio.ensure_future(gone.wait()) if gone is not None else None
    ends: set[asyncio.Future[Any]] = {receiver.answer} if leaving is None else {receiver.answer, leaving}
    try:
        await asyncio.wait(ends, timeout=wait, return_when="FIRST_COMPLETED")
    finally:
        if leaving is not None:
            leaving.cancel()
    if receiver.answer.done():
        return receiver.answer.result()
    receiver.answer.cancel()
    return []
