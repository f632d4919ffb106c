"""What pages show of queues: rows with counts, rates, ages and consumers, of the names the person may browse."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

from brokerweb.answers.verdicts.reading import oldest
from brokerweb.console.listing import Asked, holds
from brokerweb.console.pictures import sparklines
from brokerweb.console.ranges import Range
from brokerweb.console.rights import Known, browsable_queues
from brokerweb.console.rows import QueueRow
from brokerweb.core import clock
from brokerweb.delivery import connections
from brokerweb.identity.principal import Principal
from brokerweb.queues import browse, stats
from brokerweb.queues.models import Queue
from brokerweb.samples.series import Kind
from brokerweb.storage.reading import read

NO_RATES = dict.fromkeys(stats.RATES, 0.0)


class Figures:
    """What changes of some queues, by their ids; each kind is read once, by one statement or from memory, when asked for."""

    def __init__(self, ids: Iterable[int]) -> None:
        self.ids = list(ids)

    @cached_property
    def counts(self) -> Mapping[int, Mapping[str, int]]:
        return browse.counts(self.ids)

    @cached_property
    def rates(self) -> Mapping[int, Mapping[str, float]]:
        return stats.by_id()

    @cached_property
    def consumers(self) -> Counter[int]:
        return connections.consumers()

    @cached_property
    def oldest(self) -> Mapping[int, float]:
        """Seconds since the first ready message became ready, of the queues that have one."""
        return self.ages(pk for pk in self.ids if self.counts[pk]["ready"])

    def ages(self, ids: Iterable[int]) -> Mapping[int, float]:
        """The same of these queues alone."""
        now = clock.now()
        return {pk: max(0.0, (now - since) / clock.SECOND) for pk, since in read(oldest, ids).items()}


def rows(queues: Iterable[Queue | Known], *, ages: int = 1_000, known: Figures | None = None) -> list[QueueRow]:
    """The queues as rows, with the oldest age of the ``ages`` longest ones. ``known`` are figures that were read before."""
    listed = list(queues)
    figures = known or Figures(queue.pk for queue in listed)
    counted = figures.counts
    ready = sorted((queue.pk for queue in listed if counted[queue.pk]["ready"]), key=lambda pk: -counted[pk]["ready"])
    aged = figures.ages(ready[:ages])
    return [
        QueueRow(
            queue.name,
            counted[queue.pk],
            figures.rates.get(queue.pk, NO_RATES),
            figures.consumers[queue.pk],
            queue.paused_at is not None,
            aged.get(queue.pk),
            queue.pk,
        )
        for queue in listed
    ]


def pictured(shown: Sequence[QueueRow], over: Range) -> list[QueueRow]:
    """The rows, each with a little picture."""
    sparks = sparklines(Kind.QUEUE, [row.pk for row in shown], over)
    return [replace(row, spark=sparks[row.pk]) for row in shown]


# The list


@dataclass(frozen=True, slots=True)
class Candidate:
    """A queue of the list, whose figures are read only where it is filtered or sorted by them, and then those of all at once."""

    pk: int
    name: str
    paused_at: object
    figures: Figures

    @property
    def counts(self) -> Mapping[str, int]:
        return self.figures.counts[self.pk]

    @property
    def rates(self) -> Mapping[str, float]:
        return self.figures.rates.get(self.pk, NO_RATES)

    @property
    def consumers(self) -> int:
        return self.figures.consumers[self.pk]

    @property
    def oldest(self) -> float | None:
        return self.figures.oldest.get(self.pk)

    @property
    def unattended(self) -> bool:
        """As a row's."""
        return bool(self.counts["ready"]) and not (self.paused_at or self.consumers or self.rates["delivered"])


_SHOWN: dict[str, Callable[[Candidate], bool]] = {
    "busy": lambda row: any(row.counts.values()),
    "unattended": lambda row: row.unattended,
    "dead": lambda row: row.counts["dead"] > 0,
    "paused": lambda row: row.paused_at is not None,
}


def candidates(principal: Principal, asked: Asked) -> list[Candidate]:
    """The queues the person may browse whose names hold what is asked for."""
    found = [queue for queue in browsable_queues(principal) if holds(queue.name, asked)]
    figures = Figures(queue.pk for queue in found)
    return [Candidate(*queue, figures) for queue in found]


def suits(row: Candidate, asked: Asked) -> bool:
    """Whether it is among those that are chosen by how they are."""
    if asked.full and not any(row.counts.values()):
        return False
    return asked.get("show") not in _SHOWN or _SHOWN[asked.get("show")](row)


class Sums(NamedTuple):
    """All queues that a person may browse: how many, what waits in them, and of how many that are somehow wrong."""

    queues: int
    waiting: int
    unattended: int
    paused: int
    dead: int

    @property
    def well(self) -> bool:
        return not (self.unattended or self.paused or self.dead)


def sums(principal: Principal) -> Sums:
    """The sentence above the list."""
    found = browsable_queues(principal)
    figures = Figures(queue.pk for queue in found)
    rows = [Candidate(*queue, figures) for queue in found]
    waiting = sum(n for row in rows for state, n in row.counts.items() if state != "dead")
    wrong = (sum(map(_SHOWN[of], rows)) for of in ("unattended", "paused", "dead"))
    return Sums(len(rows), waiting, *wrong)


def shown(found: Sequence[Candidate], over: Range | None) -> list[QueueRow]:
    """A page's rows, of the figures that they were sorted by; with pictures of a range."""
    read_before = found[0].figures if found and "counts" in vars(found[0].figures) else None
    page = rows((Known(row.pk, row.name, row.paused_at) for row in found), known=read_before)
    return page if over is None else pictured(page, over)
