"""Tails over server-sent events, on both servers and databases: what they tell, to whom, how many, and every way they end."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import pytest

from brokerweb.faces.tail import OF_A_SESSION
from tests.clients import Rest
from tests.eventually import eventually
from tests.faces.events import Following, follow
from tests.faces.test_rest_access import made
from tests.server import TOKEN, Server


@pytest.fixture
def rest(anywhere: Server) -> Iterator[Rest]:
    with anywhere.rest() as client:
        yield client


@pytest.fixture
def queue(rest: Rest, name: str) -> str:
    rest.declare(name)
    return name


@contextmanager
def tailing(server: Server, *, token: str = TOKEN, **query: str) -> Iterator[Following]:
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.stream("GET", f"{server.url}/tail", headers=headers, params=query, timeout=30) as response:
        assert response.status_code == 200, response.read()
        following = Following(response)
        assert following.take(0) == []
        yield following


def rows(following: Following, n: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while len(found) < n:
        [event] = following.take(1)
        if event.kind != "begun":
            assert event.kind == "seen"
            found += event.json["rows"]
    return found


def test_a_queue_is_watched_as_it_moves(anywhere: Server, rest: Rest, queue: str) -> None:
    with tailing(anywhere, queue=queue, q="$.n>1") as live:
        assert live.response.headers["content-type"] == "text/event-stream"
        assert live.response.headers["cache-control"] == "no-store"
        ids = [made["id"] for made in rest.publish(queue, {"body": {"n": 1}}, {"body": {"n": 2}, "key": "k"})]
        [row] = rows(live, 1)
        assert (row["id"], row["key"], row["excerpt"], row["state"]) == (ids[1], "k", '{"n": 2}', "ready")
        first, second = rest.receive(queue, max=2)
        rest.settle(queue, ack=[second["receipt"]], nack=[{"receipt": first["receipt"], "delay": 60}])
        states: list[str] = []
        while "gone" not in states:
            [event] = live.take(1)
            states += [change["state"] for change in event.json["changes"]]
        assert rest.queue(queue)["counts"]["scheduled"] == 1
        rest.call("DELETE", f"/queues/{queue}")
        assert [event.kind for event in live.rest()][-1] == "closed"


def test_a_stream_is_watched(anywhere: Server, rest: Rest, name: str) -> None:
    rest.call("PUT", f"/streams/{name}")
    with tailing(anywhere, stream=name) as live:
        rest.call("POST", f"/streams/{name}/records", {"records": [{"body": n} for n in range(3)]})
        assert [(row["offset"], row["excerpt"]) for row in rows(live, 3)] == [("0", "0"), ("1", "1"), ("2", "2")]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"queue": "no-such-queue"}, 404), ({"stream": "no-such-stream"}, 404), ({"queue": ".."}, 400), ({}, 400),
        ({"queue": "a", "stream": "b"}, 400), ({"queue": "a", "q": "$.x"}, 400), ({"queue": "a", "more": "1"}, 400),
    ],
)  # fmt: skip
def test_what_cannot_be_watched_is_refused(anywhere: Server, query: dict[str, str], status: int) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    assert httpx.get(f"{anywhere.url}/tail", headers=headers, params=query).status_code == status


def test_only_who_may_browse_watches_and_is_ended_with_their_rights(anywhere: Server, rest: Rest, queue: str) -> None:
    assert httpx.get(f"{anywhere.url}/tail", params={"queue": queue}).status_code == 401
    other = made(rest, ("other", ["browse"]))["token"]
    headers = {"Authorization": f"Bearer {other}"}
    assert httpx.get(f"{anywhere.url}/tail", headers=headers, params={"queue": queue}).status_code == 403
    token = made(rest, (queue, ["browse"]))
    with tailing(anywhere, queue=queue, token=token["token"]) as live:
        rest.call("DELETE", f"/tokens/{token['id']}")
        [event] = [event for event in live.rest() if event.kind == "closed"]
    assert event.json["code"] == "unauthenticated"


def test_nobody_watches_more_than_a_few_at_once(anywhere: Server, rest: Rest, queue: str) -> None:
    token = made(rest, (queue, ["browse"]))["token"]
    headers = {"Authorization": f"Bearer {token}"}

    def status() -> int:
        with httpx.stream("GET", f"{anywhere.url}/tail", headers=headers, params={"queue": queue}) as response:
            return response.status_code

    with ExitStack() as stack:
        for _ in range(OF_A_SESSION):
            stack.enter_context(tailing(anywhere, queue=queue, token=token))
        assert status() == 429
    eventually(lambda: status() == 200)


def test_what_is_masked_is_hidden_from_who_only_browses_a_stream_and_not_from_who_consumes(anywhere: Server, rest: Rest) -> None:
    name = f"masked-{secrets.token_hex(4)}"
    rest.call("PUT", f"/streams/{name}")
    rest.call("PUT", "/masks", {"masks": [{"pattern": "masked-*", "fields": ["$.card", "header.auth", "key"]}]})
    try:
        record = {"body": {"card": "4111", "n": 1.10}, "headers": {"Auth": "secret", "a": "b"}, "key": "ana"}
        rest.call("POST", f"/streams/{name}/records", {"records": [record]})
        looks, consumes = made(rest, (name, ["browse"]))["token"], made(rest, (name, ["browse", "consume"]))["token"]
        shown = {"body": {"card": "•••", "n": 1.10}, "headers": {"Auth": "•••", "a": "b"}, "key": "•••"}
        for token, expected in ((looks, shown), (consumes, record)):
            with Rest(anywhere.url, token, 30) as client:
                [read] = client.call("GET", f"/streams/{name}/records")["records"]
            with follow(anywhere, name, token=token, **{"from": "earliest"}) as live:
                [event] = live.take(1)
            for found in (read, event.json):
                assert {field: found[field] for field in expected} == expected
        with tailing(anywhere, stream=name, token=looks) as watching:
            rest.call("POST", f"/streams/{name}/records", {"records": [record]})
            assert "4111" not in json.dumps(rows(watching, 1))
    finally:
        rest.call("PUT", "/masks", {"masks": []})
