"""What stands in the way of a redrive where it would lead: said before it is done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import NamedTuple

from brokerweb.answers.verdicts import reading
from brokerweb.console.dead_letters.plan import Plan
from brokerweb.identity.principal import Principal
from brokerweb.queues import browse
from brokerweb.queues.models import Queue
from brokerweb.storage.reading import read


class Caution(NamedTuple):
    """What to know before; ``key`` says that it was shown, whatever its numbers are by then."""

    key: str
    text: str


def cautions(principal: Principal, plan: Plan, to: str) -> list[Caution]:
    """Of the queue ``to``, or without one of those that the messages came from; where they may be browsed. Raises NotFound."""
    arriving = {to: plan.matched} if to else {part.queue: part.matched for part in plan.parts}
    found = [browse.find(name) for name in arriving]
    shown = [queue for queue in found if principal.may("browse", "queue", queue.name)]
    counts = browse.counts(queue.pk for queue in shown)
    attended = read(partial(reading.attended, found=shown, counts=counts))
    return [caution for queue in shown for caution in _of(queue, arriving[queue.name], counts[queue.pk], queue.pk in attended)]


def _of(queue: Queue, arriving: int, counts: Mapping[str, int], attended: bool) -> Iterator[Caution]:
    waiting = counts["ready"] + counts["scheduled"] + counts["blocked"]
    if queue.max_length is not None and (over := waiting + arriving - queue.max_length) > 0:
        then = "publishers are refused" if queue.overflow == "refuse" else "each publish makes the oldest dead"
        text = f"{queue.name} has {waiting:,} waiting of at most {queue.max_length:,}: {over:,} more than fit would wait there."
        yield Caution(f"target_full:{queue.name}", f"{text} They are put back all the same, and {then} until there is room.")
    if queue.paused_at is not None:
        yield Caution(f"target_paused:{queue.name}", f"{queue.name} is paused: nothing is handed out until it is resumed.")
    elif not attended:
        yield Caution(f"no_consumer:{queue.name}", f"Nobody consumes {queue.name} at the moment.")
