"""The order of a layered graph: nothing overlaps, ways go from left to right, and no more of them cross than before."""

from __future__ import annotations

import random
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from brokerweb.console.layers import PASSING, Layout, Stop, arrange, crossings

Graph = tuple[list[list[str]], list[tuple[str, str]]]


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    sizes = draw(st.lists(st.integers(1, 7), min_size=1, max_size=5))
    layers = [[f"{n}-{m}" for m in range(size)] for n, size in enumerate(sizes)]
    pairs = [(a, b) for n, left in enumerate(layers) for right in layers[n + 1 :] for a in left for b in right]
    return layers, draw(st.lists(st.sampled_from(pairs), unique=True, max_size=30)) if pairs else []


def order_of(layout: Layout, layers: int) -> list[list[Stop]]:
    stops = sorted(layout.at, key=lambda stop: layout.at[stop][1])
    return [[stop for stop in stops if layout.at[stop][0] == layer] for layer in range(layers)]


def crossed(layout: Layout, layers: int) -> int:
    steps: list[list[tuple[Stop, Stop]]] = [[] for _ in range(layers)]
    for path in layout.ways.values():
        for left, right in pairwise(path):
            steps[layout.at[left][0]].append((left, right))
    return crossings(order_of(layout, layers), steps)


@given(graphs())
def test_every_node_has_a_place_of_its_own_and_every_way_goes_on(graph: Graph):
    layers, ways = graph
    layout = arrange(layers, ways)
    assert {stop.node for stop in layout.at if stop.through is None} == {node for nodes in layers for node in nodes}
    for n, stops in enumerate(order_of(layout, len(layers))):
        assert {stop.node for stop in stops if stop.through is None} == set(layers[n])
        for above, below in pairwise(stops):
            room = sum(0.5 if stop.through is None else PASSING / 2 for stop in (above, below))
            assert layout.at[below][1] - layout.at[above][1] >= room - 1e-9
        assert all(0 < layout.at[stop][1] < layout.height for stop in stops)
    for (source, target), path in layout.ways.items():
        assert (path[0], path[-1]) == (Stop(source), Stop(target))
        assert all(layout.at[right][0] == layout.at[left][0] + 1 for left, right in pairwise(path))


@given(graphs())
def test_it_is_the_same_again(graph: Graph):
    assert arrange(*graph) == arrange(*graph)


def test_what_is_no_knot_is_drawn_without_a_crossing():
    """A tangle of straight ways, and of a tree."""
    chance = random.Random(4)
    left, right = [f"a{n}" for n in range(9)], [f"b{n}" for n in range(9)]
    ways = list(zip(left, right, strict=True))
    chance.shuffle(right)
    assert crossed(arrange([left, right], ways), 2) == 0
    leaves = [f"c{n}" for n in range(12)]
    tree = [("root", f"m{n}") for n in range(4)] + [(f"m{int(leaf[1:]) % 4}", leaf) for leaf in leaves]
    assert crossed(arrange([["root"], [f"m{n}" for n in range(4)], leaves], tree), 3) == 0


def test_a_crossing_is_counted_once_for_each_pair():
    a, b, c, d = (Stop(name) for name in "abcd")
    assert crossings([[a, b], [c, d]], [[(a, d), (b, c)], []]) == 1
    assert crossings([[a, b], [c, d]], [[(a, c), (b, d)], []]) == 0
    assert crossings([[a, b], [c, d]], [[(a, c), (a, d), (b, c), (b, d)], []]) == 1
