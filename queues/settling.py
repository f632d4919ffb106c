"""Settle: ack, nack, release, dead, extend; and what the broker itself does with leases that end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import NamedTuple

from brokerweb.core import events
from brokerweb.core.clock import seconds
from brokerweb.core.errors import BrokerError
from brokerweb.queues import contents, counters, dead_letters, fields, history, kept, keys
from brokerweb.queues.definitions import Definition, Q, find, find_by_id, take_turn
from brokerweb.queues.history import What
from brokerweb.queues.messages import Alike, Receipt, Settle, Settled, parse_alike, parse_receipt, receipt_text
from brokerweb.queues.readiness import became_ready
from brokerweb.queues.rows import Held
from brokerweb.queues.states import CONSUMER_LOST, LEASE_EXPIRED, MAX_FAILURES, NACKED, REJECTED, State
from brokerweb.storage.transaction import Transaction

LOST = "lease_lost"
May = Callable[[str, str], bool]  # (kind, name): may the caller consume it?
TOGETHER = 4  # acks from which on one statement for all is cheaper than one for each
KEPT_FAILURES = 100  # of one message; older ones go
_MAY_ALL: May = lambda kind, name: True  # noqa: E731  # a default


def settle(tx: Transaction, settles: Sequence[Settle], *, queue: str | int | None = None, may: May = _MAY_ALL) -> list[Settled]:
    """Settle each, in order; a receipt that is not that of a running lease is ``lease_lost``, and costs the others nothing.

    With ``queue``, a name or an id, only its receipts count (raises NotFound). ``may(kind, name)``: may the caller consume it?
    """
    only = find(tx, queue).id if isinstance(queue, str) else queue
    answers: list[Settled] = []
    for is_ack, items in groupby(settles, lambda item: item.kind == "ack"):
        if is_ack:
            answers += _acks(tx, [item.receipt for item in items], only, may)
        else:
            answers += [_settle_one(tx, item, only, may) for item in items]
    return answers


class Settlement(NamedTuple):
    """What one caller settles; ``queue`` and ``may`` are those of ``settle``."""

    settles: Sequence[Settle]
    queue: str | int | None = None
    may: May = _MAY_ALL


def settle_each(tx: Transaction, settlements: Sequence[Settlement]) -> list[list[Settled] | BrokerError]:
    """Settle for several callers, in order; what each was answered, or the error that it met.

    Acks of all of them go by one statement, if each may consume the queue and every receipt is that of a running lease.
    """
    if len(settlements) > 1 and (together := _ack_together(tx, settlements)) is not None:
        return together
    return [_by_itself(tx, settlement) for settlement in settlements]


def _by_itself(tx: Transaction, asked: Settlement) -> list[Settled] | BrokerError:
    try:
        return settle(tx, asked.settles, queue=asked.queue, may=asked.may)
    except BrokerError as error:  # raised before anything of it was written
        return error


def _ack_together(tx: Transaction, settlements: Sequence[Settlement]) -> list[list[Settled] | BrokerError] | None:
    """None, and nothing is settled, unless all of it can be by one statement."""
    if any(item.kind != "ack" for asked in settlements for item in asked.settles):
        return None
    receipts = [item.receipt for asked in settlements for item in asked.settles]
    alike = parse_alike(receipts) if len(receipts) >= TOGETHER else None
    queue = None if alike is None else find_by_id(tx, alike.queue_id)
    if alike is None or queue is None or any(asked.queue not in (None, queue.id, queue.name) for asked in settlements):
        return None
    mays = {asked.may for asked in settlements}
    if not _ack_alike(tx, alike, len(receipts), None, lambda kind, name: all(may(kind, name) for may in mays)):
        return None
    tx.outcome.ended += receipts
    return [[Settled(item.receipt, "ok") for item in asked.settles] for asked in settlements]


def _acks(tx: Transaction, receipts: list[str], only: int | None, may: May) -> list[Settled]:
    """Acks in a row: with as few statements as their receipts allow."""
    alike = parse_alike(receipts) if len(receipts) >= TOGETHER else None
    if alike is not None and _ack_alike(tx, alike, len(receipts), only, may):
        tx.outcome.ended += receipts
        return [Settled(receipt, "ok") for receipt in receipts]
    answers: list[Settled] = []
    parsed = zip(receipts, map(parse_receipt, receipts), strict=True)
    for queue_id, group in groupby(parsed, lambda pair: pair[1].queue_id if pair[1] is not None else None):
        texts, run = zip(*group, strict=True)
        settled = queue_id is not None and (only is None or queue_id == only)
        removed = _ack_run(tx, run, may) if settled else [0] * len(texts)
        answers += [Settled(text, "ok" if gone else LOST) for text, gone in zip(texts, removed, strict=True)]
    return answers


def _ack_alike(tx: Transaction, alike: Alike, n: int, only: int | None, may: May) -> bool:
    """Settle them all by one statement; False, and nothing is settled, unless every one of them may be."""
    queue = _consumable(tx, alike.queue_id, may)
    if queue is None or queue.keyed or (only is not None and queue.id != only):
        return False
    keeping = kept.keeps(queue)
    if keeping and not kept.keep_all(tx, queue, alike.ids, n, alike.attempt):
        return False
    if not tx.changes(n, Q.ack_all, alike.ids, n, queue.id, alike.attempt, tx.now):
        return False
    ids = alike.numbers()
    if not keeping:
        contents.forget(tx, queue.id, ids)
        if alike.attempt > 1:  # a first lease cannot have failed before
            tx.change(Q.forget_failures_of_all, queue.id, alike.ids)
    if queue.search is not None:
        fields.forget(tx, queue.id, ids)
    if queue.full:
        history.note(tx, queue, ids, What(history.ACKED, alike.attempt, ends=True))
    _acked(tx, queue, n)
    return True


def _ack_run(tx: Transaction, run: Sequence[Receipt], may: May) -> list[int]:
    """Acks of one queue, one by one: 1 for each that was settled."""
    queue = _consumable(tx, run[0].queue_id, may)
    if queue is None:
        return [0] * len(run)
    keeping = kept.keeps(queue)
    if keeping:
        kept.keep_held(tx, queue, run)
    fences = [(r.message_id, r.queue_id, r.attempt, tx.now) for r in run]
    removed = _ack_keyed(tx, queue, fences) if queue.keyed else tx.changes_each(Q.ack, fences)
    done = [receipt for receipt, gone in zip(run, removed, strict=True) if gone]
    for receipt in done:
        tx.outcome.ended.append(str(receipt))
        if receipt.attempt > 1 and not keeping:
            tx.change(Q.forget_failures, queue.id, receipt.message_id)
    if not keeping:
        contents.forget(tx, queue.id, [receipt.message_id for receipt in done])
    if queue.search is not None:
        fields.forget(tx, queue.id, [receipt.message_id for receipt in done])
    if queue.full:
        history.note_each(tx, queue, [(r.message_id, r.attempt) for r in done], What(history.ACKED, ends=True))
    _acked(tx, queue, len(done))
    return removed


def _acked(tx: Transaction, queue: Definition, n: int) -> None:
    counters.count(tx, queue.id, State.LEASED, -n)
    tx.outcome.event(events.ACKED, queue.id, n)
    if n:
        tx.outcome.settled.add(queue.id)


def _ack_keyed(tx: Transaction, queue: Definition, fences: Sequence[tuple[int, int, int, int]]) -> list[int]:
    freed = [tx.returning(Q.ack_keyed, *fence) for fence in fences]
    keys.leave(tx, queue.id, [key for gone in freed for (key,) in gone])
    return [len(gone) for gone in freed]


def _consumable(tx: Transaction, queue_id: int, may: May) -> Definition | None:
    queue = find_by_id(tx, queue_id)
    if queue is None:
        return None
    # The queue of a shared group is nobody's but its stream's.
    allowed = may("queue", queue.name) if queue.stream is None else may("stream", queue.stream)
    if not allowed:
        return None
    return take_turn(tx, queue) if queue.keyed else queue  # the next of a key may follow


def _settle_one(tx: Transaction, item: Settle, only: int | None, may: May) -> Settled:
    receipt = parse_receipt(item.receipt)
    if receipt is None or (only is not None and receipt.queue_id != only):
        return Settled(item.receipt, LOST)
    queue = _consumable(tx, receipt.queue_id, may)
    if queue is None:
        return Settled(item.receipt, LOST)
    fence = (receipt.message_id, receipt.queue_id, receipt.attempt, tx.now)
    if item.kind == "extend":
        return _extend(tx, item, queue, fence)
    row = tx.row(Q.held, *fence)
    if row is None:
        return Settled(item.receipt, LOST)
    held = Held(*row)
    if item.kind == "nack":
        wait = None if item.delay is None else seconds(item.delay)
        fail(tx, queue, held, Failing(NACKED, item.error, wait, item.max_failures))
    elif item.kind == "lose":
        fail(tx, queue, held, Failing(CONSUMER_LOST, None, 0))
    elif item.kind == "dead":
        reject(tx, queue, held, item.error)
    else:
        release(tx, queue, held)
    return Settled(item.receipt, "ok")


def _extend(tx: Transaction, item: Settle, queue: Definition, fence: tuple[int, int, int, int]) -> Settled:
    length = seconds(item.lease if item.lease is not None else queue.lease)
    until = tx.now + length
    if not tx.change(Q.extend, *fence, until):
        return Settled(item.receipt, LOST)
    if tx.now + length > until:  # it waited for somebody who had the message in hand
        until = tx.now + length
        tx.change(Q.postpone, *fence[:3], until)
    tx.outcome.due(until)  # it may be sooner than the deadline it had
    tx.outcome.extended.append((item.receipt, until))
    if history.told(tx, queue):
        lease = item.lease if item.lease is not None else queue.lease
        history.note(tx, queue, [fence[0]], What(history.EXTENDED, fence[2], tx.by, detail=history.said(lease=lease)))
    return Settled(item.receipt, "ok", until)


class Failing(NamedTuple):
    """How a lease failed; ``wait`` is microseconds until the next, None for the queue's backoff, and so with ``max_failures``."""

    kind: str
    error: str | None
    wait: int | None
    max_failures: int | None = None


def fail(tx: Transaction, queue: Definition, held: Held, failing: Failing) -> None:
    """One failure more: back to the queue, or dead when that was the last it may have."""
    failures = held.failures + 1
    _record(tx, held, failing.kind, failing.error)
    if history.told(tx, queue):
        history.note(tx, queue, [held.id], What(failing.kind, held.attempts, tx.by, held.holder, failing.error))
    tx.outcome.event(events.FAILED, queue.id)
    if failing.kind == NACKED:  # by a consumer, who is there
        tx.outcome.settled.add(queue.id)
    error = failing.error or failing.kind.replace("_", " ")
    most = queue.max_failures if failing.max_failures is None else failing.max_failures
    if most is not None and failures >= most:
        _ended(tx, held)
        dead_letters.bury(tx, queue, held.ending(queue, failures), MAX_FAILURES, error)
        return
    wait = queue.backoff.delay(failures) if failing.wait is None else failing.wait
    _put_back(tx, queue, held, _Return(failures, wait, failing.kind == CONSUMER_LOST, error))


def reject(tx: Transaction, queue: Definition, held: Held, error: str | None) -> None:
    """The consumer says that no try will help."""
    tx.outcome.settled.add(queue.id)
    _record(tx, held, REJECTED, error)
    _ended(tx, held)
    dead_letters.bury(tx, queue, held.ending(queue, held.failures), REJECTED, error)


def release(tx: Transaction, queue: Definition, held: Held) -> None:
    """Given back unharmed: ready at once, at its old place, without a failure."""
    tx.outcome.event(events.RELEASED, queue.id)
    if history.told(tx, queue):
        history.note(tx, queue, [held.id], What(history.RELEASED, held.attempts, tx.by, held.holder))
    tx.outcome.settled.add(queue.id)
    _put_back(tx, queue, held, _Return(held.failures, 0))


class _Return(NamedTuple):
    failures: int
    wait: int
    alone: bool | None = None  # None: as it was, since its last failure is the same
    error: str | None = None


def _put_back(tx: Transaction, queue: Definition, held: Held, back: _Return) -> None:
    _ended(tx, held)
    if held.expires_at is not None and held.expires_at <= tx.now:
        dead_letters.expire(tx, queue, held.ending(queue, back.failures), back.error)
        return
    state = State.SCHEDULED if back.wait > 0 else State.READY
    due = tx.now + back.wait
    if tx.change(Q.put_back, held.id, queue.id, held.attempts, state, due, back.failures, back.alone, back.error):
        counters.moved(tx, queue.id, State.LEASED, state)
        if state is State.READY:
            became_ready(tx, queue.id)
        else:
            tx.outcome.due(due)


def _ended(tx: Transaction, held: Held) -> None:
    tx.outcome.ended.append(receipt_text(held.queue_id, held.id, held.attempts))


def _record(tx: Transaction, held: Held, kind: str, error: str | None) -> None:
    tx.change(Q.add_failure, held.queue_id, held.id, held.attempts, kind, held.holder, error, tx.wall)
    # Not by its failures, which a redrive forgets: its rows stay.
    if held.attempts > KEPT_FAILURES:
        tx.change(Q.trim_failures, held.queue_id, held.id, KEPT_FAILURES)


def lease_ran_out(tx: Transaction, queue: Definition, held: Held) -> None:
    """The deadline passed without a word: a failure, and it waits by the queue's backoff as any does."""
    fail(tx, queue, held, Failing(LEASE_EXPIRED, None, None))
