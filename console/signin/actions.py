"""Signing in and out. Everything that decides is in ``brokerweb.identity.signin``."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.conf import settings
from django.contrib import auth
from django.contrib.auth.models import AnonymousUser
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from brokerweb.console.hints import hint
from brokerweb.console.page import render, told
from brokerweb.core.errors import BrokerError, Unauthenticated
from brokerweb.identity import signin

BACKEND = "django.contrib.auth.backends.ModelBackend"
TRY = "Try again, or ask for a new sign-in link."


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@sensitive_post_parameters("password")
def password(request: HttpRequest) -> HttpResponseBase:
    """Sign in by name and password; a link that carries its code in the query shows the button instead."""
    if request.method != "POST":
        asked = request.GET
        return _form(request, code=asked.get("code", ""), next=asked.get("next", ""), unsent="unsent" in asked)
    if "code" in request.GET:
        return link(request, request.GET["code"])
    username = request.POST.get("username", "").strip()
    try:
        user = signin.check_password(request, username, request.POST.get("password", ""), address=_address(request))
        _enter(request, user)
    except (BrokerError, OperationalError) as error:
        return _form(request, told(error), username=username[:150], next=request.POST.get("next", ""))
    return _go_on(request.POST.get("next", ""))


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def link(request: HttpRequest, code: str) -> HttpResponseBase:
    """A one-time link: opening it shows a button, the button uses it up."""
    if request.method != "POST":
        return _form(request, code=code)
    try:
        signin.redeem(code, address=_address(request), enter=partial(_enter, request))
    except (BrokerError, OperationalError) as error:
        return _form(request, told(error), code="" if isinstance(error, Unauthenticated) else code)
    return _go_on("")


@require_POST
def out(request: HttpRequest) -> HttpResponse:
    """End the session."""
    auth.logout(request)
    return redirect("brokerweb_console:signin")


def _form(request: HttpRequest, error: BrokerError | None = None, **context: Any) -> HttpResponse:
    status = error.http_status if error else 200
    told = TRY if isinstance(error, Unauthenticated) else hint(error) if error else ""
    if error is not None and request.session.modified:  # a sign-in that did not come about leaves nothing to store
        request.session, request.user = type(request.session)(), AnonymousUser()
    page = render(request, "brokerweb_console/sign_in.html", status, error=error, hint=told, **context)
    if error is not None and error.retry_after is not None:
        page["Retry-After"] = str(error.retry_after)
    return page


def _enter(request: HttpRequest, user: Any) -> None:
    auth.login(request, user, backend=getattr(user, "backend", None) or _backend())


def _go_on(place: str) -> HttpResponse:
    safe = place.startswith("/") and url_has_allowed_host_and_scheme(place, allowed_hosts=None)
    return redirect(place if safe else "brokerweb_console:overview")


def _backend() -> str:
    """Of somebody who came by a link: one that the project has, else the session would be nobody's."""
    return BACKEND if BACKEND in settings.AUTHENTICATION_BACKENDS else settings.AUTHENTICATION_BACKENDS[0]


def _address(request: HttpRequest) -> str:
    return str(request.META.get("REMOTE_ADDR", ""))
