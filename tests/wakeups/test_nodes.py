"""Two nodes on one PostgreSQL: who waits at one has what is committed at the other; a Valkey between them may go."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import httpx
import pytest

from tests.clients import Json, Socket
from tests.eventually import eventually
from tests.postgres import Servers
from tests.server import TOKEN, Server
from tests.valkey import Valkey


class Pair:
    """Two nodes, and the Valkey between them, if there is one."""

    def __init__(self, a: Server, b: Server, valkey: Valkey | None) -> None:
        self.a, self.b, self.valkey = a, b, valkey

    def wakeups(self, node: Server) -> str:
        answer = httpx.get(f"{node.url}/readyz", verify=False)
        assert answer.status_code == 200
        return str(answer.json()["checks"]["wakeups"])

    def metric(self, node: Server, name: str) -> float:
        page = httpx.get(f"{node.url}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}, verify=False).text
        [value] = re.findall(rf"^brokerweb_hints_{name} (\S+)$", page, re.M)
        return float(value)

    def are_connected(self) -> None:
        eventually(lambda: self.metric(self.a, "connected") == self.metric(self.b, "connected") == 1, why="hints come through")


@pytest.fixture(scope="module", params=["valkey", "notify"])
def pair(request: pytest.FixtureRequest, postgres_servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    directory, server = tmp_path_factory.mktemp("pair"), postgres_servers.get("wheel")
    with ExitStack() as ends:
        valkey = ends.enter_context(Valkey(directory)) if request.param == "valkey" else None
        environment = {"REDIS_URL": valkey.url} if valkey else {}
        a = ends.enter_context(Server(directory / "a", environment=environment, postgres=server))
        a.start()
        b = ends.enter_context(Server(directory / "b", environment=a.environment, postgres=server))
        b.start()
        pair = Pair(a, b, valkey)
        pair.are_connected()
        yield pair


def frames(socket: Socket, op: str, n: int = 1) -> list[Json]:
    """The next frames of that kind."""
    found: list[Json] = []
    while len(found) < n:
        frame = socket.next(30)
        assert frame is not None, f"{len(found)} of {n}"
        if frame["op"] == op:
            found.append(frame)
    return found


@contextmanager
def heard(pair: Pair, node: Server) -> Iterator[None]:
    """Meanwhile the node is told something by another; it may look by itself before that."""
    before = pair.metric(node, "received_total")
    yield
    eventually(lambda: pair.metric(node, "received_total") > before, why="a hint")


def test_a_message_comes_to_who_waits_at_the_other_node(pair: Pair):
    with pair.a.rest() as a, pair.b.rest() as b, pair.b.socket() as socket, ThreadPoolExecutor() as threads:
        for queue in ("polled", "consumed"):
            a.declare(queue)
        socket.consume("consumed", prefetch=1)
        polled = threads.submit(b.receive, "polled", wait=20)
        with heard(pair, pair.b):
            a.publish("polled", {"body": 1})
            a.publish("consumed", {"body": 2}, {"body": 3})
            assert [message["body"] for message in polled.result(30)] == [1]
            [first] = frames(socket, "deliver")[0]["messages"]
        with heard(pair, pair.b):  # acknowledged at the other node, it makes room at this one
            assert a.settle("consumed", ack=[first["receipt"]])[0]["status"] == "ok"
            [second] = frames(socket, "deliver")[0]["messages"]
        assert (first["body"], second["body"]) == (2, 3)


def test_a_record_comes_to_who_reads_at_the_other_node(pair: Pair):
    with pair.a.rest() as a, pair.b.rest() as b, pair.b.socket() as socket, ThreadPoolExecutor() as threads:
        a.call("PUT", "/streams/events", {})
        socket.call("subscribe", stream="events", prefetch=100, **{"from": "earliest"})
        polled = threads.submit(b.call, "GET", "/streams/events/records", wait=20, offset=0)
        with heard(pair, pair.b):
            a.call("POST", "/streams/events/records", {"records": [{"body": 1}]})
            assert [record["body"] for record in polled.result(30)["records"]] == [1]
            assert [record["body"] for record in frames(socket, "records")[0]["records"]] == [1]


def test_members_at_both_nodes_share_a_stream(pair: Pair):
    with pair.a.rest() as a, pair.a.socket() as one, pair.b.socket() as other:
        a.call("PUT", "/streams/shared", {"partitions": 2})
        one.call("subscribe", stream="shared", group="billing", prefetch=10)
        frames(one, "assigned")
        other.call("subscribe", stream="shared", group="billing", prefetch=10)
        assert len(frames(one, "revoked")[0]["partitions"]) == 1
        while not (assigned := frames(other, "assigned")[0]["partitions"]):  # it has none when it comes
            pass
        assert len(assigned) == 1


def test_a_node_that_ends_hands_what_it_held_to_the_other(pair: Pair):
    with pair.a.rest() as a, pair.a.socket() as socket, pair.b.socket() as other:
        a.declare("left")
        socket.consume("left", prefetch=1)
        a.publish("left", {"body": 1})
        frames(socket, "deliver")
        other.consume("left", prefetch=1)
        socket.close()
        assert frames(other, "deliver")[0]["messages"][0]["body"] == 1


class Load:
    """A producer at one node, a consumer at the other; ``with`` begins and ends them, and nothing may be lost or left."""

    def __init__(self, pair: Pair) -> None:
        self.pair, self.published, self.acked = pair, 0, set[int]()
        self.stop, self.all_published = threading.Event(), threading.Event()

    def _produce(self) -> None:
        with self.pair.a.rest() as rest:
            while not self.stop.is_set():
                rest.publish("orders", *({"body": self.published + n} for n in range(5)))
                self.published += 5
        self.all_published.set()

    def _consume(self) -> None:
        with self.pair.b.socket() as socket:
            socket.consume("orders", prefetch=50)
            acking: dict[int, set[int]] = {}
            heard_at = time.monotonic()
            while not (self.all_published.is_set() and len(self.acked) == self.published):
                frame = socket.next(0.1)
                if frame is None:
                    assert time.monotonic() < heard_at + 30, f"{len(self.acked)} of {self.published}"
                    continue
                heard_at = time.monotonic()
                if frame["op"] == "deliver":
                    number = socket.send("ack", receipts=[message["receipt"] for message in frame["messages"]])
                    acking[number] = {message["body"] for message in frame["messages"]}
                elif frame["op"] == "ok":
                    self.acked |= acking.pop(frame["id"])

    def goes_on(self) -> None:
        """More is published, and acknowledged, than was so far."""
        so_far = self.published
        eventually(lambda: len(self.acked) > so_far, 30, why="more")

    def __enter__(self) -> Load:
        with self.pair.a.rest() as rest:
            rest.declare("orders")
        self._threads = ThreadPoolExecutor()
        self._work = [self._threads.submit(work) for work in (self._produce, self._consume)]
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        for work in self._work:
            work.result(60)
        self._threads.shutdown()


@pytest.mark.parametrize("pair", ["valkey"], indirect=True)
def test_a_valkey_that_goes_costs_latency_alone(pair: Pair):
    valkey = pair.valkey
    assert valkey is not None
    with Load(pair) as load:
        load.goes_on()
        for end, begin in ((valkey.freeze, valkey.thaw), (valkey.stop, valkey.start)):
            end()
            eventually(lambda: "hints" in pair.wakeups(pair.a) and "hints" in pair.wakeups(pair.b), why="both say so")
            assert pair.metric(pair.a, "connected") == 0
            load.goes_on()
            begin()
            pair.are_connected()
            assert pair.wakeups(pair.a) == pair.wakeups(pair.b) == "ok"
            load.goes_on()
        valkey.client().flushall()
        load.goes_on()
    assert pair.metric(pair.a, "dropped_total") > 0
    with pair.b.rest() as rest:
        left = rest.queue("orders")["counts"]
        assert not any(left.values()), left
