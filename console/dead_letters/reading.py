"""Lists of dead letters, the newest first; and where those of a shared consumer group are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db.models import Q, QuerySet

from brokerweb.console import dead_counts
from brokerweb.console.filters import DeadLetters
from brokerweb.console.listing import Asked, Beyond
from brokerweb.console.page import SignedIn
from brokerweb.console.rights import Rights
from brokerweb.core.errors import Conflict, NotFound
from brokerweb.core.masking import ERROR
from brokerweb.handout import shared_groups
from brokerweb.identity import masks
from brokerweb.identity.masks import Veil
from brokerweb.identity.principal import Principal
from brokerweb.queues import browse
from brokerweb.queues.browse import DeadLetter
from brokerweb.queues.models import Message, Queue
from brokerweb.queues.represent import veil_of
from brokerweb.queues.states import State
from brokerweb.storage.reading import lenient, read

NEWEST = 1_000  # dead letters that are sorted by what they are


class Candidate(NamedTuple):
    """A dead letter of a list, as it is sorted; those of a page are then read as a whole."""

    queue: str  # nothing where all are of one
    letter: DeadLetter


@dataclass(frozen=True, slots=True)
class DeadRow:
    """One dead letter of a page."""

    queue: str
    message: Message
    may_manage: bool


def some(principal: Principal, asked: Asked, beyond: Beyond) -> list[Candidate]:
    """Dead letters of the queues that the person may browse, by their ids."""
    wanted = DeadLetters.of(asked.given)
    names = {queue.pk: queue.name for queue in dead_counts.by_queue(principal) if wanted.queue in ("", queue.name)}
    found = _behind(names, wanted.reason, beyond)
    veils = {pk: masks.veil(principal, "queue", names[pk]) for pk in {letter.queue_id for letter in found}}
    return [Candidate(names[letter.queue_id], _seen(letter, veils[letter.queue_id])) for letter in found]


def newest(principal: Principal, asked: Asked) -> list[Candidate]:
    """Those that are sorted by other columns than the message."""
    return some(principal, asked, Beyond(None, upwards=False, limit=NEWEST))


def whole(principal: Principal, page: Sequence[Candidate]) -> list[DeadRow]:
    """A page's rows, but for those that have gone meanwhile."""
    messages = _whole(page)
    of = {name: (masks.veil(principal, "queue", name), principal.may("manage", "queue", name)) for name, _ in page}
    found = ((name, messages[letter.id]) for name, letter in page if letter.id in messages)
    return [DeadRow(name, of[name][0].over(message), of[name][1]) for name, message in found]


def some_of_group(principal: Principal, asked: Asked, beyond: Beyond) -> list[Candidate]:
    """Those of a shared group, ``asked.of`` as STREAM/GROUP."""
    stream, _, group = asked.of.partition("/")
    queue = queue_of(stream, group)
    veil = veil_of(principal, queue)
    return [Candidate("", _seen(letter, veil)) for letter in _behind([queue.pk], DeadLetters.of(asked.given).reason, beyond)]


def newest_of_group(principal: Principal, asked: Asked) -> list[Candidate]:
    """The same that are sorted by other columns than the message."""
    return some_of_group(principal, asked, Beyond(None, upwards=False, limit=NEWEST))


def whole_of_group(veil: Veil, page: Sequence[Candidate]) -> list[Message]:
    """A page's messages, but for those that have gone meanwhile."""
    messages = _whole(page)
    return veil.over_all(messages[letter.id] for _, letter in page if letter.id in messages)


def _behind(queue_ids: Iterable[int], reason: str, beyond: Beyond) -> list[DeadLetter]:
    return browse.dead(queue_ids, reason, beyond=beyond.id, upwards=beyond.upwards, limit=beyond.limit)


def _seen(letter: DeadLetter, veil: Veil) -> DeadLetter:
    """As it is seen: what is hidden orders nothing."""
    return letter._replace(last_error=veil.word(ERROR, letter.last_error)) if veil.hides(ERROR) else letter


def _whole(page: Iterable[Candidate]) -> dict[int, Message]:
    """The messages without their bodies."""
    with lenient():
        return Message.objects.defer("content__body").in_bulk([letter.id for _, letter in page])


def dead(queue: Queue, reason: str) -> QuerySet[Message]:
    """The queue's dead letters, of that reason if one is named."""
    # The first condition says nothing new: SQLite takes the partial index only for the predicate it was made with.
    found = Message.objects.filter(~Q(state=State.LEASED), state=State.DEAD, queue_id=queue.pk)
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
