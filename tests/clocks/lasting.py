"""What lasts: each begins now, is under way for a number of seconds of the broker's clock, and is over then."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from brokerweb.core import clock
from brokerweb.jobs import bulk, chunks
from brokerweb.jobs import control as jobs
from brokerweb.queues import duties, filters, retirement
from brokerweb.queues.models import Queue
from brokerweb.routing.messages import Publish, TransactRequest
from brokerweb.routing.transacting import KEPT, transact
from brokerweb.storage.reading import read
from brokerweb.storage.run import perform
from brokerweb.streams import duties as stream_duties
from brokerweb.streams import engine as streams
from brokerweb.streams import membership
from brokerweb.streams.models import Member
from brokerweb.streams.records import NewRecord
from tests.queues.bench import Bench, states
from tests.routing.bench import bind, declare_stream, message, send
from tests.streams.group_bench import GroupBench


class Lasting(NamedTuple):
    """``runs`` says whether it is under way still, and lets the duties run."""

    seconds: float
    runs: Callable[[], bool]


def _tick() -> None:
    for duty in (duties.promote, duties.expire_leases, duties.expire_messages, duties.forget_dedup):
        perform(duty)


def _is(state: str, id: int) -> bool:
    _tick()
    return states(id) == [state]


def lease() -> Lasting:
    bench = Bench(lease=60)
    (id,) = bench.publish(1)
    bench.lease()
    return Lasting(60, lambda: _is("leased", id))


def lease_that_was_extended() -> Lasting:
    bench = Bench(lease=60)
    (id,) = bench.publish(1)
    bench.settle("extend", bench.lease(), lease=100)
    return Lasting(100, lambda: _is("leased", id))


def delay() -> Lasting:
    (id,) = Bench().publish(1, delay=100)
    return Lasting(100, lambda: _is("scheduled", id))


def backoff() -> Lasting:
    bench = Bench(backoff={"initial": 100, "jitter": 0})
    (id,) = bench.publish(1)
    bench.settle("nack", bench.lease())
    return Lasting(100, lambda: _is("scheduled", id))


def delay_of_a_nack() -> Lasting:
    bench = Bench()
    (id,) = bench.publish(1)
    bench.settle("nack", bench.lease(), delay=100)
    return Lasting(100, lambda: _is("scheduled", id))


def ttl() -> Lasting:
    (id,) = Bench().publish(1, ttl=100)
    return Lasting(100, lambda: _is("ready", id))


def dedup_window_of_a_queue() -> Lasting:
    bench = Bench(dedup_window=100)
    (id,) = bench.publish(1, dedup_id="a")

    def runs() -> bool:
        _tick()
        return bench.publish(1, dedup_id="a") == [id]

    return Lasting(100, runs)


def dedup_window_of_a_stream() -> Lasting:
    declare_stream("events", dedup_window=100)
    again = partial(perform, streams.append, "events", [NewRecord(b"1", dedup_id="a")])
    again()

    def runs() -> bool:
        perform(stream_duties.forget_dedup)
        return bool(again()[0].duplicate)

    return Lasting(100, runs)


def dedup_window_of_a_topic() -> Lasting:
    Bench("all")
    bind("shop", ("#", "queue:all"), dedup_window=100)
    again = partial(send, "shop", message(1, "a", dedup_id="a"))
    again()
    return Lasting(100, lambda: again()[0].duplicate)


def memory_of_a_transaction() -> Lasting:
    Bench("all")
    request = TransactRequest(publish=[Publish("queue:all", [message(1)])], dedup_id="a")
    again = partial(perform, transact, request, owner="token:1")
    again()
    return Lasting(KEPT, lambda: again().duplicate)


def session_of_a_member() -> Lasting:
    bench = _members(session_timeout=100)

    def runs() -> bool:
        perform(membership.expire_members)
        return Member.objects.filter(member="a").exists()

    perform(membership.beat, bench.group.id, ["a"])
    return Lasting(100, runs)


def grace_of_a_partition() -> Lasting:
    bench = _members(session_timeout=1000)
    bench.join("b")

    def runs() -> bool:
        perform(membership.pass_on_due)
        return bench.owners == ["a", "a"]

    return Lasting(membership.GRACE, runs)


def _members(**settings: Any) -> GroupBench:
    running = clock.running()
    bench = GroupBench(partitions=2, **settings)
    clock.install(running)  # it came with one that stands still
    bench.declare()
    bench.join("a")
    return bench


def idle_time_of_a_queue() -> Lasting:
    Bench("temporary", expires=100)

    def runs() -> bool:
        perform(retirement.expire_idle, set(), read(retirement.idle_work, set(), clock.now()))
        return Queue.declared.filter(name="temporary").exists()

    assert runs()
    return Lasting(100, runs)


def rate_of_a_job() -> Lasting:
    """One message in a hundred seconds."""
    bench = Bench()
    bench.publish(1, 2)
    job = perform(bulk.create_purge, bench.name, filters.for_purge(filters.ALL), rate=0.01, by="ada")
    perform(chunks.run, job.pk)

    def runs() -> bool:
        perform(chunks.run, job.pk)
        return jobs.get(job.pk).done == 1

    return Lasting(100, runs)


LASTING = [
    lease,
    lease_that_was_extended,
    delay,
    backoff,
    delay_of_a_nack,
    ttl,
    dedup_window_of_a_queue,
    dedup_window_of_a_stream,
    dedup_window_of_a_topic,
    memory_of_a_transaction,
    session_of_a_member,
    grace_of_a_partition,
    idle_time_of_a_queue,
    rate_of_a_job,
]
