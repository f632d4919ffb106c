"""Messages of a queue: browse, read, reschedule, delete, requeue, purge and redrive."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from django.http import HttpResponse

from brokerweb.answers import verdicts
from brokerweb.answers.absent import absent
from brokerweb.answers.family import family
from brokerweb.answers.timeline import timeline
from brokerweb.core import clock
from brokerweb.core.errors import Invalid, NotFound
from brokerweb.core.names import check_name
from brokerweb.faces.codec.json import check_instant
from brokerweb.faces.codec.messages import to_one
from brokerweb.faces.http.responses import answer, no_content
from brokerweb.faces.rest import choosing, paging, shapes
from brokerweb.faces.rest.base import ApiView
from brokerweb.identity import masks
from brokerweb.jobs import bulk
from brokerweb.jobs.control import as_json
from brokerweb.jobs.models import Job
from brokerweb.queues import browse, control, filters, redaction, settled
from brokerweb.queues.models import Message, SettledMessage
from brokerweb.queues.represent import message_object, settled_object, standing_object


def message_id(text: str) -> int:
    """The id in a path; a text that can be none is not found."""
    try:
        return filters.parse_id(text)
    except ValueError:
        raise NotFound(f"There is no message {text[:20]}.") from None


def show(view: ApiView, q: str, id: int) -> dict[str, Any]:
    """One message, alive or kept, with its failures, what happened to it and its relatives. Raises NotFound."""
    queue, may, veil = browse.find(q), view.principal.may, masks.veil(view.principal, "queue", q)
    try:
        message: Message | SettledMessage
        message, failures = browse.read(queue, id)
        verdict = verdicts.message(view.principal, queue, message)
        shown = message_object(message, veil, failures) | {"verdict": verdict.as_json()}
    except NotFound:
        kept = settled.read(queue, id)
        if kept is None:
            raise absent(queue, id, veil, may=may) from None
        message, failures = kept
        verdict = verdicts.settled(view.principal, queue, message)
        shown = settled_object(message, veil, failures) | {"verdict": verdict.as_json()}
    told, truncated = timeline(queue, id, message, failures, veil, may=may)
    return shown | {"timeline": told, "timeline_truncated": truncated, "family": family(queue, id, message, may=may)}


def acted_upon(view: ApiView, q: str, id: int) -> dict[str, Any]:
    """``show`` for the answer to an act: who may not browse is told how the message stands alone. Raises NotFound."""
    if view.principal.may("browse", "queue", q):
        return show(view, q, id)
    message, _ = browse.read(browse.find(q), id)
    return standing_object(message)


def browse_messages(view: ApiView, q: str) -> HttpResponse:
    query = view.query(*view.request.query_params)
    most, after = paging.limit(query), query.get("after")
    given = {name: value for name, value in query.items() if name not in ("limit", "after", "verdict")}
    why, queue, veil = paging.verdicts(query), browse.find(q), masks.veil(view.principal, "queue", q)
    page = choosing.page(queue, given, veil, limit=most, after=after)
    kept = given.get("state") == filters.SETTLED
    items = [(settled_object if kept else message_object)(message, veil) for message in page.items]
    if why and not kept:
        found = verdicts.messages(view.principal, queue, page.items)
        items = [shown | {"verdict": verdict.as_json()} for shown, verdict in zip(items, found, strict=True)]
    return answer({"items": items, **page.told})


def read_message(view: ApiView, q: str, id: str) -> HttpResponse:
    view.query()
    return answer(show(view, q, message_id(id)))


def reschedule_message(view: ApiView, q: str, id: str) -> HttpResponse:
    due = _due(view.body(shapes.Reschedule))
    number, target = message_id(id), f"queue:{q}/{id}"
    detail = {"due_at": clock.rfc3339(due["deliver_at"] if "deliver_at" in due else clock.to_wall(due["due_at"]))}
    view.audited("message.reschedule", target, control.reschedule, q, number, detail=detail, **due)
    return answer(acted_upon(view, q, number))


def delete_message(view: ApiView, q: str, id: str) -> HttpResponse:
    view.query()
    view.audited("message.delete", f"queue:{q}/{id}", control.delete_message, q, message_id(id))
    return no_content()


def _due(asked: shapes.Reschedule) -> dict[str, int]:
    """By which clock and when, as ``control.reschedule`` takes it. Raises Invalid."""
    instants = {"/due_at": asked.due_at, "/deliver_at": asked.deliver_at}
    given = [(pointer, text) for pointer, text in instants.items() if text is not None]
    if len(given) + (asked.delay is not None) != 1:
        raise Invalid.at("", "exactly one of due_at, deliver_at and delay is needed")
    if asked.delay is not None:
        return {"due_at": clock.now() + clock.seconds(asked.delay)}
    pointer, text = given[0]
    return {"deliver_at": max(check_instant(text, pointer), 0)}


def requeue_message(view: ApiView, q: str, id: str) -> HttpResponse:
    asked = view.body(shapes.RequeueRequest, empty=b"{}")
    number, target = message_id(id), f"queue:{q}/{id}"
    if asked.message is None:
        view.audited("message.requeue", target, control.requeue, q, number)
        return answer(acted_upon(view, q, number))
    masks.veil(view.principal, "queue", q).require_all("To put an edited copy in the place of a message")
    copy = to_one(asked.message)
    new = view.audited("message.replace", target, control.replace, q, number, copy, publisher=view.principal.name)
    return answer({"id": str(new)}, 201)


def redact_message(view: ApiView, q: str, id: str) -> HttpResponse:
    view.body(shapes.Nothing, empty=b"{}")
    number = message_id(id)
    view.audited("message.redact", f"queue:{q}/{id}", redaction.redact, q, number, by=view.principal.name)
    try:
        return answer(acted_upon(view, q, number))
    except NotFound:  # the message is gone, and its history was redacted
        return no_content()


# Many at once


def purge_queue(view: ApiView, q: str) -> HttpResponse:
    asked = view.body(shapes.PurgeRequest, empty=b"{}")
    chosen = choosing.parse(view, browse.find(q), f"queue:{q}", asked.filter, masks.veil(view.principal, "queue", q))
    if asked.states is not None:
        states = chosen.filter.states | filters.parse({"states": asked.states}).states
        chosen = chosen._replace(filter=replace(chosen.filter, states=states))
    if asked.dry_run:
        return answer(choosing.preview(view, chosen, "purge"))
    detail = {"filter": asked.filter | ({"states": asked.states} if asked.states else {})}
    entry = view.entry("queue.purge", f"queue:{q}", detail)
    start = partial(bulk.start_purge, q, rate=asked.rate, by=view.principal.name, entry=entry)
    return started(choosing.act(view, chosen, "purge", start, entry, rate=asked.rate))


def redrive_queue(view: ApiView, q: str) -> HttpResponse:
    asked = view.body(shapes.RedriveRequest, empty=b"{}")
    target, veil = None, masks.veil(view.principal, "queue", q)
    if asked.to is not None:
        name = asked.to.removeprefix("queue:")
        view.principal.require("publish", "queue", name)
        target = check_name(name, "/to")
        masks.require_no_less(view.principal, ("queue", q), ("queue", target))
    if target is not None:
        browse.find(target)
    chosen = choosing.parse(view, browse.find(q), f"queue:{q}", asked.filter, veil)
    if asked.dry_run:
        return answer(choosing.preview(view, chosen, "redrive"))
    entry = view.entry("queue.redrive", f"queue:{q}", {"filter": asked.filter | ({"to": target} if target else {})})
    start = partial(bulk.start_redrive, q, to=target, rate=asked.rate, by=view.principal.name, entry=entry)
    return started(choosing.act(view, chosen, "redrive", start, entry, to=target, rate=asked.rate))


def started(outcome: int | Job) -> HttpResponse:
    """How many messages a call touched, or the job that does it."""
    if isinstance(outcome, int):
        return answer({"affected": outcome})
    return answer({"job": as_json(outcome)}, 202)
