"""The messages of a queue, and one of them, looked at without effect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from django.http import HttpResponseBase
from django.urls import reverse

from brokerweb.console import list_frame, verdicts, volumes
from brokerweb.console.conditions import Asked, condition
from brokerweb.console.contents import attachment, facts
from brokerweb.console.filters import MessagesOf
from brokerweb.console.frames import queue_frame
from brokerweb.console.messages import reading
from brokerweb.console.messages.forms import RescheduleForm
from brokerweb.console.messages.listing import LISTING, SETTLED
from brokerweb.console.messages.reading import AnyMessage
from brokerweb.console.page import SignedIn, page, render, render_form
from brokerweb.console.past import past, remembered
from brokerweb.console.tails import watching
from brokerweb.console.volumes import Spans
from brokerweb.core.errors import NotFound
from brokerweb.identity import clients
from brokerweb.queues import browse
from brokerweb.queues.filters import SETTLED as STATE_SETTLED
from brokerweb.queues.models import Message, Queue
from brokerweb.queues.states import State

WHY = "Why it waits"
ITS_OWN = frozenset({"requeue", "queue"})  # what a message's page has itself


@page
@list_frame.opens_preferred
def messages(request: SignedIn, name: str) -> HttpResponseBase:
    """By state and key."""
    context, kind = queue_frame(request, name), SETTLED if request.GET.get("state") == STATE_SETTLED else LISTING
    wanted = list_frame.asked(request, kind, of=name)
    asked = MessagesOf.of(request.GET.dict(), "" if wanted.sorted_by[0].key == kind.by_id else wanted.get("sort"))
    queue, veil = context["queue"], context["veil"]
    veil.require_key(asked.chosen.key)
    found = reading.sorted_newest(queue, asked, wanted, veil) if asked.by else reading.listed(queue, asked)
    counts, spans = browse.counts([queue.pk])[queue.pk], Spans.of(request.GET.dict())
    chips = asked.chips(counts, kept=bool(queue.keep_settled))
    context |= {"histogram": volumes.of_queue(queue, asked, counts, spans), "spans": spans}
    context |= list_frame.framed(request, replace(wanted, given={**wanted.given, "sort": asked.sort}))
    context |= list_frame.polled(request, found.page)
    context |= {"filter": asked, "chips": chips, "found": veil.over_all(found.items), "looked_at": found.looked_at}
    context |= {"next": found.next, "previous": found.previous, "search": _searched(name, asked)}
    if asked.state == "leased":
        _name_holders(context["found"])
    return render(request, "brokerweb_console/messages/list.html", **context)


def _searched(name: str, asked: MessagesOf) -> str:
    """The same as a search, where they are chosen and acted on, however many they are."""
    terms = [condition(field, value) for field, value in (("state", asked.state), ("key", asked.key)) if value]
    return Asked(" ".join(terms) or "-state:settled", (f"queue:{name}",)).url


@page
def live(request: SignedIn, name: str) -> HttpResponseBase:
    """What is published, as it comes, and what becomes of it."""
    context = queue_frame(request, name) | watching(request, "queue", name)
    return render(request, "brokerweb_console/messages/live.html", 400 if "fault" in context else 200, **context)


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
    veil = context["veil"]
    context |= facts(request, found, failures, veil, ("queue", name)) | past(request, queue, message_id, found, failures)
    context |= _offers(queue, message_id, found) | {"result": reading.result(message_id, veil)}
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
    context = queue_frame(request, name)
    found, _ = reading.read(request.principal, context["queue"], message_id)
    return attachment(found, f"{name}-{message_id}", context["veil"])
