"""Looking at settled messages that a queue keeps. Reads on the caller's thread, and changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from django.db.models import QuerySet
from django.db.models.functions import Length

from brokerweb.core.batches import ANSWER_BYTES
from brokerweb.core.cursors import digest, seal, unseal_id
from brokerweb.queues.browse import MAX_FAILURES_SHOWN
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


def _ordered(queue: Queue, chosen: MessageFilter, start: int) -> QuerySet[SettledMessage]:
    found = SettledMessage.objects.filter(queue_id=queue.pk)
    if chosen.ids is not None:
        found = found.filter(message_id__in=chosen.ids)
    if chosen.descending:
        return found.filter(message_id__lt=start).order_by("-message_id")
    return found.filter(message_id__gt=start).order_by("message_id")


def _scan(found: QuerySet[SettledMessage], chosen: MessageFilter, wanted: int) -> tuple[list[int], int | None]:
    """The numbers of up to ``wanted`` of them, looking at ``BUDGET`` at most; and after which id to go on."""
    budget = wanted + 1 if chosen.key is None else BUDGET
    rows = found.values_list("pk", "message_id", "key")[:budget]
    ids: list[int] = []
    last, looked_at = None, 0
    for number, message_id, key in rows.iterator(chunk_size=2_000):
        looked_at += 1
        if chosen.key is None or key == chosen.key:
            if len(ids) == wanted:
                return ids, last
            ids.append(number)
        last = message_id
    return ids, last if looked_at == budget and chosen.key is not None else None


def _fitting(ids: Sequence[int]) -> list[int]:
    """The first of them, as many as go into an answer by their bodies."""
    sizes = dict(Content.objects.filter(pk__in=ids).values_list("pk", Length("body")))
    total = 0
    for i, id in enumerate(ids):
        total += sizes.get(id, 0)
        if total > ANSWER_BYTES and i:
            return list(ids[:i])
    return list(ids)
