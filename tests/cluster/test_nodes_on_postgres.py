"""Nodes that share a PostgreSQL: what they know of each other, and what becomes of the work of one that stands still or dies."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Origin

from tests.clients import Refused, Rest, Socket
from tests.eventually import eventually
from tests.postgres import Servers
from tests.server import Server

WITHIN = 40  # seconds, a deadline: usual are one or two, and five where a node must have fallen silent


class Cluster:
    """Two nodes on one database."""

    def __init__(self, servers: Servers, folder: Path, ends: ExitStack) -> None:
        self.first = ends.enter_context(Server(folder / "first", postgres=servers.get("wheel")))
        self.first.start()
        self.second = ends.enter_context(
            Server(folder / "second", postgres=self.first.postgres, environment=self.first.environment)
        )
        self.second.start()
        self.a, self.b = (ends.enter_context(server.rest()) for server in (self.first, self.second))

    def nodes(self, rest: Rest) -> list[dict[str, Any]]:
        return list(rest.call("GET", "/nodes")["items"])

    def store(self) -> psycopg.Connection[Any]:
        """A connection to their database, whose transactions end when they are told to."""
        assert self.first.postgres is not None
        return psycopg.connect(self.first.postgres.dsn(urlsplit(self.first.environment["DATABASE_URL"]).path[1:]))

    def by_process(self, rest: Rest) -> dict[int, dict[str, Any]]:
        return {node["process"]: node for node in self.nodes(rest)}

    def owner(self, rest: Rest) -> int | None:
        """The process that has the duties."""
        return next((node["process"] for node in self.nodes(rest) if node["duties"]), None)


@pytest.fixture(scope="module")
def cluster(postgres_servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with ExitStack() as ends:
        yield Cluster(postgres_servers, tmp_path_factory.mktemp("cluster"), ends)


def test_every_node_is_listed_at_each_and_one_has_the_duties(cluster: Cluster):
    servers = (cluster.first, cluster.second)
    pids = {server.pid for server in servers}
    for rest in (cluster.a, cluster.b):
        nodes = cluster.by_process(rest)
        assert {nodes[pid]["state"] for pid in pids} == {"live"}
        assert sum(node["duties"] for node in nodes.values()) == 1
        assert {nodes[pid]["address"] for pid in pids} == {
            f"127.0.0.1:{server.port}" for server in (cluster.first, cluster.second)
        }
        assert all(abs(node["clock_difference"]) < 60 for node in nodes.values())


def test_who_is_connected_elsewhere_counts_is_listed_and_is_closed(cluster: Cluster):
    cluster.a.declare("orders")
    cluster.a.publish("orders", *({"body": n} for n in range(3)))
    assert cluster.b.queue("orders")["verdict"]["code"] == "no_consumer"
    with cluster.first.socket() as socket:
        socket.consume("orders", prefetch=2)
        eventually(lambda: cluster.b.queue("orders")["consumers"] == 1, WITHIN, why="a consumer at the other node is one")

        def listed() -> Any:
            found = [item for item in cluster.b.call("GET", "/connections")["items"] if item["subscriptions"]]
            return next((item for item in found if item["subscriptions"][0].get("unsettled") == 2), None)

        found = eventually(listed, WITHIN, why="what it holds is told")
        assert found["node"] == cluster.by_process(cluster.b)[cluster.first.pid]["name"]
        assert cluster.b.queue("orders")["verdict"]["code"] != "no_consumer"
        cluster.b.call("DELETE", f"/connections/{found['id']}")
        socket.until_closed(WITHIN)
        assert socket.close_code == 4009
    with pytest.raises(Refused, match="404"):
        eventually(lambda: cluster.b.call("DELETE", f"/connections/{found['id']}"), WITHIN)
    eventually(lambda: cluster.b.queue("orders")["consumers"] == 0, WITHIN)


def test_rates_are_of_the_whole_cluster(cluster: Cluster):
    cluster.a.declare("busy")

    def told() -> bool:
        cluster.a.publish("busy", *({"body": n} for n in range(20)))
        return bool(cluster.b.queue("busy")["rates"]["published"] > 0)

    eventually(told, WITHIN, why="what is published at one node is counted at the other", interval=0.5)
    assert cluster.by_process(cluster.b)[cluster.first.pid]["rates"]["published"] > 0


def test_what_is_revoked_at_one_node_ends_at_the_other(cluster: Cluster):
    cluster.a.declare("mine")
    made = cluster.a.call("POST", "/tokens", {"name": "till", "grants": [{"pattern": "*", "verbs": ["consume", "browse"]}]})
    url, token = cluster.second.url, made["token"]
    with Rest(url, token) as rest, Socket.open(f"{url.replace('http', 'ws')}/ws", token) as socket:
        socket.consume("mine")
        rest.queue("mine")
        cluster.a.call("DELETE", f"/tokens/{made['id']}")
        socket.until_closed(WITHIN)
        assert socket.close_code == 4001

        def refused() -> bool:
            try:
                rest.queue("mine")
            except Refused as error:
                return error.status == 401
            return False

        eventually(refused, WITHIN)


def test_who_is_changed_at_one_node_is_out_at_the_other(cluster: Cluster):
    made = cluster.a.call("POST", "/users", {"name": "ada", "role": "viewer"})
    url, place = cluster.second.url, urlsplit(made["invitation"]).path
    with httpx.Client(base_url=url) as browser:
        browser.get(place)
        form = {"password": "a long enough password", "again": "a long enough password"}
        form["csrfmiddlewaretoken"] = browser.cookies["brokerweb_csrf"]
        assert browser.post(place, data=form, headers={"Referer": f"{url}{place}"}).status_code == 302
        cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
        headers = {"Cookie": cookies}
        with connect(f"{url.replace('http', 'ws')}/ws", additional_headers=headers, origin=Origin(url), proxy=None) as socket:
            assert json.loads(socket.recv(WITHIN))["op"] == "hello"
            assert browser.get("/api/v1/queues").status_code == 200
            cluster.a.call("PATCH", "/users/ada", {"role": "operator"})
            assert browser.get("/api/v1/queues").status_code == 401
            with pytest.raises(ConnectionClosed):
                list(socket)
            assert socket.close_code == 4001


def test_who_signs_out_at_one_node_is_out_at_the_other(cluster: Cluster):
    with httpx.Client(base_url=cluster.first.url) as browser:
        browser.get("/sign-in")
        form = {"username": "admin", "password": "password-of-the-real-server-tests"}
        form["csrfmiddlewaretoken"] = browser.cookies["brokerweb_csrf"]
        headers = {"Referer": f"{cluster.first.url}/sign-in"}
        assert browser.post("/sign-in", data=form, headers=headers).status_code == 302
        cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
        url, origin = cluster.second.url.replace("http", "ws"), cluster.second.url
        with connect(f"{url}/ws", additional_headers={"Cookie": cookies}, origin=Origin(origin), proxy=None) as socket:
            assert json.loads(socket.recv(WITHIN))["op"] == "hello"
            socket.send(json.dumps({"op": "consume", "id": 1, "queue": "orders"}))
            assert json.loads(socket.recv(WITHIN))["op"] in ("ok", "error"), "the session is good there"
            form["csrfmiddlewaretoken"] = browser.cookies["brokerweb_csrf"]
            assert browser.post("/sign-out", data=form, headers=headers).status_code == 302
            with pytest.raises(ConnectionClosed):
                list(socket)
            assert socket.close_code == 4001


def test_metrics_add_up(cluster: Cluster):
    cluster.a.declare("counted")
    cluster.a.publish("counted", {"body": 1})
    cluster.b.publish("counted", {"body": 2})

    def told(line: str) -> list[float]:
        texts = [cluster.a.http.get(f"{server.url}/metrics").text for server in (cluster.first, cluster.second)]
        return [float(found.split()[-1]) for text in texts for found in text.splitlines() if found.startswith(line)]

    assert told('brokerweb_queue_messages{queue="counted",state="ready"}') == [2.0]
    assert told('brokerweb_queue_published_total{queue="counted"}') == [1.0, 1.0]
    assert sorted(told("brokerweb_duties ")) == [0.0, 1.0]
    assert len(told("brokerweb_database_bytes ")) == 1
    assert told("brokerweb_database_bytes ")[0] > 1_000_000


def test_a_lease_that_is_extended_at_another_node_is_held_as_long(cluster: Cluster):
    """Past the deadline that its consumer's node was told of, its window stays full."""
    for name in ("window", "clock"):
        cluster.a.declare(name, lease=5, backoff={"initial": 0.05, "max": 0.5})
    with cluster.first.socket() as socket:
        socket.consume("window", prefetch=1)
        cluster.a.publish("window", {"body": 1}, {"body": 2})
        [held] = socket.receive()["messages"]
        settled = cluster.b.settle("window", extend=[{"receipt": held["receipt"], "lease": 600}])
        assert [each["status"] for each in settled] == ["ok"]
        with cluster.first.socket() as other:  # leased later, so that the first one's deadline is over when this one's is
            other.consume("clock", prefetch=1)
            cluster.a.publish("clock", {"body": 3})
            assert [other.receive()["messages"][0]["attempts"] for _ in range(2)] == [1, 2]
        assert socket.next(0.5) is None
        socket.call("ack", receipts=[held["receipt"]])
        assert socket.receive()["messages"][0]["body"] == 2


def test_what_ran_out_goes_before_what_stands_behind_it(cluster: Cluster):
    queue = f"in-order-{time.monotonic_ns()}"
    cluster.a.declare(queue, lease=1, max_failures=None, backoff={"initial": 0, "jitter": 0})
    cluster.a.publish(queue, *({"body": n} for n in range(3)))
    attempts = [0]
    with cluster.first.socket() as socket:
        socket.consume(queue, prefetch=1)
        for _ in range(3):  # on a busy machine a lease may run out before it is handed on
            [message] = socket.receive()["messages"]
            assert message["body"] == 0
            attempts.append(message["attempts"])
    assert attempts == sorted(set(attempts))


def test_duties_stay_where_they_are_however_long_commits_wait(cluster: Cluster):
    def lease_and_beats() -> tuple[Any, int]:
        with cluster.store() as look:
            lease = look.execute("SELECT node, since_at FROM brokerweb_cluster_dutylease").fetchall()
            [(beat,)] = look.execute("SELECT min(seen_at) FROM brokerweb_cluster_node WHERE presence <> ''").fetchall()
            return lease, beat

    before, since = lease_and_beats()
    with cluster.store() as busy:
        busy.execute("LOCK TABLE brokerweb_queues_message, brokerweb_queues_queue")
        eventually(lambda: lease_and_beats()[1] > since + 6_000_000, WITHIN, why="nodes beat", interval=0.2)
        busy.rollback()
    assert lease_and_beats()[0] == before
    for server in (cluster.first, cluster.second):
        eventually(lambda: server.readiness() == 200, WITHIN)  # noqa: B023 (called at once)


def test_a_cluster_without_an_owner_of_the_duties_is_not_ready(cluster: Cluster):
    cluster.a.declare("meanwhile")
    servers = (cluster.first, cluster.second)
    with cluster.store() as held:
        held.execute("SELECT * FROM brokerweb_cluster_dutylease FOR UPDATE")
        eventually(lambda: [server.readiness() for server in servers] == [503, 503], WITHIN, why="both say so")
        checks = httpx.get(f"{cluster.first.url}/readyz").json()["checks"]
        assert checks["duties"] == "no node has them"
        assert checks["store"] == "ok"
        cluster.a.publish("meanwhile", {"body": 1})
        assert len(cluster.b.receive("meanwhile")) == 1, "all else goes on"
        held.rollback()
    eventually(lambda: [server.readiness() for server in servers] == [200, 200], WITHIN)
    assert cluster.owner(cluster.a) in {server.pid for server in servers}


def test_another_node_does_the_duties_of_one_that_stands_still_and_of_one_that_dies(cluster: Cluster):
    cluster.a.declare("later")
    owner, other = cluster.first, cluster.second
    if cluster.owner(cluster.a) != owner.pid:
        owner, other = other, owner
    owner.freeze()
    with other.rest() as rest:
        rest.publish("later", {"body": 1, "delay": 1})
        eventually(lambda: rest.queue("later")["counts"]["ready"] == 1, WITHIN, why="what is due is done by the other")
        assert cluster.owner(rest) == other.pid
        eventually(lambda: cluster.by_process(rest)[owner.pid]["state"] == "silent", WITHIN)
    owner.thaw()
    with owner.rest() as rest:
        eventually(lambda: cluster.by_process(rest)[owner.pid]["state"] == "live", WITHIN)
        assert cluster.owner(rest) == other.pid, "who wakes up has them no more"
        assert owner.readiness() == 200
        rest.call("PUT", "/streams/events", {"partitions": 2})
        rest.call("PUT", "/streams/events/groups/billing", {"session_timeout": 5})

        def members() -> set[str]:
            return {part["owner"] for part in rest.call("GET", "/streams/events/groups/billing")["partitions"]}

        with owner.socket() as stays, other.socket() as dies:
            for socket in (stays, dies):
                socket.call("subscribe", stream="events", group="billing")
            eventually(lambda: len(members()) == 2, WITHIN, why="each has a partition")
            other.kill()
            rest.publish("later", {"body": 2, "delay": 1})
            eventually(lambda: rest.queue("later")["counts"]["ready"] == 2, WITHIN)
            eventually(lambda: len(members()) == 1, WITHIN, why="the partition of who died goes to who lives")


def test_the_first_start_after_the_last_node_died_gives_back_what_its_subscriptions_held(cluster: Cluster):
    alive, other = (cluster.first, cluster.second) if cluster.first.running else (cluster.second, cluster.first)
    other.kill()  # unless the test before did
    with alive.rest() as rest, alive.socket() as socket:
        eventually(lambda: cluster.by_process(rest).get(other.pid, {}).get("state") != "live", WITHIN, why="one node is left")
        rest.declare("held", lease=600)
        rest.publish("held", *({"body": n} for n in range(3)))
        socket.consume("held", prefetch=2)
        assert len(socket.receive()["messages"]) == 2
        rest.receive("held")
        alive.kill()
    with alive.start().rest() as rest:
        eventually(
            lambda: rest.queue("held")["counts"] == {"ready": 2, "scheduled": 0, "blocked": 0, "leased": 1, "dead": 0}, WITHIN
        )
