"""What pages show of queues: rows with counts, rates, ages and consumers, of the names the person may browse."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

from django.db.models import Sum

from brokerweb.console.filters import LIMIT, QueueFilter
from brokerweb.delivery import connections
from brokerweb.identity.principal import Principal
from brokerweb.queues import browse, stats
from brokerweb.queues.models import Queue, QueueCount
from brokerweb.storage.listing import by_name

STATES = browse.COUNTED
RATES = stats.RATES


@dataclass(frozen=True, slots=True)
class Row:
    """One queue of a list."""

    name: str
    counts: Mapping[str, int]
    rates: Mapping[str, float]
    consumers: int
    paused: bool
    oldest: float | None = None

    @property
    def unattended(self) -> bool:
        """Whether something could be handed out and nobody subscribes; who only receives over REST is not known between calls."""
        return bool(self.counts["ready"]) and not (self.paused or self.consumers or self.rates["delivered"])

    @property
    def waiting(self) -> int:
        return self.counts["ready"] + self.counts["scheduled"] + self.counts["blocked"]


def rows(queues: Iterable[Queue], *, ages: int = 1_000) -> list[Row]:
    """The queues as rows, with the oldest age of the ``ages`` longest ones: each takes a statement."""
    listed = list(queues)
    counted = browse.counts(queue.pk for queue in listed)
    consumers = connections.consumers()
    ready = sorted((queue.pk for queue in listed if counted[queue.pk]["ready"]), key=lambda pk: -counted[pk]["ready"])
    aged = set(ready[:ages])
    return [
        Row(
            queue.name,
            counted[queue.pk],
            stats.rates(queue.pk),
            consumers[queue.pk],
            queue.paused_at is not None,
            browse.oldest_ready_age(queue) if queue.pk in aged else None,
        )
        for queue in listed
    ]


def visible(principal: Principal, kind: str = "queue") -> Callable[[str], bool]:
    """Which names the person may browse."""
    return lambda name: principal.may("browse", kind, name)


def browsable(principal: Principal) -> list[Queue]:
    """Every queue the person may browse, by name; read without its settings, since there may be thousands."""
    may = visible(principal)
    found = Queue.declared.all().only("name", "paused_at").order_by("name")
    return [queue for queue in found if may(queue.name)]


_SHOWN: dict[str, Callable[[Row], bool]] = {
    "busy": lambda row: any(row.counts.values()),
    "unattended": lambda row: row.unattended,
    "dead": lambda row: row.counts["dead"] > 0,
    "paused": lambda row: row.paused,
}


def listed(principal: Principal, asked: QueueFilter) -> tuple[list[Row], bool]:
    """A page of queues by name, and whether there are more."""
    may, suits = visible(principal), _SHOWN.get(asked.show)
    found: list[Queue] = []
    names = by_name(Queue.declared.all(), asked.prefix, asked.after)
    for some in batched(names.iterator(chunk_size=200), 200):
        mine = [queue for queue in some if may(queue.name)]
        found += [queue for queue, row in zip(mine, rows(mine, ages=0), strict=True) if suits(row)] if suits else mine
        if len(found) > LIMIT:
            break
    return rows(found[:LIMIT]), len(found) > LIMIT


def batched(items: Iterable[Queue], size: int) -> Iterator[list[Queue]]:
    """The items in lists of ``size`` (``itertools.batched`` is Python 3.12's)."""
    source = iter(items)
    while some := list(islice(source, size)):
        yield some


def dead_numbers() -> dict[int, int]:
    """How many dead letters each queue has that has any, hidden ones too, by id."""
    return dict(QueueCount.objects.values_list("queue_id").annotate(n=Sum("dead")).filter(n__gt=0).order_by())


def dead_by_queue(principal: Principal) -> list[tuple[Queue, int]]:
    """The queues with dead letters the person may browse, with how many, by name."""
    numbers, may = dead_numbers(), visible(principal)
    found = Queue.declared.filter(pk__in=list(numbers)).order_by("name")
    return [(queue, numbers[queue.pk]) for queue in found if may(queue.name)]


def dead_letters(principal: Principal) -> int:
    """How many there are where the person may browse: of queues, and of shared consumer groups."""
    numbers = dead_numbers()
    found = Queue.objects.filter(pk__in=list(numbers), deleted_at=None).values_list("id", "name", "stream")
    may, may_stream = visible(principal), visible(principal, "stream")
    return sum(numbers[pk] for pk, name, stream in found if (may(name) if stream is None else may_stream(stream)))


@dataclass(slots=True)
class Totals:
    """All queues a person may see, added up."""

    queues: int = 0
    connections: int = 0
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STATES, 0))
    rates: dict[str, float] = field(default_factory=lambda: dict.fromkeys(RATES, 0.0))


def totals(listed: Iterable[Row]) -> Totals:
    """The rows added up, and how many clients are connected."""
    sums = Totals(connections=len(connections.snapshot()))
    for row in listed:
        sums.queues += 1
        for name in STATES:
            sums.counts[name] += row.counts[name]
        for name in RATES:
            sums.rates[name] += row.rates[name]
    return sums
