"""The checkers are tested: a history that keeps every promise passes, and each break of one is found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.crash.checkers import complaints
from tests.crash.history import OK, REFUSED, Dead, Delivery, History, Publish, Settle

SECOND = 1_000_000


def _delivery(number: int, attempt: int = 1, **changes: Any) -> Delivery:
    """Message ``number`` handed out as ``attempt``, each attempt ten seconds after the one before, with a lease of two."""
    start = 100 * number + 10 * attempt
    plain = Delivery(
        id=str(number),
        uid=f"u{number}",
        queue="plain",
        key=None,
        attempts=attempt,
        failures=attempt - 1,
        receipt=f"1-{number}-{attempt}",
        intact=True,
        connection="a",
        epoch=0,
        at=start + 0.5,
        published_at=number * SECOND,
        lease_until=(start + 2) * SECOND,
        lease=2.0,
    )
    return replace(plain, **changes)


def _settle(number: int, attempt: int = 1, kind: str = "ack", **changes: Any) -> Settle:
    at = 100 * number + 10 * attempt + 1
    return replace(Settle(kind, f"1-{number}-{attempt}", at, at + 0.1, OK), **changes)


def _history() -> History:
    """Message 1 acked; 2 expired, then acked; 3 nacked to death; 4 unknown and never seen; 5 refused."""
    history = History()
    history.max_failures = {"plain": 2}
    for number in range(1, 6):
        history.publishing(Publish(f"u{number}", "plain", None, f"d{number}"))
    for number in range(1, 4):
        history.published(history.publishes[f"u{number}"], str(number))
    history.publishes["u5"].outcome = REFUSED
    history.deliveries = [_delivery(1), _delivery(2), _delivery(2, 2), _delivery(3), _delivery(3, 2)]
    history.settles = [_settle(1), _settle(2, 2), _settle(3, kind="nack"), _settle(3, 2, kind="nack")]
    history.dead = [Dead("3", "u3", "plain", "max_failures", 2, 2)]
    return history


def test_a_history_that_keeps_every_promise_passes() -> None:
    assert complaints(_history()) == []


def _lost(history: History) -> None:
    history.published(history.publishing(Publish("u6", "plain", None, None)), "6")


def _delivered_but_never_settled(history: History) -> None:
    history.settles = history.settles[1:]


def _never_sent(history: History) -> None:
    history.deliveries.append(_delivery(9))


def _refused_yet_delivered(history: History) -> None:
    history.deliveries.append(_delivery(5))


def _damaged(history: History) -> None:
    history.deliveries[0] = _delivery(1, intact=False)


def _wrong_queue(history: History) -> None:
    history.deliveries[0] = _delivery(1, queue="other")


def _two_messages_for_one_dedup_id(history: History) -> None:
    history.publishes["u1"].ids.add("7")


def _two_leases(history: History) -> None:
    history.deliveries[2] = _delivery(2, 2, lease_until=213 * SECOND, connection="b", at=211.5)


def _the_same_attempt_twice(history: History) -> None:
    history.deliveries.append(_delivery(2, 2, connection="b"))


def _late_ack_accepted(history: History) -> None:
    history.settles[0] = _settle(1, sent=112.6)


def _ack_accepted_after_a_freeze_beyond_the_lease(history: History) -> None:
    history.freezes.append((110.9, 115.0))


def _foreign_ack_accepted(history: History) -> None:
    history.settles.append(_settle(2, 1, sent=221.0))


def _settled_twice(history: History) -> None:
    history.settles.append(_settle(1))


def _acked_and_back(history: History) -> None:
    history.deliveries.append(_delivery(1, 2))


def _acked_and_dead(history: History) -> None:
    history.dead.append(Dead("1", "u1", "plain", "rejected", 1, 0))


def _out_of_order(history: History) -> None:
    history.deliveries.reverse()


def _key_out_of_order(history: History) -> None:
    history.keyed = {"plain"}
    history.deliveries = [replace(d, key="k") for d in history.deliveries]
    history.deliveries[0] = replace(history.deliveries[0], lease_until=900 * SECOND)


def _clock_went_back(history: History) -> None:
    history.deliveries[0] = _delivery(1, published_at=50 * SECOND)


def _acked_and_not_kept(history: History) -> None:
    history.keeping, history.kept = {"plain"}, ["1"]


def _kept_and_never_acked(history: History) -> None:
    history.keeping, history.kept = {"plain"}, ["1", "2", "3"]


def _kept_twice(history: History) -> None:
    history.keeping, history.kept = {"plain"}, ["1", "2", "2"]


def _dead_twice(history: History) -> None:
    history.dead *= 2


def _dead_without_a_cause(history: History) -> None:
    history.dead[0].reason = None


def _dead_too_early(history: History) -> None:
    history.dead[0].failures = 1


def _poison_alive(history: History) -> None:
    history.publishes["u1"].poison = True


def _slow(history: History) -> None:
    history.took("publish", 31)


def _unexpected_answer(history: History) -> None:
    history.complain("500 internal")


def _nack_not_counted(history: History) -> None:
    history.deliveries[4] = _delivery(3, 2, failures=0)


def _more_failures_than_attempts(history: History) -> None:
    history.deliveries[0] = _delivery(1, failures=1)


BREAKS: list[tuple[str, Callable[[History], None]]] = [
    ("C1 lost: u6", _lost),
    ("C1 lost: u1", _delivered_but_never_settled),
    ("C2 never sent: u9", _never_sent),
    ("C2 refused, yet there: u5", _refused_yet_delivered),
    ("C2 damaged", _damaged),
    ("C2 wrong queue", _wrong_queue),
    ("C2 dedup: u1", _two_messages_for_one_dedup_id),
    ("C3 two leases: 2", _two_leases),
    ("C3 handed out twice", _the_same_attempt_twice),
    ("C3 late ack accepted: 1-1-1", _late_ack_accepted),
    ("C3 late ack accepted: 1-1-1", _ack_accepted_after_a_freeze_beyond_the_lease),
    ("C3 foreign ack accepted: 1-2-1", _foreign_ack_accepted),
    ("C3 settled 2 times", _settled_twice),
    ("C4 back from the ack: 1", _acked_and_back),
    ("C4 acked and dead: 1", _acked_and_dead),
    ("C5 out of order", _out_of_order),
    ("C5 key k of plain: 1 handed out after 3", _key_out_of_order),
    ("C5 clock went back: 2", _clock_went_back),
    ("C7 listed twice: 3", _dead_twice),
    ("C7 no cause: 3", _dead_without_a_cause),
    ("C7 dead after 1 failures, not 2: 3", _dead_too_early),
    ("C7 poison not dead: u1", _poison_alive),
    ("C9 publish took 31.0 s", _slow),
    ("C9 500 internal", _unexpected_answer),
    ("C10 3: failures 0 then 0, nacked True", _nack_not_counted),
    ("C10 1: 1 failures at attempt 1", _more_failures_than_attempts),
    ("C11 acknowledged, and not kept: 2", _acked_and_not_kept),
    ("C11 kept, and never acknowledged: 3", _kept_and_never_acked),
    ("C11 kept 2 times: 2", _kept_twice),
]


@pytest.mark.parametrize(("complaint", "break_it"), BREAKS, ids=[function.__name__.strip("_") for _, function in BREAKS])
def test_each_break_of_a_promise_is_found(complaint: str, break_it: Callable[[History], None]) -> None:
    history = _history()
    break_it(history)

    assert [line for line in complaints(history) if line.startswith(complaint)], complaints(history)


def test_a_lease_may_end_by_a_release_a_closed_connection_an_outage_or_its_deadline() -> None:
    early: dict[str, Any] = {"lease_until": 213 * SECOND, "connection": "b", "at": 211.5}
    endings: list[Callable[[History], None]] = [
        lambda history: history.settles.append(_settle(2, kind="release")),
        lambda history: history.closed.update(a=211.2),
        lambda history: history.deliveries.__setitem__(2, _delivery(2, 2, epoch=1, **early)),
    ]
    for end in endings:
        history = _history()
        history.deliveries[2] = _delivery(2, 2, **early)
        end(history)

        assert [line for line in complaints(history) if line.startswith("C3 two")] == []


def test_a_confirmed_extension_moves_the_deadline() -> None:
    history = _history()
    history.settles.append(_settle(1, kind="extend", sent=111, answered=111.1, lease=5.0, lease_until=116 * SECOND))
    history.settles[0] = _settle(1, sent=115)

    assert complaints(history) == []


def test_a_late_ack_is_allowed_where_an_outage_prolonged_the_lease() -> None:
    history = _history()
    history.settles[0] = _settle(1, sent=115)
    history.outages.append(112.0)

    assert complaints(history) == []


def test_an_ack_none_hand_out_is_final() -> None:
    history = _history()
    history.at_most_once = {"plain"}
    for_nothing: dict[str, Any] = {"receipt": None, "lease_until": None, "lease": None}
    history.deliveries = [_delivery(1, **for_nothing), _delivery(1, 2, **for_nothing)]

    assert any(line.startswith("C4 back from the ack: 1") for line in complaints(history))
