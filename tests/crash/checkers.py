"""The promises as functions of a history: each yields one line for each break it finds.

An unknown outcome (no answer before a cut) counts as neither done nor not done. The numbers are those of the fault table:
C8, the books, needs the file and is in books.py.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from itertools import pairwise

from tests.crash.history import OK, REFUSED, UNKNOWN, Delivery, History, Settle

Complaints = Iterator[str]


def nothing_is_lost(history: History) -> Complaints:
    """C1: after the drain, every confirmed message was acknowledged (or may have been) or is dead."""
    settles = history.settles_by_receipt()
    finished = {dead.uid for dead in history.dead}
    for delivery in history.deliveries:
        if any(s.kind in ("ack", "dead") and s.status in (OK, UNKNOWN) for s in settles.get(delivery.receipt or "", [])):
            finished.add(delivery.uid)
    for publish in history.publishes.values():
        if publish.outcome == OK and publish.queue not in history.at_most_once and publish.uid not in finished:
            yield f"C1 lost: {publish.uid}, confirmed as {sorted(publish.ids)} in {publish.queue}"


def nothing_from_nowhere(history: History) -> Complaints:
    """C2: what is delivered or dead was sent, was not refused, is the one message it was confirmed as, and is whole."""
    for delivery in history.deliveries:
        yield from _of_nowhere(history, delivery.uid, delivery.id, delivery.queue)
        if not delivery.intact:
            yield f"C2 damaged: message {delivery.id} ({delivery.uid})"
    for dead in history.dead:
        yield from _of_nowhere(history, dead.uid, dead.id, dead.queue)


def _of_nowhere(history: History, uid: str, id: str, queue: str) -> Complaints:
    publish = history.publishes.get(uid)
    if publish is None:
        yield f"C2 never sent: {uid} as {id}"
    elif publish.outcome == REFUSED:
        yield f"C2 refused, yet there: {uid} as {id}"
    elif publish.outcome == OK and id not in publish.ids:
        yield f"C2 stored twice: {uid} confirmed as {sorted(publish.ids)}, delivered as {id}"
    elif publish.queue != queue:
        yield f"C2 wrong queue: {uid} sent to {publish.queue}, found in {queue}"


def one_message_for_a_dedup_id(history: History) -> Complaints:
    """C2: a message published again with its dedup_id is still one message."""
    seen: dict[str, set[str]] = defaultdict(set)
    for delivery in history.deliveries:
        seen[delivery.uid].add(delivery.id)
    for uid, publish in history.publishes.items():
        ids = publish.ids | seen.get(uid, set())
        if publish.dedup_id and len(ids) > 1:
            yield f"C2 dedup: {uid} became {sorted(ids)}"


def one_lease(history: History) -> Complaints:
    """C3: a lease begins only after the one before it ended."""
    settles = history.settles_by_receipt()
    for several in history.deliveries_by_id().values():
        for before, after in pairwise(several):
            if after.attempts == before.attempts:
                yield f"C3 handed out twice as attempt {after.attempts}: {after.id} to {before.connection} and {after.connection}"
            elif before.receipt and not _ended(history, before, after, settles.get(before.receipt, [])):
                yield (
                    f"C3 two leases: {after.id} attempt {after.attempts} of {after.connection} at {after.at:.2f} began while "
                    f"attempt {before.attempts} of {before.connection} ran, since {before.at:.2f}; that ended "
                    f"{history.closed.get(before.connection)}"
                )


def _ended(history: History, before: Delivery, after: Delivery, settles: list[Settle]) -> bool:
    """Whether the lease of ``before`` may have ended when that of ``after`` began."""
    if after.epoch > before.epoch or history.closed.get(before.connection, after.at) < after.at:
        return True
    if any(s.kind != "extend" and s.sent < after.at and s.status != "lease_lost" for s in settles):
        return True
    ends = [before.lease_until or 0, *(s.lease_until or 0 for s in settles if s.kind == "extend" and s.status == OK)]
    return after.lease_from >= max(ends)


def no_settle_without_a_lease(history: History) -> Complaints:
    """C3: a receipt settles only while its lease runs, and only once.

    A start prolongs leases by the time the broker was not there, so deadlines are judged where no outage came between.
    """
    settles = history.settles_by_receipt()
    next_delivery = _next_deliveries(history)
    for delivery in history.deliveries:
        if delivery.receipt is None or delivery.lease is None:
            continue
        deadline, finals = delivery.at + delivery.lease, 0
        for settle in sorted(settles.get(delivery.receipt, []), key=lambda s: s.sent):
            lived = not any(delivery.at < outage < settle.sent for outage in history.outages)
            if settle.status == OK and lived and _processed_after(history, settle) > deadline:
                yield f"C3 late {settle.kind} accepted: {settle.receipt}"
            if settle.status == OK and settle.sent > next_delivery.get(delivery.receipt, float("inf")):
                yield f"C3 foreign {settle.kind} accepted: {settle.receipt} after the next hand-out"
            if settle.kind == "extend" and settle.status in (OK, UNKNOWN):
                deadline = max(deadline, (settle.answered or float("inf")) + (settle.lease or 0))
            finals += settle.kind != "extend" and settle.status == OK
        if finals > 1:
            yield f"C3 settled {finals} times: {delivery.receipt}"


def _next_deliveries(history: History) -> dict[str, float]:
    """For every receipt, when the same message was first seen again."""
    return {
        before.receipt: after.at
        for several in history.deliveries_by_id().values()
        for before, after in pairwise(several)
        if before.receipt is not None
    }


def _processed_after(history: History, settle: Settle) -> float:
    """The earliest moment at which the server can have seen the settle: not while it was frozen."""
    return max([settle.sent, *(end for start, end in history.freezes if start <= settle.sent < end)])


def an_ack_is_final(history: History) -> Complaints:
    """C4: a message whose ack was confirmed is never handed out again, nor dead."""
    acked = _acked(history)
    for id, several in history.deliveries_by_id().items():
        if id in acked and several[-1].attempts > acked[id]:
            yield f"C4 back from the ack: {id}, acked at attempt {acked[id]}, seen at attempt {several[-1].attempts}"
    for dead in history.dead:
        if dead.id in acked:
            yield f"C4 acked and dead: {dead.id}"


def _acked(history: History) -> dict[str, int]:
    """Messages whose ack was confirmed, and at which attempt. An ack-none hand-out is final by itself."""
    confirmed = {s.receipt for s in history.settles if s.kind == "ack" and s.status == OK}
    acked: dict[str, int] = {}
    for delivery in history.deliveries:
        if delivery.receipt in confirmed or (delivery.receipt is None and delivery.queue in history.at_most_once):
            acked[delivery.id] = min(delivery.attempts, acked.get(delivery.id, delivery.attempts))
    return acked


def first_deliveries_are_in_order(history: History) -> Complaints:
    """C5: on one connection, the first deliveries of a queue without keys go up."""
    newest: dict[tuple[str, str], int] = {}
    for delivery in history.deliveries:
        lane = (delivery.connection, delivery.queue)
        if delivery.attempts > 1 or delivery.queue in history.keyed:
            continue
        if int(delivery.id) < newest.get(lane, 0):
            yield f"C5 out of order: {delivery.id} after {newest[lane]} in {delivery.queue} on {delivery.connection}"
        newest[lane] = max(newest.get(lane, 0), int(delivery.id))


def keys_are_in_order(history: History) -> Complaints:
    """C5: within a key, hand-outs follow publish order, over all connections."""
    lanes: dict[tuple[str, str], list[Delivery]] = defaultdict(list)
    for delivery in history.deliveries:
        if delivery.queue in history.keyed and delivery.key is not None and delivery.lease_until is not None:
            lanes[delivery.queue, delivery.key].append(delivery)
    for (queue, key), several in lanes.items():
        for before, after in pairwise(sorted(several, key=lambda d: (d.lease_from, int(d.id)))):
            if int(after.id) < int(before.id):
                yield f"C5 key {key} of {queue}: {after.id} handed out after {before.id}"


def instants_rise_with_ids(history: History) -> Complaints:
    """C5: a later message of a queue was not published earlier, whatever the wall clock did."""
    by_queue: dict[str, dict[int, int]] = defaultdict(dict)
    for delivery in history.deliveries:
        by_queue[delivery.queue][int(delivery.id)] = delivery.published_at
    for queue, instants in by_queue.items():
        for (_, before), (id, after) in pairwise(sorted(instants.items())):
            if after < before:
                yield f"C5 clock went back: {id} in {queue} by {before - after} µs"


def the_dead_have_a_cause(history: History) -> Complaints:
    """C7: a dead message is listed once, with a reason, after exactly the failures its queue allows."""
    seen: set[str] = set()
    for dead in history.dead:
        limit = history.max_failures.get(dead.queue)
        if dead.id in seen:
            yield f"C7 listed twice: {dead.id}"
        if dead.reason not in ("max_failures", "rejected", "expired", "overflow"):
            yield f"C7 no cause: {dead.id} {dead.reason!r}"
        if dead.reason == "max_failures" and dead.failures != limit:
            yield f"C7 dead after {dead.failures} failures, not {limit}: {dead.id}"
        seen.add(dead.id)


def poison_ends_dead(history: History) -> Complaints:
    """C7: a message that every consumer nacks is dead at the end, and was never acknowledged."""
    dead = {d.uid for d in history.dead}
    for publish in history.publishes.values():
        if publish.poison and publish.outcome == OK and publish.uid not in dead:
            yield f"C7 poison not dead: {publish.uid}"


def what_was_acknowledged_is_kept(history: History) -> Complaints:
    """C11: where settled messages are kept, each that was acknowledged is there, once, and no other."""
    settles = history.settles_by_receipt()
    acked, perhaps = set(), set()
    for delivery in history.deliveries:
        if delivery.queue in history.keeping:
            acks = [s.status for s in settles.get(delivery.receipt or "", []) if s.kind == "ack"]
            acked |= {delivery.id} if OK in acks else set()
            perhaps |= {delivery.id} if UNKNOWN in acks else set()
    counted = Counter(history.kept)
    yield from (f"C11 acknowledged, and not kept: {id}" for id in sorted(acked - counted.keys()))
    yield from (f"C11 kept, and never acknowledged: {id}" for id in sorted(counted.keys() - acked - perhaps))
    yield from (f"C11 kept {n} times: {id}" for id, n in counted.items() if n > 1)


def answers_come(history: History) -> Complaints:
    """C9: no answer took 30 seconds, and no client got an answer that nobody should get."""
    yield from (f"C9 {text}" for text in history.slow)
    yield from (f"C9 {text}" for text in history.unexpected)


def redeliveries_are_marked(history: History) -> Complaints:
    """C10: attempts rise with every hand-out seen, failures never fall and stay below attempts, and a nack counts."""
    settles = history.settles_by_receipt()
    for several in history.deliveries_by_id().values():
        for delivery in several:
            if not 0 <= delivery.failures < delivery.attempts:
                yield f"C10 {delivery.id}: {delivery.failures} failures at attempt {delivery.attempts}"
        for before, after in pairwise(several):
            nacked = any(s.kind == "nack" and s.status == OK for s in settles.get(before.receipt or "", []))
            if after.failures < before.failures + nacked:
                yield f"C10 {after.id}: failures {before.failures} then {after.failures}, nacked {nacked}"
            if after.lease_until and before.lease_until and after.lease_from < before.lease_from:
                yield f"C10 {after.id}: attempt {after.attempts} began before attempt {before.attempts}"


CHECKERS: tuple[Callable[[History], Complaints], ...] = (
    nothing_is_lost,
    nothing_from_nowhere,
    one_message_for_a_dedup_id,
    one_lease,
    no_settle_without_a_lease,
    an_ack_is_final,
    first_deliveries_are_in_order,
    keys_are_in_order,
    instants_rise_with_ids,
    the_dead_have_a_cause,
    poison_ends_dead,
    what_was_acknowledged_is_kept,
    answers_come,
    redeliveries_are_marked,
)


def complaints(history: History) -> list[str]:
    """Everything every checker has to say."""
    return [line for checker in CHECKERS for line in checker(history)]
