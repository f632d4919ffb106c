"""One driver per face: how it publishes, takes and settles. What operators do has one face, REST, in every driver."""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tests.clients import Refused, Rest, Socket
from tests.server import Server

Json = dict[str, Any]
FIELDS = {
    "id", "receipt", "content_type", "key", "headers", "priority", "published_at", "expires_at", "reply_to", "correlation_id",
    "attempts", "failures", "redrives", "lease_until_at", "lease",
}  # fmt: skip
BARRIERS = 3  # a look, a look for one that goes alone, and the look after it: each begins before the answer of a barrier


@dataclass
class Taken:
    """Messages that were handed out; ``paused`` where the face says so."""

    messages: list[Json]
    paused: bool | None = None


class Driver(ABC):
    """A face as conversations use it. Calls raise Refused."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.operator: Rest = server.rest()

    @abstractmethod
    def publish(self, queue: str, messages: list[Json]) -> list[Json]:
        """The results."""

    @abstractmethod
    def take(self, queue: str, by: str, terms: Json) -> Taken:
        """Be handed messages once, as REST's receive says it."""

    @abstractmethod
    def wait(self, queue: str, by: str, terms: Json) -> None:
        """Begin a ``take`` that waits."""

    @abstractmethod
    def arrived(self, by: str) -> Taken:
        """Its end."""

    @abstractmethod
    def settle(self, queue: str, kind: str, items: list[Any]) -> list[Json]:
        """What became of each receipt."""

    @abstractmethod
    def forget(self) -> None:
        """A conversation is over; who consumed in it goes."""

    def close(self) -> None:
        self.operator.close()


class RestDriver(Driver):
    """``/messages``, ``/receive``, ``/settle``."""

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self._threads = ThreadPoolExecutor()
        self._waits: dict[str, Future[Taken]] = {}

    def publish(self, queue: str, messages: list[Json]) -> list[Json]:
        return self.operator.publish(queue, *messages)

    def take(self, queue: str, by: str, terms: Json) -> Taken:
        answer = self.operator.call("POST", f"/queues/{queue}/receive", terms)
        return Taken(answer["messages"], answer.get("paused", False))

    def wait(self, queue: str, by: str, terms: Json) -> None:
        self._waits[by] = self._threads.submit(self.take, queue, by, {"wait": 20, **terms})
        for _ in range(3):  # so that it has most likely begun; conversations hold either way
            self.operator.queue(queue)

    def arrived(self, by: str) -> Taken:
        return self._waits.pop(by).result(30)

    def settle(self, queue: str, kind: str, items: list[Any]) -> list[Json]:
        return self.operator.settle(queue, **{kind: items})

    def forget(self) -> None:
        self._waits.clear()

    def close(self) -> None:
        self._threads.shutdown()
        super().close()


class WebSocketDriver(Driver):
    """A socket for publishing and settling, and one for each who consumes."""

    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self._socket = server.socket()
        self._consumers: dict[str, Socket] = {}
        self._waits: dict[str, tuple[str, Json]] = {}

    def publish(self, queue: str, messages: list[Json]) -> list[Json]:
        return list(self._socket.call("publish", to=f"queue:{queue}", messages=messages)["results"])

    def take(self, queue: str, by: str, terms: Json) -> Taken:
        self.wait(queue, by, terms)
        return self.arrived(by)

    def wait(self, queue: str, by: str, terms: Json) -> None:
        if by not in self._consumers:
            self._consumers[by] = self.server.socket()
        asked: Json = {"prefetch": terms.get("max", 10)}
        asked |= {name: terms[name] for name in ("lease", "ack") if name in terms}
        self._waits[by] = self._consumers[by].consume(queue, **asked), {"wait": 20, **terms}

    def arrived(self, by: str) -> Taken:
        """The first messages; then no more may come, and what came is held on."""
        sub, terms = self._waits.pop(by)
        socket = self._consumers[by]
        messages = self._until_quiet(socket)
        deadline = time.monotonic() + terms["wait"]
        while not messages and (left := deadline - time.monotonic()) > 0:
            if (frame := socket.next(left)) is not None:
                messages = _of(frame)
        messages += self._until_quiet(socket) if messages else []
        socket.call("cancel", sub=sub)
        return Taken(messages)

    def _until_quiet(self, socket: Socket) -> list[Json]:
        """What is on its way already: verbs about one queue, and their answers, keep their order. On PostgreSQL the queues of a
        node are in three lanes, as ``BROKERWEB_LANES`` has it, by their ids.
        """
        for n in range(BARRIERS):
            for queue_id in (0, 1, 2):
                with suppress(Refused):
                    socket.call("ack", receipts=[f"{queue_id}-{n}-0"])
        frames, socket.pending = list(socket.pending), type(socket.pending)()
        return [message for frame in frames for message in _of(frame)]

    def settle(self, queue: str, kind: str, items: list[Any]) -> list[Json]:
        field = "receipts" if kind in ("ack", "release") else "items"
        try:
            answer = self._socket.call(kind, **{field: items})
        except Refused as refusal:
            if "results" not in refusal.answer:
                raise
            return list(refusal.answer["results"])
        receipts = items if field == "receipts" else [item["receipt"] for item in items]
        return list(answer.get("results") or [{"receipt": receipt, "status": "ok"} for receipt in receipts])

    def forget(self) -> None:
        for socket in self._consumers.values():
            socket.close()
        self._consumers.clear()
        self._waits.clear()

    def close(self) -> None:
        self.forget()
        self._socket.close()
        super().close()


def _of(frame: Json) -> list[Json]:
    assert frame["op"] == "deliver", json.dumps(frame)[:500]
    return list(frame["messages"])


DRIVERS: dict[str, type[Driver]] = {"rest": RestDriver, "websocket": WebSocketDriver}
