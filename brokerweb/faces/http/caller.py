"""Who calls: a token in the ``Authorization`` header, else the browser's session, then with CSRF on unsafe methods."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from rest_framework.authentication import BaseAuthentication, CSRFCheck
from rest_framework.request import Request

from brokerweb import conf
from brokerweb.core.errors import Forbidden, TooLarge, Unauthenticated
from brokerweb.identity.http import principal_from_headers
from brokerweb.identity.principal import Principal
from brokerweb.identity.users import request_principal

SAFE = ("GET", "HEAD", "OPTIONS", "TRACE")


def caller(request: HttpRequest) -> Principal:
    """The principal behind a request. Raises Unauthenticated, or Forbidden where a session lacks its CSRF token.

    A header that is wrong is refused, never replaced by the cookie beside it.
    """
    try:
        principal = principal_from_headers(request.META.get("HTTP_AUTHORIZATION"))
        principal = principal or _by_session(request)
    except Unauthenticated:
        if declared_length(request) > conf.MAX_UNAUTHENTICATED_BYTES:
            raise TooLarge() from None
        raise
    return principal


def _by_session(request: HttpRequest) -> Principal:
    principal = request_principal(request)
    if principal is None:
        raise Unauthenticated()
    if request.method not in SAFE:
        check_csrf(request)
    return principal


def _never(request: HttpRequest) -> HttpResponse:
    raise NotImplementedError  # a check calls no view


def check_csrf(request: HttpRequest) -> None:
    """Raises Forbidden unless an unsafe request of a session carries its CSRF token."""
    check = CSRFCheck(_never)
    check.process_request(request)
    if reason := check.process_view(request, _never, (), {}):
        raise Forbidden(f"X-CSRFToken: {reason}")


def declared_length(request: HttpRequest) -> int:
    """The length of the body that the request names; 0 for none."""
    text = request.META.get("CONTENT_LENGTH") or "0"
    return int(text) if text.isdigit() else 0


class Caller(BaseAuthentication):
    """``caller`` as REST framework asks for it: the principal stands where a user would."""

    def authenticate(self, request: Request) -> tuple[Any, None]:
        return caller(request._request), None

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"
