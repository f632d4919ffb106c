"""What is done with a whole stream."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import redirect

from brokerweb.console.acting import after, audited, check_held, deed, made_new, refusing, telling
from brokerweb.console.choosing import offers
from brokerweb.console.frames import stream_frame
from brokerweb.console.page import SignedIn, form, render_form
from brokerweb.console.rights import require_create
from brokerweb.console.samples import opening
from brokerweb.console.streams import confirm
from brokerweb.console.streams.forms import NewStreamForm, StreamForm
from brokerweb.console.streams.reading import PARTITIONS
from brokerweb.console.streams.replay_form import ReplayForm
from brokerweb.jobs import replay_plan, replaying
from brokerweb.jobs.models import Job
from brokerweb.jobs.replay_plan import ReplayPlan
from brokerweb.jobs.replay_request import ReplayRequest
from brokerweb.storage.reading import read
from brokerweb.streams import control
from brokerweb.streams.models import Stream


@form
def new_stream(request: SignedIn) -> HttpResponseBase:
    """Declare a stream that is not there yet."""
    require_create(request.principal, "stream")
    asked = NewStreamForm(request.POST) if request.method == "POST" else NewStreamForm.blank()
    if asked.is_valid():
        with refusing(asked):
            name, settings = asked.cleaned_data["name"], asked.settings()
            check_held(request, "manage", "stream", name, field="name")
            declare = made_new("stream", Stream.objects.filter(name=name, deleted_at=None), control.declare)
            audited(deed(request, "stream.declare", f"stream:{name}", **settings), declare, name, settings)
            messages.success(request, f"Stream {name} is there.")
            return redirect("brokerweb_console:stream", name)
    return render_form(request, "brokerweb_console/streams/new.html", asked)


@form
def settings(request: SignedIn, name: str) -> HttpResponseBase:
    """The settings, and changing them."""
    context = stream_frame(request, name)
    asked = StreamForm(request.POST) if request.method == "POST" else StreamForm.of(context["stream"])
    if asked.is_bound:
        request.principal.require("manage", "stream", name)
    if asked.is_valid():
        with refusing(asked):
            change = asked.settings()
            declare = after(lambda _: asked.check_seen(StreamForm.of(control.get(name))), control.declare, "stream")
            audited(deed(request, "stream.declare", f"stream:{name}", **change), declare, name, change, create=False)
            messages.success(request, "Settings saved.")
            return redirect("brokerweb_console:stream-settings", name)
    return render_form(request, "brokerweb_console/streams/settings.html", asked, **context)


@form
def replay(request: SignedIn, name: str) -> HttpResponseBase:
    """Copy a range of its records elsewhere: the form, what that would copy, and the job that does it."""
    request.principal.require("manage", "stream", name)
    asked = ReplayForm(request.POST) if request.method == "POST" else ReplayForm(initial={"begin": "earliest", "until": "latest"})
    plan: ReplayPlan | None = None
    if asked.is_valid():
        with refusing(asked):
            wanted = asked.request()
            check_held(request, "publish", *wanted.destination(), field="to")
            veil = replay_plan.allowed(request.principal, name, wanted)
            if "preview" not in request.POST:
                job = _replay(request, name, wanted)
                messages.success(request, f"Job {job.pk} copies the records.")
                return redirect("brokerweb_console:job", job.pk)
            plan = read(replay_plan.plan, name, wanted).seen_by(request.principal, name, veil)
    context = stream_frame(request, name) | offers(request.principal, "queue", "stream", "topic")
    return render_form(request, "brokerweb_console/streams/replay.html", asked, **context, **_planned(plan))


def _planned(plan: ReplayPlan | None) -> dict[str, Any]:
    """A plan as the page shows it: some of its partitions, and some records with how they begin."""
    if plan is None:
        return {}
    samples = [(record, opening(record.body, damaged=record.damaged)) for record in plan.samples]
    return {"plan": plan, "parts": plan.parts[:PARTITIONS], "untold": len(plan.parts) - PARTITIONS, "samples": samples}


def _replay(request: SignedIn, name: str, wanted: ReplayRequest) -> Job:
    wanted, total, looked = read(replay_plan.counted, name, wanted)
    done = deed(request, "stream.replay", f"stream:{name}", to=wanted.to)
    job: Job = audited(done, replaying.create, name, wanted, by=request.principal.name, total=total, looked=looked)
    return job


@form
def delete(request: SignedIn, name: str) -> HttpResponseBase:
    """Delete the stream with all it holds."""
    request.principal.require("manage", "stream", name)
    asked = confirm.deletion(request, name)
    if not asked.confirmed:
        return asked.page()
    with telling(request, f"Stream {name} is deleted."):
        audited(deed(request, "stream.delete", f"stream:{name}"), control.delete, name)
    return redirect("brokerweb_console:streams")
