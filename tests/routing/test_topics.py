"""Declaring, changing, deleting, listing topics; and the dry run."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from brokerweb.core.errors import Forbidden, Invalid, NotFound
from brokerweb.core.events import Outcome
from brokerweb.queues import control
from brokerweb.routing import bindings, topics
from brokerweb.routing.models import Binding, Topic
from brokerweb.storage.reading import read
from brokerweb.storage.run import perform
from tests.routing.bench import bind, declare_queues, declare_stream, message, send, targets

pytestmark = pytest.mark.usefixtures("database")


def described(name: str) -> dict[str, Any]:
    return topics.describe([topics.find(name)])[0]


def declare(name: str, /, **settings: Any) -> tuple[Topic, bool]:
    return perform(topics.declare, name, settings)


def test_a_topic_is_created_with_defaults_and_shown_whole() -> None:
    _, created = declare("events")
    assert created
    shown = described("events")
    assert shown.pop("created_at").endswith("Z")
    assert set(shown.pop("rates")) == {"published", "unrouted"}
    assert shown == {
        "name": "events",
        "bindings": [],
        "unrouted": "refuse",
        "dedup_window": 300,
        "missing": [],
        "dropped": 0,
    }


def test_only_named_settings_change_and_null_resets_one() -> None:
    declare_queues("a")
    bind("events", ("#", "queue:a"), unrouted="drop", dedup_window=10)
    _, created = declare("events", dedup_window=None)
    shown = described("events")
    assert (created, shown["unrouted"], shown["dedup_window"], len(shown["bindings"])) == (False, "drop", 300, 1)
    declare("events", bindings=None, unrouted=None)
    assert (described("events")["bindings"], described("events")["unrouted"]) == ([], "refuse")


def test_bindings_keep_their_order_and_their_headers() -> None:
    declare_queues("a", "b")
    bind("events", ("b.*", "queue:b", {"z": "1", "a": "2"}), ("a.#", "queue:a"))
    assert described("events")["bindings"] == [
        {"pattern": "b.*", "to": "queue:b", "headers": {"z": "1", "a": "2"}},
        {"pattern": "a.#", "to": "queue:a", "headers": {}},
    ]


def bound(name: str) -> list[tuple[str, str]]:
    return [(each["pattern"], each["to"]) for each in described(name)["bindings"]]


def asked(*given: tuple[str, str]) -> list[bindings.Binding]:
    return bindings.asked({"bindings": [{"pattern": pattern, "to": to} for pattern, to in given]})


def test_bindings_are_added_and_taken_away_and_others_stay() -> None:
    declare_queues("a", "b")
    bind("events", ("a", "queue:a"))
    perform(topics.bind, "events", asked(("b", "queue:b"), ("a", "queue:a"), ("b", "queue:b"), ("c", "queue:a")))
    assert bound("events") == [("a", "queue:a"), ("b", "queue:b"), ("c", "queue:a")]
    assert targets(send("events", message(1, "b"))) == [["queue:b"]]
    perform(topics.unbind, "events", asked(("a", "queue:a"), ("a", "queue:b")))
    perform(topics.bind, "events", asked(("d", "queue:a")))
    perform(topics.unbind, "events", asked(("a", "queue:a")))
    assert bound("events") == [("b", "queue:b"), ("c", "queue:a"), ("d", "queue:a")]


def test_bindings_with_other_headers_are_others_in_whatever_order_they_are_named() -> None:
    declare_queues("a")
    bind("events", ("#", "queue:a", {"x": "1", "y": "2"}), ("#", "queue:a"))
    gone = bindings.asked({"bindings": [{"pattern": "#", "to": "queue:a", "headers": {"y": "2", "x": "1"}}]})
    perform(topics.unbind, "events", gone)
    assert [each["headers"] for each in described("events")["bindings"]] == [{}]


def test_a_binding_that_is_there_needs_neither_its_target_nor_a_permission() -> None:
    declare_queues("a", "b")
    bind("events", ("a", "queue:a"))
    perform(control.delete, "a")

    def may(kind: str, name: str) -> None:
        raise Forbidden

    perform(topics.bind, "events", asked(("a", "queue:a")), may=may)
    with pytest.raises(Forbidden):
        perform(topics.bind, "events", asked(("a", "queue:a"), ("b", "queue:b")), may=may)
    with pytest.raises(NotFound) as refused:
        perform(topics.bind, "events", asked(("a", "queue:a"), ("c", "queue:a")))
    assert refused.value.extra["errors"][0]["pointer"] == "/bindings/1/to"
    assert bound("events") == [("a", "queue:a")]
    perform(topics.unbind, "events", asked(("a", "queue:a")))
    assert bound("events") == []


def test_a_topic_has_so_many_bindings_at_most_however_they_were_added() -> None:
    declare_queues("a")
    bind("events", *((f"p{n}", "queue:a") for n in range(bindings.MAX_BINDINGS)))
    with pytest.raises(Invalid):
        perform(topics.bind, "events", asked(("one.more", "queue:a")))
    perform(topics.bind, "events", asked(("p0", "queue:a")))
    assert len(bound("events")) == bindings.MAX_BINDINGS


@pytest.mark.parametrize(
    ("given", "pointer"),
    [
        ({}, "/bindings"),
        ({"bindings": None}, "/bindings"),
        ({"bindings": {}}, "/bindings"),
        ({"bindings": [{"pattern": "a", "to": "topic:a"}]}, "/bindings/0/to"),
        ({"bindings": [], "unrouted": "drop"}, "/unrouted"),
    ],
)
def test_what_is_no_list_of_bindings_is_refused(given: dict[str, Any], pointer: str) -> None:
    with pytest.raises(Invalid) as refused:
        bindings.asked(given)
    assert refused.value.extra["errors"][0]["pointer"] == pointer


def test_change_without_create_needs_the_topic() -> None:
    with pytest.raises(NotFound):
        perform(topics.declare, "events", {}, create=False)


@pytest.mark.parametrize(
    ("settings", "pointer"),
    [
        ({"bindings": {}}, "/bindings"),
        ({"bindings": [5]}, "/bindings/0"),
        ({"bindings": [{}]}, "/bindings/0/pattern"),
        ({"bindings": [{"pattern": "a"}]}, "/bindings/0/to"),
        ({"bindings": [{"pattern": "a.#.#.#", "to": "queue:a"}]}, "/bindings/0/pattern"),
        ({"bindings": [{"pattern": "a", "to": "topic:a"}]}, "/bindings/0/to"),
        ({"bindings": [{"pattern": "a", "to": "queue:.hidden"}]}, "/bindings/0/to"),
        ({"bindings": [{"pattern": "a", "to": "queue:a", "x/y": 1}]}, "/bindings/0/x~1y"),
        ({"bindings": [{"pattern": "a", "to": "queue:a", "headers": {"a": 1}}]}, "/bindings/0/headers"),
        ({"bindings": [{"pattern": "a", "to": "queue:a", "headers": {"a": "\ud800"}}]}, "/bindings/0/headers"),
        ({"bindings": [{"pattern": "a", "to": "queue:a", "headers": {"a": "x" * 20_000}}]}, "/bindings/0/headers"),
        ({"bindings": [{"pattern": "a", "to": "queue:a"}] * 1001}, "/bindings"),
        ({"unrouted": "keep"}, "/unrouted"),
        ({"dedup_window": -1}, "/dedup_window"),
        ({"fanout": True}, "/fanout"),
    ],
)
def test_wrong_settings_are_invalid_where_they_are(settings: dict[str, Any], pointer: str) -> None:
    with pytest.raises(Invalid) as error:
        declare("events", **settings)
    assert [fault["pointer"] for fault in error.value.extra["errors"]] == [pointer]
    assert not Topic.objects.exists()


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(Invalid) as error:
        declare("events", bindings=[{"pattern": "a b", "to": "queue:a"}, {"pattern": "a", "to": "b"}], unrouted=1)
    assert {f["pointer"] for f in error.value.extra["errors"]} == {"/bindings/0/pattern", "/bindings/1/to", "/unrouted"}


def test_a_target_must_exist_when_it_is_bound_and_may_go_later() -> None:
    declare_queues("a")
    with pytest.raises(NotFound, match="stream b") as error:
        bind("events", ("#", "queue:a"), ("#", "stream:b"))
    assert error.value.extra["errors"][0]["pointer"] == "/bindings/1/to"
    bind("events", ("#", "queue:a"))
    perform(control.delete, "a")
    assert described("events")["missing"] == ["queue:a"]
    declare_queues("c")
    bind("events", ("#", "queue:a"), ("#", "queue:c"), unrouted="drop")
    assert len(described("events")["bindings"]) == 2


def test_permission_is_asked_for_new_bindings_only_and_before_anything_is_told() -> None:
    declare_queues("a", "b")
    bind("events", ("a", "queue:a"))
    asked: list[tuple[str, str]] = []
    given = [{"pattern": "a", "to": "queue:a"}, {"pattern": "b", "to": "queue:a"}, {"pattern": "a", "to": "queue:b"}]
    perform(topics.declare, "events", {"bindings": given}, may=lambda kind, name: asked.append((kind, name)))
    assert asked == [("queue", "a"), ("queue", "b")]

    def refuse(kind: str, name: str) -> None:
        raise Forbidden

    with pytest.raises(Forbidden):
        perform(topics.declare, "events", {"bindings": [{"pattern": "x", "to": "queue:nowhere"}]}, may=refuse)
    assert len(described("events")["bindings"]) == 3


def test_a_deleted_topic_is_gone_with_its_bindings_and_its_targets_stay() -> None:
    declare_queues("a")
    bind("events", ("#", "queue:a"))
    send("events", message(1))
    perform(topics.delete, "events")
    assert not Binding.objects.exists()
    with pytest.raises(NotFound):
        send("events", message(2))
    with pytest.raises(NotFound):
        perform(topics.delete, "events")
    with pytest.raises(NotFound):
        topics.find("events")


def test_the_end_of_a_topic_is_told_so_that_its_figures_end_too(told: list[Outcome]) -> None:
    declare_queues("a")
    bind("events", ("#", "queue:a"))
    topic_id = topics.find("events").pk
    perform(topics.delete, "events")
    assert told[-1].topic_counts == {("removed", topic_id): 1}


def test_lists_go_by_name_with_prefix_cursor_and_visibility() -> None:
    for name in ("b", "B", "a1", "a2", "a3", "a4"):
        declare(name)
    page = topics.list_topics("a", limit=2)
    assert [topic.name for topic in page.items] == ["a1", "a2"]
    rest = topics.list_topics("a", after=page.next, limit=2)
    assert ([topic.name for topic in rest.items], rest.next) == (["a3", "a4"], None)
    seen = topics.list_topics(visible=lambda name: name in ("B", "a4"))
    assert [topic.name for topic in seen.items] == ["B", "a4"]
    with pytest.raises(Invalid):
        topics.list_topics("b", after=page.next)


def test_a_list_costs_the_same_statements_however_long() -> None:
    declare_queues("a")
    for name in ("t1", "t2", "t3"):
        bind(name, ("#", "queue:a"))
    with CaptureQueriesContext(connection) as few:
        topics.describe(topics.list_topics(limit=1).items)
    with CaptureQueriesContext(connection) as many:
        topics.describe(topics.list_topics().items)
    assert len(few) == len(many)
    assert topics.bound_to("queue:a") == ["t1", "t2", "t3"]


def test_the_dry_run_names_the_bindings_and_stores_nothing() -> None:
    declare_queues("billing", "audit")
    declare_stream("log")
    bind(
        "events",
        ("orders.*", "queue:billing"),
        ("#", "queue:audit", {"vip": "1"}),
        ("#.created", "queue:billing"),
        ("#", "stream:log"),
    )
    found = read(topics.route, "events", "orders.created", {"vip": "0"})
    assert found == {
        "routed": [
            {
                "to": "queue:billing",
                "bindings": [
                    {"pattern": "orders.*", "to": "queue:billing", "headers": {}},
                    {"pattern": "#.created", "to": "queue:billing", "headers": {}},
                ],
            },
            {"to": "stream:log", "bindings": [{"pattern": "#", "to": "stream:log", "headers": {}}]},
        ],
        "unrouted": None,
    }
    assert targets(send("events", message(1, "orders.created", headers='{"vip":"0"}'))) == [["queue:billing", "stream:log"]]


def test_the_dry_run_says_what_becomes_of_what_nothing_matches() -> None:
    bind("events", unrouted="drop")
    assert read(topics.route, "events", "a") == {"routed": [], "unrouted": "drop"}
    with pytest.raises(Invalid):
        read(topics.route, "events", "a b")
    with pytest.raises(NotFound):
        read(topics.route, "other", "a")
