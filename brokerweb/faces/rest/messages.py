"""Messages of a queue: browse, read, reschedule, delete, requeue, purge and redrive."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.http import HttpResponse

from brokerweb.answers import verdicts
from brokerweb.core import clock
from brokerweb.core.errors import Invalid, NotFound
from brokerweb.core.names import check_name
from brokerweb.faces.codec.json import check_instant
from brokerweb.faces.codec.messages import to_one
from brokerweb.faces.http.responses import answer, no_content
from brokerweb.faces.rest import paging, shapes
from brokerweb.faces.rest.base import ApiView
from brokerweb.jobs import bulk
from brokerweb.jobs.control import as_json
from brokerweb.jobs.models import Job
from brokerweb.queues import browse, control, filters, redaction
from brokerweb.queues.filters import MessageFilter
from brokerweb.queues.represent import message_object


def message_id(text: str) -> int:
    """The id in a path; a text that can be none is not found."""
    try:
        return filters.parse_id(text)
    except ValueError:
        raise NotFound(f"There is no message {text[:20]}.") from None


def show(q: str, id: int) -> dict[str, Any]:
    """One message with its failures."""
    message, failures = browse.read(browse.find(q), id)
    return message_object(message, failures)


def browse_messages(view: ApiView, q: str) -> HttpResponse:
    query = view.query(*view.request.query_params)
    most, after = paging.limit(query), query.get("after")
    why = paging.verdicts(query)
    chosen = filters.parse({name: value for name, value in query.items() if name not in ("limit", "after", "verdict")})
    queue = browse.find(q)
    page = browse.page(queue, chosen, after=after, limit=most)
    items = [message_object(message) for message in page.items]
    if why:
        found = verdicts.messages(view.principal, queue, page.items)
        items = [shown | {"verdict": verdict.as_json()} for shown, verdict in zip(items, found, strict=True)]
    return answer({"items": items, "next": page.next})


def read_message(view: ApiView, q: str, id: str) -> HttpResponse:
    view.query()
    queue = browse.find(q)
    message, failures = browse.read(queue, message_id(id))
    verdict = verdicts.message(view.principal, queue, message)
    return answer(message_object(message, failures) | {"verdict": verdict.as_json()})


def reschedule_message(view: ApiView, q: str, id: str) -> HttpResponse:
    due = _due(view.body(shapes.Reschedule))
    number, target = message_id(id), f"queue:{q}/{id}"
    detail = {"due_at": clock.rfc3339(due["deliver_at"] if "deliver_at" in due else clock.to_wall(due["due_at"]))}
    view.audited("message.reschedule", target, control.reschedule, q, number, detail=detail, **due)
    return answer(show(q, number))


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
        return answer(show(q, number))
    copy = to_one(asked.message)
    new = view.audited("message.replace", target, control.replace, q, number, copy, publisher=view.principal.name)
    return answer({"id": str(new)}, 201)


def redact_message(view: ApiView, q: str, id: str) -> HttpResponse:
    view.body(shapes.Nothing, empty=b"{}")
    number = message_id(id)
    view.audited("message.redact", f"queue:{q}/{id}", redaction.redact, q, number, by=view.principal.name)
    return answer(show(q, number))


# Many at once


def purge_queue(view: ApiView, q: str) -> HttpResponse:
    asked = view.body(shapes.PurgeRequest, empty=b"{}")
    chosen = filters.parse(asked.filter, "/filter")
    if asked.states is not None:
        chosen = replace(chosen, states=chosen.states | filters.parse({"states": asked.states}).states)
    if asked.dry_run:
        return answer(browse.preview(browse.find(q), chosen, "purge"))
    detail = {"filter": asked.filter | ({"states": asked.states} if asked.states else {})}
    entry = view.entry("queue.purge", f"queue:{q}", detail)
    return started(bulk.start_purge(q, chosen, rate=asked.rate, by=view.principal.name, entry=entry))


def redrive_queue(view: ApiView, q: str) -> HttpResponse:
    asked = view.body(shapes.RedriveRequest, empty=b"{}")
    target = None
    if asked.to is not None:
        name = asked.to.removeprefix("queue:")
        view.principal.require("publish", "queue", name)
        target = check_name(name, "/to")
    chosen: MessageFilter = filters.parse(asked.filter, "/filter")
    if target is not None:
        browse.find(target)
    if asked.dry_run:
        return answer(browse.preview(browse.find(q), chosen, "redrive"))
    entry = view.entry("queue.redrive", f"queue:{q}", {"filter": asked.filter | ({"to": target} if target else {})})
    return started(bulk.start_redrive(q, chosen, to=target, rate=asked.rate, by=view.principal.name, entry=entry))


def started(outcome: int | Job) -> HttpResponse:
    """How many messages a call touched, or the job that does it."""
    if isinstance(outcome, int):
        return answer({"affected": outcome})
    return answer({"job": as_json(outcome)}, 202)
