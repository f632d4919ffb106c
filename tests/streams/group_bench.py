"""A stream, a group on it and a clock for tests of the group verbs: real SQLite, time passed in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from brokerweb.core import clock
from brokerweb.storage.reading import read
from brokerweb.storage.run import perform
from brokerweb.streams import control, engine, group_objects, groups, membership, positions
from brokerweb.streams.groups import Group, Place
from brokerweb.streams.membership import Change, Holds, Joined
from brokerweb.streams.models import OFFSET_BITS, Partition, Record
from brokerweb.streams.positions import Move
from brokerweb.streams.records import NewRecord
from tests.queues.bench import Time


class GroupBench:
    """One group of one stream; every call is a commit of its own."""

    def __init__(self, partitions: int = 1, **settings: Any) -> None:
        self.time = Time()
        clock.install(self.time)
        self.stream, self.name = "events", "billing"
        perform(control.declare, self.stream, {"partitions": partitions})
        self.settings = settings

    def declare(self, **settings: Any) -> Group:
        return perform(groups.declare_group, self.stream, self.name, settings or self.settings)[0]

    def do(self, verb: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return perform(verb, self.stream, self.name, *args, **kwargs)

    # The stream

    def append(self, n: int = 1, partition: int = 0) -> None:
        perform(engine.append, self.stream, [NewRecord(b"1", partition=partition) for _ in range(n)])

    def partition(self, number: int = 0) -> Partition:
        return Partition.objects.get(stream_id=self.group.stream_id, number=number)

    def trim(self, low: int, number: int = 0) -> None:
        """What retention does."""
        partition = self.partition(number)
        first = partition.pk << OFFSET_BITS
        gone, _ = Record.objects.filter(pk__gte=first, pk__lt=first + low).delete()
        Partition.objects.filter(pk=partition.pk).update(low_offset=low, records=partition.records - gone)

    def compact(self, *offsets: int, number: int = 0) -> None:
        """What compaction does: some records are gone, the bounds stay."""
        partition = self.partition(number)
        gone, _ = Record.objects.filter(pk__in=[partition.pk << OFFSET_BITS | offset for offset in offsets]).delete()
        Partition.objects.filter(pk=partition.pk).update(records=partition.records - gone)

    # The group

    @property
    def group(self) -> Group:
        return read(groups.find_group, self.stream, self.name)

    @property
    def places(self) -> list[Place]:
        return read(groups.places, self.group.id)

    @property
    def committed(self) -> list[int]:
        return [place.committed for place in self.places]

    @property
    def owners(self) -> list[str | None]:
        return [place.member for place in self.places]

    @property
    def shown(self) -> dict[str, Any]:
        return read(group_objects.describe, self.stream, self.name)

    def join(self, member: str) -> Joined:
        return self.do(membership.join, member, name=f"client of {member}", address="127.0.0.1")

    def leave(self, member: str) -> list[Change]:
        return perform(membership.leave, self.group.id, member)

    def release(self, member: str, *partitions: int) -> list[Change]:
        return perform(membership.release, self.group.id, member, partitions)

    def beat(self, *members: str) -> list[str]:
        return perform(membership.beat, self.group.id, members)

    def holds(self, member: str) -> Holds | None:
        found = read(membership.holdings, self.group.id)
        return found.members.get(member) if found else None

    def settle_down(self) -> None:
        """Everybody lets go of what is another's."""
        for place in self.places:
            if place.next_owner is not None and place.member is not None:
                self.release(place.member, place.number)

    def wait(self, seconds: float) -> None:
        """Time passes, and the duties run."""
        self.time.advance(seconds)
        perform(membership.expire_members)
        perform(membership.pass_on_due)

    def commit(self, offsets: dict[int, int], **fence: Any) -> None:
        self.do(positions.commit, offsets, **fence)

    def seek(self, to: Any, **options: Any) -> list[Move]:
        return self.do(positions.seek, to, **options)
