"""A store that is watched: samples are taken, and rules looked at, when the test says so."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest

from brokerweb.alerts import rules, watching
from brokerweb.cluster.models import Alert, AlertNotice
from brokerweb.core import clock
from brokerweb.identity.principal import Principal
from brokerweb.queues import stats
from brokerweb.samples import taking
from brokerweb.samples.series import HOUR, TICK
from brokerweb.storage import reading
from brokerweb.storage.run import perform
from brokerweb.streams import progress
from tests.contract.store import Store
from tests.queues.bench import Time

START = 1_800_000_000 // TICK // HOUR * HOUR
ADA = Principal("ada", "user:1", superuser=True)


def finished(duty: Coroutine[Any, Any, float]) -> None:
    """Run a duty that waits for nothing."""
    with contextlib.suppress(StopIteration):
        duty.send(None)
        raise AssertionError("it waits")


class Watched:
    """The wall goes with the ticks of samples."""

    def __init__(self, time: Time, monkeypatch: pytest.MonkeyPatch) -> None:
        self.store, self.time, self.at = Store(time), time, START
        self.kicks = 0
        monkeypatch.setattr(clock, "wall", lambda: time.at)
        for module in (taking, watching):
            monkeypatch.setattr(module, "aread", self._aread)
            monkeypatch.setattr(module, "aperform", self._aperform)
        monkeypatch.setattr(asyncio, "to_thread", self._aread_plainly)
        time.at = START * TICK * clock.SECOND
        stats.install()
        progress.install()
        self.restart()

    async def _aread(self, call: Callable[..., Any], *args: Any) -> Any:
        return reading.read(call, *args)

    async def _aread_plainly(self, call: Callable[..., Any], *args: Any) -> Any:
        return call(*args)

    async def _aperform(self, verb: Callable[..., Any], *args: Any) -> Any:
        return perform(verb, *args)

    def restart(self) -> None:
        self.sampler = taking.Sampler()
        self.watch = watching.Watch(lambda: self.sampler.latest, self._told)
        finished(self.sampler.tick(0))
        self.step()

    def _told(self) -> None:
        self.kicks += 1

    def step(self, ticks: int = 1) -> None:
        """Time goes on; samples are taken, and rules looked at."""
        for _ in range(ticks):
            self.at += 1
            self.time.at = self.at * TICK * clock.SECOND
            finished(self.sampler.tick(0))
            finished(self.watch.tick(0))


def rule(name: str, figure: str, target: str, **more: Any) -> None:
    """Declare one."""
    rules.declare(ADA, rules.Rule(name, figure, rules.parse_target(target), **more))


def firing() -> list[tuple[str, str]]:
    return sorted(Alert.objects.filter(resolved_at=None).values_list("rule", "target"))


def told() -> list[tuple[str, str, Sequence[str]]]:
    """Channel, event and targets of what is to be told, in order."""
    return [
        (notice.channel, notice.told["event"].partition(".")[2], [alert["target"] for alert in notice.told["alerts"]])
        for notice in AlertNotice.objects.order_by("pk")
    ]
