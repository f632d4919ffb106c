"""The live part of a page, which is asked for again and again: what has not changed is not sent, and what it costs is noted.

A tag stands for what is said, not for how: CSRF tokens are masked anew each time, and what is told as "3 min ago" is the same
instant a second later; the browser goes on counting by itself.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import blake2b
from http import HTTPStatus
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.urls import reverse

from brokerweb.core import clock
from brokerweb.delivery.news import PAGES, news

TAG = "HX-PTag"  # as htmx's own extension calls it
_TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="[^"]*"')
# A field that begins with the present.
_NOW = re.compile(r'(<input type="(?:datetime-local"|text" id="range-)[^>]*?) value="[^"]*"')
_INSTANT = re.compile(r'(<time [^>]*?datetime="[^"]*")[^>]*>[^<]*</time>')


def answer(request: HttpRequest, fragment: str, status: int) -> HttpResponse:
    """The fragment, or 304 where the page has it."""
    if status != HTTPStatus.OK:
        return HttpResponse(fragment, status=status)
    tag = _tag(fragment, request.META.get("CSRF_COOKIE") or "")
    same = request.headers.get(TAG) == tag
    response = HttpResponseNotModified() if same else HttpResponse(fragment)
    response.headers[TAG] = tag
    return response


def _tag(fragment: str, secret: str) -> str:
    """``secret`` is what tokens are made of: with another one the page needs others."""
    said = _NOW.sub(r"\1", _INSTANT.sub(r"\1", _TOKEN.sub("", fragment)))
    return blake2b(f"{secret}\0{said}".encode(), digest_size=12).hexdigest()


@contextmanager
def costing(request: HttpRequest) -> Iterator[None]:
    """Pages are told of news the more seldom, the more it takes to show it."""
    begun = time.thread_time()
    try:
        yield
    finally:
        if getattr(request, "htmx", False):
            news.spent(time.thread_time() - begun)


def around(request: HttpRequest) -> dict[str, str]:
    """What a live page knows: where it is told of news, and what the server's clock said."""
    return {"news": _news(request), "rendered_at": clock.rfc3339(clock.to_wall(clock.now()))}


def _news(request: HttpRequest) -> str:
    """Where the page is told that something of it may be another; empty where it is no page."""
    match = request.resolver_match
    if match is None:
        return ""
    first = match.route.partition("/")[0] or "overview"
    name = match.kwargs.get("name") if first in ("queues", "streams") else None
    return news_of({first.removesuffix("s"): name} if name else {"page": first} if first in PAGES else {})


def news_of(asked: Mapping[str, str]) -> str:
    """Where a page is told that something of what it shows may be another: of a ``queue``, a ``stream``, or of its ``page``."""
    place = reverse("brokerweb_console:news")
    return f"{place}?{urlencode(asked)}" if asked else place
