"""Consumer groups: a new one, one with its members and positions, changing it, and moving it elsewhere."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import redirect

from brokerweb.console import stream_reading, typed
from brokerweb.console.deeds import audited, carried_out, deed, telling
from brokerweb.console.page import SignedIn, action, form, page, render
from brokerweb.console.rights import Rights
from brokerweb.console.stream_forms import GroupForm, GroupSettingsForm, SeekForm
from brokerweb.console.views.stream import frame
from brokerweb.core.errors import BrokerError, Invalid
from brokerweb.storage.reading import read
from brokerweb.streams import groups, positions
from brokerweb.streams.models import ConsumerGroup
from brokerweb.streams.positions import Move


@form
def new_group(request: SignedIn, name: str) -> HttpResponseBase:
    """Declare a group that is not there yet."""
    request.principal.require("manage", "stream", name)
    asked = GroupForm(request.POST) if request.method == "POST" else GroupForm.blank()
    context = frame(request, name)
    if carried_out(asked, lambda: _create(request, context["stream"].pk, name, asked)):
        messages.success(request, f"Group {asked.cleaned_data['name']} is there.")
        return redirect("brokerweb_console:group", name, asked.cleaned_data["name"])
    return render(request, "brokerweb_console/groups/new.html", 400 if asked.errors else 200, **context, form=asked)


def _create(request: SignedIn, stream_id: int, stream: str, asked: GroupForm) -> None:
    name, settings = asked.cleaned_data["name"], asked.settings()
    if ConsumerGroup.objects.filter(stream_id=stream_id, name=name).exists():
        raise Invalid.at("/name", "There is a group of that name.")
    audited(deed(request, "group.declare", target(stream, name), **settings), groups.declare_group, stream, name, settings)


@page
def group(request: SignedIn, name: str, group: str) -> HttpResponseBase:
    """Lag, members and what they hold, positions."""
    context, takers = group_frame(request, name, group), stream_reading.takers(name, group)
    return render(
        request,
        "brokerweb_console/groups/group.html",
        **context,
        takers=takers,
        unread=stream_reading.unread(context["group"], takers),
    )


@form
def settings(request: SignedIn, name: str, group: str) -> HttpResponseBase:
    """The settings, and changing them."""
    context = group_frame(request, name, group)
    present = GroupSettingsForm.of(context["group"])
    asked = GroupSettingsForm(request.POST) if request.method == "POST" else present
    if asked.is_bound:
        request.principal.require("manage", "stream", name)
    if carried_out(asked, lambda: _change(request, context, asked, present)):
        messages.success(request, "Settings saved.")
        return redirect("brokerweb_console:group-settings", name, group)
    return render(request, "brokerweb_console/groups/settings.html", 400 if asked.errors else 200, **context, form=asked)


def _change(request: SignedIn, frame: dict[str, Any], asked: GroupSettingsForm, present: GroupSettingsForm) -> None:
    asked.check_seen(present)
    stream, group, change = frame["stream_name"], frame["group"]["name"], asked.settings_of(frame["group"]["kind"])
    done = deed(request, "group.declare", target(stream, group), **change)
    audited(done, groups.declare_group, stream, group, change, create=False)


@form
def seek(request: SignedIn, name: str, group: str) -> HttpResponseBase:
    """First from where to where it would go; then, posted, going there."""
    request.principal.require("manage", "stream", name)
    given = request.POST if request.method == "POST" else request.GET
    asked = SeekForm(given) if given.get("where") else SeekForm()
    context = group_frame(request, name, group)
    if request.method == "POST" and carried_out(asked, lambda: _seek(request, name, group, asked.to())):
        messages.success(request, "Moved. The position before is kept, for one step back.")
        return redirect("brokerweb_console:group", name, group)
    moves = _preview(name, group, asked)
    return render(request, "brokerweb_console/groups/seek.html", 400 if asked.errors else 200, **context, form=asked, moves=moves)


def _seek(request: SignedIn, stream: str, group: str, to: Any) -> None:
    audited(deed(request, "group.seek", target(stream, group), to=to), positions.seek, stream, group, to)


def _preview(stream: str, group: str, asked: SeekForm) -> list[Move]:
    if not (asked.is_bound and asked.is_valid()):
        return []
    try:
        return read(positions.preview, stream, group, asked.to())
    except BrokerError as error:
        asked.refuse(error)
        return []


@action
def undo(request: SignedIn, name: str, group: str) -> HttpResponseBase:
    """Take back the last seek."""
    request.principal.require("manage", "stream", name)
    with telling(request, "The group is back where it was."):
        audited(deed(request, "group.undo", target(name, group)), positions.undo, name, group)
    return redirect("brokerweb_console:group", name, group)


@form
def delete(request: SignedIn, name: str, group: str) -> HttpResponseBase:
    """Delete the group with its positions."""
    request.principal.require("manage", "stream", name)
    asked = typed.of_group(request, name, group)
    if not asked.confirmed:
        return asked.page()
    with telling(request, f"Group {group} is deleted."):
        audited(deed(request, "group.delete", target(name, group)), groups.delete_group, name, group)
    return redirect("brokerweb_console:groups", name)


def target(stream: str, group: str) -> str:
    """A group in the audit trail."""
    return f"stream:{stream}/{group}"


def group_frame(request: SignedIn, stream: str, group: str) -> dict[str, Any]:
    """What every page of a group needs. Raises Forbidden before NotFound."""
    request.principal.require("browse", "stream", stream)
    found = stream_reading.group(stream, group)
    return {"stream_name": stream, "group": found, "rights": Rights(request.principal, stream, "stream")}
