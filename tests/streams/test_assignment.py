"""Partitions are shared evenly, and as few as that allows change hands."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from brokerweb.streams.assignment import assign

MEMBERS = ["a", "b", "c", "d", "e"]


def most_that_can_stay(owners: dict[int, str | None], members: list[str]) -> int:
    """By trying every choice of who gets one more."""
    held = {member: sum(owner == member for owner in owners.values()) for member in members}
    least, more = divmod(len(owners), len(members))
    return max(
        sum(min(held[m], least + (m in lucky)) for m in members) for lucky in combinations(members, more)
    )  # fmt: skip


@settings(deadline=None, derandomize=True, database=None)
@given(
    owners=st.dictionaries(st.integers(0, 30), st.sampled_from([*MEMBERS, None]), max_size=14),
    members=st.lists(st.sampled_from(MEMBERS), min_size=1, unique=True),
)
def test_every_assignment_is_complete_even_and_moves_as_little_as_it_can(owners: dict[int, str | None], members: list[str]):
    target = assign(owners, members)

    assert target.keys() == owners.keys()
    shares = [list(target.values()).count(member) for member in members]
    assert sum(shares) == len(owners)
    assert max(shares) - min(shares) <= 1
    assert sum(target[p] == owners[p] for p in owners) == most_that_can_stay(owners, members)
    assert assign(dict(reversed(owners.items())), members) == target
    assert assign(target, members) == target


def test_without_members_nobody_reads():
    assert assign({0: "a", 1: None}, []) == {0: None, 1: None}


def test_a_newcomer_takes_from_those_who_have_most():
    owners: dict[int, str | None] = {0: "a", 1: "a", 2: "a", 3: "b", 4: "b", 5: "b"}
    assert assign(owners, ["a", "b", "c"]) == {0: "a", 1: "a", 2: "c", 3: "b", 4: "b", 5: "c"}


def test_more_members_than_partitions_leaves_some_idle():
    assert assign({0: None, 1: "b"}, ["a", "b", "c"]) == {0: "a", 1: "b"}


def test_what_was_not_let_go_of_yet_stays_if_there_is_room_and_nothing_else_moves_for_it():
    owners: dict[int, str | None] = {0: "a", 1: "b", 2: "b", 3: None}
    assert assign(owners, ["a", "b"], {3: "a"}) == {0: "a", 1: "b", 2: "b", 3: "a"}
    owners = {0: None, 1: "a", 2: "b"}
    assert assign(owners, ["a", "b", "c"], {0: "a"}) == {0: "c", 1: "a", 2: "b"}
