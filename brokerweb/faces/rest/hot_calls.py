"""The hot calls behind Django's urls: for sessions, for a project of somebody else's, and for the document."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from brokerweb.faces import calls
from brokerweb.faces.http.caller import aof_request
from brokerweb.faces.rest.base import ApiView, answer, problem, translated
from brokerweb.faces.rest.hot_operations import OPERATIONS


class HotOnly(ApiView):
    """A path on which there is nothing but a hot call: every other method is 405."""


class Hot:
    """The view of a path with hot calls: those to their handlers, other methods to REST framework's view of the path."""

    def __init__(self, route: str, others: type[ApiView] | None) -> None:
        self.others = others or HotOnly
        path = re.sub(r"\{\w+\}/?", "", route)
        self.operations = {
            method.lower(): OPERATIONS[f"{method} {path}"] for method in ("GET", "POST") if f"{method} {path}" in OPERATIONS
        }

    def view(self) -> Callable[..., Awaitable[HttpResponse]]:
        others = sync_to_async(self.others.as_view(hot_methods=tuple(map(str.upper, self.operations))))

        @csrf_exempt  # checked by ``aof_request``, for sessions alone
        async def hot_call(request: HttpRequest, **named: str) -> HttpResponse:
            found = calls.find(_method(request), request.path_info)
            if found is None:
                return await others(request, **named)
            try:
                return await _call(found[0], request, tuple(named.values()))
            except Exception as error:  # told as a problem, whatever it is
                return problem(translated(error))

        return hot_call


def _method(request: HttpRequest) -> str:
    return "GET" if request.method == "HEAD" else request.method or ""


async def _call(action: calls.Hot, request: HttpRequest, names: tuple[str, ...]) -> HttpResponse:
    principal = await aof_request(request)
    action.permit(principal, names)
    headers = {name.lower(): value for name, value in request.headers.items()} if action.by_headers else {}
    call = calls.Call(principal, names, request.body, request.META.get("QUERY_STRING", ""), headers)
    return answer(await calls.answer(action, call), action.status)
