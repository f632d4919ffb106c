"""The list of streams, and a new one."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import redirect

from brokerweb.console import stream_reading
from brokerweb.console.deeds import audited, carried_out, check_held, deed
from brokerweb.console.filters import NameFilter
from brokerweb.console.page import SignedIn, form, page, render
from brokerweb.console.rights import may_create, require_create
from brokerweb.console.stream_forms import NewStreamForm
from brokerweb.core.errors import Invalid
from brokerweb.streams import control
from brokerweb.streams.models import Stream


@page
def streams(request: SignedIn) -> HttpResponseBase:
    """Streams by name."""
    asked = NameFilter.of(request.GET.dict())
    rows, cursor = stream_reading.listed(request.principal, asked)
    following, may = asked.page_after(cursor) if cursor else None, may_create(request.principal, "stream")
    return render(request, "brokerweb_console/streams/list.html", filter=asked, rows=rows, next=following, may_create=may)


@form
def new_stream(request: SignedIn) -> HttpResponseBase:
    """Declare a stream that is not there yet."""
    require_create(request.principal, "stream")
    asked = NewStreamForm(request.POST) if request.method == "POST" else NewStreamForm.blank()
    if carried_out(asked, lambda: _create(request, asked)):
        messages.success(request, f"Stream {asked.cleaned_data['name']} is there.")
        return redirect("brokerweb_console:stream", asked.cleaned_data["name"])
    return render(request, "brokerweb_console/streams/new.html", 400 if asked.errors else 200, form=asked)


def _create(request: SignedIn, asked: NewStreamForm) -> None:
    name, settings = asked.cleaned_data["name"], asked.settings()
    check_held(request, "manage", "stream", name, field="name")
    if Stream.objects.filter(name=name, deleted_at=None).exists():
        raise Invalid.at("/name", "There is a stream of that name.")
    audited(deed(request, "stream.declare", f"stream:{name}", **settings), control.declare, name, settings)
