"""Streams: declare, read, change, delete, list. Records are hot, and the live end is ``faces.live``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpResponse

from brokerweb.core.errors import NotFound, Unavailable
from brokerweb.faces.http.responses import answer, no_content
from brokerweb.faces.rest import paging
from brokerweb.faces.rest.base import ApiView
from brokerweb.faces.rest.versions import guarded, tagged
from brokerweb.handout import redaction
from brokerweb.storage.reading import read
from brokerweb.storage.transaction import Transaction
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
    verb = guarded(view, "stream", _seen(s), control.declare, creates=create)
    stream, created = view.audited("stream.declare", f"stream:{s}", verb, s, settings, create=create, detail=settings)
    return tagged("stream", control.describe(stream), 201 if created else 200)


def _seen(s: str) -> Callable[[Transaction], dict[str, Any]]:
    return lambda _: control.describe(control.get(s))


def read_stream(view: ApiView, s: str) -> HttpResponse:
    view.query()
    return tagged("stream", control.describe(control.get(s)))


def delete_stream(view: ApiView, s: str) -> HttpResponse:
    if_empty = paging.boolean(view.query(), "if_empty")
    verb = guarded(view, "stream", _seen(s), control.delete)
    view.audited("stream.delete", f"stream:{s}", verb, s, if_empty=if_empty)
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
