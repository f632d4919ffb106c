"""One dispatcher per queue with takers in this process: it has as many messages leased to them as there is room for.

Demand drives it: without room nothing is leased. It looks when something may be ready and room is left, one look at a
time; a look that ends short of what was asked for is the last until somebody says "look again".
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from brokerweb.core.errors import BrokerError, NotFound
from brokerweb.delivery.queues.room import Book, Taker
from brokerweb.delivery.queues.subscription import Subscription
from brokerweb.delivery.verbs import Verbs
from brokerweb.handout import lease
from brokerweb.queues.messages import Handout
from brokerweb.storage.calls import Call

LOOK_RETRY = 0.25  # seconds after the store refused a look

Room = tuple[Taker, int]  # that was reserved for a look


class Dispatcher:
    """``on_deleted(queue_id)`` is told when a look finds that the queue is gone."""

    def __init__(self, queue_id: int, book: Book, verbs: Verbs, on_deleted: Callable[[int], None]) -> None:
        self.queue_id, self._book, self._verbs, self._on_deleted = queue_id, book, verbs, on_deleted
        self.expectant = True  # something may be ready
        self.news = 0  # how often somebody said so
        self._alone = False  # a message that must go alone may be ready
        self._busy = False

    def look(self) -> None:
        """Something may be ready, or room is left again."""
        self.expectant = True
        self.news += 1
        self.pump()

    def filled(self, news: int, rest: Handout) -> None:
        """A commit that freed room has looked, too, and that is left; what was said since that ``news`` still holds."""
        if news == self.news:
            self.expectant = rest.more
        self._alone = self._alone or rest.alone

    def pump(self) -> None:
        """Look, if that may lead to a lease, and no look is under way."""
        if self._busy or self._verbs.stopping:
            return
        if self._alone and (room := self._room_alone()) is not None:
            self._start(lease.lease_alone, (self.queue_id, room[0].terms), room)
        elif self.expectant and self._book.has_room(self.queue_id):
            self.expectant = False
            self._start(lease.lease_to_takers, (self.queue_id,), None)

    # A look

    def _start(self, verb: object, args: tuple[object, ...], room: Room | None) -> None:
        self._busy = True
        try:
            self._verbs.start(verb, args, lambda call: self._looked(call, room))
        except BrokerError:
            self._again_later(room)

    def _looked(self, call: Call, room: Room | None) -> None:
        self._busy = False
        if isinstance(call.error, NotFound):
            self._cancel(room)
            self._on_deleted(self.queue_id)
        elif call.error is not None:
            self._again_later(room)
        else:
            if room is not None:
                self._leased_alone(room, call.result)
            else:  # what was leased in the round came by the commit's outcome
                self.expectant = self.expectant or call.result.more
                self._alone = self._alone or call.result.alone
            self.pump()

    def _again_later(self, room: Room | None) -> None:
        self._cancel(room)
        self._busy = False
        self.expectant = True
        asyncio.get_running_loop().call_later(LOOK_RETRY, self.pump)

    def _cancel(self, room: Room | None) -> None:
        if room is not None:
            self._book.cancel([room])

    # Alone: a message whose last consumer was lost goes to somebody who holds nothing, by itself

    def _room_alone(self) -> Room | None:
        """The room of somebody who is free; while there is none, the one with the fewest messages is let run dry."""
        room = self._book.reserve_one(self.queue_id, lambda taker: taker.unsettled == 0)
        if room is not None:
            return room
        subscriptions = [t for t in self._book.of(self.queue_id) if isinstance(t, Subscription) and t.acknowledge]
        draining = next((s for s in subscriptions if s.draining), None)
        if draining is None:
            able = [s for s in subscriptions if s.alone is None and not s.congested]
            if able:
                min(able, key=lambda s: s.unsettled).drain()
        elif draining.unsettled == 0:
            draining.undrain()
            # A publish may have handed it something between the two lines above.
            return self._book.reserve_one(self.queue_id, lambda taker: taker is draining and taker.unsettled == 0)
        return None

    def _leased_alone(self, room: Room, handout: Handout) -> None:
        taker, n = room
        if handout.messages:
            taker.accept(handout.messages)  # first, so that no publish finds room for a second message meanwhile
        self._book.cancel([(taker, n - len(handout.messages))])
        if handout.messages:
            return
        self._alone = False
        self.expectant = True
        for other in self._book.of(self.queue_id):
            if isinstance(other, Subscription) and other.draining:
                other.undrain()
