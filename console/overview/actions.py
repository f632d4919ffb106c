"""What people set for themselves, in a cookie: the theme, the zone, and no first steps any more; and marks, which are for all."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect

from brokerweb.answers import marking
from brokerweb.cluster import marks
from brokerweb.console import pictures, zones
from brokerweb.console.acting import audited, deed, refusing
from brokerweb.console.overview.first_steps import HIDDEN
from brokerweb.console.overview.forms import MarkForm
from brokerweb.console.page import THEMES, SignedIn, back, choice, form, render_form

MARKS = 200  # that are listed
YEAR = 365 * 86_400


@choice
def theme(request: SignedIn) -> HttpResponseBase:
    """Choose light, dark, or what the system says."""
    chosen = request.POST.get("theme", "")
    response = back(request, "brokerweb_console:overview")
    if chosen in THEMES:
        _remember(request, response, "console_theme", chosen)
    return response


@choice
def zone(request: SignedIn) -> HttpResponseBase:
    """Choose the zone that instants are shown in: ``choose`` is a button's, ``zone`` what was typed."""
    chosen = zones.known((request.POST.get("choose") or request.POST.get("zone", "")).strip())
    response = back(request, "brokerweb_console:overview")
    if chosen:
        _remember(request, response, zones.COOKIE, chosen)
    else:
        messages.error(request, "No such zone.", extra_tags="invalid|One is Europe/Berlin, or UTC.")
    return response


@form
def mark(request: SignedIn) -> HttpResponseBase:
    """What was marked lately; posted, one mark more."""
    asked = MarkForm(request.POST if request.method == "POST" else None)
    if asked.is_valid():
        with refusing(asked):
            text, target = asked.cleaned_data["text"], asked.cleaned_data["target"].strip() or None
            at = marking.check(request.principal, text, asked.instant, target)
            done = deed(request, "mark.note", target or "broker", text=text)
            audited(done, marks.note, marks.NOTE, text, target, at=at, by=request.principal.name)
            messages.success(request, "Marked.")
            return back(request, "brokerweb_console:overview")
    listed = pictures.marked(request.principal, MARKS)
    may = marking.may_mark(request.principal)
    return render_form(request, "brokerweb_console/overview/marks.html", asked, marks=listed[::-1], may_mark=may)


@choice
def hide_steps(request: SignedIn) -> HttpResponseBase:
    """No first steps any more in this browser."""
    response = redirect("brokerweb_console:overview")
    _remember(request, response, HIDDEN, "hidden")
    return response


def _remember(request: SignedIn, response: HttpResponse, name: str, value: str) -> None:
    response.set_cookie(name, value, max_age=YEAR, httponly=True, samesite="Lax", secure=request.is_secure())
