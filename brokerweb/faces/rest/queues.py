"""Queues: declare, read, change, delete, list, pause and resume."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpResponse

from brokerweb.answers import verdicts
from brokerweb.delivery import connections
from brokerweb.faces.http.responses import answer, no_content
from brokerweb.faces.rest import paging, shapes
from brokerweb.faces.rest.base import ApiView
from brokerweb.faces.rest.versions import guarded, tagged
from brokerweb.queues import browse, control, limits
from brokerweb.queues.models import Queue
from brokerweb.storage.transaction import Transaction


def describe(queue: Queue) -> dict[str, Any]:
    """The queue as every call shows it."""
    return browse.describe(queue, connections.consumers()[queue.pk])


def list_queues(view: ApiView) -> HttpResponse:
    query = view.query()
    page = browse.list_queues(
        query.get("prefix", ""),
        after=query.get("after"),
        limit=paging.limit(query),
        visible=lambda name: view.principal.may("browse", "queue", name),
    )
    items = browse.describe_all(page.items, connections.consumers())
    if paging.verdicts(query):
        items = [
            shown | {"verdict": why.as_json()}
            for shown, why in zip(items, verdicts.queues(view.principal, page.items), strict=True)
        ]
    return answer({"items": items, "next": page.next})


def declare_queue(view: ApiView, q: str) -> HttpResponse:
    return _declare(view, q, create=True)


def change_queue(view: ApiView, q: str) -> HttpResponse:
    return _declare(view, q, create=False)


def _declare(view: ApiView, q: str, *, create: bool) -> HttpResponse:
    settings = view.body(dict[str, Any], empty=b"{}")
    verb = guarded(view, "queue", _seen(q), control.declare, creates=create)
    queue, created = view.audited("queue.declare", f"queue:{q}", verb, q, settings, create=create, detail=settings)
    return tagged("queue", describe(queue), 201 if created else 200)


def _seen(q: str) -> Callable[[Transaction], dict[str, Any]]:
    return lambda _: browse.describe(browse.find(q))


def read_queue(view: ApiView, q: str) -> HttpResponse:
    view.query()
    queue = browse.find(q)
    return tagged("queue", describe(queue) | {"verdict": verdicts.queue(view.principal, queue).as_json()})


def delete_queue(view: ApiView, q: str) -> HttpResponse:
    if_empty = paging.boolean(view.query(), "if_empty")
    verb = guarded(view, "queue", _seen(q), control.delete)
    view.audited("queue.delete", f"queue:{q}", verb, q, if_empty=if_empty)
    return no_content()


def pause_queue(view: ApiView, q: str) -> HttpResponse:
    reason = limits.cut(view.body(shapes.PauseRequest, empty=b"{}").reason) or ""
    pausing = {"reason": reason, "by": view.principal.name}
    queue = view.audited("queue.pause", f"queue:{q}", control.pause, q, **pausing, detail={"reason": reason})
    return answer(describe(queue))


def resume_queue(view: ApiView, q: str) -> HttpResponse:
    view.body(shapes.Nothing, empty=b"{}")
    return answer(describe(view.audited("queue.resume", f"queue:{q}", control.resume, q)))
