"""The sweep: everything there is, round after round, at the rate it is given; what it finds is dead, told and counted."""

from __future__ import annotations

import asyncio
import logging

import pytest
from django.db import connection

from brokerweb import conf, sweep
from brokerweb.broker import Broker
from brokerweb.queues.models import Message
from brokerweb.queues.states import State
from brokerweb.storage.run import aperform, perform
from brokerweb.streams import control as streams
from brokerweb.streams import engine as records
from brokerweb.streams.records import NewRecord
from tests.delivery.stage import Stage, soon
from tests.queues.bench import Bench

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("figures")]


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> sweep.Figures:
    caplog.set_level(logging.CRITICAL)
    fresh = sweep.Figures()
    monkeypatch.setattr(sweep, "figures", fresh)
    return fresh


def spoil(table: str, where: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {table} SET body = x'ff' WHERE {where}")


async def round_of(swept: sweep.Sweep) -> list[float]:
    """What each turn of a whole round has to wait for the next."""
    before, waits = sweep.figures.rounds, list[float]()
    while sweep.figures.rounds == before:
        waits.append(await swept.tick(0))
    return waits


def test_a_running_broker_finds_what_nobody_takes():
    bench = Bench()
    ids = bench.publish(1, 2, delay=3600)
    perform(streams.declare, "events", {})
    perform(records.append, "events", [NewRecord(b"1"), NewRecord(b"2")])
    spoil("brokerweb_queues_content", f"message_id = {ids[0]}")
    spoil("brokerweb_streams_record", "id % 2 = 1")

    async def scene() -> None:
        broker = Broker()
        await broker.start()
        try:
            await soon(lambda: sweep.figures.rounds)
            assert await Stage(broker.hub, broker.committer).counts() == {"scheduled": 1, "dead": 1}
        finally:
            await broker.stop()

    asyncio.run(scene())
    assert sweep.figures.damaged == {"messages": 1, "records": 1}
    assert Message.objects.get(pk=ids[0]).reason == "damaged"


def test_a_round_is_in_turns_that_are_paid_for_at_the_rate(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("BROKERWEB_SWEEP_BYTES", "65536")
    monkeypatch.setattr(sweep, "TURN_BYTES", 10_000)
    conf.forget()
    Bench().publish(*(f'"{"x" * 5_000}"' for _ in range(6)))

    async def scene() -> list[float]:
        broker = Broker()
        await broker.start()
        try:
            await soon(lambda: sweep.figures.rounds or sweep.figures.rows)
            return await round_of(sweep.Sweep())
        finally:
            await broker.stop()

    waits = asyncio.run(scene())
    assert len(waits) == 5  # three turns of two, an end of the messages and one of the records
    assert all(0.15 < wait < 0.17 for wait in waits[:3])
    assert waits[3:] == [0, sweep.PAUSE]


def test_without_a_rate_there_is_no_sweep(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("BROKERWEB_SWEEP_BYTES", "0")
    conf.forget()
    assert asyncio.run(sweep.Sweep().tick(0)) == sweep.PAUSE
    assert sweep.figures.rows == 0


def test_a_message_that_is_mended_is_no_longer_counted(figures: sweep.Figures):
    """The figures are those of a round: what was purged meanwhile is gone from them."""
    bench = Bench()
    [id] = bench.publish(1)
    spoil("brokerweb_queues_content", f"message_id = {id}")

    async def scene() -> None:
        broker = Broker()
        await broker.start()
        try:
            await soon(lambda: sweep.figures.damaged["messages"])
            await aperform(_forget, id)
            await round_of(sweep.Sweep())
            assert sweep.figures.damaged["messages"] == 0
        finally:
            await broker.stop()

    asyncio.run(scene())


def _forget(tx: object, id: int) -> None:
    assert Message.objects.filter(pk=id, state=State.DEAD).delete()
