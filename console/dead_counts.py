"""Dead letters counted: by queue, by shared consumer group, and all of them for the navigation's badge."""

from __future__ import annotations

from typing import NamedTuple

from django.db.models import Sum

from brokerweb.console.rights import visible
from brokerweb.console.rows import GroupCount
from brokerweb.identity.principal import Principal
from brokerweb.queues.models import Queue, QueueCount
from brokerweb.streams.models import ConsumerGroup


def _numbers() -> dict[int, int]:
    """How many dead letters each queue has that has any, hidden ones too, by id."""
    return dict(QueueCount.objects.values_list("queue_id").annotate(n=Sum("dead")).filter(n__gt=0).order_by())


def total(principal: Principal) -> int:
    """How many there are where the person may browse: of queues, and of shared consumer groups."""
    numbers = _numbers()
    found = Queue.objects.filter(pk__in=list(numbers), deleted_at=None).values_list("id", "name", "stream")
    may, may_stream = visible(principal), visible(principal, "stream")
    return sum(numbers[pk] for pk, name, stream in found if (may(name) if stream is None else may_stream(stream)))


class Having(NamedTuple):
    """A queue, without its settings, and how many dead letters it has."""

    pk: int
    name: str
    n: int


def by_queue(principal: Principal) -> list[Having]:
    """The queues with dead letters the person may browse, by name."""
    numbers, may = _numbers(), visible(principal)
    found = Queue.declared.filter(pk__in=list(numbers)).order_by("name").values_list("pk", "name")
    return [Having(pk, name, numbers[pk]) for pk, name in found if may(name)]


def by_group(principal: Principal) -> list[GroupCount]:
    """Shared groups with dead letters, and how many, by stream and name."""
    numbers, may = _numbers(), visible(principal, "stream")
    queues = Queue.objects.filter(pk__in=list(numbers), deleted_at=None).exclude(stream=None)
    streams = {queue.pk: queue.stream or "" for queue in queues if may(queue.stream or "")}
    found = ConsumerGroup.objects.filter(queue_id__in=list(streams)) if streams else []
    return sorted(GroupCount(streams[group.queue_id or 0], group.name, numbers[group.queue_id or 0]) for group in found)
