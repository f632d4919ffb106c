"""Messages that failed and wait for another attempt, the next first.

Scheduled messages stand in the order in which they are due, and no index knows which of them failed: so many are looked at, and
what is answered says whether that was all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Q, QuerySet, Sum
from django.urls import reverse

from brokerweb.console.rights import visible
from brokerweb.core.masking import ERROR
from brokerweb.identity import masks
from brokerweb.identity.principal import Principal
from brokerweb.queues.fingerprints import telling_line
from brokerweb.queues.models import Message, Queue, QueueCount
from brokerweb.queues.states import State
from brokerweb.storage.reading import lenient
from brokerweb.streams.models import ConsumerGroup

LOOKED_AT = 20_000  # scheduled messages
MOST = 200  # that are shown


class Owner(NamedTuple):
    """A queue, or a shared consumer group, in which messages wait; ``allowed`` failures make one dead."""

    name: str
    group: str
    allowed: int | None

    @property
    def label(self) -> str:
        return f"{self.name} / {self.group}" if self.group else self.name

    @property
    def url(self) -> str:
        place, args = ("group", [self.name, self.group]) if self.group else ("queue", [self.name])
        return reverse(f"brokerweb_console:{place}", args=args)

    def message(self, message_id: int) -> str:
        place, args = ("group-message", [self.name, self.group]) if self.group else ("message", [self.name])
        return reverse(f"brokerweb_console:{place}", args=[*args, message_id])


class Retry(NamedTuple):
    """A message, when it is tried again, and what its last attempt failed of."""

    id: int
    owner: Owner
    due_at: datetime
    failures: int
    last_error: str | None

    @property
    def url(self) -> str:
        return self.owner.message(self.id)

    @property
    def telling(self) -> str:
        """The line of the error that tells what it was."""
        return telling_line(self.last_error) or "–"

    @property
    def last_chance(self) -> bool:
        """Whether one more failure makes it dead."""
        return self.owner.allowed is not None and self.failures + 1 >= self.owner.allowed


class Retries(NamedTuple):
    """The next of them; whether there are more of them; and whether some may be among scheduled ones that were not looked at."""

    items: list[Retry]
    more: bool
    unseen: bool

    @property
    def last_chances(self) -> int:
        return sum(item.last_chance for item in self.items)


def listed(principal: Principal) -> Retries:
    """Of every queue and group the person may browse."""
    waiting = Message.objects.filter(state=State.SCHEDULED, deliver_at=None).order_by("due_at")
    numbers = dict(QueueCount.objects.values_list("queue_id").annotate(n=Sum("scheduled")).filter(n__gt=0).order_by())
    return _retries(principal, waiting, _owners(principal, numbers), sum(numbers.values()))


def of_queue(principal: Principal, queue: Queue, scheduled: int, group: str = "") -> Retries:
    """Of one queue, or of the group whose queue it is; ``scheduled`` is how many are scheduled in it."""
    # The first condition says nothing new: SQLite takes the partial index only for the predicate it was made with.
    waiting = Message.objects.filter(~Q(state=State.LEASED), queue_id=queue.pk, state=State.SCHEDULED).order_by("id")
    return _retries(principal, waiting, {queue.pk: Owner(queue.stream or queue.name, group, queue.max_failures)}, scheduled)


def _retries(principal: Principal, waiting: QuerySet[Message], owners: Mapping[int, Owner], scheduled: int) -> Retries:
    """Those of the first that have failed. ``waiting`` is in an order that an index has."""
    if not owners:
        return Retries([], more=False, unseen=False)
    first = waiting.values("pk")[:LOOKED_AT]
    failed = Message.objects.filter(pk__in=first, failures__gt=0, queue_id__in=list(owners)).order_by("due_at", "pk")
    with lenient():
        rows: list[tuple[Any, ...]] = list(failed.values_list("pk", "queue_id", "due_at", "failures", "last_error")[: MOST + 1])
    veils = {pk: masks.veil(principal, "stream" if owner.group else "queue", owner.name) for pk, owner in owners.items()}
    items = [
        Retry(pk, owners[queue_id], due_at, n, veils[queue_id].word(ERROR, error))
        for pk, queue_id, due_at, n, error in rows[:MOST]
    ]
    return Retries(items, len(rows) > MOST, scheduled > LOOKED_AT)


def _owners(principal: Principal, numbers: Mapping[int, int]) -> dict[int, Owner]:
    """By the queue's id; those the person may browse."""
    may, may_stream = visible(principal), visible(principal, "stream")
    found = Queue.objects.filter(pk__in=list(numbers), deleted_at=None).values_list("pk", "name", "stream", "max_failures")
    mine: list[tuple[int, str, str | None, int | None]] = [
        row for row in found if (may(row[1]) if row[2] is None else may_stream(row[2]))
    ]
    groups = _groups([pk for pk, _, stream, _ in mine if stream is not None])
    return {
        pk: Owner(name if stream is None else stream, groups.get(pk, ""), allowed)
        for pk, name, stream, allowed in mine
        if stream is None or pk in groups
    }


def _groups(queues: list[int]) -> dict[Any, str]:
    """The names of the shared groups whose queues these are."""
    return dict(ConsumerGroup.objects.filter(queue_id__in=queues).values_list("queue_id", "name")) if queues else {}
