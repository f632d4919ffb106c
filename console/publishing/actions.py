"""Publishing what a form holds, keeping it as a template, and making a token for a program."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect

from brokerweb.console.acting import audited, deed, refusing, telling
from brokerweb.console.page import SignedIn, action, form
from brokerweb.console.publishing import connecting, files, views
from brokerweb.console.publishing.places import QUEUE, STREAM, TOPIC, Kind, send, send_all
from brokerweb.console.publishing.programs import TOO_LONG
from brokerweb.console.rendering import render_to_string
from brokerweb.console.snippets import Host
from brokerweb.core import clock
from brokerweb.core.errors import BrokerError, Forbidden
from brokerweb.identity import templates
from brokerweb.identity import tokens as identity
from brokerweb.identity.templates import Place

KINDS = {kind.name: kind for kind in (QUEUE, STREAM, TOPIC)}


@form
def publish(request: SignedIn, name: str) -> HttpResponseBase:
    """Publish to a queue."""
    return _sent(request, QUEUE, name)


@form
def append(request: SignedIn, name: str) -> HttpResponseBase:
    """Append to a stream."""
    return _sent(request, STREAM, name)


@form
def publish_to_topic(request: SignedIn, name: str) -> HttpResponseBase:
    """Publish to a topic."""
    return _sent(request, TOPIC, name)


def _sent(request: SignedIn, kind: Kind, name: str) -> HttpResponse:
    """What the form's button says: it is published, kept as a template, or only shown as programs."""
    place = Place(kind.name, name)
    request.principal.require("publish", *place)
    if request.method != "POST":
        return views.opened(request, kind, name)
    asked, wanted, sent = kind.form(request.POST), request.POST.get("as", ""), None
    valid = asked.is_valid()
    if wanted == "program" and request.headers.get("X-Part"):
        shown = {"programs": views.written(Host.of(request), place, asked), "too_long": TOO_LONG}
        return HttpResponse(render_to_string("brokerweb_console/publishing/_programs.html", shown, request))
    if valid:
        with refusing(asked):
            if wanted == "template":
                _keep(request, place, asked.typed())
            elif wanted == "program":
                asked.message()
            else:
                sent = send(kind, place, asked, request.principal.name)
    return views.after(request, kind, name, asked, sent, asked_for=wanted)


@form
def publish_file(request: SignedIn, kind: str, name: str) -> HttpResponseBase:
    """Publish what stands in a file; nothing of it where something in it is wrong."""
    known, place = KINDS[kind], Place(kind, name)
    request.principal.require("publish", *place)
    if request.method != "POST":
        return redirect(f"brokerweb_console:{known.page}", name)
    try:
        sent = send_all(known, place, files.read(known, request.FILES.get("file")), request.principal.name)
    except BrokerError as error:
        return views.afresh(request, known, name, status=error.http_status, file_error=error)
    return views.afresh(request, known, name, sent=sent)


def _keep(request: SignedIn, place: Place, fields: dict[str, str]) -> None:
    name, shared = request.POST.get("template_name", ""), bool(request.POST.get("template_shared"))
    done = deed(request, "template.save", str(place), name=name.strip()[:100], shared=shared)
    saved = audited(done, templates.save, request.principal, place, name, fields, shared=shared)
    messages.success(request, f"Kept as {saved.name}.")


@action
def forget_template(request: SignedIn, kind: str, name: str, template_id: int) -> HttpResponseBase:
    """Delete a template."""
    place = Place(kind, name)
    request.principal.require("publish", *place)
    found = templates.read(request.principal, place, template_id)
    if not templates.may_delete(request.principal, found):
        raise Forbidden("It is another person's; they may delete it, or who may manage what it is for.")
    with telling(request, f"Template {found.name} is deleted."):
        done = deed(request, "template.delete", f"{found.kind}:{found.destination}", name=found.name, shared=found.shared)
        audited(done, templates.delete, template_id)
    return redirect(f"brokerweb_console:{KINDS[kind].page}", name)


@form
def make_token(request: SignedIn, kind: str, name: str) -> HttpResponseBase:
    """Make a token for a program that works here; the answer to the POST shows it, so that it is stored nowhere."""
    known, place = KINDS[kind], Place(kind, name)
    if request.method != "POST":
        return redirect(f"brokerweb_console:{known.page}", name)
    frame = known.frame(request, name)
    asked = connecting.token_form(request.principal, known, place, request.POST)
    if asked is None:
        raise Forbidden("making tokens needs the verb admin on this name")
    if asked.is_valid():
        since, verbs = clock.wall(), known.uses[asked.cleaned_data["use"]][1]
        try:
            wanted = asked.request(str(place), verbs)
            made = identity.create(request.principal, wanted, address=request.META.get("REMOTE_ADDR"))
        except BrokerError as error:
            asked.refuse(error)
        else:
            return views.whole(request, known, place, frame, made=made, **views.waits(place, made.token, since))
    return views.refused(request, known, place, frame, asked)
