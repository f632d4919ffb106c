"""Producers and consumers at work: each is a thread that goes on across outages and writes down what it sent and saw."""

from __future__ import annotations

import random
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import httpx
from websockets.exceptions import InvalidHandshake, WebSocketException

from tests.clients import Json, Refused, Rest, Socket
from tests.crash.history import OK, REFUSED, Delivery, History, Publish, Settle, digest
from tests.server import Server

CUT = (httpx.TransportError, WebSocketException, InvalidHandshake, OSError, EOFError, TimeoutError)
TRY_LATER = {"unavailable", "store_full", "queue_full", "rate_limited"}
PAD = "x" * 400


class Actor(threading.Thread, ABC):
    """A loop of ``work`` over a connection, opened anew whenever it breaks, until ``finish`` is called."""

    def __init__(self, server: Server, history: History, seed: str) -> None:
        super().__init__(name=seed, daemon=True)
        self.server, self.history = server, history
        self.dice = random.Random(seed)
        self.over = threading.Event()
        self.sessions = 0

    def run(self) -> None:
        while not self.over.is_set():
            try:
                self.session()
            except CUT:
                self.over.wait(0.05)
            except Refused as refused:
                if refused.status not in (0, 503) and refused.code not in TRY_LATER:
                    self.history.complain(f"{self.name}: {refused}")
                self.over.wait(0.05)
            except Exception as error:  # an actor that dies silently would prove nothing
                self.history.complain(f"{self.name} broke: {error!r}")
                return

    def finish(self) -> None:
        self.over.set()

    @abstractmethod
    def session(self) -> None:
        """Open a connection and work on it until it breaks or the actor is over."""

    def connection_name(self) -> str:
        self.sessions += 1
        return f"{self.name}/{self.sessions}"

    def timed(self, what: str, call: Callable[[], Any]) -> Any:
        """Run a request and note how long its answer, or its cut, took."""
        start = time.monotonic()
        try:
            return call()
        finally:
            self.history.took(f"{self.name} {what}", time.monotonic() - start)


# --- producers ---


class Producer(Actor):
    """Makes messages that name themselves; half of them carry a dedup_id and are sent again until they are answered."""

    def __init__(self, server: Server, history: History, seed: str, *, queues: list[str], pace: float = 0.005) -> None:
        super().__init__(server, history, seed)
        self.queues, self.pace, self.made = queues, pace, 0
        self.again: list[tuple[str, list[Publish]]] = []  # batches without an answer that may be sent again

    def batch(self) -> tuple[str, list[Publish]]:
        """What to send next: an unanswered batch, else a new one."""
        if self.again:
            return self.again.pop()
        queue = self.dice.choice(self.queues)
        dedup = self.dice.random() < 0.5
        return queue, [self._make(queue, dedup) for _ in range(self.dice.choice([1, 1, 5, 20]))]

    def _make(self, queue: str, dedup: bool) -> Publish:
        self.made += 1
        uid = f"{self.name}-{self.made}"
        key = f"k{self.dice.randrange(8)}" if queue in self.history.keyed else None
        poison = queue == "poison" and self.dice.random() < 0.2
        return self.history.publishing(Publish(uid, queue, key, uid if dedup else None, poison))

    def unanswered(self, queue: str, batch: list[Publish]) -> None:
        """The outcome is unknown: keep what can be sent again without becoming two."""
        if all(publish.dedup_id for publish in batch):
            self.again.append((queue, batch))

    def answered(self, batch: list[Publish], results: list[Json]) -> None:
        if len(results) != len(batch):
            self.history.complain(f"{len(results)} results for {len(batch)} messages")
        for publish, result in zip(batch, results, strict=False):
            self.history.published(publish, result["id"])

    def refused(self, queue: str, batch: list[Publish], code: str) -> None:
        """``unavailable`` leaves the outcome open; every other error says that nothing was stored."""
        if code == "unavailable":
            self.unanswered(queue, batch)
            return
        for publish in batch:
            publish.outcome = REFUSED if publish.outcome != OK and not publish.dedup_id else publish.outcome
        if code in TRY_LATER:
            self.unanswered(queue, batch)


def message(publish: Publish) -> Json:
    """The publish as it goes on the wire; its body carries a digest of itself."""
    body = {"uid": publish.uid, "poison": publish.poison, "pad": PAD, "digest": digest(publish.uid, PAD)}
    optional = {"key": publish.key, "dedup_id": publish.dedup_id}
    return {"body": body, **{name: value for name, value in optional.items() if value is not None}}


class RestProducer(Producer):
    """One request at a time."""

    def session(self) -> None:
        with self.server.rest() as rest:
            while not self.over.is_set():
                queue, batch = self.batch()
                try:
                    results = self.timed("publish", lambda: rest.publish(queue, *map(message, batch)))  # noqa: B023 (called at once)
                    self.answered(batch, results)
                except Refused as refused:
                    self.refused(queue, batch, refused.code)
                    raise
                except CUT:
                    self.unanswered(queue, batch)
                    raise
                self.over.wait(self.pace)


class SocketProducer(Producer):
    """Keeps a few frames on the way, and matches the answers by their ids."""

    WINDOW = 4

    def session(self) -> None:
        waiting: dict[int, tuple[str, list[Publish]]] = {}
        try:
            with self.server.socket() as socket:
                while not self.over.is_set() or waiting:
                    self._send(socket, waiting)
                    self._answers(socket, waiting)
        finally:
            for queue, batch in waiting.values():
                self.unanswered(queue, batch)

    def _send(self, socket: Socket, waiting: dict[int, tuple[str, list[Publish]]]) -> None:
        while len(waiting) < self.WINDOW and not self.over.is_set():
            queue, batch = self.batch()
            number = next(socket.numbers)
            waiting[number] = (queue, batch)  # before it is sent: a cut in between leaves the outcome open
            socket.send_as(number, "publish", to=f"queue:{queue}", messages=[*map(message, batch)])
            self.over.wait(self.pace)

    def _answers(self, socket: Socket, waiting: dict[int, tuple[str, list[Publish]]]) -> None:
        frame = self.timed("publish", lambda: socket.receive(30))
        if frame.get("id") not in waiting:
            return
        queue, batch = waiting.pop(frame["id"])
        if frame["op"] == "ok":
            self.answered(batch, frame["results"])
        else:
            self.refused(queue, batch, frame["code"])


# --- consumers ---


class Consumer(Actor):
    """Takes messages and decides for each: mostly ack, sometimes nack, release, extend, or keep it too long."""

    def __init__(
        self, server: Server, history: History, seed: str, *, queue: str, kind: str = "mixed", prefetch: int = 20
    ) -> None:
        super().__init__(server, history, seed)
        self.queue, self.kind, self.prefetch = queue, kind, prefetch
        self.late: list[tuple[float, str]] = []  # receipts to try after their lease

    def seen(self, queue: str, item: Json, connection: str, epoch: int) -> Delivery:
        """Write a delivery down."""
        body = item["body"]
        until = item.get("lease_until_at")
        delivery = Delivery(
            id=item["id"],
            uid=body["uid"],
            queue=queue,
            key=item.get("key"),
            attempts=item["attempts"],
            failures=item["failures"],
            receipt=item["receipt"],
            intact=body["digest"] == digest(body["uid"], body["pad"]),
            connection=connection,
            epoch=epoch,
            at=time.monotonic(),
            published_at=self.history.told(item["published_at"]),
            lease_until=self.history.told(until) if until else None,
            lease=item.get("lease"),
        )
        self.history.delivered(delivery)
        return delivery

    def verdict(self, item: Json) -> str:
        """What to do with a message; poison is always nacked."""
        if item["body"]["poison"]:
            return "nack"
        if self.kind == "drain":
            return "ack"
        return self.dice.choices(["ack", "nack", "release", "extend", "hold", "dead"], [79, 6, 6, 4, 4, 1])[0]

    def sort(self, items: list[Json]) -> dict[str, list[str]]:
        """Receipts by verdict."""
        verdicts: dict[str, list[str]] = {}
        for item in items:
            verdicts.setdefault(self.verdict(item), []).append(item["receipt"])
        for receipt in verdicts.pop("hold", []):
            self.late.append((time.monotonic() + 2.5, receipt))
        return verdicts

    def overdue(self) -> list[str]:
        """Held receipts whose lease has certainly ended: their ack must be refused."""
        now = time.monotonic()
        due = [receipt for when, receipt in self.late if when <= now]
        self.late = [entry for entry in self.late if entry[0] > now]
        return due

    def settling(self, kind: str, receipts: list[str]) -> list[Settle]:
        now, lease = time.monotonic(), EXTEND if kind == "extend" else None
        return [self.history.settling(Settle(kind, receipt, now, lease=lease)) for receipt in receipts]


EXTEND = 2


def settled(history: History, settles: list[Settle], results: list[Json] | None, status: str = OK) -> None:
    """Write down what the broker answered to a batch of settles: one status for all, or each its own."""
    now = time.monotonic()
    for index, settle in enumerate(settles):
        result = results[index] if results else {"status": status}
        settle.answered = now
        settle.status = "unknown" if result["status"] == "unavailable" else result["status"]
        settle.lease_until = history.told(result["lease_until_at"]) if result.get("lease_until_at") else None


def items(kind: str, receipts: list[str]) -> list[Any]:
    """Receipts in the shape a settle wants them."""
    shapes: dict[str, Callable[[str], Any]] = {
        "nack": lambda receipt: {"receipt": receipt, "delay": 0, "error": "nacked by the crash tests"},
        "dead": lambda receipt: {"receipt": receipt, "reason": "given up by the crash tests"},
        "extend": lambda receipt: {"receipt": receipt, "lease": EXTEND},
    }
    return [shapes.get(kind, str)(receipt) for receipt in receipts]


class RestConsumer(Consumer):
    """Long polls, and settles each batch with one request."""

    def session(self) -> None:
        connection, epoch = self.connection_name(), self.history.epoch
        with self.server.rest() as rest:
            while not self.over.is_set():
                wanted = {"max": self.prefetch, "wait": 0.2}
                taken = self.timed("receive", lambda: rest.receive(self.queue, **wanted))  # noqa: B023 (called at once)
                for item in taken:
                    self.seen(self.queue, item, connection, epoch)
                verdicts = self.sort(taken)
                verdicts.setdefault("ack", []).extend(self.overdue())
                self._settle(rest, verdicts)

    def _settle(self, rest: Rest, verdicts: dict[str, list[str]]) -> None:
        order = [kind for kind in ("ack", "nack", "release", "dead", "extend") if verdicts.get(kind)]
        settles = [settle for kind in order for settle in self.settling(kind, verdicts[kind])]
        if settles:
            body = {kind: items(kind, verdicts[kind]) for kind in order}
            settled(self.history, settles, self.timed("settle", lambda: rest.settle(self.queue, **body)))


class SocketConsumer(Consumer):
    """One subscription; settles each frame by frames of its own; now and then ends with messages unsettled."""

    def session(self) -> None:
        connection, epoch = self.connection_name(), self.history.epoch
        waiting: dict[int, list[Settle]] = {}
        socket = self.server.socket()
        try:
            acknowledge = "none" if self.queue in self.history.at_most_once else "explicit"
            sub = socket.consume(self.queue, prefetch=self.prefetch, ack=acknowledge)
            while not self.over.is_set():
                frame = socket.next(0.2)
                if frame is not None:
                    self._frame(socket, frame, sub, waiting, (connection, epoch))
                self._settle(socket, {"ack": self.overdue()}, waiting)
                if self.kind == "mixed" and self.dice.random() < 0.01:
                    self._leave(socket, connection)
                    return
            self._last_answers(socket, waiting)
            self.history.ended(connection)
            socket.close()
        finally:
            self.history.ended(connection, noticed=True)
            socket.cut()

    def _frame(self, socket: Socket, frame: Json, sub: str, waiting: dict[int, list[Settle]], origin: tuple[str, int]) -> None:
        if frame["op"] == "deliver":
            for item in frame["messages"]:
                self.seen(self.queue, item, *origin)
            if self.queue in self.history.at_most_once:
                socket.send("credit", sub=sub, n=len(frame["messages"]))
            else:
                self._settle(socket, self.sort(frame["messages"]), waiting)
        else:
            self._answer(frame, waiting)

    def _answer(self, frame: Json, waiting: dict[int, list[Settle]]) -> None:
        settles = waiting.pop(frame["id"], None) if frame["op"] in ("ok", "error") and "id" in frame else None
        if settles:
            settled(self.history, settles, frame.get("results"), OK if frame["op"] == "ok" else frame["code"])

    def _settle(self, socket: Socket, verdicts: dict[str, list[str]], waiting: dict[int, list[Settle]]) -> None:
        for kind, receipts in verdicts.items():
            if receipts:
                number = next(socket.numbers)
                waiting[number] = self.settling(kind, receipts)
                field = "items" if kind in ("nack", "dead", "extend") else "receipts"
                socket.send_as(number, kind, **{field: items(kind, receipts)})

    def _last_answers(self, socket: Socket, waiting: dict[int, list[Settle]]) -> None:
        deadline = time.monotonic() + 30
        while waiting and time.monotonic() < deadline:
            frame = self.timed("settle", lambda: socket.next(1))
            if frame is not None and frame["op"] != "deliver":
                self._answer(frame, waiting)

    def _leave(self, socket: Socket, connection: str) -> None:
        """End the connection with whatever is unsettled, without or with a close frame."""
        self.history.ended(connection)
        if self.dice.random() < 0.5:
            socket.cut()
        else:
            socket.close()
