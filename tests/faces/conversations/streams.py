"""Conversations about streams, topics and transactions: the faces through which they are held, and their table.

A step is a verb, what it is told and what it must come to; a text as the outcome is the code it is refused with.
"""

from __future__ import annotations

import secrets
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from tests.clients import Refused
from tests.faces.events import follow
from tests.server import Server

Json = dict[str, Any]
HALF = "\ud83d"  # what JavaScript's slice() leaves of an emoji
WITH_HALVES: list[Json] = [{"key": HALF}, {"headers": {"to": HALF}}, {"dedup_id": HALF}, {"correlation_id": HALF}]


class Face(ABC):
    """How a face publishes, reads and transacts. Calls raise Refused."""

    def __init__(self, server: Server) -> None:
        self.server, self.rest = server, server.rest()

    @abstractmethod
    def publish(self, to: str, messages: list[Json]) -> list[Json]: ...

    @abstractmethod
    def read(self, stream: str, start: Any, n: int) -> list[Json]:
        """The first ``n`` records of partition 0, and of none other, from there on."""

    @abstractmethod
    def transact(self, asked: Json) -> Json: ...

    def close(self) -> None:
        self.rest.close()


class RestFace(Face):
    def publish(self, to: str, messages: list[Json]) -> list[Json]:
        kind, _, name = to.partition(":")
        field = "records" if kind == "stream" else "messages"
        return list(self.rest.call("POST", f"/{kind}s/{name}/{field}", {field: messages})["results"])

    def read(self, stream: str, start: Any, n: int) -> list[Json]:
        where = {"from": start} if isinstance(start, str) else {"offset": start["0"]}
        asked = {"partition": 0, "limit": n or 1, "wait": 0 if n == 0 else 10, **where}
        records = self.rest.call("GET", f"/streams/{stream}/records", None, **asked)["records"]
        return list(records)

    def transact(self, asked: Json) -> Json:
        return dict(self.rest.call("POST", "/transact", asked))


class EventsFace(RestFace):
    """Reads by server-sent events; they write nothing."""

    def read(self, stream: str, start: Any, n: int) -> list[Json]:
        begin = start if isinstance(start, str) else f"0-{start['0']}"
        with follow(self.server, stream, **{"from": begin}) as live:
            if live.response.status_code != 200:
                live.response.read()
                problem = live.response.json()
                raise Refused(live.response.status_code, problem["code"], problem)
            return [event.json for event in live.take(n)]


class WebSocketFace(Face):
    def __init__(self, server: Server) -> None:
        super().__init__(server)
        self.socket = server.socket()

    def publish(self, to: str, messages: list[Json]) -> list[Json]:
        return list(self.socket.call("publish", to=to, messages=messages)["results"])

    def read(self, stream: str, start: Any, n: int) -> list[Json]:
        sub = self.socket.call("subscribe", stream=stream, prefetch=max(n, 1), **{"from": start})["sub"]
        records: list[Json] = []
        while len(records) < n and (frame := self.socket.next(10)) is not None:
            records += [record for record in frame.get("records", ()) if frame["sub"] == sub]
        self.socket.call("cancel", sub=sub)
        self.socket.pending.clear()
        return records

    def transact(self, asked: Json) -> Json:
        answer = self.socket.call("transact", **asked)
        return {name: answer[name] for name in ("duplicate", "publish")}

    def close(self) -> None:
        self.socket.close()
        super().close()


FACES: dict[str, type[Face]] = {"rest": RestFace, "events": EventsFace, "websocket": WebSocketFace}


# Steps. "S", "Q" and "T" stand for the conversation's own stream, queue and topic.


@dataclass(frozen=True)
class Step:
    verb: str
    told: Any
    outcome: Any


def publish(to: str, *messages: Json, results: Any) -> Step:
    """Results are compared as far as they are given."""
    return Step("publish", (to, list(messages)), results)


def read(start: Any, *bodies: Any, refused: str | None = None) -> Step:
    return Step("read", (start, len(bodies)), refused or list(bodies))


def transact(outcome: Any, **asked: Any) -> Step:
    return Step("transact", asked, outcome)


def received(*bodies: Any) -> Step:
    """What is in the queue."""
    return Step("received", None, list(bodies))


def nacked(error: str, kept: str) -> Step:
    """A transaction that nacks what is in the queue with one error text; what is kept of it."""
    return Step("nacked", error, kept)


def at(offset: int, *, duplicate: bool = False) -> Json:
    return {"partition": 0, "offset": str(offset), "duplicate": duplicate}


def record(body: Any, **more: Any) -> Json:
    return {"body": body, **more}


TABLE: dict[str, tuple[Step, ...]] = {
    "records are read from where it is asked": (
        publish("stream:S", record("a"), record("b"), record("c"), results=[at(0), at(1), at(2)]),
        read("earliest", "a", "b", "c"),
        read({"0": "1"}, "b", "c"),
        read("2020-01-01T00:00:00Z", "a", "b", "c"),
        read({"0": 3}),
    ),
    "an offset that is not there is refused": (
        read({"0": "1"}, refused="offset_out_of_range"),
        read("whenever", refused="invalid"),
    ),
    "a record that is known keeps its first place": (
        publish("stream:S", record(1, dedup_id="d"), record(2, dedup_id="d"), results=[at(0), at(0, duplicate=True)]),
        publish("stream:S", record(3, dedup_id="d"), record(4), results=[at(0, duplicate=True), at(1)]),
        read("earliest", 1, 4),
    ),
    "what goes with queues does not go with streams": (
        publish("stream:S", record(1), record(2, delay=3), results="invalid"),
        publish("stream:S", record(1), record(2, partition=9), results="invalid"),
        publish("stream:S", record("x" * 2000), results="too_large"),
        publish("stream:S-nobody", record(1), results="not_found"),
        read("earliest"),
    ),
    "a topic copies to all that match, or refuses": (
        publish(
            "topic:T",
            record(1, routing_key="a.b", headers={"to": "both"}),
            results=[{"routed": [{"to": "queue:Q"}, {"to": "stream:S", "partition": 0, "offset": "0"}], "duplicate": False}],
        ),
        publish("topic:T", record(2, routing_key="a"), results=[{"routed": [{"to": "queue:Q"}], "duplicate": False}]),
        publish("topic:T", record(3, routing_key="a"), record(4, routing_key="z"), results="unroutable"),
        received(1, 2),
        read("earliest", 1),
    ),
    "what a copy would lose is refused": (
        publish("topic:T", record(1, routing_key="a"), record(2, routing_key="a", partition=0), results="invalid"),
        *(
            publish("topic:T", record(1, routing_key="z", headers={"to": "both"}, **field), results="invalid")
            for field in ({"delay": 3}, {"deliver_at": "2030-01-01T00:00:00Z"}, {"ttl": 3}, {"priority": 9})
        ),
        transact("invalid", publish=[{"to": "topic:T", "messages": [record(1, routing_key="a", partition=0)]}]),
        transact("invalid", publish=[{"to": "topic:T", "messages": [record(1, routing_key="a", headers={"to": "both"}, ttl=3)]}]),
        received(),
        read("earliest"),
        publish("topic:T", record(5, routing_key="a", ttl=300, priority=9), results=[{"routed": [{"to": "queue:Q"}]}]),
        publish(
            "topic:T",
            record(6, routing_key="z", headers={"to": "both"}, partition=0),
            results=[{"routed": [{"to": "stream:S", "partition": 0, "offset": "0"}]}],
        ),
        received(5),
        read("earliest", 6),
    ),
    "half an emoji in a key, a header or an id is refused, and nothing with it happens": (
        *(publish("stream:S", record(1), record(2, **field), results="invalid") for field in WITH_HALVES),
        publish("queue:Q", record("good"), results=[{"duplicate": False}]),  # ten bad frames in a row would close a socket
        *(publish("topic:T", record(1, routing_key="a", **field), results="invalid") for field in WITH_HALVES),
        publish("topic:T", record(1, routing_key=f"a.{HALF}"), results="invalid"),
        transact("invalid", dedup_id=HALF, publish=[{"to": "queue:Q", "messages": [record(1)]}]),
        received("good"),
        read("earliest"),
    ),
    "half an emoji in an error text is mended, and the transaction happens": (
        publish("queue:Q", record(1), results=[{"duplicate": False}]),
        nacked(f"no ink {HALF}", "no ink \ufffd"),
    ),
    "a transaction happens once": (
        transact(
            {"duplicate": False, "publish": [{"to": "queue:Q"}, {"to": "stream:S", "results": [at(0)]}]},
            dedup_id="S",
            publish=[{"to": "queue:Q", "messages": [record(1)]}, {"to": "stream:S", "messages": [record(2)]}],
        ),
        transact(
            {"duplicate": True, "publish": [{"to": "queue:Q"}, {"to": "stream:S", "results": [at(0)]}]},
            dedup_id="S",
            publish=[{"to": "queue:Q", "messages": [record(1)]}, {"to": "stream:S", "messages": [record(2)]}],
        ),
        transact("conflict", dedup_id="S"),
        transact("conflict", dedup_id="S", publish=[{"to": "queue:Q", "messages": [record(3)]}]),
        received(1),
        read("earliest", 2),
    ),
    "a transaction that fails in part does not happen": (
        transact("lease_lost", settle={"Q": {"ack": ["1-2-3"]}}, publish=[{"to": "queue:Q", "messages": [record(1)]}]),
        transact("not_found", publish=[{"to": f"{to}", "messages": [record(1)]} for to in ("queue:Q", "queue:Q-nobody")]),
        transact("not_found", commit=[{"stream": "S", "group": "nobody", "offsets": {"0": "1"}}]),
        received(),
    ),
}


# Holding one


class Conversation:
    """One conversation through one face, with a stream, a queue and a topic of its own."""

    def __init__(self, face: Face) -> None:
        self.face = face
        tag = secrets.token_hex(4)
        self.names = {letter: f"talk-{tag}-{letter}" for letter in "SQT"}
        rest = face.rest
        rest.call("PUT", f"/streams/{self.names['S']}", {"max_body_bytes": 1000})
        rest.declare(self.names["Q"])
        bindings = [
            {"pattern": "a.#", "to": f"queue:{self.names['Q']}"},
            {"pattern": "#", "to": f"stream:{self.names['S']}", "headers": {"to": "both"}},
        ]
        rest.call("PUT", f"/topics/{self.names['T']}", {"bindings": bindings})

    def hold(self, *steps: Step) -> None:
        for step in steps:
            verb, told, outcome = getattr(self, step.verb), self._named(step.told), self._named(step.outcome)
            try:
                came = verb(told)
            except Refused as refused:
                came = refused.code
            assert _as_far(came, outcome) == outcome, f"{step}: {came}"

    def publish(self, told: Any) -> Any:
        return self.face.publish(*told)

    def read(self, told: Any) -> Any:
        return [record["body"] for record in self.face.read(self.names["S"], *told)]

    def transact(self, told: Any) -> Any:
        return self.face.transact(told)

    def received(self, told: Any) -> Any:
        return [message["body"] for message in self.face.rest.receive(self.names["Q"], ack="none", max=1000)]

    def nacked(self, error: Any) -> Any:
        queue, rest = self.names["Q"], self.face.rest
        [message] = rest.receive(queue)
        self.face.transact({"settle": {queue: {"nack": [{"receipt": message["receipt"], "error": error}]}}})
        return rest.call("GET", f"/queues/{queue}/messages/{message['id']}")["last_error"]

    def _named(self, value: Any) -> Any:
        """The same with the conversation's own names."""
        if isinstance(value, dict):
            return {self._named(name): self._named(each) for name, each in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self._named(each) for each in value)
        if isinstance(value, str):
            kind, colon, name = value.rpartition(":")
            own, dash, rest = name.partition("-")
            return f"{kind}{colon}{self.names[own]}{dash}{rest}" if own in self.names else value
        return value


def _as_far(came: Any, wanted: Any) -> Any:
    """What came, as far as it is wanted."""
    if isinstance(came, dict) and isinstance(wanted, dict):
        return {name: _as_far(value, wanted[name]) for name, value in came.items() if name in wanted}
    if isinstance(came, list) and isinstance(wanted, list) and len(came) == len(wanted):
        return [_as_far(a, b) for a, b in zip(came, wanted, strict=True)]
    return came
