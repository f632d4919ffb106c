"""What all views of the API are: they know the caller, read strictly, and answer errors as problem details."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from rest_framework import negotiation
from rest_framework.authentication import BaseAuthentication
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from brokerweb.core.errors import Invalid, MethodNotAllowed, NotFound, escape_pointer
from brokerweb.faces.codec.json import decode
from brokerweb.faces.codec.query import check_value
from brokerweb.faces.http import caller
from brokerweb.faces.http.responses import no_content, problem, translated
from brokerweb.identity.audit import Entry, audited
from brokerweb.identity.principal import Principal
from brokerweb.queues import limits

T = TypeVar("T")


class _Json(negotiation.BaseContentNegotiation):
    """Answers are JSON whatever ``Accept`` says."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        return None

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type


class Caller(BaseAuthentication):
    """Who calls, as REST framework asks for it: the principal stands where a user would."""

    def authenticate(self, request: Request) -> tuple[Any, None]:
        return caller.of_request(request._request), None

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class ApiView(APIView):
    """What every view of the API has: the caller, the body and the query, and errors as problems."""

    authentication_classes = [Caller]
    permission_classes = []
    parser_classes = []
    throttle_classes = []
    renderer_classes = [JSONRenderer]  # these, and the next: whatever a project's REST_FRAMEWORK says
    versioning_class = None
    content_negotiation_class = _Json
    client: str  # what the caller calls itself, else its token's or user's name
    schema = None  # ``openapi`` describes the calls; spectacular's own generator, which a check runs, cannot

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
        return principal

    def initial(self, request: Any, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        self.client = caller.client_name(request.META.get("HTTP_CLIENT_NAME")) or self.principal.name

    @property
    def address(self) -> str | None:
        """The caller's."""
        address: str | None = self.request.META.get("REMOTE_ADDR")
        return address

    def body(self, kind: type[T], *, empty: bytes | None = None) -> T:
        """The request's body as a ``kind``, and no parameters beside it; ``empty`` stands for no body at all. Raises Invalid."""
        self.query()
        content = self.request._request.body
        decoded = decode(kind, content if content or empty is None else empty)
        limits.check_depth(content)
        return decoded

    def query(self, *allowed: str) -> dict[str, str]:
        """The query's parameters, each once and none but the ``allowed``. Raises Invalid."""
        given = self.request.query_params
        for name in given:
            if name not in allowed and name not in self.many:
                raise Invalid.at(f"/{escape_pointer(name)}", "unknown parameter")
            if len(given.getlist(name)) > 1 and name not in self.many:
                raise Invalid.at(f"/{escape_pointer(name)}", "given more than once")
        return {name: check_value(name, given[name]) for name in given if name not in self.many}

    def repeated(self, name: str) -> list[str]:
        """The values of a parameter of ``many``, in their order."""
        return [check_value(name, value) for value in self.request.query_params.getlist(name)]

    @property
    def many(self) -> tuple[str, ...]:
        """The parameters that may be given more than once."""
        return ()

    def entry(self, action: str, target: str, detail: Mapping[str, Any] | None = None) -> Entry:
        """What the audit trail is to say of this call."""
        return Entry(self.principal, action, target, detail or {}, self.address)

    def audited(self, action: str, target: str, *call: Any, detail: Mapping[str, Any] | None = None, **options: Any) -> Any:
        """Perform a verb (``call`` is it and its arguments) and record it in the same commit."""
        return audited(self.entry(action, target, detail), *call, **options)


class Unknown(ApiView):
    """A path that is none of the API's: not found, once the caller is known."""

    def get(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        raise NotFound("There is no such path in the API.")

    post = put = patch = delete = options = trace = get
