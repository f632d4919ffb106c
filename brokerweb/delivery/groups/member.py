"""A member of a partitioned consumer group: a stream subscription whose partitions come and go with the group."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from brokerweb.core.errors import Conflict, NotFound
from brokerweb.delivery.streams.subscription import StreamSubscription
from brokerweb.delivery.streams.tails import Tails
from brokerweb.delivery.verbs import Verbs
from brokerweb.storage.reading import Reads
from brokerweb.streams import membership
from brokerweb.streams.definitions import Definition, load_by_id
from brokerweb.streams.membership import Change, Holdings, Holds

BEATS = 3  # within a session's time


class GroupView(NamedTuple):
    """A group's holdings, and its stream's partitions, as of one moment."""

    holdings: Holdings
    stream: Definition


def view(reads: Reads, group_id: int) -> GroupView:
    """Raises NotFound for a group that is gone, by itself or with its stream."""
    holdings = membership.holdings(reads, group_id)  # first: a partition that is held is then one of the stream's
    stream = None if holdings is None else load_by_id(reads, holdings.stream_id)
    if holdings is None or stream is None:
        raise NotFound("The group was deleted.")
    return GroupView(holdings, stream)


class GroupSubscription(StreamSubscription):
    """``on_change(sub, change, starts)`` says what the member is to be told; ``starts`` is where it begins, by partition number.
    ``on_stop(sub)`` hears that it takes part no more."""

    def __init__(
        self, tails: Tails, sub: str, stream: str, credit: int, *, verbs: Verbs, on_stop: Callable[[GroupSubscription], None]
    ) -> None:
        super().__init__(tails, sub, stream, credit)
        self._verbs, self._on_stop = verbs, on_stop
        self.group, self.group_id, self.member = "", 0, ""
        self.session_timeout = 15.0
        self.generation = 0
        self.on_change: Callable[[GroupSubscription, Change, Mapping[int, int]], None]
        self._holds: Holds = {}
        self._leaving: dict[int, int] = {}  # revoked partitions -> the offset up to which records were sent
        self._beat_at = 0.0

    def update(self, now: GroupView) -> None:
        """Take what the group's assignment says now."""
        holdings = now.holdings
        if self.member not in holdings.members:
            self.ended(self, Conflict("This member is no longer one of the group's: it was silent for too long."))
            return
        if holdings.session_timeout != self.session_timeout:
            # Another time counts from when the group got it: say at once that this member is alive.
            self.session_timeout, self._beat_at = holdings.session_timeout, 0.0
        after = holdings.members[self.member]
        change = membership.changes_for(self.member, self._holds, after)
        raised = holdings.generation != self.generation
        self._holds, self.generation = after, holdings.generation
        self._leaving = {number: sent for number, sent in self._leaving.items() if number in after}
        if change is None:
            if raised:  # what it has is as before, but who commits over REST, or in a transaction, must know the generation
                self.on_change(self, Change(self.member, {}, [], None), {})
            return
        starts = {number: max(offset, now.stream.partitions[number].low) for number, offset in change.assigned.items()}
        for number in change.revoked:
            partition_id = now.stream.partitions[number].id
            place = self.places.get(partition_id)
            self.drop(partition_id)
            if place is not None and number in self._holds:
                self._leaving[number] = place.next
        self._leaving |= dict.fromkeys(change.stale, 0)  # released at once, before any commit the client may still send
        self.on_change(self, change, starts)
        for number, following in starts.items():
            partition = now.stream.partitions[number]
            self._leaving.pop(number, None)
            self.drop(partition.id)
            self.follow(partition.id, number, following, partition.end)
        self._let_go()

    def committed(self, offsets: Mapping[int, int]) -> None:
        """The member has committed these: a revoked partition that is done goes on to its next owner at once."""
        for number, offset in offsets.items():
            hold = self._holds.get(number)
            if hold is not None:
                self._holds[number] = hold._replace(committed=offset)
        self._let_go()

    def _let_go(self) -> None:
        done = [number for number, sent in self._leaving.items() if self._holds[number].committed >= sent]
        for number in done:
            del self._leaving[number]
        if done:
            self._verbs.attempt(membership.release, (self.group_id, self.member, done))

    def beat_due(self) -> bool:
        """Whether it is time to say that this member is alive; once a third of its session's time."""
        now = time.monotonic()
        if now < self._beat_at:
            return False
        self._beat_at = now + self.session_timeout / BEATS
        return True

    def beat_missed(self) -> None:
        """It could not be said: it is time again as soon as it can."""
        self._beat_at = 0.0

    def goodbye(self, verbs: Verbs | None = None) -> None:
        """The member leaves: its partitions are others' at once. One that is lost says nothing, and its session runs out.

        By the ``verbs`` of its session, it does so behind what that has committed.
        """
        (verbs or self._verbs).attempt(membership.leave, (self.group_id, self.member))

    def stop(self) -> None:
        super().stop()
        self._on_stop(self)
