"""The checkers of a cluster are tested: what two nodes may do passes, and each break is found."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.cluster_faults.checkers import complaints
from tests.crash.history import OK, Delivery, History, Publish, Settle

SECOND = 1_000_000


def _delivery(number: int, at: float, *, queue: str = "plain", connection: str = "a", attempt: int = 1) -> Delivery:
    """Message ``number``, which reached its consumer at ``at`` with a lease of ten seconds."""
    return Delivery(
        id=str(number),
        uid=f"u{number}",
        queue=queue,
        key="k" if queue == "keyed" else None,
        attempts=attempt,
        failures=attempt - 1,
        receipt=f"1-{number}-{attempt}",
        intact=True,
        connection=connection,
        epoch=0,
        at=at,
        published_at=0,
        lease_until=round((at + 10) * SECOND),
        lease=10.0,
    )


def _ack(number: int, sent: float, *, attempt: int = 1) -> Settle:
    return Settle("ack", f"1-{number}-{attempt}", sent, sent + 0.1, OK)


def _published(history: History, number: int, queue: str, made: float, confirmed: float) -> None:
    publish = history.publishing(Publish(f"u{number}", queue, None, None, made=made, confirmed=confirmed))
    publish.outcome, publish.ids = OK, {str(number)}


def _history() -> History:
    """Of two nodes: 1 and 2 were under way at once, and 2 was committed first; 3 was made then. 4, then 5 of a key."""
    history = History()
    history.wall_at_zero = 0
    history.keyed = {"keyed"}
    _published(history, 1, "plain", made=1, confirmed=5)
    _published(history, 2, "plain", made=1, confirmed=2)
    _published(history, 3, "plain", made=3, confirmed=6)
    _published(history, 4, "keyed", made=1, confirmed=2)
    _published(history, 5, "keyed", made=3, confirmed=4)
    history.deliveries = [
        _delivery(2, at=4),
        _delivery(1, at=6),
        _delivery(3, at=7),
        _delivery(4, at=5, queue="keyed"),
        _delivery(5, at=9, queue="keyed", connection="b"),
    ]
    history.settles = [_ack(2, 5), _ack(1, 7), _ack(3, 8), _ack(4, 8), _ack(5, 10)]
    return history


def test_what_two_nodes_may_do_passes() -> None:
    assert complaints(_history()) == []


def _out_of_order(history: History) -> None:
    """3 was made after 2 had been confirmed, and comes before it."""
    history.deliveries[0], history.deliveries[2] = history.deliveries[2], history.deliveries[0]


def test_what_was_held_by_a_node_that_failed_may_be_late() -> None:
    history = _history()
    _out_of_order(history)
    history.faults = [(3.5, 4.5)]
    assert complaints(history) == []


def _beside_its_key(history: History) -> None:
    """5 is there before 4 has ended."""
    history.settles[3] = _ack(4, 9.5)


def _on_two_nodes(history: History) -> None:
    """The same attempt at two consumers."""
    history.deliveries.append(_delivery(3, at=7.5, connection="b"))


def _while_it_is_held(history: History) -> None:
    """A node that woke up hands out what another holds."""
    history.settles = [settle for settle in history.settles if settle.receipt != "1-3-1"]
    history.deliveries.append(_delivery(3, at=9, connection="b", attempt=2))
    history.settles.append(_ack(3, 10, attempt=2))


def _after_its_lease(history: History) -> None:
    """A node that stood still takes an ack as if no time had passed."""
    history.settles[2] = _ack(3, 7 + 10.5)


def _back_from_the_ack(history: History) -> None:
    history.deliveries.append(_delivery(3, at=30, connection="b", attempt=2))


def _uncounted(history: History) -> None:
    """A message comes again after a nack as if that had not been."""
    history.settles[2] = Settle("nack", "1-3-1", 8, 8.1, OK)
    history.deliveries.append(_delivery(3, at=30, connection="b", attempt=2))
    history.deliveries[-1].failures = 0
    history.settles.append(_ack(3, 31, attempt=2))


def _lost(history: History) -> None:
    """A confirmed publish that no commit stored."""
    _published(history, 6, "plain", made=1, confirmed=2)


def _twice(history: History) -> None:
    """One publish is two messages: its commit was carried out, and once more on another node."""
    history.deliveries.append(_delivery(7, at=9, connection="b"))
    history.deliveries[-1].uid = "u1"
    history.settles.append(_ack(7, 10))


BREAKS: dict[str, Callable[[History], None]] = {
    "C5 out of order": _out_of_order,
    "C5 key": _beside_its_key,
    "C3 handed out twice": _on_two_nodes,
    "C3 two leases": _while_it_is_held,
    "C3 late": _after_its_lease,
    "C4 back from the ack": _back_from_the_ack,
    "C10": _uncounted,
    "C1 lost": _lost,
    "C2 stored twice": _twice,
}


@pytest.mark.parametrize("complaint", BREAKS)
def test_each_break_is_found(complaint: str) -> None:
    history = _history()
    BREAKS[complaint](history)
    assert any(line.startswith(complaint) for line in complaints(history)), complaints(history)
