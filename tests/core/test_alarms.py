"""What happens at an instant of the wall, on the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from brokerweb.core import alarms, clock
from brokerweb.core.alarms import Alarm
from tests.clocks.machine import Machine


def play(scene: Callable[[list[str]], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(scene([]), 30))


@pytest.fixture
def pc(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine().installed(monkeypatch)


async def turns() -> None:
    """What is due now is done."""
    for _ in range(5):
        await asyncio.sleep(0)


def test_it_rings_at_once_where_the_instant_has_come(pc: Machine):
    async def scene(rung: list[str]) -> None:
        Alarm(pc.wall, rung.append, "now")
        Alarm(pc.wall - 1, rung.append, "late")
        Alarm(pc.wall + clock.SECOND, rung.append, "not yet")
        assert rung == []
        await turns()
        assert sorted(rung) == ["late", "now"]

    play(scene)


def test_it_rings_when_the_wall_is_set_beyond_the_instant_in_the_order_of_the_instants(pc: Machine):
    async def scene(rung: list[str]) -> None:
        for name, seconds in (("b", 50), ("c", 7300), ("a", 40)):
            Alarm(pc.wall + clock.seconds(seconds), rung.append, name)
        pc.set_wall(7200)
        alarms.look_again()
        assert rung == ["a", "b"]
        alarms.look_again()
        assert rung == ["a", "b"]

    play(scene)


def test_it_waits_on_where_the_wall_was_set_back(pc: Machine):
    async def scene(rung: list[str]) -> None:
        alarm = Alarm(pc.wall, rung.append, "now")
        pc.set_wall(-7200)
        await turns()
        assert rung == []
        pc.set_wall(7200)
        alarms.look_again()
        assert rung == ["now"]
        alarm.cancel()

    play(scene)


def test_cancelled_it_never_rings(pc: Machine):
    async def scene(rung: list[str]) -> None:
        first, second = Alarm(pc.wall, rung.append, "now"), Alarm(pc.wall + clock.SECOND, rung.append, "soon")
        first.cancel()
        second.cancel()
        pc.set_wall(60)
        alarms.look_again()
        await turns()
        assert rung == []

    play(scene)


def test_instants_years_away_are_no_burden_to_the_loop():
    async def scene(rung: list[str]) -> None:
        Alarm(clock.from_datetime(clock.to_datetime(253_402_300_799 * clock.SECOND)), rung.append, "9999").cancel()

    play(scene)
