"""Who opens a socket: a token in the header, a session of the same origin, or nobody yet."""

from __future__ import annotations

from typing import Any

from brokerweb.faces.http import caller
from brokerweb.identity.principal import Principal

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
    return await caller.of_handshake(scope)
