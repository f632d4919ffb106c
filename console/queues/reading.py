"""What pages show of queues: rows with counts, rates, ages and consumers, of the names the person may browse."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import NamedTuple

from brokerweb.answers.verdicts.reading import NO_COUNTS, Every, oldest
from brokerweb.console.listing import Asked, holds
from brokerweb.console.pictures import sparklines
from brokerweb.console.ranges import Range
from brokerweb.console.rights import Known, browsable_queues, visible
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
    """What changes of some queues, by their ids; each kind is read once, by one statement or from memory, when asked for.

    ``counts`` are of more queues, and were read before: none of one that never held anything.
    """

    def __init__(self, ids: Iterable[int], counts: Mapping[int, Mapping[str, int]] | None = None) -> None:
        self.ids, self._counts = list(ids), counts

    @cached_property
    def counts(self) -> Mapping[int, Mapping[str, int]]:
        if self._counts is None:
            return browse.counts(self.ids)
        return {pk: self._counts.get(pk, NO_COUNTS) for pk in self.ids}

    def of(self, ids: Iterable[int]) -> Figures:
        """The same of some of them."""
        return Figures(ids, self.counts)

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
    sparks = sparklines(((Kind.QUEUE, row.pk) for row in shown), over)
    return [replace(row, spark=sparks[Kind.QUEUE, row.pk]) for row in shown]


def browsable(principal: Principal, every: Every) -> list[Known]:
    """As ``browsable_queues``, of all that were read, in whatever order."""
    may = visible(principal)
    return [Known(row.id, row.name, row.paused_at) for row in every.rows if row.stream is None and may(row.name)]


# The list


class Candidate(NamedTuple):
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
        return self.figures.consumers.get(self.pk, 0)

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


def all_of(principal: Principal) -> list[Candidate]:
    """The queues the person may browse."""
    found = browsable_queues(principal)
    figures = Figures(queue.pk for queue in found)
    return [Candidate(pk, name, paused_at, figures) for pk, name, paused_at in found]


def named(every: list[Candidate], asked: Asked) -> list[Candidate]:
    """Those whose names hold what is asked for; by what these have alone are they sorted."""
    found = [row for row in every if holds(row.name, asked)]
    if len(found) == len(every) or not found:
        return found
    figures = every[0].figures.of(row.pk for row in found)
    return [row._replace(figures=figures) for row in found]


def candidates(principal: Principal, asked: Asked) -> list[Candidate]:
    """The queues the person may browse whose names hold what is asked for."""
    return named(all_of(principal), asked)


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


def sums(every: Sequence[Candidate]) -> Sums:
    """The sentence above the list, of all queues that the person may browse."""
    counts = every[0].figures.counts if every else {}
    dead = [count["dead"] for count in counts.values() if count["dead"]]
    waiting = sum(sum(count.values()) for count in counts.values()) - sum(dead)
    unattended = sum(row.unattended for row in every if counts[row.pk]["ready"])
    return Sums(len(every), waiting, unattended, sum(row.paused_at is not None for row in every), len(dead))


def shown(found: Sequence[Candidate], over: Range | None) -> list[QueueRow]:
    """A page's rows, of the figures that they were sorted by; with pictures of a range."""
    page = rows((Known(row.pk, row.name, row.paused_at) for row in found), known=found[0].figures if found else None)
    return page if over is None else pictured(page, over)
