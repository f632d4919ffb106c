"""Searches side by side find what looking at everything finds."""

from __future__ import annotations

from bisect import bisect_left

from hypothesis import given
from hypothesis import strategies as st

from brokerweb.core.edges import Look, Search, Searches

instants = st.integers(0, 40)
rows = st.lists(st.lists(st.tuples(st.integers(1, 3), instants), max_size=30), min_size=1, max_size=4)


def things(drawn: list[tuple[int, int]]) -> list[Look]:
    """Numbers with gaps, and instants that never go back."""
    found, number, at = [], 5, 0
    for gap, later in drawn:
        number, at = number + gap, at + later // 8
        found.append(Look(number, at))
    return found


@given(rows, st.lists(instants, min_size=1, max_size=20).map(sorted))
def test_each_edge_is_where_looking_at_everything_finds_it(drawn: list[list[tuple[int, int]]], edges: list[int]):
    kept = dict(enumerate(map(things, drawn)))
    searches = {key: Search(6, kept[key][-1].number + 1 if kept[key] else 6, edges) for key in kept}

    def look(places):
        seen = {(key, n): next((thing for thing in kept[key] if thing.number >= n), None) for key, n in places}
        return {place: thing for place, thing in seen.items() if thing is not None}

    assert Searches(searches, look).run()
    for key, search in searches.items():
        for edge, number in zip(edges, search.found(), strict=True):
            before = [thing.number for thing in kept[key] if thing.at < edge]
            after = [thing.number for thing in kept[key] if thing.at >= edge]
            assert not before or number > before[-1]
            assert not after or number <= after[0]
            assert search.low <= number <= search.end


def test_what_may_not_be_looked_at_is_guessed_within_what_is_known():
    numbers = list(range(1_000_000))
    search = Search(0, len(numbers), [0, 400_000, 2_000_000])
    looked = []

    def look(places):
        looked.extend(places)
        return {(key, n): Look(n, numbers[n]) for key, n in places}

    assert not Searches({0: search}, look).run(most=64)
    first, middle, last = search.found()
    assert (first, abs(middle - bisect_left(numbers, 400_000)) < 1_000_000 / 64) == (0, True)
    assert last > 980_000
    assert len(looked) == 64
