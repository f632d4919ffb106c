"""Looking at settled messages that a queue keeps. Reads on the caller's thread, and changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from django.db.models import QuerySet
from django.db.models.functions import Length

from brokerweb.core.batches import ANSWER_BYTES
from brokerweb.core.cursors import digest, seal, unseal_id
from brokerweb.queues import filters
from brokerweb.queues.browse import BEGINNING, MAX_FAILURES_SHOWN
from brokerweb.queues.filters import MAX_ID, MessageFilter
from brokerweb.queues.history import Q
from brokerweb.queues.models import Content, Failure, Queue, SettledMessage
from brokerweb.queues.selection import BUDGET
from brokerweb.storage.reading import lenient
from brokerweb.storage.reading import read as read_rows


class Page(NamedTuple):
    """Some kept messages, and the cursor of the page after; None when there is none."""

    items: list[SettledMessage]
    next: str | None


def read(queue: Queue, message_id: int) -> tuple[SettledMessage, list[Failure]] | None:
    """One kept message, and the last of its failures, oldest first; None where the queue keeps none of that id."""
    with lenient():
        found = (
            SettledMessage.objects.filter(queue_id=queue.pk, message_id=message_id).first() if 0 < message_id <= MAX_ID else None
        )
        if found is None:
            return None
        attach([found])
    newest = Failure.objects.filter(message_id=message_id).order_by("-attempt", "-id")[:MAX_FAILURES_SHOWN]
    return found, list(newest)[::-1]


def relatives(family: int, limit: int) -> list[int]:
    """The numbers of the contents that one publish to a topic stored of a message in queues; the first of them."""
    return read_rows(lambda reads: [number for (number,) in reads.rows(Q.relatives, family, limit)])


def attach(messages: Iterable[SettledMessage]) -> None:
    """Give them their contents, by one query."""
    kept = list(messages)
    contents = Content.objects.in_bulk([message.pk for message in kept])
    for message in kept:
        message.attach(contents.get(message.pk))


def page(queue: Queue, chosen: MessageFilter, *, after: str | None = None, limit: int = 50) -> Page:
    """The next kept messages that the filter selects, by the ids they had; its states are not asked. May be short, or empty, and
    still have a next page.
    """
    listed = digest("settled", queue.pk, *chosen.parts())
    start = unseal_id(after, listed) if after is not None else (MAX_ID if chosen.descending else 0)
    ids, last = _scan(_ordered(queue, chosen, start), chosen, limit)
    with lenient():
        found = SettledMessage.objects.filter(queue_id=queue.pk).in_bulk(_fitting(ids))
        items = [found[id] for id in ids if id in found]
        attach(items)
    if len(items) < len(ids):
        last = items[-1].message_id if items else last
    return Page(items, None if last is None else seal(listed, str(last)))


def page_of_beginnings(queue: Queue, chosen: MessageFilter, *, after: str | None = None, limit: int = 50) -> Page:
    """As ``page``, but no body makes it short: as ``browse.page_of_beginnings``."""
    listed = digest("settled", queue.pk, *chosen.parts())
    start = unseal_id(after, listed) if after is not None else (MAX_ID if chosen.descending else 0)
    ids, last = _scan(_ordered(queue, chosen, start), chosen, limit)
    with lenient():
        kept = SettledMessage.objects.filter(queue_id=queue.pk).in_bulk(ids)
        contents = Content.objects.filter(pk__in=ids).defer("body").annotate(**BEGINNING).in_bulk()
        whole = Content.objects.in_bulk(_fitting(ids))
    found = [kept[id] for id in ids if id in kept]
    for message in found:
        _begin(message, contents.get(message.pk), whole.get(message.pk))
    return Page(found, None if last is None else seal(listed, str(last)))


def cursor(queue: Queue, chosen: MessageFilter, number: int) -> str:
    """The cursor of what comes behind the one of that number, in the filter's order."""
    return seal(digest("settled", queue.pk, *chosen.parts()), str(number))


def _begin(message: Any, content: Any, whole: Content | None) -> None:
    """``whole`` is its content where that was read, to see whether it is damaged."""
    message.attach(whole or content)
    message.damaged = content is None or (whole is not None and not message.intact)
    message.beginning, message.size = (b"", 0) if content is None else (content.beginning, content.size)
    if whole is not None:
        message.attach(content)


def neighbours(queue: Queue, message_id: int, chosen: MessageFilter) -> tuple[int | None, int | None]:
    """As ``browse.neighbours``, among those that are kept."""
    around = []
    for side in (filters.descending(chosen), filters.ascending(chosen)):
        found, _ = _scan(_ordered(queue, side, message_id), side, 1)
        near = SettledMessage.objects.filter(pk__in=found).values_list("message_id", flat=True).first()
        around.append(near)
    return around[0], around[1]


def _ordered(queue: Queue, chosen: MessageFilter, start: int) -> QuerySet[SettledMessage]:
    found = SettledMessage.objects.filter(queue_id=queue.pk)
    if chosen.ids is not None:
        found = found.filter(message_id__in=chosen.ids)
    if chosen.descending:
        return found.filter(message_id__lt=start).order_by("-message_id")
    return found.filter(message_id__gt=start).order_by("message_id")


def numbers(queue: Queue, chosen: MessageFilter, start: int, wanted: int) -> tuple[list[int], int | None]:
    """The numbers of the next kept messages behind an id, in the filter's order; and after which id to go on."""
    return _scan(_ordered(queue, chosen, start), chosen, wanted)


def _scan(found: QuerySet[SettledMessage], chosen: MessageFilter, wanted: int) -> tuple[list[int], int | None]:
    """The numbers of up to ``wanted`` of them, looking at ``BUDGET`` at most; and after which id to go on."""
    narrowed = chosen.key is not None or bool(chosen.fingerprints)
    budget = BUDGET if narrowed else wanted + 1
    rows = found.values_list("pk", "message_id", "key", "fingerprint")[:budget]
    ids: list[int] = []
    last, looked_at = None, 0
    for number, message_id, key, fingerprint in rows.iterator(chunk_size=2_000):
        looked_at += 1
        if chosen.key in (None, key) and (not chosen.fingerprints or fingerprint in chosen.fingerprints):
            if len(ids) == wanted:
                return ids, last
            ids.append(number)
        last = message_id
    return ids, last if looked_at == budget and narrowed else None


def _fitting(ids: Sequence[int]) -> list[int]:
    """The first of them, as many as go into an answer by their bodies."""
    sizes = dict(Content.objects.filter(pk__in=ids).values_list("pk", Length("body")))
    total = 0
    for i, id in enumerate(ids):
        total += sizes.get(id, 0)
        if total > ANSWER_BYTES and i:
            return list(ids[:i])
    return list(ids)
