"""The list of topics, a new one, and one of them: a view a tab."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import redirect

from brokerweb.console import bindings, typed
from brokerweb.console.deeds import audited, carried_out, check_held, deed, telling
from brokerweb.console.filters import LIMIT, NameFilter
from brokerweb.console.page import SignedIn, action, form, page, render
from brokerweb.console.reading import visible
from brokerweb.console.rights import Rights, may_create, require_create
from brokerweb.console.topic_forms import BindingForm, NewTopicForm, RouteForm, TopicForm, TopicMessageForm
from brokerweb.core.errors import BrokerError, Invalid
from brokerweb.routing import publishing
from brokerweb.routing import topics as routing
from brokerweb.routing.models import Topic
from brokerweb.storage.reading import read
from brokerweb.storage.run import perform


@page
def topics(request: SignedIn) -> HttpResponseBase:
    """Topics by name."""
    asked, seen = NameFilter.of(request.GET.dict()), visible(request.principal, "topic")
    found = routing.list_topics(asked.prefix, after=asked.after or None, limit=LIMIT, visible=seen)
    rows, following = routing.describe(found.items), found.next and asked.page_after(found.next)
    may = may_create(request.principal, "topic")
    return render(request, "brokerweb_console/topics/list.html", filter=asked, rows=rows, next=following, may_create=may)


@form
def new_topic(request: SignedIn) -> HttpResponseBase:
    """Declare a topic that is not there yet."""
    require_create(request.principal, "topic")
    asked = NewTopicForm(request.POST) if request.method == "POST" else NewTopicForm.blank()
    if carried_out(asked, lambda: _create(request, asked)):
        messages.success(request, f"Topic {asked.cleaned_data['name']} is there. Bind it to queues and streams now.")
        return redirect("brokerweb_console:bindings", asked.cleaned_data["name"])
    return render(request, "brokerweb_console/topics/new.html", 400 if asked.errors else 200, form=asked)


def _create(request: SignedIn, asked: NewTopicForm) -> None:
    name, settings = asked.cleaned_data["name"], asked.settings()
    check_held(request, "manage", "topic", name, field="name")
    if Topic.objects.filter(name=name).exists():
        raise Invalid.at("/name", "There is a topic of that name.")
    audited(deed(request, "topic.declare", f"topic:{name}", **settings), routing.declare, name, settings)


@page
def topic(request: SignedIn, name: str) -> HttpResponseBase:
    """What goes through it, where it leads, and the dry run of a message."""
    context = frame(request, name)
    asked = RouteForm(request.GET) if "routing_key" in request.GET else RouteForm()
    return render(request, "brokerweb_console/topics/topic.html", **context, form=asked, route=_route(name, asked))


def _route(name: str, asked: RouteForm) -> dict[str, Any] | None:
    if not (asked.is_bound and asked.is_valid()):
        return None
    try:
        return read(routing.route, name, *asked.asked())
    except BrokerError as error:
        asked.refuse(error)
        return None


@form
def bindings_of(request: SignedIn, name: str) -> HttpResponseBase:
    """The bindings; posted, one more."""
    context = frame(request, name)
    asked = BindingForm(request.POST if request.method == "POST" else None)
    if asked.is_bound:
        request.principal.require("manage", "topic", name)
    if carried_out(asked, lambda: _bind(request, name, asked.binding())):
        messages.success(request, "Bound.")
        return redirect("brokerweb_console:bindings", name)
    targets = bindings.suggestions(request.principal)
    return render(
        request, "brokerweb_console/topics/bindings.html", 400 if asked.errors else 200, **context, form=asked, targets=targets
    )


def _bind(request: SignedIn, name: str, binding: dict[str, Any]) -> None:
    def may(kind: str, target: str) -> None:
        check_held(request, "publish", kind, target, field="to")

    audited(deed(request, "topic.bind", f"topic:{name}", **binding), bindings.add, name, binding, may)


@action
def unbind(request: SignedIn, name: str) -> HttpResponseBase:
    """One binding less."""
    request.principal.require("manage", "topic", name)
    with telling(request, "No longer bound."):
        given = request.POST
        binding = {"pattern": given.get("pattern", ""), "to": given.get("to", ""), "headers": _headers(given.get("headers", ""))}
        audited(deed(request, "topic.unbind", f"topic:{name}", **binding), bindings.remove, name, binding)
    return redirect("brokerweb_console:bindings", name)


def _headers(text: str) -> Any:
    try:
        return json.loads(text or "{}")
    except (ValueError, RecursionError):
        raise Invalid.at("/headers", "must be JSON") from None


@form
def publish(request: SignedIn, name: str) -> HttpResponseBase:
    """Publish one message."""
    request.principal.require("publish", "topic", name)
    start = {"kind": "json", "body": "{}"}
    asked = TopicMessageForm(request.POST) if request.method == "POST" else TopicMessageForm(initial=start)
    if carried_out(asked, lambda: _publish(request, name, asked)):
        return redirect("brokerweb_console:topic-publish", name)
    return render(
        request, "brokerweb_console/topics/publish.html", 400 if asked.errors else 200, **frame(request, name), form=asked
    )


def _publish(request: SignedIn, name: str, asked: TopicMessageForm) -> None:
    [answer] = perform(publishing.publish, name, [asked.message()], publisher=request.principal.name)
    places = [f"{copy.to} as {copy.id or f'{copy.partition}-{copy.offset}'}" for copy in answer.routed]
    said = "A duplicate. The first went to " if answer.duplicate else "Copied to "
    messages.success(request, said + ", ".join(places[:20]) + "." if places else "No binding matched: dropped, and counted.")


@form
def settings(request: SignedIn, name: str) -> HttpResponseBase:
    """The settings, and changing them."""
    context = frame(request, name)
    present = TopicForm.of(routing.find(name))
    asked = TopicForm(request.POST) if request.method == "POST" else present
    if asked.is_bound:
        request.principal.require("manage", "topic", name)
    if carried_out(asked, lambda: _change(request, name, asked, present)):
        messages.success(request, "Settings saved.")
        return redirect("brokerweb_console:topic-settings", name)
    return render(request, "brokerweb_console/topics/settings.html", 400 if asked.errors else 200, **context, form=asked)


def _change(request: SignedIn, name: str, asked: TopicForm, present: TopicForm) -> None:
    asked.check_seen(present)
    change = asked.settings()
    audited(deed(request, "topic.declare", f"topic:{name}", **change), routing.declare, name, change, create=False)


@form
def delete(request: SignedIn, name: str) -> HttpResponseBase:
    """Delete the topic with its bindings."""
    request.principal.require("manage", "topic", name)
    asked = typed.of_topic(request, name)
    if not asked.confirmed:
        return asked.page()
    with telling(request, f"Topic {name} is deleted."):
        audited(deed(request, "topic.delete", f"topic:{name}"), routing.delete, name)
    return redirect("brokerweb_console:topics")


def frame(request: SignedIn, name: str) -> dict[str, Any]:
    """What every tab needs. Raises Forbidden before NotFound."""
    request.principal.require("browse", "topic", name)
    return {"topic": routing.describe([routing.find(name)])[0], "rights": Rights(request.principal, name, "topic")}
