"""Topics in the console: bindings, the dry run, publishing."""

from __future__ import annotations

import pytest

from brokerweb.identity.models import AuditEntry
from brokerweb.queues.models import Message
from brokerweb.routing import topics
from brokerweb.routing.models import Binding, Topic
from brokerweb.streams.models import Record
from tests.console.conftest import HOSTILE, declare, declare_stream, declare_topic, person, text
from tests.console.test_security import assert_nothing_runs

pytestmark = pytest.mark.usefixtures("database")


def bindings(name: str = "shop") -> list[tuple[str, str, dict[str, str]]]:
    [shown] = topics.describe([topics.find(name)])
    return [(b["pattern"], b["to"], b["headers"]) for b in shown["bindings"]]


def test_a_topic_is_created_bound_unbound_and_deleted(client):
    declare("orders")
    made = client.post("/new/topic", {"name": "shop", "unrouted": "drop", "dedup_window": ""})
    assert made["Location"] == "/topics/shop/bindings"
    binding = {"pattern": "orders.*", "to": "queue:orders", "headers": "region: eu"}
    assert client.post("/topics/shop/bindings", binding).status_code == 302
    assert client.post("/topics/shop/bindings", {"pattern": "#", "to": "queue:orders"}).status_code == 302
    assert bindings() == [("orders.*", "queue:orders", {"region": "eu"}), ("#", "queue:orders", {})]
    again = client.post("/topics/shop/bindings", binding)
    assert "The topic has this binding already." in text(again)
    gone = {"pattern": "orders.*", "to": "queue:orders", "headers": '{"region": "eu"}'}
    client.post("/topics/shop/unbind", gone)
    assert bindings() == [("#", "queue:orders", {})]
    assert "has no such binding any more" in text(client.post("/topics/shop/unbind", gone, follow=True))
    assert Topic.objects.get().unrouted == "drop"
    client.post("/topics/shop/delete", {"typed": "shop"})
    assert not Topic.objects.exists()
    assert [row[0] for row in AuditEntry.objects.order_by("id").values_list("action")] == [
        *("topic.declare", "topic.bind", "topic.bind", "topic.unbind", "topic.delete")
    ]


@pytest.mark.parametrize(
    ("binding", "field"),
    [
        ({"pattern": "a.##", "to": "queue:orders"}, "pattern"),
        ({"pattern": "a", "to": "queue:nothing"}, "to"),
        ({"pattern": "a", "to": "topic:shop"}, "to"),
        ({"pattern": "a", "to": "orders"}, "to"),
        ({"pattern": "a", "to": "queue:orders", "headers": "nonsense"}, "headers"),
    ],
)
def test_a_binding_that_makes_no_sense_is_refused_at_its_field(client, binding, field):
    declare("orders")
    declare_topic()
    response = client.post("/topics/shop/bindings", binding)
    assert response.status_code == 400
    assert list(response.context["form"].errors) == [field]
    assert bindings() == []


def test_the_dry_run_names_destinations_and_the_bindings_that_match(client):
    declare("orders")
    declare_stream()
    declare_topic("shop", **{"orders.*.created": "queue:orders", "orders.#": "stream:events"})
    page = client.get("/topics/shop", {"routing_key": "orders.eu.created", "headers": ""})
    routed = page.context["route"]["routed"]
    assert [(r["to"], [b["pattern"] for b in r["bindings"]]) for r in routed] == [
        ("queue:orders", ["orders.*.created"]),
        ("stream:events", ["orders.#"]),
    ]
    assert "The message would be refused." in text(client.get("/topics/shop?routing_key=other&headers="))
    assert client.get("/topics/shop?routing_key=a&headers=nonsense").context["form"].errors["headers"]
    assert not Message.objects.exists()


def test_a_message_is_published_to_where_its_bindings_lead(client):
    declare("orders")
    declare_stream()
    declare_topic("shop", **{"orders.#": "queue:orders", "orders.new": "stream:events"})
    form = {"body": '{"n": 1}', "kind": "json", "routing_key": "orders.new", "priority": "7"}
    assert "priority" in text(client.post("/topics/shop/publish", form))  # a record has none
    assert not Message.objects.exists()
    form["priority"] = ""
    page = text(client.post("/topics/shop/publish", form, follow=True))
    message = Message.objects.get()
    assert f'Copied to\n    <a href="/queues/orders/messages/{message.pk}">' in page
    assert (message.priority, message.route, Record.objects.get().route) == (4, "shop", "shop")
    refused = client.post("/topics/shop/publish", {**form, "routing_key": "other"})
    assert refused.context["form"].errors["routing_key"]
    client.post("/topics/shop/settings", {"unrouted": "drop", "dedup_window": "60"})
    assert "dropped, and counted" in text(client.post("/topics/shop/publish", {**form, "routing_key": "other"}, follow=True))


def test_a_binding_to_what_is_gone_is_marked(client):
    declare("orders")
    declare_topic("shop", **{"#": "queue:orders"})
    assert "shop" in text(client.get("/queues/orders/delete"))
    client.post("/queues/orders/delete", {"typed": "orders"})
    assert "leads nowhere" in text(client.get("/topics"))
    assert "Some bindings lead to what is not there" in text(client.get("/topics/shop"))
    assert "leads to queue:orders, which is not there" in text(client.get("/"))
    assert "leads to" not in text(person(("other", ["browse"])).get("/"))


def test_a_destination_is_a_link_for_who_may_browse_it(client):
    declare("orders")
    declare_topic(**{"a.b": "queue:orders"})
    assert 'href="/queues/orders"' in text(client.get("/topics/shop/bindings"))
    page = text(person(("shop", ["browse"])).get("/topics/shop/bindings"))
    assert "queue:orders" in page
    assert 'href="/queues/orders"' not in page


def test_binding_needs_publish_on_the_target():
    declare("orders")
    declare_topic()
    maker = person(("shop", ["browse", "manage"]))
    response = maker.post("/topics/shop/bindings", {"pattern": "#", "to": "queue:orders"})
    assert response.status_code == 400
    assert response.context["form"].errors == {"to": ["publish on queue:orders is not among your grants"]}
    assert "queue:orders" not in text(maker.get("/topics/shop/bindings"))
    assert not Binding.objects.exists()


@pytest.mark.parametrize(
    ("verb", "place", "fields"),
    [
        ("publish", "publish", {"body": "1", "kind": "json"}),
        ("manage", "bindings", {"pattern": "#", "to": "queue:shop"}),
        ("manage", "unbind", {}),
        ("manage", "settings", {"unrouted": "drop"}),
        ("manage", "delete", {"typed": "shop"}),
    ],
)
def test_an_action_on_a_topic_needs_its_verb(verb, place, fields):
    declare("shop")
    declare_topic()
    viewer = person(("shop", [v for v in ("publish", "consume", "browse", "manage") if v != verb]))
    assert viewer.post(f"/topics/shop/{place}", fields).status_code == 403
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize("name", ["shop", "nothing-there"])
def test_without_browse_a_topic_is_403_and_not_listed(name):
    declare_topic()
    viewer = person(("other", ["browse"]))
    assert viewer.get(f"/topics/{name}").status_code == 403
    assert "shop" not in text(viewer.get("/topics"))


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_text_in_routes_stays_text(client, hostile):
    declare("orders")
    declare_topic("shop", **{"#": "queue:orders"})
    kept = hostile.replace("\0", "")
    client.post("/topics/shop/bindings", {"pattern": "a", "to": "queue:orders", "headers": f"x: {kept}"})
    for response in (
        client.get("/topics/shop", {"routing_key": hostile, "headers": hostile}),
        client.get("/topics/shop/bindings"),
        client.post("/topics/shop/bindings", {"pattern": hostile, "to": hostile, "headers": hostile}),
        client.post("/topics/shop/unbind", {"pattern": hostile, "to": hostile, "headers": hostile}, follow=True),
        client.post("/topics/shop/publish", {"body": hostile, "kind": "text", "routing_key": hostile}),
    ):
        assert response.status_code in (200, 302, 400)
        assert_nothing_runs(text(response))
