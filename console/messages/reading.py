"""One message as its page has it: alive, or kept after its end; and why it is where it is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

from brokerweb.answers import verdicts
from brokerweb.answers.absent import absent
from brokerweb.answers.verdicts import Verdict
from brokerweb.console import bodies
from brokerweb.console.filters import LIMIT, MessagesOf
from brokerweb.console.listing import Asked, Page, page
from brokerweb.core.errors import NotFound
from brokerweb.core.masking import IN_JSON, RESULT
from brokerweb.identity.masks import Veil
from brokerweb.identity.principal import Principal
from brokerweb.queues import browse, results, selection, settled
from brokerweb.queues.filters import MessageFilter
from brokerweb.queues.models import Failure, Message, Queue, SettledMessage
from brokerweb.queues.represent import veil_of
from brokerweb.storage import reading as storage

AnyMessage = Message | SettledMessage
NEWEST = 1_000  # messages that are sorted by what they are


class Listed(NamedTuple):
    """A page of messages, and the queries of the pages around it. ``looked_at``: it is short since so many were looked at."""

    items: list[Any]
    previous: str | None
    next: str | None
    looked_at: int | None
    page: Page[Any] | None = None  # of a list that is sorted in memory


class Sorted(NamedTuple):
    """A message as it is sorted; ``about`` is what the list says of those in its state besides their bodies."""

    message: Message
    about: str | None


def sorted_newest(queue: Queue, asked: MessagesOf, wanted: Asked, veil: Veil) -> Listed:
    """A page of the newest, sorted by what they are. Raises Invalid for a cursor of another list or filter."""
    newest = veil.over_all(browse.newest(queue, asked.chosen, NEWEST))
    found = page([Sorted(message, _about(message, asked.state)) for message in newest], wanted)
    ids = [row.message.pk for row in found.rows]
    shown = {message.pk: message for message in browse.beginnings(queue, asked.chosen, ids)}
    return Listed([shown[pk] for pk in ids if pk in shown], found.previous, found.next, None, found)


def _about(message: Message, state: str) -> str | None:
    if state == "dead":
        return f"{message.reason} {message.last_error or ''}"
    told: str | None = message.holder if state == "leased" else message.key
    return told


def listed(queue: Queue, asked: MessagesOf) -> Listed:
    """The page that is asked for. Raises Invalid for a cursor of another list or filter."""
    kind: Any = settled if asked.settled else browse
    back = replace(asked.chosen, descending=not asked.chosen.descending)
    if asked.before:
        found = kind.page_of_beginnings(queue, back, after=asked.before, limit=LIMIT)
        if found.next:
            items = found.items[::-1]
            beyond = asked.page_after(kind.cursor(queue, asked.chosen, items[-1].pk)) if items else None
            return Listed(items, asked.page_before(found.next), beyond, None)
    after = None if asked.before else asked.after or None
    found = kind.page_of_beginnings(queue, asked.chosen, after=after, limit=LIMIT)
    first = found.items[0].pk if found.items and after else None
    # A key is compared message by message among those of a state, so many a page; without a state its index names them.
    stopped = asked.key and asked.state and found.next and len(found.items) < LIMIT
    return Listed(
        found.items,
        asked.page_before(kind.cursor(queue, back, first)) if first is not None else None,
        asked.page_after(found.next) if found.next else None,
        selection.BUDGET if stopped else None,
    )


def read(principal: Principal, queue: Queue, message_id: int) -> tuple[AnyMessage, list[Failure]]:
    """The message with its failures. Raises NotFound, which says what is known of one that is neither alive nor kept."""
    try:
        return browse.read(queue, message_id)
    except NotFound:
        kept = settled.read(queue, message_id)
    if kept is None:
        raise absent(queue, message_id, veil_of(principal, queue), may=principal.may)
    return kept


def result(message_id: int, veil: Veil) -> bodies.Shown | None:
    """What work on it came to, as whoever did that has said it."""
    found = storage.read(results.of, message_id)
    return None if found is None else bodies.show((IN_JSON if veil.hides(RESULT) else found.document).encode(), "pretty")


def verdict(principal: Principal, queue: Queue, found: AnyMessage) -> Verdict:
    """Why it waits, or how it ended."""
    if isinstance(found, Message):
        return verdicts.message(principal, queue, found)
    return verdicts.settled(principal, queue, found)


def neighbours(queue: Queue, message_id: int, chosen: MessageFilter, *, kept: bool) -> tuple[int | None, int | None]:
    """The next older and the next newer one of the selection, or of what is kept."""
    return (settled.neighbours if kept else browse.neighbours)(queue, message_id, chosen)
