"""A worker over WebSocket: reconnects, keeps long work leased, reports failures, and stops without losing anything.

    BROKERWEB_TOKEN=bw_… python examples/websocket_worker.py orders

It needs ``pip install websockets``. Put your own work in ``handle``. Ctrl-C stops it, after what it handles.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
from contextlib import suppress
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

URL = os.environ.get("BROKERWEB_URL", "http://127.0.0.1:8000")
TOKEN = os.environ.get("BROKERWEB_TOKEN") or sys.exit("set BROKERWEB_TOKEN")
AT_ONCE = 16  # messages handled at the same time, and leased at most
WRONG_TOKEN = 4001


async def handle(body: Any) -> None:
    """The work. What it raises is reported, and the message comes again after the queue's backoff."""
    if body == "bad":
        raise ValueError("bad input")
    print(body, flush=True)


class Refused(Exception):
    """The broker said no, and will say so again."""


class Worker:
    """One subscription, and the messages under way."""

    def __init__(self, queue: str) -> None:
        self.queue, self.stopping = queue, asyncio.Event()

    async def run(self) -> None:
        """Work until told to stop; a lost connection is made anew, after a growing and jittered wait."""
        failed = 0
        while not self.stopping.is_set():
            try:
                async with self._connected() as socket:
                    await self.work(socket)
                failed = 0
            except (OSError, ConnectionClosed, InvalidHandshake) as error:
                if isinstance(error, ConnectionClosed) and error.rcvd is not None and error.rcvd.code == WRONG_TOKEN:
                    raise Refused(error.rcvd.reason) from None
                print(f"{URL}: {error}", file=sys.stderr)
                failed += 1
            if failed:
                await self._pause(random.uniform(0, min(30, 0.2 * 2**failed)))

    def _connected(self) -> connect:
        return connect(
            URL.replace("http", "ws", 1) + "/ws", additional_headers={"Authorization": f"Bearer {TOKEN}"}, close_timeout=0.5
        )

    async def work(self, socket: ClientConnection) -> None:
        """Consume until told to stop, then take no more and finish what is under way. Raises ConnectionClosed, and Refused."""
        await socket.send(json.dumps({"op": "consume", "id": 1, "queue": self.queue, "prefetch": AT_ONCE}))
        under_way: set[asyncio.Task[None]] = set()
        cancel = asyncio.create_task(self._cancel_when_stopping(socket))
        try:
            async for text in socket:
                frame = json.loads(text)
                if frame["op"] == "deliver":
                    for message in frame["messages"]:
                        under_way.add(task := asyncio.create_task(self._attempt(socket, message)))
                        task.add_done_callback(under_way.discard)
                elif frame["op"] == "ok" and frame["id"] == 2:
                    await asyncio.gather(*under_way)  # no more will come, and what is here may still be settled
                    return
                elif frame["op"] == "closed" or (frame["op"] == "error" and frame.get("id") == 1):
                    raise (ConnectionError if frame.get("retryable") else Refused)(f"{frame['message']} [{frame['code']}]")
                elif frame["op"] == "error":  # a lease had ended: somebody else has the message
                    print(f"{frame['message']} [{frame['code']}]", file=sys.stderr)
        finally:
            cancel.cancel()

    async def _attempt(self, socket: ClientConnection, message: dict[str, Any]) -> None:
        """Handle one message, and settle it. Extend its lease as long as that takes."""
        receipt = message["receipt"]
        keeping = asyncio.create_task(self._keep(socket, receipt, message["lease"]))
        try:
            await handle(message.get("body"))
        except Exception as error:
            await self._say(socket, "nack", items=[{"receipt": receipt, "error": repr(error)}])
        else:
            await self._say(socket, "ack", receipts=[receipt])
        finally:
            keeping.cancel()

    async def _keep(self, socket: ClientConnection, receipt: str, lease: float) -> None:
        while True:
            await asyncio.sleep(lease / 3)
            await self._say(socket, "extend", items=[{"receipt": receipt, "lease": lease}])

    async def _cancel_when_stopping(self, socket: ClientConnection) -> None:
        await self.stopping.wait()
        await self._say(socket, "cancel", id=2, sub="1")

    async def _say(self, socket: ClientConnection, op: str, **fields: Any) -> None:
        with suppress(ConnectionClosed):  # then the message has gone back to the queue, and comes again
            await socket.send(json.dumps({"op": op, **fields}))

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self.stopping.wait(), seconds)
        except TimeoutError:
            pass


async def main(queue: str) -> None:
    worker = Worker(queue)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, worker.stopping.set)
    try:
        await worker.run()
    except Refused as refused:
        raise SystemExit(str(refused)) from None


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "orders"))
