"""What people set for themselves, in a cookie: the theme, and no first steps any more."""

from __future__ import annotations

from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect

from brokerweb.console.overview.first_steps import HIDDEN
from brokerweb.console.page import THEMES, SignedIn, action, back

YEAR = 365 * 86_400


@action
def theme(request: SignedIn) -> HttpResponseBase:
    """Choose light, dark, or what the system says."""
    chosen = request.POST.get("theme", "")
    response = back(request, "brokerweb_console:overview")
    if chosen in THEMES:
        _remember(request, response, "console_theme", chosen)
    return response


@action
def hide_steps(request: SignedIn) -> HttpResponseBase:
    """No first steps any more in this browser."""
    response = redirect("brokerweb_console:overview")
    _remember(request, response, HIDDEN, "hidden")
    return response


def _remember(request: SignedIn, response: HttpResponse, name: str, value: str) -> None:
    response.set_cookie(name, value, max_age=YEAR, httponly=True, samesite="Lax", secure=request.is_secure())
