"""The messages of a queue, and one of them, looked at without effect."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import HttpResponseBase
from django.urls import reverse

from brokerweb.console import verdicts
from brokerweb.console.contents import attachment, facts
from brokerweb.console.filters import LIMIT, MessagesOf
from brokerweb.console.frames import queue_frame
from brokerweb.console.messages import reading
from brokerweb.console.messages.forms import RescheduleForm
from brokerweb.console.messages.reading import AnyMessage
from brokerweb.console.page import SignedIn, page, render, render_form
from brokerweb.console.past import past, remembered
from brokerweb.core.errors import NotFound
from brokerweb.identity import clients
from brokerweb.queues import browse, selection, settled
from brokerweb.queues.models import Message, Queue
from brokerweb.queues.states import State

WHY = "Why it waits"
ITS_OWN = frozenset({"requeue", "queue"})  # what a message's page has itself


@page
def messages(request: SignedIn, name: str) -> HttpResponseBase:
    """By state and key."""
    context, asked = queue_frame(request, name), MessagesOf.of(request.GET.dict())
    queue = context["queue"]
    look = settled.page_of_beginnings if asked.settled else browse.page_of_beginnings
    found = look(queue, asked.chosen, after=asked.after or None, limit=LIMIT)
    chips = asked.chips(browse.counts([queue.pk])[queue.pk], kept=bool(queue.keep_settled))
    context |= {"filter": asked, "chips": chips, "found": found.items}
    if asked.state == "leased":
        _name_holders(found.items)
    stopped = asked.key and found.next and len(found.items) < LIMIT  # a key is compared message by message, so many a page
    context |= {"looked_at": selection.BUDGET if stopped else None}
    more = asked.page_after(found.next) if found.next else None
    return render(request, "brokerweb_console/messages/list.html", **context, next=more)


def _name_holders(found: Sequence[Any]) -> None:
    names = clients.describe(message.holder for message in found)
    for message in found:
        message.held_by = names[message.holder].client if message.holder else None


@page
def message(request: SignedIn, name: str, message_id: int) -> HttpResponseBase:
    """Why it waits, what happened to it, body, headers, failures and properties."""
    return with_form(request, name, message_id, RescheduleForm())


def with_form(request: SignedIn, name: str, message_id: int, asked: RescheduleForm) -> HttpResponseBase:
    """The page of one message, with the form that makes it due at another time; of one that is not there what is known of it."""
    context = queue_frame(request, name) | {"number": message_id}
    queue = context["queue"]
    context |= _around(queue, message_id, MessagesOf.of(request.GET.dict()))
    try:
        found, failures = reading.read(request.principal, queue, message_id)
    except NotFound as error:
        return _gone(request, context, error)
    context |= facts(request, found, failures) | past(request, queue, message_id, found, failures)
    context |= _offers(queue, message_id, found)
    verdict = reading.verdict(request.principal, queue, found)
    context |= {"verdict": verdicts.shown(verdict, WHY, here=request.get_full_path(), but=ITS_OWN)}
    return render_form(request, "brokerweb_console/messages/message.html", asked, **context, still=asked.is_bound)


def _offers(queue: Queue, message_id: int, found: AnyMessage) -> dict[str, Any]:
    """What can be done with it as it stands, and where."""
    state = found.state if isinstance(found, Message) else None
    return {
        "alive": state is not None,
        "requeueable": state in (State.DEAD, State.SCHEDULED),
        "reschedulable": state in (State.READY, State.SCHEDULED),
        "download": reverse("brokerweb_console:body", args=[queue.name, message_id]),
        "settings_url": reverse("brokerweb_console:settings", args=[queue.name]),
    }


def _around(queue: Queue, message_id: int, asked: MessagesOf) -> dict[str, Any]:
    """Its neighbours, in the list that it was opened from."""
    older, newer = reading.neighbours(queue, message_id, asked.chosen, kept=asked.settled)
    return {"filter": asked, "kept": asked.narrowed, "older": older, "newer": newer}


def _gone(request: SignedIn, context: dict[str, Any], error: NotFound) -> HttpResponseBase:
    """Polls are told by their status; a person by a page, with what is remembered."""
    if request.htmx:
        raise error
    context |= remembered(request, context["queue"], error.extra)
    return render(request, "brokerweb_console/messages/gone.html", error.http_status, **context, error=error)


@page
def body(request: SignedIn, name: str, message_id: int) -> HttpResponseBase:
    """The whole body as a file."""
    found, _ = reading.read(request.principal, queue_frame(request, name)["queue"], message_id)
    return attachment(found, f"{name}-{message_id}")
