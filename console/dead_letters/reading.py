"""Lists of dead letters, the newest first; and where those of a shared consumer group are."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.db.models import OuterRef, Q, QuerySet, Subquery

from brokerweb.console import dead_counts
from brokerweb.console.filters import DeadLetters
from brokerweb.console.listing import Asked, Beyond
from brokerweb.console.page import SignedIn
from brokerweb.console.rights import Rights
from brokerweb.core.errors import Conflict, NotFound
from brokerweb.handout import shared_groups
from brokerweb.identity import masks
from brokerweb.identity.principal import Principal
from brokerweb.queues.models import Message, Queue
from brokerweb.queues.represent import veil_of
from brokerweb.queues.states import State
from brokerweb.storage.reading import lenient, read

NEWEST, CHUNK = 1_000, 100  # dead letters that are sorted by what they are; of a queue that are read at a time
FEW = 10  # queues that are read one by one without looking which of them come first


@dataclass(frozen=True, slots=True)
class DeadRow:
    """One dead letter of a list."""

    queue: str
    message: Message
    may_manage: bool


def some(principal: Principal, asked: Asked, beyond: Beyond) -> list[DeadRow]:
    """Dead letters of the queues that the person may browse, by their ids."""
    wanted = DeadLetters.of(asked.given)
    names = {queue.pk: queue.name for queue in dead_counts.by_queue(principal) if wanted.queue in ("", queue.name)}
    with lenient():
        several = [_ids(pk, wanted.reason, beyond) for pk in _first(list(names), wanted.reason, beyond)]
        found = _whole(islice(heapq.merge(*several, reverse=not beyond.upwards), beyond.limit))
    of = {pk: (names[pk], masks.veil(principal, "queue", names[pk])) for pk in {message.queue_id for message in found}}
    may = {pk: principal.may("manage", "queue", name) for pk, (name, _) in of.items()}
    return [DeadRow(of[m.queue_id][0], of[m.queue_id][1].over(m), may[m.queue_id]) for m in found]


def newest(principal: Principal, asked: Asked) -> list[DeadRow]:
    """Those that are sorted by other columns than the message."""
    return some(principal, asked, Beyond(None, upwards=False, limit=NEWEST))


def newest_of_group(principal: Principal, asked: Asked) -> list[Message]:
    """The same of a shared group."""
    return some_of_group(principal, asked, Beyond(None, upwards=False, limit=NEWEST))


def some_of_group(principal: Principal, asked: Asked, beyond: Beyond) -> list[Message]:
    """Those of a shared group, ``asked.of`` as STREAM/GROUP."""
    stream, _, group = asked.of.partition("/")
    queue = queue_of(stream, group)
    with lenient():
        found = _whole(islice(_ids(queue.pk, DeadLetters.of(asked.given).reason, beyond), beyond.limit))
    return list(veil_of(principal, queue).over_all(found))


def _first(queues: list[int], reason: str, beyond: Beyond) -> list[int]:
    """Those whose next dead letter comes first: no other has one of the page. Each by itself costs a statement."""
    if len(queues) <= FEW:
        return queues
    of_each = _beyond(_dead(reason).filter(queue_id=OuterRef("pk")), beyond).values("pk")[:1]
    nexts = Queue.objects.filter(pk__in=queues).annotate(next=Subquery(of_each)).values_list("next", "pk")
    having = sorted((row for row in nexts if row[0] is not None), reverse=not beyond.upwards)
    return [pk for _, pk in having[: beyond.limit]]


def _ids(queue: int, reason: str, beyond: Beyond) -> Iterator[int]:
    """A queue's dead letters in the order of the page; some at a time, as they are taken: of many queues few are needed."""
    chunk = min(beyond.limit, CHUNK)
    while True:
        part = list(_beyond(_dead(reason).filter(queue_id=queue), beyond).values_list("pk", flat=True)[:chunk])
        yield from part
        if len(part) < chunk:
            return
        beyond = beyond._replace(id=part[-1])


def _whole(ids: Iterable[int]) -> list[Message]:
    """Those messages, in that order, without their bodies; but for those that have gone meanwhile."""
    wanted = list(ids)
    found = Message.objects.defer("content__body").in_bulk(wanted)
    return [found[pk] for pk in wanted if pk in found]


def _beyond(found: QuerySet[Message], beyond: Beyond) -> QuerySet[Message]:
    """What is behind an id, in the order of ids."""
    if beyond.id is not None:
        found = found.filter(pk__gt=beyond.id) if beyond.upwards else found.filter(pk__lt=beyond.id)
    return found.order_by("pk" if beyond.upwards else "-pk")


def dead(queue: Queue, reason: str) -> QuerySet[Message]:
    """The queue's dead letters, of that reason if one is named."""
    return _dead(reason).filter(queue_id=queue.pk)


def _dead(reason: str) -> QuerySet[Message]:
    """Dead letters, of that reason if one is named."""
    # The first condition says nothing new: SQLite takes the partial index only for the predicate it was made with.
    found = Message.objects.filter(~Q(state=State.LEASED), state=State.DEAD)
    return found.filter(reason=reason) if reason else found


def queue_of(stream: str, group: str) -> Queue:
    """The queue of a shared group, which has no name that a request may carry. Raises NotFound."""
    try:
        return read(shared_groups.queue_of, stream, group)
    except Conflict as error:
        raise NotFound(error.detail) from error


def group_frame(request: SignedIn, stream: str, group: str) -> dict[str, Any]:
    """What every page of a group's dead letters needs. Raises Forbidden before NotFound."""
    request.principal.require("browse", "stream", stream)
    rights = Rights(request.principal, stream, "stream")
    veil = masks.veil(request.principal, "stream", stream)
    return {"stream_name": stream, "group_name": group, "queue": queue_of(stream, group), "rights": rights, "veil": veil}
