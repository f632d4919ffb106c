"""The plan of an act on many messages, and doing it."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import redirect

from brokerweb.console.acting import refusing
from brokerweb.console.bulk import plan as plans
from brokerweb.console.bulk.forms import PlanForm
from brokerweb.console.bulk.plan import Selection
from brokerweb.console.page import SignedIn, form, render_form
from brokerweb.jobs.models import Job


@form
def plan(request: SignedIn) -> HttpResponseBase:
    """First what would be done; then, posted, that. Ticks may be more than an address can have: they are posted to look, too."""
    given, looking = (request.POST, "preview" in request.POST) if request.method == "POST" else (request.GET, True)
    chosen = Selection.of(given)
    if request.method == "POST" and looking and not chosen.picks and "known" not in given:
        return redirect(chosen.url)
    to = str(given.get("to", "")).strip()
    seen, fault = plans.looked_at(request.principal, chosen, to)
    asked = PlanForm(chosen.action, seen.matched, None if looking and "known" not in given else given, to=to)
    if fault is not None and asked.is_bound:
        asked.refuse(fault)
    if not looking and asked.is_valid():
        if seen.is_known(given.getlist("known")):
            with refusing(asked):
                first = {"first": 1} if given.get("first") else {}
                return _begun(request, plans.carry_out(request, chosen, asked.request() | first))
        messages.warning(request, "Nothing was done yet: there is something new to know first.")
    context = {"plan": seen, "targets": plans.targets(request.principal)}
    return render_form(request, "brokerweb_console/bulk/plan.html", asked, **context)


def _begun(request: SignedIn, job: Job) -> HttpResponseBase:
    """Where the work is to be seen."""
    messages.success(request, f"Job {job.pk} began.")
    return redirect("brokerweb_console:job", job.pk)
