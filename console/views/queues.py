"""The list of queues, and a new one."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import redirect

from brokerweb.console import reading
from brokerweb.console.deeds import audited, carried_out, check_held, deed
from brokerweb.console.filters import QueueFilter
from brokerweb.console.forms import NewQueueForm
from brokerweb.console.page import SignedIn, form, page, render
from brokerweb.console.rights import may_create, require_create
from brokerweb.core.errors import Invalid
from brokerweb.queues import control
from brokerweb.queues.models import Queue


@page
def queues(request: SignedIn) -> HttpResponseBase:
    """Queues by name."""
    asked = QueueFilter.of(request.GET.dict())
    rows, more = reading.listed(request.principal, asked)
    return render(
        request,
        "brokerweb_console/queues/list.html",
        filter=asked,
        rows=rows,
        next=asked.page_after(rows[-1].name) if more else None,
        may_create=may_create(request.principal),
    )


@form
def new_queue(request: SignedIn) -> HttpResponseBase:
    """Declare a queue that is not there yet."""
    require_create(request.principal, "queue")
    asked = NewQueueForm(request.POST) if request.method == "POST" else NewQueueForm.blank()
    if carried_out(asked, lambda: _create(request, asked.cleaned_data["name"], asked.settings())):
        return redirect("brokerweb_console:queue", asked.cleaned_data["name"])
    return render(request, "brokerweb_console/queues/new.html", 400 if asked.errors else 200, form=asked)


def _create(request: SignedIn, name: str, settings: dict[str, Any]) -> None:
    check_held(request, "manage", "queue", name, field="name")
    if Queue.declared.filter(name=name).exists():
        raise Invalid.at("/name", "There is a queue of that name.")
    audited(deed(request, "queue.declare", f"queue:{name}", **settings), control.declare, name, settings)
    messages.success(request, f"Queue {name} is there.")
