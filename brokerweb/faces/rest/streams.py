"""Streams: declare, read, change, delete, list. Records are hot, and the live end is ``faces.sse``."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse

from brokerweb.core.errors import NotFound, Unavailable
from brokerweb.faces.http.responses import answer, no_content
from brokerweb.faces.rest import paging
from brokerweb.faces.rest.base import ApiView
from brokerweb.handout import redaction
from brokerweb.storage.reading import read
from brokerweb.streams import control

MAX_DIGITS = 13  # of an offset


def list_streams(view: ApiView) -> HttpResponse:
    query = view.query()
    page = control.list_streams(
        query.get("prefix", ""),
        after=query.get("after"),
        limit=paging.limit(query),
        visible=lambda name: view.principal.may("browse", "stream", name),
    )
    return answer({"items": [control.describe(stream) for stream in page.items], "next": page.next})


def declare_stream(view: ApiView, s: str) -> HttpResponse:
    return _declare(view, s, create=True)


def change_stream(view: ApiView, s: str) -> HttpResponse:
    return _declare(view, s, create=False)


def _declare(view: ApiView, s: str, *, create: bool) -> HttpResponse:
    settings = view.body(dict[str, Any], empty=b"{}")
    verb = ("stream.declare", f"stream:{s}", control.declare, s, settings)
    stream, created = view.audited(*verb, create=create, detail=settings)
    return answer(control.describe(stream), 201 if created else 200)


def read_stream(view: ApiView, s: str) -> HttpResponse:
    view.query()
    return answer(control.describe(control.get(s)))


def delete_stream(view: ApiView, s: str) -> HttpResponse:
    if_empty = paging.boolean(view.query(), "if_empty")
    view.audited("stream.delete", f"stream:{s}", control.delete, s, if_empty=if_empty)
    return no_content()


def redact_record(view: ApiView, s: str, partition: str, offset: str) -> HttpResponse:
    view.query()
    place = _number(partition, f"partition {partition[:20]}"), _number(offset, f"offset {offset[:20]}")
    known = read(redaction.look, s, *place)
    target = f"stream:{s}/{partition}/{offset}"
    view.audited("record.redact", target, redaction.redact, s, place, known, by=view.principal.name)
    return no_content()


def _number(text: str, what: str) -> int:
    """A partition or offset in a path; a text that can be none is not found."""
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS):
        raise NotFound(f"There is no {what}.")
    return int(text)


def follow_stream(view: ApiView, s: str) -> HttpResponse:
    raise Unavailable("Streams are followed through brokerweb.asgi, which does not serve this project.")
