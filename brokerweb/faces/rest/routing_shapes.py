"""The shapes of topics and transactions."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from brokerweb.faces.codec.json import Headers, Strict, Text
from brokerweb.faces.rest.shapes import Count, Id, Instant, Name
from brokerweb.faces.rest.stream_shapes import OffsetText

Target = Annotated[str, Meta(pattern="^(queue|stream):[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}$", examples=["queue:billing"])]
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


class Copy(Struct):
    """Where a copy is: `id` in a queue, `partition` and `offset` in a stream."""

    to: Target
    id: Id | UnsetType = UNSET
    partition: Count | UnsetType = UNSET
    offset: OffsetText | UnsetType = UNSET


class Routed(Struct):
    """The copies of one message; with `duplicate` those that its `dedup_id` named before."""

    routed: list[Copy]
    duplicate: bool


class TopicPublishAnswer(Struct):
    """What became of the messages, in their order."""

    results: list[Routed]


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


# Transactions


class PartResult(Struct):
    """`id` in a queue, `partition` and `offset` in a stream, `routed` of a topic."""

    duplicate: bool
    id: Id | UnsetType = UNSET
    partition: Count | UnsetType = UNSET
    offset: OffsetText | UnsetType = UNSET
    routed: list[Copy] | UnsetType = UNSET


class PartResults(Struct):
    """What became of the messages of one part, as its destination answers by itself."""

    to: str
    results: list[PartResult]


class TransactAnswer(Struct):
    """Done; with `duplicate` it was done before, under the same `dedup_id`."""

    duplicate: bool
    publish: list[PartResults]
