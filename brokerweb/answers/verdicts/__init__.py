"""Why: one function a noun, each a pure one over what was read. The sentences are the same on pages, in REST and in ``stuck``.

Each answers with a ``Verdict`` of what the asker may know: whoever calls has asked for ``browse`` on the queue or stream.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

from msgspec import structs

from brokerweb.answers.verdicts import groups, links, of_group, of_message, of_queue, reading
from brokerweb.answers.verdicts.standing import Attending, GroupStanding, MessageStanding, QueueStanding
from brokerweb.answers.verdicts.verdict import See, Verdict
from brokerweb.core import clock
from brokerweb.core.masking import ERROR, KEY
from brokerweb.delivery import connections
from brokerweb.identity import clients, masks
from brokerweb.identity.principal import Principal
from brokerweb.queues import browse
from brokerweb.queues.history import ACKED, detail_of
from brokerweb.queues.models import Message, Queue, SettledMessage
from brokerweb.queues.represent import veil_of
from brokerweb.queues.states import State
from brokerweb.storage.reading import Reads, read
from brokerweb.streams.groups import find_group

__all__ = ["MOST", "Attending", "See", "Verdict", "group", "members", "message", "messages", "queue", "queues", "settled"]

MOST = 200  # items of a list that may have verdicts


def queue(principal: Principal, row: Queue) -> Verdict:
    """How a queue stands."""
    return queues(principal, [row])[0]


def queues(principal: Principal, rows: Sequence[Queue]) -> list[Verdict]:
    """The same for many, by as many statements as for one."""
    found = read(
        partial(reading.queues, rows=[reading.QueueRow.of(row) for row in rows], counts=browse.counts(r.pk for r in rows))
    )
    return [of_standing(principal, standing) for standing in named(found)]


def named(found: Sequence[QueueStanding]) -> list[QueueStanding]:
    """With the names of those who consumed last."""
    last = reading.last_consumers(standing.id for standing in found)
    return [with_name(standing, last) for standing in found]


def with_name(standing: QueueStanding, last: Mapping[int, str]) -> QueueStanding:
    """With the name of who consumed last; ``last`` has them by queue."""
    return structs.replace(standing, last_consumer=last.get(standing.id, standing.last_consumer))


def of_standing(principal: Principal, standing: QueueStanding) -> Verdict:
    """The verdict of a queue that was read."""
    verdict = of_queue.verdict(_seen(principal, standing))
    return verdict.leading_to(links.of_queue(principal, standing, verdict, _live))


def _seen(principal: Principal, queue: QueueStanding) -> QueueStanding:
    """As somebody sees it from whom keys may be hidden."""
    if queue.head is None:
        return queue
    key = masks.veil(principal, "queue" if queue.group is None else "stream", queue.name).word(KEY, queue.head.key)
    return structs.replace(queue, head=queue.head._replace(key=str(key)))


def message(principal: Principal, row: Queue, found: Message) -> Verdict:
    """Why a message of a queue is where it is."""
    return messages(principal, row, [found])[0]


def messages(principal: Principal, row: Queue, found: Sequence[Message]) -> list[Verdict]:
    """The same for some of one queue."""
    queue, standings = read(partial(_of_messages, row=row, found=found))
    verdicts = []
    veil = veil_of(principal, row)
    for each in standings:
        each = replace(each, key=veil.word(KEY, each.key), last_error=veil.word(ERROR, each.last_error))
        verdict = of_message.verdict(queue, each)
        verdicts.append(verdict.leading_to(links.of_message(principal, queue, each, verdict, _live)))
    return verdicts


def settled(principal: Principal, row: Queue, found: SettledMessage) -> Verdict:
    """What became of a message that is kept after its end."""
    by = found.actor
    if by is None and found.outcome == ACKED and found.holder is not None:
        by = clients.describe([found.holder])[found.holder].client
    at, published = clock.from_datetime(found.settled_at), clock.from_datetime(found.published_at)
    verdict = of_message.settled(found.outcome, at=at, by=by, seconds=max(0, at - published) / clock.SECOND)
    if row.stream is not None:
        name = str(read(groups.name_of, row.pk))
        return verdict.leading_to(links.of_group_itself(row.stream, name))
    return verdict.leading_to(links.of_settled(principal, row.name, found.message_id, detail_of(found.detail)))


def _of_messages(reads: Reads, row: Queue, found: Sequence[Message]) -> tuple[QueueStanding, list[MessageStanding]]:
    [queue] = named([reading.one_queue(reads, row)])
    if row.stream is not None:
        queue = as_group(queue, row.stream, groups.name_of(reads, row.pk))
    heads: dict[str, MessageStanding] = {}
    blocked = {message.key for message in found if message.state == State.BLOCKED and message.key is not None}
    for key in blocked:
        if (head := reading.head_of_key(reads, queue, key)) is not None:
            [heads[key]] = reading.messages(reads, queue, [head])
    standings = []
    for each in reading.messages(reads, queue, found):
        head_of_it = heads.get(each.key or "") if each.state == "blocked" else None
        if head_of_it is not None:
            code = of_message.verdict(queue, head_of_it).code
            each = replace(each, head=reading.key_head(head_of_it, code))
        standings.append(each)
    return queue, standings


def group(principal: Principal, stream: str, name: str) -> Verdict:
    """How a consumer group stands. Raises NotFound."""
    return of_group_standing(principal, read(partial(_of_group, stream=stream, name=name)))


def members(stream: str, name: str) -> list[Attending]:
    """How the members of a partitioned group get on; a shared one has none. Raises NotFound."""
    return read(lambda reads: groups.attending(reads, find_group(reads, stream, name)))


def _of_group(reads: Reads, stream: str, name: str) -> GroupStanding:
    found = find_group(reads, stream, name)
    if found.queue_id is None:
        return groups.one(reads, found, None)
    [queue] = named([reading.one_queue(reads, Queue.objects.get(pk=found.queue_id))])
    return groups.one(reads, found, as_group(queue, found.stream, found.name))


def as_group(queue: QueueStanding, stream: str, name: str) -> QueueStanding:
    """The hidden queue of a shared group, under the names that people know."""
    return structs.replace(queue, name=stream, group=name)


def of_group_standing(principal: Principal, standing: GroupStanding) -> Verdict:
    """The verdict of a group that was read."""
    veil, failing = masks.veil(principal, "stream", standing.stream), standing.failing
    if failing is not None and veil.hides(ERROR):
        standing = replace(standing, failing=failing._replace(last_error=veil.word(ERROR, failing.last_error)))
    verdict = of_group.verdict(standing)
    return verdict.leading_to(links.of_group(principal, standing, verdict, _live))


def _live(connection: str) -> bool:
    return bool(connections.there([connection]))
