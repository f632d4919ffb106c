"""Consumer groups: declare, read, delete, list, seek and undo; what of a shared group died. The rest is hot."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from django.http import HttpResponse

from brokerweb.answers import verdicts
from brokerweb.answers.search import browsing
from brokerweb.answers.verdicts.verdict import instant
from brokerweb.faces.http.responses import answer, no_content
from brokerweb.faces.rest import choosing, paging, shapes, stream_shapes
from brokerweb.faces.rest.base import ApiView
from brokerweb.faces.rest.messages import started
from brokerweb.faces.rest.versions import guarded, tagged
from brokerweb.handout import shared_groups
from brokerweb.identity import masks
from brokerweb.identity.masks import Veil
from brokerweb.jobs import bulk
from brokerweb.queues.messages import parse_place
from brokerweb.queues.models import Message
from brokerweb.queues.represent import message_object
from brokerweb.storage.reading import Reads, read
from brokerweb.streams import group_objects, groups, positions
from brokerweb.streams.positions import Move


def list_groups(view: ApiView, s: str) -> HttpResponse:
    query = view.query()
    page = read(partial(group_objects.list_groups, after=query.get("after"), limit=paging.limit(query)), s)
    items = page.items
    if paging.verdicts(query):
        items = [shown | {"verdict": verdicts.group(view.principal, s, shown["name"]).as_json()} for shown in items]
    return answer({"items": items, "next": page.next})


def declare_group(view: ApiView, s: str, g: str) -> HttpResponse:
    settings = view.body(dict[str, Any], empty=b"{}")
    verb = guarded(view, "group", _seen(s, g), groups.declare_group, creates=True)
    _, created = view.audited("group.declare", f"stream:{s}/{g}", verb, s, g, settings, detail=settings)
    return tagged("group", read(group_objects.describe, s, g), 201 if created else 200)


def _seen(s: str, g: str) -> Callable[[Reads], dict[str, Any]]:
    return lambda reads: group_objects.describe(reads, s, g)


def read_group(view: ApiView, s: str, g: str) -> HttpResponse:
    view.query()
    shown = read(group_objects.describe, s, g)
    if shown["members"]:
        attending = {each.member.id: each for each in verdicts.members(s, g)}
        shown["members"] = [member | _attendance(attending.get(member["id"])) for member in shown["members"]]
    return tagged("group", shown | {"verdict": verdicts.group(view.principal, s, g).as_json()})


def _attendance(found: verdicts.Attending | None) -> dict[str, Any]:
    """How a member gets on; nothing of one that has gone meanwhile."""
    if found is None:
        return {}
    return {
        "lag": 0 if found.share is None else found.share.lag,
        "last_commit_at": instant(found.committed_at),
        "silent_since_at": instant(found.since),
        "silent": found.silent,
    }


def delete_group(view: ApiView, s: str, g: str) -> HttpResponse:
    view.query()
    verb = guarded(view, "group", _seen(s, g), groups.delete_group)
    view.audited("group.delete", f"stream:{s}/{g}", verb, s, g)
    return no_content()


# Positions


def seek_group(view: ApiView, s: str, g: str) -> HttpResponse:
    asked = view.body(stream_shapes.SeekRequest)
    if asked.dry_run:
        return _moved(s, read(positions.preview, s, g, asked.to))
    detail = {"to": asked.to}
    return _moved(s, view.audited("group.seek", f"stream:{s}/{g}", positions.seek, s, g, asked.to, detail=detail))


def undo_seek(view: ApiView, s: str, g: str) -> HttpResponse:
    view.body(shapes.Nothing, empty=b"{}")
    return _moved(s, view.audited("group.undo", f"stream:{s}/{g}", positions.undo, s, g))


def _moved(stream: str, moves: list[Move]) -> HttpResponse:
    counted = read(positions.counted, stream, moves)
    shown = [{"partition": m.partition, "from": str(m.origin), "to": str(m.to), "records": m.records} for m in counted]
    return answer({"partitions": shown})


# What died in a shared group


def dead_object(message: Message, veil: Veil) -> dict[str, Any]:
    """A dead record as browsing shows it, with its place in the stream."""
    place = parse_place(message.route)
    partition, offset = (None, None) if place is None else (place[0], str(place[1]))
    return message_object(message, veil) | {"partition": partition, "offset": offset}


def browse_dead_records(view: ApiView, s: str, g: str) -> HttpResponse:
    held = filter(browsing.asks, view.request.query_params)
    query = view.query("key", "fingerprint", "order", "limit", "after", *held)
    veil = masks.veil(view.principal, "stream", s)
    given = {name: value for name, value in query.items() if name not in ("limit", "after")}
    limit, queue = paging.limit(query), read(shared_groups.queue_of, s, g)
    page = choosing.page(queue, given | {"state": "dead"}, veil, limit=limit, after=query.get("after"))
    return answer({"items": [dead_object(message, veil) for message in page.items], **page.told})


def redrive_dead_records(view: ApiView, s: str, g: str) -> HttpResponse:
    asked = view.body(stream_shapes.RedriveDead, empty=b"{}")
    veil, queue = masks.veil(view.principal, "stream", s), read(shared_groups.queue_of, s, g)
    chosen = choosing.parse(view, queue, f"stream:{s}/{g}", asked.filter, veil)
    if asked.dry_run:
        return answer(choosing.preview(view, chosen, "redrive"))
    entry = view.entry("group.redrive", f"stream:{s}/{g}", {"filter": asked.filter})
    start = partial(bulk.start_group_redrive, s, g, rate=asked.rate, by=view.principal.name, entry=entry)
    return started(choosing.act(view, chosen, "redrive", start, entry, rate=asked.rate))
