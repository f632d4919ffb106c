"""The demo, played: declare, fill, and let everybody work until the time is up or somebody stops it."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from websockets.exceptions import ConnectionClosed

from brokerweb.management.demo import actors, scene
from brokerweb.management.demo.client import Client
from brokerweb.management.demo.scene import Names

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Play:
    """How it is played: against which broker, for how long, with at most how many messages of the shop."""

    client: Client
    names: Names
    seconds: float
    messages: int
    seed: int


async def play(asked: Play, tell: Callable[[str], None]) -> None:
    """Until the time is up, or a signal comes. Raises Refused, and OSError where the broker does not answer."""
    stopped = asyncio.Event()
    for number in ENDING:
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    rng = random.Random(asked.seed)
    await scene.declare(asked.client, asked.names)
    await scene.fill(asked.client, asked.names, rng)
    tell("The shop is open. In a minute or so it can be seen what is wrong with it. Ctrl-C ends it.")
    stage = actors.Stage(asked.client, asked.names, rng)
    working = [asyncio.create_task(_until_closed(actor)) for actor in actors.cast(stage, asked.messages)]
    ending = asyncio.create_task(stopped.wait())
    with suppress(TimeoutError):
        async with asyncio.timeout(asked.seconds):
            await _first(ending, working)
    for task in working:
        task.cancel()
    failed = [f for f in await asyncio.gather(*working, return_exceptions=True) if isinstance(f, Exception)]
    ending.cancel()
    if failed:
        raise failed[0]


async def _first(ending: asyncio.Task[bool], working: list[asyncio.Task[None]]) -> None:
    """Wait for the end, or for somebody who failed; who has simply done all there was is missed by nobody."""
    waiting: set[asyncio.Task[None] | asyncio.Task[bool]] = {ending, *working}
    while ending in waiting:
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if any(task.exception() for task in done):
            return


async def _until_closed(actor: Coroutine[Any, Any, None]) -> None:
    """Work until it is done, or its connection ends: the broker goes, or somebody closed it on the console."""
    with suppress(ConnectionClosed):
        await actor
