"""Subscriptions: who gets what, how many, and how credit comes back, on a real store and loop."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest

from brokerweb.core.errors import Conflict, Unavailable
from brokerweb.delivery import connections, verbs
from brokerweb.delivery.queues import dispatcher
from brokerweb.delivery.queues.room import Taker
from brokerweb.queues import control, duties
from brokerweb.queues.engine import Terms
from brokerweb.storage.run import aperform
from tests.delivery.stage import Client, Stage, hold, play, soon, uncommitted

pytestmark = pytest.mark.django_db(transaction=True)


def credit_is_whole(*clients: Client) -> bool:
    return all(c.sub.credit == c.sub.prefetch and c.sub.unsettled == 0 and not c.sub.held for c in clients)


def test_a_waiting_subscriber_is_handed_what_is_published():
    async def scene(stage: Stage) -> None:
        await stage.queue()
        client = await stage.client(prefetch=2)
        await stage.waits()
        ids = await stage.publish("a", "b", "c")
        assert [m.id for m in await client.has(2)] == ids[:2]
        assert await stage.counts() == {"leased": 2, "ready": 1}
        assert await client.settle("ack", client.got[0]) == ["ok"]
        assert [m.id for m in await client.has(3)] == ids
        await client.ack_all()
        assert credit_is_whole(client)
        assert stage.hub.holders.by_receipt == {}

    play(scene)


def test_a_backlog_is_fetched_as_far_as_the_prefetch_goes():
    async def scene(stage: Stage) -> None:
        await stage.queue()
        await stage.publish(*range(10))
        client = await stage.client(prefetch=3)
        await client.has(3)
        await stage.quiet()
        assert client.bodies == ["0", "1", "2"]
        await client.ack_all()
        await client.has(10)
        assert client.bodies == [str(n) for n in range(10)]
        assert max(client.frames) <= 3

    play(scene)


@pytest.mark.parametrize("backlog", [True, False])
def test_subscribers_share_fairly(backlog: bool):
    async def scene(stage: Stage) -> None:
        queue = await stage.queue()
        if backlog:
            await aperform(control.pause, "orders", reason="", by="me")
            await stage.publish(*range(10))
        clients = [await stage.client(prefetch=10) for _ in range(2)]
        await stage.waits(2)
        if backlog:
            await aperform(control.resume, "orders")
        else:
            await stage.publish(*range(10))
        for client in clients:
            await client.has(5)
        assert [len(client.got) for client in clients] == [5, 5]
        assert {t.queue_id for t in stage.hub.book.of(queue)} == {queue}

    play(scene)


def test_credit_comes_back_however_a_message_is_settled_and_wherever():
    async def scene(stage: Stage) -> None:
        await stage.queue(max_failures=None)
        client = await stage.client(prefetch=5)
        await stage.waits()
        for kind in ("ack", "nack", "dead"):
            before = len(client.got)
            await stage.publish("x")
            await client.has(before + 1)
            assert await stage.settle(kind, client.got[-1], delay=60) == ["ok"]
            await soon(lambda: credit_is_whole(client))
        await stage.publish("x")
        message = (await client.has(4))[-1]
        await aperform(control.delete_message, "orders", message.id)
        await soon(lambda: credit_is_whole(client))

    play(scene)


def test_credit_never_leaks_whatever_happens():
    chance = random.Random(7)

    async def scene(stage: Stage) -> None:
        await stage.queue(max_failures=1000)
        clients = [await stage.client(prefetch=n) for n in (1, 4, 16)]
        for n in range(60):
            await stage.publish(*range(chance.randint(1, 6)), priority=chance.randint(0, 9))
            for client in clients:
                for receipt in chance.sample(list(client.sub.held), len(client.sub.held) // 2):
                    await stage.settle_receipts(
                        chance.choice(["ack", "ack", "nack", "release", "lose", "dead"]), [receipt], delay=0
                    )
            if n % 10 == 9:
                chance.choice(clients).connection.end(clean=chance.random() < 0.5)
                clients = [c for c in clients if c.sub.open] + [await stage.client(prefetch=chance.choice([1, 8]))]
        while any(c.sub.held for c in clients) or await stage.counts() != {"dead": (await stage.counts()).get("dead", 0)}:
            for client in clients:
                await client.ack_all()
        await soon(lambda: credit_is_whole(*clients))
        assert stage.hub.holders.by_receipt == {}

    play(scene)


def test_at_the_deadline_credit_comes_back_and_the_message_goes_first():
    async def scene(stage: Stage) -> None:
        await stage.queue(backoff={"initial": 0})
        await stage.publish("a", "b")
        client = await stage.client(prefetch=1, lease=0.05)
        first, again = (await client.has(2))[:2]
        assert (first.body, again.body, again.attempts, again.failures) == (b"a", b"a", 2, 1)
        assert await client.settle("ack", first) == ["lease_lost"]

    play(scene)


def test_leases_extended_in_one_commit_share_one_deadline():
    async def scene(stage: Stage) -> None:
        await stage.queue()
        await stage.publish(*range(20))
        client = await stage.client(prefetch=20)
        await client.has(20)
        said: list[int] = []
        extend = client.sub.extend

        def noted(receipts: Sequence[str], until: int) -> None:
            said.append(len(receipts))
            extend(receipts, until)

        client.sub.extend = noted  # type: ignore[method-assign]  # to note its calls
        assert await client.settle("extend", *client.got, lease=60) == ["ok"] * 20
        await soon(lambda: said)
        assert said == [20]

    play(scene)


def test_an_extended_lease_keeps_its_credit_taken_until_its_new_deadline():
    async def scene(stage: Stage) -> None:
        await stage.queue()
        await stage.publish("a", "b")
        client = await stage.client(prefetch=1, lease=1)
        await client.has(1)
        assert await client.settle("extend", client.got[0], lease=2) == ["ok"]
        held = client.got[0]
        await soon(lambda: client.sub._deadlines._extended)
        until = client.sub._deadlines._extended[str(held.receipt)]
        await client.has(2)
        assert client.got[1].lease_until - 1_000_000 >= until

    play(scene)


@pytest.mark.parametrize("release", [True, False])
def test_a_cancelled_subscription_says_when_its_messages_are_given_back(release: bool):
    async def scene(stage: Stage) -> None:
        await stage.queue()
        await stage.publish(*range(verbs.RECEIPTS_AT_ONCE + 1))
        client = await stage.client(prefetch=verbs.RECEIPTS_AT_ONCE + 1)
        held = len(await client.has(verbs.RECEIPTS_AT_ONCE + 1))
        standing, future = await hold()
        done: list[bool] = []
        client.connection.cancel("1", release=release, done=lambda: done.append(True))
        assert bool(done) is not release
        standing.go_on.set()
        await future
        await soon(lambda: done)
        assert (done, await stage.counts()) == ([True], {"ready" if release else "leased": held})

    play(scene)


@pytest.mark.parametrize("acknowledge", [True, False])
def test_a_message_on_its_way_to_a_subscription_that_is_cancelled_is_not_lost(acknowledge: bool):
    async def scene(stage: Stage) -> None:
        await stage.queue()
        client = await stage.client(acknowledge=acknowledge)
        await stage.waits()
        publishing, commit = await uncommitted(stage.publish("a"))
        client.connection.cancel("1", release=True)
        commit.set()
        await publishing
        if acknowledge:
            await stage.counts_are(ready=1)
        else:
            await client.has(1)
            assert await stage.counts() == {}

    play(scene)


def test_a_node_that_drains_hands_nothing_over():
    async def scene(stage: Stage) -> None:
        await stage.queue()
        client = await stage.client(acknowledge=False)
        await stage.waits()
        stage.hub.drain()
        await stage.publish("a")
        await stage.quiet()
        assert (client.got, await stage.counts()) == ([], {"ready": 1})

    play(scene)


def test_a_clean_end_gives_messages_back_unharmed():
    async def scene(stage: Stage) -> None:
        await stage.queue()
        first = await stage.client(prefetch=3)
        await stage.waits()
        ids = await stage.publish("a", "b", "c")
        await first.has(3)
        second = await stage.client(prefetch=3)
        first.connection.end(clean=True)
        assert [m.id for m in await second.has(3)] == ids
        assert [(m.attempts, m.failures) for m in second.got] == [(2, 0)] * 3
        await soon(lambda: all(s is second.sub for s in stage.hub.holders.by_receipt.values()))

    play(scene)


def test_cancelling_without_release_keeps_what_is_held():
    async def scene(stage: Stage) -> None:
        await stage.queue()
        client = await stage.client(prefetch=2)
        await stage.waits()
        await stage.publish("a", "b")
        await client.has(2)
        client.connection.cancel("1", release=False)
        await stage.publish("c")
        await stage.quiet()
        assert await stage.counts() == {"leased": 2, "ready": 1}
        assert await client.settle("ack", client.got[0]) == ["ok"]
        client.connection.end(clean=True)
        await stage.counts_are(ready=2)
        assert len(client.got) == 2
        await soon(lambda: stage.hub.holders.by_receipt == {})

    play(scene)


def test_cancelling_with_release_gives_them_back():
    async def scene(stage: Stage) -> None:
        await stage.queue()
        client = await stage.client()
        await stage.waits()
        await stage.publish("a", "b")
        await client.has(2)
        client.connection.cancel("1", release=True)
        await stage.counts_are(ready=2)
        assert stage.hub.queues._dispatchers == {}, "nobody is left to hand anything to"

    play(scene)


def test_messages_of_a_lost_consumer_go_out_alone():
    async def scene(stage: Stage) -> None:
        await stage.queue()
        lost = await stage.client(prefetch=2)
        await stage.waits()
        poison = await stage.publish("p1", "p2")
        await lost.has(2)
        lost.connection.end(clean=False)
        await stage.counts_are(ready=2)
        other = await stage.client(prefetch=10)
        for n in (1, 2):
            await other.has(n)
            await stage.publish(f"ordinary {n}")
            await stage.quiet()
            assert len(other.got) == n, "nothing goes beside a message that goes alone"
            assert other.got[-1].failures == 1
            await other.settle("ack", other.got[-1])
            await other.has(n + 1)
            if n == 1 and other.got[-1].body.startswith(b"ordinary"):
                await other.ack_all()
        assert {m.id for m in other.got} >= set(poison)

    play(scene)


def test_a_subscriber_that_may_have_nothing_now_is_not_waited_for_with_a_message_that_goes_alone():
    async def scene(stage: Stage) -> None:
        await stage.queue()
        slow, busy = await stage.client(), await stage.client(prefetch=2)
        slow.sub.congested = True
        slow.sub.review()
        await stage.waits(2)
        await stage.publish("a", "b", "poison")
        await busy.has(2)
        lost = await stage.client()
        await lost.has(1)
        lost.connection.end(clean=False)
        await stage.counts_are(leased=2, ready=1)
        await stage.quiet()
        await stage.publish("c", "d")
        for n in range(3):  # the first look after the loss finds the poison, and still gives what stands behind it
            await busy.settle("ack", (await busy.has(n + 1))[n])
            await stage.quiet()
        assert [message.body for message in (await busy.has(4))] == [b"a", b"b", b"c", b"poison"]

    play(scene)


def test_a_busy_subscriber_runs_dry_for_a_message_that_goes_alone():
    async def scene(stage: Stage) -> None:
        await stage.queue()
        busy = await stage.client(prefetch=5)
        await stage.waits()
        await stage.publish("a", "b")
        await busy.has(2)
        busy.sub.congested = True
        busy.sub.review()
        [poison] = await stage.publish("poison")
        lost = await stage.client(prefetch=1)
        await lost.has(1)
        lost.connection.end(clean=False)
        await stage.counts_are(leased=2, ready=1)
        busy.sub.congested = False
        busy.sub.review()
        stage.hub.queues.look()
        await stage.quiet()
        assert len(busy.got) == 2
        await busy.settle("ack", *busy.got[:1])
        await stage.quiet()
        assert len(busy.got) == 2, "it still holds another"
        await busy.settle("ack", busy.got[1])
        assert (await busy.has(3))[2].id == poison
        await stage.publish("c")
        await stage.quiet()
        assert len(busy.got) == 3
        await busy.settle("ack", busy.got[2])
        await busy.has(4)
        await busy.ack_all()
        assert credit_is_whole(busy)

    play(scene)


def test_without_acknowledgement_credit_comes_back_on_the_clients_word():
    async def scene(stage: Stage) -> None:
        await stage.queue()
        client = await stage.client(prefetch=2, acknowledge=False)
        await stage.waits()
        await stage.publish(1, 2, 3)
        await client.has(2)
        assert await stage.counts() == {"ready": 1}
        stage.hub.book.grant(client.sub, 5, 10_000)
        stage.hub.queues.look([client.sub.queue_id])
        await client.has(3)
        assert (client.sub.credit, client.sub.unsettled) == (4, 0)
        assert await stage.counts() == {}

    play(scene)


def test_whoever_does_not_read_is_sent_nothing_more():
    async def scene(stage: Stage) -> None:
        await stage.queue()
        client = await stage.client()
        await stage.waits()
        client.sub.congested = True
        client.sub.review()
        await stage.publish("a")
        await stage.quiet()
        assert (client.got, await stage.counts()) == ([], {"ready": 1})
        client.sub.congested = False
        client.sub.review()
        stage.hub.queues.look([client.sub.queue_id])
        await client.has(1)

    play(scene)


def test_a_paused_queue_hands_out_nothing_until_resumed():
    async def scene(stage: Stage) -> None:
        await stage.queue()
        client = await stage.client()
        await stage.waits()
        await aperform(control.pause, "orders", reason="", by="me")
        await stage.publish("a")
        await stage.quiet()
        assert client.got == []
        await aperform(control.resume, "orders")
        await client.has(1)

    play(scene)


def test_nothing_is_kept_of_a_stream_that_feeds_nobody_any_more():
    async def scene(stage: Stage) -> None:
        takers = [Taker(queue_id, Terms("ws:node/1/1"), 0) for queue_id in (1, 2)]
        for taker in takers:
            taker.stream_id = 9
            stage.hub.queues.join(taker)
        assert stage.hub.queues._fed == {9: {1, 2}}
        stage.hub.queues.leave(takers[0])
        assert stage.hub.queues._fed == {9: {2}}
        stage.hub.queues.leave(takers[1])
        assert stage.hub.queues._fed == {}

    play(scene)


def test_a_deleted_queue_ends_its_subscriptions():
    async def scene(stage: Stage) -> None:
        await stage.queue()
        client, full = await stage.client(), await stage.client(prefetch=1)
        await stage.waits(2)
        await stage.publish("a", "b")
        await full.has(1)
        await aperform(control.delete, "orders")
        await soon(lambda: client.ended == full.ended == ["deleted"])

    play(scene)


def test_leases_that_ended_unheard_give_their_credit_back():
    async def scene(stage: Stage) -> None:
        await stage.queue()
        client = await stage.client(prefetch=2)
        await stage.waits()
        await stage.publish("a", "b")
        await client.has(2)

        def elsewhere(tx: Any) -> None:
            tx.raw.execute("DELETE FROM brokerweb_queues_message WHERE id = ?", (client.got[0].id,))

        await aperform(elsewhere)
        ended = await aperform(duties.ended_of, list(stage.hub.holders.by_receipt))
        assert ended == [client.got[0].receipt]
        stage.hub.leases_ended(ended)
        assert (client.sub.credit, client.sub.unsettled) == (1, 1)

    play(scene)


def test_what_the_store_refuses_is_tried_again(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(dispatcher, "LOOK_RETRY", 0.01)
    monkeypatch.setattr(verbs, "VERB_RETRY", 0.01)

    async def scene(stage: Stage) -> None:
        start, refusals = stage.hub.verbs.start, [2]

        def refuse(*args: Any) -> None:
            if refusals[-1]:
                refusals[-1] -= 1
                raise Unavailable
            start(*args)

        monkeypatch.setattr(stage.hub.verbs, "start", refuse)
        await stage.queue()
        await stage.publish("a")
        client = await stage.client(prefetch=1)
        await client.has(1)
        refusals.append(2)
        client.connection.end(clean=True)
        await stage.counts_are(ready=1)
        assert refusals == [0, 0]

    play(scene)


def test_a_cancelled_subscription_counts_for_as_long_as_it_holds_something(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connections, "MAX_SUBSCRIPTIONS", 1)

    async def scene(stage: Stage) -> None:
        await stage.queue()
        client = await stage.client(prefetch=1)
        await stage.publish("a")
        await client.has(1)
        client.connection.cancel("1", release=False)
        with pytest.raises(Conflict):
            client.connection.check_free("2")
        await client.ack_all()
        await soon(lambda: not client.sub.held)
        client.connection.check_free("2")

    play(scene)
