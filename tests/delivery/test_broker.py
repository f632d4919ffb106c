"""The whole broker on a loop: clock, committer, delivery and duties, started and stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any
from unittest import mock

import pytest

from brokerweb import broker as module
from brokerweb import cluster_duties, node_duties
from brokerweb.broker import Broker
from brokerweb.cluster import nodes
from brokerweb.cluster.leasing import Lease
from brokerweb.cluster.tenure import Tenure
from brokerweb.cluster_duties import ClusterDuties
from brokerweb.core import clock, events, machine
from brokerweb.core.errors import BrokerError, StoreFull, Unauthenticated
from brokerweb.delivery.groups.member import BEATS
from brokerweb.delivery.hub import Hub
from brokerweb.delivery.polls import waits
from brokerweb.faces import calls
from brokerweb.identity import tokens
from brokerweb.identity.principal import Principal
from brokerweb.queues import control, counters, duties, engine, leasing, retirement
from brokerweb.queues.messages import NewMessage
from brokerweb.queues.models import Message, Queue
from brokerweb.queues.states import State
from brokerweb.storage import run
from brokerweb.storage.committer import Committer
from brokerweb.storage.run import aperform
from brokerweb.storage.transaction import Transaction
from brokerweb.streams import control as streams
from brokerweb.streams import duties as stream_duties
from brokerweb.streams.engine import append, find
from brokerweb.streams.group_settings import SHORTEST
from brokerweb.streams.models import Member
from brokerweb.streams.records import NewRecord
from tests.delivery.readers import Worker, declare
from tests.delivery.stage import Stage, soon

pytestmark = pytest.mark.django_db(transaction=True)


def play(scene: Callable[[Stage, Broker], Coroutine[Any, Any, None]]) -> None:
    async def run_scene() -> None:
        broker = Broker()
        await broker.start()
        try:
            await asyncio.wait_for(scene(Stage(broker.hub, broker.committer), broker), 60)
        finally:
            await broker.stop()

    asyncio.run(run_scene())
    assert module.current is None
    assert run.running() is None


def test_a_start_that_ends_half_way_prolongs_no_lease_a_second_time(monkeypatch: pytest.MonkeyPatch):
    def held(tx: Transaction) -> None:
        control.declare(tx, "orders", {})
        control.declare(tx, "answers", {"expires": 60})
        engine.publish(tx, "orders", [NewMessage(b"1")])
        leasing.lease(tx, "orders", 1, engine.Terms("rest:token:1", lease=30))
        nodes.begin(tx)

    async def start() -> None:
        broker = Broker()
        await broker.start()
        await broker.stop()

    last_run = clock.Clock()
    last_run.offset -= clock.seconds(3600)
    clock.install(last_run)
    with monkeypatch.context() as another_start:  # of the machine, or it would know that no hour has passed
        another_start.setattr(machine, "boot", lambda: "before")
        run.perform(held)
    clock.install(None)
    with monkeypatch.context() as broken:
        broken.setattr(duties, "release_sockets", mock.Mock(side_effect=StoreFull))
        with pytest.raises(StoreFull):
            asyncio.run(start())
    asyncio.run(start())
    left = clock.from_datetime(Message.objects.get().due_at) - clock.now()
    assert clock.seconds(15) < left <= clock.seconds(30)
    idle_since = Queue.objects.get(name="answers").idle_since_at
    assert idle_since is not None
    assert clock.from_datetime(idle_since) > clock.now() - clock.seconds(15)  # it waits anew


def test_a_look_for_idle_queues_that_fails_forgets_no_use(monkeypatch: pytest.MonkeyPatch):
    idle = ClusterDuties(Hub(), Lease(shared=False))
    outcome, noted = events.Outcome(), idle._in_use
    outcome.asked(5)
    idle._note_use(outcome)
    with monkeypatch.context() as broken:
        broken.setattr(retirement, "idle_work", mock.Mock(side_effect=StoreFull))
        with pytest.raises(StoreFull):
            asyncio.run(idle._idle(clock.now()))
    assert idle._in_use == {5}
    asyncio.run(idle._idle(clock.now()))
    assert idle._in_use == set()
    idle._note_use(outcome)
    assert noted == {5}, "who notes a use while the duty looks notes it where the next look finds it"


def test_timers_do_their_work_when_it_is_due():
    async def scene(stage: Stage, broker: Broker) -> None:
        await stage.queue(backoff={"initial": 0.02, "factor": 1, "jitter": 0})
        client = await stage.client(lease=0.1)
        await stage.publish("delayed", delay=0.05)
        await stage.queue("other")
        await stage.publish("expires", ttl=0.05, queue="other")
        first = (await client.has(1))[0]
        await soon(lambda: any(m.attempts == 2 and m.id == first.id for m in client.got), "a lease that ran out comes back")
        assert broker.ready()["status"] == "ok"
        again = client.got[-1]
        await client.settle("nack", again)
        await soon(lambda: any(m.attempts > again.attempts and m.id == again.id for m in client.got), "a backoff that ended")
        deadline = asyncio.get_running_loop().time() + 30
        while await stage.counts("other"):
            assert asyncio.get_running_loop().time() < deadline, "a message past its ttl goes"

    play(scene)


def test_a_key_that_was_left_without_head_gets_one():
    def damage(tx: Transaction) -> None:
        queue, _ = control.declare(tx, "orders", {"keyed": True})
        first = engine.publish(tx, "orders", [NewMessage(b"1", key="a"), NewMessage(b"2", key="a")])[0]
        tx.raw.execute(f"DELETE FROM brokerweb_queues_message WHERE id = {first.id}")
        counters.count(tx, queue.pk, State.READY, -1)

    async def scene(stage: Stage, broker: Broker) -> None:
        client = await stage.client()
        assert (await client.has(1))[0].body == b"2"

    run.perform(damage)
    play(scene)


def test_a_node_with_much_housekeeping_is_seen_and_ready(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Tenure, "every", 0.01)
    turns = 0

    def never_done(tx: Any) -> int:
        nonlocal turns
        turns += 1
        return stream_duties.LIMIT

    monkeypatch.setattr(stream_duties, "retain", never_done)

    async def scene(stage: Stage, broker: Broker) -> None:
        await soon(lambda: turns, "housekeeping is under way")
        begun_at = broker.duties._alive_at
        await soon(lambda: broker.duties._alive_at > begun_at, "a heartbeat")
        assert broker.ready()["status"] == "ok"

    play(scene)


def test_members_have_not_been_silent_where_the_broker_stood_still(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(node_duties, "BEAT", 3600)

    def stood_still(tx: Transaction) -> None:
        tx.writes += 1
        Member.objects.update(seen_at=tx.now - clock.seconds(30))

    async def scene(stage: Stage, broker: Broker) -> None:
        await broker.cluster_duties.timers.stop()
        await declare()
        worker = await Worker.join(stage, "a")
        await aperform(stood_still)
        worker.member._beat_at = 0
        await broker.cluster_duties._timers(clock.now())
        await stage.quiet()
        assert (worker.errors, worker.numbers) == ([], {0})

    play(scene)


def test_two_beats_fit_into_the_shortest_session_even_if_one_is_lost():
    assert 2 * (SHORTEST / BEATS + node_duties.BEAT) < SHORTEST


def test_no_housekeeping_waits_for_the_end_of_another(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cluster_duties, "HOUSEKEEPING", 0.05)
    monkeypatch.setattr(stream_duties, "compact", lambda tx: stream_duties.LIMIT)

    async def scene(stage: Stage, broker: Broker) -> None:
        await aperform(streams.declare, "events", {"retention_records": 1})
        for n in range(1, 4):
            await aperform(append, "events", [NewRecord(b"1")] * 2)
            deadline = asyncio.get_running_loop().time() + 30
            while (await aperform(find, "events")).partitions[0].low < 2 * n - 1:
                assert asyncio.get_running_loop().time() < deadline, "retention has its turn"

    play(scene)


def test_a_restart_gives_sockets_leases_back_and_lets_the_others_run_on():
    async def before(stage: Stage, broker: Broker) -> None:
        await stage.queue()
        await stage.publish(1, 2)
        await aperform(leasing.lease, "orders", 1, engine.Terms("ws:node-1/c/1"))
        await aperform(leasing.lease, "orders", 1, engine.Terms("rest:token:1"))

    async def after(stage: Stage, broker: Broker) -> None:
        assert await stage.counts() == {"ready": 1, "leased": 1}

    play(before)
    play(after)


def test_the_clock_never_starts_before_the_newest_stored_instant(monkeypatch: pytest.MonkeyPatch):
    async def publish(stage: Stage, broker: Broker) -> None:
        await stage.queue()
        await stage.publish(1)

    instants: list[int] = []

    async def look(stage: Stage, broker: Broker) -> None:
        instants.append(clock.now())

    play(publish)
    stored = clock.wall()
    monkeypatch.setattr(clock, "wall", lambda: stored - 7200 * clock.SECOND)
    play(look)
    assert instants[0] > stored - 60 * clock.SECOND


def test_a_start_that_cannot_read_the_store_fails_and_leaves_nothing_running(monkeypatch: pytest.MonkeyPatch):
    def fail(self: Committer) -> None:
        raise OSError("unable to open database file")

    monkeypatch.setattr(Committer, "_prepare", fail)

    async def scene() -> None:
        await asyncio.wait_for(Broker().start(), 30)

    with pytest.raises(BrokerError):
        asyncio.run(scene())
    assert run.running() is None


@pytest.mark.parametrize("waits_for", ["messages", "records"])
@pytest.mark.parametrize("how", ["revoked", "revoked elsewhere", "expired"])
def test_a_long_poll_ends_with_its_callers_rights(how: str, waits_for: str, monkeypatch: pytest.MonkeyPatch):
    gone: list[str] = []

    async def still_valid(principals: list[Principal]) -> list[bool]:
        return [principal.owner not in gone for principal in principals]

    async def scene(stage: Stage, broker: Broker) -> None:
        await stage.queue()
        await aperform(streams.declare, "log", {})
        now = clock.now()
        ada = Principal("ada", "token:7", expires_at=now + clock.seconds(0.2) if how == "expired" else None)
        if waits_for == "messages":
            poll = asyncio.ensure_future(calls.queues.receive(calls.Call(ada, ("orders",), b'{"wait":20}')))
        else:
            poll = asyncio.ensure_future(calls.streams.read(calls.Call(ada, ("log",), query="wait=20")))
        await soon(waits.live)
        if how == "revoked":
            broker.duties._revoked("token:7")
        elif how == "revoked elsewhere":
            gone.append("token:7")
            await broker.duties._tokens(now)
        with pytest.raises(Unauthenticated):
            await asyncio.wait_for(poll, 15)
        assert (waits.live(), stage.hub.book.queues()) == ([], set())
        await stage.publish(1)
        assert await stage.counts() == {"ready": 1}

    monkeypatch.setattr(tokens, "astill_valid_all", still_valid)
    play(scene)


def test_draining_answers_long_polls_and_stopping_twice_is_harmless():
    async def scene(stage: Stage, broker: Broker) -> None:
        await stage.queue()
        poll = stage.poll()
        await stage.waits()
        await broker.drain()
        assert (await poll).messages == []
        await broker.stop()
        await broker.stop()

    play(scene)
