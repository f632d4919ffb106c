"""Looking at queues and messages. Reads on the caller's thread, opens no transaction, changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import Sum
from django.db.models.functions import Length

from brokerweb.core import clock
from brokerweb.core.batches import ANSWER_BYTES
from brokerweb.core.cursors import digest, seal, unseal_id
from brokerweb.core.errors import NotFound
from brokerweb.queues import filters, selection, settings, stats
from brokerweb.queues.filters import MAX_ID, MessageFilter
from brokerweb.queues.models import Content, Failure, Message, Queue, QueueCount
from brokerweb.queues.represent import message_object, rfc3339
from brokerweb.queues.selection import Q
from brokerweb.storage import listing
from brokerweb.storage.dialects import dialect_of
from brokerweb.storage.reading import lenient
from brokerweb.storage.statements import Statement

MAX_FAILURES_SHOWN = 100
SAMPLES = 5
COUNTED = ("ready", "scheduled", "blocked", "leased", "dead")


class Page(NamedTuple):
    """Some messages, and the cursor of the page after; None when there is none."""

    items: list[Message]
    next: str | None


def _rows(statement: Statement, *args: Any) -> list[tuple[Any, ...]]:
    connection = connections[DEFAULT_DB_ALIAS]
    connection.ensure_connection()
    with connection.wrap_database_errors:
        return dialect_of(connection).run(connection.connection, statement, args).fetchall()  # type: ignore[no-any-return]


# Queues


def find(name: str) -> Queue:
    """The queue of that name. Raises NotFound."""
    queue = Queue.declared.filter(name=name).first()
    if queue is None:
        raise NotFound(f"There is no queue {name}.")
    return queue


def list_queues(
    prefix: str = "", *, after: str | None = None, limit: int = 50, visible: Callable[[str], bool] = lambda _: True
) -> listing.Page[Queue]:
    """Queues by name, those with the prefix; ``visible`` says which of them the caller may know of."""
    return listing.page("queues", Queue.declared.all(), prefix, after=after, limit=limit, visible=visible)


def counts(queue_ids: Iterable[int]) -> dict[int, dict[str, int]]:
    """Exact numbers of messages per state, by queue id."""
    ids = list(queue_ids)
    sums = QueueCount.objects.filter(queue_id__in=ids).values_list("queue_id").annotate(*map(Sum, COUNTED)).order_by()
    found = {queue_id: dict(zip(COUNTED, numbers, strict=True)) for queue_id, *numbers in sums}
    return {queue_id: found.get(queue_id) or dict.fromkeys(COUNTED, 0) for queue_id in ids}


def oldest_ready_age(queue: Queue) -> float | None:
    """Seconds since the first ready message of any priority became ready; None when none is."""
    since = _rows(Q.oldest_ready, queue.pk)[0][0]
    return None if since is None else max(0.0, (clock.now() - since) / clock.SECOND)


def settings_of(queue: Queue) -> dict[str, Any]:
    """The queue's settings as answers show them."""
    return settings.to_dict(queue)


def describe(queue: Queue, consumers: int = 0) -> dict[str, Any]:
    """The whole queue: settings, counts, age, rates, consumers, whether it is paused."""
    return describe_all([queue], {queue.pk: consumers})[0]


def describe_all(queues: Sequence[Queue], consumers: Mapping[int, int]) -> list[dict[str, Any]]:
    """The same for many, with one look at the counters; ``consumers`` are by the queue's id."""
    counted = counts(queue.pk for queue in queues)
    return [
        {
            "name": queue.name,
            "created_at": rfc3339(queue.created_at),
            **settings.to_dict(queue),
            "counts": counted[queue.pk],
            "oldest_ready_age": oldest_ready_age(queue) if counted[queue.pk]["ready"] else None,
            "rates": stats.rates(queue.pk),
            "consumers": consumers.get(queue.pk, 0),
            "paused": _paused(queue),
        }
        for queue in queues
    ]


def _paused(queue: Queue) -> dict[str, Any] | None:
    if queue.paused_at is None:
        return None
    return {"by": queue.paused_by, "reason": queue.pause_reason, "paused_at": rfc3339(queue.paused_at)}


# Messages


def page(queue: Queue, chosen: MessageFilter = filters.ALL, *, after: str | None = None, limit: int = 50) -> Page:
    """The next messages that the filter selects, by id. May be short, or empty, and still have a next page."""
    listed = digest("messages", queue.pk, *chosen.parts())
    span = selection.whole(chosen)
    if after is not None:
        span = span._replace(after=unseal_id(after, listed))
    found = selection.find(_rows, queue.pk, chosen, span, limit)
    ids = [message_id for message_id, _ in found.messages]
    fitting = _fitting(ids)
    last = found.after if len(fitting) == len(ids) else fitting[-1]
    return Page(_load(queue, fitting, chosen), None if last is None else seal(listed, str(last)))


def _fitting(ids: list[int]) -> list[int]:
    sizes = dict(Content.objects.filter(pk__in=ids).values_list("pk", Length("body")))
    total = 0
    for i, message_id in enumerate(ids):
        total += sizes.get(message_id, 0)
        if total > ANSWER_BYTES and i:
            return ids[:i]
    return ids


def _load(queue: Queue, ids: list[int], chosen: MessageFilter) -> list[Message]:
    """The messages as they are now; those that have left the selection since it was made are left out."""
    with lenient():
        loaded = Message.objects.in_bulk(ids)
    found = (loaded[message_id] for message_id in ids if message_id in loaded)
    return [m for m in found if m.queue_id == queue.pk and (not chosen.states or m.state in chosen.states)]


def read(queue: Queue, message_id: int) -> tuple[Message, list[Failure]]:
    """One message, and the last of its failures, oldest first. Raises NotFound."""
    with lenient():
        message = Message.objects.filter(pk=message_id, queue_id=queue.pk).first() if 0 < message_id <= MAX_ID else None
    if message is None:
        raise NotFound(f"Queue {queue.name} has no message {message_id}.")
    newest = Failure.objects.filter(message_id=message_id).order_by("-attempt", "-id")[:MAX_FAILURES_SHOWN]
    return message, list(newest)[::-1]


def preview(queue: Queue, chosen: MessageFilter, verb: str) -> dict[str, Any]:
    """What ``purge`` or ``redrive`` would take: how many exactly, published from when to when, some of them."""
    chosen = filters.ascending(filters.for_purge(chosen) if verb == "purge" else filters.for_redrive(chosen))
    matched, first, last = selection.summary(_rows, queue.pk, chosen)
    return {
        "matched": matched,
        "oldest_at": _published_at(first),
        "newest_at": _published_at(last),
        "samples": [message_object(m) for m in page(queue, chosen, limit=SAMPLES).items],
    }


def _published_at(message_id: int | None) -> str | None:
    content = None if message_id is None else Content.objects.filter(pk=message_id).only("published_at").first()
    return None if content is None else rfc3339(content.published_at)
