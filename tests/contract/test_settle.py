"""Settle: the lease fences, failures count, and a message ends in exactly one way."""

from __future__ import annotations

from typing import Any

import pytest

from brokerweb.core import clock
from brokerweb.core.errors import NotFound
from brokerweb.queues import control, duties, engine, leasing
from brokerweb.queues.filters import ALL
from brokerweb.queues.messages import Leased, Settle, Settled
from brokerweb.queues.models import Failure, Message, Queue
from tests.contract.store import Orders, Store, behind_its_back

HOSTILE = [
    "", "-", "--", "1-1", "1-1-1-1", "-1-1-1", "a-b-c", "1-1-x", " 1-1-1", "1-1-1 ", "1-1-1\n", "01-1-1", "1_0-1-1", "+1-1-1",
    "1-1-\u0661", "1.0-1-1", "0-0-0", "1-1-0", f"1-1-{2**63}", f"1-{2**63}-1", f"{2**63}-1-1", f"1-1-{10**30}",
    "9" * 5000 + "-1-1", "\x00", "\ud800",
]  # fmt: skip


def test_an_ack_is_final(orders: Orders):
    id = orders.one()
    held = orders.take()
    assert orders.ack(held) == ["ok"]
    assert orders.store.state(id) == "gone"
    assert orders.ack(held) == ["lease_lost"]
    assert orders.lease() == []


@pytest.mark.parametrize("receipt", HOSTILE, ids=range(len(HOSTILE)))
def test_a_text_that_is_no_receipt_of_a_lease_is_lease_lost(orders: Orders, receipt: str):
    orders.one()
    orders.lease()
    for kind in ("ack", "nack", "extend"):
        [answer] = orders.store.do(engine.settle, [Settle(kind, receipt)])
        assert answer == Settled(receipt, "lease_lost")
    assert orders.counts() == {"leased": 1}


@pytest.mark.parametrize("receipt", [*HOSTILE, "{q}-{a},{b}-1", "{q}-{a},-1", "{q}-,-1", "{q}-{a}-2", "{q}-0{a}-1"])
@pytest.mark.parametrize("place", [0, 3, 6])
def test_one_bad_receipt_among_many_good_acks_costs_the_others_nothing(orders: Orders, receipt: str, place: int):
    orders.publish(*range(8))
    held = orders.lease(8)
    bad = receipt.format(q=orders.row.pk, a=held[6].id, b=held[7].id)
    receipts = [m.receipt or "" for m in held[:6]]
    receipts.insert(place, bad)
    answers = orders.store.do(engine.settle, [Settle("ack", receipt) for receipt in receipts])
    assert answers == [Settled(receipt, "lease_lost" if receipt == bad else "ok") for receipt in receipts]
    assert orders.counts() == {"leased": 2}


@pytest.mark.parametrize("place", [0, 3, 5])
def test_a_lease_that_is_over_among_many_good_acks_costs_the_others_nothing(orders: Orders, place: int):
    orders.publish(*range(6))
    held = orders.lease(6)
    assert orders.ack(held[place]) == ["ok"]
    assert orders.ack(*held) == ["lease_lost" if i == place else "ok" for i in range(6)]
    assert orders.counts() == {}


def test_acks_of_second_hand_outs_forget_the_failures(orders: Orders):
    orders.publish(*range(5))
    for message in orders.lease(5):
        orders.store.do(engine.settle, [Settle("nack", message.receipt or "", delay=0)])
    again = orders.lease(5)
    assert orders.ack(*again) == ["ok"] * 5
    assert orders.counts() == {}
    assert not Failure.objects.exists()


def test_each_receipt_is_answered_by_itself_in_order(orders: Orders):
    orders.publish(*range(6))
    a, b, c, d, e, f = orders.lease(6)
    kinds = [("ack", a), ("ack", a), ("nack", b), ("ack", c), ("dead", d), ("release", e), ("ack", b), ("extend", f), ("ack", f)]
    settles = [Settle(kind, m.receipt or "") for kind, m in kinds]  # type: ignore[arg-type]  # kinds as texts
    answers = orders.store.do(engine.settle, settles)
    assert [x.receipt for x in answers] == [m.receipt for _, m in kinds]
    assert [x.status for x in answers] == ["ok", "lease_lost", "ok", "ok", "ok", "ok", "lease_lost", "ok", "ok"]
    assert answers[7].lease_until == orders.store.time.now() + clock.seconds(30)
    assert orders.counts() == {"scheduled": 1, "dead": 1, "ready": 1}


def test_receipts_of_several_queues_may_be_settled_together(store: Store):
    queues = [store.queue(name) for name in ("a", "b")]
    held = []
    for queue in queues * 2:
        queue.one()
        held.append(queue.take())
    assert queues[0].ack(*held) == ["ok"] * 4
    assert [queue.counts() for queue in queues] == [{}, {}]


def test_a_settlement_of_one_queue_takes_no_receipt_of_another(store: Store):
    a, b = store.queue("a"), store.queue("b")
    b.one()
    foreign = b.take()
    [answer] = store.do(engine.settle, [Settle("ack", foreign.receipt or "")], queue="a")
    assert answer.status == "lease_lost"
    with pytest.raises(NotFound):
        store.do(engine.settle, [], queue="nowhere")
    assert (a.counts(), b.counts()) == ({}, {"leased": 1})


def test_who_may_not_consume_a_queue_may_not_settle_there(orders: Orders):
    orders.publish(1, 2)
    held = [m.receipt or "" for m in orders.lease(2)]
    asked: list[str] = []

    def may(kind: str, name: str) -> bool:
        asked.append(f"{kind}:{name}")
        return False

    answers = orders.store.do(engine.settle, [Settle("ack", held[0]), Settle("nack", held[1])], may=may)
    assert [a.status for a in answers] == ["lease_lost"] * 2
    assert set(asked) == {"queue:orders"}
    assert orders.counts() == {"leased": 2}


def test_acks_of_several_callers_are_settled_together_or_each_by_itself(orders: Orders):
    orders.publish(*range(12))
    held = [m.receipt or "" for m in orders.lease(12)]
    asked = [engine.Settlement([Settle("ack", receipt) for receipt in held[n : n + 3]]) for n in (0, 3)]
    assert [[a.status for a in answer] for answer in orders.store.do(engine.settle_each, asked)] == [["ok"] * 3] * 2

    def forbidden(kind: str, name: str) -> bool:
        return False

    def of(*places: int, **how: Any) -> engine.Settlement:
        return engine.Settlement([Settle("ack", held[n]) for n in places], **how)

    answers = orders.store.do(engine.settle_each, [of(6, 7), of(8, 9, may=forbidden)])
    assert [[a.status for a in answer] for answer in answers] == [["ok"] * 2, ["lease_lost"] * 2]
    *answers, nowhere = orders.store.do(engine.settle_each, [of(10, queue="orders"), of(0, 11), of(11, queue="nowhere")])
    assert [[a.status for a in answer] for answer in answers] == [["ok"], ["lease_lost", "ok"]]
    assert isinstance(nowhere, NotFound)
    assert orders.counts() == {"leased": 2}


@pytest.mark.parametrize("keyed", [False, True])
def test_an_old_receipt_never_fits_a_new_lease(store: Store, keyed: bool):
    orders = store.queue(keyed=keyed)
    orders.one(key="k")
    old: list[Leased] = []
    for _ in range(3):
        held = orders.take()
        for kind in ("ack", "nack", "release", "dead", "extend", "lose"):
            assert orders.settle(kind, *old) == ["lease_lost"] * len(old)
        orders.settle("release", held)
        old.append(held)
    assert len({m.receipt for m in old}) == 3
    assert orders.counts() == {"ready": 1}


def test_attempts_count_every_hand_out_and_never_go_down(orders: Orders):
    id = orders.one()
    orders.settle("release", orders.take())
    orders.nack(orders.take(), delay=0)
    orders.settle("dead", orders.take())
    orders.store.do(control.requeue, "orders", id)
    again = orders.take()
    assert (again.attempts, again.failures) == (4, 0)


# Nack


def test_a_nack_waits_by_the_queues_backoff(orders: Orders):
    orders.one()
    for failures, wait in ((1, 1), (2, 2), (3, 4)):
        held = orders.take()
        assert orders.nack(held) == ["ok"]
        due = orders.store.time.now() + clock.seconds(wait)
        assert orders.store.message(held.id).due_at == clock.to_datetime(due)
        assert orders.store.message(held.id).failures == failures
        assert orders.store.outcome.due_at == due
        orders.store.pass_time(wait)


@pytest.mark.parametrize(("initial", "seconds"), [(0, 0), (1, 3600)])
def test_the_backoff_holds_for_any_number_of_failures(store: Store, initial: float, seconds: float):
    orders = store.queue(max_failures=None, backoff={"initial": initial, "factor": 2, "jitter": 0})
    id = orders.one()
    Message.objects.using(store.alias).filter(pk=id).update(failures=5_000)
    orders.nack(orders.take())
    assert orders.store.message(id).due_at == clock.to_datetime(store.time.now() + clock.seconds(seconds))


def test_a_nack_waits_as_long_as_it_says(orders: Orders):
    orders.one()
    orders.nack(orders.take(), delay=90)
    orders.store.pass_time(89)
    assert orders.lease() == []
    orders.store.pass_time(1)
    assert orders.take().failures == 1


def test_a_nack_without_wait_is_ready_at_once_in_its_old_place(orders: Orders):
    ids = orders.publish(1, 2)
    orders.nack(orders.take(), delay=0)
    assert orders.store.outcome.ready == {orders.row.pk}
    assert orders.drain() == ids


def test_a_nacked_message_keeps_its_place_after_the_backoff(orders: Orders):
    ids = orders.publish(1, 2)
    orders.nack(orders.take())
    orders.store.pass_time(1)
    assert orders.drain() == ids


def test_the_last_failure_makes_it_dead_with_the_last_error(store: Store):
    orders = store.queue(max_failures=2)
    id = orders.one()
    orders.nack(orders.take(), delay=0, error="first")
    orders.nack(orders.take(), delay=0, error="second")
    message = store.message(id)
    assert (store.state(id), message.reason, message.last_error, message.failures) == ("dead", "max_failures", "second", 2)
    assert store.outcome.counts["dead", orders.row.pk] == 1


def unlimited(store: Store) -> Orders:
    orders = store.queue()
    Queue.objects.using(store.alias).update(max_failures=None)
    return orders


def test_without_max_failures_there_is_no_last_failure(store: Store):
    orders = unlimited(store)
    orders.one()
    for _ in range(30):
        orders.nack(orders.take(), delay=0)
    assert orders.counts() == {"ready": 1}


def test_releases_cost_no_failure(store: Store):
    orders = store.queue(max_failures=1)
    ids = orders.publish(1, 2)
    for _ in range(3):
        assert orders.settle("release", orders.take()) == ["ok"]
    assert store.outcome.ready == {orders.row.pk}
    assert orders.failures(ids[0]) == []
    assert orders.drain() == ids


def test_expired_leases_and_lost_consumers_are_failures_too(store: Store):
    orders = store.queue(max_failures=3)
    id = orders.one()
    orders.lease()
    store.pass_time(30)
    store.pass_time(2)
    orders.settle("lose", *orders.lease(holder="ws:node/1/a"))
    orders.nack(orders.take(), error="bad")
    assert store.state(id) == "dead"
    assert [f[1] for f in orders.failures(id)] == ["lease_expired", "consumer_lost", "nacked"]


def test_a_rejected_message_is_dead_at_once(orders: Orders):
    id = orders.one()
    orders.settle("dead", *orders.lease(holder="picky"), error="nonsense")
    message = orders.store.message(id)
    assert (orders.store.state(id), message.reason, message.last_error) == ("dead", "rejected", "nonsense")
    assert orders.failures(id) == [(1, "rejected", "picky", "nonsense")]
    assert message.due_at == clock.to_datetime(orders.store.time.now())


# Failures


def test_failures_are_recorded_with_attempt_consumer_error_and_time(orders: Orders):
    id = orders.one()
    orders.nack(*orders.lease(holder="a"), delay=0, error="one")
    orders.settle("release", *orders.lease(holder="b"))
    orders.nack(*orders.lease(holder="c"), delay=0)
    assert orders.failures(id) == [(1, "nacked", "a", "one"), (3, "nacked", "c", None)]


def test_failures_go_with_their_message(orders: Orders):
    acked, deleted = orders.publish(1, 2)
    orders.nack(*orders.lease(2), delay=0)
    orders.ack(orders.take())
    orders.store.do(control.delete_message, "orders", deleted)
    assert orders.failures(acked) == orders.failures(deleted) == []


def test_only_the_newest_failures_of_a_message_are_kept(store: Store):
    orders = unlimited(store)
    id = orders.one()
    for n in range(105):
        orders.nack(orders.take(), delay=0, error=str(n))
    kept = orders.failures(id)
    assert [error for *_, error in kept] == [str(n) for n in range(5, 105)]


def test_a_message_that_is_redriven_again_and_again_keeps_no_more_failures_than_another(orders: Orders):
    id = orders.one()
    for n in range(105):
        orders.settle("dead", orders.take(), error=str(n))
        orders.store.do(control.redrive, "orders", ALL)
    assert [error for *_, error in orders.failures(id)] == [str(n) for n in range(5, 105)]


def test_hand_outs_that_do_not_fail_push_out_no_failure(store: Store):
    orders = unlimited(store)
    id = orders.one()
    orders.nack(orders.take(), delay=0, error="first")
    for _ in range(105):
        orders.settle("release", orders.take())
    orders.nack(orders.take(), delay=0, error="last")
    assert [error for *_, error in orders.failures(id)] == ["first", "last"]


# Poison


def test_a_message_whose_consumer_was_lost_is_ready_at_once_and_goes_alone(orders: Orders):
    ids = orders.publish(1, 2, 3)
    assert orders.settle("lose", *orders.lease(2)) == ["ok", "ok"]
    for id in ids[:2]:
        [alone] = orders.lease(10)
        assert (alone.id, alone.failures, alone.alone) == (id, 1, True)
        orders.ack(alone)
    assert [m.id for m in orders.lease(10)] == ids[2:]


def test_an_ordinary_message_is_not_followed_by_one_that_goes_alone(orders: Orders):
    poison, *rest = orders.publish(1, 2, 3)
    orders.settle("lose", orders.take())
    orders.one(priority=9)
    assert len(orders.lease(10)) == 1
    assert [m.id for m in orders.lease(10)] == [poison]
    assert [m.id for m in orders.lease(10)] == rest


def test_a_round_passes_over_what_goes_alone_and_says_so(orders: Orders):
    poison, *rest = orders.publish(1, 2, 3)
    orders.settle("lose", orders.take())
    wants = [leasing.Want(5, engine.Terms("a")), leasing.Want(5, engine.Terms("b"))]
    parts, left = orders.store.do(leasing.lease_round, orders.row.pk, wants)
    assert sorted(m.id for part in parts for m in part) == rest
    assert (left.alone, left.more) == (True, False)
    alone = orders.store.do(engine.lease_alone, orders.row.pk, engine.Terms("a"))
    assert [m.id for m in alone.messages] == [poison]
    assert orders.store.do(engine.lease_alone, orders.row.pk, engine.Terms("a")).messages == []


def test_what_goes_alone_is_found_behind_others_and_in_its_order(orders: Orders):
    last, first = orders.publish(1, 2)
    late = orders.one(ttl=5, priority=9)
    orders.settle("lose", *orders.lease(3))
    behind_its_back(orders.store.alias, f"UPDATE brokerweb_queues_message SET priority = 8 WHERE id = {first}")
    orders.publish(3, 4, priority=9)
    orders.store.time.advance(6)
    found = [orders.store.do(engine.lease_alone, orders.row.pk, engine.Terms("a")).messages for _ in range(3)]
    assert [[m.id for m in messages] for messages in found] == [[first], [last], []]
    assert orders.store.state(late) == "ready"


def test_a_released_message_still_goes_alone(orders: Orders):
    orders.publish(1, 2)
    orders.settle("lose", orders.take())
    orders.settle("release", orders.take())
    assert len(orders.lease(10)) == 1


def test_another_kind_of_failure_ends_going_alone(orders: Orders):
    orders.publish(1, 2)
    orders.settle("lose", orders.take())
    orders.nack(orders.take(), delay=0)
    assert len(orders.lease(10)) == 2


def test_a_poison_message_has_exactly_max_failures_attempts(store: Store):
    orders = store.queue(max_failures=4)
    poison, bystander = orders.publish(1, 2)
    attempts = 0
    for _ in range(10):
        leased = orders.lease(10)
        attempts += poison in [m.id for m in leased]
        orders.settle("lose", *(m for m in leased if m.id == poison or attempts == 1))
    assert attempts == 4
    message = store.message(poison)
    assert (message.reason, message.attempts, message.last_error) == ("max_failures", 4, "consumer lost")
    assert store.message(bystander).failures == 1


# Hand-out


@pytest.mark.parametrize("paused", [False, True])
def test_who_asks_a_queue_in_vain_uses_it_all_the_same(orders: Orders, paused: bool):
    if paused:
        orders.store.do(control.pause, "orders", reason="", by="me")
    assert orders.lease() == []
    assert orders.row.pk in {queue_id for _, queue_id in orders.store.outcome.counts}


def test_what_is_leased_is_handed_to_nobody_else(orders: Orders):
    first, second = orders.publish(1, 2)
    assert orders.take().id == first
    assert [m.id for m in orders.lease(2, holder="another")] == [second]
    assert orders.lease(2) == []


def test_a_lease_hands_out_no_more_than_asked_for(orders: Orders):
    orders.publish(*range(5))
    handout = orders.store.do(leasing.lease, "orders", 3, engine.Terms("w"))
    assert (len(handout.messages), handout.more) == (3, True)
    handout = orders.store.do(leasing.lease, "orders", 3, engine.Terms("w"))
    assert (len(handout.messages), handout.more) == (2, False)


def test_an_answer_carries_half_a_mebibyte_of_bodies_and_one_larger_message_goes_alone(store: Store):
    orders = store.queue(max_body_bytes=1024 * 1024)
    for size in (600, 300, 200, 100):
        orders.one("x" * 1024 * size)
    assert [[len(m.body) // 1024 for m in orders.lease(10)] for _ in range(3)] == [[600], [300, 200], [100]]


def test_a_round_is_fair(orders: Orders):
    orders.publish(*range(10))
    wants = [
        leasing.Want(10, engine.Terms("busy"), 6),
        leasing.Want(10, engine.Terms("idle"), 0),
        leasing.Want(1, engine.Terms("small"), 0),
    ]
    parts, left = orders.store.do(leasing.lease_round, orders.row.pk, wants)
    assert [len(part) for part in parts] == [2, 7, 1]
    assert not left.more
    assert {orders.store.message(m.id).holder for m in parts[0]} == {"busy"}


def test_without_acknowledgement_a_message_is_gone_in_the_hand_out(orders: Orders):
    orders.publish(1, 2)
    out = orders.lease(2, acknowledge=False)
    assert [m.receipt for m in out] == [None, None]
    assert orders.counts() == {}
    assert orders.store.outcome.counts["delivered", orders.row.pk] == 2


def test_failures_are_gone_when_a_retried_message_is_taken_without_acknowledgement(orders: Orders):
    id = orders.one()
    orders.nack(orders.take(), delay=0)
    orders.lease(acknowledge=False)
    assert orders.failures(id) == []


# The start of the only node


def test_what_the_last_runs_sockets_held_is_released(orders: Orders):
    by_socket, by_rest = orders.publish(1, 2)
    orders.lease(holder="ws:node-1/abc/1")
    orders.lease(holder="rest:token:1")
    assert orders.store.do(duties.release_sockets) == 1
    assert orders.store.states([by_socket, by_rest]) == ["ready", "leased"]
    assert orders.failures(by_socket) == []


def test_of_these_leases_some_are_over(orders: Orders):
    orders.publish(1, 2, 3)
    a, b, c = orders.lease(3)
    orders.ack(a)
    receipts = [m.receipt for m in (a, b, c)]
    assert orders.store.do(duties.ended_of, [*receipts, "nonsense"]) == [a.receipt, "nonsense"]
