"""What stands in the way of a redrive where it would lead: said before it is done."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from brokerweb.console.dead_letters.plan import Plan
from brokerweb.delivery import connections
from brokerweb.identity.principal import Principal
from brokerweb.queues import browse, stats
from brokerweb.queues.models import Queue


class Caution(NamedTuple):
    """What to know before; ``key`` says that it was shown, whatever its numbers are by then."""

    key: str
    text: str


def cautions(principal: Principal, plan: Plan, to: str) -> list[Caution]:
    """Of the queue ``to``, or without one of those that the messages came from; where they may be browsed. Raises NotFound."""
    arriving = {to: plan.matched} if to else {part.queue: part.matched for part in plan.parts}
    queues = [(browse.find(name), n) for name, n in arriving.items()]
    return [caution for queue, n in queues if principal.may("browse", "queue", queue.name) for caution in _of(queue, n)]


def _of(queue: Queue, arriving: int) -> Iterator[Caution]:
    counts = browse.counts([queue.pk])[queue.pk]
    waiting = counts["ready"] + counts["scheduled"] + counts["blocked"]
    if queue.max_length is not None and (over := waiting + arriving - queue.max_length) > 0:
        then = "publishers are refused" if queue.overflow == "refuse" else "each publish makes the oldest dead"
        text = f"{queue.name} has {waiting:,} waiting of at most {queue.max_length:,}: {over:,} more than fit would wait there."
        yield Caution(f"target_full:{queue.name}", f"{text} They are put back all the same, and {then} until there is room.")
    if queue.paused_at is not None:
        yield Caution(f"target_paused:{queue.name}", f"{queue.name} is paused: nothing is handed out until it is resumed.")
    elif not connections.consumers()[queue.pk] and not stats.rates(queue.pk)["delivered"]:
        yield Caution(f"no_consumer:{queue.name}", f"Nobody consumes {queue.name} at the moment.")
