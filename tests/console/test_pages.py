"""What the pages show, and that what they are asked for stands in their address."""

from __future__ import annotations

import json

import pytest

from brokerweb.cluster import nodes
from brokerweb.delivery import connections
from brokerweb.queues import control, selection
from brokerweb.storage.run import perform
from tests.console.conftest import (
    append,
    declare,
    declare_group,
    declare_stream,
    kill,
    kill_records,
    person,
    publish,
    text,
)

pytestmark = pytest.mark.usefixtures("database")


def listed(client, show: str) -> list[str]:
    return [row.name for row in client.get(f"/queues?show={show}").context["rows"]]


def test_a_new_broker_shows_the_first_steps(client):
    page = text(client.get("/"))
    assert "First steps" in page
    assert "http://testserver/api/v1/queues/orders/messages" in page


def test_the_first_steps_can_be_hidden(client):
    assert client.post("/first-steps/hide").status_code == 302
    assert "First steps" not in text(client.get("/"))


def test_an_empty_list_and_a_filter_without_matches_are_different(client):
    assert "No queues yet" in text(client.get("/queues"))
    declare("orders")
    page = text(client.get("/queues?prefix=zzz"))
    assert "No queue matches" in page
    assert "Clear the filter" in page


def test_queues_are_filtered_by_prefix_and_by_how_they_are(client):
    for name in ("orders.a", "orders.b", "Orders.c", "emails"):
        declare(name)
    publish("emails", 1)
    page = text(client.get("/queues?prefix=orders."))
    assert "orders.a" in page
    assert "Orders.c" not in page
    for show in ("busy", "unattended"):
        assert listed(client, show) == ["emails"]
    perform(control.pause, "emails", reason="", by="tests")
    assert listed(client, "unattended") == []
    assert listed(client, "paused") == ["emails"]


def test_a_long_list_is_paged_by_name_without_gaps(client):
    names = [f"q{n:03}" for n in range(120)]
    for name in names:
        declare(name)
    seen, place = [], "/queues"
    while place:
        response = client.get(place)
        seen += [row.name for row in response.context["rows"]]
        following = response.context["next"]
        place = f"/queues?{following}" if following else ""
    assert seen == names


def test_a_poll_gets_the_live_part_alone(client):
    declare("orders")
    page = text(client.get("/queues", headers={"HX-Request": "true"}))
    assert "<html" not in page
    assert ">orders</a>" in page
    assert 'id="dead-count" hx-swap-oob' in page


def test_a_queue_shows_its_counts_and_rules(client):
    declare("orders", max_failures=7)
    publish("orders", 1, 2, 3)
    kill("orders", "no")
    response = client.get("/queues/orders")
    assert response.context["states"] == [("ready", 2), ("scheduled", 0), ("blocked", 0), ("leased", 0), ("dead", 1)]
    assert "7 failures" in text(response)


@pytest.mark.parametrize("tab", ["", "/messages", "/consumers", "/publish", "/settings", "/pause", "/purge", "/delete"])
def test_every_tab_of_an_unknown_queue_is_404(client, tab):
    assert client.get(f"/queues/nothing{tab}").status_code == 404


def test_messages_are_paged_by_state_and_key(client):
    declare("orders")
    publish("orders", *range(70), key="k")
    publish("orders", "other")
    first = client.get("/queues/orders/messages?key=k&state=ready")
    second = client.get(f"/queues/orders/messages?{first.context['next']}")
    ids = [m.pk for m in (*first.context["found"], *second.context["found"])]
    assert len(ids) == len(set(ids)) == 70
    assert ids == sorted(ids, reverse=True)


def test_a_cursor_of_another_filter_is_refused(client):
    declare("orders")
    publish("orders", *range(70))
    cursor = client.get("/queues/orders/messages").context["next"].rpartition("=")[2]
    refused = client.get(f"/queues/orders/messages?state=ready&after={cursor}")
    assert (refused.status_code, "All queues" in text(refused)) == (400, True)


def test_one_large_body_makes_no_page_short(client):
    declare("orders", max_body_bytes=5_000_000)
    ids = [*publish("orders", *range(30)), *publish("orders", "x" * 700_000), *publish("orders", *range(40))]
    first = client.get("/queues/orders/messages")
    second = client.get(f"/queues/orders/messages?{first.context['next']}")
    assert [m.pk for m in (*first.context["found"], *second.context["found"])] == ids[::-1]
    assert (len(first.context["found"]), second.context["next"]) == (50, None)
    assert "&quot;xxxx" in text(first)
    assert len(first.content) < 200_000


def test_a_page_that_stopped_early_says_so_and_goes_on(client, monkeypatch):
    monkeypatch.setattr(selection, "BUDGET", 2_000)
    monkeypatch.setitem(selection.find.__kwdefaults__, "budget", 2_000)
    declare("orders")
    [first] = publish("orders", 1, key="rare")
    publish("orders", *range(2_050), key="other")
    publish("orders", 2, key="rare")
    page = client.get("/queues/orders/messages?key=rare&state=ready")
    assert "1 shown of 2,000 looked at: the next page goes on from there" in text(page)
    rest = client.get(f"/queues/orders/messages?{page.context['next']}")
    assert [m.pk for m in rest.context["found"]] == [first]
    assert "goes on from there" not in text(rest)
    page = client.get("/queues/orders/messages?key=none&state=ready")
    assert ("None so far" in text(page), "No message matches" in text(page)) == (True, False)


@pytest.mark.parametrize(("body", "said"), [({"a": 1}, "application/json"), (b"\xff", "application/octet-stream")])
def test_a_page_names_the_type_that_rest_names(client, body, said):
    [message] = publish(declare(), body)
    declare_stream()
    append("events", body)
    shown = client.get(f"/api/v1/queues/orders/messages/{message}").json()
    assert shown["content_type"] == said
    for place in (f"/queues/orders/messages/{message}", "/streams/events/records/0/0"):
        assert f"· {said}</span>" in text(client.get(place))


def test_there_is_one_total_of_dead_letters_on_a_page(client):
    publish(declare(), 1, 2)
    kill("orders", "x", "y")
    declare_stream()
    append("events", 1)
    declare_group("workers", kind="shared")
    kill_records("events", "workers", "z")
    page = " ".join(text(client.get("/dead")).split())
    assert "3 in all: 2 in 1 queue, 1 in 1 consumer group" in page
    assert client.get("/dead").context["dead_total"] == 3


def test_a_message_leads_to_its_neighbours_in_the_list_it_was_opened_from(client):
    declare("orders")
    first, second, third, fourth = publish("orders", 1, 2, 3, 4)
    kill("orders", "x")
    context = client.get(f"/queues/orders/messages/{second}").context
    assert (context["older"], context["newer"]) == (first, third)
    page = client.get(f"/queues/orders/messages/{second}?state=ready")
    assert (page.context["older"], page.context["newer"]) == (None, third)
    assert f'href="/queues/orders/messages/{third}?state=ready"' in text(page)
    assert f'href="/queues/orders/messages/{fourth}?state=ready"' in text(client.get("/queues/orders/messages?state=ready"))


def test_looking_changes_nothing(client):
    declare("orders")
    [message] = publish("orders", {"a": 1})
    before = text(client.get(f"/queues/orders/messages/{message}"))
    client.get("/queues/orders/messages")
    client.get(f"/queues/orders/messages/{message}/body")
    assert "<dt>Attempts</dt><dd>0</dd>" in before
    assert client.get(f"/queues/orders/messages/{message}").context["message"].attempts == 0


def test_a_message_that_is_gone_is_404_with_advice(client):
    declare("orders")
    response = client.get("/queues/orders/messages/999")
    assert response.status_code == 404
    assert "not_found" in text(response)


def test_an_address_without_a_page_is_404_within_the_console(client):
    response = client.get("/nothing/here")
    assert response.status_code == 404
    assert "There is no such page." in text(response)
    assert "Operations" in text(response)


def test_a_name_too_long_for_any_queue_is_an_address_without_a_page(client):
    page = text(client.get(f"/queues/{'q' * 201}"))
    assert "There is no such page." in page
    assert "nothing of that name" not in page
    assert "acknowledged" not in page


def test_a_large_body_is_cut_and_downloads_whole(client):
    declare("big", max_body_bytes=5_000_000)
    [message] = publish("big", "x" * 2_000_000)
    page = client.get(f"/queues/big/messages/{message}")
    assert len(page.content) < 200_000
    assert "Only the beginning is shown" in text(page)
    whole = client.get(f"/queues/big/messages/{message}/body")
    assert len(whole.content) == 2_000_002
    assert whole["Content-Type"] == "application/octet-stream"
    assert whole["Content-Disposition"].startswith("attachment")
    assert whole["X-Content-Type-Options"] == "nosniff"


def test_dead_letters_of_all_queues_come_newest_first_and_page_without_gaps(client):
    for name in ("a", "b"):
        declare(name)
    for n in range(40):
        publish("a", n)
        publish("b", n)
    dead = sorted(kill("a", *["x"] * 40) + kill("b", *["y"] * 40), reverse=True)
    first = client.get("/dead")
    second = client.get(f"/dead?{first.context['next']}")
    assert [i.message.pk for i in (*first.context["items"], *second.context["items"])] == dead
    assert {i.queue for i in client.get("/dead?queue=b").context["items"]} == {"b"}
    assert client.get("/dead?reason=expired").context["items"] == []


def test_connections_say_what_they_hold(client, monkeypatch):
    declare("orders")
    live: dict[str, object] = {
        "id": "c1",
        "owner": "token:1",
        "name": "worker",
        "client": "worker",
        "address": "127.0.0.1:1",
        "protocol": "brokerweb.v1",
    }
    subs = [{"sub": "2", "queue": "orders", "prefetch": 32, "unsettled": 5, "ack": "explicit"}]
    live |= {"connected_at": "2026-11-24T04:00:00.000000Z", "subscriptions": subs}
    monkeypatch.setattr(connections, "snapshot", lambda: [live])
    monkeypatch.setattr(connections, "described", {"c1": live}.get)
    assert "orders, 5 of 32" in text(client.get("/connections"))
    assert "<dt>Unsettled messages</dt><dd>5</dd>" in text(client.get("/connections/c1/close"))


def test_nodes_say_how_they_get_on(client):
    wrong = json.dumps({"draining": True, "clock_difference": 7_200_000, "connections": 1234, "address": "10.0.0.2:8000"})
    perform(nodes.begin, "here", "elsewhere-1")
    perform(nodes.see, "here", "elsewhere-1", wrong)
    perform(nodes.begin, "here")
    page = text(client.get("/nodes"))
    assert "2 nodes" in page
    for shown in ("elsewhere-1", "10.0.0.2:8000", "draining", "1,234", "7.2 s off", "node-1", "live", "duties", "right"):
        assert shown in page


def test_what_a_person_may_not_see_is_not_listed(client):
    for name in ("orders.a", "secret"):
        declare(name)
        publish(name, 1)
        kill(name, "x")
    viewer = person(("orders.*", ["browse"]))
    for place in ("/", "/queues", "/dead"):
        assert "orders.a" in text(viewer.get(place))
        assert "secret" not in text(viewer.get(place))
    assert viewer.get("/dead?queue=secret").context["items"] == []


def test_the_theme_is_remembered(client):
    client.post("/theme", {"theme": "dark", "back": "/queues?prefix=a"})
    assert 'data-theme="dark"' in text(client.get("/"))
    client.post("/theme", {"theme": "<b>"})
    assert 'data-theme="dark"' in text(client.get("/"))
    client.cookies["console_theme"] = '"><script>'
    assert "data-theme" not in text(client.get("/"))


def test_a_list_of_dead_messages_says_why(client):
    declare("orders")
    publish("orders", 1)
    kill("orders", "boom")
    dead, every = text(client.get("/queues/orders/messages?state=dead")), text(client.get("/queues/orders/messages"))
    assert "boom" in dead
    assert "Dead since" in dead
    assert "boom" not in every


def test_what_is_not_there_leads_to_the_list_of_its_kind(client):
    page = client.get("/queues/nope/messages/3")
    assert page.status_code == 404
    assert '<a class="button" href="/queues">All queues</a>' in text(page)
    assert "All queues" not in text(client.get("/nope"))
