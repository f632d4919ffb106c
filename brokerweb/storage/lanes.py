"""Several committers in one process, for a database that takes several writers: what waits in one does not hold up the others.

A call goes to the lane of its destination, so that what concerns one queue shares commits. What has none, which is what the
broker does of its own accord and what concerns several, has the first lane to itself.
Calls of one session keep their order whichever lanes they go to: one waits while an earlier of its session is under way in
another. What waits is bounded for all lanes together.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from django.db import DEFAULT_DB_ALIAS

from brokerweb.core.errors import BrokerError
from brokerweb.storage.calls import FREE, Call
from brokerweb.storage.committer import Committer, Common, Deliver
from brokerweb.storage.handover import HandOver
from brokerweb.storage.transaction import Transaction

Destination = Callable[[Call], object]  # what a call is about, hashable; None for nothing that has a lane of its own


class _Session:
    """Where a session's calls are under way, how many, and those that wait for them: (lane, call)."""

    __slots__ = ("lane", "under_way", "waiting")

    def __init__(self, lane: int) -> None:
        self.lane, self.under_way = lane, 0
        self.waiting: deque[tuple[int, Call]] = deque()


class Lanes:
    """A ``Committer`` to those who use it, and several to the database: ``number`` of them."""

    def __init__(
        self,
        deliver: Deliver,
        number: int,
        destination: Destination,
        *,
        using: str = DEFAULT_DB_ALIAS,
        handover: HandOver | None = None,
        closing: Callable[[Transaction], None] | None = None,
    ) -> None:
        self._tell, self._destination = deliver, destination
        self._common = Common()
        self.quiet = self._common.quiet
        self._sessions: dict[object, _Session] = {}
        self._in_order = threading.Condition()
        self.lanes = [
            Committer(
                self._deliver,
                using=using,
                handover=handover,
                closing=closing,
                name=f"committer {n}",
                common=self._common,
                about=destination,
            )
            for n in range(number)
        ]

    def start(self) -> None:
        for lane in self.lanes:
            lane.start()

    def stop(self) -> None:
        """Run what was submitted, then end the threads. Safe to call twice."""
        self._common.close()
        with self._in_order:
            self._in_order.wait_for(lambda: not any(session.waiting for session in self._sessions.values()))
        for lane in self.lanes:
            lane.stop()

    @property
    def crowded(self) -> bool:
        return self._common.crowded

    @property
    def last_error(self) -> BrokerError | None:
        return self._common.last_error

    @property
    def batches(self) -> int:
        return sum(lane.batches for lane in self.lanes)

    @property
    def calls(self) -> int:
        return sum(lane.calls for lane in self.lanes)

    def submit(self, call: Call) -> None:
        """Queue a call. Calls of one session run in the order they were submitted. Raises Unavailable when full or stopping."""
        n, owner = self._lane(call), FREE if call.place is None else call.place.lane
        if owner is FREE:
            self.lanes[n].submit(call)
            return
        with self._in_order:
            session = self._sessions.get(owner)
            if session is not None and (session.waiting or session.lane != n):
                with self._common.lock:
                    self._common.take(call)
                session.waiting.append((n, call))
                return
            self.lanes[n].submit(call)
            if session is None:
                session = self._sessions[owner] = _Session(n)
            session.under_way += 1

    def _lane(self, call: Call) -> int:
        destination = self._destination(call)
        others = len(self.lanes) - 1
        return 0 if destination is None or not others else 1 + hash(destination) % others

    # On the lanes' threads

    def _deliver(self, batch: list[Call]) -> None:
        self._tell(batch)
        with self._in_order:
            for call in batch:
                if call.place is not None and call.place.lane is not FREE:
                    self._ended(call.place.lane)

    def _ended(self, owner: object) -> None:
        """A call of a session was answered: the next that waited for it go on."""
        session = self._sessions[owner]
        session.under_way -= 1
        if session.under_way:
            return
        if not session.waiting:
            del self._sessions[owner]
            return
        session.lane = session.waiting[0][0]
        while session.waiting and session.waiting[0][0] == session.lane:
            _, call = session.waiting.popleft()
            session.under_way += 1
            self.lanes[session.lane].put(call)
        self._in_order.notify_all()
