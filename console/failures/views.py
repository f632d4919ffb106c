"""The tabs of failures, of a queue and of a stream."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponseBase

from brokerweb.console.causes import reading as causes
from brokerweb.console.causes.reading import CausesOf
from brokerweb.console.frames import queue_frame, stream_frame
from brokerweb.console.page import SignedIn, page, render
from brokerweb.console.retrying import reading as retrying
from brokerweb.console.stuck import reading as stuck
from brokerweb.console.templatetags.brokerweb_answers import highest
from brokerweb.queues import browse


@page
def of_queue(request: SignedIn, name: str) -> HttpResponseBase:
    """How it stands, what is dead, by cause, and what is tried again."""
    context = queue_frame(request, name) | _causes(request, f"queue:{name}")
    queue = context["queue"]
    counts = browse.counts([queue.pk])[queue.pk]
    context |= {"counts": counts, "retries": retrying.of_queue(request.principal, queue, counts["scheduled"])}
    return render(request, "brokerweb_console/failures/queue.html", **context)


@page
def of_stream(request: SignedIn, name: str) -> HttpResponseBase:
    """Which groups stand still, and what is dead in those that lease single records."""
    context = stream_frame(request, name) | _causes(request, f"stream:{name}")
    still = [item for item in stuck.listed(request.principal).items if (item.kind, item.name) == ("stream", name)]
    return render(request, "brokerweb_console/failures/stream.html", **context, items=still)


def _causes(request: SignedIn, place: str) -> dict[str, Any]:
    found = causes.listed(request.principal, CausesOf(place=place))
    return {"causes": found, "most": highest([cause.hours for cause in found])}
