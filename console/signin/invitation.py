"""The page of an invitation: whoever has its link sets their password, or uses the account by a provider, and is signed in.
Everything that decides is in ``brokerweb.identity.invitations`` and ``linking``.

It is the person's own account: they do it where people only look, too.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from django.db import OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from brokerweb.console.hints import hint
from brokerweb.console.page import render, told
from brokerweb.console.signin.actions import address_of, enter, offered
from brokerweb.core.errors import BrokerError, Invalid
from brokerweb.identity import invitations


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@sensitive_post_parameters("password", "again")
def accept(request: HttpRequest, code: str) -> HttpResponseBase:
    """Opening it shows the form, and uses nothing up."""
    try:
        if request.method != "POST":
            return _form(request, code, invitations.find(code, address=address_of(request)).user)
        password = request.POST.get("password", "")
        if password != request.POST.get("again", ""):
            raise Invalid.at("/again", "The two are not the same.")
        invitations.redeem(code, password, address=address_of(request), enter=partial(enter, request))
    except Invalid as error:
        return _again(request, code, error)
    except (BrokerError, OperationalError) as error:
        return _refused(request, told(error))
    return redirect("brokerweb_console:overview")


def _form(request: HttpRequest, code: str, user: Any, faults: list[dict[str, str]] | None = None) -> HttpResponse:
    status = 400 if faults else 200
    context = {"person": user.get_username(), "code": code, "oidc": offered(), "faults": faults or []}
    return render(request, "brokerweb_console/invitation.html", status, **context)


def _again(request: HttpRequest, code: str, error: Invalid) -> HttpResponse:
    try:
        return _form(request, code, invitations.find(code, address=address_of(request)).user, error.extra["errors"])
    except BrokerError as refused:
        return _refused(request, refused)


def _refused(request: HttpRequest, error: BrokerError) -> HttpResponse:
    page = render(request, "brokerweb_console/invitation.html", error.http_status, error=error, hint=hint(error))
    if error.retry_after is not None:
        page["Retry-After"] = str(error.retry_after)
    return page
