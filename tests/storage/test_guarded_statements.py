"""What statements say when somebody was faster with what was read: they change nothing, and the verb is tried anew."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from brokerweb.core.errors import Unavailable
from brokerweb.handout import lease, shared_groups
from brokerweb.queues import dead_letters, engine, leasing, sequence
from brokerweb.queues import definitions as queues
from brokerweb.queues.definitions import Q
from brokerweb.queues.messages import NewMessage
from brokerweb.queues.rows import Ending
from brokerweb.queues.states import State
from brokerweb.storage.transaction import Transaction, transaction
from brokerweb.streams import control as streams
from brokerweb.streams import engine as records
from brokerweb.streams import groups, reading
from brokerweb.streams.records import NewRecord
from tests.contract.store import NO_JITTER, Store

pytestmark = pytest.mark.django_db


class Undo(Exception):
    """Nothing of the transaction is kept."""


@contextmanager
def undone() -> Iterator[Transaction]:
    with suppress(Undo), transaction() as tx:
        yield tx
        raise Undo


@pytest.fixture
def store(time: Any) -> Store:
    """A queue with messages in several states, and a stream with a shared group."""
    store = Store(time)
    orders = store.queue("orders")
    orders.publish(1, 2, 3, 4, 5, 6, 7)
    orders.kill(8)
    store.do(streams.declare, "events", {"retention_records": 1, "compact": True})
    store.do(records.append, "events", [NewRecord(b"1", key="k"), NewRecord(b"2", key="k")])
    store.do(groups.declare_group, "events", "shared", {"kind": "shared", "start": "earliest", "backoff": NO_JITTER})
    return store


def by_id(tx: Transaction, name: str) -> queues.Definition:
    return queues.find(tx, name)


WORKER = leasing.Terms("w")


def shared_queue(tx: Transaction) -> int:
    found = groups.find_group(tx, "events", "shared").queue_id
    assert found is not None
    return found


def meanwhile(tx: Transaction, sql: str) -> None:
    assert tx.raw.execute(sql).rowcount


def test_many_acks_are_all_or_none(store: Store):
    leased = store.do(leasing.lease, "orders", 5, WORKER).messages
    ids = f"[{','.join(str(m.id) for m in leased)}]"
    with undone() as tx:
        meanwhile(tx, f"UPDATE brokerweb_queues_message SET attempts = 2 WHERE id = {leased[3].id}")
        assert tx.change(Q.ack_all, ids, 5, leased[0].queue_id, 1, tx.now) == 0
        assert tx.change(Q.ack_all, ids.replace(f",{leased[3].id}", ""), 4, leased[0].queue_id, 1, tx.now) == 4


@pytest.mark.parametrize("terms", [WORKER, leasing.Terms("w", acknowledge=False)], ids=["leased", "taken"])
def test_a_lease_of_what_somebody_else_has_taken_is_no_lease(store: Store, terms: Any, monkeypatch: pytest.MonkeyPatch):
    ready = leasing._ready

    def taken_meanwhile(tx: Transaction, *args: Any) -> Any:
        for message in ready(tx, *args):
            meanwhile(tx, f"UPDATE brokerweb_queues_message SET state = 3 WHERE id = {message.id}")
            yield message

    monkeypatch.setattr(leasing, "_ready", taken_meanwhile)
    with pytest.raises(Unavailable):
        store.do(leasing.lease, "orders", 1, terms)


def test_a_dedup_id_that_somebody_else_has_used_meanwhile_stores_nothing(store: Store, monkeypatch: pytest.MonkeyPatch):
    take = sequence.take

    def remembered_meanwhile(tx: Transaction, *args: Any, **kwargs: Any) -> Any:
        queue = by_id(tx, "orders")
        tx.change_many(Q.remember, [(queue.id, "d", 1, tx.now + 1, tx.now)])
        return take(tx, *args, **kwargs)

    monkeypatch.setattr(sequence, "take", remembered_meanwhile)
    with pytest.raises(Unavailable):
        store.do(engine.publish, "orders", [NewMessage(b"1", dedup_id="d")])


def test_what_is_no_longer_as_it_was_read_neither_dies_nor_expires(store: Store):
    leased = store.do(leasing.lease, "orders", 1, WORKER).messages[0]
    with transaction() as tx:
        queue = by_id(tx, "orders")
        was_ready = Ending(leased.id, State.READY, 0)
        assert not dead_letters.bury(tx, queue, was_ready, "overflow")
        dead_letters.expire(tx, queue, was_ready)
        assert tx.outcome.counts == {}
    assert store.state(leased.id) == "leased"


def test_a_record_is_taken_from_the_stream_by_one(store: Store, monkeypatch: pytest.MonkeyPatch):
    read = reading.read

    def taken_meanwhile(tx: Transaction, *args: Any) -> Any:
        meanwhile(tx, "UPDATE brokerweb_streams_grouppartition SET committed = committed + 1")
        return read(tx, *args)

    monkeypatch.setattr(reading, "read", taken_meanwhile)
    with transaction() as tx:
        queue = shared_queue(tx)
    with pytest.raises(Unavailable):
        store.do(lease.lease, queue, 1, WORKER)


def test_an_unfinished_record_is_removed_once(store: Store):
    with transaction() as tx:
        queue = shared_queue(tx)
    [leased] = store.do(lease.lease, queue, 1, WORKER).messages
    assert store.do(shared_groups.remove_unfinished, queue, [leased.id, leased.id]) == 1
