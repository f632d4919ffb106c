"""What a commit frees is filled in it: one commit a cycle, and credit comes back once."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from brokerweb.core import events
from brokerweb.delivery.queues import refilling
from brokerweb.delivery.queues.room import Taker
from brokerweb.handout import lease
from brokerweb.queues import control, engine
from brokerweb.queues.messages import Leased, NewMessage, Settle
from brokerweb.storage import run
from brokerweb.storage.run import aperform
from brokerweb.streams import control as streams
from brokerweb.streams import engine as records
from brokerweb.streams import groups
from brokerweb.streams.records import NewRecord
from tests.delivery.stage import Client, Stage, hold, play, soon

pytestmark = pytest.mark.django_db(transaction=True)


def whole(*clients: Client) -> bool:
    return all(c.sub.credit == c.sub.prefetch and c.sub.unsettled == 0 and not c.sub.held for c in clients)


def hand_in(verb: Any, *args: Any) -> None:
    run.start(verb, args, {}, done=lambda call: None)


def acks(*receipts: Any) -> list[Settle]:
    return [Settle("ack", str(receipt)) for receipt in receipts]


@pytest.mark.parametrize("kind", ["ack", "release", "nack", "dead"])
def test_whatever_settles_a_window_has_the_next_in_the_same_commit(kind: str):
    async def scene(stage: Stage) -> None:
        await stage.queue()
        await stage.publish(*range(9))
        client = await stage.client(prefetch=3)
        await client.has(3)
        await stage.quiet()
        calls = stage.committer.calls
        await client.settle(kind, *client.got, **({"delay": 60} if kind == "nack" else {}))
        assert stage.committer.calls == calls + 1
        await soon(lambda: len(client.got) == 6)
        assert stage.committer.calls == calls + 1, "nobody looked"
        again = ["0", "1", "2"] if kind == "release" else ["3", "4", "5"]
        assert client.bodies[3:] == again
        assert (client.sub.credit, len(client.sub.held)) == (0, 3)

    play(scene)


def test_a_queue_where_nothing_waits_is_not_looked_at(monkeypatch: pytest.MonkeyPatch):
    async def scene(stage: Stage) -> None:
        await stage.queue()
        client = await stage.client(prefetch=3)
        await stage.waits()
        await stage.publish("a")
        await client.has(1)
        await stage.quiet()
        told: list[events.Outcome] = []
        events.listen(told.append)
        await client.settle("ack", *client.got)
        assert [outcome.rounds for outcome in told if outcome.ended] == [[]]
        await soon(lambda: whole(client))

    play(scene)


def test_everybody_is_filled_and_nobody_beyond_the_prefetch():
    async def scene(stage: Stage) -> None:
        await stage.queue()
        await stage.publish(*range(300))
        clients = [await stage.client(prefetch=n) for n in (1, 4, 7)]
        most = dict.fromkeys(range(3), 0)
        dice = random.Random(7)
        while sum(len(c.got) for c in clients) < 300 or any(c.sub.held for c in clients):
            for i, client in enumerate(clients):
                most[i] = max(most[i], len(client.sub.held))
                some = [receipt for receipt in client.sub.held if dice.random() < 0.6]
                if some:
                    hand_in(engine.settle, acks(*some))
            await asyncio.sleep(0)
            if dice.random() < 0.2:
                await aperform(engine.find, "orders")
        await stage.quiet()
        assert most == {0: 1, 1: 4, 2: 7}
        assert whole(*clients)
        assert sorted(int(body) for c in clients for body in c.bodies) == list(range(300)), "each once"

    play(scene)


def test_credit_that_came_back_by_a_deadline_is_not_given_out_twice():
    async def scene(stage: Stage) -> None:
        await stage.queue()
        await stage.publish(*range(6))
        client = await stage.client(prefetch=2)
        await client.has(2)
        held, holding = await hold()
        first = [str(m.receipt) for m in client.got]
        hand_in(engine.settle, acks(*first))
        stage.hub.holders.end(first)  # as their timer does
        assert client.sub.credit == 2
        held.go_on.set()
        await holding
        await stage.quiet()
        assert len(client.got) == 4
        assert (client.sub.credit, len(client.sub.held)) == (0, 2)

    play(scene)


def test_credit_that_is_not_needed_comes_back_once():
    async def scene(stage: Stage) -> None:
        await stage.queue()
        await stage.publish(*range(5))
        client = await stage.client(prefetch=4)
        await client.has(4)
        await stage.quiet()
        await client.settle("ack", *client.got)
        await client.has(5)
        await stage.quiet()
        assert (client.sub.credit, client.sub.unsettled) == (3, 1)
        await client.ack_all()
        assert whole(client)

    play(scene)


class Newcomer(Taker):
    """Somebody for whom no look is on its way yet."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.bodies: list[str] = []

    def accept(self, messages: list[Leased]) -> None:
        self.bodies += [message.body.decode() for message in messages]


def test_nothing_that_waits_is_overtaken_by_a_publish_of_the_same_commit(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(refilling, "MOST", 1)  # so that some is left

    async def scene(stage: Stage) -> None:
        queue_id = await stage.queue()
        await stage.publish("a", "b", "c")
        one = await stage.client(prefetch=1)
        await one.has(1)
        await stage.quiet()
        held, holding = await hold()
        hand_in(engine.settle, acks(one.got[0].receipt))
        hand_in(engine.publish, "orders", [NewMessage(b"d")])
        other = Newcomer(queue_id, engine.Terms("newcomer"), 5)
        stage.hub.book.add(other)
        held.go_on.set()
        await holding
        await soon(lambda: len(one.got) + len(other.bodies) == 4)
        assert other.bodies == sorted(other.bodies), "d came after whatever waited"
        assert sorted(one.bodies + other.bodies) == ["a", "b", "c", "d"]

    play(scene)


def test_what_is_left_is_looked_for_as_ever(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(refilling, "MOST", 2)

    async def scene(stage: Stage) -> None:
        await stage.queue()
        await stage.publish(*range(20))
        client = await stage.client(prefetch=6)
        await client.has(6)
        await client.settle("ack", *client.got)
        await client.has(12)
        await client.ack_all()
        assert client.bodies == [str(n) for n in range(20)]
        assert whole(client)

    play(scene)


def test_what_must_go_alone_is_not_forgotten():
    async def scene(stage: Stage) -> None:
        await stage.queue(max_failures=9)
        await stage.publish("poison")
        lost = await stage.client(prefetch=5)
        await lost.has(1)
        await stage.publish(*range(4))
        client = await stage.client(prefetch=2)
        lost.connection.end(clean=False)
        await stage.quiet()
        await client.ack_all()
        assert "poison" in client.bodies
        assert len(client.got) == 5
        await stage.quiet()
        assert whole(client)

    play(scene)


def test_a_queue_deleted_in_the_same_commit_ends_its_takers():
    async def scene(stage: Stage) -> None:
        await stage.queue()
        await stage.publish(*range(4))
        client = await stage.client(prefetch=2)
        await client.has(2)
        held, holding = await hold()
        hand_in(engine.settle, acks(*(m.receipt for m in client.got)))
        hand_in(control.delete, "orders")
        held.go_on.set()
        await holding
        await soon(lambda: client.ended == ["deleted"])
        assert len(client.got) == 2

    play(scene)


def test_where_it_fails_the_calls_stand_and_are_answered(monkeypatch: pytest.MonkeyPatch):
    def broken(*args: Any) -> None:
        raise ZeroDivisionError

    async def scene(stage: Stage) -> None:
        await stage.queue()
        await stage.publish(*range(4))
        client = await stage.client(prefetch=2)
        await client.has(2)
        await stage.quiet()
        monkeypatch.setattr(lease, "lease_round", broken)
        assert await client.settle("ack", *client.got) == ["ok", "ok"]
        monkeypatch.undo()
        await client.has(4)  # by a look
        await client.ack_all()
        await stage.quiet()
        assert whole(client)

    play(scene)


def test_a_lease_that_begins_and_ends_in_one_commit_holds_no_credit():
    async def scene(stage: Stage) -> None:
        await stage.queue()
        await stage.publish(*range(4))
        client = await stage.client(prefetch=2)
        await client.has(2)
        other = await stage.client(prefetch=2)
        await other.has(2)
        held, holding = await hold()
        hand_in(engine.settle, acks(*(m.receipt for m in client.got)))
        await asyncio.sleep(0)
        hand_in(engine.publish, "orders", [NewMessage(b"x")])
        hand_in(control.purge, "orders")
        held.go_on.set()
        await holding
        await stage.quiet()
        await other.ack_all()
        await client.ack_all()
        assert whole(client, other)

    play(scene)


class Walk:
    """Clients that come, go, settle in every way and lose their connection, while others publish."""

    def __init__(self, stage: Stage, seed: int, *, keyed: bool) -> None:
        self.stage, self.dice, self.keyed = stage, random.Random(seed), keyed
        self.clients: list[Client] = []
        self.published = 0
        self.over: list[str] = []  # bodies that were acknowledged or given up

    async def go(self, steps: int) -> None:
        for _ in range(steps):
            act = self.dice.choice((self.publish, self.settle, self.settle, self.settle, self.come, self.leave))
            await act()
            self.look()
        while await self.stage.counts() and set(await self.stage.counts()) != {"dead"}:
            if not self.clients:
                await self.come()
            await self.settle("ack", all_of_it=True)
            await self.stage.quiet()
            self.look()

    def look(self) -> None:
        for client in self.clients:
            assert len(client.sub.held) <= client.sub.prefetch
        held = [receipt for client in self.clients for receipt in client.sub.held]
        assert len(held) == len(set(held)), "one lease, one holder"

    async def publish(self) -> None:
        for _ in range(self.dice.randrange(1, 9)):
            key = {"key": self.dice.choice("abc")} if self.keyed else {}
            await self.stage.publish(self.published, priority=self.dice.randrange(3), **key)
            self.published += 1

    async def settle(self, kind: Any = "", *, all_of_it: bool = False) -> None:
        for client in self.clients:
            for receipt in list(client.sub.held):
                if all_of_it or self.dice.random() < 0.5:
                    how: Any = kind or self.dice.choice(("ack", "ack", "ack", "release", "nack", "dead", "lose"))
                    asked: Any = [Settle(how, receipt, delay=0 if how == "nack" else None)]
                    run.start(engine.settle, (asked,), {}, done=self.settled(client, how, receipt))
        if self.dice.random() < 0.5 or all_of_it:
            await self.stage.quiet()

    def settled(self, client: Client, how: str, receipt: str) -> Any:
        body = next(message.body.decode() for message in client.got if str(message.receipt) == receipt)

        def done(call: Any) -> None:
            assert call.error is None
            if call.result[0].status == "ok" and how in ("ack", "dead"):
                self.over.append(body)

        return done

    async def come(self) -> None:
        if len(self.clients) < 4:
            self.clients.append(await self.stage.client(prefetch=self.dice.choice((1, 3, 8))))

    async def leave(self) -> None:
        if self.clients:
            client = self.clients.pop(self.dice.randrange(len(self.clients)))
            client.connection.end(clean=self.dice.random() < 0.5)


@pytest.mark.parametrize("keyed", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_whatever_clients_do_each_message_ends_once_and_credit_is_whole(seed: int, keyed: bool):
    async def scene(stage: Stage) -> None:
        await stage.queue(keyed=keyed, max_failures=None)
        walk = Walk(stage, seed, keyed=keyed)
        await walk.go(120)
        assert sorted(map(int, walk.over)) == list(range(walk.published))
        await stage.quiet()
        assert whole(*walk.clients)
        assert stage.hub.holders.by_receipt == {}

    play(scene)


def test_a_shared_group_is_filled_from_its_stream_in_the_same_commit():
    async def scene(stage: Stage) -> None:
        await aperform(streams.declare, "events", {})
        group, _ = await aperform(groups.declare_group, "events", "workers", {"kind": "shared", "start": "earliest"})
        await aperform(records.append, "events", [NewRecord(str(n).encode()) for n in range(9)])
        definition = await aperform(engine.find_by_id, group.queue_id)
        client = Client(stage, definition, 3, engine.Terms("ws:node-1/c/1"))
        await client.has(3)
        await stage.quiet()
        calls = stage.committer.calls
        await client.settle("ack", *client.got)
        await client.has(6)
        assert stage.committer.calls == calls + 1, "nobody looked"
        await client.ack_all()
        assert client.bodies == [str(n) for n in range(9)]
        assert whole(client)

    play(scene)
