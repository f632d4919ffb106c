"""The life of a node, the same under every server: start before listening, drain, stop.

Draining: nothing new is accepted, ``/readyz`` says 503, every socket is closed with 1001 and releases what it held,
requests under way get ``GRACE`` seconds; then duties and the committer stop, and the process ends with status 0.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from brokerweb import broker
from brokerweb.faces.http.body import Receive, Scope, Send
from brokerweb.servers.claim import claimed, files
from brokerweb.servers.descriptors import Descriptors
from brokerweb.storage.postgres import limits

GRACE = 3.0  # seconds that requests under way get to finish
KEEP_ALIVE = 75.0  # seconds a connection may idle between requests
LINGER = 2.0  # seconds until the connection of an answered client ends that has sent nothing more of what nobody will read

log = logging.getLogger(__name__)
_state = {"draining": False}
_descriptors = Descriptors()
_leave: list[Callable[[], object]] = []  # how this process begins to stop, once it serves


async def start() -> None:
    """Bring the broker up; it is ready when this returns."""
    _state["draining"] = False
    limits.begin()
    await broker.Broker().start()
    _descriptors.start()


async def drain() -> None:
    """Tell everyone that this node goes."""
    _state["draining"] = True
    if broker.current is not None:
        await broker.current.drain()


async def stop() -> None:
    """Stop the broker; everything accepted is stored when this returns."""
    await _descriptors.stop()
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
    """SIGTERM and SIGINT call ``begin`` once, as ``leave`` does; a second signal ends the process where it stands."""
    seen: list[int] = []
    begun: list[bool] = []

    def once() -> None:
        if not begun:
            begun.append(True)
            begin()

    def handle(number: int) -> None:
        seen.append(number)
        if len(seen) > 1:
            os._exit(128 + number)
        once()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, handle, number)
    _leave[:] = [lambda: loop.call_soon_threadsafe(once)]


def leave() -> None:
    """From another thread: stop as at a signal, at once where nothing is served yet. Not a second signal to one that stops."""
    if not _leave:
        os._exit(0)
    _leave[0]()


async def lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    """ASGI lifespan, for servers other than ours. A start that is refused is said to be: else some would serve without one."""
    await receive()
    with ExitStack() as held:
        try:
            await asyncio.to_thread(lambda: held.enter_context(claimed(files())))
            await start()
        except Exception as error:
            log.exception("the broker cannot start")
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await drain()
        await stop()
    await send({"type": "lifespan.shutdown.complete"})
