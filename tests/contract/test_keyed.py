"""Keyed queues: one message of a key at a time, in publish order, whatever happens to the head."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from brokerweb.queues import contents, control, counters, duties
from brokerweb.queues.filters import parse
from brokerweb.queues.messages import Leased
from brokerweb.queues.models import Message
from brokerweb.storage.reading import read
from brokerweb.storage.transaction import Transaction
from tests.contract.store import Orders, Store


@pytest.fixture
def keyed(store: Store) -> Orders:
    return store.queue(keyed=True, max_failures=2)


def test_only_the_head_of_a_key_is_ready(keyed: Orders):
    ids = keyed.publish(1, 2, 3, key="a")
    assert keyed.store.states(ids) == ["ready", "blocked", "blocked"]
    assert len(keyed.lease(10)) == 1


def test_keys_do_not_wait_for_each_other(keyed: Orders):
    heads = [keyed.publish(1, 2, key=key)[0] for key in "abc"]
    assert [m.id for m in keyed.lease(10)] == heads


def test_messages_without_key_are_unordered_peers(keyed: Orders):
    keyed.publish(1, 2, 3)
    assert len(keyed.lease(10)) == 3


def test_priority_never_reorders_within_a_key_but_the_heads_ranks_the_key(keyed: Orders):
    a1, a2 = keyed.one(key="a", priority=0), keyed.one(key="a", priority=9)
    b1 = keyed.one(key="b", priority=5)
    assert keyed.drain(limit=1) == [b1, a1, a2]


def test_the_order_within_a_key_is_that_of_publishing(keyed: Orders):
    ids = [keyed.one(key="a") for _ in range(3)] + keyed.publish(4, 5, key="a")
    assert keyed.drain() == ids


def ack(keyed: Orders, head: Leased) -> None:
    keyed.ack(head)


def fail_for_good(keyed: Orders, head: Leased) -> None:
    keyed.nack(head, delay=0)
    keyed.nack(keyed.take())


def run_out_for_good(keyed: Orders, head: Leased) -> None:
    keyed.nack(head, delay=0)
    keyed.lease()
    keyed.store.pass_time(30)


def lose_for_good(keyed: Orders, head: Leased) -> None:
    keyed.settle("lose", head)
    keyed.settle("lose", keyed.take())


def reject(keyed: Orders, head: Leased) -> None:
    keyed.settle("dead", head)


def delete_leased(keyed: Orders, head: Leased) -> None:
    keyed.store.do(control.delete_message, "orders", head.id)


def delete_ready(keyed: Orders, head: Leased) -> None:
    keyed.settle("release", head)
    keyed.store.do(control.delete_message, "orders", head.id)


def delete_backing_off(keyed: Orders, head: Leased) -> None:
    keyed.nack(head)
    keyed.store.do(control.delete_message, "orders", head.id)


def purge_by_id(keyed: Orders, head: Leased) -> None:
    keyed.settle("release", head)
    keyed.store.do(control.purge, "orders", parse({"ids": [str(head.id)]}))


def take_for_good(keyed: Orders, head: Leased) -> None:
    keyed.settle("release", head)
    keyed.lease(acknowledge=False)


def requeue_elsewhere(keyed: Orders, head: Leased) -> None:
    keyed.store.queue("elsewhere")
    keyed.settle("dead", head)
    keyed.store.do(control.redrive, "orders", parse({}), to="elsewhere")


ENDINGS = [
    ack, fail_for_good, run_out_for_good, lose_for_good, reject, delete_leased, delete_ready, delete_backing_off, purge_by_id,
    take_for_good, requeue_elsewhere,
]  # fmt: skip


@pytest.mark.parametrize("ending", ENDINGS, ids=lambda f: f.__name__)
def test_a_head_that_ends_frees_its_key_in_the_same_commit(keyed: Orders, ending: Callable[[Orders, Leased], None]):
    _, second, third = keyed.publish(1, 2, 3, key="a")
    ending(keyed, keyed.take())
    assert keyed.store.states([second, third]) == ["ready", "blocked"]


@pytest.mark.parametrize("on_expire", ["drop", "dead"])
@pytest.mark.parametrize("where", ["ready", "backing off"])
def test_a_head_that_expires_frees_its_key(store: Store, on_expire: str, where: str):
    keyed = store.queue(keyed=True, on_expire=on_expire)
    keyed.one(key="a", ttl=5)
    second = keyed.one(key="a")
    if where == "backing off":
        keyed.nack(keyed.take(), delay=60)
    store.pass_time(5)
    assert store.state(second) == "ready"


@pytest.mark.parametrize("on_expire", ["drop", "dead"])
def test_a_key_that_expires_as_a_whole_is_counted_once_each(store: Store, on_expire: str):
    keyed = store.queue(keyed=True, on_expire=on_expire)
    keyed.publish(1, 2, 3, key="a", ttl=5)
    last = keyed.one(key="a")
    store.time.advance(5)
    assert store.do(duties.expire_messages) == 3
    assert store.outcome.counts["expired", keyed.row.pk] == 3
    assert store.state(last) == "ready"
    assert keyed.counts() == ({"ready": 1} if on_expire == "drop" else {"ready": 1, "dead": 3})


def test_a_late_expiry_at_hand_out_frees_the_key_too(keyed: Orders):
    keyed.one(key="a", ttl=5)
    second = keyed.one(key="a")
    keyed.store.time.advance(5)
    assert keyed.lease() == []
    assert keyed.take().id == second


def nack_with_delay(keyed: Orders, head: Leased) -> None:
    keyed.nack(head, delay=60)


def back_off(keyed: Orders, head: Leased) -> None:
    keyed.nack(head)


def release(keyed: Orders, head: Leased) -> None:
    keyed.settle("release", head)


def lose(keyed: Orders, head: Leased) -> None:
    keyed.settle("lose", head)


def run_out(keyed: Orders, head: Leased) -> None:
    keyed.store.pass_time(30)


def pause(keyed: Orders, head: Leased) -> None:
    keyed.store.do(control.pause, "orders", reason="", by="me")


def delete_blocked(keyed: Orders, head: Leased) -> None:
    keyed.store.do(control.delete_message, "orders", head.id + 2)


def postpone(keyed: Orders, head: Leased) -> None:
    keyed.settle("release", head)
    keyed.store.do(control.reschedule, "orders", head.id, due_at=keyed.store.time.now() + 10**6)


@pytest.mark.parametrize(
    "event", [nack_with_delay, back_off, release, lose, run_out, pause, delete_blocked, postpone], ids=lambda f: f.__name__
)
def test_a_head_that_comes_back_keeps_its_key(keyed: Orders, event: Callable[[Orders, Leased], None]):
    first, second, _ = keyed.publish(1, 2, 3, key="a")
    event(keyed, keyed.take())
    assert keyed.store.state(second) == "blocked"
    assert keyed.store.message(first).holds_key
    keyed.store.pass_time(100)
    assert keyed.store.state(second) == "blocked"


def test_a_blocked_message_that_expires_readies_nothing(keyed: Orders):
    head = keyed.one(key="a")
    keyed.one(key="a", ttl=5)
    third = keyed.one(key="a")
    keyed.store.pass_time(5)
    assert keyed.store.states([head, third]) == ["ready", "blocked"]


def test_a_delayed_message_takes_its_place_when_it_falls_due(keyed: Orders):
    delayed = keyed.one(key="a", delay=60)
    first, second = keyed.publish(1, 2, key="a")
    assert keyed.store.states([delayed, first, second]) == ["scheduled", "ready", "blocked"]
    keyed.store.pass_time(60)
    assert keyed.store.state(delayed) == "blocked"
    third = keyed.one(key="a")
    assert keyed.drain() == [first, second, delayed, third]


def test_a_delayed_message_that_is_due_is_not_overtaken_before_the_duty_notices(keyed: Orders):
    [delayed] = keyed.publish(1, key="k", delay=5)
    keyed.store.time.advance(5)
    second = keyed.one(2, key="k")
    assert keyed.store.states([delayed, second]) == ["ready", "blocked"]
    keyed.store.run_duties()
    assert keyed.drain() == [delayed, second]


def test_a_delayed_message_that_falls_due_on_a_free_key_is_its_head(keyed: Orders):
    ids = keyed.publish(1, 2, key="a", delay=60)
    keyed.store.pass_time(60)
    assert keyed.store.states(ids) == ["ready", "blocked"]
    assert keyed.drain() == ids


def test_a_requeued_message_joins_the_end_of_its_key(keyed: Orders):
    dead, second, third = keyed.publish(1, 2, 3, key="a")
    keyed.settle("dead", keyed.take())
    keyed.store.do(control.requeue, "orders", dead)
    assert keyed.store.states([dead, second, third]) == ["blocked", "ready", "blocked"]
    assert keyed.drain() == [second, third, dead]


def test_messages_redriven_into_a_keyed_queue_are_ordered_there(store: Store):
    keyed, plain = store.queue("keyed", keyed=True), store.queue("plain")
    moved = [plain.kill(n, key="a") for n in range(3)]
    there = keyed.one(key="a")
    store.do(control.redrive, "plain", parse({}), to="keyed")
    assert store.states([there, *moved]) == ["ready", "blocked", "blocked", "blocked"]
    assert keyed.drain() == [there, *moved]


def test_without_acknowledgement_a_key_still_goes_one_at_a_time(keyed: Orders):
    ids = keyed.publish(1, 2, 3, key="a")
    assert [[m.id for m in keyed.lease(10, acknowledge=False)] for _ in range(3)] == [[id] for id in ids]


def test_the_sweep_finds_a_key_that_was_left_without_head(keyed: Orders):
    _, second, _ = keyed.publish(1, 2, 3, key="a")
    orphan = keyed.store.message(keyed.take().id)

    def damage(tx: Transaction) -> None:
        tx.raw.execute(f"DELETE FROM brokerweb_queues_message WHERE id = {orphan.pk}")
        contents.forget(tx, orphan.queue_id, [orphan.pk])
        counters.count(tx, orphan.queue_id, orphan.state, -1)

    with pytest.raises(AssertionError, match="has a head"):
        keyed.store.do(damage)
    found = read(duties.orphaned_keys, using=keyed.store.alias)
    assert found == [(orphan.queue_id, "a")]
    keyed.store.do(duties.ready_orphans, found * 2)
    assert keyed.store.state(second) == "ready"
    assert read(duties.orphaned_keys, using=keyed.store.alias) == []


def test_the_sweep_leaves_a_queue_alone_that_is_being_removed(keyed: Orders):
    keyed.publish(1, 2, key="a")
    keyed.store.do(control.delete, keyed.name)
    Message.objects.using(keyed.store.alias).filter(holds_key=True).update(holds_key=False)
    assert read(duties.orphaned_keys, using=keyed.store.alias) == []


def test_in_an_ordinary_queue_a_key_is_only_a_label(orders: Orders):
    orders.publish(1, 2, 3, key="a")
    assert len(orders.lease(10)) == 3
