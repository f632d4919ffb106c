"""What the example programs share: one REST call, and one WebSocket with its frames."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.request import Request, urlopen

from websockets.asyncio.client import ClientConnection, connect

URL = os.environ.get("URL", "http://127.0.0.1:8000")


def call(method: str, path: str, body: Any = None) -> Any:
    """One REST request. Raises HTTPError, whose body says why."""
    headers = {"Authorization": f"Bearer {os.environ['TOKEN']}", "Content-Type": "application/json"}
    content = None if body is None else json.dumps(body).encode()
    with urlopen(Request(f"{URL}/api/v1{path}", content, headers, method=method), timeout=30) as response:
        text = response.read()
    return json.loads(text) if text else None


@asynccontextmanager
async def socket() -> AsyncIterator[Socket]:
    """A WebSocket of the token's owner."""
    headers = {"Authorization": f"Bearer {os.environ['TOKEN']}"}
    async with connect(URL.replace("http", "ws", 1) + "/ws", additional_headers=headers) as connection:
        yield Socket(connection)


class Socket:
    """Sends frames, and gives what comes back frame by frame."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def say(self, op: str, **fields: Any) -> None:
        await self._connection.send(json.dumps({"op": op, **fields}))

    async def frames(self, op: str) -> AsyncIterator[dict[str, Any]]:
        """Frames of one kind. Raises RuntimeError for an error, which none of these programs expects."""
        async for text in self._connection:
            frame = json.loads(text)
            if frame["op"] == "error":
                raise RuntimeError(frame)
            if frame["op"] == op:
                yield frame
