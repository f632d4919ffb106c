"""Dead letters of a shared consumer group."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse

from brokerweb.console import dead_letters, group_dead
from brokerweb.console.confirm import confirmation
from brokerweb.console.deeds import audited, deed, telling
from brokerweb.console.filters import DeadLetters
from brokerweb.console.page import SignedIn, action, back, form, page, render
from brokerweb.console.rights import Rights
from brokerweb.console.templatetags.brokerweb_console import number
from brokerweb.console.typed import crumbs_of
from brokerweb.console.views.groups import target
from brokerweb.console.views.messages import facts
from brokerweb.console.views.records import attachment
from brokerweb.jobs import bulk
from brokerweb.jobs.models import Job
from brokerweb.queues import browse, control
from brokerweb.queues.states import DEAD_REASONS


@page
def dead(request: SignedIn, name: str, group: str) -> HttpResponseBase:
    """The newest first."""
    context, asked = _frame(request, name, group), DeadLetters.of(request.GET.dict() | {"queue": ""})
    queue = context["queue"]
    items, last = dead_letters.page(request.principal, asked, [queue])
    counts = browse.counts([queue.pk])[queue.pk]
    context |= {"filter": asked, "items": [item.message for item in items], "reasons": DEAD_REASONS, "total": counts["dead"]}
    return render(
        request, "brokerweb_console/dead_letters/group_list.html", **context, next=asked.page_before(last) if last else None
    )


@page
def message(request: SignedIn, name: str, group: str, message_id: int) -> HttpResponseBase:
    """One record that was handed out, with its failures."""
    context = _frame(request, name, group)
    found, failures = browse.read(context["queue"], message_id)
    download = reverse("brokerweb_console:group-message-body", args=[name, group, message_id])
    partition, _, offset = (found.route or "").partition("-")
    context |= facts(request, found, failures) | {"download": download, "partition": partition, "offset": offset}
    return render(request, "brokerweb_console/dead_letters/group_message.html", **context)


@page
def body(request: SignedIn, name: str, group: str, message_id: int) -> HttpResponseBase:
    """The whole body as a file."""
    found, _ = browse.read(_frame(request, name, group)["queue"], message_id)
    return attachment(bytes(found.body), f"{name}-{group}-{message_id}")


@action
def requeue(request: SignedIn, name: str, group: str, message_id: int) -> HttpResponseBase:
    """Hand one out again."""
    request.principal.require("manage", "stream", name)
    queue = group_dead.queue_of(name, group)
    with telling(request, f"{message_id} will be handed out again."):
        done = deed(request, "message.requeue", f"{target(name, group)}/{message_id}")
        audited(done, group_dead.on_queue, queue.pk, control.requeue, message_id)
    return back(request, reverse("brokerweb_console:group-dead", args=[name, group]))


@form
def redrive(request: SignedIn, name: str, group: str) -> HttpResponseBase:
    """First how many would be handed out again; then, posted, that."""
    request.principal.require("manage", "stream", name)
    if request.method != "POST":
        return _plan(request, name, group)
    with telling(request) as say:
        deed(request, "group.redrive", target(name, group)).record()
        done = bulk.start_group_redrive(name, group, by=request.principal.name)
        if isinstance(done, Job):
            return redirect("brokerweb_console:job", done.pk)
        say(f"Redriven: {done:,} record{'s' * (done != 1)}.")
    return redirect("brokerweb_console:group", name, group)


def _plan(request: SignedIn, name: str, group: str) -> HttpResponseBase:
    queue, place = group_dead.queue_of(name, group), reverse("brokerweb_console:group", args=[name, group])
    n = browse.counts([queue.pk])[queue.pk]["dead"]
    text = "Each is handed out again, with no failures, after what waits now. Nothing has been changed yet."
    if n > bulk.LIMIT:
        text += " More than a thousand: a job does it, with progress and a way to cancel."
    title, button = f"Redrive the dead letters of {group}", f"Redrive {n:,} record{'s' * (n != 1)}"
    crumbs = [*crumbs_of(name), (group, place)]
    marks: dict[str, Any] = {"crumbs": crumbs, "cancel": place, "mild": True, "nothing": not n, "button": button}
    return confirmation(request, title, text, facts=[("Dead letters", number(n))], **marks)


def _frame(request: SignedIn, stream: str, group: str) -> dict[str, Any]:
    """Raises Forbidden before NotFound."""
    request.principal.require("browse", "stream", stream)
    rights = Rights(request.principal, stream, "stream")
    return {"stream_name": stream, "group_name": group, "queue": group_dead.queue_of(stream, group), "rights": rights}
