"""How often a message was put back is counted and told, and what killed it has a fingerprint while it is dead."""

from __future__ import annotations

from brokerweb.core.checksums import NEVER
from brokerweb.queues import control, duties, engine, fingerprints
from brokerweb.queues.filters import ALL
from brokerweb.queues.messages import NewMessage
from brokerweb.queues.models import Content
from brokerweb.queues.states import DAMAGED, EXPIRED, MAX_FAILURES, OVERFLOW, REJECTED
from tests.contract.store import Orders, Store


def stands(orders: Orders, id: int) -> tuple[int, str | None]:
    message = orders.store.message(id)
    return message.redrives, message.fingerprint


def test_each_requeue_and_redrive_counts_and_is_told_to_the_consumer(orders: Orders):
    id = orders.kill()
    cause = fingerprints.of(REJECTED, "bad")
    assert stands(orders, id) == (0, cause)
    for n in (1, 2, 3):
        if n == 2:
            assert orders.store.do(control.redrive, "orders", ALL) == 1
        else:
            orders.store.do(control.requeue, "orders", id)
        assert stands(orders, id) == (n, None)
        message = orders.take()
        assert (message.id, message.redrives) == (id, n)
        orders.settle("dead", message, error="bad")
        assert stands(orders, id) == (n, cause)


def test_a_scheduled_message_that_is_requeued_counts(orders: Orders):
    id = orders.one(delay=60)
    orders.store.do(control.requeue, "orders", id)
    assert stands(orders, id) == (1, None)


def test_a_redrive_into_another_queue_counts(store: Store, orders: Orders):
    other = store.queue("other")
    id = orders.kill()
    assert store.do(control.redrive, "orders", ALL, to="other") == 1
    assert (other.take().redrives, stands(orders, id)) == (1, (1, None))


def test_an_edited_copy_begins_anew(orders: Orders):
    copy = orders.store.do(control.replace, "orders", orders.kill(), NewMessage(b"2"), publisher=None)
    assert stands(orders, copy) == (0, None)


def test_every_way_to_die_gives_a_fingerprint(store: Store):
    orders = store.queue("orders", on_expire="dead", max_length=2, overflow="dead_letter_oldest", max_failures=2)
    failing = orders.one()
    for _ in range(2):
        orders.nack(orders.take(), delay=0, error="HTTP 500")
    assert stands(orders, failing)[1] == fingerprints.of(MAX_FAILURES, "HTTP 429")

    late = orders.one(ttl=1)
    store.pass_time(2)
    assert stands(orders, late)[1] == fingerprints.of(EXPIRED, None)

    first, _, _ = orders.publish(1, 2, 3)
    assert stands(orders, first)[1] == fingerprints.of(OVERFLOW, None)
    orders.drain()

    broken = orders.one()
    Content.objects.using(store.alias).filter(pk=broken).update(checksum=NEVER)
    assert orders.lease() == []
    assert store.message(broken).reason == DAMAGED
    assert stands(orders, broken)[1] == fingerprints.of(DAMAGED, store.message(broken).last_error)


def test_one_that_failed_before_it_expired_died_of_that_too(store: Store):
    orders = store.queue("orders", on_expire="dead")
    waiting, held = orders.publish(1, 2, ttl=10)
    orders.nack(orders.take(), delay=60, error="no answer from the bank")
    leased = orders.take()
    store.pass_time(11)
    orders.nack(leased, error="no answer from the bank")
    store.do(duties.expire_leases)
    assert store.states([waiting, held]) == ["dead", "dead"]
    assert {stands(orders, waiting)[1], stands(orders, held)[1]} == {fingerprints.of(EXPIRED, "no answer from the bank")}


def test_what_is_handed_over_or_taken_for_good_tells_it_too(orders: Orders):
    id = orders.kill()
    orders.store.do(control.requeue, "orders", id)
    [message] = orders.lease(acknowledge=False)
    assert (message.redrives, message.receipt) == (1, None)
    fresh = orders.store.do(engine.publish, "orders", [NewMessage(b"1")])[0]
    assert (orders.take().redrives, stands(orders, fresh.id)) == (0, (0, None))
