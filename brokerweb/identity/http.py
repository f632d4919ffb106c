"""The ``Authorization`` header as a principal, the same for REST, the lean calls and the WebSocket handshake."""

from __future__ import annotations

from brokerweb.core.errors import Unauthenticated
from brokerweb.identity import authentication
from brokerweb.identity.principal import Principal


def bearer(authorization: str | bytes | None) -> str | None:
    """The token in the header's value, or None without a header.

    Any other scheme raises Unauthenticated: who sends a header is never quietly taken for somebody else by a cookie.
    """
    if authorization is None:
        return None
    value = authorization.decode("latin-1") if isinstance(authorization, bytes) else authorization
    scheme, _, token = value.strip(" \t").partition(" ")
    token = token.strip(" \t")
    if scheme.lower() != "bearer" or not token.isascii() or not token.isprintable() or not token or " " in token:
        raise Unauthenticated('the header is "Authorization: Bearer TOKEN"')
    return token


def principal_from_headers(authorization: str | bytes | None) -> Principal | None:
    """Who presents the header; None without one. Raises Unauthenticated for a wrong one."""
    token = bearer(authorization)
    return None if token is None else authentication.authenticate(token)


async def aprincipal_from_headers(authorization: str | bytes | None) -> Principal | None:
    """``principal_from_headers`` from the event loop; no I/O while the token is cached."""
    token = bearer(authorization)
    return None if token is None else await authentication.aauthenticate(token)
