"""Django's urls, middleware and views under ASGI: the broker's own on few threads and lean, a project's as Django has them.

Django's handler makes a thread for each request and hops to it for signals, ten times the cost of a small view. The broker's
own pages and calls that read share one thread, whose database connection stays open; those that write have others, since a
write may have to wait, and a read never for it. Requests to a project's own views run as Django's handler runs them, on
threads that neither of them uses.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from io import BytesIO
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.db import connections
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix
from django.utils.module_loading import import_string

from brokerweb import conf
from brokerweb.core.errors import BrokerError
from brokerweb.core.threads import Threads
from brokerweb.faces.http import body
from brokerweb.faces.http.body import Receive, Scope, Send
from brokerweb.faces.http.caller import SAFE
from brokerweb.faces.http.ownership import is_own
from brokerweb.storage.django_sqlite.base import DatabaseWrapper

WRITERS = 8
OUTSIDE = 2  # threads for what waits for somebody else's server
ASKS_OTHERS = ("/sign-in/oidc", "/sign-in/oidc/back")  # how paths of such views end
STUCK = 30.0  # seconds one write of an answer may take before the client counts as too slow


class DjangoHttp(ASGIHandler):
    """An ASGI application for everything that is a Django view."""

    def __init__(self) -> None:
        super().__init__()
        threads = conf.get().threads
        # Behind a synchronous middleware a call holds its thread for as long as it waits for messages.
        few = all(getattr(import_string(name), "async_capable", False) for name in settings.MIDDLEWARE)
        self._readers = Threads(1 if few else threads, "read")
        self._writers = Threads(WRITERS if few else threads, "write")
        self._outside = Threads(OUTSIDE if few else threads, "outside")
        self._projects = Threads(threads, "project")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not is_own(scope["path"]):
            async with self._projects.one():
                await self.handle(dict(scope), receive, send)
            return
        try:
            content = await body.read(scope, receive)
        except body.Gone:
            return
        except BrokerError as error:
            await body.send_problem(send, error)
            return
        async with self._threads_for(scope).one():
            await self._handle_own(content, scope, receive, send)

    def _threads_for(self, scope: Scope) -> Threads:
        if scope["path"].endswith(ASKS_OTHERS):
            return self._outside
        return self._readers if scope["method"] in SAFE else self._writers

    def make_view_atomic(self, view: Callable[..., Any]) -> Callable[..., Any]:
        """As Django's, for ``ATOMIC_REQUESTS``; but a view that only reads waits for no writer, and holds up none."""
        excepted = getattr(view, "_non_atomic_requests", ())
        databases = [connection for connection in connections.all() if isinstance(connection, DatabaseWrapper)]
        late = [each.alias for each in databases if each.settings_dict["ATOMIC_REQUESTS"] and each.alias not in excepted]
        atomic = super().make_view_atomic(view)
        return _begun_late(atomic, late) if late else atomic

    async def _handle_own(self, content: bytes, scope: Scope, receive: Receive, send: Send) -> None:
        set_script_prefix(get_script_prefix(scope))
        request, refusal = self.create_request(scope, BytesIO(content))
        if request is None:
            assert refusal is not None  # noqa: S101 (one of the two)
            await self.send_response(refusal, send)
            return
        request._body = content  # within the broker's limit, and no other
        answers: list[HttpResponseBase] = []
        timed = _timed(send)
        try:
            await _until_gone(asyncio.ensure_future(self._answer(request, timed, answers)), receive)
        except TimeoutError:
            if (link := scope.get("extensions", {}).get("brokerweb.link")) is not None:
                link.abort()
        finally:
            for response in answers:  # whoever has gone
                await sync_to_async(response.close)()  # ends the request for Django, on the thread that holds its connections

    async def _answer(self, request: HttpRequest, send: Send, answers: list[HttpResponseBase]) -> None:
        response = await self.run_get_response(request)
        answers.append(response)
        await self.send_response(response, send)


def _timed(send: Send) -> Send:
    """``send``, which raises TimeoutError for a client that does not take what it is sent."""

    async def sent(message: Any) -> None:
        async with asyncio.timeout(STUCK):
            await send(message)

    return sent


def _begun_late(atomic: Callable[..., Any], aliases: Sequence[str]) -> Callable[..., Any]:
    def view(request: HttpRequest, *args: Any, **named: Any) -> Any:
        with ExitStack() as late:
            for alias in aliases if request.method in SAFE else ():
                connection: Any = connections[alias]  # of the view's thread
                late.enter_context(connection.beginning_late())
            return atomic(request, *args, **named)

    return view


async def _until_gone(answer: asyncio.Future[None], receive: Receive) -> None:
    """Wait for the answer; a client that goes away cancels it."""
    gone = asyncio.ensure_future(receive())  # after the body the only thing that can come is the disconnect
    both: set[asyncio.Future[Any]] = {answer, gone}
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    finally:
        gone.cancel()
        if not answer.done():
            answer.cancel()
    try:
        await answer
    except asyncio.CancelledError:
        if not answer.cancelled():
            raise  # it is this request's task that was cancelled, by the server
