"""Clients name themselves, and people read those names wherever the broker says who it was."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.clients import Refused, Rest, Socket
from tests.eventually import eventually
from tests.server import TOKEN, Server

TOO_LONG = "é" * 128  # 256 bytes


def token_name(rest: Rest) -> str:
    """What the administrator's token is called."""
    return str(min(rest.call("GET", "/tokens", limit=1000)["items"], key=lambda item: int(item["id"]))["name"])


@contextmanager
def socket(server: Server, *, header: bytes | None = None) -> Iterator[Socket]:
    headers: dict[str, Any] = {"Authorization": f"Bearer {TOKEN}"}
    if header is not None:
        headers["Client-Name"] = header.decode("latin-1")
    with ExitStack() as ends:
        url = server.url.replace("http", "ws", 1) + "/ws"
        made = Socket(ends.enter_context(connect(url, additional_headers=headers, proxy=None, close_timeout=2)), ends)
        assert made.receive(10)["op"] == "hello"
        yield made


def only_failure(rest: Rest, queue: str, id: str) -> Any:
    def failed() -> Any:
        return rest.call("GET", f"/queues/{queue}/messages/{id}")["failed"]

    eventually(lambda: len(failed()) == 1, why="a failure")
    return failed()[0]


def test_a_caller_of_rest_is_shown_by_the_name_it_gives_itself(server: Server, rest: Rest, queue: str) -> None:
    [stored] = rest.publish(queue, {"body": 1})
    answer = rest.http.post(f"/queues/{queue}/receive", json={}, headers={b"Client-Name": "till é".encode()})
    [message] = answer.json()["messages"]
    rest.settle(queue, nack=[{"receipt": message["receipt"], "error": "no"}])
    failed = only_failure(rest, queue, stored["id"])
    assert (failed["client"], failed["by"], failed["connection"]) == ("till é", token_name(rest), None)


def test_the_tokens_name_stands_where_a_client_has_none(rest: Rest, queue: str) -> None:
    [stored] = rest.publish(queue, {"body": 1})
    [message] = rest.receive(queue)
    rest.settle(queue, nack=[{"receipt": message["receipt"], "error": "no"}])
    assert only_failure(rest, queue, stored["id"])["client"] == token_name(rest)


def test_two_callers_of_one_token_are_told_apart(rest: Rest, queue: str) -> None:
    ids = [stored["id"] for stored in rest.publish(queue, {"body": 1}, {"body": 2})]
    for name in ("one", "two"):
        answer = rest.http.post(f"/queues/{queue}/receive", json={"max": 1}, headers={"Client-Name": name})
        rest.settle(queue, nack=[{"receipt": answer.json()["messages"][0]["receipt"], "delay": 60}])
    assert [only_failure(rest, queue, id)["client"] for id in ids] == ["one", "two"]


def test_a_lost_connection_is_shown_by_its_name_when_it_has_gone(either: Server) -> None:
    with either.rest() as rest:
        rest.declare("lost")
        [stored] = rest.publish("lost", {"body": 1})
        with socket(either, header=b"worker-1") as client:
            client.consume("lost")
            assert client.receive()["op"] == "deliver"
            [connection] = [c for c in rest.call("GET", "/connections")["items"] if c["client"] == "worker-1"]
            assert connection["subscriptions"][0]["client"] == "worker-1"
            client.cut()
        failed = only_failure(rest, "lost", stored["id"])
        assert (failed["kind"], failed["client"], failed["connection"]) == ("consumer_lost", "worker-1", connection["id"])
        assert failed["by"] == token_name(rest)


def test_a_subscription_may_have_a_name_of_its_own(server: Server, rest: Rest, queue: str) -> None:
    [stored] = rest.publish(queue, {"body": 1})
    with socket(server, header=b"worker") as client:
        sub = client.consume(queue, client="worker/retries")
        shown = [s for c in rest.call("GET", "/connections")["items"] for s in c["subscriptions"] if s.get("queue") == queue]
        assert [s["client"] for s in shown] == ["worker/retries"]
        frame = client.receive()
        client.call("nack", items=[{"receipt": frame["messages"][0]["receipt"], "delay": 60}])
        assert frame["sub"] == sub
    assert only_failure(rest, queue, stored["id"])["client"] == "worker/retries"


def test_auth_names_the_connection_and_names_it_anew(server: Server, rest: Rest, queue: str) -> None:
    url = server.url.replace("http", "ws", 1) + "/ws"
    with connect(url, proxy=None, close_timeout=2) as raw:
        client = Socket(raw, ExitStack())
        assert client.receive()["op"] == "hello"
        client.call("auth", token=TOKEN, client="page-1")
        client.consume(queue)

        def named() -> list[str]:
            mine = [c for c in rest.call("GET", "/connections")["items"] if c["subscriptions"]]
            return [c["client"] for c in mine if c["subscriptions"][0].get("queue") == queue]

        assert named() == ["page-1"]
        client.call("auth", token=TOKEN, client="page-2")
        assert named() == ["page-2"]
        client.call("auth", token=TOKEN)
        assert named() == ["page-2"]


def test_members_of_groups_have_names(server: Server, rest: Rest, name: str) -> None:
    rest.call("PUT", f"/streams/{name}", {})
    with socket(server) as client:
        client.call("subscribe", stream=name, group="billing", client="billing-7")
        members = rest.call("GET", f"/streams/{name}/groups/billing")["members"]
        assert [(member["client"], member["name"]) for member in members] == [("billing-7", token_name(rest))]


def test_a_shared_groups_member_is_shown_in_its_failures(server: Server, rest: Rest, name: str) -> None:
    rest.call("PUT", f"/streams/{name}", {})
    rest.call("PUT", f"/streams/{name}/groups/g", {"kind": "shared", "start": "earliest", "max_failures": 1})
    rest.call("POST", f"/streams/{name}/records", {"records": [{"body": 1}]})
    answer = rest.http.post(f"/streams/{name}/groups/g/receive", json={}, headers={"Client-Name": "till"})
    [message] = answer.json()["messages"]
    rest.call("POST", f"/streams/{name}/groups/g/settle", {"nack": [{"receipt": message["receipt"], "error": "no"}]})
    assert len(rest.call("GET", f"/streams/{name}/groups/g/dead")["items"]) == 1


# What is no name


@pytest.mark.parametrize("path", ["/queues", "/queues/{q}", "/queues/{q}/messages", "/connections"])
@pytest.mark.parametrize("header", [TOO_LONG.encode(), b"\xff"])
def test_a_header_that_is_no_name_is_a_problem(rest: Rest, queue: str, path: str, header: bytes) -> None:
    answer = rest.http.get(path.format(q=queue), headers={b"Client-Name": header})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert answer.json()["errors"][0]["pointer"] == "/Client-Name"


def test_so_it_is_of_a_hot_call_and_nothing_happens(rest: Rest, queue: str) -> None:
    answer = rest.http.post(f"/queues/{queue}/messages", json={"messages": [{"body": 1}]}, headers={b"Client-Name": b"\xff"})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/Client-Name")
    assert rest.queue(queue)["counts"]["ready"] == 0


def test_so_it_is_of_an_event_stream(rest: Rest, name: str) -> None:
    rest.call("PUT", f"/streams/{name}", {})
    answer = rest.http.get(f"/streams/{name}/live", headers={b"Client-Name": b"\xff"})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/Client-Name")


def test_a_handshake_with_such_a_header_is_refused(either: Server) -> None:
    with pytest.raises(InvalidStatus) as refused, socket(either, header=TOO_LONG.encode()):
        pass
    assert refused.value.response.status_code == 400
    assert json.loads(refused.value.response.body or b"{}")["errors"][0]["pointer"] == "/Client-Name"


@pytest.mark.parametrize("client", [TOO_LONG, "a\0b"])
def test_a_frame_with_such_a_name_is_invalid_with_its_place(server: Server, rest: Rest, queue: str, client: str) -> None:
    rest.call("PUT", f"/streams/{queue}", {})
    frames: list[tuple[str, dict[str, Any]]] = [
        ("consume", {"queue": queue}),
        ("subscribe", {"stream": queue}),
        ("auth", {"token": TOKEN}),
    ]
    with socket(server) as sock:
        for op, fields in frames:
            with pytest.raises(Refused) as refused:
                sock.call(op, **fields, client=client)
            assert (refused.value.code, refused.value.answer["errors"][0]["pointer"]) == ("invalid", "/client"), op


def test_an_empty_name_is_none(rest: Rest, queue: str) -> None:
    [stored] = rest.publish(queue, {"body": 1})
    answer = rest.http.post(f"/queues/{queue}/receive", json={}, headers={"Client-Name": ""})
    rest.settle(queue, nack=[{"receipt": answer.json()["messages"][0]["receipt"], "delay": 60}])
    assert only_failure(rest, queue, stored["id"])["client"] == token_name(rest)
