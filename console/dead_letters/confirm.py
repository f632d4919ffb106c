"""The page that says which dead letters of a group a redrive would put back."""

from __future__ import annotations

from django.http import HttpResponse
from django.urls import reverse

from brokerweb.console.acting import confirmation
from brokerweb.console.dead_letters.reading import queue_of
from brokerweb.console.frames import group_crumbs
from brokerweb.console.page import SignedIn
from brokerweb.console.templatetags.brokerweb_console import number
from brokerweb.jobs import bulk
from brokerweb.queues import browse


def redrive_group(request: SignedIn, name: str, group: str) -> HttpResponse:
    """How many there are. Raises NotFound."""
    queue = queue_of(name, group)
    n = browse.counts([queue.pk])[queue.pk]["dead"]
    text = "Each is handed out again, with no failures, after what waits now. Nothing has been changed yet."
    if n > bulk.LIMIT:
        text += " More than a thousand: a job does it, with progress and a way to cancel."
    return confirmation(
        request,
        f"Redrive the dead letters of {group}",
        text,
        facts=[("Dead letters", number(n))],
        mild=True,
        nothing=not n,
        button=f"Redrive {n:,} record{'s' * (n != 1)}",
        crumbs=group_crumbs(name, group),
        cancel=reverse("brokerweb_console:group", args=[name, group]),
    )
