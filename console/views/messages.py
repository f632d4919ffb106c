"""One message: looking at it, downloading its body, editing a copy."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse

from brokerweb.console.deeds import audited, carried_out, deed
from brokerweb.console.filters import TIME_LABELS
from brokerweb.console.forms import MessageForm, RescheduleForm
from brokerweb.console.page import SignedIn, form, page, render
from brokerweb.console.views.queue import frame
from brokerweb.console.views.records import attachment, shown
from brokerweb.core import clock
from brokerweb.core.errors import TooLarge
from brokerweb.queues import browse, control
from brokerweb.queues.models import Failure, Message
from brokerweb.queues.states import State

LONGEST_EDITED = 256 * 1024


@page
def message(request: SignedIn, name: str, message_id: int) -> HttpResponseBase:
    """Body, headers, failures and properties."""
    return _page(request, name, message_id, RescheduleForm())


@form
def reschedule(request: SignedIn, name: str, message_id: int) -> HttpResponseBase:
    """Make one message due at another time. Looked at, it is the message's page, whose links stay here after a refusal."""
    request.principal.require("manage", "queue", name)
    asked = RescheduleForm(request.POST if request.method == "POST" else None)
    if carried_out(asked, lambda: _reschedule(request, name, message_id, asked.cleaned_data["delay"])):
        messages.success(request, "Rescheduled.")
        return redirect("console:message", name, message_id)
    return _page(request, name, message_id, asked)


def _reschedule(request: SignedIn, name: str, message_id: int, delay: float) -> None:
    due_at = clock.now() + clock.seconds(delay)
    done = deed(request, "message.reschedule", f"queue:{name}/{message_id}", due_at=clock.rfc3339(clock.to_wall(due_at)))
    audited(done, control.reschedule, name, message_id, due_at=due_at)


def _page(request: SignedIn, name: str, message_id: int, asked: RescheduleForm) -> HttpResponseBase:
    context = frame(request, name)
    found, failures = browse.read(context["queue"], message_id)
    context |= facts(request, found, failures) | {"download": reverse("console:body", args=[name, message_id])}
    return render(
        request,
        "console/message.html",
        400 if asked.errors else 200,
        **context,
        form=asked,
        still=asked.is_bound,
        requeueable=found.state in (State.DEAD, State.SCHEDULED),
        reschedulable=found.state in (State.READY, State.SCHEDULED),
    )


def facts(request: SignedIn, found: Message, failures: list[Failure]) -> dict[str, Any]:
    """What a message's page shows of it."""
    state = State(found.state).name.lower()
    return shown(request, found) | {"failures": failures, "state": state, "due_label": TIME_LABELS[state]}


@page
def body(request: SignedIn, name: str, message_id: int) -> HttpResponseBase:
    """The whole body as a file."""
    found, _ = browse.read(frame(request, name)["queue"], message_id)
    return attachment(bytes(found.body), f"{name}-{message_id}")


@form
def edit(request: SignedIn, name: str, message_id: int) -> HttpResponseBase:
    """An edited copy takes the message's place."""
    context = frame(request, name)
    request.principal.require("manage", "queue", name)
    found, _ = browse.read(context["queue"], message_id)
    if len(found.body) > LONGEST_EDITED:
        raise TooLarge("The body is too long to be edited here: download it, and requeue an edited copy through the API.")
    asked = MessageForm(request.POST) if request.method == "POST" else MessageForm.of(found)
    new: list[int] = []
    if carried_out(asked, lambda: new.append(_replace(request, name, message_id, asked))):
        return redirect("console:message", name, new[0])
    return render(request, "console/message_edit.html", 400 if asked.errors else 200, **context, message=found, form=asked)


def _replace(request: SignedIn, name: str, message_id: int, asked: MessageForm) -> int:
    done = deed(request, "message.replace", f"queue:{name}/{message_id}")
    new: int = audited(done, control.replace, name, message_id, asked.message(), publisher=request.principal.name)
    messages.success(request, f"Message {new} took the place of {message_id}.")
    return new
