"""What every page shares: who is signed in, how a page or its live fragment is rendered, how an error is shown."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, cast
from urllib.parse import urlencode, urlsplit, urlunsplit

from django.conf import settings
from django.db import OperationalError
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import escape_leading_slashes, url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods

from brokerweb import conf
from brokerweb.console import dead_counts, fragments, ranges, zones
from brokerweb.console.entries import administration, entry, section
from brokerweb.console.hints import ABSENT, hint
from brokerweb.console.rendering import render_to_string
from brokerweb.core.errors import BrokerError, NotFound
from brokerweb.faces.http.compression import compress
from brokerweb.faces.http.ownership import is_own
from brokerweb.faces.rest import handlers
from brokerweb.identity import users
from brokerweb.identity.principal import Principal
from brokerweb.storage.run import refusal

P = ParamSpec("P")
LISTS = ("queues", "streams", "topics", "jobs")
THEMES = ("system", "light", "dark")


class NoSuchPage(NotFound):
    """There is no such page."""


class SignedIn(HttpRequest):
    """A request whose session has a user; ``principal`` is what the user may do."""

    principal: Principal
    htmx: Any


View = Callable[Concatenate[SignedIn, P], HttpResponseBase]


def page(view: View[P]) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
    """A view for signed-in people that only looks; the broker's errors become error pages."""
    return _signed_in(view, ["GET", "HEAD"])


def action(view: View[P]) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
    """A view for signed-in people that acts, by POST alone."""
    return _signed_in(view, ["POST"])


def choice(view: View[P]) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
    """An action that changes nothing but what the person's own browser keeps: they have it where people only look, too."""
    return _signed_in(view, ["POST"], changes=False)


def form(view: View[P]) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
    """A view for signed-in people that shows a form, and acts when it is posted."""
    return _signed_in(view, ["GET", "HEAD", "POST"])


def _signed_in(
    view: View[P], methods: list[str], *, changes: bool = True
) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
    @functools.wraps(view)
    def checked(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if not request.user.is_authenticated or users.has_ended(request.session, request.user):
            return _ask_to_sign_in(request)
        signed_in = cast(SignedIn, request)
        with timezone.override(zones.of(request)), fragments.costing(request):
            try:
                signed_in.principal = users.principal_of(request.user, session_key=request.session.session_key)
                if changes and request.method == "POST":
                    signed_in.principal.require_changes()
                response = view(signed_in, *args, **kwargs)
            except (BrokerError, OperationalError) as error:
                response = problem(signed_in, told(error))
        ranges.remember(request, response)
        response.headers.setdefault("Cache-Control", "no-store, private")
        return response

    return cast(Callable[Concatenate[HttpRequest, P], HttpResponseBase], require_http_methods(methods)(checked))


def _ask_to_sign_in(request: HttpRequest) -> HttpResponse:
    if getattr(request, "htmx", False):  # a poll of a page whose session has ended: the page reloads itself
        return HttpResponse(status=401)
    query = {"next": request.get_full_path()} if request.method == "GET" else {"next": came_from(request), "unsent": "1"}
    return redirect(f"{reverse('brokerweb_console:signin')}?{urlencode(query)}")


def came_from(request: HttpRequest) -> str:
    """The page of the console that a form stood on, with its query; the overview when it is not told, or is another site's."""
    overview = reverse("brokerweb_console:overview")
    try:
        place = urlsplit(request.headers.get("Referer", ""))
    except ValueError:
        return overview
    here = urlunsplit(("", "", place.path, place.query, ""))
    known = place.netloc == request.get_host() and url_has_allowed_host_and_scheme(here, allowed_hosts=None)
    return here if known and not here.startswith(reverse("brokerweb_console:signin")) else overview


def render(request: HttpRequest, template: str, status: int = 200, **context: Any) -> HttpResponse:
    """The page, or for a poll only what is live in it: ``template#live``, and the navigation's count beside it."""
    context |= _around(request) | fragments.around(request)
    if getattr(request, "htmx", False):
        parts = ["_dead_count.html", *(f"_{part}.html" for part in ("poll", "answer") if context.get(part))]
        beside = "".join(render_to_string(f"brokerweb_console/{part}", context | {"beside": True}, request) for part in parts)
        response = fragments.answer(request, render_to_string(f"{template}#live", context, request) + beside, status)
    else:
        response = HttpResponse(render_to_string(template, context, request), status=status)
    return compress(request, response)


def render_form(request: HttpRequest, template: str, asked: BaseForm, **context: Any) -> HttpResponse:
    """The page of a form; 400 when something in it was refused."""
    return render(request, template, 400 if asked.errors else 200, form=asked, **context)


def _around(request: HttpRequest) -> dict[str, Any]:
    principal: Principal | None = getattr(request, "principal", None)
    chosen = request.COOKIES.get("console_theme", "")
    theme = chosen if chosen in THEMES else THEMES[0]
    return {
        "theme": theme,
        "themes": THEMES,
        "next_theme": THEMES[(THEMES.index(theme) + 1) % len(THEMES)],
        "environment": conf.get().environment,
        "read_only": conf.get().read_only,
        "principal": principal,
        "dead_total": _dead_total(principal),
        **_frame(request, principal),
    }


def _frame(request: HttpRequest, principal: Principal | None) -> dict[str, Any]:
    """For the navigation and the bar on top of a page."""
    return {
        "section": section(request.path),
        "entry": entry(request.path),
        "administration": administration(principal) if principal else [],
        "shown_range": ranges.of(request),
        "zone_name": zones.name(),
    }


def _dead_total(principal: Principal | None) -> int:
    """For the navigation; 0 where the database cannot be read, which the page itself is about then."""
    try:
        return dead_counts.total(principal) if principal else 0
    except BrokerError:
        return 0


def told(error: BrokerError | OperationalError) -> BrokerError:
    """The error in the broker's words. Raises one of the database's that is no refusal."""
    known = refusal(error) if isinstance(error, OperationalError) else error
    if known is None:
        raise error
    return known


def failed(request: HttpRequest) -> HttpResponse:
    """What nobody caught, such as a session that could not be stored: where the database refused, a page that says why."""
    error = sys.exc_info()[1]
    known = refusal(error) if isinstance(error, OperationalError) else None
    if known is None or request.path_info.startswith(handlers.PROGRAMS):
        return handlers.failed(request)
    if hasattr(request, "principal"):
        return problem(request, known)
    return render(request, "brokerweb_console/sign_in.html", known.http_status, error=known, hint=hint(known))


def problem(request: HttpRequest, error: BrokerError) -> HttpResponse:
    """The error as a page of its own, with its code and what to do."""
    if getattr(request, "htmx", False):
        return HttpResponse(error.detail, status=error.http_status, content_type="text/plain")
    about = section(request.path)
    listing = f"brokerweb_console:{about}" if about in LISTS else ""
    target = _target(request, about) if listing and isinstance(error, NotFound) else ""
    told = "" if isinstance(error, NoSuchPage) else ABSENT if target else hint(error)
    context = {"error": error, "hint": told, "listing": listing, "target": target}
    return render(request, "brokerweb_console/problem.html", error.http_status, **context)


def _target(request: HttpRequest, about: str) -> str:
    """What a page is about, as the trail names it; empty where it is about nothing that has a name."""
    named = request.resolver_match.kwargs if request.resolver_match is not None else {}
    name = "/".join(filter(None, (named.get("name"), named.get("group"))))
    return f"{about.removesuffix('s')}:{name}" if name else ""


@choice
def _stale(request: SignedIn) -> HttpResponse:
    return render(request, "brokerweb_console/stale.html", 403, place=came_from(request))


def stale(request: HttpRequest, reason: str = "") -> HttpResponseBase:
    """The answer to a form with another session's CSRF token: it was opened before the person signed in again."""
    if request.user.is_authenticated or request.path != reverse("brokerweb_console:signin"):
        return _stale(request)
    return render(request, "brokerweb_console/sign_in.html", 403, unsent=True)


def missing(request: HttpRequest) -> HttpResponseBase:
    """Any address that nothing else answers for; strangers are asked to sign in, and learn nothing.

    It answers before Django's CommonMiddleware would add the slash that a project's own page has.
    """
    if settings.APPEND_SLASH and request.method in ("GET", "HEAD") and not is_own(f"{request.path_info}/"):
        return redirect(escape_leading_slashes(request.get_full_path(force_append_slash=True)), permanent=True)
    return _missing(request)


@page
def _missing(request: SignedIn) -> HttpResponse:
    raise NoSuchPage("Check the address, or find it by its name (Ctrl+K).")


def place_back(request: HttpRequest, otherwise: str) -> str:
    """The page that the form or link ``back`` names stood on, with its filters; never another site's."""
    place = request.POST.get("back", "") or request.GET.get("back", "")
    safe = place.startswith("/") and url_has_allowed_host_and_scheme(place, allowed_hosts=None)
    return place if safe else otherwise


def back(request: HttpRequest, otherwise: str) -> HttpResponse:
    """To the page the form stood on."""
    return redirect(place_back(request, otherwise))
