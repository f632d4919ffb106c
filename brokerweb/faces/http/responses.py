"""Answers of Django's views: JSON, and whatever went wrong as problem details."""

from __future__ import annotations

from typing import Any

import msgspec
from django.core.exceptions import DisallowedHost, PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import Http404, HttpResponse
from rest_framework import exceptions

from brokerweb.core.errors import BrokerError, Forbidden, Invalid, MethodNotAllowed, NotFound, TooLarge
from brokerweb.faces.codec import problems
from brokerweb.faces.http import hosts

_STATUSES: dict[int, type[BrokerError]] = {
    error.http_status: error for error in (Invalid, Forbidden, NotFound, MethodNotAllowed, TooLarge)
}


def answer(content: Any, status: int = 200) -> HttpResponse:
    """A JSON answer; bytes are JSON already."""
    body = content if isinstance(content, bytes) else msgspec.json.encode(content)
    return _response(body, status, "application/json")


def no_content() -> HttpResponse:
    """204."""
    response = HttpResponse(status=204)
    del response["Content-Type"]
    return response


def problem(error: BrokerError) -> HttpResponse:
    """An error as an answer."""
    response = _response(problems.body(error), error.http_status, problems.MEDIA_TYPE)
    for name, value in problems.headers(error).items():
        response[name] = value
    return response


def _response(body: bytes, status: int, kind: str) -> HttpResponse:
    return HttpResponse(body, status=status, content_type=kind, headers={"Cache-Control": "no-store"})


def translated(error: Exception) -> BrokerError:
    """Any exception of a view as one of the broker's errors."""
    if isinstance(error, Http404):
        return NotFound()
    if isinstance(error, PermissionDenied):
        return Forbidden()
    if isinstance(error, RequestDataTooBig):
        return TooLarge()
    if isinstance(error, DisallowedHost):
        return Invalid(hosts.FOREIGN)
    if isinstance(error, SuspiciousOperation):
        return Invalid()
    if isinstance(error, exceptions.APIException):
        return _STATUSES.get(error.status_code, Invalid)()
    return problems.of_exception(error)
