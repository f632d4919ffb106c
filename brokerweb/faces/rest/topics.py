"""Topics: declare, read, change, bind, delete, list, and the dry run of routing. Publishing is hot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpResponse

from brokerweb.core.errors import Invalid
from brokerweb.faces.codec import destinations
from brokerweb.faces.http.responses import answer, no_content
from brokerweb.faces.rest import paging, topic_shapes
from brokerweb.faces.rest.base import ApiView
from brokerweb.faces.rest.versions import guarded, tagged
from brokerweb.identity import masks
from brokerweb.queues import limits
from brokerweb.routing import bindings, topics
from brokerweb.storage.reading import read
from brokerweb.storage.transaction import Transaction


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
    verb = guarded(view, "topic", _seen(t), topics.declare, creates=create)
    options = {"create": create, "may": _may_bind(view, t)}
    topic, created = view.audited("topic.declare", f"topic:{t}", verb, t, settings, **options, detail=settings)
    return tagged("topic", topics.describe([topic])[0], 201 if created else 200)


def _seen(t: str) -> Callable[[Transaction], dict[str, Any]]:
    return lambda _: topics.describe([topics.find(t)])[0]


def _may_bind(view: ApiView, topic: str) -> topics.May:
    def may(kind: str, name: str) -> None:
        view.principal.require("publish", kind, name)
        masks.require_no_less(view.principal, ("topic", topic), (kind, name))

    return may


def read_topic(view: ApiView, t: str) -> HttpResponse:
    view.query()
    return tagged("topic", topics.describe([topics.find(t)])[0])


def delete_topic(view: ApiView, t: str) -> HttpResponse:
    view.query()
    view.audited("topic.delete", f"topic:{t}", guarded(view, "topic", _seen(t), topics.delete), t)
    return no_content()


def add_bindings(view: ApiView, t: str) -> HttpResponse:
    given = view.body(dict[str, Any])
    bound, verb = bindings.asked(given), guarded(view, "topic", _seen(t), topics.bind)
    topic = view.audited("topic.bind", f"topic:{t}", verb, t, bound, may=_may_bind(view, t), detail=given)
    return tagged("topic", topics.describe([topic])[0])


def remove_bindings(view: ApiView, t: str) -> HttpResponse:
    given = view.body(dict[str, Any])
    bound, verb = bindings.asked(given), guarded(view, "topic", _seen(t), topics.unbind)
    topic = view.audited("topic.unbind", f"topic:{t}", verb, t, bound, detail=given)
    return tagged("topic", topics.describe([topic])[0])


def route_message(view: ApiView, t: str) -> HttpResponse:
    asked = view.body(topic_shapes.RouteRequest)
    if asked.messages is not None:
        if asked.routing_key or asked.headers:
            raise Invalid.at("/messages", "has the routing keys and headers itself")
        destinations.for_any("topic", asked.messages)  # what a publish of it would refuse
        given = [(message.routing_key or "", message.headers or {}) for message in asked.messages]
        return answer({"results": read(topics.routes, t, given)})
    limits.check_text(asked.routing_key, "/routing_key")
    limits.check_headers(asked.headers, "/headers")
    return answer(read(topics.route, t, asked.routing_key, asked.headers))
