"""Verdicts of random groups, against a slow reference that looks at every record, place and member."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokerweb.answers import verdicts
from brokerweb.answers.verdicts import groups, of_group
from brokerweb.core import clock
from brokerweb.core.errors import BrokerError
from brokerweb.identity.principal import broker_itself
from brokerweb.storage.reading import read
from brokerweb.storage.run import perform
from brokerweb.streams import control, engine, membership, positions, retention
from brokerweb.streams import groups as declaring
from brokerweb.streams.models import OFFSET_BITS, ConsumerGroup, GroupPartition, Member, Partition, Record
from brokerweb.streams.records import NewRecord
from tests.answers.examples import examples, undone
from tests.queues.bench import Time

pytestmark = pytest.mark.usefixtures("database")

STEP = st.one_of(
    st.tuples(st.just("append"), st.integers(0, 2), st.integers(1, 4)),
    st.tuples(st.just("append"), st.integers(0, 2), st.integers(1, 4)),
    st.tuples(st.just("join"), st.sampled_from("ab")),
    st.tuples(st.just("leave"), st.sampled_from("ab")),
    st.tuples(st.just("commit"), st.integers(0, 2), st.integers(1, 5)),
    st.tuples(st.just("trim"), st.integers(1, 3)),
    st.tuples(st.just("advance"), st.sampled_from([1.0, 30.0, 55.0, 95.0])),
)


class Place(NamedTuple):
    """A partition as the group has it, by its own records."""

    member: str | None
    unread: list[Record]
    lost: int
    committed_at: int | None


class World:
    """A stream of three partitions, and a group."""

    def __init__(self, time: Time) -> None:
        self.time = time
        perform(control.declare, "events", {"partitions": 3})
        perform(declaring.declare_group, "events", "billing", {"start": "earliest", "session_timeout": 90})
        self.id = ConsumerGroup.objects.get().pk

    def append(self, partition: int, n: int) -> None:
        perform(engine.append, "events", [NewRecord(b"1", partition=partition) for _ in range(n)])

    def join(self, name: str) -> None:
        perform(membership.join, "events", "billing", f"node-1/{name}/1", name=name)

    def leave(self, name: str) -> None:
        perform(membership.leave, self.id, f"node-1/{name}/1")

    def commit(self, partition: int, more: int) -> None:
        place = next(each for each in self.places() if each.partition == partition)
        offset = min(max(place.committed, place.low) + more, place.end)
        with suppress(BrokerError):
            perform(positions.commit, "events", "billing", {partition: offset}, member=place.member)

    def trim(self, kept: int) -> None:
        perform(control.declare, "events", {"retention_records": kept})
        while perform(retention.retain):
            pass
        perform(control.declare, "events", {"retention_records": None})

    def advance(self, seconds: float) -> None:
        self.time.advance(seconds)

    def places(self) -> list[Any]:
        class Row(NamedTuple):
            partition: int
            committed: int
            low: int
            end: int
            member: str | None

        rows = {row.partition_id: row for row in GroupPartition.objects.filter(group_id=self.id)}
        partitions = Partition.objects.order_by("number")
        return [
            Row(p.number, rows[p.pk].committed, p.low_offset, p.next_offset, rows[p.pk].member)
            for p in partitions
            if p.pk in rows
        ]


def reference() -> list[Place]:
    """By partition, what of its records the group has not read."""
    found = []
    for partition in Partition.objects.order_by("number"):
        row = GroupPartition.objects.get(partition_id=partition.pk)
        records = [record for record in Record.objects.order_by("pk") if record.pk >> OFFSET_BITS == partition.pk]
        offsets = {record.pk & (1 << OFFSET_BITS) - 1: record for record in records}
        unread = [record for offset, record in offsets.items() if offset >= row.committed]
        gone = [offset for offset in range(row.committed, partition.next_offset) if offset not in offsets]
        at = None if row.committed_at is None else clock.from_datetime(row.committed_at)
        found.append(Place(row.member, unread, len(gone), at))
    return found


def expected(now: int, places: list[Place]) -> set[str]:
    """The codes that say what stands still."""

    def age(at: int) -> float:
        return (now - at) / clock.SECOND

    members = {member.member: clock.from_datetime(member.joined_at) for member in Member.objects.all()}
    left = [place for place in places if place.unread]
    commits = [place.committed_at for place in places if place.committed_at is not None and (place.unread or place.lost)]
    codes = {"trimmed"} if any(place.lost for place in places) else set()
    if left and not members and not any(age(at) < 60 for at in commits):
        codes.add("no_members")
    if left and members and any(place.member is None for place in left):
        codes.add("unowned")
    for name, joined_at in members.items():
        mine = [place for place in left if place.member == name]
        theirs = [place for place in places if place.member == name and (place.unread or place.lost)]
        oldest = min((clock.from_datetime(record.appended_at) for place in mine for record in place.unread), default=now)
        committed = max((place.committed_at for place in theirs if place.committed_at is not None), default=0)
        if mine and age(max(joined_at, oldest, committed)) > 90:
            codes.add("silent")
    return codes


def test_verdicts_of_groups_are_those_of_a_reference() -> None:
    @examples(250)
    @given(steps=st.lists(STEP, min_size=4, max_size=20))
    def scene(steps: Any) -> None:
        with undone():
            play(steps)


def play(steps: Any) -> None:
    time = Time()
    clock.install(time)
    world = World(time)
    for what, *args in steps:
        getattr(world, what)(*args)
    places = reference()
    one = read(groups.one, read(declaring.find_group, "events", "billing"), None)
    [every] = read(groups.every, read(groups.every_group), {})
    for standing in (one, every):
        assert standing.lag == sum(len(place.unread) for place in places)
        assert standing.lost == sum(place.lost for place in places)
        stamps = [clock.from_datetime(record.appended_at) for place in places for record in place.unread]
        assert standing.oldest_at == min(stamps, default=None)
        codes = of_group.holding(standing)
        moving = {"idle", "flowing", "catching_up", "falling_behind"}
        assert set(codes) - moving == expected(time.now(), places)
    verdict = verdicts.group(broker_itself(), "events", "billing")
    assert [verdict.code, *verdict.facts.get("also", ())] == of_group.holding(one)
