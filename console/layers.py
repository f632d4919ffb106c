"""A graph in layers, from left to right, with few crossings: in which order the nodes of a layer stand, and how high.

Ways that pass a layer have a place in it, too. Layer by layer, forth and back, each is put at the middle of what it leads to, as
long as that makes fewer crossings (Sugiyama, Tagawa and Toda 1981).
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

ROUNDS = 12  # forth and back
PASSING = 0.4  # of a node's height, that what only passes needs

Way = tuple[str, str]


class Stop(NamedTuple):
    """A node, or where a way passes a layer."""

    node: str
    through: str | None = None  # where the way leads that passes here


class Layout(NamedTuple):
    """The layer of each stop, and how many nodes' heights above its middle there are; and of each way where it passes."""

    at: Mapping[Stop, tuple[int, float]]
    ways: Mapping[Way, Sequence[Stop]]
    height: float


Order = list[list[Stop]]


def arrange(layers: Sequence[Sequence[str]], ways: Sequence[Way]) -> Layout:
    """Where each node stands. Ways lead from one layer to a later one."""
    layer_of = {node: n for n, nodes in enumerate(layers) for node in nodes}
    paths = {way: _path(way, layer_of) for way in ways}
    order: Order = [[Stop(node) for node in nodes] for nodes in layers]
    for way, path in paths.items():
        for n, stop in enumerate(path[1:-1], layer_of[way[0]] + 1):
            order[n].append(stop)
    steps: list[list[tuple[Stop, Stop]]] = [[] for _ in layers]
    for way, path in paths.items():
        for n, step in enumerate(pairwise(path), layer_of[way[0]]):
            steps[n].append(step)
    return _placed(_untangled(order, steps), paths)


def _path(way: Way, layer_of: Mapping[str, int]) -> list[Stop]:
    source, target = way
    between = range(layer_of[source] + 1, layer_of[target])
    return [Stop(source), *(Stop(f"{source}\n{n}", target) for n in between), Stop(target)]


def _untangled(order: Order, steps: Sequence[Sequence[tuple[Stop, Stop]]]) -> Order:
    """The order with the fewest crossings of those that were tried."""
    best, fewest = order, crossings(order, steps)
    for n in range(ROUNDS):
        if not fewest:
            break
        order = _swept(order, steps, forth=n % 2 == 0)
        if (found := crossings(order, steps)) < fewest:
            best, fewest = order, found
    return best


def _swept(order: Order, steps: Sequence[Sequence[tuple[Stop, Stop]]], *, forth: bool) -> Order:
    """Each layer sorted by the middle of what its stops come from, or lead to."""
    swept = list(order)
    for n in range(1, len(order)) if forth else range(len(order) - 2, -1, -1):
        before = n - 1 if forth else n + 1
        places = {stop: place for place, stop in enumerate(swept[before])}
        near: defaultdict[Stop, list[int]] = defaultdict(list)
        for left, right in steps[min(n, before)]:
            here, there = (right, left) if forth else (left, right)
            near[here].append(places[there])
        share = len(swept[before]) / max(1, len(swept[n]))
        middles = {stop: sum(near[stop]) / len(near[stop]) if near[stop] else at * share for at, stop in enumerate(swept[n])}
        swept[n] = sorted(swept[n], key=middles.__getitem__)
    return swept


def crossings(order: Order, steps: Sequence[Sequence[tuple[Stop, Stop]]]) -> int:
    """How often ways cross between neighbouring layers."""
    total = 0
    for n, between in enumerate(steps[: len(order) - 1]):
        lefts, rights = ({stop: at for at, stop in enumerate(order[m])} for m in (n, n + 1))
        ends: list[int] = []
        for _, right in sorted((lefts[left], rights[right]) for left, right in between):
            total += len(ends) - bisect_right(ends, right)
            insort(ends, right)
    return total


def _placed(order: Order, ways: Mapping[Way, Sequence[Stop]]) -> Layout:
    """Each layer in the middle of the height that the highest needs."""
    heights = [sum(_height(stop) for stop in stops) for stops in order]
    height = max(heights, default=0.0)
    at: dict[Stop, tuple[int, float]] = {}
    for n, stops in enumerate(order):
        y = (height - heights[n]) / 2
        for stop in stops:
            at[stop] = n, y + _height(stop) / 2
            y += _height(stop)
    return Layout(at, ways, height)


def _height(stop: Stop) -> float:
    return 1.0 if stop.through is None else PASSING
