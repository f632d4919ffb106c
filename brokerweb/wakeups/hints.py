"""What is told: where to look. Hints of many commits make one, and hearing one twice is the same as once."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Annotated

import msgspec
from msgspec import Meta, Struct, field

from brokerweb.core import clock
from brokerweb.core.events import Outcome
from brokerweb.queues.messages import parse_receipt

MOST_BYTES = 7900  # of a hint: PostgreSQL carries fewer than 8000
MOST_IDS = 1000  # of one kind; beyond that the hint says to look everywhere
SOON = clock.seconds(1.0)  # what is due later than this, the duty that does it finds by itself

Id = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
Name = Annotated[str, Meta(max_length=20)]
KINDS = ("queues", "ended", "changed", "streams", "reshaped", "partitions", "groups", "lists")


class Hint(Struct, omit_defaults=True, rename=lambda name: name[0]):
    """Where to look, by ids; ``told_by`` is the process."""

    told_by: str = ""
    queues: set[Id] = field(default_factory=set)  # something may be ready
    ended: set[Id] = field(default_factory=set)  # queues of which leases ended that others may hold
    changed: set[Id] = field(default_factory=set)  # queues whose definition is another, or that are gone
    streams: set[Id] = field(default_factory=set)  # with new records, changed, or gone
    reshaped: set[Id] = field(default_factory=set)  # streams whose partitions may be others
    partitions: set[Id] = field(default_factory=set)  # with new records
    groups: set[Id] = field(default_factory=set)  # whose members, assignment or positions are others
    due_at: Id | None = None  # the earliest instant at which a duty has work
    orders: bool = False  # a node is asked to do something
    all: bool = False  # look everywhere
    lists: set[Name] = field(default_factory=set)  # that people look at, and that are others: of jobs, alerts, the audit trail

    def __bool__(self) -> bool:
        return self.all or self.orders or self.due_at is not None or any(getattr(self, kind) for kind in KINDS)

    def add(self, outcome: Outcome, held: Container[str] = ()) -> None:
        """Tell of a commit. ``held`` are this process's own receipts: of their end nobody else need hear."""
        self.queues |= outcome.ready - {queue_id for queue_id, _, rest in outcome.rounds if not (rest.more or rest.alone)}
        self.changed |= outcome.changed
        self.streams |= outcome.streams
        self.reshaped |= outcome.reshaped
        self.groups |= outcome.moved
        self.lists |= outcome.lists
        self.partitions.update(partition_id for partition_id, _, _ in outcome.appended)
        self.ended |= _queues_of(receipt for receipt in outcome.ended if receipt not in held)
        self.orders = self.orders or outcome.orders
        if outcome.due_at is not None and outcome.due_at < clock.now() + SOON:
            self._due(outcome.due_at)
        self._bound()

    def merge(self, other: Hint) -> None:
        """Tell what the other tells, too."""
        for kind in KINDS:
            getattr(self, kind).update(getattr(other, kind))
        self.orders, self.all = self.orders or other.orders, self.all or other.all
        if other.due_at is not None:
            self._due(other.due_at)
        self._bound()

    def encoded(self) -> bytes:
        """As it is sent."""
        text = msgspec.json.encode(self)
        if len(text) > MOST_BYTES:
            text = msgspec.json.encode(Hint(self.told_by, due_at=self.due_at, orders=self.orders, all=True))
        return text

    def _due(self, instant: int) -> None:
        self.due_at = instant if self.due_at is None else min(self.due_at, instant)

    def _bound(self) -> None:
        if self.all or any(len(getattr(self, kind)) > MOST_IDS for kind in KINDS):
            self.all = True
            for kind in KINDS:
                getattr(self, kind).clear()


_decoder = msgspec.json.Decoder(Hint)


def decoded(text: bytes) -> Hint | None:
    """What was sent; None for what is no hint, which anybody may send who gets at the server."""
    try:
        return _decoder.decode(text) if len(text) <= MOST_BYTES else None
    except (msgspec.DecodeError, RecursionError):
        return None


def _queues_of(receipts: Iterable[str]) -> set[int]:
    parsed = (parse_receipt(receipt) for receipt in receipts)
    return {receipt.queue_id for receipt in parsed if receipt is not None}
