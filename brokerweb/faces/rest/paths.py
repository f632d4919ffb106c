"""The view of a path: its calls as the table has them, the hot ones to their handlers, others by REST framework."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from rest_framework.request import Request

from brokerweb.core.errors import MethodNotAllowed
from brokerweb.core.names import check_name
from brokerweb.faces import calls
from brokerweb.faces.calls.call import POINTERS, Row
from brokerweb.faces.http.body import named
from brokerweb.faces.http.caller import aof_request, client_name
from brokerweb.faces.http.responses import answer, problem, translated
from brokerweb.faces.rest.base import ApiView

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def view_of(rows: Sequence[Row]) -> Callable[..., Any]:
    """What Django calls for the path that the rows share."""
    hot = {row.method: row for row in rows if row in calls.CALLS}
    others = PathView.as_view(rows={row.method: row for row in rows if row.method not in hot}, hot_methods=tuple(hot))
    return _hot_view(hot, sync_to_async(others)) if hot else others


class PathView(ApiView):
    """The calls of one path, but for the hot ones. A call's permission is checked before its body is looked at."""

    rows: Mapping[str, Row] = {}  # by method
    hot_methods: tuple[str, ...] = ()  # answered elsewhere on the same path

    def initial(self, request: Request, *args: Any, **named: str) -> None:
        super().initial(request, *args, **named)
        if row := self._row:
            row.needs.check(self.principal, tuple(named.values()))
            for name, pointer in POINTERS.items():
                if name in named:
                    check_name(named[name], pointer)

    def get(self, request: Request, **named: str) -> HttpResponse:
        if self._row is None:
            raise MethodNotAllowed()
        found: HttpResponse = self._row.handler(self, **named)
        return found

    post = put = patch = delete = get

    def query(self, *allowed: str) -> dict[str, str]:
        """As the view's, and none but those of the row where none are named."""
        return super().query(*(allowed or (self._row.query if self._row else ())))

    @property
    def many(self) -> tuple[str, ...]:
        return tuple(p.name for p in self._row.parameters if p.schema.get("type") == "array") if self._row else ()

    @property
    def _row(self) -> Row | None:
        method = self.request.method or ""
        return self.rows.get("GET" if method == "HEAD" else method)

    @property
    def allowed_methods(self) -> list[str]:
        others = [method for method in METHODS if method in self.rows]
        return [*self.hot_methods, *others, *(["HEAD"] if "GET" in others else []), "OPTIONS"]


def _headers(request: HttpRequest) -> dict[str, str]:
    """As they came where that is known: in Django's own form an underscore and a dash are one."""
    scope: Mapping[str, Any] | None = getattr(request, "scope", None)
    return {name.lower(): value for name, value in request.headers.items()} if scope is None else named(scope["headers"])


def _hot_view(hot: Mapping[str, Row], others: Callable[..., Awaitable[HttpResponse]]) -> Callable[..., Awaitable[HttpResponse]]:
    """For sessions, and for a project of somebody else's: with a token and in ours they never come this far."""

    @csrf_exempt  # checked by ``aof_request``, for sessions alone
    async def hot_call(request: HttpRequest, **named: str) -> HttpResponse:
        row = hot.get("GET" if request.method == "HEAD" else request.method or "")
        if row is None:
            return await others(request, **named)
        try:
            principal, names = await aof_request(request), tuple(named.values())
            row.needs.check(principal, names)
            headers = _headers(request) if row.raw else {}
            client, meta = client_name(request.META.get("HTTP_CLIENT_NAME")), request.META
            call = calls.Call(
                principal, names, request.body, meta.get("QUERY_STRING", ""), headers, client=client,
                address=lambda: meta.get("REMOTE_ADDR"),
            )  # fmt: skip
            return answer(await calls.answer(row, call), row.status)
        except Exception as error:  # told as a problem, whatever it is
            return problem(translated(error))

    return hot_call
