"""Forwarded headers: believed from named proxies, from nobody else."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from brokerweb.faces.http.proxies import address, believe
from brokerweb.identity.attempts import PER_NAME, Attempts, SignInLocked
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
        ("198.51.100.9:51234", "198.51.100.9"),  # Azure's gateways write a port, another one each time
        ("198.51.100.9:51234, 10.9.9.9:80", "198.51.100.9"),
        ("[2001:db8::9]:51234", "2001:db8::9"),
        ("[2001:db8::9]", "2001:db8::9"),
        ("2001:db8::9", "2001:db8::9"),
        ("2001:DB8:0::9", "2001:db8::9"),
        ("::ffff:198.51.100.9", "198.51.100.9"),
        ("[::ffff:198.51.100.9]:443", "198.51.100.9"),
        ("fe80::1%eth0", "fe80::1"),
        ("198.51.100.9, [::1]:8080", "198.51.100.9"),
        ('"198.51.100.9"', "198.51.100.9"),
        ("198.51.100.9, not-an-address", "unknown"),  # what stands before it may be anyone's
        ("198.51.100.9:port", "unknown"),
        ("[198.51.100.9]", "unknown"),
        ("198.51.100.9%eth0", "unknown"),
        ("198.51.100.009", "unknown"),
        (",", "unknown"),
        ("9" * 5000, "unknown"),
    ],
)
def test_the_client_is_the_nearest_address_that_is_no_proxy(forwarded: str, client: str):
    asked = scope("10.1.2.3", x_forwarded_for=forwarded)
    believe(asked, TRUSTED)
    assert asked["client"][0] == client


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        ("for=198.51.100.9", "198.51.100.9"),
        ('For="[2001:db8::9]:4711";proto=https', "2001:db8::9"),
        ('for=198.51.100.9;by=10.9.9.9, for="10.9.9.9:80"', "198.51.100.9"),
        ("for=1.1.1.1, for=198.51.100.9:99", "198.51.100.9"),  # a port wants quotes there; it is read without
        ("for=_hidden", "unknown"),
        ("for=unknown", "unknown"),
        ("proto=https", "unknown"),
        ('for="198.51.100.9', "unknown"),
    ],
)
def test_the_client_is_read_from_forwarded_as_well(forwarded: str, client: str):
    asked = scope("10.1.2.3", forwarded=forwarded)
    believe(asked, TRUSTED)
    assert asked["client"] == (client, 0)


def test_a_proxy_that_writes_one_header_and_lets_the_other_through_leaves_the_client_unknown():
    asked = scope("10.1.2.3", forwarded="for=203.0.113.1", x_forwarded_for="198.51.100.9")
    believe(asked, TRUSTED)
    assert asked["client"] == ("unknown", 0)


def test_a_header_in_two_lines_is_one_list():
    asked = scope("10.1.2.3")
    asked["headers"] += [(b"x-forwarded-for", b"198.51.100.9"), (b"x-forwarded-for", b"10.9.9.9")]
    believe(asked, TRUSTED)
    assert asked["client"] == ("198.51.100.9", 0)


@pytest.mark.parametrize(
    ("hops", "entries", "seen"),
    [
        ("198.51.100.9", "https", "https"),
        ("198.51.100.9", "http,https", "https"),  # the first is the client's own word
        ("198.51.100.9, 10.9.9.9", "https,http", "https"),  # two proxies of ours, the inner one without TLS
        ("198.51.100.9, 10.9.9.9", "http,https,http", "https"),
        ("198.51.100.9, 10.9.9.9", "https", "https"),  # one that overwrites
        ("198.51.100.9", "gopher", "http"),
        ("198.51.100.9", "wss", "https"),
    ],
)
def test_the_scheme_is_what_the_outermost_trusted_proxy_saw(hops: str, entries: str, seen: str):
    asked = scope("10.1.2.3", x_forwarded_for=hops, x_forwarded_proto=entries)
    believe(asked, TRUSTED)
    assert asked["scheme"] == seen


@pytest.mark.parametrize(
    ("entries", "host"),
    [
        ("broker.example", "broker.example"),
        ("evil.example, broker.example:8443", "broker.example:8443"),
        ("broker.example, in ner", "inner"),  # no host: the request's own stays
        ("", "inner"),
        ("[2001:db8::1]:443", "[2001:db8::1]:443"),
    ],
)
def test_of_several_hosts_the_trusted_one_counts_and_what_is_none_is_passed_over(entries: str, host: str):
    asked = scope("10.1.2.3", x_forwarded_host=entries)
    believe(asked, TRUSTED)
    assert [value.decode() for name, value in asked["headers"] if name == b"host"] == [host]


def test_guesses_through_a_proxy_that_writes_ports_are_of_one_client():
    attempts = Attempts()
    for port in range(PER_NAME):
        attempts.begin("ada", f"198.51.100.9:{40000 + port}")
    with pytest.raises(SignInLocked):
        attempts.begin("ada", "198.51.100.9")
    attempts.begin("ada", "198.51.100.10")


def test_what_cannot_be_read_is_one_client():
    attempts = Attempts()
    for n in range(PER_NAME):
        attempts.begin("ada", f"made-up-{n}")
    with pytest.raises(SignInLocked):
        attempts.begin("ada", "another")


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
