"""Replay: a range of a stream's records is copied, as a job."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import redirect

from brokerweb.console.deeds import audited, carried_out, check_held, deed
from brokerweb.console.page import SignedIn, form, render
from brokerweb.console.replay_form import ReplayForm
from brokerweb.console.views.stream import frame
from brokerweb.jobs import replaying
from brokerweb.jobs.models import Job


@form
def replay(request: SignedIn, name: str) -> HttpResponseBase:
    """Ask for it; posted, the job that does it."""
    request.principal.require("manage", "stream", name)
    asked = ReplayForm(request.POST) if request.method == "POST" else ReplayForm(initial={"begin": "earliest", "until": "latest"})
    made: list[Job] = []
    if carried_out(asked, lambda: made.append(_start(request, name, asked))):
        messages.success(request, f"Job {made[0].pk} copies the records.")
        return redirect("brokerweb_console:job", made[0].pk)
    return render(
        request, "brokerweb_console/streams/replay.html", 400 if asked.errors else 200, **frame(request, name), form=asked
    )


def _start(request: SignedIn, name: str, asked: ReplayForm) -> Job:
    wanted = asked.request()
    check_held(request, "publish", *wanted.destination(), field="to")
    done = deed(request, "stream.replay", f"stream:{name}", to=wanted.to)
    job: Job = audited(done, replaying.create, name, wanted, by=request.principal.name)
    return job
