"""Jobs that index what is older, beside redactions and all else that happens to the same messages meanwhile."""

from __future__ import annotations

import random

import pytest

from brokerweb.jobs import chunks, indexing
from brokerweb.jobs.models import Job
from brokerweb.queues import control, engine, fields, leasing, redaction
from brokerweb.queues.messages import NewMessage, Settle
from brokerweb.queues.models import Message, Queue, SearchValue
from brokerweb.storage.run import perform
from brokerweb.streams import control as streams_control
from brokerweb.streams import engine as streams
from brokerweb.streams import fields as stream_fields
from brokerweb.streams import redaction as stream_redaction
from brokerweb.streams.definitions import find as find_stream
from brokerweb.streams.models import Record, StreamSearchValue
from brokerweb.streams.records import NewRecord
from tests.concurrency.test_several_writers import beside, declared, do, store
from tests.concurrency.threads import in_threads
from tests.contract.store import Store

__all__ = ["store"]

pytestmark = pytest.mark.usefixtures("on_postgres")
BODY = b'{"a":1}'


def test_what_is_redacted_while_it_is_indexed_leaves_no_value(store: Store):
    """Whoever is first: the job sees that it holds nothing, or the redaction waits and takes the value away."""
    declared(store, "orders")
    first, second = (a.id for a in perform(engine.publish, "orders", [NewMessage(BODY), NewMessage(BODY)]))
    do(control.declare, "orders", {"search": ["$.a"]})
    do(indexing.tend)
    job = Job.objects.get()
    with beside(lambda: do(chunks.run, job.pk)) as tx:
        redaction.redact(tx, "orders", first, by="ada")
    assert set(SearchValue.objects.values_list("message_id", flat=True)) == {second}
    with beside(lambda: do(redaction.redact, "orders", second, by="ada")) as tx:
        fields.index_again(tx, Queue.objects.get().pk, [first, second])
    assert not SearchValue.objects.exists()


def test_records_that_are_redacted_while_they_are_indexed_leave_no_value(store: Store):
    perform(streams_control.declare, "log", {})
    perform(streams.append, "log", [NewRecord(BODY), NewRecord(BODY)])
    do(streams_control.declare, "log", {"search": ["$.a"]})
    do(indexing.tend)
    job = Job.objects.get()
    with beside(lambda: do(chunks.run, job.pk)) as tx:
        stream_redaction.redact(tx, find_stream(tx, "log"), 0, 0, by="ada")
    assert [record & 1 for record in StreamSearchValue.objects.values_list("record_id", flat=True)] == [1]
    span = (Record.objects.order_by("pk")[0].pk, Record.objects.order_by("pk")[1].pk + 1)
    with beside(lambda: do(lambda tx: stream_redaction.redact(tx, find_stream(tx, "log"), 0, 1, by="ada"))) as tx:
        stream_fields.index_again(tx, find_stream(tx, "log").id, span, 10)
    assert not StreamSearchValue.objects.exists()


def test_an_index_is_right_however_much_is_redacted_and_moved_meanwhile(store: Store):
    declared(store, "orders"), declared(store, "other", search=["$.a"])
    ids = [a.id for _ in range(10) for a in perform(engine.publish, "orders", [NewMessage(BODY) for _ in range(20)])]
    do(control.declare, "orders", {"search": ["$.a"]})
    do(indexing.tend)
    job = Job.objects.get()
    chance = random.Random(7)
    redacted = set(chance.sample(ids, 60))

    def index() -> None:
        while not Job.objects.get(pk=job.pk).finished_at:
            do(chunks.run, job.pk)

    def redact() -> None:
        for id in redacted:
            do(redaction.redact, "orders", id, by="ada")

    def settle() -> None:
        for _ in range(10):
            leased = do(leasing.lease, "other", 5, leasing.Terms("w")).messages
            do(engine.publish, "other", [NewMessage(BODY) for _ in range(5)])
            do(engine.settle, [Settle("ack", str(message.receipt)) for message in leased])

    in_threads(index, redact, settle)
    right = set(Message.objects.values_list("pk", flat=True)) - redacted
    assert set(SearchValue.objects.values_list("message_id", flat=True)) == right
    store.check_books()
