"""Destinations are typed: some are offered, and none is out of reach; and what stands in the way there is said before."""

from __future__ import annotations

import re

import pytest

from brokerweb.console.choosing import OFFERED
from brokerweb.queues import control
from brokerweb.queues.models import Message
from brokerweb.storage.run import perform
from tests.console.conftest import declare, declare_stream, declare_topic, kill, person, publish, text
from tests.console.test_actions import counts

pytestmark = pytest.mark.usefixtures("database")


def offered(browser, query: str) -> list[str]:
    return re.findall(r'<option value="([^"]*)">', text(browser.get(f"/destinations?{query}")))


def test_names_are_found_by_any_part_and_those_that_begin_with_it_come_first(client):
    for name in ("orders", "orders.late", "back.orders", "emails"):
        declare(name)
    assert offered(client, "kind=queue&to=orders") == ["orders", "orders.late", "back.orders"]
    assert offered(client, "kind=queue&to=queue:order") == ["orders", "orders.late", "back.orders"]
    assert offered(client, "kind=queue&to=stream:order") == []
    assert offered(client, "kind=nothing") == []


def test_several_kinds_are_named_with_theirs(client):
    declare("orders")
    declare_stream("orders")
    declare_topic("orders")
    assert offered(client, "kind=queue&kind=stream&kind=topic") == ["queue:orders", "stream:orders", "topic:orders"]
    assert offered(client, "kind=queue&kind=stream&to=stream:o") == ["stream:orders"]


def test_nobody_is_offered_where_they_may_not_publish():
    for name in ("mine", "theirs"):
        declare(name)
    assert offered(person(("mine", ["publish"])), "kind=queue") == ["mine"]


def test_a_queue_behind_the_first_that_are_offered_is_found_and_taken(client):
    for n in range(OFFERED + 5):
        declare(f"a{n:03}")
    publish(declare(), 1)
    [dead] = kill("orders", "x")
    last = f"a{OFFERED + 4:03}"
    page = client.get(f"/dead/redrive?pick=orders/{dead}")
    assert f'value="{last}"' not in text(page)
    assert offered(client, f"kind=queue&to={last[1:]}") == [last]
    client.post("/dead/redrive", {"pick": f"orders/{dead}", "to": f"queue:{last}", "known": f"no_consumer:{last}"})
    assert Message.objects.get().queue.name == last


def test_a_typed_queue_that_is_not_there_or_not_theirs_is_refused_beside_its_field(client):
    publish(declare(), 1)
    [dead] = kill("orders", "x")
    viewer = person(("orders", ["browse", "manage"]))
    for browser, to in ((client, "nowhere"), (viewer, "secret")):
        response = browser.post("/dead/redrive", {"pick": f"orders/{dead}", "to": to})
        assert (response.status_code, list(response.context["form"].errors)) == (400, ["to"])
    assert Message.objects.get().state == 4


def test_a_plan_says_that_its_target_is_full_and_paused(client):
    declare("orders", max_length=3)
    publish("orders", 1, 2, 3)
    kill("orders", "x", "y")
    publish("orders", 4)
    perform(control.pause, "orders", reason="", by="tests")
    page = text(client.get("/dead/redrive?all=1&queue=orders"))
    assert "orders has 2 waiting of at most 3: 1 more than fit would wait there." in page
    assert "orders is paused: nothing is handed out until it is resumed." in page


def test_what_stands_in_the_way_elsewhere_is_shown_before_anything_is_moved(client):
    publish(declare(), 1)
    [dead] = kill("orders", "x")
    publish(declare("small", max_length=1), 1)
    asked = {"pick": f"orders/{dead}", "to": "small"}
    page = client.post("/dead/redrive", asked)
    assert page.status_code == 200
    assert "small has 1 waiting of at most 1" in text(page)
    assert counts("small")["ready"] == 1
    known = re.findall(r'name="known" value="([^"]*)"', text(page))
    client.post("/dead/redrive", {**asked, "known": known})
    assert counts("small")["ready"] == 2


def test_nothing_is_said_of_a_target_that_the_person_may_not_browse():
    publish(declare(), 1)
    [dead] = kill("orders", "x")
    publish(declare("small", max_length=1), 1)
    sender = person(("orders", ["browse", "manage"]), ("small", ["publish"]))
    sender.post("/dead/redrive", {"pick": f"orders/{dead}", "to": "small"})
    assert counts("small")["ready"] == 2
