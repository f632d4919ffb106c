"""Django's urls, middleware and views under ASGI, without what Django's own handler adds to every request.

That handler makes a thread for each request and hops to it for signals, ten times the cost of a small view. Here
synchronous code runs on asgiref's one shared thread, whose database connection stays open between requests.
"""

from __future__ import annotations

import asyncio
from io import BytesIO
from typing import Any

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.http import HttpRequest
from django.urls import set_script_prefix

from brokerweb.core.errors import BrokerError
from brokerweb.faces.http import body
from brokerweb.faces.http.body import Receive, Scope, Send


class DjangoHttp(ASGIHandler):
    """An ASGI application for everything that is a Django view."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            content = await body.read(scope, receive)
        except body.Gone:
            return
        except BrokerError as error:
            await body.send_problem(send, error)
            return
        set_script_prefix(get_script_prefix(scope))
        request, refusal = self.create_request(scope, BytesIO(content))
        if request is None:
            assert refusal is not None  # noqa: S101 (one of the two)
            await self.send_response(refusal, send)
            return
        await _until_gone(asyncio.ensure_future(self._answer(request, send)), receive)

    async def _answer(self, request: HttpRequest, send: Send) -> None:
        response = await self.run_get_response(request)
        try:
            await self.send_response(response, send)
        finally:
            await sync_to_async(response.close)()  # ends the request for Django, on the thread that holds its connections


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
