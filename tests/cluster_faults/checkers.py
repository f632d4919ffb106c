"""What holds where several nodes serve: the promises of one. What goes by one process's order is said so that it holds here.

Ids come from a sequence that all nodes share: a message with a lower id may be committed later. What a publisher was told before
another message was made goes first all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tests.crash import checkers as alone
from tests.crash.history import OK, Delivery, History

Complaints = Iterator[str]


def what_was_confirmed_first_comes_first(history: History) -> Complaints:
    """C5: on one connection, no message is first delivered after one that was made when it had been confirmed already."""
    newest: dict[tuple[str, str], tuple[float, str]] = {}
    for delivery in history.deliveries:
        publish = history.publishes.get(delivery.uid)
        if publish is None or delivery.attempts > 1 or delivery.queue in history.keyed:
            continue
        lane = (delivery.connection, delivery.queue)
        made, uid = newest.get(lane, (0.0, ""))
        if publish.confirmed is not None and publish.confirmed < made:
            yield f"C5 out of order: {delivery.uid} after {uid} in {delivery.queue} on {delivery.connection}"
        newest[lane] = max((made, uid), (publish.made, delivery.uid))


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


_OF_ONE_PROCESS = (alone.first_deliveries_are_in_order, alone.keys_are_in_order, alone.instants_rise_with_ids)
CHECKERS: tuple[Callable[[History], Complaints], ...] = (
    *(checker for checker in alone.CHECKERS if checker not in _OF_ONE_PROCESS),
    what_was_confirmed_first_comes_first,
    keys_are_handed_out_one_by_one,
)


def complaints(history: History) -> list[str]:
    """Everything every checker has to say."""
    return [line for checker in CHECKERS for line in checker(history)]
