"""The shapes of topics."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from brokerweb.faces.codec.answers import Count, Target
from brokerweb.faces.codec.destinations import AnyMessages
from brokerweb.faces.codec.json import Headers, Strict, Text
from brokerweb.faces.rest.setting_shapes import asked, shown
from brokerweb.faces.rest.shapes import Named
from brokerweb.routing.bindings import MAX_BINDINGS
from brokerweb.routing.settings import SETTINGS

Unrouted = Literal["refuse", "drop"]


class BindingShape(Strict, omit_defaults=True):
    """What matches `pattern` (`*` one word, `#` any number, at most two `#`) and has all `headers` is copied to `to`."""

    pattern: str
    to: Target
    headers: Headers | None = None


_Settings: Any = asked({"bindings": Annotated[list[BindingShape], Meta(max_length=MAX_BINDINGS)], **SETTINGS})


class TopicSettings(_Settings):
    """The settings to change; `null` puts one back to its default."""


class BindingsRequest(Strict):
    """The bindings to add, or to take away; others stay."""

    bindings: Annotated[list[BindingShape], Meta(max_length=MAX_BINDINGS)]


class TopicRates(Struct):
    """Messages per second over the last ten seconds; `unrouted` ones matched no binding."""

    published: float
    unrouted: float


class ShownBinding(Struct):
    """A binding as answers show it."""

    pattern: str
    to: Target
    headers: dict[str, str]


class _Bound(Named):
    bindings: list[ShownBinding]


_Topic: Any = shown(_Bound, SETTINGS)


class Topic(_Topic):
    """A topic: its settings and how it stands. `missing` are targets that are gone, `dropped` counts what no binding matched."""

    missing: list[str]
    dropped: Count
    rates: TopicRates


class TopicList(Struct):
    """A page of topics by name."""

    items: list[Topic]
    next: str | None


class RouteRequest(Strict):
    """A message as far as bindings look at it, or `messages` as they would be published."""

    routing_key: Text = ""
    headers: Headers | None = None
    messages: AnyMessages | None = None


class Route(Struct):
    """Where it would go, and by which bindings."""

    to: Target
    bindings: list[ShownBinding]


class RouteAnswer(Struct):
    """`unrouted` says what would become of a message that no binding matches."""

    routed: list[Route]
    unrouted: Unrouted | None


class RouteAnswers(Struct):
    """The same of each of `messages`."""

    results: list[RouteAnswer]
