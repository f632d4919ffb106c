"""Django's own error pages: problem details below ``/api/``, pages elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from django.core.exceptions import DisallowedHost
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.views import defaults

from brokerweb.core.errors import BrokerError, Forbidden, Internal, Invalid, NotFound
from brokerweb.faces.http import hosts
from brokerweb.faces.http.responses import problem, translated
from brokerweb.storage.run import refusal

PROGRAMS = ("/api/", "/metrics")  # paths whose readers are programs


def _for_programs(error: type[BrokerError], page: Callable[..., Any]) -> Callable[..., HttpResponse]:
    def handler(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
        if request.path_info.startswith(PROGRAMS):
            return problem(translated(exception) if exception is not None and error is Invalid else error())
        shown: HttpResponse = page(request) if exception is None else page(request, exception)
        return shown

    return handler


def _bad_request_page(request: HttpRequest, exception: Exception) -> HttpResponse:
    """In words where the address is the matter: it is the first thing that goes wrong beyond loopback."""
    if isinstance(exception, DisallowedHost):
        return HttpResponse(hosts.FOREIGN, status=400, content_type="text/plain")
    return defaults.bad_request(request, exception)


bad_request = _for_programs(Invalid, _bad_request_page)
forbidden = _for_programs(Forbidden, defaults.permission_denied)
not_found = _for_programs(NotFound, defaults.page_not_found)


def failed(request: HttpRequest) -> HttpResponse:
    """What nobody caught; of that the database's refusal of a write, such as a session's, is no fault of the code."""
    error = sys.exc_info()[1]
    known = refusal(error) if isinstance(error, OperationalError) else None
    if request.path_info.startswith(PROGRAMS):
        return problem(known or Internal())
    return defaults.server_error(request)
