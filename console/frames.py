"""What every page of one queue, stream or topic needs: the thing itself, what the person may do with it, and the way to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.urls import reverse
from django.utils.functional import SimpleLazyObject

from brokerweb.answers import verdicts as why
from brokerweb.answers.verdicts import Verdict
from brokerweb.console.page import SignedIn
from brokerweb.console.rights import Rights
from brokerweb.console.verdicts import shown
from brokerweb.identity import masks
from brokerweb.queues import browse
from brokerweb.queues.represent import veil_of
from brokerweb.routing import topics
from brokerweb.streams import control as streams


def queue_frame(request: SignedIn, name: str) -> dict[str, Any]:
    """For every tab of a queue. Raises Forbidden before NotFound."""
    request.principal.require("browse", "queue", name)
    queue = browse.find(name)
    stands = standing(request, lambda: why.queue(request.principal, queue), "messages")
    return {
        "queue": queue,
        "rights": Rights(request.principal, name),
        "standing": stands,
        "veil": veil_of(request.principal, queue),
    }


def standing(request: SignedIn, verdict: Callable[[], Verdict], *but: str) -> Any:
    """How a queue or group stands, read when something shows it, without the ways to pages that are a tab away."""
    return SimpleLazyObject(lambda: shown(verdict(), "How it stands", here=request.get_full_path(), but=frozenset(but)))


def stream_frame(request: SignedIn, name: str) -> dict[str, Any]:
    """For every tab of a stream. Raises Forbidden before NotFound."""
    request.principal.require("browse", "stream", name)
    veil = masks.veil(request.principal, "stream", name)
    return {"stream": streams.get(name), "rights": Rights(request.principal, name, "stream"), "veil": veil}


def topic_frame(request: SignedIn, name: str) -> dict[str, Any]:
    """For every tab of a topic. Raises Forbidden before NotFound."""
    request.principal.require("browse", "topic", name)
    return {"topic": topics.describe([topics.find(name)])[0], "rights": Rights(request.principal, name, "topic")}


def crumbs(kind: str, name: str) -> list[tuple[str, str]]:
    """The way to a queue, stream or topic: labels, and where they lead."""
    listing = reverse(f"brokerweb_console:{kind}s")
    return [(f"{kind}s".capitalize(), listing), (name, reverse(f"brokerweb_console:{kind}", args=[name]))]


def group_crumbs(stream: str, group: str) -> list[tuple[str, str]]:
    """The way to a consumer group."""
    groups = reverse("brokerweb_console:groups", args=[stream])
    one = reverse("brokerweb_console:group", args=[stream, group])
    return [*crumbs("stream", stream), ("Groups", groups), (group, one)]
