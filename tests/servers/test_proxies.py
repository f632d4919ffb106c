"""Forwarded headers: believed from named proxies, from nobody else."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from brokerweb.faces.http.proxies import address, believe
from tests.faces.sockets import stranger
from tests.server import TOKEN, Server

TRUSTED = (ip_network("10.0.0.0/8"), ip_network("::1/128"))


def scope(client: str, kind: str = "http", **headers: str) -> dict[str, Any]:
    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in {"host": "inner", **headers}.items()]
    return {"type": kind, "client": [client, 1234], "scheme": "http" if kind == "http" else "ws", "headers": named}


def test_a_stranger_cannot_choose_its_address():
    asked = scope("192.0.2.7", x_forwarded_for="127.0.0.1", x_forwarded_proto="https", x_forwarded_host="evil.example")
    before = dict(asked)
    believe(asked, TRUSTED)
    assert asked == before


def test_a_trusted_proxy_tells_client_scheme_and_host():
    asked = scope("10.1.2.3", x_forwarded_for="198.51.100.9", x_forwarded_proto="https", x_forwarded_host="broker.example")
    believe(asked, TRUSTED)
    assert asked["client"] == ("198.51.100.9", 0)
    assert asked["scheme"] == "https"
    assert [value for name, value in asked["headers"] if name == b"host"] == [b"broker.example"]


def test_a_websocket_behind_tls_is_wss():
    asked = scope("::1", "websocket", x_forwarded_proto="https")
    believe(asked, TRUSTED)
    assert asked["scheme"] == "wss"


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        ("1.1.1.1, 198.51.100.9", "198.51.100.9"),  # the client wrote 1.1.1.1 itself
        ("1.1.1.1, 198.51.100.9, 10.9.9.9", "198.51.100.9"),  # two proxies of ours
        ("10.9.9.9", "10.9.9.9"),  # a request of a proxy's own
        ("unknown, 10.9.9.9", "unknown"),
    ],
)
def test_the_client_is_the_nearest_address_that_is_no_proxy(forwarded: str, client: str):
    asked = scope("10.1.2.3", x_forwarded_for=forwarded)
    believe(asked, TRUSTED)
    assert asked["client"][0] == client


@pytest.mark.parametrize(
    ("client", "shown"),
    [
        (("198.51.100.9", 0), "198.51.100.9"),
        (["198.51.100.9", 1234], "198.51.100.9:1234"),
        (["::1", 1234], "[::1]:1234"),
        (None, ""),
    ],
)
def test_an_address_is_shown_with_the_port_if_that_is_known(client: Any, shown: str):
    assert address({"type": "http", "client": client}) == shown


@pytest.mark.parametrize("kind", ["daphne", "uvicorn"])
def test_a_websocket_comes_through_a_trusted_proxy(tmp_path: Path, kind: str):
    with Server(tmp_path / "data", kind=kind, environment={"BROKERWEB_TRUSTED_PROXIES": "127.0.0.1"}) as server:
        server.start()
        with stranger(server, token=TOKEN, headers={"X-Forwarded-For": "198.51.100.9"}) as socket, server.rest() as rest:
            assert socket.receive()["op"] == "hello"
            assert socket.call("ping")["op"] == "pong"
            (connection,) = rest.call("GET", "/connections")["items"]
            assert connection["address"] == "198.51.100.9"
