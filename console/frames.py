"""What every page of one queue, stream or topic needs: the thing itself, what the person may do with it, and the way to it."""

from __future__ import annotations

from typing import Any

from django.urls import reverse

from brokerweb.console.page import SignedIn
from brokerweb.console.rights import Rights
from brokerweb.queues import browse
from brokerweb.routing import topics
from brokerweb.streams import control as streams


def queue_frame(request: SignedIn, name: str) -> dict[str, Any]:
    """For every tab of a queue. Raises Forbidden before NotFound."""
    request.principal.require("browse", "queue", name)
    return {"queue": browse.find(name), "rights": Rights(request.principal, name)}


def stream_frame(request: SignedIn, name: str) -> dict[str, Any]:
    """For every tab of a stream. Raises Forbidden before NotFound."""
    request.principal.require("browse", "stream", name)
    return {"stream": streams.get(name), "rights": Rights(request.principal, name, "stream")}


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
