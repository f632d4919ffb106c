"""Who may open a socket, how they say who they are, and how long they may stay; the same on both servers."""

from __future__ import annotations

import json
import time
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from tests.clients import Refused, Rest, Socket
from tests.eventually import eventually
from tests.faces.sockets import error, frames_until, made_token, stranger
from tests.server import TOKEN, Server

BAD_FIRST_FRAMES = {
    "another command": json.dumps({"op": "publish", "id": 1, "to": "queue:q", "messages": [{"body": 1}]}),
    "a wrong token": json.dumps({"op": "auth", "id": 1, "token": "wrong"}),
    "an empty token": json.dumps({"op": "auth", "id": 1, "token": ""}),
    "a token that is none": json.dumps({"op": "auth", "id": 1, "token": 7}),
    "a huge token": json.dumps({"op": "auth", "id": 1, "token": "x" * 60_000}),
    "a ping": json.dumps({"op": "ping"}),
    "no JSON": "hello",
    "no object": "[]",
    "bytes": b"\x00",
}


@pytest.fixture
def operator(either: Server) -> Rest:
    return either.rest()


@contextmanager
def signed_in(server: Server) -> Generator[httpx.Client]:
    """The administrator's browser."""
    with httpx.Client(base_url=server.url, headers={"Referer": server.url + "/sign-in"}) as client:
        client.get("/sign-in")
        form = {"username": "admin", "password": "password-of-the-real-server-tests"}
        client.post("/sign-in", data=form | {"csrfmiddlewaretoken": client.cookies["brokerweb_csrf"]})
        yield client


@pytest.fixture(scope="session")
def cookie(either: Server) -> str:
    """The session cookie of the administrator's browser."""
    with signed_in(either) as client:
        return f"brokerweb_session={client.cookies['brokerweb_session']}"


def ended(socket: Socket, code: str = "unauthenticated", close: int = 4001) -> None:
    """The socket says ``error`` last, and closes."""
    frames = socket.until_closed(15)
    assert frames[-1]["op"] == "error"
    assert frames[-1]["code"] == code
    assert socket.close_code == close


@pytest.mark.parametrize("frame", [{"op": "auth", "token": "wrong"}, {"op": "consume", "queue": "q"}, {"op": "auth"}])
def test_a_refused_first_frame_is_answered_with_its_id(either: Server, frame: dict[str, str]) -> None:
    with stranger(either) as socket:
        socket.connection.send(json.dumps({"id": "first", **frame}))
        *_, refusal = socket.until_closed(15)
    assert (refusal["id"], refusal["code"], socket.close_code) == ("first", "unauthenticated", 4001)


def is_let_in(socket: Socket) -> bool:
    return bool(socket.call("ping")["op"] == "pong")


# The handshake


def test_hello_says_what_a_client_needs(either: Server) -> None:
    with stranger(either, token=TOKEN) as socket:
        hello = socket.receive()
        assert hello.keys() == {"op", "version", "node", "max_frame_bytes"}
        assert (hello["op"], hello["max_frame_bytes"]) == ("hello", 8_388_608)
        assert socket.connection.subprotocol == "brokerweb.v1"


def test_a_client_may_ask_for_no_subprotocol_or_for_several(either: Server) -> None:
    with stranger(either, token=TOKEN, protocols=()) as socket:
        assert socket.receive()["op"] == "hello"
        assert socket.connection.subprotocol is None
    with stranger(either, token=TOKEN, protocols=("chat", "brokerweb.v1")) as socket:
        assert socket.connection.subprotocol == "brokerweb.v1"


@pytest.mark.parametrize("protocols", [("v12.stomp",), ("chat",)])
def test_subprotocols_that_are_not_built_are_refused(either: Server, protocols: tuple[str, ...]) -> None:
    with pytest.raises(InvalidStatus) as caught:
        stranger(either, token=TOKEN, protocols=protocols)
    assert caught.value.response.status_code == 403


@pytest.mark.parametrize("path", ["/", "/ws/", "/ws/x", "/api/v1/queues"])
def test_there_is_one_place_for_sockets(either: Server, path: str) -> None:
    with pytest.raises(InvalidStatus) as caught:
        stranger(either, token=TOKEN, path=path)
    assert caught.value.response.status_code in (403, 404)


# Saying who it is


def test_auth_as_the_first_frame(either: Server) -> None:
    with stranger(either) as socket:
        assert socket.receive()["op"] == "hello"
        assert socket.call("auth", token=TOKEN) == {"op": "ok", "id": 1}
        assert is_let_in(socket)


def test_auth_without_an_id_is_not_answered(either: Server) -> None:
    with stranger(either) as socket:
        socket.receive()
        socket.connection.send(json.dumps({"op": "auth", "token": TOKEN}))
        assert is_let_in(socket)


@pytest.mark.parametrize("first", BAD_FIRST_FRAMES.values(), ids=BAD_FIRST_FRAMES)
def test_anything_else_first_ends_the_socket(either: Server, first: str | bytes) -> None:
    with stranger(either) as socket:
        socket.connection.send(first)
        ended(socket)


@pytest.mark.parametrize("value", ["Bearer wrong", "Basic YTpi", "Bearer", "", "Bearer a b"])
def test_a_wrong_header_is_never_replaced_by_a_cookie_or_a_frame(either: Server, cookie: str, value: str) -> None:
    with stranger(either, headers={"Authorization": value, "Cookie": cookie}, origin=either.url) as socket:
        ended(socket)


def test_a_token_in_the_address_is_not_looked_at(either: Server) -> None:
    with stranger(either, path=f"/ws?token={TOKEN}&access_token={TOKEN}&authorization=Bearer%20{TOKEN}") as socket:
        assert socket.receive()["op"] == "hello"
        socket.connection.send('{"op":"ping"}')
        ended(socket)
    assert TOKEN not in either.log.read_text()


# Browsers


def test_a_session_of_the_same_origin_is_let_in(either: Server, cookie: str) -> None:
    with stranger(either, headers={"Cookie": cookie}, origin=either.url) as socket:
        assert is_let_in(socket)


@pytest.mark.parametrize("origin", ["null", "https://evil.example", "http://127.0.0.1:1", "http://127.0.0.1.evil.example", None])
def test_from_any_other_origin_the_cookie_counts_for_nothing(either: Server, cookie: str, origin: str | None) -> None:
    with stranger(either, headers={"Cookie": cookie}, origin=origin) as socket:
        socket.connection.send('{"op":"ping"}')
        ended(socket)


def test_a_token_counts_from_any_origin(either: Server) -> None:
    for origin in ("null", "https://evil.example"):
        with stranger(either, token=TOKEN, origin=origin) as socket:
            assert is_let_in(socket)


def test_a_foreign_host_does_not_make_its_origin_the_same(either: Server, cookie: str) -> None:
    try:
        socket = stranger(either, headers={"Cookie": cookie, "Host": "evil.example"}, origin="http://evil.example")
    except InvalidStatus:
        return  # a second Host header is refused outright
    with socket:
        socket.connection.send('{"op":"ping"}')
        ended(socket)


# Grants


def test_a_token_does_what_its_grants_say(either: Server, operator: Rest, name: str) -> None:
    operator.declare(f"mine.{name}")
    operator.declare(f"theirs.{name}")
    token = made_token(either, ("mine.*", ["publish"]))["token"]
    with stranger(either, token=token) as socket:
        assert socket.receive()["op"] == "hello"
        socket.call("publish", to=f"queue:mine.{name}", messages=[{"body": 1}])
        for queue in (f"theirs.{name}", "nobody"):
            assert error(socket, "publish", to=f"queue:{queue}", messages=[{"body": 1}])["code"] == "forbidden"
        for queue in (f"mine.{name}", f"theirs.{name}", "nobody"):
            assert error(socket, "consume", queue=queue)["code"] == "forbidden"
        assert error(socket, "publish", to="queue:mine.nobody", messages=[{"body": 1}])["code"] == "not_found"


def test_a_receipt_is_lost_for_who_may_not_consume_its_queue(either: Server, operator: Rest, name: str) -> None:
    operator.declare(name)
    operator.publish(name, {"body": 1})
    (message,) = operator.receive(name)
    with stranger(either, token=made_token(either, ("other.*", ["consume"]))["token"]) as socket:
        assert error(socket, "ack", receipts=[message["receipt"]])["code"] == "lease_lost"
    with stranger(either, token=made_token(either, (name, ["consume"]))["token"]) as socket:
        assert socket.call("ack", receipts=[message["receipt"]])["op"] == "ok"


# The end of a token


def test_a_token_that_ends_says_so_and_closes_the_socket(either: Server) -> None:
    token = made_token(either, ("*", ["consume"]), expires_at=_in(2))
    with stranger(either, token=token["token"]) as socket:
        assert frames_until(socket, "expiring")["expires_at"] == token["expires_at"]
        assert socket.until_closed(10) == []
        assert socket.close_code == 4001


def test_a_socket_outlives_its_token_by_a_newer_one_of_the_same_owner(either: Server, operator: Rest, name: str) -> None:
    operator.declare(name)
    old, new = made_token(either, (name, ["consume"]), expires_at=_in(2)), made_token(either, (name, ["consume"]))
    with stranger(either, token=old["token"]) as socket:
        assert socket.receive()["op"] == "hello"
        sub = socket.consume(name)
        assert socket.call("auth", token=new["token"])["op"] == "ok"
        eventually(lambda: _refused(either, old["token"]), why="the old token has ended")
        operator.publish(name, {"body": 1})
        assert frames_until(socket, "deliver")["sub"] == sub


def test_what_the_newer_token_may_not_consume_ends_and_the_rest_stays(either: Server, operator: Rest, name: str) -> None:
    stays = f"{name}-stays"
    for queue in (name, stays):
        operator.declare(queue)
    operator.call("PUT", f"/streams/{name}", {})
    operator.call("PUT", f"/streams/{name}/groups/shared", {"kind": "shared"})
    operator.publish(name, {"body": "held"})
    with stranger(either, token=made_token(either, (f"{name}*", ["consume"]))["token"]) as socket:
        assert socket.receive()["op"] == "hello"
        kept, narrower = socket.consume(stays), made_token(either, (stays, ["consume"]))["token"]
        ends = {socket.consume(name), str(socket.call("subscribe", stream=name)["sub"])}
        ends |= {str(socket.call("subscribe", stream=name, group=group)["sub"]) for group in ("shared", "partitioned")}
        frames_until(socket, "deliver")
        assert socket.call("auth", token=narrower)["op"] == "ok"
        closed = [frames_until(socket, "closed") for _ in ends]
        assert {(frame["sub"], frame["code"]) for frame in closed} == {(sub, "forbidden") for sub in ends}
        (message,) = eventually(lambda: operator.receive(name), why="what it held is back")
        assert (message["body"], message["failures"]) == ("held", 0)
        operator.publish(stays, {"body": 1})
        assert frames_until(socket, "deliver")["sub"] == kept


def test_a_wrong_token_on_a_live_socket_is_an_error_and_no_more(either: Server) -> None:
    with stranger(either, token=TOKEN) as socket:
        assert error(socket, "auth", token="wrong")["code"] == "unauthenticated"
        assert is_let_in(socket)


def test_a_live_socket_keeps_its_owner(either: Server, name: str) -> None:
    mine = made_token(either, (name, ["consume"]))["token"]
    with stranger(either, token=mine) as socket:
        assert socket.receive()["op"] == "hello"
        assert error(socket, "auth", token=TOKEN)["code"] == "forbidden"  # a good one, but not of whoever made the first
        assert error(socket, "publish", to=f"queue:{name}", messages=[{"body": 1}])["code"] == "forbidden"
        assert is_let_in(socket)


def test_revoking_a_token_cuts_its_sockets_at_once_and_gives_back_what_they_held(
    either: Server, operator: Rest, name: str
) -> None:
    operator.declare(name)
    operator.publish(name, {"body": 1})
    token = made_token(either, (name, ["consume"]))
    with stranger(either, token=token["token"]) as socket:
        assert socket.receive()["op"] == "hello"
        socket.consume(name)
        frames_until(socket, "deliver")
        began = time.monotonic()
        operator.call("DELETE", f"/tokens/{token['id']}")
        socket.until_closed(10)
        assert socket.close_code == 4001
        assert time.monotonic() - began < 5
        (message,) = eventually(lambda: operator.receive(name), why="the message is back")
        assert message["failures"] == 0


def test_signing_out_ends_what_the_session_had_open(either: Server, operator: Rest, name: str) -> None:
    operator.call("PUT", f"/streams/{name}", {})
    with signed_in(either) as browser:
        cookie = {"Cookie": f"brokerweb_session={browser.cookies['brokerweb_session']}"}
        with (
            stranger(either, headers=cookie, origin=either.url) as socket,
            httpx.stream("GET", f"{either.url}/api/v1/streams/{name}/live", headers=cookie, timeout=15) as live,
        ):
            assert is_let_in(socket)
            lines = live.iter_lines()
            next(lines)
            browser.post("/sign-out", data={"csrfmiddlewaretoken": browser.cookies["brokerweb_csrf"]})
            assert "event: closed" in list(lines)
            socket.until_closed(15)
            assert socket.close_code == 4001


def _in(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _refused(server: Server, token: str) -> bool:
    try:
        Rest(server.url, token).receive("nobody")
    except Refused as refusal:
        return refusal.status == 401
    return False
