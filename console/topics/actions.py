"""What is done with a topic: made, bound and unbound, changed, deleted."""

from __future__ import annotations

import json
from functools import partial

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse

from brokerweb.console import list_frame, listing
from brokerweb.console.acting import after, audited, check_held, deed, made_new, refusing, telling
from brokerweb.console.choosing import offers
from brokerweb.console.frames import topic_frame
from brokerweb.console.notes import offer
from brokerweb.console.page import SignedIn, action, form, render_form
from brokerweb.console.rights import require_create
from brokerweb.console.topics import bindings, confirm
from brokerweb.console.topics.forms import BindingForm, NewTopicForm, TopicForm
from brokerweb.console.topics.listing import BINDINGS
from brokerweb.console.undoing import before, remembered
from brokerweb.core.errors import Invalid
from brokerweb.identity import masks
from brokerweb.routing import topics as routing
from brokerweb.routing.models import Topic


@form
def new_topic(request: SignedIn) -> HttpResponseBase:
    """Declare a topic that is not there yet."""
    require_create(request.principal, "topic")
    asked = NewTopicForm(request.POST) if request.method == "POST" else NewTopicForm.blank()
    if asked.is_valid():
        with refusing(asked):
            name, settings = asked.cleaned_data["name"], asked.settings()
            check_held(request, "manage", "topic", name, field="name")
            declare = made_new("topic", Topic.objects.filter(name=name), routing.declare)
            audited(deed(request, "topic.declare", f"topic:{name}", **settings), declare, name, settings)
            messages.success(request, f"Topic {name} is there. Bind it to queues and streams now.")
            return redirect("brokerweb_console:bindings", name)
    return render_form(request, "brokerweb_console/topics/new.html", asked)


@form
@list_frame.opens_preferred
def bind(request: SignedIn, name: str) -> HttpResponseBase:
    """The bindings; posted, one more."""
    context = topic_frame(request, name)
    asked = BindingForm(request.POST if request.method == "POST" else None)
    if asked.is_bound:
        request.principal.require("manage", "topic", name)
    if asked.is_valid():
        with refusing(asked):
            binding = asked.binding()
            done = deed(request, "topic.bind", f"topic:{name}", **binding)
            audited(done, bindings.add, name, binding, partial(_may_bind, request, name))
            messages.success(request, "Bound.")
            return redirect("brokerweb_console:bindings", name)
    wanted = list_frame.asked(request, BINDINGS, of=name)
    context |= list_frame.context(request, wanted, found=listing.page(context["topic"]["bindings"], wanted))
    context |= offers(request.principal, "queue", "stream")
    return render_form(request, "brokerweb_console/topics/bindings.html", asked, **context)


def _may_bind(request: SignedIn, name: str, kind: str, to: str) -> None:
    """Raises Invalid where it may not be published to, and Forbidden where it would show what is masked in the topic."""
    check_held(request, "publish", kind, to, field="to")
    masks.require_no_less(request.principal, ("topic", name), (kind, to))


@action
def unbind(request: SignedIn, name: str) -> HttpResponseBase:
    """One binding less."""
    request.principal.require("manage", "topic", name)
    with telling(request) as say:
        given = request.POST
        try:
            headers = json.loads(given.get("headers") or "{}")
        except (ValueError, RecursionError):
            raise Invalid.at("/headers", "must be JSON") from None
        binding = {"pattern": given.get("pattern", ""), "to": given.get("to", ""), "headers": headers}
        entry = remembered(deed(request, "topic.unbind", f"topic:{name}", **binding), bindings.remove, name, binding)
        say("No longer bound.", offer(reverse("brokerweb_console:undo-unbind", args=[name]), entry))
    return redirect("brokerweb_console:bindings", name)


@action
def undo_unbind(request: SignedIn, name: str) -> HttpResponseBase:
    """The binding is back at its place."""
    request.principal.require("manage", "topic", name)
    with telling(request, "Undone: bound again. What was published in between was not copied there."):
        was = before(request, "topic.unbind", f"topic:{name}")
        done = deed(request, "topic.undo_unbind", f"topic:{name}", **was["binding"])

        def may(kind: str, to: str) -> None:
            request.principal.require("publish", kind, to)
            masks.require_no_less(request.principal, ("topic", name), (kind, to))

        audited(done, bindings.add, name, was["binding"], may, place=was["place"])
    return redirect("brokerweb_console:bindings", name)


@form
def settings(request: SignedIn, name: str) -> HttpResponseBase:
    """The settings, and changing them."""
    context = topic_frame(request, name)
    asked = TopicForm(request.POST) if request.method == "POST" else TopicForm.of(routing.find(name))
    if asked.is_bound:
        request.principal.require("manage", "topic", name)
    if asked.is_valid():
        with refusing(asked):
            change = asked.settings()
            declare = after(lambda _: asked.check_seen(TopicForm.of(routing.find(name))), routing.declare, "topic")
            audited(deed(request, "topic.declare", f"topic:{name}", **change), declare, name, change, create=False)
            messages.success(request, "Settings saved.")
            return redirect("brokerweb_console:topic-settings", name)
    return render_form(request, "brokerweb_console/topics/settings.html", asked, **context)


@form
def delete(request: SignedIn, name: str) -> HttpResponseBase:
    """Delete the topic with its bindings."""
    request.principal.require("manage", "topic", name)
    asked = confirm.deletion(request, name)
    if not asked.confirmed:
        return asked.page()
    with telling(request, f"Topic {name} is deleted."):
        audited(deed(request, "topic.delete", f"topic:{name}"), routing.delete, name)
    return redirect("brokerweb_console:topics")
