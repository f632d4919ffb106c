"""The map: its picture is the topology it was drawn of, its table has the same ways, and nobody sees what they may not know."""

from __future__ import annotations

import re
from itertools import product
from typing import Any
from xml.etree import ElementTree

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from brokerweb.answers.topology import CONSUMER, GROUP, PUBLISHER, QUEUE, STREAM, TOPIC, Edge, Node, Topology, more_of, related
from brokerweb.cluster import sources
from brokerweb.console import flows
from brokerweb.queues.models import Queue
from brokerweb.routing import topics
from brokerweb.routing.models import Topic
from brokerweb.storage.run import perform
from tests.console.conftest import declare, declare_group, declare_stream, person, text

MOST = 6_000  # bytes of a picture
NEXT = {(PUBLISHER, TOPIC), (PUBLISHER, QUEUE), (PUBLISHER, STREAM), (TOPIC, QUEUE), (TOPIC, STREAM), (STREAM, GROUP)}
NEXT |= {(QUEUE, CONSUMER), (GROUP, CONSUMER), (STREAM, CONSUMER)}
FACTS: dict[str, Any] = {"rates": {"taken": None}, "kind": "token", "group": "g"}


def node(kind: str, name: str, **of: Any) -> Node:
    return Node(kind, name, facts={**FACTS, "group": name.rpartition("/")[2]}, **of)


@st.composite
def topologies(draw: st.DrawFn) -> Topology:
    names = st.sampled_from(["orders", "events", "a" * 40, "x<script>&\"'"])
    nodes: dict[str, Node] = {}
    for kind, n in product((PUBLISHER, TOPIC, QUEUE, STREAM, GROUP, CONSUMER), range(draw(st.integers(1, 4)))):
        name = re.sub("[^a-z]", "", draw(names)) + str(n) if kind in (TOPIC, QUEUE, STREAM, GROUP) else f"{draw(names)}{n}"
        made = node(kind, f"s/{name}" if kind == GROUP else name, flow=draw(st.floats(0, 5_000)), stands=draw(st.booleans()))
        nodes[made.id] = made
    pairs = [(a, b) for a, b in product(nodes.values(), repeat=2) if (a.kind, b.kind) in NEXT]
    chosen = draw(st.lists(st.sampled_from(pairs), unique_by=lambda pair: (pair[0].id, pair[1].id), max_size=20))
    rates = st.none() | st.sampled_from([0.0, 0.5, 5.0, 50.0, 500.0, 5_000.0])
    return Topology(nodes, [Edge(a.id, b.id, draw(rates)) for a, b in chosen], {})


def parsed(found: flows.Map) -> ElementTree.Element:
    return ElementTree.fromstring(found.svg)


def boxes(svg: ElementTree.Element) -> dict[tuple[int, int], ElementTree.Element]:
    """What stands in the picture, by the corner it begins at."""
    found = {}
    for each in [*svg.iter("a"), *(g for g in svg.iter("g") if g.get("class") == "more")]:
        x, y = map(int, re.findall(r"-?\d+", each.get("transform", "")))
        found[x - flows.INSET[0], y - flows.INSET[1]] = each
    return found


def ends(path: str) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Where each way of a path begins and ends."""
    found = []
    for part in path.split("M")[1:]:
        x, y = start = tuple(map(int, re.split("[cH]", part)[0].split()))
        for letter, numbers in re.findall(r"([cH])([^cH]*)", part):
            *_, dx, dy = (0, *map(int, numbers.split()))
            x, y = (dy, y) if letter == "H" else (x + dx, y + dy)
        found.append(((start[0], start[1]), (x, y)))
    return found


@given(topologies())
def test_the_picture_is_the_topology(found: Topology):
    drawn = flows.of(found)
    svg = parsed(drawn)
    placed = boxes(svg)
    assert sorted(each.get("href", "") for each in placed.values()) == sorted(flows.url(each) for each in found.nodes.values())
    corner = {each.get("href", ""): place for place, each in placed.items()}
    wanted = []
    for edge in found.edges:
        (x, y), (to_x, to_y) = (corner[flows.url(found.nodes[end])] for end in edge[:2])
        level = flows.HIGH // 2
        wanted.append((flows.css_of(found, edge), ((x + flows.BOX, y + level), (to_x, to_y + level))))
    seen = [(path.get("class", ""), way) for path in svg.iter("path") for way in ends(path.get("d", ""))]
    assert sorted(seen) == sorted(wanted)
    width, height = (int(svg.get(name, "0")) for name in ("width", "height"))
    assert all(0 < x <= width - flows.BOX and 0 < y <= height - flows.HIGH for x, y in placed)
    for one, other in product(placed, repeat=2):
        assert one == other or abs(one[0] - other[0]) >= flows.BOX or abs(one[1] - other[1]) >= flows.HIGH, "one covers another"
    assert len(drawn.lines) == len(found.edges)


@given(topologies())
def test_red_is_what_stands_and_wider_is_more(found: Topology):
    for edge in found.edges:
        css = flows.css_of(found, edge)
        if found.nodes[edge.source].stands:
            assert css == "way stands"
        else:
            assert css == f"way w{sum((edge.rate or 0.0) >= width for width in flows.WIDTHS)}"
    svg = parsed(flows.of(found))
    red = [each for each in svg.iter("a") if "stands" in each.get("class", "").split()]
    assert len(red) == sum(each.stands for each in found.nodes.values())


def test_a_topic_to_which_nothing_is_bound_leads_dotted_to_nowhere():
    alone = flows.of(Topology({"topic:tidings": node(TOPIC, "tidings", loose=True)}))
    assert "Nothing is bound to tidings." in alone.answer
    assert '<path class="way loose"' in alone.svg
    assert [each.name for each in alone.loners] == ["tidings"]


def test_what_is_left_out_is_one_box_and_its_ways_are_one():
    nodes = {f"queue:q{n}": node(QUEUE, f"q{n}", flow=float(n)) for n in range(50)} | {"topic:t": node(TOPIC, "t")}
    edges = [Edge("topic:t", f"queue:q{n}", float(n)) for n in range(50)]
    few = flows._few(Topology(nodes, edges, {}, "topic:t"), "topic:t")
    drawn = flows.of(few)
    assert few.more[QUEUE] == 50 - flows.AROUND
    assert "and 44 more queues" in drawn.svg
    together = next(edge for edge in few.edges if edge.target == more_of(QUEUE))
    assert together.rate == sum(range(44))
    assert {edge.target for edge in few.edges} == {more_of(QUEUE), *(f"queue:q{n}" for n in range(44, 50))}


def test_the_middle_has_what_leads_to_it_and_from_it_alone():
    names = ["publisher:p", "topic:t", "queue:a", "queue:b", "consumer:x", "consumer:y"]
    nodes = {name: node(*name.split(":")) for name in names}
    pairs = [("publisher:p", "topic:t"), ("topic:t", "queue:a"), ("topic:t", "queue:b"), ("queue:a", "consumer:x")]
    found = related(Topology(nodes, [Edge(*pair) for pair in [*pairs, ("queue:b", "consumer:y")]]), "queue:a")
    assert set(found.nodes) == {"publisher:p", "topic:t", "queue:a", "consumer:x"}
    assert [edge[:2] for edge in found.edges] == [pairs[0], pairs[1], pairs[3]]


def seed() -> None:
    """A shop: two topics, queues, a stream with a group, and who published."""
    for name in ("orders", "mails", "secret"):
        declare(name)
    declare_stream("events")
    declare_group("billing", "events")
    bound = [{"pattern": "order.#", "to": "queue:orders"}, {"pattern": "#", "to": "stream:events"}]
    perform(topics.declare, "shop", {"bindings": [*bound, {"pattern": "#", "to": "queue:secret"}]})
    perform(topics.declare, "tidings", {"bindings": []})
    pairs = [("topic", Topic.objects.get(name="shop").pk, "shop-api"), ("queue", Queue.objects.get(name="mails").pk, "")]
    perform(sources.store, [*pairs, ("queue", Queue.objects.get(name="secret").pk, "spy")])


def test_the_page_draws_what_is_there_and_links_it(client: Client):
    seed()
    page = text(client.get("/map"))
    for name in (
        "shop-api",
        "this project",
        "/topics/shop",
        "/queues/orders",
        "/streams/events",
        "/streams/events/groups/billing",
    ):
        assert name in page
    assert "Nothing is bound to tidings." in page
    svg = re.search(r'<svg class="flows".*?</svg>', page, re.DOTALL)
    assert svg is not None
    assert len(svg[0].encode()) <= MOST
    assert "order.#" in page


def test_the_map_around_one_thing(client: Client):
    seed()
    page = text(client.get("/map?around=queue:mails"))
    assert "/queues/mails" in page
    assert "/topics/shop" not in page
    assert client.get("/map?around=queue:none").status_code == 404
    assert client.get("/map?around=nonsense").status_code == 400
    assert "Around this queue" in text(client.get("/queues/mails"))
    assert "Around this stream" in text(client.get("/streams/events"))
    assert "Around this topic" in text(client.get("/topics/shop"))


def test_nobody_sees_what_they_may_not_browse(database: None):
    seed()
    viewer = person(("orders", ["browse"]), ("shop", ["browse"]))
    page = text(viewer.get("/map"))
    assert "/queues/orders" in page
    for name in ("secret", "spy", "mails", "/streams/events", "tidings"):
        assert name not in page, name
    assert viewer.get("/map?around=queue:secret").status_code == 403
    assert viewer.get("/map?around=publisher:spy").status_code == 404
    assert "There is nothing to draw yet" in text(person(name="nobody").get("/map"))


@pytest.mark.parametrize("n", [400])
def test_a_large_broker_is_drawn_small(client: Client, n: int):
    for number in range(n):
        declare(f"q{number:04}")
    page = text(client.get("/map"))
    assert f"and {n - flows.SHOWN} more queues" in page or f"{n - flows.SHOWN} more" in page
    svg = re.search(r'<svg class="flows".*?</svg>', page, re.DOTALL)
    assert svg is not None
    assert len(svg[0].encode()) <= MOST
