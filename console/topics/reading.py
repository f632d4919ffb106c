"""What the list shows of topics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from django.db.models import Count

from brokerweb.console.listing import Asked, holds
from brokerweb.console.rights import visible
from brokerweb.identity.principal import Principal
from brokerweb.routing import topics
from brokerweb.routing.models import Binding, Topic
from brokerweb.routing.stats import stats


class Figures:
    """What changes of topics, by their ids, read when somebody asks."""

    @cached_property
    def bindings(self) -> Mapping[int, int]:
        return dict(Binding.objects.values_list("topic_id").annotate(Count("id")).order_by())

    @cached_property
    def rates(self) -> Mapping[int, Mapping[str, float]]:
        return stats.by_id()


@dataclass(frozen=True, slots=True)
class Candidate:
    """A topic of the list."""

    topic: Topic
    figures: Figures

    @property
    def bindings(self) -> int:
        return self.figures.bindings.get(self.topic.pk, 0)

    def rate(self, event: str) -> float:
        return self.figures.rates.get(self.topic.pk, {}).get(event, 0.0)


def candidates(principal: Principal, asked: Asked) -> list[Candidate]:
    """The topics the person may browse whose names hold what is asked for."""
    may, figures = visible(principal, "topic"), Figures()
    return [Candidate(topic, figures) for topic in Topic.objects.all() if may(topic.name) and holds(topic.name, asked)]


class Sums(NamedTuple):
    """All topics that a person may browse: how many, their bindings, those without, and what matches none a second."""

    topics: int
    bindings: int
    loose: int
    lost: float


def sums(principal: Principal) -> Sums:
    """The sentence above the list."""
    may, figures = visible(principal, "topic"), Figures()
    rows = [Candidate(topic, figures) for topic in Topic.objects.all() if may(topic.name)]
    bindings = [row.bindings for row in rows]
    return Sums(len(rows), sum(bindings), bindings.count(0), sum(row.rate("unrouted") for row in rows))


def suits(row: Candidate, asked: Asked) -> bool:
    """Whether it leads anywhere, where those that do not are left out."""
    return not asked.full or row.bindings > 0


def shown(found: Sequence[Candidate]) -> Iterable[dict[str, Any]]:
    """A page's rows."""
    return topics.describe(row.topic for row in found)
