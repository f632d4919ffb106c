"""The demo's clients: REST calls and a WebSocket, as a program would have them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

from websockets.asyncio.client import ClientConnection, connect

Json = dict[str, Any]
_direct = build_opener(ProxyHandler({}))  # the broker is no site that a proxy would reach


NOT_THERE = 404


class Refused(Exception):
    """The broker's answer to a call or a frame was an error; ``status`` is 0 for a frame."""

    def __init__(self, what: str, status: int = 0) -> None:
        super().__init__(what)
        self.status = status


@dataclass(frozen=True)
class Client:
    """One program: where the broker is, its token, and what it calls itself."""

    url: str
    token: str
    name: str

    def named(self, name: str) -> Client:
        return replace(self, name=name)

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        """One REST call. Raises Refused, and OSError where nobody answers."""
        return await asyncio.to_thread(self._call, method, path, body)

    def _call(self, method: str, path: str, body: Any) -> Any:
        content = None if body is None else json.dumps(body).encode()
        headers = {**self._headers, "Content-Type": "application/json"}
        request = Request(f"{self.url}/api/v1{path}", content, headers, method=method)  # noqa: S310 (http or https, as checked)
        try:
            with _direct.open(request, timeout=30) as answer:
                text = answer.read()
        except HTTPError as error:
            said = error.read().decode(errors="replace")[:500]
            raise Refused(f"{method} {path}: {error.code} {said}", error.code) from error
        return json.loads(text) if text else None

    async def forget(self, path: str) -> None:
        """Delete what is at a path, if anything is. Raises Refused."""
        try:
            await self.call("DELETE", path)
        except Refused as refused:
            if refused.status != NOT_THERE:
                raise

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}", "Client-Name": self.name}

    @asynccontextmanager
    async def socket(self) -> AsyncIterator[Socket]:
        """A WebSocket. Raises OSError."""
        place = self.url.replace("http", "ws", 1) + "/ws"
        async with connect(place, additional_headers=self._headers, proxy=None, max_size=None) as connection:
            yield Socket(connection)


class Socket:
    """Sends frames, and gives those of one kind as they come."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def say(self, op: str, **fields: Any) -> None:
        """Send a command. Raises ConnectionClosed."""
        await self._connection.send(json.dumps({"op": op, **fields}))

    async def frames(self, op: str) -> AsyncIterator[Json]:
        """Frames of one kind, until the connection ends. Raises Refused for an error that no lost lease explains."""
        async for text in self._connection:
            frame: Json = json.loads(text)
            if frame["op"] == "error" and frame["code"] != "lease_lost":
                raise Refused(f"{frame['code']}: {frame['message']}")
            if frame["op"] == op:
                yield frame
