"""Members come, go and die; partitions move one by one, and are never two members'."""

from __future__ import annotations

from typing import Any

import pytest

from brokerweb.core.errors import Conflict, NotFound
from brokerweb.storage.reading import Reads, read
from brokerweb.storage.run import perform
from brokerweb.storage.statements import Statement
from brokerweb.storage.transaction import transaction
from brokerweb.streams import membership, positions
from brokerweb.streams.membership import GRACE, Change, Hold, changes_for
from tests.streams.group_bench import GroupBench

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def bench() -> GroupBench:
    return GroupBench(partitions=4)


def test_joining_an_unknown_group_makes_it_with_the_defaults(bench: GroupBench):
    bench.append(3)
    joined = bench.join("a")
    assert (bench.group.kind, bench.group.start, bench.group.session_timeout) == ("partitioned", "latest", 15)
    assert joined.group_id == bench.group.id
    assert joined.holds == {n: Hold(3 if n == 0 else 0, 1, None) for n in range(4)}


def test_joining_a_group_of_an_unknown_stream_makes_nothing(bench: GroupBench):
    with pytest.raises(NotFound):
        perform(membership.join, "none", "billing", "a", name="a")


def test_the_first_member_has_everything_at_once(bench: GroupBench):
    joined = bench.join("a")
    assert joined.generation == 1
    assert joined.changes == [Change("a", {0: 0, 1: 0, 2: 0, 3: 0}, [], None)]


def test_a_newcomer_waits_until_others_let_go(bench: GroupBench):
    bench.join("a")
    joined = bench.join("b")
    until = bench.time.now() + 5_000_000
    assert joined.changes == [Change("a", {}, [2, 3], until)]
    assert (joined.generation, joined.holds) == (2, {})
    assert bench.owners == ["a"] * 4

    assert bench.release("a", 3) == [Change("b", {3: 0}, [], None)]
    assert bench.owners == ["a", "a", "a", "b"]
    assert bench.group.generation == 3

    bench.wait(GRACE - 0.001)
    assert bench.owners == ["a", "a", "a", "b"]
    bench.wait(0.001)
    assert bench.owners == ["a", "a", "b", "b"]
    assert bench.group.generation == 4


def test_within_its_grace_a_member_commits_what_it_read_and_its_heir_goes_on_there(bench: GroupBench):
    bench.join("a")
    bench.append(5, partition=3)
    bench.join("b")
    bench.commit({3: 5}, member="a", generation=1)
    with pytest.raises(Conflict):
        bench.commit({3: 5}, member="b")
    assert bench.release("a", 2, 3) == [Change("b", {2: 0, 3: 5}, [], None)]
    with pytest.raises(Conflict):
        bench.commit({3: 5}, member="a", generation=1)
    bench.commit({3: 5}, member="b", generation=3)


def test_letting_go_of_what_was_not_revoked_changes_nothing(bench: GroupBench):
    bench.join("a")
    bench.join("b")
    assert bench.release("a", 0, 1) == []
    assert bench.release("b", 2, 3) == []
    assert bench.owners == ["a"] * 4
    assert bench.group.generation == 2


def test_who_leaves_frees_its_partitions_at_once(bench: GroupBench):
    bench.join("a")
    bench.join("b")
    bench.settle_down()
    assert bench.leave("a") == [Change("a", {}, [0, 1], None), Change("b", {0: 0, 1: 0}, [], None)]
    assert bench.owners == ["b"] * 4
    assert bench.leave("a") == []
    bench.leave("b")
    assert bench.owners == [None] * 4
    assert bench.holds("b") is None


def test_when_the_heir_leaves_the_member_begins_anew_where_it_committed(bench: GroupBench):
    bench.join("a")
    bench.join("b")
    assert bench.leave("b") == [Change("a", {2: 0, 3: 0}, [], None)]
    assert bench.owners == ["a"] * 4
    assert bench.release("a", 2) == []  # of the earlier revocation: too late to mean anything
    bench.wait(GRACE)
    assert bench.owners == ["a"] * 4


def test_another_heir_gets_no_longer_to_wait(bench: GroupBench):
    bench.join("a")
    bench.join("b")
    bench.time.advance(3)
    bench.join("c")
    following = [place.next_owner for place in bench.places]
    assert sorted(filter(None, following)) == ["b", "c"]
    bench.wait(GRACE - 3)
    assert [owner or "a" for owner in following] == bench.owners


def test_partitions_move_one_by_one_and_the_rest_is_read_on(bench: GroupBench):
    bench.join("a")
    for member in ("b", "c", "d"):
        before = bench.owners
        bench.join(member)
        bench.settle_down()
        moved = [new for old, new in zip(before, bench.owners, strict=True) if old != new]
        assert moved == [member] * (2 if member == "b" else 1)
    assert sorted(filter(None, bench.owners)) == ["a", "b", "c", "d"]
    bench.join("e")
    assert bench.holds("e") == {}
    before = bench.owners
    bench.leave("b")
    assert ["e" if owner == "b" else owner for owner in before] == bench.owners


def test_a_silent_member_loses_its_partitions_after_its_session(bench: GroupBench):
    bench.declare(session_timeout=10)
    bench.join("a")
    bench.join("b")
    bench.settle_down()
    bench.time.advance(6)
    assert bench.beat("b") == []
    bench.wait(3.999)
    assert bench.owners == ["a", "a", "b", "b"]
    bench.wait(0.001)
    assert bench.owners == ["b"] * 4
    assert bench.beat("a", "b") == ["a"]
    with pytest.raises(Conflict):
        bench.commit({0: 0}, member="a")


def test_joining_again_keeps_what_one_has(bench: GroupBench):
    bench.join("a")
    again = bench.join("a")
    assert (again.generation, again.changes) == (1, [])
    assert again.holds.keys() == {0, 1, 2, 3}
    assert len(bench.shown["members"]) == 1


def test_at_a_start_there_are_no_members(bench: GroupBench):
    bench.join("a")
    bench.join("b")
    assert perform(membership.forget_members) == 1
    assert perform(membership.forget_members) == 0
    assert bench.owners == [None] * 4
    assert bench.shown["members"] == []
    assert bench.join("c").holds.keys() == {0, 1, 2, 3}


def test_the_duties_know_when_they_are_needed(bench: GroupBench):
    assert perform(membership.next_work) is None
    bench.join("a")
    now = bench.time.now()
    assert perform(membership.next_work) == now + 15_000_000
    with transaction() as tx:
        joined = membership.join(tx, "events", "billing", "b", name="b")
        assert tx.outcome.moved == {joined.group_id}
        assert tx.outcome.due_at == now + 5_000_000
    assert perform(membership.next_work) == now + 5_000_000


def test_what_members_have_is_read_as_they_are_told_it(bench: GroupBench):
    """Whoever misses changes, and compares what it told with what is now, tells the same in the end."""
    bench.join("a")
    known = {"a": bench.holds("a") or {}, "b": {}}
    bench.join("b")
    revoked = changes_for("a", known["a"], bench.holds("a") or {})
    assert revoked == Change("a", {}, [2, 3], bench.time.now() + 5_000_000)
    known["a"] = bench.holds("a") or {}
    bench.settle_down()
    assert changes_for("a", known["a"], bench.holds("a") or {}) is None
    assert changes_for("b", {}, bench.holds("b") or {}) == Change("b", {2: 0, 3: 0}, [], None)
    bench.leave("a")
    assert changes_for("b", bench.holds("b") or {}, bench.holds("b") or {}) is None
    holdings = read(membership.holdings, bench.group.id)
    assert holdings is not None
    assert list(holdings.members) == ["b"]


def test_what_members_have_is_of_one_moment(bench: GroupBench):
    class Meanwhile(Reads):
        """Reads during which another member comes."""

        def rows(self, statement: Statement, *args: Any) -> list[tuple[Any, ...]]:
            found = super().rows(statement, *args)
            if "b" not in bench.owners:
                bench.leave("a")
                bench.join("b")
            return found

    bench.join("a")
    holdings = read(lambda reads: membership.holdings(Meanwhile(reads.raw, reads.dialect), bench.group.id))
    assert holdings == read(membership.holdings, bench.group.id)
    assert holdings is not None
    assert {hold.generation for hold in holdings.members["b"].values()} == {holdings.generation}


def test_who_hears_of_a_seek_and_a_revocation_at_once_must_let_go_at_once(bench: GroupBench):
    """What it read was before the seek, and with the generation it has just heard of it could be committed."""
    bench.append(5, partition=3)
    bench.join("a")
    known = bench.holds("a") or {}
    perform(positions.seek, "events", "billing", {"3": 0})
    bench.join("b")
    change = changes_for("a", known, bench.holds("a") or {})
    assert change == Change("a", {}, [2, 3], bench.time.now() + 5_000_000, (3,))
    bench.release("a", *change.stale)
    with pytest.raises(Conflict):
        bench.commit({3: 5}, member="a", generation=bench.group.generation)
