"""The shapes of streams, records and consumer groups."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from brokerweb.faces.codec.answers import ByPartition, Count, Instant, Message, OffsetText, Verdict
from brokerweb.faces.codec.json import Strict
from brokerweb.faces.rest.setting_shapes import asked, shown
from brokerweb.faces.rest.shapes import Backoff, BackoffSettings, Counts, Name, Named, Rate
from brokerweb.queues.settings import SETTINGS as QUEUE_SETTINGS
from brokerweb.streams.group_settings import OF_SHARED
from brokerweb.streams.group_settings import SETTINGS as GROUP_SETTINGS
from brokerweb.streams.settings import PARTITIONS, SETTINGS

# Streams


_Settings: Any = asked(SETTINGS)


class StreamSettings(_Settings):
    """The settings to change; `null` puts one back to its default. `partitions` may grow, not shrink."""


class StreamRates(Struct):
    """Records per second over the last ten seconds: appended, and taken by retention and by compaction."""

    appended: float
    trimmed: float
    compacted: float


class _Named(Named):
    partitions: Annotated[int, Meta(ge=1)]


_Stream: Any = shown(_Named, {name: setting for name, setting in SETTINGS.items() if name != PARTITIONS})


class Stream(_Stream):
    """A stream: its settings, and by partition the oldest offset there is, the next one, how many records and bytes."""

    low: ByPartition
    end: ByPartition
    records: dict[str, Count]
    bytes: dict[str, Count]
    rates: StreamRates


class StreamList(Struct):
    """A page of streams by name."""

    items: list[Stream]
    next: str | None


# Records


# Consumer groups


_OF_SHARED = {name: QUEUE_SETTINGS.get(name, BackoffSettings) for name in OF_SHARED}
_GroupSettings: Any = asked(GROUP_SETTINGS | _OF_SHARED)


class GroupSettings(_GroupSettings):
    """The settings to change. `start` is where a new group begins: `latest`, `earliest` or an instant; `kind` never changes.

    `lease`, `max_failures` and `backoff` are for shared groups.
    """


class Member(Struct):
    """Who reads in the group, and which partitions it has.

    `silent_since_at`: it has records to read, and has committed nothing since; `silent`: that is longer than its verdict allows.
    """

    id: str
    name: str
    client: str
    address: str
    joined_at: Instant
    partitions: list[Count]
    lag: Count | UnsetType = UNSET  # these are of one group, not of lists
    last_commit_at: Instant | UnsetType | None = UNSET
    silent_since_at: Instant | UnsetType | None = UNSET
    silent: bool | UnsetType = UNSET


class GroupPlace(Struct):
    """The group's position in one partition. While it changes hands, `heir` has it after `until_at`."""

    partition: Count
    committed: OffsetText
    low: OffsetText
    end: OffsetText
    lag: Count
    owner: str | None
    heir: str | None
    until_at: Instant | None


class Group(Struct):
    """A consumer group. Every position is the next offset to read."""

    name: Name
    stream: Name
    kind: Literal["partitioned", "shared"]
    created_at: Instant
    session_timeout: float
    start: str
    generation: Count
    members: list[Member]
    assignment: dict[str, str | None]
    committed: ByPartition
    low: ByPartition
    end: ByPartition
    lag: Count
    partitions: list[GroupPlace]
    can_undo: bool
    lease: float | UnsetType = UNSET  # these are of shared groups
    max_failures: int | UnsetType | None = UNSET
    backoff: Backoff | UnsetType = UNSET
    counts: Counts | UnsetType = UNSET
    verdict: Verdict | UnsetType = UNSET


class DeadRecord(Message, kw_only=True):
    """A copy of a record that a shared group could not handle, and where that is, or was."""

    partition: Count | None
    offset: OffsetText | None


class DeadList(Struct):
    """A page of dead records by id."""

    items: list[DeadRecord]
    next: str | None
    scanned: Count | UnsetType = UNSET  # these two where it is by what messages hold
    exhausted: bool | UnsetType = UNSET


class RedriveDead(Strict):
    """Which dead records to put back: all, or those of the `filter` (`key` or `ids`)."""

    filter: dict[str, Any] = {}
    dry_run: bool = False
    rate: Rate | None = None


class GroupList(Struct):
    """A page of groups by name."""

    items: list[Group]
    next: str | None


class SeekRequest(Strict):
    """Where to go: `earliest`, `latest`, an instant, offsets by partition, `{"shift": n}`, or `{"group": "name"}`."""

    to: Any
    dry_run: bool = False


class Moved(Struct, rename={"origin": "from"}):
    """A partition's position before and after, and how many records lie between."""

    partition: Count
    origin: OffsetText
    to: OffsetText
    records: Count


class SeekAnswer(Struct):
    """What the group's positions were and are, or would be."""

    partitions: list[Moved]
