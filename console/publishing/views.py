"""The page: a form to publish by hand, and what a program needs. A queue, a stream and a topic have the same one."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.http import HttpResponse, HttpResponseBase
from django.urls import reverse

from brokerweb.console import fragments
from brokerweb.console.page import SignedIn, page, render
from brokerweb.console.publishing import connecting, likeness
from brokerweb.console.publishing.forms import START, ProgramForm, SendFields
from brokerweb.console.publishing.places import QUEUE, STREAM, TOPIC, Kind, Sent
from brokerweb.console.publishing.programs import TOO_LONG, Call, programs
from brokerweb.console.publishing.waiting import arrival
from brokerweb.console.rendering import render_to_string
from brokerweb.console.snippets import Host, Snippet
from brokerweb.core import clock
from brokerweb.core.errors import Invalid, NotFound
from brokerweb.identity import templates
from brokerweb.identity import tokens as identity
from brokerweb.identity.models import Token
from brokerweb.identity.templates import Place

PAGE = "brokerweb_console/publishing/page.html"
BEFORE = frozenset(["consume"])  # what programs are for without a token: what publishes is what the form holds
LONGEST_WAIT = 3600  # seconds for which a page asks whether something has come


@page
def queue(request: SignedIn, name: str) -> HttpResponseBase:
    """Publish to a queue, and connect to it."""
    return opened(request, QUEUE, name)


@page
def stream(request: SignedIn, name: str) -> HttpResponseBase:
    """Append to a stream, and connect to it."""
    return opened(request, STREAM, name)


@page
def topic(request: SignedIn, name: str) -> HttpResponseBase:
    """Publish to a topic, and connect to it."""
    return opened(request, TOPIC, name)


def opened(request: SignedIn, kind: Kind, name: str) -> HttpResponse:
    """The page as it is opened: with an empty form, a template, or another message's likeness."""
    frame, place = kind.frame(request, name), Place(kind.name, name)
    shown: dict[str, Any] = {}
    if request.principal.may("publish", *place):
        given = request.GET
        initial: dict[str, Any] = dict(START)
        if given.get("template", "").isascii() and given.get("template", "").isdigit():
            found = templates.read(request.principal, place, int(given["template"][:18]))
            initial, shown = START | found.fields, {"used": found}
        elif given.get("like"):
            initial = START | likeness.fields(request.principal, given["like"])
            shown = {"like": given["like"]}
        shown["form"] = kind.form(initial=initial)
    return whole(request, kind, place, frame, **shown)


def whole(request: SignedIn, kind: Kind, place: Place, frame: dict[str, Any], *, status: int = 200, **shown: Any) -> HttpResponse:
    """The page with what is known besides: ``form``, what was ``sent``, a token that was ``made``."""
    principal, form = request.principal, shown.get("form")
    host = Host.of(request)
    made: identity.NewToken | None = shown.get("made")
    verbs = frozenset(v for grant in made.token.grants.all() for v in grant.verbs) if made else BEFORE
    context: dict[str, Any] = {"kind": kind, "place": place, "here": reverse(f"brokerweb_console:{kind.page}", args=[place.name])}
    context["connects"] = connecting.programs(host, place, verbs, made.text if made else "")
    if made is None:
        shown.setdefault("token_form", connecting.token_form(principal, kind, place))
    if form is not None:
        context |= {"programs": written(host, place, form), "too_long": TOO_LONG, "send_url": send_url(kind, place)}
        context["file_url"] = reverse("brokerweb_console:publish-file", kwargs=place._asdict())
        context["templates"] = [(each, templates.may_delete(principal, each)) for each in templates.listing(principal, place)]
    return render(request, PAGE, status, **frame, **context, **shown)


def send_url(kind: Kind, place: Place) -> str:
    """Where the form is sent to."""
    name = {"queue": "publish", "stream": "append", "topic": "topic-publish"}[kind.name]
    return reverse(f"brokerweb_console:{name}", args=[place.name])


def written(host: Host, place: Place, form: SendFields) -> list[Snippet] | None:
    """What the form holds as programs; None while it holds nothing that could be sent, an empty list of what is too long."""
    if not form.is_bound:
        initial = {name: value for name, value in form.initial.items() if value is not None}
        form = type(form)(initial)
    if not form.is_valid():
        return None
    try:
        form.message()
        return programs(host, Call(*place, form.as_json(), form.count))
    except Invalid:
        return None


@page
def waiting(request: SignedIn, kind: str, name: str) -> HttpResponseBase:
    """Whether something has come since a token was made: a part of a page, or a page for who has no script."""
    request.principal.require("browse", kind, name)
    place, given = Place(kind, name), request.GET
    if not all(given.get(each, "").isascii() and given.get(each, "").isdigit() for each in ("token", "since")):
        raise NotFound("Nobody waits for that.")
    token, since = identity.read(request.principal, given["token"]), int(given["since"][:18])
    context = waits(place, token, since)
    if request.htmx:
        part = render_to_string("brokerweb_console/publishing/_waiting.html", context, request)
        return fragments.answer(request, part, HTTPStatus.OK)
    back = reverse(f"brokerweb_console:{'' if kind == 'queue' else f'{kind}-'}connect", args=[name])
    return render(request, "brokerweb_console/publishing/waiting.html", **context, place=place, back=back)


def waits(place: Place, token: Token, since: int) -> dict[str, Any]:
    """What is told of the wait, and where to ask again."""
    url = f"{reverse('brokerweb_console:waiting', kwargs=place._asdict())}?token={token.pk}&since={since}"
    given_up = clock.wall() - since > clock.seconds(LONGEST_WAIT)
    told = fragments.news_of({"page": "connections"} | ({} if place.kind == "topic" else {place.kind: place.name}))
    arrived = arrival(place, token, since)
    return {"arrived": arrived, "given_up": given_up, "waiting_url": url, "waiting_news": told, "token": token}


def refused(request: SignedIn, kind: Kind, place: Place, frame: dict[str, Any], asked: ProgramForm) -> HttpResponse:
    """The page with what is wrong about a token."""
    form = kind.form(initial=START) if request.principal.may("publish", *place) else None
    return whole(request, kind, place, frame, status=400, token_form=asked, **({"form": form} if form else {}))


def afresh(request: SignedIn, kind: Kind, name: str, status: int = 200, **shown: Any) -> HttpResponse:
    """The page with an empty form, once something else than that was sent."""
    form = kind.form(initial=START)
    return whole(request, kind, Place(kind.name, name), kind.frame(request, name), status=status, form=form, **shown)


def after(request: SignedIn, kind: Kind, name: str, form: SendFields, sent: Sent | None = None, **shown: Any) -> HttpResponse:
    """The page once the form was sent: what it holds stays."""
    status = 400 if form.errors else 200
    return whole(request, kind, Place(kind.name, name), kind.frame(request, name), status=status, form=form, sent=sent, **shown)
