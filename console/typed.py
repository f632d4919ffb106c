"""Deletions that want the name typed: of queues, streams, consumer groups and topics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse
from django.urls import reverse

from brokerweb.console import stream_reading
from brokerweb.console.confirm import confirmation, topics_to, typed_name
from brokerweb.console.page import SignedIn
from brokerweb.console.reading import STATES
from brokerweb.console.templatetags.brokerweb_console import STATE_WORDS, number, size
from brokerweb.delivery import connections
from brokerweb.queues import browse
from brokerweb.routing import topics
from brokerweb.streams import control


@dataclass(frozen=True)
class Typed:
    """A deletion being asked for: what it is of, and what goes with it."""

    request: SignedIn
    name: str
    title: str
    text: str
    facts: Sequence[tuple[str, Any]]
    button: str
    crumbs: Sequence[tuple[str, str]]

    @property
    def confirmed(self) -> bool:
        return self.request.method == "POST" and self.request.POST.get("typed") == self.name

    def page(self) -> HttpResponse:
        """What would go, exactly."""
        posted = self.request.method == "POST"
        return confirmation(
            self.request,
            self.title,
            self.text,
            400 if posted else 200,
            error="The name was not typed as it is." if posted else "",
            facts=self.facts,
            button=self.button,
            crumbs=self.crumbs,
            cancel=self.crumbs[-1][1],
            **typed_name(self.name),
        )


def of_queue(request: SignedIn, name: str) -> Typed:
    """Raises NotFound."""
    queue = browse.find(name)
    counts = browse.counts([queue.pk])[queue.pk]
    total = sum(counts.values())
    held = [(STATE_WORDS.get(state, state).capitalize(), number(counts[state])) for state in STATES if counts[state]]
    return Typed(
        request,
        name,
        f"Delete {name}",
        "The queue, its settings and everything it holds are deleted for good. Its consumers are told.",
        [*held, ("Consumers", number(connections.consumers()[queue.pk])), *topics_to(request, f"queue:{name}")],
        f"Delete the queue and {total:,} message{'s' * (total != 1)}",
        [("Queues", reverse("brokerweb_console:queues")), (name, reverse("brokerweb_console:queue", args=[name]))],
    )


def of_stream(request: SignedIn, name: str) -> Typed:
    """Raises NotFound."""
    [row] = stream_reading.rows([control.get(name)])
    facts = [("Records", number(row.sizes.records)), ("Size", size(row.sizes.bytes)), ("Consumer groups", number(row.groups))]
    return Typed(
        request,
        name,
        f"Delete {name}",
        "The stream, its records and its consumer groups are deleted for good. Its readers are told.",
        [*facts, *topics_to(request, f"stream:{name}")],
        f"Delete the stream and {row.sizes.records:,} record{'s' * (row.sizes.records != 1)}",
        [("Streams", reverse("brokerweb_console:streams")), (name, reverse("brokerweb_console:stream", args=[name]))],
    )


def of_group(request: SignedIn, stream: str, name: str) -> Typed:
    """Raises NotFound."""
    shown = stream_reading.group(stream, name)
    facts = [("Members", number(len(shown["members"]))), ("Left to read", number(shown["lag"]))]
    if "counts" in shown:
        facts.append(("Dead letters", number(shown["counts"]["dead"])))
    return Typed(
        request,
        name,
        f"Delete {name}",
        "The group and its positions are deleted for good, with the dead letters of a shared one. The records stay.",
        facts,
        "Delete the group",
        [*crumbs_of(stream), (name, reverse("brokerweb_console:group", args=[stream, name]))],
    )


def crumbs_of(stream: str) -> list[tuple[str, str]]:
    """The way to a stream's groups."""
    place = reverse("brokerweb_console:stream", args=[stream])
    groups_place = reverse("brokerweb_console:groups", args=[stream])
    return [("Streams", reverse("brokerweb_console:streams")), (stream, place), ("Groups", groups_place)]


def of_topic(request: SignedIn, name: str) -> Typed:
    """Raises NotFound."""
    [shown] = topics.describe([topics.find(name)])
    return Typed(
        request,
        name,
        f"Delete {name}",
        "The topic and its bindings are deleted for good. The queues and streams it leads to stay, with all they hold.",
        [("Bindings", number(len(shown["bindings"]))), ("Published", f"{shown['rates']['published']} per second")],
        "Delete the topic",
        [("Topics", reverse("brokerweb_console:topics")), (name, reverse("brokerweb_console:topic", args=[name]))],
    )
