"""The shapes of samples and marks."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from brokerweb.cluster.marks import LONGEST
from brokerweb.faces.codec.answers import Count, Instant
from brokerweb.faces.codec.json import Strict

Counts = list[Count | None]
Figures = list[float | None]


class Samples(Struct):
    """One figure for each instant, `null` where there is no sample: messages by state at that instant, and how many a second
    came, went for good and failed in the `step` seconds before; `oldest_age` in seconds, 0 where nothing waits.
    """

    step: Literal[10, 60]
    at: list[Instant]
    ready: Counts
    leased: Counts
    dead: Counts
    came: Figures = field(name="in")
    out: Figures
    failed: Figures
    oldest_age: Figures


class QueueSamples(Samples):
    """Those of a queue, with its other states, too."""

    scheduled: Counts
    blocked: Counts


class AllSamples(QueueSamples):
    """Those of all queues, and of streams what was appended and read a second, and what their groups have left."""

    appended: Figures | UnsetType = UNSET
    read: Figures | UnsetType = UNSET
    lag: Counts | UnsetType = UNSET


class GroupSamples(Struct):
    """One figure for each instant, `null` where there is no sample: `lag` in records, and in seconds since the first record that
    is not read was appended; records `read`, and appended (`in`), a second. Of a shared group also those leased and dead.
    """

    step: Literal[10, 60]
    at: list[Instant]
    lag: Counts
    lag_seconds: Figures
    read: Figures
    came: Figures = field(name="in")
    failed: Figures
    leased: Counts
    dead: Counts


class Mark(Struct):
    """Something that happened, by whom, to a queue or stream or, where there is no `target`, to all of the broker."""

    at: Instant
    text: str
    kind: str
    target: str | None
    by: str | None


class MarkList(Struct):
    """The newest marks of a time, the oldest of them first."""

    items: list[Mark]
    next: None  # all of it is one page


class MarkRequest(Strict):
    """What happened; now, unless `at` says when."""

    text: Annotated[str, Meta(min_length=1, max_length=LONGEST)]
    at: Instant | None = None
    target: Annotated[str, Meta(pattern="^(queue|stream|topic):[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}$")] | None = None
