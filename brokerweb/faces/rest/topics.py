"""Topics: declare, read, change, delete, list, and the dry run of routing. Publishing is hot."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse

from brokerweb.faces.http.responses import answer, no_content
from brokerweb.faces.rest import paging, topic_shapes
from brokerweb.faces.rest.base import ApiView
from brokerweb.queues import limits
from brokerweb.routing import topics
from brokerweb.storage.reading import read


def list_topics(view: ApiView) -> HttpResponse:
    query = view.query()
    page = topics.list_topics(
        query.get("prefix", ""),
        after=query.get("after"),
        limit=paging.limit(query),
        visible=lambda name: view.principal.may("browse", "topic", name),
    )
    return answer({"items": topics.describe(page.items), "next": page.next})


def declare_topic(view: ApiView, t: str) -> HttpResponse:
    return _declare(view, t, create=True)


def change_topic(view: ApiView, t: str) -> HttpResponse:
    return _declare(view, t, create=False)


def _declare(view: ApiView, t: str, *, create: bool) -> HttpResponse:
    settings = view.body(dict[str, Any], empty=b"{}")
    principal = view.principal
    verb = ("topic.declare", f"topic:{t}", topics.declare, t, settings)
    topic, created = view.audited(
        *verb, create=create, may=lambda kind, name: principal.require("publish", kind, name), detail=settings
    )
    return answer(topics.describe([topic])[0], 201 if created else 200)


def read_topic(view: ApiView, t: str) -> HttpResponse:
    view.query()
    return answer(topics.describe([topics.find(t)])[0])


def delete_topic(view: ApiView, t: str) -> HttpResponse:
    view.query()
    view.audited("topic.delete", f"topic:{t}", topics.delete, t)
    return no_content()


def route_message(view: ApiView, t: str) -> HttpResponse:
    asked = view.body(topic_shapes.RouteRequest)
    limits.check_text(asked.routing_key, "/routing_key")
    limits.check_headers(asked.headers, "/headers")
    return answer(read(topics.route, t, asked.routing_key, asked.headers))
