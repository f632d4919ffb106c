"""A small client of server-sent events."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from tests.server import TOKEN, Server


@dataclass
class Event:
    kind: str
    id: str
    data: str

    @property
    def json(self) -> Any:
        return json.loads(self.data)


def parse(lines: Iterator[str]) -> Iterator[Event]:
    """Events as a browser makes them: a block without data is none, but its id counts."""
    kind, id, data = "message", "", list[str]()
    for line in lines:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            if data:
                yield Event(kind, id, "\n".join(data))
            kind, data = "message", []
        elif name == "data":
            data.append(value)
        elif name == "event":
            kind = value
        elif name == "id":
            id = value


class Following:
    """An answer that is being read."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.lines: list[str] = []
        self._events = parse(self._kept(response.iter_lines()))

    def _kept(self, lines: Iterator[str]) -> Iterator[str]:
        for line in lines:
            self.lines.append(line)
            yield line

    def take(self, n: int) -> list[Event]:
        return [next(self._events) for _ in range(n)]

    def rest(self) -> list[Event]:
        """The events until the answer ends."""
        return list(self._events)


@contextmanager
def follow(server: Server, stream: str, *, last: str | None = None, token: str = TOKEN, **query: str) -> Iterator[Following]:
    """The stream's live end, as a program with a token reads it."""
    headers = {"Authorization": f"Bearer {token}"} | ({"Last-Event-ID": last} if last is not None else {})
    url = f"{server.url}/api/v1/streams/{stream}/live"
    with httpx.stream("GET", url, headers=headers, params=query, timeout=30) as response:
        yield Following(response)
