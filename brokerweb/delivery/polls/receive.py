"""Receive: one answer with messages, waiting for the first if asked to."""

from __future__ import annotations

import asyncio
from typing import Any

from brokerweb.core.batches import ANSWER_BYTES
from brokerweb.core.errors import NotFound
from brokerweb.delivery import hub
from brokerweb.delivery.queues.desk import Desk
from brokerweb.delivery.queues.lateness import late
from brokerweb.delivery.queues.room import Taker
from brokerweb.delivery.verbs import Verbs
from brokerweb.handout import lease as leasing
from brokerweb.queues import engine
from brokerweb.queues.messages import Handout, Leased
from brokerweb.storage.run import aperform

BEHIND = 0.005  # seconds between looks whether what was reserved has come to something
AT_ONCE = 10  # leases, in a commit each, before a call waits


class Receiver(Taker):
    """A taker for one answer: whatever comes first is all it gets.

    It may come after the wait is over: then it was on its way already.
    """

    def __init__(self, verbs: Verbs, queue_id: int, terms: engine.Terms, limit: int) -> None:
        super().__init__(queue_id, terms, limit)
        self.most_bytes = ANSWER_BYTES
        self._verbs = verbs
        loop = asyncio.get_running_loop()
        self.answer: asyncio.Future[list[Leased]] = loop.create_future()
        self.dismissed: asyncio.Future[None] = loop.create_future()

    def take(self, n: int) -> None:
        super().take(n)
        self.withheld = True

    def give_back(self, n: int) -> None:
        super().give_back(n)
        if self.unsettled == 0:
            self.withheld = False

    def accept(self, messages: list[Leased]) -> None:
        if self.answer.done():
            self._release(messages)
        elif late(messages):
            self._release(messages)
            self.answer.set_result([])
        else:
            self.answer.set_result(messages)

    def queue_deleted(self) -> None:
        if not self.answer.done():
            self.answer.set_exception(NotFound(f"The {'queue' if self.stream_id is None else 'group'} was deleted."))

    def dismiss(self) -> None:
        if not self.dismissed.done():
            self.dismissed.set_result(None)

    def abandon(self) -> None:
        """Nobody waits for the answer any more; what it holds is given back."""
        if not self.answer.done():
            self.answer.cancel()
        elif not self.answer.cancelled() and self.answer.exception() is None:
            self._release(self.answer.result())

    def _release(self, messages: list[Leased]) -> None:
        self._verbs.release([m.receipt for m in messages if m.receipt is not None])


async def receive(
    queue: str | int,
    holder: str,
    *,
    limit: int,
    wait: float = 0,
    lease: float | None = None,
    acknowledge: bool = True,
    gone: asyncio.Event | None = None,
) -> Handout:
    """Lease up to ``limit`` messages of a queue, or of a shared group by its queue's id, to that holder. Raises NotFound.

    It waits up to ``wait`` seconds for the first, or until ``gone``.
    """
    terms = engine.Terms(holder, lease, acknowledge)
    handout = await _lease(queue, limit, terms)
    if handout.messages or not wait:
        return handout
    current = hub.current
    if current is None or current.stopping:
        return handout
    definition, stream_id = await aperform(leasing.source_of, queue)
    receiver = Receiver(current.verbs, definition.id, terms, limit)
    receiver.stream_id = stream_id
    try:
        await _wait(receiver, current.queues, wait, gone)
        return await _answer(receiver, queue, gone)
    except BaseException:
        receiver.abandon()
        raise


async def _lease(queue: str | int, limit: int, terms: engine.Terms) -> Handout:
    """Lease what is there, again while a lease only cleared messages away that were past their ttl, or came late.

    A caller that goes away meanwhile cancels nothing: what was leased for nobody is given back.
    """
    for _ in range(AT_ONCE):
        leased = asyncio.ensure_future(aperform(leasing.lease, queue, limit, terms))
        try:
            handout: Handout = await asyncio.shield(leased)
        except asyncio.CancelledError:
            leased.add_done_callback(_release_unclaimed)
            raise
        if handout.messages and late(handout.messages):
            _release_unclaimed(leased)
            handout = Handout([], more=True)
        if handout.messages or not handout.more:
            break
    return handout


def _release_unclaimed(leased: asyncio.Future[Handout]) -> None:
    current = hub.current
    if not leased.cancelled() and leased.exception() is None and current is not None:
        current.verbs.release([m.receipt for m in leased.result().messages if m.receipt is not None])


async def _wait(receiver: Receiver, desk: Desk, wait: float, gone: asyncio.Event | None) -> None:
    """Take part until there is an answer, or nobody who waits for one any more."""
    ends: set[asyncio.Future[Any]] = {receiver.answer, receiver.dismissed}
    leaving = asyncio.ensure_future(gone.wait()) if gone is not None else None
    if leaving is not None:
        ends.add(leaving)
    desk.join(receiver)
    try:
        await asyncio.wait(ends, timeout=wait, return_when="FIRST_COMPLETED")
    finally:
        desk.leave(receiver)
        if leaving is not None:
            leaving.cancel()


async def _answer(receiver: Receiver, queue: str | int, gone: asyncio.Event | None) -> Handout:
    """What the receiver got. A transaction that was under way when the wait ended may have handed it something, which for an
    ``ack: none`` is nowhere else any more: whether it did is known when a call behind that transaction is answered.
    """
    if gone is not None and gone.is_set():
        receiver.abandon()
        return Handout([])
    paused = False
    if not receiver.answer.done():
        while receiver.unsettled and not receiver.answer.done():  # noqa: ASYNC110 (on a committer's thread, with an end in sight)
            await asyncio.sleep(BEHIND)
        paused = (await aperform(leasing.source_of, queue))[0].paused_at is not None
    if receiver.answer.done():
        return Handout(receiver.answer.result())
    receiver.abandon()
    return Handout([], paused=paused)
