"""A store with some of everything in it, for tests that go over all statements."""

from __future__ import annotations

from brokerweb.cluster import leasing as cluster_lease
from brokerweb.cluster import marks, nodes, sources, wall
from brokerweb.core.clock import Step
from brokerweb.handout import lease
from brokerweb.identity import attempts, clients
from brokerweb.identity.clients import Introduction
from brokerweb.identity.models import Guess
from brokerweb.jobs import control as jobs
from brokerweb.jobs import failures
from brokerweb.jobs.failures import Failed
from brokerweb.jobs.models import Job, JobItem
from brokerweb.queues import activity, control, engine, leasing, results, standing, transfers
from brokerweb.queues.filters import ALL
from brokerweb.queues.messages import NewMessage, Settle
from brokerweb.queues.models import Message, Queue
from brokerweb.queues.results import Result
from brokerweb.queues.states import State
from brokerweb.queues.transfers import Transfer
from brokerweb.routing import publishing, topics, transacting
from brokerweb.routing.messages import TopicMessage, TransactRequest
from brokerweb.samples import store as samples
from brokerweb.samples.series import QUEUES, Kind, Sample, of
from brokerweb.samples.taking import packed
from brokerweb.storage.transaction import Transaction
from brokerweb.streams import compaction, groups, membership, positions
from brokerweb.streams import control as streams
from brokerweb.streams import engine as records
from brokerweb.streams.models import Partition, Stream
from brokerweb.streams.records import NewRecord
from tests.contract.store import NO_JITTER, Store
from tests.queues.bench import Time


def furnished(time: Time) -> Store:
    """Messages in every state, streams with both kinds of groups, topics, jobs, and what was deleted."""
    store = Store(time)
    _queues(store)
    _streams(store)
    bindings = [{"pattern": "a.#", "to": "queue:orders", "headers": {"x": "y"}}, {"pattern": "a.b", "to": "queue:told"}]
    store.do(topics.declare, "news", {"bindings": bindings})
    store.do(publishing.publish, "news", [TopicMessage(NewMessage(b"1", headers='{"x":"y"}', dedup_id="d"), "a.b")])
    store.do(transacting.transact, TransactRequest(dedup_id="d"), owner="shop")
    for n in range(3):
        job = store.do(jobs.create, jobs.NewJob("purge", "queue:orders", {}), by="shop")
        if n:
            time.advance(1)
            store.do(jobs.cancel, job.pk)
    failed = Failed("queue:orders", "1", "not_found", "It is gone.")
    store.do(failures.note, job, [failed])
    Job.objects.filter(pk=job.pk).update(query="state:ready")
    Job.objects.filter(finished_at=None).update(node="shop", held_until_at=time.now() + 31_000_000)
    JobItem.objects.create(job_id=job.pk, message_id=1, queue_id=1)
    _transferred(store, job.pk)
    _nodes(store)
    orders_id = Queue.objects.get(name="orders").pk
    store.do(activity.store, {orders_id: activity.Seen(consumed_at=1, client="shop", settled_at=2)})
    for holder in ("d", "rest:token:1", "ws:node-1/c"):
        store.do(clients.note, Introduction(holder, "shop", "shop", "token:1", None, None))
    store.do(wall.note, [Step(0, 0), Step(time.now(), 7_200_000_000), Step(time.now() + 1, 0, slept=True)])
    _samples(store)
    # What no verb leaves behind, and only a duty's net would find: a key without a head, a group without one of its places.
    Message.objects.filter(key="other", holds_key=True).delete()
    Partition.objects.create(stream_id=Stream.objects.get(name="events").pk, number=3)
    return store


def _nodes(store: Store) -> None:
    """This one, which does the duties, and another with a connection that is to be closed; and somebody who guesses."""
    store.do(nodes.begin)
    store.do(nodes.begin, "here", "node-2")
    store.do(cluster_lease.renew, "node-1")
    store.do(nodes.report, "node-2", "{}")
    store.do(nodes.connect, "node-2", [("c1", 3, "{}")], [])
    store.do(nodes.close, "c1")
    store.do(guesses, {("d", ""): 10})


def _samples(store: Store) -> None:
    """Two ticks, and an hour, of a few series; and marks."""
    series = [QUEUES, *(of(kind, number) for kind in (Kind.QUEUE, Kind.STREAM) for number in (1, 2, 40))]
    for tick in (120, 121):
        store.do(samples.note, packed(tick, {each: Sample(3, dead=1, came=2) for each in series}, whole=tick == 120))
    hours = [samples.Hour(each, hour, {0: Sample(3, dead=1), 59: Sample(4)}) for each in series for hour in (1, 2)]
    store.do(samples.keep, hours, 1, 120)
    for n in range(3):
        store.do(sources.store, [("queue", n, "till"), ("topic", n, "")])
        store.do(marks.note, "note", f"deploy {n}", "queue:orders" if n else None, at=store.time.now() - n)


def guesses(tx: Transaction, limits: dict[tuple[str, str], int]) -> None:
    attempts.begin(tx, limits)
    Guess.objects.update(digest="d1")


def _transferred(store: Store, job: int) -> None:
    """A dead letter of before there were fingerprints, and one that a job has put back."""
    nameless, back = Message.objects.filter(state=State.DEAD).order_by("id")[:2]
    Message.objects.filter(pk=nameless.pk).update(fingerprint=None)
    was = store.do(standing.read, back.queue_id, back.pk)
    store.do(transfers.note, job, [Transfer(back.pk, back.queue_id, back.queue_id, 7, was)])


def _queues(store: Store) -> None:
    orders, keyed, idle = store.queue(), store.queue("keyed", keyed=True), store.queue("idle", expires=60)
    orders.publish("é", 2, 3, b"4" * 100, priority=7, headers='{"x":"é"}')
    failing = orders.take()
    orders.nack(failing, delay=5, error="bad")
    store.time.advance(6)
    store.run_duties()
    lost = store.do(leasing.lease, "orders", 3, leasing.Terms("ws:node-1/c/1")).messages[0]
    store.do(engine.settle, [Settle("lose", lost.receipt)])
    orders.publish_all([NewMessage(b"4", dedup_id="d"), NewMessage(b"5", ttl=3.5), NewMessage(b"6", delay=60, ttl=1)])
    orders.one(7, deliver_at=store.time.now() + 60_000_000, ttl=1)
    keyed.publish(1, 2, 3, key="k")
    keyed.publish(4, delay=60, key="k")
    keyed.publish(5, 6, key="other")
    keyed.lease()
    dying = store.queue("dying", max_failures=1, dead_retention=1)
    for key in ("k", None, "k"):
        dying.one(1, key=key)
        dying.nack(dying.take(), error="bad")
    told = store.queue("told", history="full", keep_settled=60)
    ids = told.publish(1, 2, 3, 4, key="k")
    told.nack(told.take(), delay=0, error="bad")
    told.ack(*told.lease(2))
    told.settle("dead", *told.lease(), error="bad")
    store.do(control.redrive, "told", ALL, to="orders")
    store.do(control.delete_message, "told", ids[3])
    for id in (ids[0], 10**9):
        store.do(results.put, Result(id, 1, "d", None, "{}"), 60)
    idle.one()
    store.do(control.pause, "idle", reason="", by="shop")
    searched = store.queue("searched", search=["$.a", "header.x", "$.c"])
    searched.publish('{"a":1}', '{"a":"x"}', headers='{"x":"é"}')
    for fields in (["$.a", "$.b"], ["$.a", "$.b", "$.d"]):
        store.do(control.declare, "searched", {"search": fields})
    store.queue("gone").publish(1, 2)
    store.do(control.delete, "gone")


def _streams(store: Store) -> None:
    store.do(streams.declare, "events", {"partitions": 3, "retention_records": 2, "compact": True})
    new = [NewRecord(b"%d" % n, key=None if n % 3 else "ké", headers='{"x":"é"}', partition=n % 2) for n in range(12)]
    new[0].dedup_id = "d"
    store.do(records.append, "events", new)
    store.do(compaction.compact, 6)
    store.do(groups.declare_group, "events", "partitioned", {"start": "earliest"})
    store.do(groups.declare_group, "events", "empty", {"start": "earliest"})
    store.do(groups.declare_group, "events", "shared", {"kind": "shared", "start": "earliest", "backoff": NO_JITTER})
    for member in ("a", "b"):
        store.do(membership.join, "events", "partitioned", member, name=member)
    store.do(positions.commit, "events", "partitioned", {0: 2}, member="a")
    store.do(positions.seek, "events", "empty", {"0": 1})
    queue = store.do(groups.find_group, "events", "shared").queue_id
    leased = store.do(lease.lease, queue, 5, leasing.Terms("w")).messages
    store.do(engine.settle, [Settle("dead", m.receipt) for m in leased[:1]])
    store.do(streams.declare, "searched", {"search": ["$.a", "$.c"]})
    store.do(records.append, "searched", [NewRecord(b'{"a":1}'), NewRecord(b'{"a":"x"}')])
    store.do(streams.declare, "searched", {"search": ["$.a", "$.b"]})
    store.do(streams.declare, "gone", {})
    store.do(records.append, "gone", [NewRecord(b"1", key="k", dedup_id="d")])
    store.do(streams.delete, "gone")
