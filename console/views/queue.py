"""One queue: a view a tab."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import redirect

from brokerweb.console import reading, snippets
from brokerweb.console.deeds import audited, carried_out, deed
from brokerweb.console.filters import MessagesOf
from brokerweb.console.forms import MessageForm, SettingsForm
from brokerweb.console.page import SignedIn, form, page, render
from brokerweb.console.rights import Rights
from brokerweb.console.templatetags.brokerweb_console import instant
from brokerweb.delivery import connections
from brokerweb.queues import browse, control, engine
from brokerweb.queues.messages import NewMessage
from brokerweb.storage.run import perform


@page
def queue(request: SignedIn, name: str) -> HttpResponseBase:
    """Counts, flow, rules, and how to connect."""
    context = frame(request, name)
    row = reading.rows([context["queue"]])[0]
    host = snippets.Host.of(request)
    states = [(state, row.counts[state]) for state in reading.STATES]
    context |= {"publishing": snippets.publishing(host, name), "consuming": snippets.consuming(host, name)}
    return render(request, "brokerweb_console/queues/queue.html", **context, row=row, states=states)


@page
def messages_of(request: SignedIn, name: str) -> HttpResponseBase:
    """The messages, looked at without effect."""
    context, asked = frame(request, name), MessagesOf.of(request.GET.dict())
    found = browse.page(context["queue"], asked.chosen, after=asked.after or None)
    counts = browse.counts([context["queue"].pk])[context["queue"].pk]
    more = asked.page_after(found.next) if found.next else None
    return render(
        request,
        "brokerweb_console/messages/list.html",
        **context,
        filter=asked,
        chips=asked.chips(counts),
        found=found.items,
        next=more,
    )


@page
def consumers(request: SignedIn, name: str) -> HttpResponseBase:
    """Who subscribes, and what each holds."""
    context = frame(request, name)
    subscribed = [
        {**connection, **sub, "connected_at": instant(connection["connected_at"])}
        for connection in connections.snapshot()
        for sub in connection["subscriptions"]
        if sub.get("queue") == name
    ]
    counts = browse.counts([context["queue"].pk])[context["queue"].pk]
    return render(request, "brokerweb_console/queues/consumers.html", **context, consumers=subscribed, counts=counts)


@form
def publish(request: SignedIn, name: str) -> HttpResponseBase:
    """Publish one message."""
    request.principal.require("publish", "queue", name)
    asked = MessageForm(request.POST) if request.method == "POST" else MessageForm(initial={"kind": "json", "body": "{}"})
    if carried_out(asked, lambda: _publish(request, name, asked.message())):
        return redirect("brokerweb_console:publish", name)
    return render(
        request, "brokerweb_console/messages/publish.html", 400 if asked.errors else 200, **frame(request, name), form=asked
    )


def _publish(request: SignedIn, name: str, message: NewMessage) -> None:
    [accepted] = perform(engine.publish, name, [message], publisher=request.principal.name)
    messages.success(request, f"{'A duplicate of' if accepted.duplicate else 'Stored as'} message {accepted.id}.")


@form
def settings(request: SignedIn, name: str) -> HttpResponseBase:
    """The settings, and changing them."""
    context = frame(request, name)
    present = SettingsForm.of(context["queue"])
    asked = SettingsForm(request.POST) if request.method == "POST" else present
    if asked.is_bound:
        request.principal.require("manage", "queue", name)
    if carried_out(asked, lambda: _change(request, name, asked, present)):
        messages.success(request, "Settings saved.")
        return redirect("brokerweb_console:settings", name)
    return render(request, "brokerweb_console/queues/settings.html", 400 if asked.errors else 200, **context, form=asked)


def _change(request: SignedIn, name: str, asked: SettingsForm, present: SettingsForm) -> None:
    asked.check_seen(present)
    change = asked.settings()
    audited(deed(request, "queue.declare", f"queue:{name}", **change), control.declare, name, change, create=False)


def frame(request: SignedIn, name: str) -> dict[str, Any]:
    """What every tab needs. Raises Forbidden before NotFound."""
    request.principal.require("browse", "queue", name)
    return {"queue": browse.find(name), "rights": Rights(request.principal, name)}
