"""Who opens a socket, in which language: a token in the header, a session of the same origin, or nobody yet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from brokerweb import conf
from brokerweb.faces.websocket.language import Language
from brokerweb.identity.http import aprincipal_from_headers
from brokerweb.identity.principal import Principal
from brokerweb.identity.users import asession_principal, session_key_in

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
    headers = dict(scope["headers"])
    found = await aprincipal_from_headers(headers.get(b"authorization"))
    if found is None and is_same_origin(scope, headers):
        cookie = headers.get(b"cookie")
        found = await asession_principal(session_key_in(cookie.decode("latin-1") if cookie else None))
    return found


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
