"""The view all REST calls are: caller, permission, then the call; errors as problem details."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from django.core.exceptions import DisallowedHost, PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import Http404, HttpResponse
from rest_framework import exceptions, negotiation
from rest_framework.request import Request
from rest_framework.views import APIView

from brokerweb.core.errors import BrokerError, Forbidden, Invalid, MethodNotAllowed, NotFound, TooLarge, escape_pointer
from brokerweb.core.names import check_name
from brokerweb.faces.codec import problems, wire
from brokerweb.faces.http import hosts
from brokerweb.faces.http.caller import Caller
from brokerweb.faces.rest import operations
from brokerweb.identity.audit import Entry, audited
from brokerweb.identity.principal import Principal
from brokerweb.queues import limits

T = TypeVar("T")


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


class _Json(negotiation.BaseContentNegotiation):
    """Answers are JSON whatever ``Accept`` says."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return None

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type


NAMES = (("q", "/queue"), ("s", "/stream"), ("t", "/topic"), ("g", "/group"))  # in paths, and how errors point to them


class ApiView(APIView):
    """A call's permission is checked before its body is looked at."""

    authentication_classes = [Caller]
    permission_classes = []
    parser_classes = []
    throttle_classes = []
    content_negotiation_class = _Json
    schema = None  # ``openapi`` describes the calls; spectacular's own generator, which a check runs, cannot
    hot_methods: tuple[str, ...] = ()  # answered elsewhere on the same path

    @property
    def allowed_methods(self) -> list[str]:
        return [*self.hot_methods, *(method for method in super().allowed_methods if method not in self.hot_methods)]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        described = operations.of(self, request.method or "")
        if described is not None:
            described.permission.check(self.principal, kwargs)
            for name, pointer in NAMES:
                if name in kwargs:
                    check_name(kwargs[name], pointer)

    def options(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        response = no_content()
        response["Allow"] = ", ".join(self.allowed_methods)
        return response

    def handle_exception(self, exc: Exception) -> Any:
        response = problem(translated(exc))
        if response.status_code == MethodNotAllowed.http_status:
            response["Allow"] = ", ".join(self.allowed_methods)
        return response

    @property
    def principal(self) -> Principal:
        principal: Any = self.request.user
        return principal  # type: ignore[no-any-return]

    def body(self, kind: type[T], *, empty: bytes | None = None) -> T:
        """The request's body as a ``kind``, and no parameters beside it; ``empty`` stands for no body at all. Raises Invalid."""
        self.query()
        content = self.request._request.body
        decoded = wire.decode(kind, content if content or empty is None else empty)
        limits.check_depth(content)
        return decoded

    def query(self, *allowed: str) -> dict[str, str]:
        """The query's parameters, each once and none but the ``allowed``. Raises Invalid."""
        given = self.request.query_params
        for name in given:
            if name not in allowed:
                raise Invalid.at(f"/{escape_pointer(name)}", "unknown parameter")
            if len(given.getlist(name)) > 1:
                raise Invalid.at(f"/{escape_pointer(name)}", "given more than once")
        return {name: given[name] for name in given}

    def entry(self, action: str, target: str, detail: Mapping[str, Any] | None = None) -> Entry:
        """What the audit trail is to say of this call."""
        return Entry(self.principal, action, target, detail or {}, self.request.META.get("REMOTE_ADDR"))

    def audited(self, action: str, target: str, *call: Any, detail: Mapping[str, Any] | None = None, **options: Any) -> Any:
        """Perform a verb (``call`` is it and its arguments) and record it in the same commit."""
        return audited(self.entry(action, target, detail), *call, **options)


_STATUSES: dict[int, type[BrokerError]] = {
    error.http_status: error for error in (Invalid, Forbidden, NotFound, MethodNotAllowed, TooLarge)
}


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


class Unknown(ApiView):
    """A path that is none of the API's: not found, once the caller is known."""

    def get(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        raise NotFound("There is no such path in the API.")

    post = put = patch = delete = options = trace = get
