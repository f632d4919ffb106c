"""Where a runner takes messages from, and how it settles them: a queue, or a stream's group whose records are leased one by one.

Records of a partitioned group are not leased: its members read partitions in order (``partitions``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias

from brokerweb.core.errors import Conflict, NotFound
from brokerweb.handlers.work import Handler
from brokerweb.handout import lease as handout
from brokerweb.queues import settling
from brokerweb.queues.definitions import Q
from brokerweb.queues.django import Received, received
from brokerweb.queues.leasing import Terms
from brokerweb.queues.messages import Settle, Settled, parse_receipt
from brokerweb.queues.readiness import ready_among
from brokerweb.storage.reading import Reads
from brokerweb.storage.transaction import Transaction
from brokerweb.streams import groups
from brokerweb.streams.django import Record, leased_record
from brokerweb.wakeups.hints import Hint

Held: TypeAlias = Received | Record  # with a receipt


class Source(Protocol):
    """What messages are leased from, one by one. Its verbs run in the caller's transaction."""

    handler: Handler
    prefetch: int | None  # how many are held at once; None for as many as run at once
    concurrency: int | None  # how many run at once; None for as many as the runner allows

    @property
    def name(self) -> str:
        """For people."""

    def works_on(self, message: Held) -> str:
        """What works on this message, for people."""

    def find(self, reads: Reads) -> int:
        """The id of the queue that leases are of. Raises NotFound, and Conflict for a group that has none."""

    def concerns(self, hint: Hint) -> bool:
        """Whether there may be something new to lease, by what was told of commits; as far as it was found before."""

    def ready(self, reads: Reads) -> bool:
        """Whether there may be something to lease. Raises as ``find``."""

    def lease(self, tx: Transaction, limit: int, holder: str) -> tuple[Sequence[Held], bool]:
        """Up to ``limit`` messages, leased, and whether more may be ready. Raises as ``find``."""

    def settle(self, tx: Transaction, settles: Sequence[Settle]) -> list[Settled]:
        """``ok`` or ``lease_lost`` of each, in order."""


class QueueSource:
    """The messages of a queue. ``lease`` is in seconds; without it the queue's."""

    def __init__(
        self,
        queue: str,
        handler: Handler,
        *,
        prefetch: int | None = None,
        concurrency: int | None = None,
        lease: float | None = None,
    ) -> None:
        self.queue, self.handler = queue, handler
        self.prefetch, self.concurrency, self._lease = prefetch, concurrency, lease
        self._id = 0

    @property
    def name(self) -> str:
        return f"queue {self.queue}"

    def works_on(self, message: Held) -> str:
        return self.handler.name

    def find(self, reads: Reads) -> int:
        found = None if self.queue.startswith(".") else reads.value(Q.id_of_queue, self.queue)
        if found is None:
            raise NotFound(f"There is no queue {self.queue}.")
        self._id = int(found)
        return self._id

    def concerns(self, hint: Hint) -> bool:
        return hint.all or self._id in hint.queues or self._id in hint.changed

    def ready(self, reads: Reads) -> bool:
        return bool(ready_among(reads, [self.find(reads)])[0])

    def lease(self, tx: Transaction, limit: int, holder: str) -> tuple[Sequence[Held], bool]:
        handed = handout.lease(tx, self.queue, limit, Terms(holder, self._lease))
        return [received(message) for message in handed.messages], handed.more

    def settle(self, tx: Transaction, settles: Sequence[Settle]) -> list[Settled]:
        return settling.settle(tx, settles)


class SharedGroupSource:
    """The records of a stream, as a shared group leases them."""

    def __init__(
        self,
        stream: str,
        group: str,
        handler: Handler,
        *,
        prefetch: int | None = None,
        concurrency: int | None = None,
        lease: float | None = None,
    ) -> None:
        self.stream, self.group, self.handler = stream, group, handler
        self.prefetch, self.concurrency, self._lease = prefetch, concurrency, lease
        self._id = self._stream_id = 0

    @property
    def name(self) -> str:
        return f"group {self.group} of stream {self.stream}"

    def works_on(self, message: Held) -> str:
        return self.handler.name

    def find(self, reads: Reads) -> int:
        found = groups.find_group(reads, self.stream, self.group)
        if found.queue_id is None:
            raise Conflict(f"Group {self.group} is {found.kind}: its records are not leased one by one.")
        self._id, self._stream_id = found.queue_id, found.stream_id
        return found.queue_id

    def concerns(self, hint: Hint) -> bool:
        return hint.all or self._id in hint.queues or self._id in hint.changed or self._stream_id in hint.streams

    def ready(self, reads: Reads) -> bool:
        found = groups.find_group(reads, self.stream, self.group)
        return any(place.lag for place in groups.places(reads, found.id)) or bool(ready_among(reads, [self.find(reads)])[0])

    def lease(self, tx: Transaction, limit: int, holder: str) -> tuple[Sequence[Held], bool]:
        handed = handout.lease(tx, self.find(tx), limit, Terms(holder, self._lease))
        return [leased_record(self.stream, message) for message in handed.messages], handed.more

    def settle(self, tx: Transaction, settles: Sequence[Settle]) -> list[Settled]:
        return settling.settle(tx, settles)


class PartitionedSource:
    """The records of a stream, as a member of a partitioned group reads them; a group that is not there is made.

    ``prefetch`` is how many records of a partition are read at once.
    """

    def __init__(
        self, stream: str, group: str, handler: Handler, *, prefetch: int | None = None, concurrency: int | None = None
    ) -> None:
        self.stream, self.group, self.handler = stream, group, handler
        self.prefetch, self.concurrency = prefetch, concurrency

    @property
    def name(self) -> str:
        return f"group {self.group} of stream {self.stream}"


def holds(tx: Transaction, receipt: str) -> bool:
    """Whether this lease runs; of a batch, whether all of them do."""
    leases = [parse_receipt(each) for each in receipt.split()]
    return all(each and tx.row(Q.held, each.message_id, each.queue_id, each.attempt, tx.now) for each in leases)
