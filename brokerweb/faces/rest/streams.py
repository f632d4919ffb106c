"""Streams: declare, read, change, delete, list. Records are hot, and the live end is ``faces.sse``."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from brokerweb.core.errors import Unavailable
from brokerweb.faces.rest import paging, stream_shapes
from brokerweb.faces.rest.base import ApiView, answer, no_content
from brokerweb.faces.rest.operations import ANYONE, Operation, Parameter, on_stream, operation
from brokerweb.faces.rest.queues import PREFIX
from brokerweb.streams import control

IF_EMPTY = Parameter("if_empty", {"type": "boolean", "default": False}, "refuse (409) while there are records")


class StreamsView(ApiView):
    """``/streams``."""

    @operation(
        Operation(
            "listStreams",
            ANYONE,
            "List streams",
            {200: stream_shapes.StreamList},
            parameters=(PREFIX, paging.LIMIT, paging.AFTER),
            description="By name; those on which you hold `browse`.",
            tag="streams",
        )
    )
    def get(self, request: Request) -> HttpResponse:
        query = self.query("prefix", "limit", "after")
        page = control.list_streams(
            query.get("prefix", ""),
            after=query.get("after"),
            limit=paging.limit(query),
            visible=lambda name: self.principal.may("browse", "stream", name),
        )
        return answer({"items": [control.describe(stream) for stream in page.items], "next": page.next})


class StreamView(ApiView):
    """``/streams/{s}``."""

    @operation(
        Operation(
            "declareStream",
            on_stream("manage"),
            "Declare a stream",
            {201: stream_shapes.Stream, 200: stream_shapes.Stream},
            request=stream_shapes.StreamSettings,
            request_required=False,
            errors=("conflict",),
            description="Creates it (201), or changes the settings named (200). Partitions become more, never fewer (409).",
            tag="streams",
        )
    )
    def put(self, request: Request, s: str) -> HttpResponse:
        return self._declare(s, create=True)

    @operation(
        Operation(
            "changeStream",
            on_stream("manage"),
            "Change a stream's settings",
            {200: stream_shapes.Stream},
            request=stream_shapes.StreamSettings,
            request_required=False,
            errors=("not_found", "conflict"),
            tag="streams",
        )
    )
    def patch(self, request: Request, s: str) -> HttpResponse:
        return self._declare(s, create=False)

    def _declare(self, s: str, *, create: bool) -> HttpResponse:
        settings = self.body(dict[str, Any], empty=b"{}")
        verb = ("stream.declare", f"stream:{s}", control.declare, s, settings)
        stream, created = self.audited(*verb, create=create, detail=settings)
        return answer(control.describe(stream), 201 if created else 200)

    @operation(
        Operation(
            "readStream",
            on_stream("browse"),
            "Read a stream",
            {200: stream_shapes.Stream},
            errors=("not_found",),
            tag="streams",
        )
    )
    def get(self, request: Request, s: str) -> HttpResponse:
        self.query()
        return answer(control.describe(control.get(s)))

    @operation(
        Operation(
            "deleteStream",
            on_stream("manage"),
            "Delete a stream, its records and its groups",
            {204: None},
            parameters=(IF_EMPTY,),
            errors=("not_found", "conflict"),
            tag="streams",
        )
    )
    def delete(self, request: Request, s: str) -> HttpResponse:
        if_empty = paging.boolean(self.query("if_empty"), "if_empty")
        self.audited("stream.delete", f"stream:{s}", control.delete, s, if_empty=if_empty)
        return no_content()


class LiveView(ApiView):
    """``/streams/{s}/live``, where it is not mounted: its answers do not end, and are not Django's."""

    @operation(
        Operation(
            "followStream",
            on_stream("browse"),
            "Follow a stream",
            {200: str},
            media_type="text/event-stream",
            parameters=(
                Parameter("from", {"type": "string"}, "`earliest`, `latest` (without it), an instant, or a position `0-18,1-5`"),
                Parameter("Last-Event-ID", {"type": "string"}, "the `id` of the last event that came", where="header"),
            ),
            errors=("not_found", "offset_out_of_range"),
            description="Server-sent events: `event: record`, its `data` the record, its `id` the whole position behind it. "
            "`event: closed` says why it ends.",
            tag="streams",
        )
    )
    def get(self, request: Request, s: str) -> HttpResponse:
        raise Unavailable("Streams are followed through brokerweb.asgi, which does not serve this project.")
