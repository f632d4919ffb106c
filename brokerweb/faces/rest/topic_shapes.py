"""The shapes of topics."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from brokerweb.faces.codec.answers import Count, Instant, Target
from brokerweb.faces.codec.json import Headers, Strict, Text
from brokerweb.faces.rest.shapes import Name

Unrouted = Literal["refuse", "drop"]


class BindingShape(Strict, omit_defaults=True):
    """What matches `pattern` (`*` one word, `#` any number, at most two `#`) and has all `headers` is copied to `to`."""

    pattern: str
    to: Target
    headers: Headers | None = None


class TopicSettings(Strict):
    """The settings to change; `null` puts one back to its default."""

    bindings: Annotated[list[BindingShape], Meta(max_length=1000)] | UnsetType | None = UNSET
    unrouted: Unrouted | UnsetType | None = UNSET
    dedup_window: Annotated[float, Meta(ge=0, le=30 * 86400)] | UnsetType | None = UNSET


class TopicRates(Struct):
    """Messages per second over the last ten seconds; `unrouted` ones matched no binding."""

    published: float
    unrouted: float


class ShownBinding(Struct):
    """A binding as answers show it."""

    pattern: str
    to: Target
    headers: dict[str, str]


class Topic(Struct):
    """A topic: its settings and how it stands. `missing` are targets that are gone, `dropped` counts what no binding matched."""

    name: Name
    created_at: Instant
    bindings: list[ShownBinding]
    unrouted: Unrouted
    dedup_window: float
    missing: list[str]
    dropped: Count
    rates: TopicRates


class TopicList(Struct):
    """A page of topics by name."""

    items: list[Topic]
    next: str | None


class RouteRequest(Strict):
    """A message as far as bindings look at it."""

    routing_key: Text = ""
    headers: Headers | None = None


class Route(Struct):
    """Where it would go, and by which bindings."""

    to: Target
    bindings: list[ShownBinding]


class RouteAnswer(Struct):
    """`unrouted` says what would become of a message that no binding matches."""

    routed: list[Route]
    unrouted: Unrouted | None
