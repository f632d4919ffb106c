"""What nodes that share a database tell each other, and which of them does the duties."""

from __future__ import annotations

import json

import pytest

from brokerweb.cluster import leasing, nodes
from brokerweb.cluster.nodes import Q
from brokerweb.core.errors import RateLimited
from brokerweb.identity import attempts
from brokerweb.identity.attempts import PER_ADDRESS, PER_NAME
from brokerweb.queues import control, duties, retirement
from brokerweb.storage.transaction import Transaction
from brokerweb.streams import control as streams
from brokerweb.streams import membership
from tests.contract.store import Orders, Store
from tests.queues.bench import Time


def there(store: Store, *names: str) -> None:
    for name in names:
        store.do(nodes.begin, "here", name)


def test_one_node_has_the_duties_until_it_asks_no_more(store: Store, time: Time):
    assert store.do(leasing.renew, "a") == ("a", 4_000_000)
    time.advance(3)
    assert store.do(leasing.renew, "b") == ("a", 1_000_000)
    assert store.do(leasing.renew, "a") == ("a", 4_000_000)
    time.advance(3.9)
    assert store.do(leasing.renew, "b").node == "a"
    time.advance(0.1)
    assert store.do(leasing.owner, time.now()) is None
    assert store.do(leasing.renew, "b").node == "b"
    assert store.do(leasing.renew, "a").node == "b", "it woke up, and has lost it"
    store.do(leasing.give_up, "a")
    assert store.do(leasing.owner, time.now()) == "b", "nobody gives up what another has"
    store.do(leasing.give_up, "b")
    assert store.do(leasing.renew, "a").node == "a"


def test_a_lease_of_a_clock_that_was_ahead_is_anybodys(store: Store, time: Time):
    time.advance(60)
    store.do(leasing.renew, "a")
    time.advance(-5)
    assert store.do(leasing.renew, "b") == ("b", 4_000_000)


def test_a_node_that_was_seen_since_is_not_gone(store: Store, time: Time):
    there(store, "a")
    [looked_at] = store.do(nodes.running)
    time.advance(1)
    store.do(nodes.see, "here", "a", "{}")
    assert not store.do(nodes.bury, looked_at)
    [looked_at] = store.do(nodes.running)
    assert store.do(nodes.bury, looked_at)
    assert store.do(nodes.running) == []
    assert store.do(nodes.see, "here", "a", "{}") is None, "whoever was taken for gone learns it"


def test_a_connection_is_closed_by_its_node_while_that_is_alive(store: Store, time: Time):
    there(store, "a", "b")
    store.do(nodes.connect, "b", [("c1", 0, '{"id":"c1"}'), ("c2", 7, '{"id":"c2"}')], [])

    def others(tx: Transaction) -> list[str]:
        return [id for id, _ in tx.rows(Q.busiest, "a", nodes.alive_since(tx.now), 10)]

    assert store.do(others) == ["c2", "c1"]
    assert store.do(nodes.close, "c1")
    assert not store.do(nodes.close, "c3")
    assert (store.do(nodes.closing, "a"), store.do(nodes.closing, "b")) == ([], ["c1"])
    store.do(nodes.connect, "b", [], ["c1"])
    assert store.do(nodes.closing, "b") == []
    time.advance(nodes.SILENT)
    assert not store.do(nodes.close, "c2"), "nobody is there who could"
    assert store.do(others) == []


def test_what_a_node_told_goes_with_it(store: Store, time: Time):
    there(store, "a", "b")
    store.do(nodes.report, "a", json.dumps({}))
    store.do(nodes.connect, "a", [("c1", 0, "{}")], [])
    time.advance(nodes.KEPT)
    store.do(nodes.see, "here", "b", "{}")
    assert store.do(nodes.forget_gone) == 1
    assert [node.name for node in store.do(nodes.running)] == ["b"]
    assert store.do(lambda tx: (tx.row(Q.report_of, "a"), tx.change(Q.disconnect, "c1"))) == (None, 0)


def test_guesses_count_until_their_window_is_over(store: Store, time: Time):
    limits = {("ada", "net"): PER_NAME, ("", "net"): PER_ADDRESS}
    for _ in range(PER_NAME):
        store.do(attempts.begin, limits)
    with pytest.raises(RateLimited):
        store.do(attempts.begin, limits)
    store.do(attempts.begin, {("eva", "net"): PER_NAME, ("", "net"): PER_ADDRESS})
    store.do(attempts.succeeded, ("ada", "net"), ("", "net"))
    store.do(attempts.begin, limits)
    time.advance(attempts.WINDOW)
    assert store.do(attempts.forget) == 3
    store.do(attempts.begin, limits)


def test_an_address_is_limited_whatever_the_names(store: Store):
    for n in range(PER_ADDRESS):
        store.do(attempts.begin, {(str(n), "net"): PER_NAME, ("", "net"): PER_ADDRESS})
    with pytest.raises(RateLimited):
        store.do(attempts.begin, {("ada", "net"): PER_NAME, ("", "net"): PER_ADDRESS})


def test_the_first_start_after_a_crash_takes_back_what_ended_with_its_nodes(store: Store, orders: Orders):
    there(store, "a")
    orders.publish(1, 2, 3)
    for holder in ("ws:a/c/1", "ws:gone/c/1", "rest:token:1"):
        orders.lease(1, holder=holder)
    assert store.do(duties.release_sockets, shared=True) == 1
    assert orders.counts()["leased"] == 2


def test_members_of_a_node_that_ended_make_room(store: Store):
    there(store, "a")
    store.do(streams.declare, "events", {"partitions": 2})
    for member in ("a/c/1", "gone/c/1"):
        store.do(membership.join, "events", "billing", member, name=member)
    assert store.do(membership.forget_gone) == 1
    joined = store.do(membership.join, "events", "billing", "a/c/1", name="a")
    assert set(joined.holds) == {0, 1}


def test_a_queue_is_idle_only_once_a_use_elsewhere_would_have_been_heard_of(store: Store, time: Time):
    queue, _ = store.do(control.declare, "answers", {"expires": 1})
    store.do(retirement.expire_idle, set(), [queue.pk], 3_000_000)
    time.advance(3.9)
    assert store.do(retirement.expire_idle, set(), [queue.pk], 3_000_000) == []
    assert store.do(retirement.expire_idle, {queue.pk}, [queue.pk], 3_000_000) == [], "somebody uses it"
    time.advance(9)
    assert store.do(retirement.expire_idle, set(), [queue.pk], 3_000_000) == [], "and it waits anew"
    time.advance(4)
    assert store.do(retirement.expire_idle, set(), [queue.pk], 3_000_000) == ["answers"]
