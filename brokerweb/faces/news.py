"""That something of what a page shows may be another, as server-sent events without content: what it is, the page then asks for.

It ends with the rights of the session it was opened by, and when the node goes.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from functools import partial

from django.db.models import Q

from brokerweb.core.errors import Invalid, NotFound
from brokerweb.core.names import check_name
from brokerweb.delivery.news import ANYTHING, PAGES, QUEUE, STREAM, Key, news
from brokerweb.delivery.polls import waits
from brokerweb.faces import sse
from brokerweb.faces.codec.query import Query
from brokerweb.faces.http.body import Receive, Scope, Send
from brokerweb.faces.http.ownership import is_own
from brokerweb.identity.principal import Principal
from brokerweb.queues.models import Queue
from brokerweb.storage.reading import Reads, aread
from brokerweb.streams.models import Stream

PATH = "/news"
OF_A_SESSION = 4  # a browser has six connections to a server over HTTP/1.1, and needs some to ask with
FRESH = b"event: fresh\ndata:\n\n"
CLOSED = b"event: closed\ndata:\n\n"

_places = sse.Places(500, 24, OF_A_SESSION, full="So many pages are told of news already: others ask by themselves.")


def matches(scope: Scope) -> bool:
    """Whether ``app`` answers this request."""
    return scope["path"] == PATH and scope["method"] in ("GET", "HEAD") and is_own(PATH)


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """An ASGI application for the requests that ``matches``."""
    await sse.answer(_begin, scope, receive, send)


async def _begin(scope: Scope, send: Send, held: ExitStack) -> Page:
    principal = await sse.reader(scope)
    query = Query(scope["query_string"].decode("latin-1"), ("queue", "stream", "page"))
    keys = await aread(_keys, principal, query)
    sse.serving()
    return Page(scope, send, principal, keys, held)


def _keys(_: Reads, principal: Principal, query: Query) -> Iterable[Key]:
    """What a page of that queue or stream shows, or one of many things. Raises Forbidden, Invalid, NotFound."""
    shown = query.text("page")
    if shown is not None and shown not in PAGES:
        raise Invalid.at("/page", f"one of {', '.join(PAGES)}")
    more = () if shown is None else PAGES[shown]
    return [*more, *_of_one(principal, query.text("queue"), query.text("stream"))] or [ANYTHING]


def _of_one(principal: Principal, queue: str | None, stream: str | None) -> list[Key]:
    if queue is not None:
        principal.require("browse", "queue", queue)
        check_name(queue, "/queue")
        return _found((QUEUE, id) for id in Queue.declared.filter(name=queue).values_list("pk", flat=True))
    if stream is not None:
        principal.require("browse", "stream", stream)
        check_name(stream, "/stream")
        of_groups = Queue.objects.filter(Q(stream=stream), deleted_at=None).values_list("pk", flat=True)
        found = _found((STREAM, id) for id in Stream.objects.filter(name=stream).values_list("pk", flat=True))
        return [*found, *((QUEUE, id) for id in of_groups)]
    return []


def _found(keys: Iterable[Key]) -> list[Key]:
    found = list(keys)
    if not found:
        raise NotFound
    return found


class Page(sse.Events):
    """One answer: whether there is news."""

    def __init__(self, scope: Scope, send: Send, principal: Principal, keys: Iterable[Key], held: ExitStack) -> None:
        """Raises RateLimited."""
        super().__init__(scope, send, held)
        self._held.callback(_places.take(principal))
        self._held.callback(news.watch(keys, self._woken.set))
        self._held.enter_context(waits.entered(principal, partial(self.end, CLOSED)))

    async def _tell(self) -> None:
        await self._chunk(sse.AGAIN)
        while not self._ending:
            fresh = await self._something(sse.HEARTBEAT)
            if not self._ending:
                await self._chunk(FRESH if fresh else sse.COMMENT)
