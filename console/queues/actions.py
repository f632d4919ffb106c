"""What is done with a whole queue: permission, the verb with its audit row, a word, and back to where the person was.

What destroys is asked for on a page of its own that says what it would touch.
"""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse

from brokerweb.console.acting import after, audited, check_held, deed, made_new, refusing, telling
from brokerweb.console.frames import queue_frame
from brokerweb.console.notes import offer
from brokerweb.console.page import SignedIn, action, back, form, render_form
from brokerweb.console.queues import confirm
from brokerweb.console.queues.forms import NewQueueForm, SettingsForm
from brokerweb.console.rights import require_create
from brokerweb.console.undoing import before, remembered
from brokerweb.jobs.bulk import start_purge
from brokerweb.jobs.models import Job
from brokerweb.queues import browse, control, undoing
from brokerweb.queues.models import Queue


@form
def new_queue(request: SignedIn) -> HttpResponseBase:
    """Declare a queue that is not there yet."""
    require_create(request.principal, "queue")
    asked = NewQueueForm(request.POST) if request.method == "POST" else NewQueueForm.blank()
    if asked.is_valid():
        with refusing(asked):
            name, settings = asked.cleaned_data["name"], asked.settings()
            check_held(request, "manage", "queue", name, field="name")
            declare = made_new("queue", Queue.declared.filter(name=name), control.declare)
            audited(deed(request, "queue.declare", f"queue:{name}", **settings), declare, name, settings)
            messages.success(request, f"Queue {name} is there.")
            return redirect("brokerweb_console:queue", name)
    return render_form(request, "brokerweb_console/queues/new.html", asked)


@form
def settings(request: SignedIn, name: str) -> HttpResponseBase:
    """The settings, and changing them."""
    context = queue_frame(request, name)
    asked = SettingsForm(request.POST) if request.method == "POST" else SettingsForm.of(context["queue"])
    if asked.is_bound:
        request.principal.require("manage", "queue", name)
    if asked.is_valid():
        with refusing(asked):
            change = asked.settings()
            declare = after(lambda _: asked.check_seen(SettingsForm.of(browse.find(name))), control.declare, "queue")
            audited(deed(request, "queue.declare", f"queue:{name}", **change), declare, name, change, create=False)
            messages.success(request, "Settings saved.")
            return redirect("brokerweb_console:settings", name)
    return render_form(request, "brokerweb_console/queues/settings.html", asked, **context)


@form
def pause(request: SignedIn, name: str) -> HttpResponseBase:
    """Lease no more messages."""
    request.principal.require("manage", "queue", name)
    if request.method != "POST":
        return confirm.pause(request, name)
    reason = request.POST.get("reason", "").replace("\0", "")[:500]
    with telling(request, "Paused: nothing is handed out until you resume."):
        done = deed(request, "queue.pause", f"queue:{name}", reason=reason)
        audited(done, control.pause, name, reason=reason, by=request.principal.name)
    return redirect("brokerweb_console:queue", name)


@action
def resume(request: SignedIn, name: str) -> HttpResponseBase:
    """Lease messages again."""
    request.principal.require("manage", "queue", name)
    with telling(request) as say:
        entry = remembered(deed(request, "queue.resume", f"queue:{name}"), undoing.resume, name)
        say("Resumed.", offer(reverse("brokerweb_console:undo-resume", args=[name]), entry))
    return back(request, reverse("brokerweb_console:queue", args=[name]))


@action
def undo_resume(request: SignedIn, name: str) -> HttpResponseBase:
    """Paused again as it was."""
    request.principal.require("manage", "queue", name)
    with telling(request, "Undone: paused as it was. What was handed out in between stays handed out."):
        was = before(request, "queue.resume", f"queue:{name}")
        audited(deed(request, "queue.undo_resume", f"queue:{name}"), undoing.undo_resume, name, was)
    return back(request, reverse("brokerweb_console:queue", args=[name]))


@form
def purge(request: SignedIn, name: str) -> HttpResponseBase:
    """Delete the messages in the states chosen."""
    request.principal.require("manage", "queue", name)
    asked = confirm.Purge.of(request, name)
    if not asked.confirmed:
        return asked.page()
    with telling(request) as say:
        entry = deed(request, "queue.purge", f"queue:{name}", states=asked.states)
        done = start_purge(name, asked.chosen, by=request.principal.name, entry=entry)
        if isinstance(done, Job):
            say(f"Job {done.pk} purges them.")
            return redirect("brokerweb_console:job", done.pk)
        say(f"Purged {done:,} message{'s' * (done != 1)}.")
    return redirect("brokerweb_console:queue", name)


@form
def delete(request: SignedIn, name: str) -> HttpResponseBase:
    """Delete the queue with all it holds."""
    request.principal.require("manage", "queue", name)
    asked = confirm.deletion(request, name)
    if not asked.confirmed:
        return asked.page()
    with telling(request, f"Queue {name} is deleted."):
        audited(deed(request, "queue.delete", f"queue:{name}"), control.delete, name)
    return redirect("brokerweb_console:queues")
