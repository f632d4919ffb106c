"""Commit, seek and undo."""

from __future__ import annotations

from typing import Any

import pytest

from brokerweb.core import clock
from brokerweb.core.errors import Conflict, Invalid, NotFound, OffsetOutOfRange
from brokerweb.storage.reading import read
from brokerweb.storage.run import perform
from brokerweb.storage.transaction import transaction
from brokerweb.streams import control, groups, positions
from brokerweb.streams.membership import changes_for
from brokerweb.streams.positions import Move, parse_offsets
from tests.streams.group_bench import GroupBench

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def bench() -> GroupBench:
    """Two partitions with 10 and 4 records, and a group at their start."""
    bench = GroupBench(partitions=2, start="earliest")
    bench.declare()
    bench.append(10)
    bench.append(4, partition=1)
    return bench


# Commit


def test_without_members_anybody_commits(bench: GroupBench):
    bench.commit({0: 3, 1: 4})
    bench.commit({0: 3})
    assert bench.committed == [3, 4]


def test_a_commit_goes_forward_only(bench: GroupBench):
    bench.commit({0: 3})
    with pytest.raises(Conflict) as refused:
        bench.commit({0: 2})
    assert refused.value.extra["committed"] == "3"
    assert bench.committed == [3, 0]


def test_nothing_is_committed_that_is_not_there(bench: GroupBench):
    with pytest.raises(OffsetOutOfRange) as refused:
        bench.commit({1: 5})
    assert refused.value.extra == {"partition": 1, "low": "0", "end": "4"}


def test_a_commit_is_all_or_nothing(bench: GroupBench):
    for wrong in ({0: 3, 1: 5}, {1: 2, 0: 11}, {0: 1, 7: 0}):
        with transaction() as tx:
            with pytest.raises((OffsetOutOfRange, Invalid)):
                positions.commit(tx, "events", "billing", wrong)
            assert tx.writes == 0
    assert bench.committed == [0, 0]


def test_while_there_are_members_the_generation_is_needed(bench: GroupBench):
    bench.join("a")
    for generation in (None, 0, 2):
        with pytest.raises(Conflict) as refused:
            bench.commit({0: 1}, generation=generation)
        assert refused.value.extra == {"generation": 1}
    bench.commit({0: 1}, generation=1)
    bench.join("b")
    with pytest.raises(Conflict):
        bench.commit({0: 2}, generation=1)
    bench.leave("a")
    bench.leave("b")
    bench.commit({0: 2})
    with pytest.raises(Conflict):
        bench.commit({0: 3}, generation=1)
    assert bench.committed == [2, 0]


def test_a_member_commits_what_it_holds_only(bench: GroupBench):
    bench.join("a")
    bench.join("b")
    bench.settle_down()
    bench.commit({0: 1}, member="a")
    bench.commit({1: 1}, member="b")
    for member, offsets in (("a", {1: 2}), ("b", {0: 2, 1: 2}), ("nobody", {0: 2})):
        with pytest.raises(Conflict):
            bench.commit(offsets, member=member)
    assert bench.committed == [1, 1]


def test_a_member_that_was_replaced_and_came_back_must_have_been_told(bench: GroupBench):
    bench.join("a")
    bench.leave("a")
    bench.join("b")
    bench.leave("b")
    bench.join("a")
    generation = bench.group.generation
    with pytest.raises(Conflict):
        bench.commit({0: 1}, member="a", generation=1)
    bench.commit({0: 1}, member="a", generation=generation)


def test_retention_may_pass_by_and_the_commit_still_counts(bench: GroupBench):
    bench.trim(6)
    assert bench.shown["lag"] == 4 + 4
    bench.commit({0: 2})
    assert bench.committed == [2, 0]


@pytest.mark.parametrize(
    "value", [None, [], {}, {"0": True}, {"0": "4.0"}, {"0": -1}, {"0": 4.0}, {"x": 1}, {"00": 1}, {"0": "9" * 30}, {"-1": 1}]
)
def test_offsets_are_texts_or_integers_by_partition(value: Any):
    with pytest.raises(Invalid):
        parse_offsets(value)
    assert parse_offsets({"0": "18", "11": 5}) == {0: 18, 11: 5}


# Seek


def test_seek_to_either_end(bench: GroupBench):
    bench.commit({0: 3})
    bench.trim(2)
    assert bench.seek("latest") == [Move(0, 3, 10, 7), Move(1, 0, 4, 4)]
    assert bench.seek("earliest") == [Move(0, 10, 2, 8), Move(1, 4, 0, 4)]
    assert bench.committed == [2, 0]


def test_seek_to_an_instant(bench: GroupBench):
    bench.time.advance(10)
    at = clock.rfc3339(bench.time.now())
    bench.append(2)
    assert bench.seek(at) == [Move(0, 0, 10, 10), Move(1, 0, 4, 4)]


def test_seek_by_offsets_and_by_shift_stays_within_the_stream(bench: GroupBench):
    bench.trim(2)
    assert bench.seek({"0": "5"}) == [Move(0, 0, 5, 3)]
    assert bench.seek({0: 1, 1: 99}) == [Move(0, 5, 2, 3), Move(1, 0, 4, 4)]
    assert bench.seek({"shift": 3}) == [Move(0, 2, 5, 3), Move(1, 4, 4, 0)]
    assert bench.seek({"shift": -100}) == [Move(0, 5, 2, 3), Move(1, 4, 0, 4)]


def test_seek_to_where_another_group_is(bench: GroupBench):
    perform(groups.declare_group, "events", "mailing", {"start": "latest"})
    perform(positions.seek, "events", "mailing", {"0": "7"})
    assert bench.seek({"group": "mailing"}) == [Move(0, 0, 7, 7), Move(1, 0, 4, 4)]
    perform(positions.seek, "events", "mailing", "earliest")
    assert bench.committed == [7, 4], "it was copied once"


def test_records_are_counted_where_compaction_left_gaps(bench: GroupBench):
    bench.compact(1, 2, 3)
    bench.trim(2, number=1)
    expected = [Move(0, 0, 10, 7), Move(1, 0, 4, 2)]
    assert read(positions.preview, "events", "billing", "latest") == expected
    moves = bench.seek("latest")
    assert moves == [expected[0]._replace(records=None), expected[1]], "nothing is counted in a commit"
    assert read(positions.counted, "events", moves) == expected
    assert read(positions.counted, "events", bench.do(positions.undo)) == [Move(0, 10, 0, 7), Move(1, 4, 2, 2)]


def test_what_was_deleted_before_it_was_counted_has_no_records(bench: GroupBench):
    bench.compact(1, 2, 3)
    moves = bench.seek({"0": 5})
    perform(control.delete, "events")
    assert read(positions.counted, "events", moves) == [Move(0, 0, 5, 0)]


def test_a_dry_run_says_the_same_and_does_nothing(bench: GroupBench):
    expected = bench.seek("latest", dry_run=True)
    assert read(positions.preview, "events", "billing", "latest") == expected
    assert (bench.committed, bench.group.generation, bench.shown["can_undo"]) == ([0, 0], 0, False)
    assert bench.seek("latest") == expected


@pytest.mark.parametrize(
    ("to", "pointer"),
    [
        (None, "/to"),
        ("soon", "/to"),
        (5, "/to"),
        ({}, "/to"),
        ({"0": -1}, "/to/0"),
        ({"7": 1}, "/to/7"),
        ({"shift": "3"}, "/to/shift"),
        ({"shift": True}, "/to/shift"),
        ({"shift": 1, "0": 5}, "/to/shift"),
        ({"group": "nobody"}, "/to/group"),
        ({"group": 1}, "/to/group"),
        ({"group": "billing", "0": 5}, "/to/group"),
    ],
)
def test_wrong_places_to_go_are_named(bench: GroupBench, to: Any, pointer: str):
    with pytest.raises(Invalid) as refused:
        bench.seek(to)
    assert refused.value.extra["errors"][0]["pointer"] == pointer
    assert bench.group.generation == 0


def test_running_members_are_told_and_what_they_read_before_counts_no_more(bench: GroupBench):
    bench.join("a")
    known = bench.holds("a") or {}
    bench.commit({0: 5}, member="a", generation=1)
    assert changes_for("a", known, bench.holds("a") or {}) is None  # a commit is no news to who made it
    with transaction() as tx:
        positions.seek(tx, "events", "billing", {"0": 2})
        assert tx.outcome.moved == {bench.group.id}
    change = changes_for("a", known, bench.holds("a") or {})
    assert change is not None
    assert (change.assigned, change.revoked) == ({0: 2}, [])
    with pytest.raises(Conflict):
        bench.commit({0: 7}, member="a", generation=1)
    bench.commit({1: 2}, member="a", generation=1)
    bench.commit({0: 3}, member="a", generation=2)
    assert bench.committed == [3, 2]


def test_a_seek_ends_the_grace_of_who_was_to_let_go(bench: GroupBench):
    """What it read before the seek counts no more, whatever it has been told since."""
    bench.join("a")
    bench.join("b")
    bench.seek("latest")
    assert bench.owners == ["a", "b"]
    generation = bench.group.generation
    bench.seek("earliest")
    with pytest.raises(Conflict):
        bench.commit({1: 4}, member="a", generation=generation + 1)
    with pytest.raises(Conflict):
        bench.commit({1: 4}, member="b", generation=generation)
    bench.commit({1: 1}, member="b", generation=generation + 1)


# Undo


def test_undo_goes_back_one_seek_even_when_work_went_on_since(bench: GroupBench):
    bench.commit({0: 8})
    bench.seek("earliest")
    assert bench.shown["can_undo"]
    bench.commit({0: 3})
    assert bench.do(positions.undo) == [Move(0, 3, 8, 5), Move(1, 0, 0, 0)]
    assert bench.committed == [8, 0]
    with pytest.raises(Conflict):
        bench.do(positions.undo)


def test_only_the_last_seek_is_taken_back(bench: GroupBench):
    bench.seek("latest")
    bench.seek({"1": 1})
    assert bench.do(positions.undo) == [Move(1, 1, 4, 3)]
    assert bench.committed == [10, 4]
    with pytest.raises(Conflict):
        bench.do(positions.undo)


def test_undo_ends_where_retention_has_come_to(bench: GroupBench):
    bench.seek("latest")
    bench.trim(6)
    bench.do(positions.undo)
    assert bench.committed == [6, 0]


def test_without_a_group_there_is_nothing_to_move(bench: GroupBench):
    bench.name = "none"
    for verb in (lambda: bench.seek("latest"), lambda: bench.do(positions.undo), lambda: bench.commit({0: 1})):
        with pytest.raises(NotFound):
            verb()
