"""Small clients of a real broker: REST, and the WebSocket subprotocol brokerweb.v1."""

from __future__ import annotations

import itertools
import json
import logging
import socket as sockets
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import Any

import httpx
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

Json = dict[str, Any]
logging.getLogger("httpx").setLevel(logging.WARNING)  # else a failing test shows thousands of requests


class Refused(Exception):
    """The broker answered with an error: ``status`` (0 over WebSocket), ``code``, and the whole answer."""

    def __init__(self, status: int, code: str, answer: Any) -> None:
        super().__init__(f"{status} {code}: {answer}")
        self.status, self.code, self.answer = status, code, answer


class Rest:
    """The REST face with one token. Calls raise Refused for a problem and httpx.TransportError for a cut connection."""

    def __init__(self, url: str, token: str, timeout: float = 30) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        # Nothing here is TLS, and reading the list of authorities takes longer than most tests.
        self.http = httpx.Client(base_url=f"{url}/api/v1", headers=headers, timeout=timeout, verify=False)

    def call(self, method: str, path: str, body: Any = None, **params: Any) -> Any:
        content = None if body is None else json.dumps(body)  # httpx' own JSON cannot say half a surrogate pair
        headers = {"Content-Type": "application/json"}
        response = self.http.request(method, path, content=content, headers=headers, params=params or None)
        if response.status_code >= 400:
            problem = response.json() if "json" in response.headers.get("content-type", "") else {"text": response.text[:500]}
            raise Refused(response.status_code, problem.get("code", "?"), problem)
        return response.json() if response.content else None

    def declare(self, queue: str, **settings: Any) -> Json:
        return dict(self.call("PUT", f"/queues/{queue}", settings))

    def queue(self, queue: str) -> Json:
        return dict(self.call("GET", f"/queues/{queue}"))

    def publish(self, queue: str, *messages: Json) -> list[Json]:
        return list(self.call("POST", f"/queues/{queue}/messages", {"messages": list(messages)})["results"])

    def receive(self, queue: str, **asked: Any) -> list[Json]:
        return list(self.call("POST", f"/queues/{queue}/receive", asked)["messages"])

    def settle(self, queue: str, **settles: Any) -> list[Json]:
        return list(self.call("POST", f"/queues/{queue}/settle", settles)["results"])

    def browse(self, queue: str, **filters: Any) -> Iterator[Json]:
        """Every message the filter finds, page by page."""
        after: str | None = None
        while True:
            cursor = {"after": after} if after else {}
            page = self.call("GET", f"/queues/{queue}/messages", None, limit=500, **filters, **cursor)
            yield from page["items"]
            after = page["next"]
            if not after:
                return

    def close(self) -> None:
        self.http.close()

    def __enter__(self) -> Rest:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class Socket:
    """One WebSocket. Frames that are not the answer being waited for are kept in ``pending`` in order."""

    def __init__(self, connection: ClientConnection, ends: ExitStack) -> None:
        self.connection, self._ends = connection, ends
        self.pending: deque[Json] = deque()
        self.numbers = itertools.count(1)

    @classmethod
    def open(cls, url: str, token: str) -> Socket:
        """Connect and wait for ``hello``."""
        ends = ExitStack()
        connection = ends.enter_context(
            connect(
                url,
                additional_headers={"Authorization": f"Bearer {token}"},
                subprotocols=[Subprotocol("brokerweb.v1")],
                compression=None,
                max_size=None,
                proxy=None,
                close_timeout=2,
            )
        )
        socket = cls(connection, ends)
        assert socket.receive(10)["op"] == "hello"
        return socket

    def send(self, op: str, **fields: Any) -> int:
        """Send a command with a fresh ``id``; the id."""
        number = next(self.numbers)
        self.send_as(number, op, **fields)
        return number

    def send_as(self, number: int, op: str, **fields: Any) -> None:
        """Send a command with an ``id`` taken from ``numbers`` before."""
        self.connection.send(json.dumps({"op": op, "id": number, **fields}))

    def receive(self, timeout: float = 30) -> Json:
        """The next frame. Raises TimeoutError, or ConnectionClosed."""
        return dict(json.loads(self.connection.recv(timeout)))

    def next(self, timeout: float) -> Json | None:
        """The next frame, kept ones first; None when there is none in time."""
        if self.pending:
            return self.pending.popleft()
        try:
            return self.receive(timeout)
        except TimeoutError:
            return None

    def call(self, op: str, **fields: Any) -> Json:
        """Send a command and wait for its answer; raises Refused for an error."""
        number = self.send(op, **fields)
        while (frame := self.receive()).get("id") != number:
            self.pending.append(frame)
        if frame["op"] == "error":
            raise Refused(0, frame["code"], frame)
        return frame

    def consume(self, queue: str, **asked: Any) -> str:
        """Subscribe; the name of the subscription."""
        return str(self.call("consume", queue=queue, **asked)["sub"])

    def cut(self) -> None:
        """End the connection without a close frame, as a dying program or a pulled cable does."""
        try:
            self.connection.socket.shutdown(sockets.SHUT_RDWR)
        except OSError:
            pass  # it is already gone
        self.connection.close_socket()

    def close(self) -> None:
        """A clean close, code 1000."""
        self._ends.close()

    @property
    def close_code(self) -> int | None:
        return self.connection.close_code

    @property
    def close_reason(self) -> str | None:
        return self.connection.close_reason

    def until_closed(self, timeout: float = 30) -> list[Json]:
        """Read to the end of the connection; the frames that came."""
        frames = [*self.pending]
        try:
            while True:
                frames.append(self.receive(timeout))
        except ConnectionClosed:
            return frames

    def __enter__(self) -> Socket:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
