"""What is done with one message of a queue."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse

from brokerweb.console import releasing
from brokerweb.console.acting import audited, deed, refusing, telling
from brokerweb.console.contents import check_intact
from brokerweb.console.frames import crumbs, queue_frame
from brokerweb.console.messages import confirm
from brokerweb.console.messages.forms import CopyForm, RescheduleForm
from brokerweb.console.messages.views import with_form
from brokerweb.console.notes import offer
from brokerweb.console.page import SignedIn, action, back, form, render_form
from brokerweb.console.undoing import before, remembered
from brokerweb.core import clock
from brokerweb.core.errors import TooLarge
from brokerweb.queues import browse, control, redaction, undoing

LONGEST_EDITED = 256 * 1024


@form
def edit(request: SignedIn, name: str, message_id: int) -> HttpResponseBase:
    """An edited copy takes the message's place."""
    context = queue_frame(request, name)
    request.principal.require("manage", "queue", name)
    context["veil"].require_all("To edit a copy of a message")
    found, _ = browse.read(context["queue"], message_id)
    check_intact(found)
    if len(found.body) > LONGEST_EDITED:
        raise TooLarge("The body is too long to be edited here: download it, and requeue an edited copy through the API.")
    asked = CopyForm(found, request.POST if request.method == "POST" else None)
    if asked.is_valid():
        with refusing(asked):
            done = deed(request, "message.replace", f"queue:{name}/{message_id}")
            new = audited(done, control.replace, name, message_id, asked.message(), publisher=request.principal.name)
            messages.success(request, f"Message {new} took the place of {message_id}.")
            return redirect("brokerweb_console:message", name, new)
    return render_form(request, "brokerweb_console/messages/edit.html", asked, **context, message=found)


@form
def reschedule(request: SignedIn, name: str, message_id: int) -> HttpResponseBase:
    """Make one message due at another time. Looked at, it is the message's page, whose links stay here after a refusal."""
    request.principal.require("manage", "queue", name)
    asked = RescheduleForm(request.POST if request.method == "POST" else None)
    if asked.is_valid():
        with refusing(asked):
            due_at = clock.now() + clock.seconds(asked.cleaned_data["delay"])
            done = deed(request, "message.reschedule", f"queue:{name}/{message_id}", due_at=clock.rfc3339(clock.to_wall(due_at)))
            audited(done, control.reschedule, name, message_id, due_at=due_at)
            messages.success(request, "Rescheduled.")
            return redirect("brokerweb_console:message", name, message_id)
    return with_form(request, name, message_id, asked)


@action
def requeue(request: SignedIn, name: str, message_id: int) -> HttpResponseBase:
    """Put one message back at the end of its queue."""
    request.principal.require("manage", "queue", name)
    with telling(request) as say:
        done = deed(request, "message.requeue", f"queue:{name}/{message_id}")
        entry = remembered(done, undoing.requeue, name, message_id)
        undo = offer(reverse("brokerweb_console:undo-requeue", args=[name, message_id]), entry)
        say(f"Message {message_id} is back in {name}.", undo)
    return back(request, reverse("brokerweb_console:message", args=[name, message_id]))


@action
def undo_requeue(request: SignedIn, name: str, message_id: int) -> HttpResponseBase:
    """The message is as it was before it was put back, unless it was handed out since."""
    request.principal.require("manage", "queue", name)
    with telling(request, f"Undone: message {message_id} is as it was before."):
        target = f"queue:{name}/{message_id}"
        was = before(request, "message.requeue", target)
        audited(deed(request, "message.undo_requeue", target), undoing.undo_requeue, name, was)
    return back(request, reverse("brokerweb_console:message", args=[name, message_id]))


@form
def release(request: SignedIn, name: str, message_id: int) -> HttpResponseBase:
    """End the lease of one message."""
    request.principal.require("manage", "queue", name)
    place = reverse("brokerweb_console:message", args=[name, message_id])
    if request.method != "POST":
        return releasing.asked(request, queue_frame(request, name)["queue"], message_id, place, crumbs("queue", name))
    return releasing.done(request, name, message_id, f"queue:{name}/{message_id}", place)


@form
def delete(request: SignedIn, name: str, message_id: int) -> HttpResponseBase:
    """Delete one message."""
    request.principal.require("manage", "queue", name)
    if request.method != "POST":
        return confirm.delete(request, name, message_id)
    with telling(request, f"Message {message_id} is deleted."):
        audited(deed(request, "message.delete", f"queue:{name}/{message_id}"), control.delete_message, name, message_id)
    return redirect("brokerweb_console:messages", name)


@form
def redact(request: SignedIn, name: str, message_id: int) -> HttpResponseBase:
    """Take away what one message holds."""
    request.principal.require("manage", "queue", name)
    if request.method != "POST":
        return confirm.redact(request, name, message_id)
    with telling(request, f"Message {message_id} is redacted."):
        done = deed(request, "message.redact", f"queue:{name}/{message_id}")
        audited(done, redaction.redact, name, message_id, by=request.principal.name)
    return redirect("brokerweb_console:message", name, message_id)
