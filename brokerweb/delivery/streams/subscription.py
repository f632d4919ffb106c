"""A subscription to a stream: its own position in each partition, a window of records, live at the end and reading behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from brokerweb.core.errors import BrokerError, NotFound, OffsetOutOfRange
from brokerweb.delivery.pace import Pace
from brokerweb.delivery.streams.tail import Run, Tail
from brokerweb.delivery.streams.tails import READ_RETRY, Tails
from brokerweb.storage.reading import aread
from brokerweb.streams.reading import read_partition
from brokerweb.streams.records import Batch

MOST_AT_ONCE = 500  # records of one read
OVER = (OffsetOutOfRange, NotFound)  # retention was faster than the reader, or the stream was deleted: no later read helps

Deliver = Callable[["StreamSubscription", int, Run], None]
Ended = Callable[["StreamSubscription", BrokerError], None]


class Place:
    """Where a subscription is in one partition: ``next`` is the offset it has not been sent yet."""

    __slots__ = ("next", "number", "tail")

    def __init__(self, number: int, tail: Tail, following: int) -> None:
        self.number, self.tail, self.next = number, tail, following


class StreamSubscription:
    """``deliver(sub, partition number, run)`` puts records on their way; ``ended(sub, error)`` says that it cannot go on.

    ``credit`` is how many records may still be sent; only the client's own word brings more.
    """

    def __init__(self, tails: Tails, sub: str, stream: str, credit: int) -> None:
        self._tails, self.sub, self.stream, self.credit = tails, sub, stream, credit
        self.prefetch = credit
        self.pace = Pace()
        self.named: str | None = None  # as its client calls itself in it
        self.places: dict[int, Place] = {}  # by partition id
        self.congested = False
        self.open = True
        self._turn: list[int] = []  # partition ids in the order they will be read
        self._reading = False
        self.deliver: Deliver
        self.ended: Ended

    # Partitions

    def follow(self, partition_id: int, number: int, following: int, end: int) -> None:
        """Read a partition from ``following`` on; ``end`` is as the caller read it."""
        tail = self._tails.follow(partition_id, self)
        self.places[partition_id] = Place(number, tail, following)
        self._turn.append(partition_id)
        tail.known(end)
        self._tails.read_end(tail)
        self.pump()

    def drop(self, partition_id: int) -> None:
        """Send nothing of a partition any more."""
        place = self.places.pop(partition_id, None)
        if place is not None:
            self._turn.remove(partition_id)
            self._tails.leave(place.tail, self)

    def move(self, partition_id: int, following: int) -> None:
        """Go on from another offset."""
        place = self.places[partition_id]
        place.next = following
        place.tail.live.discard(self)
        self.pump()

    def stop(self) -> None:
        self.open = False
        for partition_id in list(self.places):
            self.drop(partition_id)

    # Sending

    def offer(self, tail: Tail, run: Run) -> None:
        """The tail has new records for whoever is up to them."""
        place = self.places.get(tail.partition_id)
        if place is None or place.next != run.first or self.credit < len(run) or self.congested:
            tail.live.discard(self)
            self.pump()
            return
        self._send(place, run)

    def _send(self, place: Place, run: Run) -> None:
        n = len(run)
        place.next = run.next
        self.credit -= n
        self.pace.given += n
        self.deliver(self, place.number, run)

    def grant(self, n: int, most: int) -> None:
        """The client takes ``n`` more."""
        self.credit = min(self.credit + n, most)
        self.pump()

    def congest(self, congested: bool) -> None:
        self.congested = congested
        self.pump()

    # Behind the end: reading by oneself, one read at a time, partitions in turn

    def pump(self) -> None:
        if self._reading or not self.open or self.congested or self.credit <= 0:
            return
        for partition_id in self._turn:
            place = self.places[partition_id]
            if place.next < place.tail.end:
                self._turn.remove(partition_id)
                self._turn.append(partition_id)
                self._read(partition_id, place)
                return
            place.tail.live.add(self)

    def _read(self, partition_id: int, place: Place) -> None:
        self._reading = True
        reading = asyncio.ensure_future(aread(read_partition, partition_id, place.next, min(self.credit, MOST_AT_ONCE)))
        asked = place.next
        reading.add_done_callback(lambda done: self._have_read(partition_id, asked, done))

    def _have_read(self, partition_id: int, asked: int, done: asyncio.Future[Batch]) -> None:
        self._reading = False
        place = self.places.get(partition_id)
        error = done.exception() if not done.cancelled() else asyncio.CancelledError()
        if not self.open:
            return
        if isinstance(error, OVER) and place is not None and place.next == asked:
            self.ended(self, error)
        elif error is not None:
            asyncio.get_running_loop().call_later(READ_RETRY, self.pump)
        else:
            if place is not None and place.next == asked:
                self._advance(place, done.result())
            self.pump()

    def _advance(self, place: Place, batch: Batch) -> None:
        place.tail.known(batch.end)
        records = batch.records[: max(0, self.credit)]
        if records:
            self._send(place, Run(records))
        elif not batch.records:
            place.next = batch.next  # nothing but gaps up to there
