"""Clients with names, for states that only they bring about."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from websockets.sync.client import connect

from tests.clients import Json, Rest, Socket
from tests.server import TOKEN, Server


@contextmanager
def socket(server: Server, client: str) -> Iterator[Socket]:
    """A WebSocket of the administrator's, under a name."""
    headers = {"Authorization": f"Bearer {TOKEN}", "Client-Name": client}
    with ExitStack() as ends:
        url = server.url.replace("http", "ws", 1) + "/ws"
        made = Socket(ends.enter_context(connect(url, additional_headers=headers, proxy=None, close_timeout=2)), ends)
        assert made.receive(10)["op"] == "hello"
        yield made


def receive(rest: Rest, queue: str, client: str, **asked: Any) -> list[Json]:
    """Receive under a name."""
    answer = rest.http.post(f"/queues/{queue}/receive", json=asked, headers={"Client-Name": client})
    return list(answer.json()["messages"])


def publish(rest: Rest, queue: str, *bodies: object, **fields: Any) -> list[str]:
    """The ids of messages that were published."""
    return [str(stored["id"]) for stored in rest.publish(queue, *({"body": body, **fields} for body in bodies))]


def why(rest: Rest, queue: str, id: str) -> Json:
    """The verdict of a message."""
    return dict(rest.call("GET", f"/queues/{queue}/messages/{id}")["verdict"])


def rels(verdict: Json) -> list[str]:
    return [see["rel"] for see in verdict["see"]]
