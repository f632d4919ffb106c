"""Queues: declare, read, change, delete, list, pause and resume."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from brokerweb.delivery import connections
from brokerweb.faces.rest import paging, shapes
from brokerweb.faces.rest.base import ApiView, answer, no_content
from brokerweb.faces.rest.operations import ANYONE, Operation, Parameter, on_queue, operation
from brokerweb.queues import browse, control, limits
from brokerweb.queues.models import Queue

PREFIX = Parameter("prefix", {"type": "string"}, "only names that begin with this")
IF_EMPTY = Parameter("if_empty", {"type": "boolean", "default": False}, "refuse (409) while there are messages")


def describe(queue: Queue) -> dict[str, Any]:
    """The queue as every call shows it."""
    return browse.describe(queue, connections.consumers()[queue.pk])


class QueuesView(ApiView):
    """``/queues``."""

    @operation(
        Operation(
            "listQueues",
            ANYONE,
            "List queues",
            {200: shapes.QueueList},
            parameters=(PREFIX, paging.LIMIT, paging.AFTER),
            description="By name; those on which you hold `browse`.",
        )
    )
    def get(self, request: Request) -> HttpResponse:
        query = self.query("prefix", "limit", "after")
        page = browse.list_queues(
            query.get("prefix", ""),
            after=query.get("after"),
            limit=paging.limit(query),
            visible=lambda name: self.principal.may("browse", "queue", name),
        )
        return answer({"items": browse.describe_all(page.items, connections.consumers()), "next": page.next})


class QueueView(ApiView):
    """``/queues/{q}``."""

    @operation(
        Operation(
            "declareQueue",
            on_queue("manage"),
            "Declare a queue",
            {201: shapes.Queue, 200: shapes.Queue},
            request=shapes.QueueSettings,
            request_required=False,
            errors=("conflict",),
            description="Creates it (201), or changes the settings named (200).",
        )
    )
    def put(self, request: Request, q: str) -> HttpResponse:
        return self._declare(q, create=True)

    @operation(
        Operation(
            "changeQueue",
            on_queue("manage"),
            "Change a queue's settings",
            {200: shapes.Queue},
            request=shapes.QueueSettings,
            request_required=False,
            errors=("not_found", "conflict"),
        )
    )
    def patch(self, request: Request, q: str) -> HttpResponse:
        return self._declare(q, create=False)

    def _declare(self, q: str, *, create: bool) -> HttpResponse:
        settings = self.body(dict[str, Any], empty=b"{}")
        queue, created = self.audited("queue.declare", f"queue:{q}", control.declare, q, settings, create=create, detail=settings)
        return answer(describe(queue), 201 if created else 200)

    @operation(Operation("readQueue", on_queue("browse"), "Read a queue", {200: shapes.Queue}, errors=("not_found",)))
    def get(self, request: Request, q: str) -> HttpResponse:
        self.query()
        return answer(describe(browse.find(q)))

    @operation(
        Operation(
            "deleteQueue",
            on_queue("manage"),
            "Delete a queue and its messages",
            {204: None},
            parameters=(IF_EMPTY,),
            errors=("not_found", "conflict"),
        )
    )
    def delete(self, request: Request, q: str) -> HttpResponse:
        if_empty = paging.boolean(self.query("if_empty"), "if_empty")
        self.audited("queue.delete", f"queue:{q}", control.delete, q, if_empty=if_empty)
        return no_content()


class PauseView(ApiView):
    """``/queues/{q}/pause``."""

    @operation(
        Operation(
            "pauseQueue",
            on_queue("manage"),
            "Stop handing out",
            {200: shapes.Queue},
            request=shapes.PauseRequest,
            request_required=False,
            errors=("not_found",),
            description="Publishing and settling go on. A queue that is paused stays as it is.",
        )
    )
    def post(self, request: Request, q: str) -> HttpResponse:
        reason = limits.cut(self.body(shapes.PauseRequest, empty=b"{}").reason) or ""
        pausing = {"reason": reason, "by": self.principal.name}
        queue = self.audited("queue.pause", f"queue:{q}", control.pause, q, **pausing, detail={"reason": reason})
        return answer(describe(queue))


class ResumeView(ApiView):
    """``/queues/{q}/resume``."""

    @operation(
        Operation(
            "resumeQueue",
            on_queue("manage"),
            "Hand out again",
            {200: shapes.Queue},
            request=shapes.Nothing,
            request_required=False,
            errors=("not_found",),
        )
    )
    def post(self, request: Request, q: str) -> HttpResponse:
        self.body(shapes.Nothing, empty=b"{}")
        return answer(describe(self.audited("queue.resume", f"queue:{q}", control.resume, q)))
