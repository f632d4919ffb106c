"""The delivery of one process: its dispatchers, and how commits reach them.

Outcomes of commits come from whatever thread committed, and are applied on the loop: leases that ended give credit back,
handed messages go to their takers, queues with something ready are looked at.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import groupby
from typing import Any

from brokerweb.core import events
from brokerweb.core.errors import BrokerError
from brokerweb.delivery.groups.registry import Groups
from brokerweb.delivery.queues.dispatcher import Dispatcher
from brokerweb.delivery.queues.room import Book, Taker
from brokerweb.delivery.queues.subscription import Subscription
from brokerweb.delivery.streams.tail import Tail
from brokerweb.queues import engine
from brokerweb.queues.messages import Settle
from brokerweb.storage import run
from brokerweb.storage.committer import Call
from brokerweb.storage.reading import aread
from brokerweb.streams.reading import end_of

RECEIPTS_AT_ONCE = 500  # in one settlement of the broker's own
RETRY = 0.5  # seconds after the store refused one


current: Hub | None = None  # the one of the running broker


class Hub:
    """Start on the loop; ``stop`` before the committer does."""

    def __init__(self) -> None:
        self.book = Book()
        self.holders: dict[str, Subscription] = {}  # receipt -> who holds it, of subscriptions in this process
        self.stopping = False
        self.on_due: Callable[[int], None] = lambda _: None  # a duty will have work at that instant
        self._dispatchers: dict[int, Dispatcher] = {}
        self._tails: dict[int, Tail] = {}
        self._watches: dict[Callable[[], None], int] = {}  # who follows a whole stream -> its id
        self._tasks: set[asyncio.Task[None]] = set()
        self._fed: dict[int, set[int]] = {}  # stream id -> queues of its shared groups that have takers here
        self.groups = Groups()
        self._loop: asyncio.AbstractEventLoop
        self._unlisten: Callable[[], None] = lambda: None

    def listen(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._unlisten = events.listen(self._committed)

    def drain(self) -> None:
        """Hand out nothing any more, what is published meanwhile neither; long polls are answered."""
        self.stopping = True
        self.book.close()
        for queue_id in self.book.queues():
            for taker in self.book.of(queue_id):
                taker.dismiss()
        self._tell_watches(None)

    def stop(self) -> None:
        self.stopping = True
        self._unlisten()

    # Takers

    def join(self, taker: Taker) -> None:
        """A taker may have messages from now on."""
        self.book.add(taker)
        if taker.stream_id is not None:
            self._fed.setdefault(taker.stream_id, set()).add(taker.queue_id)
        dispatcher = self._dispatchers.get(taker.queue_id)
        if dispatcher is None:
            dispatcher = self._dispatchers[taker.queue_id] = Dispatcher(self, taker.queue_id)
        dispatcher.look()

    def leave(self, taker: Taker) -> None:
        """A taker may have no more messages."""
        self.book.remove(taker)
        if not self.book.of(taker.queue_id):
            self._dispatchers.pop(taker.queue_id, None)
            self._feed_no_more(taker)
        else:
            self.pump(taker.queue_id)

    def _feed_no_more(self, taker: Taker) -> None:
        if taker.stream_id is not None and (queues := self._fed.get(taker.stream_id)):
            queues.discard(taker.queue_id)
            if not queues:
                del self._fed[taker.stream_id]

    def pump(self, queue_id: int) -> None:
        dispatcher = self._dispatchers.get(queue_id)
        if dispatcher is not None:
            dispatcher.pump()

    def look(self, queue_ids: Iterable[int] | None = None) -> None:
        """Something may be ready in these queues, or in any."""
        for queue_id in list(self._dispatchers) if queue_ids is None else queue_ids:
            dispatcher = self._dispatchers.get(queue_id)
            if dispatcher is not None:
                dispatcher.look()

    def queue_deleted(self, queue_id: int) -> None:
        """End everybody who waits for messages of a queue that is gone."""
        for taker in self.book.of(queue_id):
            taker.queue_deleted()

    # Tails

    def tail(self, partition_id: int) -> Tail:
        """The live end of a partition, for as long as somebody follows it."""
        tail = self._tails.get(partition_id)
        if tail is None:
            tail = self._tails[partition_id] = Tail(partition_id)
        return tail

    def look_at(self, tail: Tail) -> None:
        """Find out how far the partition goes: after a follower read that, and before the tail was there to be told, something
        may have been appended."""
        if not tail.looked:
            tail.looked = True
            task = asyncio.get_running_loop().create_task(self._look_at(tail))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _look_at(self, tail: Tail) -> None:
        while tail.followers:
            try:
                tail.known(await aread(end_of, tail.partition_id))
                return
            except BrokerError:
                await asyncio.sleep(RETRY)

    def forget_tail(self, tail: Tail) -> None:
        if not tail.followers:
            self._tails.pop(tail.partition_id, None)

    async def refresh_tails(self) -> None:
        """Find out what other processes have appended."""
        for tail in list(self._tails.values()):
            tail.known(await aread(end_of, tail.partition_id))
        self.groups.refresh_all()
        self._tell_watches(None)

    def watch(self, stream_id: int, changed: Callable[[], None]) -> Callable[[], None]:
        """Call ``changed`` when the stream may have been changed or deleted, and at a drain; returns how to stop that."""
        self._watches[changed] = stream_id

        def stop() -> None:
            self._watches.pop(changed, None)

        return stop

    def _tell_watches(self, stream_ids: set[int] | None) -> None:
        for changed, stream_id in list(self._watches.items()):
            if stream_ids is None or stream_id in stream_ids:
                changed()

    # Verbs

    def start(self, verb: Any, args: tuple[Any, ...], done: Callable[[Call], None]) -> None:
        """Run a verb; ``done`` is told on the loop. Raises Unavailable."""
        run.start(verb, args, {}, done=done)

    def attempt(self, verb: Any, args: tuple[Any, ...]) -> None:
        """Run a verb if the committer takes it; otherwise a duty does its work later."""
        with suppress(BrokerError):
            self.start(verb, args, lambda _: None)

    def release(self, receipts: list[str], done: Callable[[], None] = lambda: None) -> None:
        """Give messages back that nobody will handle; ``done`` is told when they are."""
        self.settle_all([Settle("release", receipt) for receipt in receipts], done)

    def lose(self, receipts: list[str]) -> None:
        """Their consumer was lost: a failure each."""
        self.settle_all([Settle("lose", receipt) for receipt in receipts])

    def settle_all(self, settles: list[Settle], done: Callable[[], None] = lambda: None) -> None:
        """Settle by the broker itself, in bounded steps, and again until the store takes it; ``done`` is told then."""
        parts = [settles[i : i + RECEIPTS_AT_ONCE] for i in range(0, len(settles), RECEIPTS_AT_ONCE)]
        left = len(parts)

        def settled() -> None:
            nonlocal left
            left -= 1
            if left == 0:
                done()

        for part in parts:
            self._settle_some(part, settled)
        if not parts:
            done()

    def _settle_some(self, some: list[Settle], settled: Callable[[], None]) -> None:
        def done(call: Call) -> None:
            if call.error is not None and call.error.retryable:
                self._loop.call_later(RETRY, self._settle_some, some, settled)
            else:
                settled()

        try:
            self.start(engine.settle, (some,), done)
        except BrokerError:
            if not self.stopping:
                self._loop.call_later(RETRY, self._settle_some, some, settled)

    # Outcomes

    def _committed(self, outcome: events.Outcome) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._apply, outcome)

    def _apply(self, outcome: events.Outcome) -> None:
        for taker, messages in outcome.handed:
            taker.accept(messages)
        self._append(outcome)
        if outcome.reshaped:
            self._tell_watches(outcome.reshaped)
        self._extend(outcome.extended)
        queues = self._end(outcome.ended) if outcome.ended else set()
        if outcome.ready:
            self.look(outcome.ready)
        for queue_id in queues - outcome.ready:
            self.pump(queue_id)
        self.groups.refresh(outcome.moved)
        for stream_id in outcome.streams:
            self.look(self._fed.get(stream_id, ()))
        if outcome.changed:
            self.look(outcome.changed)
            self._check(outcome.changed)
        if outcome.due_at is not None:
            self.on_due(outcome.due_at)

    def _append(self, outcome: events.Outcome) -> None:
        for partition_id, first, records in outcome.appended:
            tail = self._tails.get(partition_id)
            if tail is not None:
                tail.appended(first, records)

    def _extend(self, extended: list[tuple[str, int]]) -> None:
        held = ((subscription, receipt, until) for receipt, until in extended if (subscription := self.holders.get(receipt)))
        for (subscription, until), together in groupby(held, lambda extension: (extension[0], extension[2])):
            subscription.extend([receipt for _, receipt, _ in together], until)

    def leases_ended(self, receipts: list[str]) -> None:
        """Leases of subscriptions here that are over without an outcome that said so."""
        for queue_id in self._end(receipts):
            self.pump(queue_id)

    def _end(self, receipts: list[str]) -> set[int]:
        """Give credit back; the queues whose takers have room again."""
        holders, by_subscription = self.holders, dict[Subscription, list[str]]()
        for receipt in receipts:
            subscription = holders.pop(receipt, None)
            if subscription is not None:
                ended = by_subscription.get(subscription)
                if ended is None:
                    by_subscription[subscription] = [receipt]
                else:
                    ended.append(receipt)
        for subscription, ended in by_subscription.items():
            subscription.end(ended)
        return {subscription.queue_id for subscription in by_subscription}

    def _check(self, queue_ids: set[int]) -> None:
        """Find out which of the changed queues are gone, also when nobody has room."""
        for queue_id in queue_ids & self.book.queues():

            def done(call: Call, queue_id: int = queue_id) -> None:
                if call.error is None and call.result is None:
                    self.queue_deleted(queue_id)

            try:
                self.start(engine.find_by_id, (queue_id,), done)
            except BrokerError:
                self._loop.call_later(RETRY, self._check, {queue_id})
