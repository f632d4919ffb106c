"""Putting dead letters back: many across queues, all of a group, and one of a group."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse

from brokerweb.console import releasing
from brokerweb.console.acting import audited, check_held, deed, refusing, telling
from brokerweb.console.choosing import offers
from brokerweb.console.dead_letters import confirm
from brokerweb.console.dead_letters.cautions import cautions
from brokerweb.console.dead_letters.forms import RedriveForm
from brokerweb.console.dead_letters.plan import plan_of
from brokerweb.console.dead_letters.reading import group_frame, queue_of
from brokerweb.console.frames import group_crumbs
from brokerweb.console.notes import offer
from brokerweb.console.page import SignedIn, action, back, form, render_form
from brokerweb.console.undoing import before, remembered
from brokerweb.core.errors import NotFound
from brokerweb.identity import masks
from brokerweb.jobs import bulk
from brokerweb.jobs.models import Job
from brokerweb.queues import definitions, undoing
from brokerweb.storage.transaction import Transaction


@form
def redrive(request: SignedIn) -> HttpResponseBase:
    """First what would be moved; then moving it. Fifty picks may be more than an address can have: both are posted."""
    given = request.POST if request.method == "POST" else request.GET
    plan = plan_of(request.principal, given)
    asked = RedriveForm(None if request.method != "POST" or "preview" in given else given)
    known = cautions(request.principal, plan, "")
    if asked.is_valid():
        with refusing(asked):
            to = asked.cleaned_data["to"] or None
            if to:
                check_held(request, "publish", "queue", to, field="to")
                for part in plan.parts:
                    masks.require_no_less(request.principal, ("queue", part.queue), ("queue", to))
                known = cautions(request.principal, plan, to)
            if not to or {caution.key for caution in known} <= set(given.getlist("known")):
                moved, jobs = plan.carry_out(request, to, asked.cleaned_data["rate"])
                messages.success(request, _said(moved, jobs))
                return redirect(*_after(jobs))
    context = {"plan": plan, "cautions": known, **offers(request.principal, "queue")}
    return render_form(request, "brokerweb_console/dead_letters/redrive.html", asked, **context)


def _after(jobs: list[Job]) -> list[Any]:
    """Where the work is to be seen."""
    if len(jobs) == 1:
        return ["brokerweb_console:job", jobs[0].pk]
    return ["brokerweb_console:jobs" if jobs else "brokerweb_console:dead"]


def _said(moved: int, jobs: list[Job]) -> str:
    if moved or not jobs:
        return f"Redriven: {moved:,} message{'s' * (moved != 1)}."
    return f"Job{'s' * (len(jobs) > 1)} {', '.join(str(job.pk) for job in jobs)} will put them back."


@form
def redrive_group(request: SignedIn, name: str, group: str) -> HttpResponseBase:
    """First how many would be put back; then, posted, that."""
    request.principal.require("manage", "stream", name)
    if request.method != "POST":
        return confirm.redrive_group(request, name, group)
    with telling(request) as say:
        entry = deed(request, "group.redrive", f"stream:{name}/{group}")
        done = bulk.start_group_redrive(name, group, by=request.principal.name, entry=entry)
        if isinstance(done, Job):
            return redirect("brokerweb_console:job", done.pk)
        say(f"Redriven: {done:,} record{'s' * (done != 1)}.")
    return redirect("brokerweb_console:group", name, group)


@action
def requeue(request: SignedIn, name: str, group: str, message_id: int) -> HttpResponseBase:
    """Put one record of a group back."""
    request.principal.require("manage", "stream", name)
    queue = queue_of(name, group)
    with telling(request) as say:
        done = deed(request, "message.requeue", f"stream:{name}/{group}/{message_id}")
        entry = remembered(done, _in_queue, queue.pk, undoing.requeue, message_id)
        undo = offer(reverse("brokerweb_console:group-undo-requeue", args=[name, group, message_id]), entry)
        say(f"{message_id} will be handed out again.", undo)
    return back(request, reverse("brokerweb_console:group-dead", args=[name, group]))


@action
def undo_requeue(request: SignedIn, name: str, group: str, message_id: int) -> HttpResponseBase:
    """The record is as it was before it was put back, unless it was handed out since."""
    request.principal.require("manage", "stream", name)
    queue, target = queue_of(name, group), f"stream:{name}/{group}/{message_id}"
    with telling(request, f"Undone: {message_id} is as it was before."):
        was = before(request, "message.requeue", target)
        audited(deed(request, "message.undo_requeue", target), _in_queue, queue.pk, undoing.undo_requeue, was)
    return back(request, reverse("brokerweb_console:group-dead", args=[name, group]))


@form
def release(request: SignedIn, name: str, group: str, message_id: int) -> HttpResponseBase:
    """End the lease of one record of a group."""
    request.principal.require("manage", "stream", name)
    place = reverse("brokerweb_console:group-message", args=[name, group, message_id])
    if request.method != "POST":
        queue = group_frame(request, name, group)["queue"]
        return releasing.asked(request, queue, message_id, place, group_crumbs(name, group))
    return releasing.done(request, queue_of(name, group).pk, message_id, f"stream:{name}/{group}/{message_id}", place)


def _in_queue(tx: Transaction, queue_id: int, verb: Callable[..., Any], what: Any) -> Any:
    """A verb in a queue without a name of its own: once it is looked up by id, the transaction knows it by name, too."""
    queue = definitions.find_by_id(tx, queue_id)
    if queue is None:
        raise NotFound("The group was deleted.")
    return verb(tx, queue.name, what)
