"""Who opens a socket, in which language: a token in the header, a session of the same origin, or nobody yet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from brokerweb.core.errors import BrokerError
from brokerweb.faces.http import caller, hosts
from brokerweb.faces.http.body import Send
from brokerweb.faces.websocket.language import Language
from brokerweb.identity.principal import Principal

Scope = dict[str, Any]


def choose(scope: Scope, languages: Sequence[Language]) -> tuple[Language, str | None]:
    """The language, and the subprotocol to accept: the first of the client's that is spoken; the first of ours, and no
    subprotocol, for a client that asked for none. Raises LookupError for others: not built.
    """
    offered = scope.get("subprotocols") or []
    if not offered:
        return languages[0], None
    spoken = {language.subprotocol: language for language in languages}
    for name in offered:
        if name in spoken:
            return spoken[name], name
    raise LookupError(offered[0])


async def principal(scope: Scope) -> Principal | None:
    """Who it is; None when the client has yet to say. Raises Unauthenticated for a wrong token, whatever cookie comes with it.

    A browser sends its cookie to any page that opens a socket, and the page's origin with it: a cookie counts only with
    an origin that is this broker's own.
    """
    return await caller.of_handshake(scope)


def check(scope: Scope) -> None:
    """Raises Invalid where the handshake is for another host, or by a client whose name is none."""
    hosts.check(scope, dict(scope["headers"]))
    client(scope)


def client(scope: Scope) -> str | None:
    """What the client calls itself. Raises Invalid."""
    return caller.client_name(dict(scope["headers"]).get(b"client-name"))


async def refuse(scope: Scope, send: Send, error: BrokerError) -> None:
    """Answer with an error instead of a socket; servers of others can say nothing but 403."""
    link = scope.get("extensions", {}).get("brokerweb.link")
    if link is None:
        await send({"type": "websocket.close"})
    else:
        link.refuse(error)
