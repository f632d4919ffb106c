"""Publish: dedup, limits, order and keys, and the hand-over of messages that somebody is waiting for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby, repeat
from operator import itemgetter
from typing import Any, NamedTuple

from msgspec.json import encode

from brokerweb.core import events
from brokerweb.core.batches import fitting
from brokerweb.core.checksums import checksums
from brokerweb.core.clock import seconds
from brokerweb.core.errors import BrokerError, QueueFull, TooLarge
from brokerweb.queues import contents, counters, dead_letters, duties, fields, history, kept, keys, readiness, sequence
from brokerweb.queues.definitions import Definition, Q, find, take_turn
from brokerweb.queues.history import What
from brokerweb.queues.messages import Accepted, Leased, NewMessage
from brokerweb.queues.rows import Ending, MessageRow, Waiting
from brokerweb.queues.states import OVERFLOW, State
from brokerweb.storage import disk
from brokerweb.storage.handover import Taker
from brokerweb.storage.transaction import Transaction

SHRINK = 1000  # messages that one publish buries beyond its own number, where max_length was lowered: others wait for it
SCHEDULED, READY, BLOCKED, LEASED = (int(s) for s in (State.SCHEDULED, State.READY, State.BLOCKED, State.LEASED))


class Family(NamedTuple):
    """What the copies have alike that one publish to a topic made of a message: a number, and which went to streams (JSON)."""

    number: int | None
    streams: str | None = None


NO_FAMILY = Family(None)


class Origin(NamedTuple):
    """Where messages come from: the token's or user's name, the topic they came through, the message they are edited copies of.

    ``families`` are those of the messages in their order, where they are copies of several.
    """

    publisher: str | None
    route: str | None = None
    parent: int | None = None
    families: Sequence[Family] | None = None


def publish(
    tx: Transaction, queue: str, messages: Sequence[NewMessage], *, publisher: str | None = None, parent: int | None = None
) -> list[Accepted]:
    """Store messages, all or none, in their order. Raises NotFound, TooLarge, StoreFull, QueueFull before anything is written."""
    return publish_from(tx, queue, messages, Origin(publisher, parent=parent))


def publish_from(tx: Transaction, queue: str, messages: Sequence[NewMessage], origin: Origin) -> list[Accepted]:
    """``publish`` with all that is known of where they come from. With ``families`` no message has a dedup_id."""
    target = take_turn(tx, find(tx, queue))
    _check_sizes(target, messages)
    if any(m.dedup_id is not None for m in messages):
        return _publish_once(tx, target, messages, origin)
    return [Accepted(i, False) for i in _store(tx, target, messages, origin)]


def publish_each(
    tx: Transaction, queue: str, groups: Sequence[Sequence[NewMessage]], *, publisher: str | None = None
) -> list[list[Accepted] | BrokerError]:
    """Publish groups of messages, each all or none by itself; what each was answered, or the error that it met."""
    if len(groups) == 1:
        return [_by_itself(tx, queue, groups[0], publisher)]
    try:
        together = iter(publish(tx, queue, [message for group in groups for message in group], publisher=publisher))
        return [[accepted for _, accepted in zip(group, together, strict=False)] for group in groups]
    except BrokerError:  # raised before anything was written
        return [_by_itself(tx, queue, group, publisher) for group in groups]


def _by_itself(tx: Transaction, queue: str, group: Sequence[NewMessage], publisher: str | None) -> list[Accepted] | BrokerError:
    try:
        return publish(tx, queue, group, publisher=publisher)
    except BrokerError as error:
        return error


def check(tx: Transaction, queue: str, messages: Sequence[NewMessage]) -> None:
    """Raise what ``publish`` would, NotFound, TooLarge, StoreFull or QueueFull, and write nothing: for callers with more to do.

    Messages are taken for new, whatever their dedup_id.
    """
    target = take_turn(tx, find(tx, queue))
    _check_sizes(target, messages)
    disk.of().check(tx, messages)
    if target.max_length is not None:
        _overflow(tx, target, len(messages))


def _check_sizes(target: Definition, messages: Sequence[NewMessage]) -> None:
    limit = target.max_body_bytes
    for i, message in enumerate(messages):
        if len(message.body) > limit:
            detail = f"The body has {len(message.body)} bytes; queue {target.name} takes {limit}."
            raise TooLarge(detail, errors=[{"pointer": f"/messages/{i}/body", "detail": detail}])


def _publish_once(tx: Transaction, target: Definition, messages: Sequence[NewMessage], origin: Origin) -> list[Accepted]:
    """Publish what the queue does not remember; the others answer with the message they repeat."""
    known = _remembered(tx, target, {m.dedup_id: None for m in messages if m.dedup_id is not None})
    fresh, first = _fresh(messages, known)
    if not fresh:
        ids: Sequence[int] = ()
    elif tx.dialect.single_writer:
        ids = _store(tx, target, fresh, origin)
        rows = _memories(tx, target, first, ids)
        tx.exactly(len(rows), tx.change_many(Q.remember, rows))
    else:
        room = _remember_first(tx, target, known, fresh, first)
        fresh, first = _fresh(messages, known)
        ids = _store(tx, target, fresh, origin, room) if fresh else []
    if known:
        tx.vouch()
    return _answers(messages, known, {d: ids[i] for d, i in first.items()}, iter(ids))


def _remembered(tx: Transaction, target: Definition, dedup_ids: Iterable[str]) -> dict[str, int]:
    """The messages that these name."""
    if not tx.dialect.single_writer:
        return dict(tx.rows(Q.remembered_of, target.id, encode(list(dedup_ids)).decode(), tx.now))
    found = ((dedup_id, tx.value(Q.remembered, target.id, dedup_id, tx.now)) for dedup_id in dedup_ids)
    return {dedup_id: id for dedup_id, id in found if id is not None}


def _fresh(messages: Sequence[NewMessage], known: Mapping[str, int]) -> tuple[list[NewMessage], dict[str, int]]:
    """Those that repeat neither what is known nor one another, and the place among them of each dedup_id."""
    fresh: list[NewMessage] = []
    first: dict[str, int] = {}
    for message in messages:
        dedup_id = message.dedup_id
        if dedup_id is None:
            fresh.append(message)
        elif dedup_id not in known and dedup_id not in first:
            first[dedup_id] = len(fresh)
            fresh.append(message)
    return fresh, first


def _memories(tx: Transaction, target: Definition, first: Mapping[str, int], ids: Sequence[int]) -> list[tuple[Any, ...]]:
    """What the queue remembers. Sorted, so that two who remember the same dedup_ids do not wait for each other."""
    until = tx.now + seconds(target.dedup_window)
    return [(target.id, dedup_id, ids[i], until, tx.now) for dedup_id, i in sorted(first.items())]


def _remember_first(
    tx: Transaction, target: Definition, known: dict[str, int], fresh: Sequence[NewMessage], first: Mapping[str, int]
) -> Room:
    """Where others publish meanwhile, dedup_ids are remembered before messages are stored: what another was faster with is
    ``known`` then. The room of those that are left to store.
    """
    room = _room(tx, target, fresh)
    rows = _memories(tx, target, first, room.ids)
    taken = [row[1] for row, n in zip(rows, tx.change_each(Q.remember, rows), strict=True) if not n]
    if not taken:
        return room
    named = _remembered(tx, target, taken)
    tx.exactly(len(taken), len(named))
    known |= named
    ids = [id for id, message in zip(room.ids, fresh, strict=True) if message.dedup_id not in known]
    return Room(min(room.overflow, len(ids)), ids)


def _answers(messages: Sequence[NewMessage], known: dict[str, int], first: dict[str, int], ids: Any) -> list[Accepted]:
    answers, seen = [], set()
    for message in messages:
        dedup_id = message.dedup_id
        if dedup_id is None:
            answers.append(Accepted(next(ids), False))
        elif dedup_id in known:
            answers.append(Accepted(known[dedup_id], True))
        elif dedup_id in seen:
            answers.append(Accepted(first[dedup_id], True))
        else:
            seen.add(dedup_id)
            answers.append(Accepted(next(ids), False))
    return answers


class _Plan:
    """What each message of one publish becomes: parallel lists, by place in the batch."""

    __slots__ = ("due", "held", "ids", "overflow", "state", "taker")

    def __init__(self, n: int, now: int) -> None:
        self.state = [READY] * n
        self.due = [now] * n
        self.held = [False] * n
        self.taker: list[Taker | None] = [None] * n
        self.ids: Sequence[int] = range(0)
        self.overflow = 0  # how many of the first find no room beside the rest


class Room(NamedTuple):
    """What messages find that are about to be stored: how many of the first have no place beside the rest, and their ids."""

    overflow: int
    ids: Sequence[int]


def _room(tx: Transaction, target: Definition, messages: Sequence[NewMessage]) -> Room:
    n = len(messages)
    disk.of().take(tx, messages)
    overflow = 0 if target.max_length is None else _make_room(tx, target, n)
    if target.keyed:
        duties.promote_first(tx, target)
    if tx.handover is not None and not tx.dialect.single_writer and tx.handover.has_room(target.id):
        readiness.ask(tx, target.id)  # on the way with what follows
    return Room(overflow, sequence.take(tx, n))


def _store(
    tx: Transaction, target: Definition, messages: Sequence[NewMessage], origin: Origin, room: Room | None = None
) -> Sequence[int]:
    overflow, ids = room or _room(tx, target, messages)
    plan = _plan(tx, target, messages)
    plan.overflow, plan.ids = overflow, ids
    if target.full:
        _tell(tx, target, plan.ids, messages, origin)
    # Takers come after every statement that may fail: from then on the transaction knows what to cancel.
    takers = _assign(tx, target, plan, messages)
    rows = _rows(tx, target, plan, messages, origin)
    freed: list[str | None] = []
    if takers:
        rows, freed = _hand_over(tx, target, plan, rows, takers)
    contents.insert(tx, rows)
    if target.search is not None:
        fields.index(tx, target.id, rows)
    _count(tx, target, plan)
    source, sources = (origin.publisher, origin.route, "queue", target.id), tx.outcome.sources
    sources[source] = sources.get(source, 0) + len(messages)
    if events.shown and target.id in events.shown:
        tx.outcome.seen = [*(tx.outcome.seen or ()), (target.id, rows)]
    if target.keyed:
        keys.leave(tx, target.id, freed)
    if overflow:  # the first of these, which those behind them left no room
        places = ((plan.ids[i], plan.state[i], 0, messages[i].key if plan.held[i] else None) for i in range(overflow))
        _bury_all(tx, target, [Ending(*place) for place in places])
    return plan.ids


def _tell(tx: Transaction, target: Definition, ids: Sequence[int], messages: Sequence[NewMessage], origin: Origin) -> None:
    """For the history of a queue that has all of it."""
    parent = None if origin.parent is None else str(origin.parent)
    start = 0
    for dedup, group in groupby(messages, lambda message: message.dedup_id):
        n = len([*group])
        detail = history.said(route=origin.route, parent=parent, dedup=dedup)
        history.note(tx, target, ids[start : start + n], What(history.PUBLISHED, actor=origin.publisher, detail=detail))
        start += n


def _plan(tx: Transaction, target: Definition, messages: Sequence[NewMessage]) -> _Plan:
    plan, now = _Plan(len(messages), tx.now), tx.now
    first: dict[str, int] = {}  # key -> the first that joins it now
    for i, m in enumerate(messages):
        if m.delay or m.deliver_at is not None:
            due = m.deliver_at - tx.difference if m.deliver_at is not None else now + seconds(m.delay or 0)
            if due > now:
                plan.state[i], plan.due[i] = SCHEDULED, due
                tx.outcome.due(due)
                continue
        if target.keyed and m.key is not None:
            plan.state[i] = BLOCKED
            first.setdefault(m.key, i)
    for key in keys.free(tx, target.id, first):
        plan.state[first[key]], plan.held[first[key]] = READY, True
    return plan


def _assign(tx: Transaction, target: Definition, plan: _Plan, messages: Sequence[NewMessage]) -> list[Taker]:
    """Give messages to those who have room for them, in the queue's order, and say who that is; the rest of what was
    reserved is free again. Only while the queue is not paused and nothing ready waits before them.
    """
    wanted, handover = plan.state[plan.overflow :].count(READY), tx.handover
    if not wanted or handover is None or target.paused_at is not None or not handover.has_room(target.id):
        return []
    reserved = handover.reserve(target.id, wanted) if readiness.is_idle(tx, target.id) else []
    if not reserved:
        return []
    places = [i for i, state in enumerate(plan.state) if state == READY and i >= plan.overflow]
    if sum(n for _, n in reserved) < len(places) or len(reserved) > 1 or reserved[0][0].most_bytes is not None:
        places.sort(key=lambda i: -messages[i].priority)
    start = 0
    for taker, n in reserved:
        given = places[start : start + n]
        if taker.most_bytes is not None:
            given = given[: fitting([len(messages[i].body) for i in given], taker.most_bytes)]
            handover.cancel([(taker, n - len(given))])
        start += len(given)
        for i in given:
            plan.state[i], plan.taker[i] = LEASED, taker
    return [taker for taker, _ in reserved]


def _rows(tx: Transaction, target: Definition, plan: _Plan, messages: Sequence[NewMessage], origin: Origin) -> list[MessageRow]:
    now, wall, queue_id, default_ttl, made = tx.now, tx.wall, target.id, target.ttl, MessageRow._make
    publisher, route, _, families = origin
    rows = []
    sums = checksums(plan.ids, messages)
    planned = zip(
        plan.ids, plan.state, plan.due, plan.held, plan.taker, messages, sums, families or repeat(NO_FAMILY), strict=False
    )
    before, held_by, until = None, None, 0
    for id, state, due, held, taker, m, checksum, (number, streams) in planned:
        ttl = m.ttl if m.ttl is not None else default_ttl
        expires = None
        deliver_at = m.deliver_at if state == SCHEDULED else None
        if ttl is not None and deliver_at is None:  # else it is first due when the wall says so
            expires = due + seconds(ttl)
            tx.outcome.due(expires)
        attempts, holder, leased_at = 0, None, None
        if taker is not None:
            if taker is not before:  # most are given to one
                before, held_by, until = taker, taker.holder, now + seconds(taker.lease or target.lease)
            attempts, holder, leased_at, due = 1, held_by, now, until
        rows.append(made((
            id, queue_id, state, m.priority, attempts, held, due, expires, ttl, m.key, holder, route, deliver_at, leased_at,
            wall, m.headers, m.content_type, m.binary, m.body, m.reply_to, m.correlation_id, publisher, checksum, None,
            m.dedup_id, number, streams,
        )))  # fmt: skip
    return rows


def _hand_over(
    tx: Transaction, target: Definition, plan: _Plan, rows: list[MessageRow], takers: list[Taker]
) -> tuple[list[MessageRow], list[str | None]]:
    """Record what goes to whom after the commit. Answers with the rows to store, since nobody settles an ``ack: none``,
    and the keys of those that are not stored.
    """
    handed: dict[int, list[Leased]] = {id(taker): [] for taker in takers}
    stored: list[MessageRow] = []
    freed: list[str | None] = []
    for taker, group in groupby(zip(plan.taker, rows, strict=True), itemgetter(0)):
        given = [row for _, row in group]
        if taker is None:
            stored += given
            continue
        length, acknowledge = taker.lease or target.lease, taker.acknowledge
        handed[id(taker)] += [Leased.of(row, length, acknowledge=acknowledge) for row in given]
        if acknowledge:
            stored += given
        else:
            freed += [row.key for row in given]
    for taker in takers:
        theirs = handed[id(taker)]
        theirs.sort(key=lambda message: -message.priority)
        tx.outcome.handed.append((taker, theirs))
        if theirs and taker.acknowledge:
            tx.outcome.due(theirs[0].lease_until)
    tx.outcome.event(events.DELIVERED, target.id, sum(map(len, handed.values())))
    if len(stored) < len(rows):
        tx.outcome.settled.add(target.id)
        sequence.take(tx, 0, stored=False)
    if target.full or target.keep_settled:
        _tell_handed(tx, target, plan, rows)
    return stored, freed


def _tell_handed(tx: Transaction, target: Definition, plan: _Plan, rows: list[MessageRow]) -> None:
    """For the history of what was handed over; what nobody settles has ended with that, and is kept where the queue keeps it."""
    handed = [(taker, row) for row, taker in zip(rows, plan.taker, strict=True) if taker is not None]
    for (holder, acknowledge), group in groupby(handed, lambda pair: (pair[0].holder, pair[0].acknowledge)):
        given = [row for _, row in group]
        ids = [row.id for row in given]
        if not acknowledge and kept.keeps(target):
            kept.keep_taken(tx, target, given)
        if target.full:
            history.note(tx, target, ids, What(history.LEASED, 1, holder=holder))
        if target.full and not acknowledge:
            history.note(tx, target, ids, What(history.ACKED, 1, detail=history.said(ack="none"), ends=True))


def _count(tx: Transaction, target: Definition, plan: _Plan) -> None:
    stored = [s for s, t in zip(plan.state, plan.taker, strict=True) if t is None or t.acknowledge]
    for state in (SCHEDULED, READY, BLOCKED, LEASED):
        counters.count(tx, target.id, state, stored.count(state))
    tx.outcome.event(events.PUBLISHED, target.id, len(plan.state))
    if READY in stored:
        readiness.became_ready(tx, target.id)


def _overflow(tx: Transaction, target: Definition, n: int) -> tuple[int, list[int]]:
    """How many messages must go before ``n`` fit, and the counts per state. Raises QueueFull when none may.

    Leased messages cannot go. While they leave a place, ``n`` messages fit one after the other, as they would by themselves.
    """
    counts = counters.counted(tx, target.id)
    limit = target.max_length or 0
    over = counts[SCHEDULED] + counts[READY] + counts[BLOCKED] + counts[LEASED] + n - limit
    if over > 0 and (target.overflow == "refuse" or counts[LEASED] >= limit):
        raise QueueFull(f"Queue {target.name} holds {limit} messages at most.")
    return over, counts


def _make_room(tx: Transaction, target: Definition, n: int) -> int:
    """Bury the oldest that wait until ``n`` messages fit; how many of those themselves have yet to go.

    A queue far above its limit, which was lowered, comes down to it step by step, with each publish.
    """
    over, counts = _overflow(tx, target, n)
    if over <= 0:
        return 0
    over = min(over, n + SHRINK)
    waiting = (state for state in (SCHEDULED, READY, BLOCKED) if counts[state])
    oldest = [Waiting(*row) for state in waiting for row in tx.rows(Q.oldest_in_state, target.id, state, over)]
    oldest = sorted(oldest)[:over]
    if len(oldest) < over and not tx.dialect.single_writer:
        # Some were leased, or went, while these were waited for.
        over = max(0, min(over, _overflow(tx, target, n)[0]))
        oldest = oldest[:over]
    # Of those beyond the publish's own number large ones are left to the next.
    if (kept := max(n, fitting(message.weight for message in oldest))) < len(oldest):
        oldest, over = oldest[:kept], kept
    _bury_all(tx, target, [message.ending() for message in oldest])
    return max(0, min(n, over - len(oldest)))


def _bury_all(tx: Transaction, target: Definition, endings: list[Ending]) -> None:
    """The heads of keys last: a blocked message would follow its head to ready before its own turn comes."""
    for ending in sorted(endings, key=lambda ending: ending.held_key is not None):
        dead_letters.bury(tx, target, ending, OVERFLOW)
