"""How a queue, a message or a group stands, as it was read: plain values that verdicts are made from, and nothing else is.

Instants are microseconds as the wall names them, all of one moment, ``now``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from brokerweb.answers.verdicts.verdict import seconds_between
from brokerweb.queues.activity import out

ASKED = 20.0  # seconds after which a caller of receive who has not come back is no consumer: as long as one call may wait
SLOW = 60.0  # seconds without a settle, at most, before consumers that are full count as stuck
AHEAD = 10_000  # messages before one are counted exactly up to here


class Consumer(NamedTuple):
    """A subscription, or with ``prefetch`` None a call that waits. ``busy_since``: since when it holds without a settle."""

    client: str
    connection: str | None
    prefetch: int | None
    unsettled: int
    full: bool  # it may have nothing more at present
    settled_at: int | None = None
    busy_since: int | None = None
    rate: float | None = None  # messages a second that it is given


class Paused(NamedTuple):
    by: str
    reason: str
    at: int


class Head(NamedTuple):
    """The head of a key that holds others back: ``held`` of them, the oldest of which waits since ``oldest_at``."""

    id: int
    key: str
    state: str
    failures: int
    since: int
    client: str | None
    held: int
    oldest_at: int | None


class QueueStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A queue; ``group`` is set for the hidden one of a shared consumer group, and ``name`` is then its stream's.

    A struct, since thousands are made at once, and a frozen dataclass takes three times as long for each.
    """

    id: int
    name: str
    now: int
    created_at: int
    group: str | None = None
    lease: float = 30.0
    max_failures: int | None = 10
    keyed: bool = False
    max_length: int | None = None
    refuses: bool = True  # what is beyond ``max_length``
    paused: Paused | None = None
    counts: Mapping[str, int] = {}  # a new one for each, as structs have it
    rates: Mapping[str, float] = {}
    consumers: tuple[Consumer, ...] = ()
    asked_at: int | None = None  # when a caller of receive was last there
    last_consumer_at: int | None = None
    last_consumer: str | None = None
    last_settled_at: int | None = None
    oldest_at: int | None = None  # since when the oldest ready message is ready
    behind_since: int | None = None
    head: Head | None = None

    def count(self, *states: str) -> int:
        total = 0
        for state in states:  # a loop: it is asked of thousands of queues in a row
            total += self.counts.get(state, 0)
        return total

    def rate(self, name: str) -> float:
        return self.rates.get(name, 0.0)

    def age(self, at: int) -> float:
        return seconds_between(at, self.now)

    @property
    def asked(self) -> bool:
        """Whether callers of receive are consumers now: one was there lately, or works on what it was given."""
        if self.asked_at is None:
            return False
        elsewhere = self.count("leased") > sum(consumer.unsettled for consumer in self.consumers)
        return self.age(self.asked_at) < (max(ASKED, self.lease) if elsewhere else ASKED)

    @property
    def attended(self) -> bool:
        """Whether anybody consumes."""
        return bool(self.consumers) or self.asked

    @property
    def full(self) -> bool:
        """Whether everybody who consumes has all that they may hold."""
        return bool(self.consumers) and all(consumer.full for consumer in self.consumers) and not self.asked

    @property
    def silent_since(self) -> int | None:
        """Since when nothing was settled though somebody held something; None while nobody does."""
        busy = [c.busy_since for c in self.consumers if c.busy_since is not None and c.unsettled]
        return max(min(busy), self.last_settled_at or 0) if busy else None

    @property
    def silent(self) -> float | None:
        since = self.silent_since
        return None if since is None else self.age(since)

    @property
    def patience(self) -> float:
        """How long consumers that are full may settle nothing before they count as stuck."""
        return min(self.lease, SLOW)

    @property
    def stuck(self) -> bool:
        return self.full and (self.silent or 0.0) > self.patience

    @property
    def out(self) -> float:
        """Messages that go for good, a second."""
        return max(out(self.rates), 0.0)


class KeyHead(NamedTuple):
    """What a blocked message waits behind."""

    id: int
    state: str
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageStanding:
    """A message of a queue, and what was read for its sake."""

    id: int
    state: str
    due_at: int
    published_at: int | None = None
    attempts: int = 0
    failures: int = 0
    alone: bool = False
    stated: bool = False  # it waits for an instant that somebody named
    expires_at: int | None = None
    key: str | None = None
    reason: str | None = None
    last_error: str | None = None
    leased_at: int | None = None
    extended: int = 0
    client: str | None = None  # who holds it, or held it last
    by: str | None = None
    connection: str | None = None
    redrives: int = 0
    fingerprint: str | None = None
    similar: int | None = None
    ahead: int | None = None  # of it, in its queue or in its key; beyond ``AHEAD`` it says no more than that
    head: KeyHead | None = None


class Share(NamedTuple):
    """What one member, or nobody, has of a group's partitions that have something left to read."""

    member: str | None
    partitions: tuple[int, ...]
    lag: int
    lost: int  # records that retention took before the group read them
    committed_at: int | None
    oldest_at: int | None  # since when the oldest of what is left is there


class Member(NamedTuple):
    id: str
    client: str
    joined_at: int

    @property
    def connection(self) -> str:
        return self.id.split("/")[1] if "/" in self.id else self.id


class Attending(NamedTuple):
    """How a member of a partitioned group gets on."""

    member: Member
    share: Share | None  # where something is left to read
    since: int | None  # where something is left: since when it has committed nothing
    silent: bool = False  # for longer than is allowed
    committed_at: int | None = None  # the last commit in its partitions since it joined, where that was looked up


class Failing(NamedTuple):
    """A record of a shared group that has failed, and is tried again."""

    id: int
    partition: int | None
    offset: int | None
    attempts: int
    failures: int
    since: int
    last_error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupStanding:
    """A consumer group; a shared one has the standing of its ``queue``."""

    stream: str
    name: str
    now: int
    created_at: int
    session_timeout: float = 15.0
    shares: tuple[Share, ...] = ()
    members: tuple[Member, ...] = ()
    appended: float = 0.0  # records a second, into the whole stream
    read: float = 0.0  # and read by the group
    behind_since: int | None = None
    queue: QueueStanding | None = None
    failing: Failing | None = None

    def age(self, at: int) -> float:
        return seconds_between(at, self.now)

    @property
    def shared(self) -> bool:
        return self.queue is not None

    @property
    def lag(self) -> int:
        """Records that nobody has read; of a shared group with those that are not done."""
        unread = sum(share.lag for share in self.shares)
        return unread + (0 if self.queue is None else self.queue.count("ready", "scheduled", "blocked", "leased"))

    @property
    def lost(self) -> int:
        return sum(share.lost for share in self.shares)

    @property
    def oldest_at(self) -> int | None:
        instants = [share.oldest_at for share in self.shares if share.oldest_at is not None]
        if self.queue is not None and self.queue.oldest_at is not None:
            instants.append(self.queue.oldest_at)
        return min(instants, default=None)

    @property
    def committed_at(self) -> int | None:
        """When anything was committed last, of the partitions that have something left."""
        return max((share.committed_at for share in self.shares if share.committed_at is not None), default=None)

    @property
    def attended(self) -> bool:
        """Whether anybody reads in it."""
        if self.queue is not None:
            return self.queue.attended
        committed = self.committed_at  # without members: over REST
        return bool(self.members) or (committed is not None and self.age(committed) < SLOW)

    @property
    def patience(self) -> float:
        """How long a member with records may commit nothing before it counts as silent."""
        return max(self.session_timeout, SLOW)
