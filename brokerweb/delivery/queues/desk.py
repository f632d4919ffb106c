"""Where those who want messages come and go: the takers of one process, and a dispatcher for each queue that has some.

On the loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from brokerweb.core.errors import BrokerError
from brokerweb.delivery.queues.dispatcher import Dispatcher
from brokerweb.delivery.queues.holders import Holders
from brokerweb.delivery.queues.room import Book, Taker
from brokerweb.delivery.queues.subscription import Subscription
from brokerweb.delivery.verbs import VERB_RETRY, Verbs
from brokerweb.queues import engine, readiness
from brokerweb.queues.activity import activity
from brokerweb.queues.definitions import Definition
from brokerweb.queues.engine import Terms
from brokerweb.queues.messages import Handout
from brokerweb.storage.calls import Call
from brokerweb.storage.reading import aread


class Desk:
    """Nobody has messages before ``join``, nor after ``leave``."""

    def __init__(self, book: Book, holders: Holders, verbs: Verbs) -> None:
        self._book, self._holders, self._verbs = book, holders, verbs
        self._dispatchers: dict[int, Dispatcher] = {}
        self._fed: dict[int, set[int]] = {}  # stream id -> queues of its shared groups that have takers here

    def subscription(self, sub: str, queue: Definition, terms: Terms, prefetch: int) -> Subscription:
        """One that has yet to join."""
        book, holders, verbs = self._book, self._holders, self._verbs
        return Subscription(sub, queue, terms, prefetch, book=book, holders=holders, verbs=verbs, pump=self.pump)

    def join(self, taker: Taker) -> None:
        """A taker may have messages from now on."""
        self._book.add(taker)
        taker.counted = True
        activity.joined(taker.queue_id, taker.holder)
        if taker.stream_id is not None:
            self._fed.setdefault(taker.stream_id, set()).add(taker.queue_id)
        dispatcher = self._dispatchers.get(taker.queue_id)
        if dispatcher is None:
            dispatcher = Dispatcher(taker.queue_id, self._book, self._verbs, self.queue_deleted)
            self._dispatchers[taker.queue_id] = dispatcher
        dispatcher.look()

    def leave(self, taker: Taker) -> None:
        """A taker may have no more messages."""
        self._book.remove(taker)
        if taker.counted:  # one that was cancelled leaves once more with its connection
            taker.counted = False
            activity.left(taker.queue_id, taker.holder)
        if self._book.of(taker.queue_id):
            self.pump(taker.queue_id)
            return
        self._dispatchers.pop(taker.queue_id, None)
        if taker.stream_id is not None and (queues := self._fed.get(taker.stream_id)):
            queues.discard(taker.queue_id)
            if not queues:
                del self._fed[taker.stream_id]

    def pump(self, queue_id: int) -> None:
        """A queue's takers may have room again."""
        dispatcher = self._dispatchers.get(queue_id)
        if dispatcher is not None:
            dispatcher.pump()

    def look(self, queue_ids: Iterable[int] | None = None) -> None:
        """Something may be ready in these queues, or in any."""
        for queue_id in list(self._dispatchers) if queue_ids is None else queue_ids:
            dispatcher = self._dispatchers.get(queue_id)
            if dispatcher is not None:
                dispatcher.look()

    def of_these(self, queue_ids: Iterable[int] | None = None) -> set[int]:
        """Those of these queues, or of all, that have takers here."""
        return set(self._dispatchers) if queue_ids is None else self._dispatchers.keys() & set(queue_ids)

    async def look_up(self) -> None:
        """Find out, by one statement for all, which queues to look at: others may have committed without a word."""
        if not self._dispatchers:
            return
        ready, gone = await aread(readiness.ready_among, list(self._dispatchers))
        self.look(ready)
        self.look_behind(list(self._fed))
        for queue_id in gone:
            self.queue_deleted(queue_id)

    def news(self, queue_id: int, *, ready: bool) -> int | None:
        """How often the queue's dispatcher has been told to look; None where there are no takers, or nothing for them.

        ``ready``: there is, as the caller knows. From any thread.
        """
        dispatcher = self._dispatchers.get(queue_id)
        return dispatcher.news if dispatcher is not None and (ready or dispatcher.expectant) else None

    def filled(self, rounds: Iterable[tuple[int, int, Handout]]) -> set[int]:
        """These queues were looked at in a commit, at the dispatchers' ``news``, with that left; which they are."""
        for queue_id, news, rest in rounds:
            dispatcher = self._dispatchers.get(queue_id)
            if dispatcher is not None:
                dispatcher.filled(news, rest)
        return {queue_id for queue_id, _, _ in rounds}

    def look_behind(self, stream_ids: Iterable[int]) -> None:
        """These streams may have records for the shared groups whose queues they feed."""
        for stream_id in stream_ids:
            self.look(self._fed.get(stream_id, ()))

    def close(self) -> None:
        """Nobody is leased anything any more, and nothing is handed over; long polls are answered."""
        self._book.close()
        for queue_id in self._book.queues():
            for taker in self._book.of(queue_id):
                taker.dismiss()

    # Queues that change

    def check(self, queue_ids: set[int]) -> None:
        """Find out which of the changed queues are gone, also when nobody has room."""
        for queue_id in queue_ids & self._book.queues():

            def done(call: Call, queue_id: int = queue_id) -> None:
                if call.error is None and call.result is None:
                    self.queue_deleted(queue_id)

            try:
                self._verbs.start(engine.find_by_id, (queue_id,), done)
            except BrokerError:
                asyncio.get_running_loop().call_later(VERB_RETRY, self.check, {queue_id})

    def queue_deleted(self, queue_id: int) -> None:
        """End everybody who waits for messages of a queue that is gone."""
        for taker in self._book.of(queue_id):
            taker.queue_deleted()
