"""Starts of the broker on a machine whose wall is right or wrong, after a stop of the broker alone or of the machine."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from brokerweb.broker import Broker
from brokerweb.cluster import nodes, wall
from brokerweb.cluster.models import Node, WallStep
from brokerweb.core import clock
from brokerweb.core.errors import StoreFull
from brokerweb.queues import control, engine, leasing
from brokerweb.queues.messages import NewMessage
from brokerweb.queues.models import Message
from brokerweb.storage.run import aperform
from brokerweb.streams import control as streams
from brokerweb.streams import engine as records
from brokerweb.streams.models import Record
from brokerweb.streams.records import NewRecord
from tests.clocks.machine import START, Machine

pytestmark = pytest.mark.django_db(transaction=True)

HOUR, DAY, YEARS = 3600.0, 86_400.0, 3 * 365 * 86_400.0
OFF = [0, HOUR, -2 * HOUR, DAY, YEARS, -YEARS]
Scene = Callable[[Broker], Coroutine[Any, Any, Any]]


@pytest.fixture
def pc(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine().installed(monkeypatch)


def run(scene: Scene) -> Any:
    """One run of the broker, in which no time passes but what the scene lets pass."""

    async def play() -> Any:
        broker = Broker()
        await broker.start()
        try:
            return await asyncio.wait_for(scene(broker), 60)
        finally:
            await broker.stop()

    return asyncio.run(play())


async def nothing(broker: Broker) -> str:
    return str(broker.ready()["checks"]["clock"])


async def begin(broker: Broker) -> None:
    """A lease of a program, a delay and a ttl, all of 10,000 seconds."""
    await aperform(control.declare, "orders", {"lease": 10_000})
    await aperform(engine.publish, "orders", [NewMessage(b"1")])
    await aperform(leasing.lease, "orders", 1, engine.Terms("rest:token:1"))
    await aperform(engine.publish, "orders", [NewMessage(b"2", delay=10_000), NewMessage(b"3", ttl=10_000)])


async def left(broker: Broker) -> list[float]:
    """How many seconds are left of each."""
    await aperform(lambda tx: None)
    rows = [row async for row in Message.objects.order_by("pk")]
    now = clock.to_datetime(clock.to_wall(clock.now()))
    ends = [rows[0].due_at, rows[1].due_at, rows[2].expires_at]
    return [round((end - now).total_seconds()) for end in ends]


@pytest.mark.parametrize("off", OFF)
def test_after_a_stop_of_the_broker_its_clock_is_right_however_wrong_the_wall_is(pc: Machine, off: float):
    run(begin)
    pc.pass_time(600)
    pc.set_wall(off)
    assert run(left) == [10_000, 9_400, 9_400]  # leases do not run while nobody is there who could settle them
    assert run(nothing).startswith(f"the wall clock is {abs(off):.1f} s" if off else "ok")


@pytest.mark.parametrize(("off", "counted"), [(0, 600), (HOUR, 600 + HOUR), (YEARS, 0), (-2 * HOUR, 0), (-YEARS, 0)])
def test_after_a_stop_of_the_machine_the_wall_is_believed_if_it_can_be(pc: Machine, off: float, counted: float):
    run(begin)
    pc.start_again(600)
    pc.set_wall(off)
    lease, delay, ttl = run(left)
    assert lease == 10_000
    assert delay == ttl == 10_000 - counted
    verdict = run(nothing)
    believed = off in (0, HOUR)
    assert (verdict == "ok") == believed


def test_one_wrong_start_leaves_the_next_as_it_was(pc: Machine):
    run(begin)
    pc.start_again(300)
    pc.set_wall(YEARS)
    assert run(left) == [10_000, 10_000, 10_000]
    pc.start_again(300)
    pc.set_wall(-YEARS)
    assert run(left) == [10_000, 9_400, 9_400]
    assert run(nothing) == "ok"


def test_a_far_start_is_said_in_the_log_and_for_an_hour(pc: Machine, caplog: pytest.LogCaptureFixture):
    run(nothing)
    pc.start_again()
    pc.set_wall(YEARS)
    with caplog.at_level(logging.INFO, "brokerweb.cluster.wall"):
        verdict = run(nothing)
    assert verdict.endswith("ahead of what was expected")
    (said,) = caplog.messages
    assert said.startswith(f"The wall clock stands at {clock.rfc3339(pc.wall)}")
    assert f"{YEARS + 60:.1f} s (1095 days, 0:01:00) ahead of what was expected. Is it right?" in said
    pc.pass_time(HOUR - 1)
    assert run(nothing) == verdict
    pc.pass_time(1)
    assert run(nothing) == "ok"


def test_a_start_days_after_the_last_run_of_which_only_the_wall_tells_is_said(pc: Machine, caplog: pytest.LogCaptureFixture):
    run(nothing)
    pc.start_again(10 * DAY)
    with caplog.at_level(logging.INFO, "brokerweb.cluster.wall"):
        assert run(nothing) == "the wall clock is 864000.0 s (10 days, 0:00:00) ahead of what was expected"
    (said,) = caplog.messages
    assert said.startswith(f"The wall clock stands at {clock.rfc3339(pc.wall)}, 864000.0 s (10 days, 0:00:00) after this broker")
    caplog.clear()
    pc.pass_time(10 * DAY)  # the machine was on: it knows
    assert run(nothing) == "ok"
    assert not caplog.messages


def test_a_step_while_it_runs_is_said_and_remembered(pc: Machine, caplog: pytest.LogCaptureFixture):
    async def scene(broker: Broker) -> None:
        pc.set_wall(2 * HOUR)
        with caplog.at_level(logging.INFO, "brokerweb.cluster.wall"):
            await broker.duties.wall.tick(clock.now())
            await broker.duties.wall.tick(clock.now())
        clock_says = "the wall clock is 7200.0 s (2:00:00) ahead of what was expected"
        assert broker.ready() == {
            "status": "degraded",
            "checks": {
                "store": "ok",
                "duties": "ok",
                "inbox": "ok",
                "disk": "ok",
                "wakeups": "ok",
                "vacuum": "ok",
                "clock": clock_says,
            },
        }
        pc.set_wall(-2 * HOUR)
        await broker.duties.wall.tick(clock.now())
        assert broker.ready()["status"] == "ok"

    run(scene)
    assert [message.split(",")[1] for message in caplog.messages] == [
        " 7200.0 s (2:00:00) ahead of what was expected. Is it right? What is stated in wall time (deliver_at",
        " 7200.0 s (2:00:00) behind what was expected. Is it right? What is stated in wall time (deliver_at",
    ]
    assert list(WallStep.objects.order_by("pk").values_list("difference", flat=True)) == [0, clock.seconds(2 * HOUR), 0]


def test_a_step_that_could_not_be_noted_is_noted_later(pc: Machine, monkeypatch: pytest.MonkeyPatch):
    async def scene(broker: Broker) -> None:
        pc.set_wall(60)

        async def full(*_: Any) -> None:
            raise StoreFull

        with monkeypatch.context() as broken:
            broken.setattr(wall, "aperform", full)
            with pytest.raises(StoreFull):
                await broker.duties.wall.tick(clock.now())
        await broker.duties.wall.tick(clock.now())

    run(scene)
    assert WallStep.objects.count() == 2


def test_a_machine_that_slept_is_no_alarm(pc: Machine, caplog: pytest.LogCaptureFixture):
    async def scene(broker: Broker) -> None:
        await begin(broker)
        pc.sleep(8 * HOUR)
        with caplog.at_level(logging.INFO, "brokerweb.cluster.wall"):
            await broker.duties.wall.tick(clock.now())
        assert broker.ready()["status"] == "ok"
        assert await left(broker) == [10_000, 10_000, 10_000]

    run(scene)
    assert caplog.messages == ["The machine slept for 28800.0 s: leases, delays, ttls and dedup windows stood still."]
    assert run(nothing) == "ok"


def test_few_of_the_steps_are_kept(pc: Machine, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(wall, "KEPT", 3)

    async def scene(broker: Broker) -> None:
        for _ in range(6):
            pc.set_wall(60)
            await broker.duties.wall.tick(clock.now())

    run(scene)
    assert list(WallStep.objects.order_by("pk").values_list("difference", flat=True)) == [
        clock.seconds(60 * n) for n in (4, 5, 6)
    ]
    assert run(nothing) == "the wall clock is 120.0 s (0:02:00) ahead of what was expected"


def test_a_process_without_a_broker_knows_what_the_broker_noted(pc: Machine):
    async def scene(broker: Broker) -> None:
        pc.set_wall(2 * HOUR)
        await broker.duties.wall.tick(clock.now())

    run(scene)
    clock.elsewhere(wall._Elsewhere())
    assert clock.now() == START
    assert Node.objects.get().seen_at == clock.to_datetime(pc.wall)


def test_before_the_tables_are_there_the_clocks_are_one(pc: Machine, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(nodes.Q.last_step, "text", {"sqlite": "SELECT 1 FROM no_such_table"})
    clock.elsewhere(wall._Elsewhere())
    assert clock.now() == pc.wall


# Streams


def test_a_wrong_start_does_not_poison_a_partition_for_years(pc: Machine):
    """What was appended then, and what follows, gets the present's stamp, once the wall has stood for an hour."""

    async def append(broker: Broker) -> None:
        await aperform(streams.declare, "events", {"retention_age": 30 * DAY})
        await aperform(records.append, "events", [NewRecord(b"1")] * 3)

    async def housekeeping(broker: Broker) -> None:
        await broker.cluster_duties._housekeeping(clock.now())

    run(append)
    pc.start_again()
    pc.set_wall(YEARS)
    run(append)
    pc.start_again()
    pc.set_wall(-YEARS)
    run(append)
    stamps = [clock.from_datetime(record.appended_at) for record in Record.objects.order_by("pk")]
    assert stamps == sorted(stamps)
    assert stamps[-1] > pc.wall + clock.seconds(YEARS / 2), "instants never go back"
    pc.pass_time(HOUR)
    run(housekeeping)
    mended = [clock.from_datetime(record.appended_at) for record in Record.objects.order_by("pk")]
    assert mended == [START] * 3 + [pc.wall] * 6
    pc.pass_time(60)
    run(append)
    assert clock.from_datetime(Record.objects.latest("pk").appended_at) == pc.wall
