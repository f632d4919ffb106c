"""The ASGI application: HTTP by the lean handlers, server-sent events and Django, WebSocket by Channels' routing.

``manage.py serve`` runs it; any ASGI server that keeps the lifespan protocol can.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "brokerweb.settings")
django.setup()

from channels.routing import ProtocolTypeRouter
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.utils.module_loading import import_string

from brokerweb import conf
from brokerweb.faces import export, live, news, tail
from brokerweb.faces.brokerweb_v1.language import BrokerwebV1
from brokerweb.faces.http import health, hosts, lean
from brokerweb.faces.http.body import Receive, Scope, Send
from brokerweb.faces.http.django import DjangoHttp
from brokerweb.faces.http.proxies import believe
from brokerweb.faces.websocket import Socket
from brokerweb.servers import lifecycle

_django = DjangoHttp()


async def http(scope: Scope, receive: Receive, send: Send) -> None:
    """The shortest way for each request: health pages, hot calls with a token, live streams, Django for the rest."""
    if scope["path"] in health.PATHS:
        await health.answer(scope["path"], send, lifecycle.readiness)
    elif lean.matches(scope):
        await lean.app(scope, receive, send)
    elif live.matches(scope):
        await live.app(scope, receive, send)
    elif news.matches(scope):
        await news.app(scope, receive, send)
    elif tail.matches(scope):
        await tail.app(scope, receive, send)
    elif export.matches(scope):
        await export.app(scope, receive, send)
    else:
        await _django(hosts.excused(scope), receive, send)


@cache
def project_sockets() -> Any:
    """What the project's own ``ASGI_APPLICATION`` has for WebSockets; None where there is none."""
    name = getattr(settings, "ASGI_APPLICATION", None)
    found = application if name in (None, "brokerweb.asgi.application") else import_string(name)
    if isinstance(found, ProtocolTypeRouter):
        return found.application_mapping.get("websocket")
    return None if found is application or isinstance(found, ASGIHandler) else found


async def websocket(scope: Scope, receive: Receive, send: Send) -> None:
    """The broker's at ``/ws``; elsewhere those of the project."""
    if scope["path"] == "/ws":
        await _socket(scope, receive, send)
    elif "brokerweb.passed_on" in scope or project_sockets() is None:
        await refuse(scope, receive, send)
    else:
        try:
            await project_sockets()({**scope, "brokerweb.passed_on": True}, receive, send)
        except ValueError as error:
            if not str(error).startswith("No route found"):  # as Channels says it: a stranger must not fill the log with it
                raise
            await refuse(scope, receive, send)


async def refuse(scope: Scope, receive: Receive, send: Send) -> None:
    """A WebSocket handshake where there is none to be had: 403."""
    await receive()
    await send({"type": "websocket.close"})


_socket = Socket.as_asgi(languages=[BrokerwebV1()])  # the first is that of clients who ask for none
_router = ProtocolTypeRouter(
    {
        "http": http,
        "websocket": websocket,
        "lifespan": lifecycle.lifespan,
    }
)
_trusted = conf.get().trusted_proxies


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """The whole of brokerweb."""
    if _trusted and scope["type"] != "lifespan":
        believe(scope, _trusted)
    await _router(scope, receive, send)
