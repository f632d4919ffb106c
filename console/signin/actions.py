"""Signing in and out. Everything that decides is in ``brokerweb.identity.signin``."""

from __future__ import annotations

from functools import partial
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import auth, messages
from django.contrib.auth.models import AnonymousUser
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from brokerweb import conf
from brokerweb.console.hints import hint
from brokerweb.console.page import SignedIn, action, missing, render, told
from brokerweb.core.errors import BrokerError, Conflict, Invalid, Unauthenticated
from brokerweb.identity import linking, oidc, signin, users

BACKEND = "django.contrib.auth.backends.ModelBackend"
ACCOUNT = "brokerweb_console:account"
TRY = "Try again, or ask for a new sign-in link."


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@sensitive_post_parameters("password")
def password(request: HttpRequest) -> HttpResponseBase:
    """Sign in by name and password; a link that carries its code in the query shows the button instead."""
    if request.method != "POST":
        asked = request.GET
        return sign_in_page(request, code=asked.get("code", ""), next=asked.get("next", ""), unsent="unsent" in asked)
    if "code" in request.GET:
        return link(request, request.GET["code"])
    username = request.POST.get("username", "").strip()
    try:
        user = signin.check_password(request, username, request.POST.get("password", ""), address=address_of(request))
        enter(request, user)
    except (BrokerError, OperationalError) as error:
        return sign_in_page(request, told(error), username=username[:150], next=request.POST.get("next", ""))
    return go_on(request.POST.get("next", ""))


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def link(request: HttpRequest, code: str) -> HttpResponseBase:
    """A one-time link: opening it shows a button, the button uses it up."""
    if request.method != "POST":
        return sign_in_page(request, code=code)
    try:
        signin.redeem(code, address=address_of(request), enter=partial(enter, request))
    except (BrokerError, OperationalError) as error:
        return sign_in_page(request, told(error), code="" if isinstance(error, Unauthenticated) else code)
    return go_on("")


@require_POST
def out(request: HttpRequest) -> HttpResponse:
    """End the session."""
    auth.logout(request)
    return redirect("brokerweb_console:signin")


@require_POST
@never_cache
@sensitive_post_parameters("password")
def link_account(request: HttpRequest) -> HttpResponseBase:
    """What came back from the provider counts, since whom it is about says so."""
    if not oidc.is_offered():
        return missing(request)
    address, user = address_of(request), signed_in(request)
    try:
        made = linking.opened(request.POST.get("offer", ""), user, address=address)
        try:
            if made.invited:
                linking.accept(made, address=address, enter=partial(enter, request))
                return redirect("brokerweb_console:overview")
            linking.link(made, request, request.POST.get("password", ""), address=address)
        except Invalid as error:
            return ask(request, made, error)
    except (BrokerError, OperationalError) as error:
        return refused(request, told(error))
    messages.success(request, "Linked. From now on you can sign in there, too.")
    return redirect(ACCOUNT)


@action
def unlink(request: SignedIn) -> HttpResponseBase:
    """One signs in by the provider no more."""
    try:
        linking.unlink(request.user, address=address_of(request))
    except Conflict as error:
        messages.error(request, error.detail, extra_tags=f"{error.code}|")
    else:
        users.note_epoch(None, request, request.user)  # the others of one's sessions have ended
        messages.success(request, "Unlinked. You sign in with your password from now on.")
    return redirect(ACCOUNT)


def sign_in_page(request: HttpRequest, error: BrokerError | None = None, **context: Any) -> HttpResponse:
    """The page to sign in, with what went wrong."""
    status = error.http_status if error else 200
    told = TRY if isinstance(error, Unauthenticated) else hint(error) if error else ""
    if error is not None and request.session.modified:  # a sign-in that did not come about leaves nothing to store
        request.session, request.user = type(request.session)(), AnonymousUser()
    page = render(request, "brokerweb_console/sign_in.html", status, error=error, hint=told, oidc=offered(), **context)
    if error is not None and error.retry_after is not None:
        page["Retry-After"] = str(error.retry_after)
    return page


def offered() -> str:
    """Where people may sign in beside passwords, as a button has it; empty for nowhere."""
    return urlsplit(conf.get().oidc_issuer).hostname or "" if oidc.is_offered() else ""


def signed_in(request: HttpRequest) -> Any:
    """The user of the session, if it has one that has not ended."""
    user: Any = request.user
    return user if user.is_authenticated and not users.has_ended(request.session, user) else None


def ask(request: HttpRequest, made: linking.Offer, error: Invalid | None = None) -> HttpResponse:
    """What would be linked, before it counts."""
    return render(request, "brokerweb_console/link.html", error.http_status if error else 200, offer=made, error=error)


def refused(request: HttpRequest, error: BrokerError, place: str = "") -> HttpResponseBase:
    """On the page to sign in; who is signed in reads it on their own."""
    if signed_in(request) is None:
        return sign_in_page(request, error, next=place)
    messages.error(request, error.detail, extra_tags=f"{error.code}|{hint(error)}")
    return redirect(ACCOUNT)


def enter(request: HttpRequest, user: Any) -> None:
    """Begin their session."""
    auth.login(request, user, backend=getattr(user, "backend", None) or _backend())


def go_on(place: str) -> HttpResponse:
    """To a page of the console, else to its first."""
    safe = place.startswith("/") and url_has_allowed_host_and_scheme(place, allowed_hosts=None)
    return redirect(place if safe else "brokerweb_console:overview")


def _backend() -> str:
    """Of somebody who came by a link: one that the project has, else the session would be nobody's."""
    return BACKEND if BACKEND in settings.AUTHENTICATION_BACKENDS else settings.AUTHENTICATION_BACKENDS[0]


def address_of(request: HttpRequest) -> str:
    """Where a request comes from."""
    return str(request.META.get("REMOTE_ADDR", ""))
