"""Those who wait for messages, and the book of their room, which the committer asks inside a publish."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from brokerweb.core.allotment import allot
from brokerweb.queues.engine import Terms
from brokerweb.queues.messages import Leased

# Messages for one taker in one go. More than clients publish between two looks: a backlog that a look cannot clear keeps
# every later message waiting behind it, and stored and leased instead of handed over, at two thirds of the rate.
MOST_AT_ONCE = 5000


class Taker:
    """One who takes messages of a queue on given terms. ``credit`` is how many more; ``unsettled`` how many it has."""

    def __init__(self, queue_id: int, terms: Terms, credit: int) -> None:
        self.queue_id, self.terms, self.credit = queue_id, terms, credit
        self.unsettled = 0
        self.stream_id: int | None = None  # whose new records are news for it, in a shared consumer group
        self.open = True
        self.counted = False  # among those who consume its queue
        self.withheld = False  # may have nothing now: slow to read, draining, or busy with a message that goes alone
        self.most_bytes: int | None = None  # of bodies handed to it at once; one larger message goes by itself

    # What the publishing verb asks of a taker

    @property
    def lease(self) -> float | None:
        return self.terms.lease

    @property
    def holder(self) -> str:
        return self.terms.holder

    @property
    def acknowledge(self) -> bool:
        return self.terms.acknowledge

    # What the book asks

    @property
    def may_take(self) -> bool:
        return self.open and not self.withheld

    def room(self) -> int:
        return min(self.credit, MOST_AT_ONCE) if self.may_take else 0

    def take(self, n: int) -> None:
        self.credit -= n
        self.unsettled += n

    def give_back(self, n: int) -> None:
        self.credit += n
        self.unsettled -= n

    def accept(self, messages: list[Leased]) -> None:
        """Messages are leased to this taker and durable. On the loop."""
        raise NotImplementedError

    def queue_deleted(self) -> None:
        """There is nothing to wait for any more. On the loop."""
        raise NotImplementedError

    def dismiss(self) -> None:
        """The node stops; whoever has a socket is told there."""


class Book:
    """Who has room, by queue. Loop and committer both write in it, so everything is under one short lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._takers: dict[int, list[Taker]] = {}
        self._closed = False

    def add(self, taker: Taker) -> None:
        with self._lock:
            self._takers.setdefault(taker.queue_id, []).append(taker)

    def remove(self, taker: Taker) -> None:
        with self._lock:
            taker.open = False
            takers = self._takers.get(taker.queue_id, [])
            if taker in takers:
                takers.remove(taker)
            if not takers:
                self._takers.pop(taker.queue_id, None)

    def close(self) -> None:
        """Nobody has room any more."""
        with self._lock:
            self._closed = True

    def of(self, queue_id: int) -> list[Taker]:
        with self._lock:
            return list(self._takers.get(queue_id, ()))

    def queues(self) -> set[int]:
        with self._lock:
            return set(self._takers)

    def reserve(self, queue_id: int, wanted: int) -> list[tuple[Taker, int]]:
        """Room for up to ``wanted`` messages, taken from its owners: give back what is not used."""
        with self._lock:
            takers = self._roomy(queue_id)
            if not takers:
                return []
            shares = allot(wanted, [(t.unsettled, room) for t, room in takers])
            reserved = [(t, n) for (t, _), n in zip(takers, shares, strict=True) if n]
            for taker, n in reserved:
                taker.take(n)
            return reserved

    def reserve_all(self, queue_id: int) -> list[tuple[Taker, int]]:
        """All the room there is, for a look at what is ready."""
        with self._lock:
            reserved = self._roomy(queue_id)
            for taker, n in reserved:
                taker.take(n)
            return reserved

    def reserve_freed(
        self, queue_id: int, receipts: Iterable[str], by_receipt: Mapping[str, object], most: int
    ) -> list[tuple[Taker, int, int]]:
        """All the room, within ``most``, once the leases of ``receipts`` have ended: (taker, how much, how many of its leases).

        Credit may be below zero until the loop hears that they have. A receipt that is no longer ``by_receipt`` has given its
        credit back, or is about to; both happen with the lock held or before, so that none is counted twice.
        """
        with self._lock:
            if self._closed:
                return []
            ended = Counter(map(by_receipt.get, receipts))
            takers = [
                (taker, room, ended[taker])
                for taker in self._takers.get(queue_id, ())
                if taker.may_take and (room := taker.credit + ended[taker]) > 0
            ]
            if not takers:
                return []
            shares = allot(most, [(taker.unsettled - back, room) for taker, room, back in takers])
            reserved = [(taker, n, back) for (taker, _, back), n in zip(takers, shares, strict=True) if n]
            for taker, n, _ in reserved:
                taker.take(n)
            return reserved

    def _roomy(self, queue_id: int) -> list[tuple[Taker, int]]:
        """Those with room, and how much. The lock is held."""
        return [] if self._closed else [(t, room) for t in self._takers.get(queue_id, ()) if (room := t.room()) > 0]

    def has_room(self, queue_id: int) -> bool:
        with self._lock:
            return any(taker.room() > 0 for taker in self._takers.get(queue_id, ()))

    def reserve_one(self, queue_id: int, idle: Callable[[Taker], bool]) -> tuple[Taker, int] | None:
        """All the room of one taker that is idle."""
        with self._lock:
            for taker in self._takers.get(queue_id, ()):
                if (n := taker.room()) > 0 and idle(taker):
                    taker.take(n)
                    return taker, n
            return None

    def cancel(self, reserved: Sequence[tuple[Taker, int]]) -> None:
        """Room that was not used after all."""
        with self._lock:
            for taker, n in reserved:
                if n:
                    taker.give_back(n)

    def spend(self, taker: Taker, n: int) -> None:
        """``n`` messages went to a taker that settles nothing: only its own word brings credit back."""
        with self._lock:
            taker.unsettled -= n

    def settle(self, taker: Taker, n: int) -> None:
        """``n`` of its messages have ended."""
        with self._lock:
            taker.give_back(n)

    def grant(self, taker: Taker, n: int, most: int) -> None:
        """``n`` more, on the taker's own word, and ``most`` at the most."""
        with self._lock:
            taker.credit = min(taker.credit + n, most)

    def withhold(self, taker: Taker, withheld: bool) -> None:
        with self._lock:
            taker.withheld = withheld
