"""The life of a node, the same under every server: start before listening, drain, stop.

Draining: nothing new is accepted, ``/readyz`` says 503, every socket is closed with 1001 and releases what it held,
requests under way get ``GRACE`` seconds; then duties and the committer stop, and the process ends with status 0.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from typing import Any

from brokerweb import broker
from brokerweb.faces.http.body import Receive, Scope, Send

GRACE = 3.0  # seconds that requests under way get to finish
KEEP_ALIVE = 75.0  # seconds a connection may idle between requests
LINGER = 2.0  # seconds an answered client may go on sending what nobody will read, so that it gets to see the answer

_state = {"draining": False}


async def start() -> None:
    """Bring the broker up; it is ready when this returns."""
    _state["draining"] = False
    await broker.Broker().start()


async def drain() -> None:
    """Tell everyone that this node goes."""
    _state["draining"] = True
    if broker.current is not None:
        await broker.current.drain()


async def stop() -> None:
    """Stop the broker; everything accepted is stored when this returns."""
    if broker.current is not None:
        await broker.current.stop()


def readiness() -> tuple[int, dict[str, Any]]:
    """Status and body of ``/readyz``."""
    if _state["draining"]:
        return 503, {"status": "draining"}
    if broker.current is None:
        return 503, {"status": "starting"}
    content = broker.current.ready()
    return (200 if content["status"] in ("ok", "degraded") else 503), content


def on_signals(loop: asyncio.AbstractEventLoop, begin: Callable[[], None]) -> None:
    """SIGTERM and SIGINT call ``begin`` once; a second one ends the process where it stands."""
    seen: list[int] = []

    def handle(number: int) -> None:
        seen.append(number)
        if len(seen) > 1:
            os._exit(128 + number)
        begin()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, handle, number)


async def lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    """ASGI lifespan, for servers other than ours."""
    await receive()
    await start()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await drain()
    await stop()
    await send({"type": "lifespan.shutdown.complete"})
