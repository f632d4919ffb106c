"""Consumer groups: declare, read, delete, list, seek and undo; what of a shared group died. The rest is hot."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from brokerweb.faces.rest import job_shapes, paging, shapes, stream_shapes
from brokerweb.faces.rest.base import ApiView, answer, no_content
from brokerweb.faces.rest.messages import DRY_RUN, KEY, MANY, ORDER, started
from brokerweb.faces.rest.operations import Operation, on_stream, operation
from brokerweb.handout import shared_groups as sharing
from brokerweb.jobs import bulk
from brokerweb.queues import browse, filters
from brokerweb.queues.messages import parse_place
from brokerweb.queues.models import Message
from brokerweb.queues.represent import message_object
from brokerweb.storage.reading import read
from brokerweb.streams import group_objects, groups, positions
from brokerweb.streams.positions import Move


class GroupsView(ApiView):
    """``/streams/{s}/groups``."""

    @operation(
        Operation(
            "listGroups",
            on_stream("browse"),
            "List a stream's consumer groups",
            {200: stream_shapes.GroupList},
            parameters=(paging.LIMIT, paging.AFTER),
            errors=("not_found",),
            tag="groups",
        )
    )
    def get(self, request: Request, s: str) -> HttpResponse:
        query = self.query("limit", "after")
        page = read(_list, s, query.get("after"), paging.limit(query))
        return answer({"items": page.items, "next": page.next})


def _list(reads: Any, stream: str, after: str | None, limit: int) -> group_objects.GroupPage:
    return group_objects.list_groups(reads, stream, after=after, limit=limit)


class GroupView(ApiView):
    """``/streams/{s}/groups/{g}``."""

    @operation(
        Operation(
            "declareGroup",
            on_stream("manage"),
            "Declare a consumer group",
            {201: stream_shapes.Group, 200: stream_shapes.Group},
            request=stream_shapes.GroupSettings,
            request_required=False,
            errors=("not_found", "conflict"),
            description="Creates it (201), or changes the settings named (200). A group begins at `start`.",
            tag="groups",
        )
    )
    def put(self, request: Request, s: str, g: str) -> HttpResponse:
        settings = self.body(dict[str, Any], empty=b"{}")
        _, created = self.audited("group.declare", f"stream:{s}/{g}", groups.declare_group, s, g, settings, detail=settings)
        return answer(read(group_objects.describe, s, g), 201 if created else 200)

    @operation(
        Operation(
            "readGroup",
            on_stream("browse"),
            "Read a consumer group",
            {200: stream_shapes.Group},
            errors=("not_found",),
            description="Its members, who has which partition, its generation, how far it has come, and its lag.",
            tag="groups",
        )
    )
    def get(self, request: Request, s: str, g: str) -> HttpResponse:
        self.query()
        return answer(read(group_objects.describe, s, g))

    @operation(
        Operation(
            "deleteGroup",
            on_stream("manage"),
            "Delete a consumer group",
            {204: None},
            errors=("not_found",),
            description="Its members' subscriptions end.",
            tag="groups",
        )
    )
    def delete(self, request: Request, s: str, g: str) -> HttpResponse:
        self.query()
        self.audited("group.delete", f"stream:{s}/{g}", groups.delete_group, s, g)
        return no_content()


# Positions


class SeekView(ApiView):
    """``/streams/{s}/groups/{g}/seek``."""

    @operation(
        Operation(
            "seekGroup",
            on_stream("manage"),
            "Move a group's positions",
            {200: stream_shapes.SeekAnswer},
            request=stream_shapes.SeekRequest,
            errors=("not_found", "conflict"),
            description="To `earliest`, `latest`, an instant, offsets by partition, or by a shift; never outside of what the "
            "stream has. Running members go on from there. " + DRY_RUN,
            tag="groups",
        )
    )
    def post(self, request: Request, s: str, g: str) -> HttpResponse:
        asked = self.body(stream_shapes.SeekRequest)
        if asked.dry_run:
            return _moved(s, read(positions.preview, s, g, asked.to))
        detail = {"to": asked.to}
        return _moved(s, self.audited("group.seek", f"stream:{s}/{g}", positions.seek, s, g, asked.to, detail=detail))


class UndoView(ApiView):
    """``/streams/{s}/groups/{g}/undo``."""

    @operation(
        Operation(
            "undoSeek",
            on_stream("manage"),
            "Take the last seek back",
            {200: stream_shapes.SeekAnswer},
            request=shapes.Nothing,
            request_required=False,
            errors=("not_found", "conflict"),
            description="Once; 409 when there is none.",
            tag="groups",
        )
    )
    def post(self, request: Request, s: str, g: str) -> HttpResponse:
        self.body(shapes.Nothing, empty=b"{}")
        return _moved(s, self.audited("group.undo", f"stream:{s}/{g}", positions.undo, s, g))


def _moved(stream: str, moves: list[Move]) -> HttpResponse:
    counted = read(positions.counted, stream, moves)
    shown = [{"partition": m.partition, "from": str(m.origin), "to": str(m.to), "records": m.records} for m in counted]
    return answer({"partitions": shown})


# What died in a shared group


def dead_object(message: Message) -> dict[str, Any]:
    """A dead record as browsing shows it, with its place in the stream."""
    place = parse_place(message.route)
    partition, offset = (None, None) if place is None else (place[0], str(place[1]))
    return message_object(message) | {"partition": partition, "offset": offset}


class DeadView(ApiView):
    """``/streams/{s}/groups/{g}/dead``."""

    @operation(
        Operation(
            "browseDeadRecords",
            on_stream("browse"),
            "Browse dead records of a shared group",
            {200: stream_shapes.DeadList},
            parameters=(KEY, ORDER, paging.LIMIT, paging.AFTER),
            errors=("not_found", "conflict"),
            description="Copies, which retention cannot take.",
            tag="groups",
        )
    )
    def get(self, request: Request, s: str, g: str) -> HttpResponse:
        query = self.query("key", "order", "limit", "after")
        chosen = filters.parse({"state": "dead", **{name: query[name] for name in ("key", "order") if name in query}})
        page = browse.page(read(sharing.queue_of, s, g), chosen, after=query.get("after"), limit=paging.limit(query))
        return answer({"items": [dead_object(message) for message in page.items], "next": page.next})


class RedriveDeadView(ApiView):
    """``/streams/{s}/groups/{g}/redrive``."""

    @operation(
        Operation(
            "redriveDeadRecords",
            on_stream("manage"),
            "Put dead records of a shared group back",
            {200: (shapes.Affected, shapes.Preview), 202: job_shapes.JobAnswer},
            request=stream_shapes.RedriveDead,
            request_required=False,
            errors=("not_found", "conflict"),
            description="The group hands them out again. " + MANY,
            tag="groups",
        )
    )
    def post(self, request: Request, s: str, g: str) -> HttpResponse:
        asked = self.body(stream_shapes.RedriveDead, empty=b"{}")
        chosen = filters.parse(asked.filter, "/filter")
        queue = read(sharing.queue_of, s, g)
        if asked.dry_run:
            return answer(browse.preview(queue, chosen, "redrive"))
        entry = self.entry("group.redrive", f"stream:{s}/{g}", {"filter": asked.filter})
        return started(bulk.start_group_redrive(s, g, chosen, rate=asked.rate, by=self.principal.name, entry=entry))
