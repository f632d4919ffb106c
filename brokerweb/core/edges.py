"""Where instants lie in a row of numbered things whose instants never go back: binary searches side by side.

Who has the things looks at several of them in one statement; a round of looks takes every search a step further.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

K = TypeVar("K")
MOST_LOOKS = 10_000  # for one answer
FIRST_LOOKS = 4_096  # of them, spread evenly, which all searches of a row share
FEWEST, MOST = 4, 64  # of those, in one row


class Look(NamedTuple):
    """The first thing from a number on: its own number, and its instant."""

    number: int
    at: int


class Search:
    """Of one row, for each edge the first number whose instant is the edge or later; ``end`` where there is none."""

    def __init__(self, low: int, end: int, edges: Sequence[int]) -> None:
        self.low, self.end, self.edges = low, end, edges
        self.lows, self.highs = [low] * len(edges), [end] * len(edges)

    def spread(self, n: int) -> set[int]:
        """Numbers to look at first."""
        there = self.end - self.low
        return {self.low + there * part // n for part in range(n)} if there > 0 else set()

    def middles(self) -> set[int]:
        """Numbers to look at next; none when all is found."""
        return {(low + high) // 2 for low, high in zip(self.lows, self.highs, strict=True) if low < high}

    def learn(self, number: int, look: Look | None) -> None:
        """Edges up to the instant of what was seen from a number on lie there or before, the others behind it."""
        split = len(self.edges) if look is None else bisect_right(self.edges, look.at)
        n = split
        while n and self.highs[n - 1] > number:
            n -= 1
            self.highs[n] = number
        n = split
        while look is not None and n < len(self.lows) and self.lows[n] <= look.number:
            self.lows[n] = look.number + 1
            n += 1

    def found(self) -> list[int]:
        """What is known; of what is not, the middle of where it must lie."""
        return [(low + high) // 2 for low, high in zip(self.lows, self.highs, strict=True)]


class Searches(Generic[K]):
    """Searches of several rows by their keys; ``look`` says of each of (key, number) what is seen from there on."""

    def __init__(self, rows: Mapping[K, Search], look: Callable[[Sequence[tuple[K, int]]], Mapping[tuple[K, int], Look]]) -> None:
        self.rows, self.look = rows, look

    def run(self, most: int = MOST_LOOKS) -> bool:
        """Look until all is found, or at so many; whether all is."""
        share, looked = max(FEWEST, min(MOST, FIRST_LOOKS // max(1, len(self.rows)))), 0
        places = [(key, number) for key, row in self.rows.items() for number in row.spread(share)]
        while places and looked < most:
            looked += len(places)
            seen = self.look(places)
            for key, number in places:
                self.rows[key].learn(number, seen.get((key, number)))
            places = [(key, number) for key, row in self.rows.items() for number in row.middles()]
        return not places
