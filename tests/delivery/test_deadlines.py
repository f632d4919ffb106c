"""Deadlines of a subscription's leases: the last word counts, and what is over is not kept."""

from __future__ import annotations

from brokerweb.delivery.queues.deadlines import SLACK, Deadlines


def test_leases_end_in_the_order_of_their_deadlines_and_once():
    held = dict.fromkeys("abc", 1)
    deadlines = Deadlines(held)
    deadlines.add(["a", "b"], 20)
    deadlines.add(["c"], 10)
    assert deadlines.first == 10
    assert deadlines.over(9) == []
    assert deadlines.over(10) == ["c"]
    assert deadlines.over(30) == ["a", "b"]
    assert deadlines.over(30) == []


def test_of_a_lease_extended_again_and_again_the_last_deadline_counts():
    held = dict.fromkeys("ab", 1)
    deadlines = Deadlines(held)
    deadlines.add(["a", "b"], 10)
    deadlines.extend(["a", "a"], 40)
    deadlines.extend(["a"], 20)
    assert deadlines.over(15) == ["b"]
    assert deadlines.over(20) == ["a"]
    assert deadlines.over(40) == []


def test_what_has_been_settled_does_not_end():
    held = dict.fromkeys("ab", 1)
    deadlines = Deadlines(held)
    deadlines.add(["a", "b"], 10)
    deadlines.extend(["a"], 20)
    for receipt in "ab":
        del held[receipt]
        deadlines.forget([receipt])
    assert deadlines.first is None


def test_a_window_that_is_never_empty_keeps_nothing_of_what_went_through_it():
    held = {"old": 1}
    deadlines = Deadlines(held)
    deadlines.add(["old"], 1_000_000)
    for n in range(20 * SLACK):
        held[str(n)] = 1
        deadlines.add([str(n)], 500_000 + n)
        del held[str(n)]
        deadlines.forget([str(n)])
    assert deadlines._listed <= 2 * len(held) + SLACK
    assert deadlines.over(1_000_000) == ["old"]


def test_a_lease_extended_for_ever_is_listed_a_bounded_number_of_times():
    held = {"a": 1}
    deadlines = Deadlines(held)
    deadlines.add(["a"], 10)
    for n in range(20 * SLACK):
        deadlines.extend(["a"], 1_000_000 + n)
    assert deadlines._listed <= 2 * len(held) + SLACK
    assert deadlines.over(2_000_000) == ["a"]
