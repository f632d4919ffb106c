"""What the example programs share: one REST call, one WebSocket with its frames, and an end that says why.

BROKERWEB_URL is the broker's address, http://127.0.0.1:8000 unless it is set, and BROKERWEB_TOKEN a token of its.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

URL = os.environ.get("BROKERWEB_URL", "http://127.0.0.1:8000")
TOKEN = os.environ.get("BROKERWEB_TOKEN") or sys.exit("set BROKERWEB_TOKEN")
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
INTERRUPTED = 130  # the status of a program that Ctrl-C has ended


class Refused(Exception):
    """The broker said no, and why."""


def call(method: str, path: str, body: Any = None) -> Any:
    """One REST request. Raises Refused, or OSError when nobody answers."""
    content = None if body is None else json.dumps(body).encode()
    request = Request(f"{URL}/api/v1{path}", content, {**HEADERS, "Content-Type": "application/json"}, method=method)
    try:
        with urlopen(request, timeout=30) as response:
            text = response.read()
    except HTTPError as error:
        raise Refused(json.load(error)["detail"]) from None
    return json.loads(text) if text else None


@asynccontextmanager
async def socket() -> AsyncIterator[Socket]:
    """A WebSocket of the token's owner."""
    async with connect(URL.replace("http", "ws", 1) + "/ws", additional_headers=HEADERS, close_timeout=0.5) as connection:
        yield Socket(connection)


class Socket:
    """Sends frames, and gives what comes back frame by frame."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def say(self, op: str, **fields: Any) -> None:
        await self._connection.send(json.dumps({"op": op, **fields}))

    async def frames(self, op: str) -> AsyncIterator[dict[str, Any]]:
        """Frames of one kind. Raises Refused for an error, which none of these programs expects."""
        async for text in self._connection:
            frame = json.loads(text)
            if frame["op"] == "error":
                raise Refused(frame["message"])
            if frame["op"] == op:
                yield frame
        raise Refused("the broker has ended the connection: it is going away")


def run(prepare: Callable[[], None], main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """The program: what is declared first, then the rest. Ctrl-C ends it; what goes wrong is a line and a status."""
    status: int | str = 0
    try:
        prepare()
        asyncio.run(main())
    except* KeyboardInterrupt:
        status = INTERRUPTED
    except* (Refused, OSError, WebSocketException) as errors:
        status = f"{URL}: {errors.exceptions[0]}"
    sys.exit(status)
