"""Who opens a socket: a token in the header, a session of the same origin, or nobody yet. And for whom it is."""

from __future__ import annotations

from typing import Any

from brokerweb import conf
from brokerweb.core.errors import BrokerError
from brokerweb.faces.http import hosts
from brokerweb.faces.http.body import Send
from brokerweb.identity.http import aprincipal_from_headers
from brokerweb.identity.principal import Principal
from brokerweb.identity.users import asession_principal, session_key_in

SUBPROTOCOL = "brokerweb.v1"

Scope = dict[str, Any]


def subprotocol(scope: Scope) -> str | None:
    """The subprotocol to accept, None for a client that asked for none. Raises LookupError for others: not built."""
    offered = scope.get("subprotocols") or []
    if not offered:
        return None
    if SUBPROTOCOL in offered:
        return SUBPROTOCOL
    raise LookupError(offered[0])


async def principal(scope: Scope) -> Principal | None:
    """Who it is; None when the client has yet to say. Raises Unauthenticated for a wrong token, whatever cookie comes with it.

    A browser sends its cookie to any page that opens a socket, and the page's origin with it: a cookie counts only with
    an origin that is this broker's own.
    """
    headers = dict(scope["headers"])
    found = await aprincipal_from_headers(headers.get(b"authorization"))
    if found is None and is_same_origin(scope, headers):
        cookie = headers.get(b"cookie")
        found = await asession_principal(session_key_in(cookie.decode("latin-1") if cookie else None))
    return found


def check_host(scope: Scope) -> None:
    """Raises Invalid where the handshake is for another host."""
    hosts.check(scope, dict(scope["headers"]))


async def refuse(scope: Scope, send: Send, error: BrokerError) -> None:
    """Answer with an error instead of a socket; servers of others can say nothing but 403."""
    link = scope.get("extensions", {}).get("brokerweb.link")
    if link is None:
        await send({"type": "websocket.close"})
    else:
        link.refuse(error)


def is_same_origin(scope: Scope, headers: dict[bytes, bytes]) -> bool:
    origin = headers.get(b"origin", b"").decode("latin-1").lower()
    if not origin or origin == "null":
        return False
    scheme = "https" if scope.get("scheme") in ("wss", "https") else "http"
    host = headers.get(b"host", b"").decode("latin-1").lower()
    # The Host header is the client's word: it counts only where it names this broker.
    public = conf.get().public_url
    return origin in public if public else origin == f"{scheme}://{host}" and _is_loopback(host)


def _is_loopback(host: str) -> bool:
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    return name in conf.LOOPBACK
