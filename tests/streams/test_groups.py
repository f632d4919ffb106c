"""Declare, change, delete, find, list and describe groups."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import pytest

from brokerweb.core import clock
from brokerweb.core.errors import Conflict, Invalid, NotFound
from brokerweb.storage.reading import Reads, read
from brokerweb.storage.run import perform
from brokerweb.storage.transaction import Transaction, transaction
from brokerweb.streams import control, duties, group_objects, groups, membership, positions
from brokerweb.streams.groups import Group
from brokerweb.streams.models import ConsumerGroup, GroupPartition, Member
from tests.streams.group_bench import GroupBench

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def bench() -> GroupBench:
    return GroupBench(partitions=2)


def test_a_new_group_begins_at_the_end(bench: GroupBench):
    bench.declare()
    bench.append(3)
    perform(groups.declare_group, "events", "later", {})
    assert bench.committed == [0, 0]
    assert read(group_objects.describe, "events", "later")["committed"] == {"0": "3", "1": "0"}


def test_or_at_the_oldest_record_there_is(bench: GroupBench):
    bench.declare()
    bench.append(5)
    bench.trim(2)
    perform(groups.declare_group, "events", "all", {"start": "earliest"})
    assert read(group_objects.describe, "events", "all")["committed"] == {"0": "2", "1": "0"}


def test_or_at_an_instant_stepping_over_what_compaction_took(bench: GroupBench):
    bench.declare()
    instants = []
    for _ in range(8):
        bench.append()
        instants.append(bench.time.now())
        bench.time.advance(1)
    bench.compact(3, 4)

    def begins(instant: int) -> int:
        name = f"at{instant}"
        perform(groups.declare_group, "events", name, {"start": clock.rfc3339(instant)})
        return int(read(group_objects.describe, "events", name)["committed"]["0"])

    assert begins(instants[0] - 1) == 0
    assert begins(instants[2]) == 2
    assert begins(instants[2] + 1) in (3, 4, 5)  # the next record is 5; nothing lies between
    assert begins(instants[7]) == 7
    assert begins(instants[7] + 1) == 8


def test_declaring_again_changes_the_settings_named_and_moves_nothing(bench: GroupBench):
    assert bench.do(groups.declare_group, {"session_timeout": 30})[1]
    bench.append(4)
    group, created = bench.do(groups.declare_group, {"start": "earliest"})
    assert not created
    assert (group.session_timeout, group.start) == (30, "earliest")
    assert bench.do(groups.declare_group, {"session_timeout": None})[0].session_timeout == 15
    assert bench.committed == [0, 0]


def test_the_kind_of_a_group_stays(bench: GroupBench):
    bench.declare()
    with pytest.raises(Conflict):
        bench.declare(kind="shared")
    bench.declare(kind="partitioned")


@pytest.mark.parametrize(
    ("settings", "pointer"),
    [
        ({"start": "tomorrow"}, "/start"),
        ({"start": 5}, "/start"),
        ({"start": "2026-01-01T00:00:00"}, "/start"),
        ({"session_timeout": 0}, "/session_timeout"),
        ({"session_timeout": True}, "/session_timeout"),
        ({"kind": "other"}, "/kind"),
        ({"lease": 30}, "/lease"),
        ({"colour": "blue"}, "/colour"),
    ],
)
def test_wrong_settings_are_named(bench: GroupBench, settings: dict[str, Any], pointer: str):
    with pytest.raises(Invalid) as refused:
        bench.do(groups.declare_group, settings)
    assert [error["pointer"] for error in refused.value.extra["errors"]] == [pointer]
    assert not ConsumerGroup.objects.exists()


def test_an_instant_is_kept_in_one_form(bench: GroupBench):
    assert bench.declare(start="2026-11-24T10:30:00+01:00").start == "2026-11-24T09:30:00.000000Z"


def test_what_is_not_there_is_not_found(bench: GroupBench):
    for stream, group in (("events", "billing"), ("none", "billing")):
        with pytest.raises(NotFound):
            read(groups.find_group, stream, group)
        with pytest.raises(NotFound):
            perform(groups.delete_group, stream, group)
    with pytest.raises(NotFound):
        bench.do(groups.declare_group, {}, create=False)
    with pytest.raises(NotFound):
        perform(groups.declare_group, "none", "billing", {})
    with pytest.raises(Invalid):
        perform(groups.declare_group, "events", ".hidden", {})


def test_a_deleted_group_leaves_nothing_and_comes_back_new(bench: GroupBench):
    first = bench.declare(start="earliest")
    bench.join("a")
    bench.append(2)
    bench.commit({0: 2}, member="a")
    with transaction() as tx:
        groups.delete_group(tx, "events", "billing")
        assert first.id in tx.outcome.moved
    assert not GroupPartition.objects.exists()
    assert not Member.objects.exists()
    assert perform(membership.leave, first.id, "a") == []
    assert perform(membership.beat, first.id, ["a"]) == ["a"]
    assert read(membership.holdings, first.id) is None
    assert bench.declare(start="earliest").id > first.id
    assert bench.committed == [0, 0]


def test_partitions_added_later_are_read_from_their_start_and_shared_out(bench: GroupBench):
    bench.declare()
    bench.join("a")
    perform(control.declare, "events", {"partitions": 3})
    bench.append(2, partition=2)
    assert bench.owners == ["a", "a", "a"]
    assert bench.shown["lag"] == 2
    assert bench.holds("a") == {0: (0, 1, None), 1: (0, 1, None), 2: (0, 2, None)}


def test_the_groups_of_a_deleted_stream_go_with_it(bench: GroupBench):
    bench.declare()
    bench.join("a")
    bench.append(2)
    perform(control.delete, "events")
    with pytest.raises(NotFound):
        read(groups.find_group, "events", "billing")
    while perform(duties.sweep_deleted):
        pass
    assert not ConsumerGroup.objects.exists()
    assert not GroupPartition.objects.exists()
    assert not Member.objects.exists()


def test_a_group_as_answers_show_it(bench: GroupBench):
    bench.declare(start="earliest", session_timeout=20)
    joined_at = clock.rfc3339(bench.time.now())
    bench.join("a")
    bench.join("b")
    bench.append(10)
    bench.append(1, partition=1)
    bench.commit({0: 4}, member="a")
    bench.trim(6)
    shown = bench.shown
    until_at = shown["partitions"][1]["until_at"]
    assert shown == {
        "name": "billing",
        "stream": "events",
        "kind": "partitioned",
        "created_at": joined_at,
        "session_timeout": 20,
        "start": "earliest",
        "generation": 2,
        "members": [
            {
                "id": "a",
                "name": "client of a",
                "client": "client of a",
                "address": "127.0.0.1",
                "joined_at": joined_at,
                "partitions": [0, 1],
            },
            {
                "id": "b",
                "name": "client of b",
                "client": "client of b",
                "address": "127.0.0.1",
                "joined_at": joined_at,
                "partitions": [],
            },
        ],
        "assignment": {"0": "a", "1": "a"},
        "committed": {"0": "4", "1": "0"},
        "low": {"0": "6", "1": "0"},
        "end": {"0": "10", "1": "1"},
        "lag": 5,
        "partitions": [
            {"partition": 0, "committed": "4", "low": "6", "end": "10", "lag": 4, "owner": "a", "heir": None, "until_at": None},
            {"partition": 1, "committed": "0", "low": "0", "end": "1", "lag": 1, "owner": "a", "heir": "b", "until_at": until_at},
        ],
        "can_undo": False,
    }
    assert until_at == clock.rfc3339(bench.time.now() + 5 * clock.SECOND)


def test_groups_are_listed_by_name_page_by_page(bench: GroupBench):
    perform(control.declare, "other", {})
    perform(groups.declare_group, "other", "x", {})
    for name in ("c", "a", "B", "d", "e"):
        perform(groups.declare_group, "events", name, {})

    names: list[str] = []
    after = None
    while True:
        page = read(lambda reads: group_objects.list_groups(reads, "events", after=after, limit=2))  # noqa: B023 (called at once)
        names += [item["name"] for item in page.items]
        after = page.next
        if after is None:
            break
    assert names == ["B", "a", "c", "d", "e"]

    page = read(lambda reads: group_objects.list_groups(reads, "events", limit=2))
    with pytest.raises(Invalid):
        read(lambda reads: group_objects.list_groups(reads, "other", after=page.next))
    with pytest.raises(NotFound):
        read(group_objects.list_groups, "none")


class Sharing:
    """Remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []

    def on_create(self, tx: Transaction, group: Group, settings: Mapping[str, Any]) -> int:
        self.asked.append(("create", dict(settings)))
        return 77

    def on_change(self, tx: Transaction, group: Group, settings: Mapping[str, Any]) -> None:
        self.asked.append(("change", dict(settings)))

    def on_delete(self, tx: Transaction, group: Group) -> None:
        self.asked.append(("delete", group.queue_id))

    def hold(self, tx: Transaction, group: Group) -> None:
        """Nobody leases anything here."""

    def on_seek(self, tx: Transaction, group: Group, partitions: Collection[int]) -> None:
        self.asked.append(("seek", group.queue_id))

    def unfinished(self, reads: Reads, group: Group) -> dict[int, int]:
        return {}

    def describe(self, reads: Reads, group: Group, shown: dict[str, Any]) -> dict[str, Any]:
        return {**shown, "lease": 10}

    def lease(self, tx: Transaction, group: Group, limit: int, holder: str, lease: float | None) -> list[Any]:
        return []

    def settle(self, tx: Transaction, group: Group, kinds: Mapping[str, Iterable[Any]]) -> list[Any]:
        return []


@pytest.fixture
def sharing():
    before = groups._shared
    serving = Sharing()
    groups.install_shared(serving)
    yield serving
    groups.install_shared(before)


def test_shared_groups_are_refused_where_nobody_serves_them(bench: GroupBench, sharing: Sharing):
    groups.install_shared(None)
    with pytest.raises(Invalid) as refused:
        bench.declare(kind="shared")
    assert refused.value.extra["errors"][0]["pointer"] == "/kind"
    assert not ConsumerGroup.objects.exists()


def test_shared_groups_are_served_by_who_was_installed_for_them(bench: GroupBench, sharing: Sharing):
    assert bench.declare(kind="shared", lease=10).queue_id == 77
    bench.declare(max_failures=3)
    bench.declare(session_timeout=5)
    assert bench.shown["lease"] == 10
    with pytest.raises(Conflict):
        bench.join("a")
    with pytest.raises(Conflict):
        bench.commit({0: 0})
    bench.seek("earliest")
    bench.do(positions.undo)
    bench.do(groups.delete_group)
    asked = [("create", {"lease": 10}), ("change", {"max_failures": 3}), ("seek", 77), ("seek", 77), ("delete", 77)]
    assert sharing.asked == asked


def test_a_stream_has_a_thousand_groups_at_most_however_they_are_made(bench: GroupBench):
    """A subscription with a new name makes a group: whoever may consume could fill the store."""
    bench.declare()
    kept = [ConsumerGroup(stream_id=bench.group.stream_id, name=f"g{n}", created_at=0) for n in range(groups.MAX_GROUPS - 1)]
    ConsumerGroup.objects.bulk_create(kept)
    for ask in (
        lambda: perform(groups.declare_group, "events", "more", {}),
        lambda: perform(membership.join, "events", "more", "m", name="m"),
    ):
        with pytest.raises(Conflict, match="at most 1000 groups"):
            ask()
    perform(groups.declare_group, "events", "g1", {"session_timeout": 20})
    perform(membership.join, "events", "billing", "m", name="m")
    perform(groups.delete_group, "events", "g1")
    perform(membership.join, "events", "more", "m", name="m")
    assert ConsumerGroup.objects.count() == groups.MAX_GROUPS
