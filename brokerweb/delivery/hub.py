"""The delivery of one process: puts its desks together, and brings the outcomes of commits to them.

Outcomes come from whatever thread committed, and are applied on the loop: handed messages go to their takers, leases that ended
give credit back, dispatchers look where something is ready.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress

from brokerweb.core import clock, events
from brokerweb.core.errors import BrokerError
from brokerweb.delivery.groups.registry import Groups
from brokerweb.delivery.news import QUEUE, STREAM, news
from brokerweb.delivery.queues.desk import Desk
from brokerweb.delivery.queues.holders import Holders
from brokerweb.delivery.queues.reconciling import Reconciling
from brokerweb.delivery.queues.refilling import Refilling
from brokerweb.delivery.queues.room import Book
from brokerweb.delivery.streams.tails import Tails
from brokerweb.delivery.verbs import Verbs
from brokerweb.wakeups.hints import Hint

current: Hub | None = None  # the one of the running broker


class Hub:
    """Start on the loop; ``stop`` before the committer does."""

    def __init__(self) -> None:
        self.verbs, self.book, self.holders, self.tails = Verbs(), Book(), Holders(), Tails()
        self.queues = Desk(self.book, self.holders, self.verbs)
        self.refilling = Refilling(self.book, self.holders, self.queues)
        self.groups = Groups(self.tails, self.verbs)
        self.reconciling = Reconciling(self.holders, self.queues)
        self.on_orders: Callable[[], None] = lambda: None  # this node may be asked to do something
        self.on_due: Callable[[int], None] = lambda _: None  # a duty will have work at that instant
        self._loop: asyncio.AbstractEventLoop
        self._unlisten: Callable[[], None] = lambda: None
        self._looking: asyncio.Task[None] | None = None
        self._unseen = False  # there may be something anywhere that the look under way has not seen

    @property
    def stopping(self) -> bool:
        return self.verbs.stopping

    def listen(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._unlisten = events.listen(self._committed)

    def drain(self) -> None:
        """Lease nothing any more, what is published meanwhile neither; long polls are answered."""
        self.verbs.stopping = True
        self.queues.close()
        self.tails.changed()

    def stop(self) -> None:
        self.verbs.stopping = True
        self._unlisten()

    # Outcomes

    def _committed(self, outcome: events.Outcome) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._apply, outcome)

    def _apply(self, outcome: events.Outcome) -> None:
        self.holders.extend(outcome.extended)
        # First, or whoever was given what fills its place would seem to hold both.
        with_room = self.holders.end(outcome.ended) if outcome.ended else set()
        for taker, messages in outcome.handed:
            taker.accept(messages)
        if outcome.ended and outcome.handed:  # and once more: a lease may begin and end in one commit, by a purge
            with_room |= self.holders.end(outcome.ended)
        self.tails.append(outcome.appended)
        if outcome.reshaped:
            self.tails.changed(outcome.reshaped)
        filled = self.queues.filled(outcome.rounds) if outcome.rounds else set()
        if outcome.ready:
            self.queues.look(outcome.ready - filled)
        for queue_id in with_room.union(filled) - (outcome.ready - filled):
            self.queues.pump(queue_id)
        self.groups.refresh(outcome.moved)
        self.queues.look_behind(outcome.streams)
        if outcome.changed:
            self.queues.look(outcome.changed)
            self.queues.check(outcome.changed)
        if outcome.due_at is not None:
            self.on_due(outcome.due_at)

    # What no outcome says

    def leases_ended(self, receipts: Iterable[str]) -> None:
        """Leases of subscriptions here are over."""
        for queue_id in self.holders.end(receipts):
            self.queues.pump(queue_id)

    def look(self, hint: Hint) -> None:
        """Another process says where there may be something to do for somebody here."""
        if hint.all:
            self._look_everywhere()
            self.on_due(clock.now())
            news.note_all()
        self.queues.look(hint.queues | hint.changed)
        self.queues.check(hint.changed)
        self.queues.look_behind(hint.streams)
        self.tails.look(hint.partitions)
        if hint.reshaped:
            self.tails.changed(hint.reshaped)
        self.groups.refresh(hint.groups)
        self.reconciling.of(hint.ended)
        news.of(QUEUE, hint.queues | hint.changed)
        news.of(STREAM, hint.streams | hint.reshaped)
        news.note((name, 0) for name in hint.lists)
        if hint.due_at is not None:
            self.on_due(hint.due_at)
        if hint.orders or hint.all:
            self.on_orders()

    def _look_everywhere(self) -> None:
        self._unseen = True
        if self._looking is None or self._looking.done():
            self._looking = asyncio.get_running_loop().create_task(self._look_until_seen())
        self.reconciling.of(self.queues.of_these())

    async def _look_until_seen(self) -> None:
        while self._unseen:
            self._unseen = False
            with suppress(BrokerError):  # the next look comes by itself
                await self.look_up()

    async def look_up(self) -> None:
        """Find out, in few statements, what other processes did without a word; for where they do not show otherwise."""
        await self.queues.look_up()
        await self.tails.look_up()
        await self.groups.look_up()

    async def refresh(self) -> None:
        """Other processes have committed: find out what that means for everybody here."""
        news.note_all()
        self.queues.look()
        await self.tails.refresh()
        self.groups.refresh_all()
