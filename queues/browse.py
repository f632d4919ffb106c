"""Looking at queues and messages. Reads on the caller's thread, opens no transaction, changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import BinaryField, QuerySet, Sum
from django.db.models.functions import Length, Substr

from brokerweb.core import clock
from brokerweb.core.batches import ANSWER_BYTES, fitting
from brokerweb.core.cursors import digest, seal, unseal_id
from brokerweb.core.errors import NotFound
from brokerweb.identity.principal import Principal
from brokerweb.queues import filters, selection, settings, stats
from brokerweb.queues.filters import MAX_ID, MessageFilter
from brokerweb.queues.messages import json_ids
from brokerweb.queues.models import Content, Failure, Message, Queue, QueueCount
from brokerweb.queues.represent import message_object, permit_of, rfc3339, veil_of
from brokerweb.queues.selection import Q, Span
from brokerweb.queues.states import State
from brokerweb.storage import listing
from brokerweb.storage.dialects import dialect_of
from brokerweb.storage.reading import lenient
from brokerweb.storage.statements import Statement

MAX_FAILURES_SHOWN = 100
SAMPLES = 5
EXCERPT = 160  # bytes of a body that a list of beginnings has
BEGINNING = {"beginning": Substr("body", 1, EXCERPT, output_field=BinaryField()), "size": Length("body")}  # of a content
MANY = 200  # queues: of more the counters of all are added up, since each that is named costs more than it spares
COUNTED = ("ready", "scheduled", "blocked", "leased", "dead")


class DeadLetter(NamedTuple):
    """The columns of ``dead_before``: what lists sort dead letters by. ``due_at`` is of the broker's clock."""

    id: int
    queue_id: int
    reason: str
    last_error: str | None
    failures: int
    due_at: int
    route: str | None


class Page(NamedTuple):
    """Some messages, and the cursor of the page after; None when there is none."""

    items: list[Message]
    next: str | None


def _rows(statement: Statement, *args: Any) -> list[tuple[Any, ...]]:
    connection = connections[DEFAULT_DB_ALIAS]
    connection.ensure_connection()
    with connection.wrap_database_errors:
        return dialect_of(connection).run(connection.connection, statement, args).fetchall()


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


def counts(queue_ids: Iterable[int]) -> Mapping[int, Mapping[str, int]]:
    """Exact numbers of messages per state, by queue id."""
    ids = list(queue_ids)
    if len(ids) > MANY:
        sums: Iterable[Sequence[int]] = _rows(Q.counts_of_all)
    else:
        counters = QueueCount.objects.filter(queue_id__in=ids)
        sums = counters.values_list("queue_id").annotate(*map(Sum, COUNTED)).order_by()
    found = {queue_id: dict(zip(COUNTED, numbers, strict=True)) for queue_id, *numbers in sums}
    nothing = dict.fromkeys(COUNTED, 0)
    return {queue_id: found.get(queue_id, nothing) for queue_id in ids}


def oldest_ready_age(queue_id: int) -> float | None:
    """Seconds since the first ready message of any priority became ready; None when none is."""
    since = _rows(Q.oldest_ready, queue_id)[0][0]
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
            "oldest_ready_age": oldest_ready_age(queue.pk) if counted[queue.pk]["ready"] else None,
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
    ids, last = _select(queue, chosen, after, limit)
    whole = whole_in_one_answer(ids)
    if len(whole) < len(ids):
        last = whole[-1]
    return Page(_load(queue, whole, chosen), None if last is None else cursor(queue, chosen, last))


def page_of_beginnings(queue: Queue, chosen: MessageFilter = filters.ALL, *, after: str | None = None, limit: int = 50) -> Page:
    """As ``page``, but no body makes it short: of each it has the ``beginning``, and its ``size``, and whether the message is
    ``damaged``. That is seen of as many as fit an answer; of the others where they are read whole.
    """
    ids, last = _select(queue, chosen, after, limit)
    return Page(beginnings(queue, chosen, ids), None if last is None else cursor(queue, chosen, last))


def newest(queue: Queue, chosen: MessageFilter, limit: int) -> list[Message]:
    """The newest that the filter selects, without what they carry."""
    ids, _ = _select(queue, filters.descending(chosen), None, limit)
    return _load(queue, ids, chosen, Message.objects.defer("content__body", "content__headers"))


def beginnings(queue: Queue, chosen: MessageFilter, ids: list[int]) -> list[Message]:
    """These messages, of each the ``beginning``, as ``page_of_beginnings`` has them."""
    beginning = Substr("content__body", 1, EXCERPT, output_field=BinaryField())
    some = Message.objects.defer("content__body").annotate(beginning=beginning, size=Length("content__body"))
    found: list[Any] = _load(queue, ids, chosen, some)
    seen = [m.pk for m in found[: fitting((m.size or 0 for m in found), ANSWER_BYTES)]]
    with lenient():
        damaged = {pk for pk, whole in Message.objects.in_bulk(seen).items() if not whole.intact}
    for message in found:
        message.damaged = message.pk in damaged or message.size is None
    return found


def dead(
    queue_ids: Iterable[int], reason: str = "", *, beyond: int | None = None, upwards: bool = False, limit: int = 50
) -> list[DeadLetter]:
    """The next dead letters of these queues by their ids, behind one or from the end on; of that reason where one is named."""
    statement, end = (Q.dead_after, 0) if upwards else (Q.dead_before, MAX_ID)
    with lenient():
        rows = _rows(statement, json_ids(queue_ids), reason or None, end if beyond is None else beyond, limit)
    return [DeadLetter(*row) for row in rows]


def in_flight(queue: Queue, *, holder: str | None = None, after: int = 0, limit: int = 50) -> tuple[list[Message], int | None]:
    """Messages that are held, by id, without their bodies, and after which id to go on. ``holder`` is how their holder begins."""
    ids = [message_id for (message_id,) in _rows(Q.in_flight, queue.pk, after, limit + 1, holder)]
    chosen = MessageFilter(states=frozenset({State.LEASED}))
    found = _load(queue, ids[:limit], chosen, Message.objects.defer("content__body"))
    return found, ids[limit - 1] if len(ids) > limit else None


def held_since(queue: Queue, limit: int = 5_000) -> dict[str, list[int]]:
    """By holder since when they hold each message of a queue, the longest first, by the broker's clock; of so many messages."""
    found: dict[str, list[int]] = {}
    for holder, leased_at in _rows(Q.held_since, queue.pk, limit):
        found.setdefault(holder or "", []).append(leased_at)
    return found


def neighbours(queue: Queue, message_id: int, chosen: MessageFilter = filters.ALL) -> tuple[int | None, int | None]:
    """The ids of the next older and the next newer message that the filter selects; None where there is none nearby."""
    upwards, downwards = filters.ascending(chosen), filters.descending(chosen)
    older = selection.find(_rows, queue.pk, downwards, Span(message_id, 0), 1).messages
    newer = selection.find(_rows, queue.pk, upwards, Span(message_id, MAX_ID), 1).messages
    return older[0][0] if older else None, newer[0][0] if newer else None


def _select(queue: Queue, chosen: MessageFilter, after: str | None, limit: int) -> tuple[list[int], int | None]:
    span = selection.whole(chosen)
    if after is not None:
        span = span._replace(after=unseal_id(after, _listed(queue, chosen)))
    found = selection.find(_rows, queue.pk, chosen, span, limit)
    return [message_id for message_id, _ in found.messages], found.after


def _listed(queue: Queue, chosen: MessageFilter) -> bytes:
    return digest("messages", queue.pk, *chosen.parts())


def cursor(queue: Queue, chosen: MessageFilter, message_id: int) -> str:
    """The cursor of what comes behind a message, in the filter's order."""
    return seal(_listed(queue, chosen), str(message_id))


def beginning_with(queue: Queue, chosen: MessageFilter, message_id: int) -> str:
    """The cursor of the page whose first message has this id, or one that follows it in the filter's order."""
    return seal(_listed(queue, chosen), str(message_id + (1 if chosen.descending else -1)))


def whole_in_one_answer(ids: list[int]) -> list[int]:
    """The first of these messages that fit one answer with their bodies; a larger one goes by itself."""
    sizes = dict(Content.objects.filter(pk__in=ids).values_list("pk", Length("body")))
    total = 0
    for i, message_id in enumerate(ids):
        total += sizes.get(message_id, 0)
        if total > ANSWER_BYTES and i:
            return ids[:i]
    return ids


def _load(queue: Queue, ids: list[int], chosen: MessageFilter, some: QuerySet[Message] | None = None) -> list[Message]:
    """The messages as they are now; those that have left the selection since it was made are left out."""
    with lenient():
        loaded = (Message.objects.all() if some is None else some).in_bulk(ids)
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


def samples(queue: Queue, chosen: MessageFilter, principal: Principal) -> list[Message]:
    """Some of what a filter selects, as somebody sees it; nothing of it for who may not browse it."""
    if not principal.may("browse", *permit_of(queue)):
        return []
    return veil_of(principal, queue).over_all(page(queue, chosen, limit=SAMPLES).items)


def preview(queue: Queue, chosen: MessageFilter, verb: str, principal: Principal) -> dict[str, Any]:
    """What ``purge`` or ``redrive`` would take: how many exactly, published from when to when, some of them (``samples``)."""
    chosen = filters.ascending(filters.for_purge(chosen) if verb == "purge" else filters.for_redrive(chosen))
    matched, first, last = selection.summary(_rows, queue.pk, chosen)
    veil = veil_of(principal, queue)
    return {
        "matched": matched,
        "oldest_at": published_at(first),
        "newest_at": published_at(last),
        "samples": [message_object(m, veil) for m in samples(queue, chosen, principal)],
    }


def published_at(message_id: int | None) -> str | None:
    """When a message was published that is still there."""
    content = None if message_id is None else Content.objects.filter(pk=message_id).only("published_at").first()
    return None if content is None else rfc3339(content.published_at)
