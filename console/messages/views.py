"""The messages of a queue, and one of them, looked at without effect."""

from __future__ import annotations

from django.http import HttpResponseBase
from django.urls import reverse

from brokerweb.console.contents import attachment, facts
from brokerweb.console.filters import LIMIT, MessagesOf
from brokerweb.console.frames import queue_frame
from brokerweb.console.messages.forms import RescheduleForm
from brokerweb.console.page import SignedIn, page, render, render_form
from brokerweb.queues import browse, selection
from brokerweb.queues.states import State


@page
def messages(request: SignedIn, name: str) -> HttpResponseBase:
    """By state and key."""
    context, asked = queue_frame(request, name), MessagesOf.of(request.GET.dict())
    queue = context["queue"]
    found = browse.page_of_beginnings(queue, asked.chosen, after=asked.after or None, limit=LIMIT)
    context |= {"filter": asked, "chips": asked.chips(browse.counts([queue.pk])[queue.pk]), "found": found.items}
    stopped = asked.key and found.next and len(found.items) < LIMIT  # a key is compared message by message, so many a page
    context |= {"looked_at": selection.BUDGET if stopped else None}
    more = asked.page_after(found.next) if found.next else None
    return render(request, "brokerweb_console/messages/list.html", **context, next=more)


@page
def message(request: SignedIn, name: str, message_id: int) -> HttpResponseBase:
    """Body, headers, failures and properties."""
    return with_form(request, name, message_id, RescheduleForm())


def with_form(request: SignedIn, name: str, message_id: int, asked: RescheduleForm) -> HttpResponseBase:
    """The page of one message, with the form that makes it due at another time."""
    context = queue_frame(request, name)
    found, failures = browse.read(context["queue"], message_id)
    context |= facts(request, found, failures) | {"download": reverse("brokerweb_console:body", args=[name, message_id])}
    return render_form(
        request,
        "brokerweb_console/messages/message.html",
        asked,
        **context,
        still=asked.is_bound,
        requeueable=found.state in (State.DEAD, State.SCHEDULED),
        reschedulable=found.state in (State.READY, State.SCHEDULED),
    )


@page
def body(request: SignedIn, name: str, message_id: int) -> HttpResponseBase:
    """The whole body as a file."""
    found, _ = browse.read(queue_frame(request, name)["queue"], message_id)
    return attachment(found, f"{name}-{message_id}")
