"""The shapes of the topology."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

from brokerweb.faces.codec.answers import Count, Instant
from brokerweb.faces.rest.shapes import Rates
from brokerweb.faces.rest.stream_shapes import StreamRates
from brokerweb.faces.rest.topic_shapes import TopicRates


class PublishedRate(Struct):
    """Messages a second over the last ten."""

    published: float


class Publisher(Struct):
    """A token, a person, or code of the project, that published within seven days. `last_seen_at` is right to the hour."""

    id: str
    name: str
    kind: Literal["token", "user", "code"]
    last_seen_at: Instant
    rates: PublishedRate


class Bound(Struct):
    """A binding."""

    pattern: str
    to: str


class TopicNode(Struct):
    """A topic with its bindings, of them those that lead to what the caller may browse."""

    id: str
    name: str
    rates: TopicRates
    bindings: list[Bound]


class QueueNode(Struct):
    """A queue. `verdict` is its code; `stands`: it holds messages, and nobody takes any."""

    id: str
    name: str
    rates: Rates
    ready: Count
    scheduled: Count
    blocked: Count
    leased: Count
    dead: Count
    verdict: str
    stands: bool


class StreamNode(Struct):
    """A stream."""

    id: str
    name: str
    rates: StreamRates


class ReadRate(Struct):
    """Records read a second over the last ten."""

    read: float


class GroupNode(Struct):
    """A consumer group, by the name `STREAM/GROUP`. `verdict` is its code; `stands`: it has records left, and reads none."""

    id: str
    name: str
    stream: str
    group: str
    kind: Literal["partitioned", "shared"]
    rates: ReadRate
    lag: Count
    verdict: str
    stands: bool


class TakenRate(Struct):
    """Messages taken a second; `null` where others take of the same, too: nobody counts them one by one."""

    taken: float | None


class ConsumerNode(Struct):
    """A client that consumes now, by the name that it gives itself, however many connections it has."""

    id: str
    name: str
    unsettled: Count
    rates: TakenRate


class Way(Struct):
    """What leads from one to another, by their ids, or `more:KINDS` for those that are not shown: messages a second, `null` where
    that is not known; and some of the bindings' patterns.
    """

    source: str = field(name="from")
    target: str = field(name="to")
    rate: float | None
    patterns: list[str]


class More(Struct):
    """How many of each kind are not shown."""

    publishers: Count
    topics: Count
    queues: Count
    streams: Count
    groups: Count
    consumers: Count


class Topology(Struct):
    """Where messages go."""

    publishers: list[Publisher]
    topics: list[TopicNode]
    queues: list[QueueNode]
    streams: list[StreamNode]
    groups: list[GroupNode]
    consumers: list[ConsumerNode]
    edges: list[Way]
    more: More
    around: str | None
