"""Lists of dead letters, the newest first; and where those of a shared consumer group are."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet

from brokerweb.console.filters import LIMIT, DeadLetters
from brokerweb.console.page import SignedIn
from brokerweb.console.rights import Rights
from brokerweb.core.errors import Conflict, NotFound
from brokerweb.handout import shared_groups
from brokerweb.identity.principal import Principal
from brokerweb.queues.models import Message, Queue
from brokerweb.queues.states import State
from brokerweb.storage.reading import lenient, read


@dataclass(frozen=True, slots=True)
class DeadRow:
    """One dead letter of a list."""

    queue: str
    message: Message
    may_manage: bool


def page(principal: Principal, asked: DeadLetters, queues: list[Queue]) -> tuple[list[DeadRow], int | None]:
    """The newest of ``queues`` that the filter selects, and the last id when there are more."""
    listed = [queue for queue in queues if asked.queue in ("", queue.name)]
    newest = heapq.merge(*(_newest(queue, asked) for queue in listed), key=lambda item: -item[0].pk)
    with lenient():
        found = [item for item, _ in zip(newest, range(LIMIT + 1), strict=False)]
    rows = [DeadRow(queue.name, message, principal.may("manage", "queue", queue.name)) for message, queue in found[:LIMIT]]
    return rows, rows[-1].message.pk if len(found) > LIMIT else None


def _newest(queue: Queue, asked: DeadLetters) -> Iterator[tuple[Message, Queue]]:
    found = dead(queue, asked.reason).defer("content__body").order_by("-id")
    if asked.before is not None:
        found = found.filter(id__lt=asked.before)
    return ((message, queue) for message in found[: LIMIT + 1])


def dead(queue: Queue, reason: str) -> QuerySet[Message]:
    """The queue's dead letters, of that reason if one is named."""
    # The second condition says nothing new: SQLite takes the partial index only for the predicate it was made with.
    found = Message.objects.filter(~Q(state=State.LEASED), queue_id=queue.pk, state=State.DEAD)
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
    return {"stream_name": stream, "group_name": group, "queue": queue_of(stream, group), "rights": rights}
