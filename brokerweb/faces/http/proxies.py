"""Forwarded headers, believed from the proxies an operator named and from nobody else."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address

from brokerweb.conf import Network
from brokerweb.faces.http.body import Scope

_SCHEMES = {"http": ("http", "ws"), "https": ("https", "wss")}


def believe(scope: Scope, trusted: Sequence[Network]) -> None:
    """Put the client, scheme and host a trusted proxy reports into the scope."""
    client = scope.get("client")
    if not client or not _within(client[0], trusted):
        return
    headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
    if forwarded := headers.get(b"x-forwarded-for"):
        scope["client"] = (_nearest_stranger(forwarded, trusted), 0)  # a tuple: uvicorn formats it as one
    if schemes := _SCHEMES.get(headers.get(b"x-forwarded-proto", "").lower()):
        scope["scheme"] = schemes[scope["type"] == "websocket"]
    if host := headers.get(b"x-forwarded-host"):
        scope["headers"] = [*((n, v) for n, v in scope["headers"] if n != b"host"), (b"host", host.encode("latin-1"))]


def address(scope: Scope) -> str:
    """The client's address, as ``host:port``; a client behind a proxy has no port that is known."""
    host, port = scope.get("client") or ("", 0)
    if not port:
        return str(host)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _nearest_stranger(forwarded: str, trusted: Sequence[Network]) -> str:
    """The last address in the list that is not a trusted proxy: what stands before it anyone may have written."""
    addresses = [part.strip() for part in forwarded.split(",")]
    return next((a for a in reversed(addresses) if not _within(a, trusted)), addresses[0])


def _within(text: str, networks: Sequence[Network]) -> bool:
    try:
        address = ip_address(text)
    except ValueError:
        return False
    return any(address in network for network in networks)
