"""The hot calls behind Django's urls: for sessions, for a project of somebody else's, and for the document."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from brokerweb import conf
from brokerweb.core.errors import TooLarge, Unauthenticated
from brokerweb.faces import hot, wire
from brokerweb.faces.rest import shapes
from brokerweb.faces.rest.base import ApiView, answer, problem, translated
from brokerweb.faces.rest.callers import check_csrf, declared_length
from brokerweb.faces.rest.messages import MessagesView
from brokerweb.faces.rest.operations import Operation, Parameter, on_queue
from brokerweb.identity.http import aprincipal_from_headers
from brokerweb.identity.principal import Principal
from brokerweb.identity.users import asession_principal


def _header(name: str, schema: Mapping[str, Any], description: str) -> Parameter:
    return Parameter(name, schema, description, where="header")


RAW_HEADERS = (
    _header("Message-Key", {"type": "string", "maxLength": 255}, "the message's key"),
    _header("Message-Priority", {"type": "integer", "minimum": 0, "maximum": 9}, "4 without it"),
    _header("Message-Delay", {"type": "number", "minimum": 0, "maximum": wire.MAX_DELAY}, "seconds"),
    _header("Message-Ttl", {"type": "number", "minimum": wire.MIN_TTL, "maximum": wire.MAX_TTL}, "seconds"),
    _header("Idempotency-Key", {"type": "string", "maxLength": 255}, "the message's `dedup_id`"),
)

OPERATIONS = {
    "messages": Operation(
        "publishMessages",
        on_queue("publish"),
        "Publish messages",
        {201: shapes.PublishAnswer},
        request=wire.PublishRequest,
        errors=("not_found", "queue_full"),
        description="All or none; answered after the commit that stores them.",
        tag="messages",
    ),
    "raw": Operation(
        "publishRaw",
        on_queue("publish"),
        "Publish the request's body as one message",
        {201: shapes.PublishAnswer},
        raw=True,
        parameters=RAW_HEADERS,
        errors=("not_found", "queue_full"),
        description="`Content-Type` is the message's type: JSON types become `body`, others `body_base64`. "
        "`Message-Header-NAME` becomes the header NAME, in lower case.",
        tag="messages",
    ),
    "receive": Operation(
        "receiveMessages",
        on_queue("consume"),
        "Receive messages",
        {200: shapes.ReceiveAnswer},
        request=wire.ReceiveRequest,
        request_required=False,
        errors=("not_found",),
        description="Leases them; empty when there is nothing within `wait`. With `ack` `none` they are gone with the hand-out.",
        tag="messages",
    ),
    "settle": Operation(
        "settleMessages",
        on_queue("consume"),
        "Settle messages",
        {200: shapes.SettleAnswer},
        request=wire.SettleRequest,
        errors=("not_found",),
        description="Each receipt by itself; a receipt that is not that of a running lease is `lease_lost`.",
        tag="messages",
    ),
}


class HotOnly(ApiView):
    """A path on which there is nothing but a hot call: every other method is 405."""

    @property
    def allowed_methods(self) -> list[str]:
        return ["POST", "OPTIONS"]


class Hot:
    """A hot call's view: POST to the handler, other methods to REST framework's view of the same path."""

    def __init__(self, name: str, others: type[ApiView] = HotOnly) -> None:
        self.name, self.others = name, others
        self.operation = OPERATIONS[name]

    def view(self) -> Callable[..., Awaitable[HttpResponse]]:
        others = sync_to_async(self.others.as_view())
        action = hot.CALLS[self.name]

        @csrf_exempt  # checked by ``acaller``, for sessions alone
        async def hot_call(request: HttpRequest, q: str) -> HttpResponse:
            if request.method != "POST":
                return await others(request, q=q)
            try:
                return await _call(action, request, q)
            except Exception as error:  # told as a problem, whatever it is
                return problem(translated(error))

        return hot_call


async def _call(action: hot.Hot, request: HttpRequest, q: str) -> HttpResponse:
    principal = await acaller(request)
    principal.require(action.verb, "queue", q)
    headers = {name.lower(): value for name, value in request.headers.items()}
    return answer(await hot.answer(action, hot.Call(principal, q, request.body, headers)), action.status)


async def acaller(request: HttpRequest) -> Principal:
    """``callers.caller`` from the event loop."""
    try:
        principal = await aprincipal_from_headers(request.META.get("HTTP_AUTHORIZATION"))
        if principal is None:
            principal = await asession_principal(request.COOKIES.get(_session_cookie()))
            if principal is None:
                raise Unauthenticated()
            check_csrf(request)
    except Unauthenticated:
        if declared_length(request) > conf.MAX_UNAUTHENTICATED_BYTES:
            raise TooLarge() from None
        raise
    return principal


def _session_cookie() -> str:
    from django.conf import settings

    return settings.SESSION_COOKIE_NAME


MESSAGES = Hot("messages", MessagesView)
RAW, RECEIVE, SETTLE = Hot("raw"), Hot("receive"), Hot("settle")
