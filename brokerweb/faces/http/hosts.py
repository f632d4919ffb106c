"""Which hosts the broker answers to, for what does not go through Django's requests. The rule is Django's own."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.core.signals import setting_changed
from django.http import HttpRequest

from brokerweb import conf
from brokerweb.core.errors import Invalid
from brokerweb.faces.http.body import Scope

FOREIGN = "The request's Host is not one the broker answers to: its operator names them in BROKERWEB_PUBLIC_URL."


def check(scope: Scope, headers: Mapping[bytes, bytes]) -> None:
    """Raises Invalid where the request is for somebody else: a page of theirs, whose name was made to lead here."""
    host = headers.get(b"host")
    forwarded = headers.get(b"x-forwarded-host") if settings.USE_X_FORWARDED_HOST else None
    _check(host, forwarded, tuple(scope.get("server") or ()) if host is None else ())


@lru_cache(maxsize=256)  # the names that are answered to; a refusal is not kept
def _check(host: bytes | None, forwarded: bytes | None, server: tuple[Any, ...]) -> None:
    request = HttpRequest()
    request.META["SERVER_NAME"], request.META["SERVER_PORT"] = (str(part) for part in server or ("unknown", 0))
    for name, value in (("HTTP_HOST", host), ("HTTP_X_FORWARDED_HOST", forwarded)):
        if value is not None:
            request.META[name] = value.decode("latin-1")
    try:
        request.get_host()
    except DisallowedHost:
        raise Invalid(FOREIGN) from None


def address_of(request: HttpRequest, path: str) -> str:
    """A path as a link for others: below the first of the origins that people come by, else where this request came to."""
    public = conf.get().public_url
    return f"{public[0]}{path}" if public else request.build_absolute_uri(path)


def excused(scope: Scope) -> Scope:
    """``/metrics`` of one node among many is asked for by that node's address, with a token, which no page can be made to send:
    it is answered whatever the Host.
    """
    if scope["path"] != "/metrics" or not any(name == b"authorization" for name, _ in scope["headers"]):
        return scope
    own = next((host.lstrip(".") for host in settings.ALLOWED_HOSTS if host != "*"), "localhost")
    return {**scope, "headers": [*((n, v) for n, v in scope["headers"] if n != b"host"), (b"host", own.encode())]}


def _forget(**_: Any) -> None:
    _check.cache_clear()


setting_changed.connect(_forget)
