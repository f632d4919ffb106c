"""Topics: declare, read, change, delete, list, and the dry run of routing. Publishing is hot."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from brokerweb.faces.rest import paging, routing_shapes
from brokerweb.faces.rest.base import ApiView, answer, no_content
from brokerweb.faces.rest.operations import ANYONE, Operation, on_topic, operation
from brokerweb.faces.rest.queues import PREFIX
from brokerweb.queues import limits
from brokerweb.routing import topics
from brokerweb.storage.reading import read


class TopicsView(ApiView):
    """``/topics``."""

    @operation(
        Operation(
            "listTopics",
            ANYONE,
            "List topics",
            {200: routing_shapes.TopicList},
            parameters=(PREFIX, paging.LIMIT, paging.AFTER),
            description="By name; those on which you hold `browse`.",
            tag="topics",
        )
    )
    def get(self, request: Request) -> HttpResponse:
        query = self.query("prefix", "limit", "after")
        page = topics.list_topics(
            query.get("prefix", ""),
            after=query.get("after"),
            limit=paging.limit(query),
            visible=lambda name: self.principal.may("browse", "topic", name),
        )
        return answer({"items": topics.describe(page.items), "next": page.next})


class TopicView(ApiView):
    """``/topics/{t}``."""

    @operation(
        Operation(
            "declareTopic",
            on_topic("manage"),
            "Declare a topic",
            {201: routing_shapes.Topic, 200: routing_shapes.Topic},
            request=routing_shapes.TopicSettings,
            request_required=False,
            errors=("not_found",),
            description="Creates it (201), or changes the settings named (200). A new binding needs `publish` on its target, "
            "which must be there (404).",
            tag="topics",
        )
    )
    def put(self, request: Request, t: str) -> HttpResponse:
        return self._declare(t, create=True)

    @operation(
        Operation(
            "changeTopic",
            on_topic("manage"),
            "Change a topic's settings",
            {200: routing_shapes.Topic},
            request=routing_shapes.TopicSettings,
            request_required=False,
            errors=("not_found",),
            tag="topics",
        )
    )
    def patch(self, request: Request, t: str) -> HttpResponse:
        return self._declare(t, create=False)

    def _declare(self, t: str, *, create: bool) -> HttpResponse:
        settings = self.body(dict[str, Any], empty=b"{}")
        principal = self.principal
        verb = ("topic.declare", f"topic:{t}", topics.declare, t, settings)
        topic, created = self.audited(
            *verb, create=create, may=lambda kind, name: principal.require("publish", kind, name), detail=settings
        )
        return answer(topics.describe([topic])[0], 201 if created else 200)

    @operation(
        Operation(
            "readTopic",
            on_topic("browse"),
            "Read a topic",
            {200: routing_shapes.Topic},
            errors=("not_found",),
            tag="topics",
        )
    )
    def get(self, request: Request, t: str) -> HttpResponse:
        self.query()
        return answer(topics.describe([topics.find(t)])[0])

    @operation(
        Operation(
            "deleteTopic",
            on_topic("manage"),
            "Delete a topic and its bindings",
            {204: None},
            errors=("not_found",),
            description="What they led to stays.",
            tag="topics",
        )
    )
    def delete(self, request: Request, t: str) -> HttpResponse:
        self.query()
        self.audited("topic.delete", f"topic:{t}", topics.delete, t)
        return no_content()


class RouteView(ApiView):
    """``/topics/{t}/route``."""

    @operation(
        Operation(
            "routeMessage",
            on_topic("browse"),
            "Where a message would go",
            {200: routing_shapes.RouteAnswer},
            request=routing_shapes.RouteRequest,
            errors=("not_found",),
            description="A dry run: nothing is published.",
            tag="topics",
        )
    )
    def post(self, request: Request, t: str) -> HttpResponse:
        asked = self.body(routing_shapes.RouteRequest)
        limits.check_text(asked.routing_key, "/routing_key")
        limits.check_headers(asked.headers, "/headers")
        return answer(read(topics.route, t, asked.routing_key, asked.headers))
