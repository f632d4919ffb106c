"""One dispatcher per queue with takers in this process: leases as many messages as there is room for, and hands them round.

Demand drives it: without room nothing is leased. It looks when something may be ready and room is left, one look at a
time; a look that ends short of what was asked for is the last until somebody says "look again".
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from brokerweb.core.errors import BrokerError, NotFound
from brokerweb.delivery.queues.room import Taker
from brokerweb.delivery.queues.subscription import Subscription
from brokerweb.handout import lease
from brokerweb.queues import engine
from brokerweb.queues.messages import Handout
from brokerweb.storage.committer import Call

if TYPE_CHECKING:
    from brokerweb.delivery.hub import Hub

log = logging.getLogger(__name__)
RETRY = 0.25  # seconds after the store refused a look

Reserved = list[tuple[Taker, int]]


class Dispatcher:
    def __init__(self, hub: Hub, queue_id: int) -> None:
        self._hub, self.queue_id = hub, queue_id
        self._look = True  # something may be ready
        self._alone = False  # a message that must go alone may be ready
        self._busy = False

    def look(self) -> None:
        """Something may be ready, or room is left again."""
        self._look = True
        self.pump()

    def pump(self) -> None:
        """Look, if that may find anything, and nobody is looking."""
        if self._busy or self._hub.stopping:
            return
        if self._alone and self._serve_alone():
            return
        if self._look and self._hub.book.has_room(self.queue_id):
            self._look = False
            self._start(lease.lease_to_takers, (self.queue_id,), [])

    def _rounded(self, rest: Handout) -> None:
        """A round is over: what it handed out came by the commit's outcome."""
        self._look = self._look or rest.more
        self._alone = self._alone or rest.alone

    # Alone: a message whose last consumer was lost goes to somebody who holds nothing, by itself

    def _serve_alone(self) -> bool:
        """Start a look for it if somebody is free; else let the one with the fewest messages run dry."""
        found = self._hub.book.reserve_one(self.queue_id, lambda taker: taker.unsettled == 0)
        if found is None:
            found = self._drained()
        if found is not None:
            self._start(engine.lease_alone, (self.queue_id, found[0].terms), [found])
            return True
        return False

    def _drained(self) -> tuple[Taker, int] | None:
        subscriptions = [t for t in self._hub.book.of(self.queue_id) if isinstance(t, Subscription) and t.acknowledge]
        draining = next((s for s in subscriptions if s.draining), None)
        if draining is None:
            able = [s for s in subscriptions if s.alone is None and not s.congested]
            if able:
                draining = min(able, key=lambda s: s.unsettled)
                draining.draining = True
                draining.review()
        elif draining.unsettled == 0:
            self._undrain(draining)
            # A publish may have handed it something between the two lines above.
            return self._hub.book.reserve_one(self.queue_id, lambda taker: taker is draining and taker.unsettled == 0)
        return None

    def _undrain(self, subscription: Subscription) -> None:
        subscription.draining = False
        subscription.review()

    def _served(self, reserved: Reserved, handout: Handout) -> None:
        taker, n = reserved[0]
        if handout.messages:
            taker.accept(handout.messages)  # first, so that no publish finds room for a second message meanwhile
        self._hub.book.cancel([(taker, n - len(handout.messages))])
        if handout.messages:
            return
        self._alone = False
        self._look = True
        for other in self._hub.book.of(self.queue_id):
            if isinstance(other, Subscription) and other.draining:
                self._undrain(other)

    # The look itself

    def _start(self, verb: object, args: tuple[object, ...], reserved: Reserved) -> None:
        self._busy = True
        try:
            self._hub.start(verb, args, lambda call: self._done(call, reserved))
        except BrokerError:
            self._failed(reserved)

    def _done(self, call: Call, reserved: Reserved) -> None:
        self._busy = False
        if isinstance(call.error, NotFound):
            self._hub.book.cancel(reserved)
            self._hub.queue_deleted(self.queue_id)
        elif call.error is not None:
            self._failed(reserved)
        else:
            if reserved:
                self._served(reserved, call.result)
            else:
                self._rounded(call.result)
            self.pump()

    def _failed(self, reserved: Reserved) -> None:
        self._hub.book.cancel(reserved)
        self._busy = False
        self._look = True
        asyncio.get_running_loop().call_later(RETRY, self.pump)
