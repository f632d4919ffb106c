"""What is done with a consumer group: made, changed, moved elsewhere and back, deleted."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import redirect

from brokerweb.console.acting import after, audited, deed, made_new, refusing, telling
from brokerweb.console.frames import stream_frame
from brokerweb.console.groups import confirm, reading
from brokerweb.console.groups.forms import GroupForm, GroupSettingsForm, SeekForm
from brokerweb.console.groups.reading import group_frame
from brokerweb.console.page import SignedIn, action, form, render_form
from brokerweb.storage.reading import Reads, read
from brokerweb.streams import group_objects, groups, positions
from brokerweb.streams.models import ConsumerGroup
from brokerweb.streams.positions import Move


@form
def new_group(request: SignedIn, name: str) -> HttpResponseBase:
    """Declare a group that is not there yet."""
    request.principal.require("manage", "stream", name)
    asked = GroupForm(request.POST) if request.method == "POST" else GroupForm.blank()
    context = stream_frame(request, name)
    if asked.is_valid():
        with refusing(asked):
            group, settings = asked.cleaned_data["name"], asked.settings()
            there = ConsumerGroup.objects.filter(stream_id=context["stream"].pk, name=group)
            done = deed(request, "group.declare", f"stream:{name}/{group}", **settings)
            audited(done, made_new("group", there, groups.declare_group), name, group, settings)
            messages.success(request, f"Group {group} is there.")
            return redirect("brokerweb_console:group", name, group)
    return render_form(request, "brokerweb_console/groups/new.html", asked, **context)


@form
def settings(request: SignedIn, name: str, group: str) -> HttpResponseBase:
    """The settings, and changing them."""
    context = group_frame(request, name, group)
    asked = GroupSettingsForm(request.POST) if request.method == "POST" else GroupSettingsForm.of(context["group"])
    if asked.is_bound:
        request.principal.require("manage", "stream", name)
    if asked.is_valid():
        with refusing(asked):
            change = asked.settings_of(context["group"]["kind"])
            done = deed(request, "group.declare", f"stream:{name}/{group}", **change)
            declare = after(lambda tx: asked.check_seen(_shown(tx, name, group)), groups.declare_group, "group")
            audited(done, declare, name, group, change, create=False)
            messages.success(request, "Settings saved.")
            return redirect("brokerweb_console:group-settings", name, group)
    return render_form(request, "brokerweb_console/groups/settings.html", asked, **context)


def _shown(reads: Reads, name: str, group: str) -> GroupSettingsForm:
    return GroupSettingsForm.of(group_objects.describe(reads, name, group))


@form
def seek(request: SignedIn, name: str, group: str) -> HttpResponseBase:
    """First from where to where it would go; then going there. A thousand offsets are no part of an address: both are posted."""
    request.principal.require("manage", "stream", name)
    given = request.POST if request.method == "POST" else request.GET
    asked = SeekForm(given) if request.method == "POST" or given.get("where") else SeekForm()
    context, moves = group_frame(request, name, group), list[Move]()
    if asked.is_valid():
        with refusing(asked):
            to = asked.to()
            if request.method == "POST" and "preview" not in request.POST:
                audited(deed(request, "group.seek", f"stream:{name}/{group}", to=to), positions.seek, name, group, to)
                messages.success(request, "Moved. The position before is kept, for one step back.")
                return redirect("brokerweb_console:group", name, group)
            moves = read(positions.preview, name, group, to)
    context |= reading.sought(request, name, context["group"], asked.chosen())
    return render_form(request, "brokerweb_console/groups/seek.html", asked, **context, moves=moves)


@action
def undo(request: SignedIn, name: str, group: str) -> HttpResponseBase:
    """Take back the last seek."""
    request.principal.require("manage", "stream", name)
    with telling(request, "The group is back where it was."):
        audited(deed(request, "group.undo", f"stream:{name}/{group}"), positions.undo, name, group)
    return redirect("brokerweb_console:group", name, group)


@form
def delete(request: SignedIn, name: str, group: str) -> HttpResponseBase:
    """Delete the group with its positions."""
    request.principal.require("manage", "stream", name)
    asked = confirm.deletion(request, name, group)
    if not asked.confirmed:
        return asked.page()
    with telling(request, f"Group {group} is deleted."):
        audited(deed(request, "group.delete", f"stream:{name}/{group}"), groups.delete_group, name, group)
    return redirect("brokerweb_console:groups", name)
