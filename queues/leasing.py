"""Lease: ready messages, in order, to one holder or to several who wait."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from brokerweb.core import batches, events
from brokerweb.core.allotment import allot
from brokerweb.core.batches import ANSWER_BYTES
from brokerweb.core.checksums import intact, size
from brokerweb.core.clock import seconds
from brokerweb.core.errors import NotFound
from brokerweb.queues import bounds, contents, counters, dead_letters, fields, history, kept, keys, readiness
from brokerweb.queues.definitions import Definition, Q, find, find_by_id, take_turn
from brokerweb.queues.history import What
from brokerweb.queues.kept import End
from brokerweb.queues.messages import Handout, Leased, json_ids, parse_place
from brokerweb.queues.rows import Ending
from brokerweb.queues.states import State
from brokerweb.storage.transaction import Transaction

ROUND_BYTES = 4 * 1024 * 1024  # of bodies leased in one transaction
ASIDE_AT_ONCE = 200  # messages past their ttl, or damaged, that a lease takes away, or as many as a turn may weigh


@dataclass(slots=True)
class Terms:
    """How a holder takes messages. ``lease`` is seconds (None: the queue's)."""

    holder: str
    lease: float | None = None
    acknowledge: bool = True


@dataclass(slots=True)
class Want:
    """One who would take up to ``limit`` messages, of ``most_bytes`` in all or one larger, and has ``unsettled`` already."""

    limit: int
    terms: Terms
    unsettled: int = 0
    most_bytes: int = ROUND_BYTES


def lease(tx: Transaction, queue: str, limit: int, terms: Terms) -> Handout:
    """Lease up to ``limit`` ready messages, with bodies that fit one answer. Raises NotFound; of a paused queue it leases none.

    A message whose last consumer was lost goes out alone, so that one poison message cannot take others with it.
    """
    source = _in_turn(tx, find(tx, queue), [terms])
    tx.outcome.polled[source.id] = terms.holder
    if source.paused_at is not None:
        tx.outcome.asked(source.id)
        return Handout([], paused=True)
    found: list[Leased] = []
    aside = _Aside()
    size, more = 0, False
    for message in _ready(tx, source, aside, Claim(limit, ANSWER_BYTES)):
        size += len(message.body)
        more = bool(found) and (len(found) == limit or size > ANSWER_BYTES or message.alone or found[0].alone)
        if more:
            break
        found.append(message)
    if not found:
        tx.outcome.asked(source.id)
    _lease(tx, source, found, terms)
    return Handout(found, more=aside.end(tx, source) or more or _full(tx, found, limit))


def lease_round(tx: Transaction, queue_id: int, wants: Sequence[Want]) -> tuple[list[list[Leased]], Handout]:
    """Lease ready messages to all of ``wants``, fairly; messages that must go alone are passed over and reported.

    Answers with each one's messages, and a Handout without messages that says what is left. Raises NotFound.
    """
    source = _in_turn(tx, _existing(tx, queue_id), [want.terms for want in wants])
    if source.paused_at is not None:
        return [[] for _ in wants], Handout([], paused=True)
    room, most_bytes = sum(want.limit for want in wants), round_bytes(wants)
    found: list[Leased] = []
    aside = _Aside()
    size, more, alone = 0, False, False
    first_alone = tx.ask(Q.first_alone, source.id, tx.now)
    for message in _ready(tx, source, aside, Claim(room, most_bytes, alone=False)):
        if message.alone:
            alone = True
            continue
        size += len(message.body)
        more = bool(found) and (len(found) == room or size > most_bytes)
        if more:
            break
        found.append(message)
    more = more or _full(tx, found, room)
    if not tx.dialect.single_writer:
        alone = _passed_over(first_alone(), found[-1] if more else None)
    shares = allot(len(found), [(want.unsettled, want.limit) for want in wants])
    rest = iter(found)
    parts = [[message for _, message in zip(range(n), rest, strict=False)] for n in shares]
    for part, want in zip(parts, wants, strict=True):
        _lease(tx, source, part, want.terms)
    return parts, Handout([], more=aside.end(tx, source) or more or _freed(source, parts, wants), alone=alone)


def _freed(source: Definition, parts: list[list[Leased]], wants: Sequence[Want]) -> bool:
    """Whether heads of keys are gone with their lease, so that those behind them may be ready now."""
    return source.keyed and any(part and not want.terms.acknowledge for part, want in zip(parts, wants, strict=True))


def round_bytes(wants: Sequence[Want]) -> int:
    """What a round leases at most, so that it is not too much for any of them, whoever gets most of it."""
    return min((want.most_bytes for want in wants), default=ROUND_BYTES)


def lease_alone(tx: Transaction, queue_id: int, terms: Terms) -> Handout:
    """Lease the first ready message that must go alone, to a holder who has nothing. Raises NotFound."""
    source = _in_turn(tx, _existing(tx, queue_id), [terms])
    if source.paused_at is not None:
        return Handout([], paused=True)
    row = tx.row(Q.next_alone, source.id, tx.now)
    if row is None:
        return Handout([])
    found = Leased.ready(row)
    if not intact(found.id, found, found.checksum):
        dead_letters.bury_damaged(tx, source, _ending(source, found))
        return Handout([], more=True, alone=True)
    _lease(tx, source, [found], terms)
    return Handout([found], alone=True)


def _in_turn(tx: Transaction, source: Definition, terms: Iterable[Terms]) -> Definition:
    """A lease keeps the head of its key; what nobody acknowledges is gone with it, and the next follows."""
    if source.keyed and not all(each.acknowledge for each in terms):
        take_turn(tx, source)
    return source


def _existing(tx: Transaction, queue_id: int) -> Definition:
    source = find_by_id(tx, queue_id)
    if source is None:
        raise NotFound("The queue was deleted.")
    return source


class _Aside:
    """Ready messages that nobody is given: those past their ttl, and the damaged."""

    def __init__(self) -> None:
        self.late: list[Leased] = []
        self.damaged: list[Leased] = []
        self.n = self._weight = 0

    def takes(self, weight: int) -> bool:
        """Whether one more goes into this turn."""
        self.n, self._weight = self.n + 1, self._weight + weight
        return self.n == 1 or (self.n <= ASIDE_AT_ONCE and self._weight <= batches.TURN_BYTES)

    def end(self, tx: Transaction, source: Definition) -> bool:
        """A ttl ends when it ends, not when a duty notices; what is damaged is dead. True if something else may be ready now."""
        for message in self.late:
            dead_letters.expire(tx, source, _ending(source, message))
        for message in self.damaged:
            dead_letters.bury_damaged(tx, source, _ending(source, message))
        return bool(self.late or self.damaged)


class Claim(NamedTuple):
    """What the caller of ``_ready`` can take at most, and whether that may be messages that must go alone."""

    limit: int
    most_bytes: int
    alone: bool = True


def _ready(tx: Transaction, source: Definition, aside: _Aside, claim: Claim) -> Iterator[Leased]:
    """The queue's ready messages in order, read as far as the caller goes; those that nobody is given are put aside."""
    rows = tx.scan(Q.next_ready, source.id) if tx.dialect.single_writer else _claimed(tx, source, aside, claim)
    for row in rows:
        message = Leased.ready(row)
        if not intact(message.id, message, message.checksum):
            if not aside.takes(size(message.body)):
                return
            aside.damaged.append(message)
        elif message.expires_at is None or message.expires_at > tx.now:
            yield message
        elif aside.takes(len(message.body)):
            aside.late.append(message)
        else:
            return


def _claimed(tx: Transaction, source: Definition, aside: _Aside, claim: Claim) -> Iterator[tuple[Any, ...]]:
    """Ready messages that nobody else is about to lease, kept from others: no more than can be taken, and as many again as were
    put aside.
    """
    wanted, after = claim.limit, 0
    while wanted > 0:
        rows, before = bounds.claim(tx, source.id, claim.alone, wanted, after, claim.most_bytes), aside.n
        yield from rows
        after, wanted = after + len(rows), aside.n - before


def _full(tx: Transaction, found: Sequence[Leased], limit: int) -> bool:
    """Whether there may be more, where none was claimed to see that: it would be kept from others, who would find nothing."""
    return not tx.dialect.single_writer and len(found) >= limit


def _passed_over(first_alone: list[tuple[Any, ...]], last: Leased | None) -> bool:
    """Whether a message that must go alone is ready before ``last``, or anywhere where a round came to the end."""
    return any(last is None or (-priority, position) < (-last.priority, last.position) for priority, position in first_alone)


def _ending(source: Definition, message: Leased) -> Ending:
    head = message.key if source.keyed else None
    return Ending(message.id, State.READY, message.failures, head, message.attempts)


def _lease(tx: Transaction, source: Definition, found: list[Leased], terms: Terms) -> None:
    """These are leased on those terms; without acknowledgement they are gone in the commit that delivers them."""
    if not found:
        return
    for message in found:
        message.attempts += 1
    if source.stream is not None:
        for message in found:
            message.place = parse_place(message.route)
    if source.full:
        history.note_each(tx, source, [(m.id, m.attempts) for m in found], What(history.LEASED, holder=terms.holder))
    if terms.acknowledge:
        length = terms.lease or source.lease
        until = tx.now + seconds(length)
        for message in found:
            message.hold(length, until)
        tx.change_kept(len(found), Q.lease, source.id, json_ids(message.id for message in found), until, terms.holder, tx.now)
        counters.count(tx, source.id, State.LEASED, len(found))
        tx.outcome.due(until)
    else:
        _take(tx, source, found, terms)
    # What the commit hands over is sent before the answers to its calls: a later publish in it must not overtake these.
    readiness.tell(tx, source.id, idle=False)
    counters.count(tx, source.id, State.READY, -len(found))
    tx.outcome.event(events.DELIVERED, source.id, len(found))


def _take(tx: Transaction, source: Definition, found: list[Leased], terms: Terms) -> None:
    """At most once: these are gone, and so are their failures; the next of their keys follow."""
    tx.outcome.settled.add(source.id)
    ids = json_ids(message.id for message in found)
    if kept.keeps(source):
        tx.change(Q.lease, source.id, ids, tx.now, terms.holder, tx.now)
        kept.keep(tx, source, [m.id for m in found], State.LEASED, End(kept.ACKED, None, history.said(ack="none")))
        tx.exactly(len(found), tx.change(history.Q.take_leased, source.id, ids))
    else:
        tx.exactly(len(found), tx.change(Q.take, source.id, ids))
        contents.forget(tx, source.id, [message.id for message in found])
        if retried := [message.id for message in found if message.attempts > 1]:
            tx.change(Q.forget_failures_of_all, source.id, json_ids(retried))
    if source.full:
        what = What(history.ACKED, detail=history.said(ack="none"), ends=True)
        history.note_each(tx, source, [(m.id, m.attempts) for m in found], what)
    if source.search is not None:
        fields.forget(tx, source.id, [message.id for message in found])
    if source.keyed:
        keys.leave(tx, source.id, [message.key for message in found])
