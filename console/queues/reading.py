"""What pages show of queues: rows with counts, rates, ages and consumers, of the names the person may browse."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from brokerweb.console.filters import LIMIT, QueueFilter
from brokerweb.console.rights import Known, visible
from brokerweb.console.rows import QueueRow
from brokerweb.delivery import connections
from brokerweb.identity.principal import Principal
from brokerweb.queues import browse, stats
from brokerweb.queues.models import Queue
from brokerweb.storage.listing import by_name

NO_RATES = dict.fromkeys(stats.RATES, 0.0)


def rows(queues: Iterable[Queue | Known], *, ages: int = 1_000) -> list[QueueRow]:
    """The queues as rows, with the oldest age of the ``ages`` longest ones: each takes a statement."""
    listed = list(queues)
    counted = browse.counts(queue.pk for queue in listed)
    consumers, rates = connections.consumers(), stats.by_id()
    ready = sorted((queue.pk for queue in listed if counted[queue.pk]["ready"]), key=lambda pk: -counted[pk]["ready"])
    aged = set(ready[:ages])
    return [
        QueueRow(
            queue.name,
            counted[queue.pk],
            rates.get(queue.pk, NO_RATES),
            consumers[queue.pk],
            queue.paused_at is not None,
            browse.oldest_ready_age(queue.pk) if queue.pk in aged else None,
        )
        for queue in listed
    ]


_SHOWN: dict[str, Callable[[QueueRow], bool]] = {
    "busy": lambda row: any(row.counts.values()),
    "unattended": lambda row: row.unattended,
    "dead": lambda row: row.counts["dead"] > 0,
    "paused": lambda row: row.paused,
}


def listed(principal: Principal, asked: QueueFilter) -> tuple[list[QueueRow], bool]:
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
