"""What another process commits: a hint says where to look, and without one a look finds it all the same."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connection, transaction

from brokerweb.core import clock, events
from brokerweb.delivery.news import PAGES, news
from brokerweb.delivery.queues import reconciling
from brokerweb.queues import control, duties, engine
from brokerweb.queues.messages import NewMessage, Settle
from brokerweb.storage.dialects import dialect_of
from brokerweb.storage.run import aperform
from brokerweb.storage.statements import Statement
from brokerweb.storage.transaction import Transaction
from brokerweb.streams import control as streams
from brokerweb.streams import engine as stream_engine
from brokerweb.streams import groups, membership
from brokerweb.streams.records import NewRecord
from brokerweb.wakeups.hints import Hint, decoded
from tests.delivery.readers import Reader, Worker, append, declare
from tests.delivery.stage import Stage, play, soon

pytestmark = pytest.mark.django_db(transaction=True)
Notice = Callable[[Stage, Hint], Awaitable[None]]


@sync_to_async
def elsewhere(verb: Callable[..., Any], *args: Any, **options: Any) -> Hint:
    """As another process would: a commit that nobody here is told of, and the hint that comes of it."""
    with transaction.atomic():
        connection.ensure_connection()
        tx = Transaction(connection.connection, dialect_of(connection))
        verb(tx, *args, **options)
        tx.flush()
    hint = Hint("elsewhere")
    hint.add(tx.outcome)
    heard = decoded(hint.encoded())
    assert heard == hint
    return heard


async def by_hint(stage: Stage, hint: Hint) -> None:
    assert not hint.all
    stage.hub.look(hint)


async def by_being_told_to_look_everywhere(stage: Stage, hint: Hint) -> None:
    stage.hub.look(Hint(all=True))


async def by_looking(stage: Stage, hint: Hint) -> None:
    await stage.hub.look_up()


notices = pytest.mark.parametrize("notice", [by_hint, by_being_told_to_look_everywhere, by_looking])
hints = pytest.mark.parametrize("notice", [by_hint, by_being_told_to_look_everywhere])


@notices
def test_a_published_message_comes(notice: Notice):
    async def scene(stage: Stage) -> None:
        await stage.queue()
        await stage.queue("other")
        client, other = await stage.client(), await stage.client(queue="other")
        poll = stage.poll()
        await stage.waits(3)
        await notice(stage, await elsewhere(engine.publish, "orders", [NewMessage(b"1"), NewMessage(b"2")]))
        await soon(lambda: len(client.got) + (len(poll.result().messages) if poll.done() else 0) == 2, "both")
        assert other.got == []
        await notice(stage, await elsewhere(engine.publish, "orders", [NewMessage(b"3")]))
        await soon(lambda: b"3" in [m.body for m in client.got], "the next")

    play(scene)


@notices
def test_one_that_came_while_there_was_no_room_comes_with_the_room(notice: Notice):
    async def scene(stage: Stage) -> None:
        await stage.queue()
        client = await stage.client(prefetch=1)
        await stage.waits()
        await stage.publish("held")
        await client.has(1)
        await notice(stage, await elsewhere(engine.publish, "orders", [NewMessage(b"next")]))
        await stage.quiet()
        assert client.bodies == ["held"]
        await client.settle("ack", client.got[0])
        await client.has(2)

    play(scene)


@notices
def test_a_queue_that_is_deleted_ends_those_who_wait(notice: Notice):
    async def scene(stage: Stage) -> None:
        await stage.queue()
        client = await stage.client()
        await stage.waits()
        await notice(stage, await elsewhere(control.delete, "orders"))
        await soon(lambda: client.ended == ["deleted"], "the end")

    play(scene)


@notices
def test_a_queue_that_goes_on_is_handed_out(notice: Notice):
    async def scene(stage: Stage) -> None:
        await stage.queue()
        await aperform(control.pause, "orders", reason="lunch", by="ada")
        client = await stage.client()
        await stage.publish("1")
        await stage.waits()
        assert client.got == []
        await notice(stage, await elsewhere(control.resume, "orders"))
        await client.has(1)

    play(scene)


@hints
def test_a_lease_that_ends_gives_its_credit_back(notice: Notice, monkeypatch: pytest.MonkeyPatch):
    """Where no hint comes, a duty compares by itself."""
    monkeypatch.setattr(reconciling, "PAUSE", 0.001)

    async def scene(stage: Stage) -> None:
        await stage.queue()
        client = await stage.client(prefetch=2)
        await stage.waits()
        await stage.publish("1", "2", "3")
        await client.has(2)
        await notice(stage, await elsewhere(engine.settle, [Settle("ack", str(client.got[0].receipt))]))
        await client.has(3)
        await notice(stage, await elsewhere(engine.settle, [Settle("nack", str(client.got[1].receipt), delay=100.0)]))
        await soon(lambda: client.sub.credit == 1, "room again")
        assert set(client.sub.held) == {client.got[2].receipt}

    play(scene)


def test_which_leases_are_over():
    async def scene(stage: Stage) -> None:
        await stage.queue()
        await stage.queue("other")
        a, b = await stage.client(), await stage.client(queue="other")
        await stage.publish("1", "2")
        await stage.publish("3", queue="other")
        await a.has(2)
        await b.has(1)
        await a.settle("ack", a.got[0])
        receipts = [str(message.receipt) for message in (*a.got, *b.got)]
        older = receipts[1].rpartition("-")[0] + "-7"
        asked = [*receipts, older, "nonsense"]
        assert await aperform(duties.over, asked, clock.now()) == [receipts[0], older, "nonsense"]
        assert await aperform(duties.over, asked, clock.now() + clock.seconds(1000)) == asked
        assert await aperform(duties.over, [], clock.now()) == []

    play(scene)


@notices
def test_an_appended_record_comes(notice: Notice):
    async def scene(stage: Stage) -> None:
        await declare()
        reader = await Reader.open(stage)
        await append(0)
        await reader.has(1)
        await notice(stage, await elsewhere(stream_engine.append, "events", [NewRecord(b"1"), NewRecord(b"2")]))
        await reader.has(3)
        await append(3)
        await reader.has(4)
        assert reader.offsets() == [0, 1, 2, 3]

    play(scene)


@notices
def test_a_stream_that_gets_partitions_is_followed_in_all_of_them(notice: Notice):
    async def scene(stage: Stage) -> None:
        await declare()
        reader = await Reader.open(stage)
        await stage.hub.look_up()
        await notice(stage, await elsewhere(streams.declare, "events", {"partitions": 2}))
        await soon(lambda: len(reader.sub.places) == 2, "the second")

    play(scene)


@notices
def test_a_stream_that_is_deleted_ends_those_who_read(notice: Notice):
    async def scene(stage: Stage) -> None:
        await declare()
        reader = await Reader.open(stage)
        await reader.is_live()
        await notice(stage, await elsewhere(streams.delete, "events"))
        await soon(lambda: reader.errors, "the end")

    play(scene)


@notices
def test_a_member_that_joins_takes_its_share(notice: Notice):
    async def scene(stage: Stage) -> None:
        await declare(partitions=2)
        a = await Worker.join(stage, "a")
        await a.reads(0, 1)
        await notice(stage, await elsewhere(membership.join, "events", "billing", "b", name="b"))
        await soon(lambda: len(a.numbers) == 1, "its share is gone")
        await notice(stage, await elsewhere(membership.leave, a.member.group_id, "b"))
        await a.reads(0, 1)

    play(scene)


@notices
def test_a_group_that_is_deleted_ends_its_members(notice: Notice):
    async def scene(stage: Stage) -> None:
        await declare()
        a = await Worker.join(stage, "a")
        await notice(stage, await elsewhere(groups.delete_group, "events", "billing"))
        await soon(lambda: a.errors, "the end")

    play(scene)


def test_duties_hear_what_is_due_and_what_a_node_is_asked_to_do():
    async def scene(stage: Stage) -> None:
        due, orders = list[int](), list[bool]()
        stage.hub.on_due = due.append
        stage.hub.on_orders = lambda: orders.append(True)
        await stage.queue()
        hint = await elsewhere(engine.publish, "orders", [NewMessage(b"1", delay=0.5)])
        stage.hub.look(hint)
        assert (due, orders) == ([hint.due_at], [])
        stage.hub.look(Hint(orders=True))
        assert orders == [True]
        stage.hub.look(Hint(all=True))
        assert len(due) == len(orders) == 2

    play(scene)


def test_who_looks_at_jobs_hears_of_those_of_other_nodes():
    async def scene(stage: Stage) -> None:
        told = list[bool]()
        leave = news.watch(PAGES["jobs"], lambda: told.append(True))
        stage.hub.look(Hint(lists={events.JOBS}))
        await soon(lambda: bool(told))
        leave()

    play(scene)


def test_looking_costs_few_statements(monkeypatch: pytest.MonkeyPatch):
    """However many queues, streams and groups somebody waits for."""

    async def scene(stage: Stage) -> None:
        for n in range(10):
            await stage.queue(f"q{n}")
            await stage.client(queue=f"q{n}")
            await declare(f"s{n}", partitions=2)
            await Reader.open(stage, stream=f"s{n}")
            await Worker.join(stage, "a", stream=f"s{n}")
        await stage.waits(10)
        await stage.hub.look_up()
        await stage.quiet()
        ran: list[str] = []
        dialect = type(dialect_of(connection))
        run = dialect.run

        def noted(self: Any, raw: Any, statement: Statement, args: Any) -> Any:
            ran.append(statement.name)
            return run(self, raw, statement, args)

        monkeypatch.setattr(dialect, "run", noted)
        await stage.hub.look_up()
        await stage.quiet()
        assert sorted(ran) == ["ends_among", "generations_among", "ready_among", "sizes_among"]

    play(scene)
