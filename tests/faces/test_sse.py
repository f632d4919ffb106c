"""Server-sent events of a stream, on both servers: order, resumption, line ends, slow clients, and every way it ends."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from brokerweb.core import alarms, clock
from brokerweb.delivery import connections as connections_of
from brokerweb.delivery import hub
from brokerweb.delivery.streams.whole_stream import WholeStream
from brokerweb.faces import live as face
from brokerweb.faces import sse
from brokerweb.faces.codec import reached
from brokerweb.faces.live import Live
from brokerweb.identity.principal import Principal, broker_itself
from tests.clients import Json, Rest
from tests.eventually import eventually
from tests.faces.events import Following, follow
from tests.faces.test_news import kinds, told
from tests.people import signed_in
from tests.server import TOKEN, Server


@pytest.fixture
def rest(either: Server) -> Iterator[Rest]:
    with either.rest() as client:
        yield client


@pytest.fixture
def stream(rest: Rest, name: str) -> str:
    rest.call("PUT", f"/streams/{name}", {"partitions": 2})
    return name


def append(rest: Rest, stream: str, *bodies: Any, partition: int = 0) -> None:
    rest.call("POST", f"/streams/{stream}/records", {"records": [{"body": b, "partition": partition} for b in bodies]})


def connections(rest: Rest, stream: str) -> list[Json]:
    items = rest.call("GET", "/connections", None, limit=1000)["items"]
    return [item for item in items if any(s.get("stream") == stream for s in item["subscriptions"])]


def bodies(following: Following, n: int) -> list[Any]:
    return [event.json["body"] for event in following.take(n)]


# What comes


def test_records_come_as_they_are_appended_with_the_whole_position(either: Server, rest: Rest, stream: str) -> None:
    append(rest, stream, "before")
    with follow(either, stream) as live:
        assert live.response.headers["content-type"] == "text/event-stream"
        assert live.response.headers["cache-control"] == "no-store"
        append(rest, stream, "a", "b")
        append(rest, stream, "c", partition=1)
        events = live.take(3)
    assert [event.kind for event in events] == ["record"] * 3
    assert [event.json["body"] for event in events] == ["a", "b", "c"]
    assert [event.id for event in events] == ["0-2,1-0", "0-3,1-0", "0-3,1-1"]
    assert (events[2].json["partition"], events[2].json["offset"]) == (1, "0")


def test_it_begins_where_it_is_asked_to(either: Server, rest: Rest, stream: str) -> None:
    append(rest, stream, *range(5))
    with follow(either, stream, **{"from": "earliest"}) as live:
        assert bodies(live, 5) == [0, 1, 2, 3, 4]
    with follow(either, stream, **{"from": "0-3,1-0"}) as live:
        assert bodies(live, 2) == [3, 4]
    with follow(either, stream, **{"from": "2020-01-01T00:00:00Z"}) as live:
        assert bodies(live, 5) == [0, 1, 2, 3, 4]


def test_last_event_id_goes_on_without_a_gap_whatever_from_says(either: Server, rest: Rest, stream: str) -> None:
    append(rest, stream, *range(4))
    with follow(either, stream, **{"from": "earliest"}) as live:
        (*_, second) = live.take(2)
    append(rest, stream, 4)
    with follow(either, stream, last=second.id, **{"from": "earliest"}) as live:
        assert bodies(live, 3) == [2, 3, 4]


def test_a_client_that_saw_nothing_yet_knows_where_it_was(either: Server, rest: Rest, stream: str) -> None:
    append(rest, stream, "before")
    with follow(either, stream) as live:
        assert next(live.response.iter_lines()) == "id: 0-1,1-0"
    append(rest, stream, "missed")
    with follow(either, stream, last="0-1,1-0") as live:
        assert bodies(live, 1) == ["missed"]


def test_a_partition_that_is_added_is_followed_too(either: Server, rest: Rest, stream: str) -> None:
    with follow(either, stream) as live:
        rest.call("PUT", f"/streams/{stream}", {"partitions": 3})
        append(rest, stream, "new", partition=2)
        (event,) = live.take(1)
    assert (event.json["body"], event.id) == ("new", "0-0,1-0,2-1")
    with follow(either, stream, last="0-0,1-0") as live:
        assert bodies(live, 1) == ["new"]


def test_every_line_of_a_body_is_prefixed(either: Server, rest: Rest, stream: str) -> None:
    text = b'{"a":\n1,\r\n"b":\r"x\\ny"}'
    rest.http.post(f"/streams/{stream}/records", content=b'{"records":[{"body":%b,"partition":0}]}' % text).raise_for_status()
    with follow(either, stream, **{"from": "earliest"}) as live:
        (event,) = live.take(1)
    assert event.json["body"] == {"a": 1, "b": "x\ny"}
    assert sum(line.startswith("data: ") for line in live.lines) == 4


def test_a_backlog_and_what_comes_meanwhile_arrive_once_and_in_order(either: Server, rest: Rest, stream: str) -> None:
    for start in range(0, 3000, 1000):
        append(rest, stream, *range(start, start + 1000))
    with follow(either, stream, **{"from": "earliest"}) as live:
        first = bodies(live, 100)
        append(rest, stream, *range(3000, 3500))
        assert first + bodies(live, 3400) == list(range(3500))


def test_binary_records_come_as_base64(either: Server, rest: Rest, stream: str) -> None:
    rest.call("POST", f"/streams/{stream}/records", {"records": [{"body_base64": "AAE=", "partition": 0}]})
    with follow(either, stream, **{"from": "earliest"}) as live:
        assert live.take(1)[0].json["body_base64"] == "AAE="


# A position of many partitions


def test_a_reader_of_a_thousand_partitions_comes_back_with_a_short_header(either: Server, rest: Rest, name: str) -> None:
    rest.call("PUT", f"/streams/{name}", {"partitions": 1000})
    places = [(n * 37) % 1000 for n in range(120)]
    for n, partition in enumerate(places):
        append(rest, name, n, partition=partition)
    with follow(either, name, **{"from": "earliest"}) as live:
        events = live.take(120)
    assert max(len(event.id) for event in events) < 1000
    for event in events[::13]:
        read = {earlier.json["body"] for earlier in events[: events.index(event) + 1]}
        for begin in ({"last": event.id}, {"from": event.id}):
            with follow(either, name, **begin) as live:
                assert {*bodies(live, 120 - len(read))} == {*range(120)} - read
    append(rest, name, "new", partition=7)
    with follow(either, name, last=events[-1].id) as live:
        assert bodies(live, 1) == ["new"]


def test_the_plain_form_of_a_thousand_partitions_is_understood(either: Server, rest: Rest, name: str) -> None:
    rest.call("PUT", f"/streams/{name}", {"partitions": 1000})
    append(rest, name, "a", partition=999)
    with follow(either, name, last=",".join(f"{n}-0000000000000" for n in range(1000))) as live:
        assert bodies(live, 1) == ["a"]


def test_from_the_end_on_a_client_knows_where_it_began_in_many_partitions(either: Server, rest: Rest, name: str) -> None:
    rest.call("PUT", f"/streams/{name}", {"partitions": 51})
    append(rest, name, "before", partition=50)
    with follow(either, name) as live:
        first = next(live.response.iter_lines())
    assert first.startswith("id: z")
    append(rest, name, "missed", partition=50)
    with follow(either, name, last=first.removeprefix("id: ")) as live:
        assert bodies(live, 1) == ["missed"]


# Who may, and what is refused


@pytest.mark.parametrize(
    ("last", "query", "status", "pointer"),
    [
        ("nonsense", {}, 400, "/Last-Event-ID"),
        ("0-1,", {}, 400, "/Last-Event-ID"),
        ("z", {}, 400, "/Last-Event-ID"),
        ("zAAAA", {}, 400, "/Last-Event-ID"),
        (reached.Reached(dict.fromkeys(range(51), 0)).text().decode(), {}, 400, "/Last-Event-ID"),
        (None, {"from": "zAAAA,0-1"}, 400, "/from"),
        ("7-1", {}, 400, "/Last-Event-ID"),
        ("0-99", {}, 416, None),
        (None, {"from": "soon"}, 400, "/from"),
        (None, {"from": "7-1"}, 400, "/from"),
        (None, {"from": ""}, 400, "/from"),
        (None, {"x": "1"}, 400, "/x"),
        (None, {"access_token": TOKEN}, 400, "/access_token"),
    ],
)
def test_where_nobody_can_be_is_refused(
    either: Server, stream: str, last: str | None, query: dict[str, str], status: int, pointer: str | None
) -> None:
    with follow(either, stream, last=last, **query) as live:
        live.response.read()
        assert (live.response.status_code, live.response.headers["content-type"]) == (status, "application/problem+json")
        if status == 416:
            assert (live.response.json()["low"], live.response.json()["end"]) == ("0", "0")
        else:
            assert live.response.json()["errors"][0]["pointer"] == pointer


def test_it_needs_browse_and_somebody(either: Server, rest: Rest, stream: str) -> None:
    url = f"{either.url}/api/v1/streams/{stream}/live"
    assert httpx.get(url).status_code == 401
    assert httpx.get(url, params={"access_token": TOKEN}).status_code == 401
    for grants, status in (([{"pattern": stream, "verbs": ["consume"]}], 403), ([], 403)):
        token = rest.call("POST", "/tokens", {"name": "t", "grants": grants})["token"]
        assert httpx.get(url, headers={"Authorization": f"Bearer {token}"}).status_code == status
    assert rest.http.get("/streams/nobody/live").status_code == 404
    assert rest.http.post(f"/streams/{stream}/live").status_code == 405
    assert rest.http.head(f"/streams/{stream}/live").headers["content-type"] == "text/event-stream"


def test_a_browser_follows_with_its_session(browser: httpx.Client, server: Server) -> None:
    with server.rest() as rest:
        rest.call("PUT", "/streams/for-browsers")
        append(rest, "for-browsers", 1)
        del browser.headers["X-CSRFToken"]
        with browser.stream("GET", "/api/v1/streams/for-browsers/live", params={"from": "earliest"}) as response:
            assert bodies(Following(response), 1) == [1]
        refused = browser.get("/api/v1/streams/for-browsers/live", headers={"Authorization": "Bearer wrong"})
        assert refused.status_code == 401


# How it ends


def test_it_ends_with_the_stream(either: Server, rest: Rest, stream: str) -> None:
    with follow(either, stream) as live:
        append(rest, stream, 1)
        live.take(1)
        rest.call("DELETE", f"/streams/{stream}")
        (closed,) = live.rest()
    assert (closed.kind, closed.json["code"]) == ("closed", "deleted")


def test_it_ends_when_the_token_does(either: Server, rest: Rest, stream: str) -> None:
    made = rest.call("POST", "/tokens", {"name": "t", "grants": [{"pattern": stream, "verbs": ["browse"]}]})
    with follow(either, stream, token=made["token"]) as live:
        append(rest, stream, 1)
        live.take(1)
        rest.call("DELETE", f"/tokens/{made['id']}")
        (closed,) = live.rest()
    assert (closed.kind, closed.json["code"]) == ("closed", "unauthenticated")


def test_an_operator_sees_it_and_ends_it(either: Server, rest: Rest, stream: str) -> None:
    with follow(either, stream) as live:
        append(rest, stream, 1)
        live.take(1)
        (mine,) = connections(rest, stream)
        assert mine["protocol"] == "sse"
        rest.call("DELETE", f"/connections/{mine['id']}")
        assert live.rest() == []
    eventually(lambda: not connections(rest, stream), why="it is gone")


def test_a_client_that_goes_is_forgotten(either: Server, rest: Rest, stream: str) -> None:
    with follow(either, stream) as live:
        append(rest, stream, 1)
        live.take(1)
        assert len(connections(rest, stream)) == 1
    eventually(lambda: not connections(rest, stream), why="it is gone")


def test_it_ends_when_the_node_stops(tmp_path: Path, either: Server) -> None:
    with Server(tmp_path / "data", kind=either.kind) as server:
        server.start()
        with server.rest() as rest:
            rest.call("PUT", "/streams/s", {"partitions": 2})
            with follow(server, "s") as live, signed_in(server) as browser, told(browser) as page:
                append(rest, "s", 1)
                live.take(1)
                begun = time.monotonic()
                stopped: list[int] = []
                stopping = threading.Thread(target=lambda: stopped.append(server.terminate()))
                stopping.start()
                assert live.rest() == []
                assert {*kinds(page)} <= {"fresh"}
                stopping.join(40)
        assert stopped == [0]
        assert time.monotonic() - begun < 20  # ten, and what a busy machine adds


# Slow clients


def test_a_slow_client_holds_up_nobody_is_not_read_ahead_of_and_catches_up(either: Server, rest: Rest, stream: str) -> None:
    with socket.create_connection(("127.0.0.1", either.port)) as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 131_072)
        slow.sendall(
            f"GET /api/v1/streams/{stream}/live?from=earliest HTTP/1.1\r\nHost: 127.0.0.1:{either.port}\r\n"
            f"Authorization: Bearer {TOKEN}\r\n\r\n".encode()
        )
        eventually(lambda: connections(rest, stream), why="it is there")
        with follow(either, stream) as live:
            for n in range(10):
                append(rest, stream, *(f"{n}-{i}" + "x" * 200_000 for i in range(10)))
                assert len(live.take(10)) == 10
            (held,) = (c for c in connections(rest, stream) if c["subscriptions"][0]["positions"]["0"] != "100")
        assert int(held["subscriptions"][0]["positions"]["0"]) < 60
        lines = slow.makefile("rb")
        for n in range(100):
            line = next(line for line in iter(lines.readline, b"") if line.startswith(b"data: "))
            assert json.loads(line[6:])["body"].startswith(f"{n // 10}-{n % 10}x")


class Stuck:
    """A server whose client takes nothing."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()

    async def send(self, message: Any) -> None:
        await asyncio.Event().wait()

    async def receive(self) -> Json:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    def abort(self) -> None:
        self.gone.set()

    async def drained(self) -> None:
        pass


def test_a_client_that_takes_nothing_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "STUCK", 0.05)

    async def serve() -> bool:
        stuck = Stuck()
        live = Live({"extensions": {"brokerweb.link": stuck}}, stuck.send, broker_itself(), hub.Hub())
        await asyncio.wait_for(live.run(stuck.receive), 30)
        return stuck.gone.is_set()

    assert asyncio.run(serve())


def test_what_goes_wrong_on_the_way_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("on the way")

    async def reader(scope: Any) -> Principal:
        return Principal("ada", "user:1", superuser=True, expires_at=clock.wall() + clock.seconds(60))

    async def found(*_: Any) -> Any:
        return SimpleNamespace(name="some"), {}

    async def serve() -> None:
        scope = {"type": "http", "method": "GET", "path": "/api/v1/streams/some/live", "headers": [], "query_string": b""}
        await face.app({**scope, "client": ("127.0.0.1", 1)}, Stuck().receive, send)

    async def send(message: Any) -> None:
        sent.append(message)

    sent: list[Any] = []
    before, alarms_before = connections_of.live(), set(alarms._set)
    for of, name, other in ((sse, "reader", reader), (face, "aread", found), (sse, "serving", hub.Hub)):
        monkeypatch.setattr(of, name, other)
    monkeypatch.setattr(WholeStream, "begin", fail)
    asyncio.run(serve())
    assert sent[0]["status"] == 500
    assert connections_of.live() == before
    assert set(alarms._set) == alarms_before


def test_silence_is_broken_by_comments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "HEARTBEAT", 0.02)
    sent: list[bytes] = []

    async def serve() -> None:
        stuck = Stuck()

        async def send(message: Any) -> None:
            sent.append(message.get("body", b""))
            if len(sent) == 5:
                live.end()

        live = Live({}, send, broker_itself(), hub.Hub())
        await asyncio.wait_for(live.run(stuck.receive), 30)

    asyncio.run(serve())
    assert sent[2:5] == [b":\n"] * 3
