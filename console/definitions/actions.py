"""A document is sent, its plan shown, and when that is confirmed it is made true."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect

from brokerweb.console.definitions.reading import given, planned
from brokerweb.console.page import SignedIn, form, render
from brokerweb.core.errors import BrokerError
from brokerweb.definitions import importing
from brokerweb.definitions.section import CHANGE, CREATE
from brokerweb.definitions.sections import KINDS

NAMED = [(kind, kind.replace("_", " ").capitalize()) for kind in KINDS]


@form
def definitions(request: SignedIn) -> HttpResponseBase:
    """The page; its plan when a document was sent, and the deed when the plan was confirmed, with secrets that came of it."""
    request.principal.require_admin()
    if request.method != "POST":
        return _page(request)
    only = [kind for kind in request.POST.getlist("only") if kind in KINDS]
    text = ""
    try:
        text = given(request)
        plan = planned(text, only)
        if not request.POST.get("confirmed") or plan.idle:
            return _page(request, plan=plan, text=text, only=only)
        steps = importing.apply(request.principal, plan.steps, address=request.META.get("REMOTE_ADDR"))
    except BrokerError as error:
        return _page(request, error.http_status, error=error, text=text, only=only)
    done = f"{plan.counts[CREATE]} created, {plan.counts[CHANGE]} changed."
    if made := [step for step in steps if step.secret]:
        return render(request, "brokerweb_console/definitions/made.html", done=done, made=made)
    messages.success(request, done)
    return redirect("brokerweb_console:definitions")


def _page(request: SignedIn, status: int = 200, **context: Any) -> HttpResponse:
    return render(request, "brokerweb_console/definitions/definitions.html", status, kinds=NAMED, **context)
