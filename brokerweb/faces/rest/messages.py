"""Messages of a queue: browse, read, reschedule, delete, requeue, purge and redrive."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from brokerweb.core import clock
from brokerweb.core.errors import Invalid, NotFound
from brokerweb.core.names import check_name
from brokerweb.faces.codec import wire
from brokerweb.faces.rest import job_shapes, paging, shapes
from brokerweb.faces.rest.base import ApiView, answer, no_content
from brokerweb.faces.rest.operations import Operation, Parameter, on_queue, operation
from brokerweb.jobs import bulk
from brokerweb.jobs.control import as_json
from brokerweb.jobs.models import Job
from brokerweb.queues import browse, control, filters
from brokerweb.queues.definitions import find
from brokerweb.queues.filters import MessageFilter
from brokerweb.queues.represent import message_object

STATE = Parameter("state", {"type": "string"}, "one state, or several with commas: ready, scheduled, blocked, leased, dead")
KEY = Parameter("key", {"type": "string"}, "only messages with this key")
ORDER = Parameter("order", {"type": "string", "enum": ["asc", "desc"], "default": "asc"}, "by id: the oldest or the newest first")

DRY_RUN = "With `dry_run` it says what it would touch, and touches nothing."
MANY = DRY_RUN + " Over 1,000, or with `rate`, it is a job (202)."


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


class MessagesView(ApiView):
    """``GET /queues/{q}/messages``; publishing, on the same path, is hot."""

    @operation(
        Operation(
            "browseMessages",
            on_queue("browse"),
            "Browse messages",
            {200: shapes.MessageList},
            parameters=(STATE, KEY, ORDER, paging.LIMIT, paging.AFTER),
            errors=("not_found",),
            description="Looking changes nothing: no counter, no lease, no order.",
            tag="messages",
        )
    )
    def get(self, request: Request, q: str) -> HttpResponse:
        query = self.query(*request.query_params)
        most, after = paging.limit(query), query.get("after")
        chosen = filters.parse({name: value for name, value in query.items() if name not in ("limit", "after")})
        page = browse.page(browse.find(q), chosen, after=after, limit=most)
        return answer({"items": [message_object(message) for message in page.items], "next": page.next})


class MessageView(ApiView):
    """``/queues/{q}/messages/{id}``."""

    @operation(
        Operation(
            "readMessage",
            on_queue("browse"),
            "Read a message",
            {200: shapes.Message},
            errors=("not_found",),
            description="With its failures.",
            tag="messages",
        )
    )
    def get(self, request: Request, q: str, id: str) -> HttpResponse:
        self.query()
        return answer(show(q, message_id(id)))

    @operation(
        Operation(
            "rescheduleMessage",
            on_queue("manage"),
            "Reschedule a message",
            {200: shapes.Message},
            request=shapes.Reschedule,
            errors=("not_found", "conflict"),
            description="A ready or scheduled message is due at another time.",
            tag="messages",
        )
    )
    def patch(self, request: Request, q: str, id: str) -> HttpResponse:
        due = _due(self.body(shapes.Reschedule))
        number, target = message_id(id), f"queue:{q}/{id}"
        detail = {"due_at": clock.rfc3339(due["deliver_at"] if "deliver_at" in due else clock.to_wall(due["due_at"]))}
        self.audited("message.reschedule", target, control.reschedule, q, number, detail=detail, **due)
        return answer(show(q, number))

    @operation(
        Operation(
            "deleteMessage", on_queue("manage"), "Delete a message", {204: None}, errors=("not_found", "conflict"), tag="messages"
        )
    )
    def delete(self, request: Request, q: str, id: str) -> HttpResponse:
        self.query()
        self.audited("message.delete", f"queue:{q}/{id}", control.delete_message, q, message_id(id))
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
    return {"deliver_at": max(wire.check_instant(text, pointer), 0)}


class RequeueView(ApiView):
    """``/queues/{q}/messages/{id}/requeue``."""

    @operation(
        Operation(
            "requeueMessage",
            on_queue("manage"),
            "Put a dead or scheduled message back",
            {200: shapes.Message, 201: shapes.NewId},
            request=shapes.RequeueRequest,
            request_required=False,
            errors=("not_found", "conflict", "too_large", "queue_full"),
            description="Ready at the end of the queue, failures forgotten, same id (200). With `message` the edited copy "
            "replaces the original in one commit (201).",
            tag="messages",
        )
    )
    def post(self, request: Request, q: str, id: str) -> HttpResponse:
        asked = self.body(shapes.RequeueRequest, empty=b"{}")
        number, target = message_id(id), f"queue:{q}/{id}"
        if asked.message is None:
            self.audited("message.requeue", target, control.requeue, q, number)
            return answer(show(q, number))
        copy = wire.to_one(asked.message)
        new = self.audited("message.replace", target, control.replace, q, number, copy, publisher=self.principal.name)
        return answer({"id": str(new)}, 201)


# Many at once


class PurgeView(ApiView):
    """``/queues/{q}/purge``."""

    @operation(
        Operation(
            "purgeQueue",
            on_queue("manage"),
            "Delete many messages",
            {200: (shapes.Affected, shapes.Preview), 202: job_shapes.JobAnswer},
            request=shapes.PurgeRequest,
            request_required=False,
            errors=("not_found",),
            description="Those ready, scheduled or blocked, unless `states` names others. " + MANY,
        )
    )
    def post(self, request: Request, q: str) -> HttpResponse:
        asked = self.body(shapes.PurgeRequest, empty=b"{}")
        chosen = filters.parse(asked.filter, "/filter")
        if asked.states is not None:
            chosen = replace(chosen, states=chosen.states | filters.parse({"states": asked.states}).states)
        if asked.dry_run:
            return answer(browse.preview(browse.find(q), chosen, "purge"))
        _record(self, "queue.purge", q, asked.filter | ({"states": asked.states} if asked.states else {}))
        return started(bulk.start_purge(q, chosen, rate=asked.rate, by=self.principal.name))


class RedriveView(ApiView):
    """``/queues/{q}/redrive``."""

    @operation(
        Operation(
            "redriveQueue",
            on_queue("manage"),
            "Put many dead messages back",
            {200: (shapes.Affected, shapes.Preview), 202: job_shapes.JobAnswer},
            request=shapes.RedriveRequest,
            request_required=False,
            errors=("not_found", "conflict"),
            description="Ready at the end of their queue, or of `to`, on which it needs `publish`. " + MANY,
        )
    )
    def post(self, request: Request, q: str) -> HttpResponse:
        asked = self.body(shapes.RedriveRequest, empty=b"{}")
        target = self._target(asked.to)
        chosen: MessageFilter = filters.parse(asked.filter, "/filter")
        if target is not None:
            browse.find(target)
        if asked.dry_run:
            return answer(browse.preview(browse.find(q), chosen, "redrive"))
        _record(self, "queue.redrive", q, asked.filter | ({"to": target} if target else {}))
        return started(bulk.start_redrive(q, chosen, to=target, rate=asked.rate, by=self.principal.name))

    def _target(self, to: str | None) -> str | None:
        if to is None:
            return None
        name = to.removeprefix("queue:")
        self.principal.require("publish", "queue", name)
        return check_name(name, "/to")


def started(outcome: int | Job) -> HttpResponse:
    """How many messages a call touched, or the job that does it."""
    if isinstance(outcome, int):
        return answer({"affected": outcome})
    return answer({"job": as_json(outcome)}, 202)


def _record(view: ApiView, action: str, q: str, chosen: dict[str, Any]) -> None:
    """Beforehand, since the deed may be a job, and takes more than one commit. Raises NotFound."""
    view.audited(action, f"queue:{q}", find, q, detail={"filter": chosen})
