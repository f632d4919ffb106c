"""What a regime asks of a broker's clients, and whose clients speak to a URL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol
from urllib.parse import urlsplit

from benchmarks.peers import nats, rabbitmq, valkey
from benchmarks.roles import Consumer, Producer
from benchmarks.target import Target

QUEUE = "orders"


class Publishing(Protocol):
    """Keeps a window of unconfirmed messages full, up to a limit."""

    trouble: bytes | None

    @property
    def confirmed(self) -> int: ...

    async def connect(self, url: str, token: str) -> None: ...
    def allow(self, limit: int) -> None: ...


class Consuming(Protocol):
    """Acknowledges what it gets."""

    acked: int
    trouble: bytes | None
    on_acked: Callable[[], None]

    async def connect(self, url: str, token: str) -> None: ...
    def consume(self) -> None: ...


class Clients(Protocol):
    """The clients of one broker, for one queue of it. ``acks`` says what ``acked`` counts: acks confirmed, or acks sent."""

    acks: str

    async def declare(self, target: Target) -> None: ...
    def publisher(self, *, batch: int, window: int) -> Publishing: ...
    def consumer(self, *, prefetch: int, singly: bool) -> Consuming: ...


class Brokerweb:
    """WebSocket, framed by hand."""

    acks = "confirmed"

    async def declare(self, target: Target) -> None:
        target.declare(QUEUE)

    def publisher(self, *, batch: int, window: int) -> Publishing:
        return Producer(QUEUE, batch=batch, window=window)

    def consumer(self, *, prefetch: int, singly: bool) -> Consuming:
        return Consumer(QUEUE, prefetch=prefetch, singly=singly)


OF_SCHEMES: dict[str, Callable[[], Clients]] = {
    "http": Brokerweb,
    "amqp+classic": lambda: rabbitmq.Amqp("classic"),
    "amqp+quorum": lambda: rabbitmq.Amqp("quorum"),
    "stomp": rabbitmq.WebStomp,
    "nats": nats.JetStream,
    "valkey": valkey.Streams,
}


def clients_of(url: str) -> Clients:
    """The clients for a broker's address."""
    return OF_SCHEMES[urlsplit(url).scheme]()


def first_trouble(everybody: list[Any]) -> Any:
    """What went wrong with the first client with which anything did."""
    return next((each.trouble for each in everybody if each.trouble), None)
