"""A subscription: a taker that stays, with a window of unsettled messages."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from brokerweb.cluster import here
from brokerweb.core import clock
from brokerweb.core.errors import BrokerError
from brokerweb.delivery.pace import Pace
from brokerweb.delivery.queues.deadlines import Deadlines
from brokerweb.delivery.queues.holders import Holders
from brokerweb.delivery.queues.lateness import late
from brokerweb.delivery.queues.room import Book, Taker
from brokerweb.delivery.verbs import Verbs
from brokerweb.queues import duties
from brokerweb.queues.definitions import Definition
from brokerweb.queues.engine import Terms
from brokerweb.queues.messages import Leased
from brokerweb.storage.reading import aread

MAX_HELD_BYTES = 32 * 1024 * 1024  # of bodies unsettled at one subscription; then its window is full whatever the count

AT_ONCE = 500  # leases past their deadline that the store is asked about in one go
AGAIN = clock.SECOND  # until it is asked once more, where it did not answer

Deliver = Callable[["Subscription", list[Leased]], None]
Ended = Callable[["Subscription", str, str], None]


class Subscription(Taker):
    """``deliver(sub, messages)`` puts messages on their way; ``ended(sub, code, message)`` says that the broker ends it.

    Credit comes back when a message is settled, wherever that happens, and at its lease's deadline; only of the latter does
    it tell ``pump(queue_id)`` itself.
    """

    def __init__(
        self,
        sub: str,
        queue: Definition,
        terms: Terms,
        prefetch: int,
        *,
        book: Book,
        holders: Holders,
        verbs: Verbs,
        pump: Callable[[int], None],
    ) -> None:
        super().__init__(queue.id, terms, prefetch)
        self.sub, self.queue, self.prefetch = sub, queue.name, prefetch
        self._book, self._holders, self._verbs, self._pump = book, holders, verbs, pump
        self.named: str | None = None  # as its client calls itself in it, where that differs from the connection's
        self.group: tuple[str, str] | None = None  # stream and name, of a shared consumer group
        self.held: dict[str, int] = {}  # receipt -> bytes
        self.held_bytes = 0
        self.alone: str | None = None  # the receipt of a message that nothing may go beside
        self.draining = False
        self.congested = False
        self._deadlines = Deadlines(self.held)
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0  # when it goes off
        self._asking: asyncio.Task[None] | None = None
        self.pace = Pace()
        self.settled_at: int | None = None  # when something it held was settled last
        self.busy_since: int | None = None  # since when it holds something without a settle
        self.deliver: Deliver
        self.ended: Ended

    def accept(self, messages: list[Leased]) -> None:
        if not self.acknowledge:
            self._book.spend(self, len(messages))
        elif not self.open or late(messages):
            if self.open:
                self._book.settle(self, len(messages))
            self._verbs.release([str(m.receipt) for m in messages])
            return
        else:
            self._hold(messages)
        self.deliver(self, messages)  # also of one that has ended, where they are nowhere else any more
        self.pace.given += len(messages)

    def _hold(self, messages: list[Leased]) -> None:
        held, holders, receipts = self.held, self._holders.by_receipt, []
        size = 0
        if not held and (self.busy_since is None or (self.settled_at or 0) >= self.busy_since):
            self.busy_since = clock.now()
        for message in messages:
            receipt = str(message.receipt)
            held[receipt] = length = len(message.body)
            holders[receipt] = self
            receipts.append(receipt)
            size += length
        self.held_bytes += size
        if messages[0].alone:
            self.alone = receipts[0]
        self._deadlines.add(receipts, messages[0].lease_until)
        self._arm()
        self.review()

    def queue_deleted(self) -> None:
        self.ended(self, "deleted", f"The {'queue' if self.group is None else 'group'} was deleted.")

    def end(self, receipts: list[str]) -> None:
        """These leases are over: settled by whomever, or past their deadline."""
        now, first = clock.now(), self._deadlines.first
        if first is None or now < first:  # else it is their time that has ended them
            self.settled_at = now
        for receipt in receipts:
            self.held_bytes -= self.held.pop(receipt)
        self._deadlines.forget(receipts)
        if self.alone is not None and self.alone not in self.held:
            self.alone = None
        self._book.settle(self, len(receipts))
        self.review()

    @property
    def full(self) -> bool:
        """Whether its client must settle, or read, before more may come."""
        return self.credit <= 0 or self.held_bytes > MAX_HELD_BYTES or self.congested or self.alone is not None

    def review(self) -> None:
        """Decide anew whether more may come."""
        heavy = self.held_bytes > MAX_HELD_BYTES
        withheld = heavy or self.draining or self.congested or self.alone is not None
        if withheld != self.withheld:
            self._book.withhold(self, withheld)

    def drain(self) -> None:
        """Nothing more may come until it holds nothing, and ``undrain`` says so."""
        self.draining = True
        self.review()

    def undrain(self) -> None:
        self.draining = False
        self.review()

    def extend(self, receipts: Sequence[str], until: int) -> None:
        self._deadlines.extend(receipts, until)
        self._arm()

    def stop(self) -> list[str]:
        """Take no more. Returns the receipts it held, which are nobody's credit from now on."""
        self._book.remove(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        return list(self.held)

    # Deadlines, by a local timer: one for the earliest

    def _arm(self) -> None:
        first = self._deadlines.first
        if first is None or not self.open or (self._timer is not None and self._timer_at <= first):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = first
        self._timer = asyncio.get_running_loop().call_later(max(0.0, (first - clock.now()) / clock.SECOND), self._expire)

    def _expire(self) -> None:
        self._timer = None
        over = self._deadlines.over(clock.now())
        if over and here.shared():
            self._asking = asyncio.get_running_loop().create_task(self._ask(over))
        elif over:
            self._verbs.attempt(duties.expire_leases, ())
            self._run_out(over)
        self._arm()

    def _run_out(self, receipts: list[str]) -> None:
        """The look that this room leads to is behind the verb that makes them ready: they go before what stands behind them."""
        self._holders.end(receipts)
        self._pump(self.queue_id)

    async def _ask(self, over: list[str]) -> None:
        """Another node may have extended these, and has told nobody: the store says which have run out."""
        for i in range(0, len(over), AT_ONCE):
            part = over[i : i + AT_ONCE]
            try:
                until = await aread(duties.running, part, clock.now())
            except BrokerError:  # it says so later; what is settled meanwhile is settled
                until = dict.fromkeys(part, clock.now() + AGAIN)
            for receipt in until:
                self.extend([receipt], until[receipt])
            if ended := [receipt for receipt in part if receipt not in until and receipt in self.held]:
                await self._verbs.attempted(duties.expire_leases, ())  # the look may be of another lane
                self._run_out(ended)
