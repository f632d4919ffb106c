"""Who calls, however the request came in: the one place with the rules, and a function for each carrier.

A token in the ``Authorization`` header, else the session that the browser's cookie names. A header that is wrong is refused,
never replaced by the cookie beside it. Browsers send cookies to whatever a page asks for: for an unsafe request a cookie
counts only with its CSRF token, and for a socket only with an origin that is this broker's own. Of a caller who is not known
64 KiB are read at most.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from rest_framework.authentication import CSRFCheck

from brokerweb import conf
from brokerweb.core.errors import BrokerError, Forbidden, Invalid, TooLarge, Unauthenticated
from brokerweb.identity import authentication
from brokerweb.identity.principal import Principal
from brokerweb.identity.users import asession_principal, request_principal, session_key_in
from brokerweb.queues import limits

SAFE = ("GET", "HEAD", "OPTIONS", "TRACE")

CLIENT_NAME = "Client-Name"

# By carrier


def of_request(request: HttpRequest) -> Principal:
    """Behind a request of Django's. Raises Unauthenticated, TooLarge, and Forbidden where a session lacks its CSRF token."""
    try:
        found = by_token(request.META.get("HTTP_AUTHORIZATION"))
        return found or _with_csrf(request, request_principal(request))
    except Unauthenticated as error:
        raise _refusal(error, _length(request)) from None


async def aof_request(request: HttpRequest) -> Principal:
    """``of_request`` from the event loop."""
    try:
        found = await aby_token(request.META.get("HTTP_AUTHORIZATION"))
        return found or _with_csrf(request, await asession_principal(request.COOKIES.get(settings.SESSION_COOKIE_NAME)))
    except Unauthenticated as error:
        raise _refusal(error, _length(request)) from None


async def of_hot_call(authorization: bytes, length: int) -> Principal:
    """Behind a request with a token, which declares a body of that length. Raises Unauthenticated, TooLarge."""
    try:
        found = await aby_token(authorization)
        if found is None:
            raise Unauthenticated()
    except Unauthenticated as error:
        raise _refusal(error, length) from None
    return found


async def of_reader(headers: Mapping[bytes, bytes]) -> Principal:
    """Behind a request that only reads; an EventSource has no header to send. Raises Unauthenticated."""
    found = await aby_token(headers.get(b"authorization")) or await _by_cookie(headers)
    if found is None:
        raise Unauthenticated()
    return found


async def of_handshake(scope: Mapping[str, Any]) -> Principal | None:
    """Who opens a socket; None when the client has yet to say. Raises Unauthenticated for a wrong token."""
    headers = dict(scope["headers"])
    found = await aby_token(headers.get(b"authorization"))
    if found is None and _is_same_origin(scope, headers):
        found = await _by_cookie(headers)
    return found


async def is_known(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether these headers carry a good token, or else a session of someone who signed in; what that permits is not asked."""
    named = dict(headers)
    try:
        if b"authorization" in named:
            return await aby_token(named[b"authorization"]) is not None
        return await _by_cookie(named) is not None
    except Unauthenticated:
        return False


def client_name(value: str | bytes | None) -> str | None:
    """What the client calls itself, by the header's value; None where it says nothing. Raises Invalid."""
    if value is None:
        return None
    try:
        text = (value if isinstance(value, bytes) else value.encode("latin-1")).strip(b" \t").decode()
    except UnicodeError:
        raise Invalid.at(f"/{CLIENT_NAME}", "is not UTF-8") from None
    return limits.check_text(text, f"/{CLIENT_NAME}") or None


# The steps


def by_token(authorization: str | bytes | None) -> Principal | None:
    """Whose token the header carries; None without a header. Raises Unauthenticated for a wrong one."""
    token = _bearer(authorization)
    return None if token is None else authentication.authenticate(token)


async def aby_token(authorization: str | bytes | None) -> Principal | None:
    """``by_token`` from the event loop; no I/O while the token is cached."""
    token = _bearer(authorization)
    return None if token is None else await authentication.aauthenticate(token)


def _bearer(authorization: str | bytes | None) -> str | None:
    """The token in the header's value; any other scheme raises Unauthenticated."""
    if authorization is None:
        return None
    value = authorization.decode("latin-1") if isinstance(authorization, bytes) else authorization
    scheme, _, token = value.strip(" \t").partition(" ")
    token = token.strip(" \t")
    if scheme.lower() != "bearer" or not token.isascii() or not token.isprintable() or not token or " " in token:
        raise Unauthenticated('the header is "Authorization: Bearer TOKEN"')
    return token


async def _by_cookie(headers: Mapping[bytes, bytes]) -> Principal | None:
    return await asession_principal(session_key_in(headers.get(b"cookie", b"").decode("latin-1")))


def _with_csrf(request: HttpRequest, session: Principal | None) -> Principal:
    """The session's principal. Raises Unauthenticated without one; Forbidden for an unsafe request without its
    CSRF token, or where people only look."""
    if session is None:
        raise Unauthenticated()
    if request.method not in SAFE:
        check = CSRFCheck(_never)
        check.process_request(request)
        if reason := check.process_view(request, _never, (), {}):
            raise Forbidden(f"X-CSRFToken: {reason}")
        session.require_changes()
    return session


def _never(request: HttpRequest) -> HttpResponse:
    raise NotImplementedError  # a check calls no view


def _is_same_origin(scope: Mapping[str, Any], headers: Mapping[bytes, bytes]) -> bool:
    origin = headers.get(b"origin", b"").decode("latin-1").lower()
    if not origin or origin == "null":
        return False
    scheme = "https" if scope.get("scheme") in ("wss", "https") else "http"
    host = headers.get(b"host", b"").decode("latin-1").lower()
    # The Host header is the client's word: it counts only where it names this broker.
    if public := conf.get().public_url:
        return origin in public
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    return origin == f"{scheme}://{host}" and name in conf.LOOPBACK


def _length(request: HttpRequest) -> int:
    """The length of the body that the request names; 0 for none."""
    text = request.META.get("CONTENT_LENGTH") or "0"
    return int(text) if text.isdigit() else 0


def _refusal(error: Unauthenticated, length: int) -> BrokerError:
    """What a caller who is not known is told: that the body is too large, where more than 64 KiB were to follow."""
    return TooLarge() if length > conf.MAX_UNAUTHENTICATED_BYTES else error
