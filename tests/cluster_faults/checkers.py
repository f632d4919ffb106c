"""What holds where several nodes serve: the promises of one. What goes by one process's order is said so that it holds here.

Ids come from a sequence that all nodes share: a message with a lower id may be committed later. What a publisher was told before
another message was made goes first all the same. Nor do instants of several transactions rise in the order of their commits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

from tests.crash import checkers as alone
from tests.crash.history import OK, Delivery, History, Settle

Complaints = Iterator[str]


def what_was_confirmed_first_comes_first(history: History) -> Complaints:
    """C5: on one connection, no message is first delivered after one that was made when it had been confirmed already.

    Where nothing failed meanwhile: a node that is about to hand a message out holds its row, others step over it, and it is late
    when that comes to nothing.
    """
    newest: dict[tuple[str, str], tuple[float, str]] = {}
    for delivery in history.deliveries:
        publish = history.publishes.get(delivery.uid)
        if publish is None or delivery.attempts > 1 or delivery.queue in history.keyed:
            continue
        lane = (delivery.connection, delivery.queue)
        made, uid = newest.get(lane, (0.0, ""))
        if publish.confirmed is not None and publish.confirmed < made and not _failed(history, publish.confirmed, delivery.at):
            yield f"C5 out of order: {delivery.uid} after {uid} in {delivery.queue} on {delivery.connection}"
        newest[lane] = max((made, uid), (publish.made, delivery.uid))


def _failed(history: History, since: float, until: float) -> bool:
    return any(start < until and since < end for start, end in history.faults)


def keys_are_handed_out_one_by_one(history: History) -> Complaints:
    """C5: within a key, nothing is handed out before all that was published earlier has ended."""
    settles = history.settles_by_receipt()
    ended: dict[tuple[str, str], dict[int, float]] = {}
    seen: dict[tuple[str, str], list[Delivery]] = {}
    for delivery in history.deliveries:
        if delivery.queue in history.keyed and delivery.key is not None:
            lane = (delivery.queue, delivery.key)
            seen.setdefault(lane, []).append(delivery)
            ends = [s.sent for s in settles.get(delivery.receipt or "", []) if s.kind in ("ack", "dead") and s.status == OK]
            if ends:
                ended.setdefault(lane, {})[int(delivery.id)] = min(ends)
    for lane, several in seen.items():
        for delivery in several:
            for id, end in ended.get(lane, {}).items():
                if id < int(delivery.id) and delivery.at < end:
                    yield f"C5 key {lane[1]} of {lane[0]}: {delivery.id} was there before {id} had ended"


def one_lease(history: History) -> Complaints:
    """C3: nobody is given a message while somebody else's lease of it runs.

    By when it came, not by when its lease says to have begun: a node that was cut off in the middle of a transaction goes on with
    the instant at which that began.
    """
    settles = history.settles_by_receipt()
    for several in history.deliveries_by_id().values():
        for before, after in pairwise(several):
            if after.attempts == before.attempts:
                yield f"C3 handed out twice as attempt {after.attempts}: {after.id} to {before.connection}, {after.connection}"
            elif before.receipt and not _ended(history, before, after, settles.get(before.receipt, [])):
                yield (
                    f"C3 two leases: {after.id} attempt {after.attempts} came to {after.connection} at {after.at:.2f} while "
                    f"attempt {before.attempts} of {before.connection} ran, since {before.at:.2f}"
                )


def _ended(history: History, before: Delivery, after: Delivery, settles: list[Settle]) -> bool:
    if history.closed.get(before.connection, after.at) < after.at:
        return True
    if any(s.kind != "extend" and s.sent < after.at and s.status != "lease_lost" for s in settles):
        return True
    ends = [before.lease_until or 0, *(s.lease_until or 0 for s in settles if s.kind == "extend" and s.status == OK)]
    return after.at + history.wall_at_zero >= max(ends) / 1_000_000


def redeliveries_are_counted(history: History) -> Complaints:
    """C10: failures never fall and stay below attempts, and a nack counts."""
    settles = history.settles_by_receipt()
    for several in history.deliveries_by_id().values():
        for delivery in several:
            if not 0 <= delivery.failures < delivery.attempts:
                yield f"C10 {delivery.id}: {delivery.failures} failures at attempt {delivery.attempts}"
        for before, after in pairwise(several):
            nacked = any(s.kind == "nack" and s.status == OK for s in settles.get(before.receipt or "", []))
            if after.failures < before.failures + nacked:
                yield f"C10 {after.id}: failures {before.failures} then {after.failures}, nacked {nacked}"


_OF_ONE_PROCESS = (
    alone.one_lease,
    alone.first_deliveries_are_in_order,
    alone.keys_are_in_order,
    alone.instants_rise_with_ids,
    alone.redeliveries_are_marked,
)
CHECKERS: tuple[Callable[[History], Complaints], ...] = (
    *(checker for checker in alone.CHECKERS if checker not in _OF_ONE_PROCESS),
    what_was_confirmed_first_comes_first,
    keys_are_handed_out_one_by_one,
    one_lease,
    redeliveries_are_counted,
)


def complaints(history: History) -> list[str]:
    """Everything every checker has to say."""
    return [line for checker in CHECKERS for line in checker(history)]
