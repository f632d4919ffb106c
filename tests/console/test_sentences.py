"""What a page answers in a sentence, before its table: how many are somehow wrong, and the way to those."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from brokerweb.console.holding import Crowd
from brokerweb.delivery import consumers as waiting
from brokerweb.delivery.consumers import Taking
from tests.console.conftest import append, declare, declare_group, declare_stream, declare_topic, kill, person, publish, text

pytestmark = pytest.mark.usefixtures("database")
ASKED = {"HX-Request": "true"}


def said(page: str) -> str:
    """The sentence as it is read."""
    found = re.search(r'<p class="sub"[^>]*>(.*?)</p>', page, re.DOTALL)
    assert found is not None
    return " ".join(re.sub("<[^>]*>", "", found[1]).split())


def test_queues_say_how_many_are_wrong_and_lead_to_them(client: Client):
    for name in ("fine", "failed", "waits", "held"):
        declare(name)
    assert said(text(client.get("/queues"))) == "4 queues hold 0 messages; whatever waits is taken, and nothing failed for good."
    publish("waits", 1, 2)
    publish("failed", 1)
    kill("failed", "no")
    client.post("/queues/held/pause", {"reason": "", "confirmed": "1"})
    page = text(client.get("/queues"))
    assert said(page) == "4 queues hold 2 messages. 1 with nobody to take them · 1 paused · 1 with dead letters"
    for chosen, names in (("unattended", ["waits"]), ("paused", ["held"]), ("dead", ["failed"])):
        assert f'href="?show={chosen}"' in page
        assert [row.name for row in client.get(f"/queues?show={chosen}").context["rows"]] == names


def test_the_sentence_comes_anew_with_the_rows(client: Client):
    declare("orders")
    assert '<p class="sub" id="answer">' in text(client.get("/queues"))
    first = client.get("/queues", headers=ASKED)
    assert '<p class="sub" id="answer" hx-swap-oob="innerHTML">' in text(first)
    again = {**ASKED, "HX-PTag": first.headers["HX-PTag"]}
    assert client.get("/queues", headers=again).status_code == 304
    publish("orders", 1)
    assert client.get("/queues", headers=again).status_code == 200


def test_only_what_may_be_browsed_is_counted():
    for name in ("mine", "theirs"):
        publish(declare(name), 1)
    assert said(text(person(("mine", ["browse"])).get("/queues"))).startswith("1 queue holds 1 message.")


def test_streams_say_which_group_has_most_left_to_read(client: Client):
    assert said(text(client.get("/streams"))) == "Records stay after they are read"
    declare_stream("events")
    declare_stream("quiet")
    declare_group("none")
    assert said(text(client.get("/streams"))) == "2 streams, 1 group; all have read to the end."
    append("events", 1, 2, 3)
    declare_group("late", start="latest")
    page = text(client.get("/streams"))
    assert said(page) == "2 streams, 2 groups; one has something left to read: events / none, 3 records."
    rows = {row.name: row.furthest for row in client.get("/streams").context["rows"]}
    assert rows == {"events": ("events", "none", 3), "quiet": None}
    assert [row.name for row in client.get("/streams?sort=-lag").context["rows"]] == ["events", "quiet"]
    assert "1 of 2 groups has something left to read:" in " ".join(text(client.get("/streams/events")).split())
    assert "Nobody reads it as a group" in text(client.get("/streams/quiet"))


def test_topics_say_what_leads_nowhere(client: Client):
    declare("orders")
    declare_topic("shop", **{"a.#": "queue:orders", "b": "queue:orders"})
    declare_topic("loose")
    page = text(client.get("/topics"))
    assert said(page) == "2 topics lead by 2 bindings; nothing is bound to 1 of them."
    assert page.count("nothing bound</span>") == 1
    assert "Nothing is bound to it: what is published is" in text(client.get("/topics/loose"))


def test_what_is_tried_again_says_when(client: Client):
    declare("orders", max_failures=2)
    assert said(text(client.get("/retrying"))) == "What failed and is tried again"
    assert said(text(client.get("/stuck"))) == "Queues and groups of which nothing goes on"


def test_consumers_say_what_they_hold_and_take_together(client: Client, monkeypatch: pytest.MonkeyPatch):
    declare("orders")
    takings = [Taking(f"ws:node-1/c{n}/1", f"till-{n}", f"c{n}", 10, 2, False, None, None, 1.5) for n in range(2)]
    monkeypatch.setattr(waiting, "of", lambda ids: dict.fromkeys(ids, takings))
    page = client.get("/queues/orders/consumers")
    assert page.context["crowd"] == Crowd(2, 0, 4, 20, 3.0)
    assert "Together they hold 4 of at most 20 and take 3.0 a second." in text(page)
    assert text(page).count('<td class="n mid">1.5</td>') == 2


def test_a_page_of_what_was_deleted_says_by_whom(client: Client):
    declare("orders")
    declare_stream("events")
    declare_group("billing")
    places = {"/queues/orders": "orders", "/streams/events/groups/billing": "billing", "/streams/events": "events"}
    for place, name in places.items():
        assert client.post(f"{place}/delete", {"confirm": name, "confirmed": "1", "typed": name}).status_code == 302, place
        gone = client.get(place)
        assert gone.status_code == 404
        assert "Deleted by admin" in text(gone), place
    assert "Deleted by" not in text(client.get("/queues/never"))
    assert "Deleted by" not in text(person(("*", ["browse"])).get("/queues/orders"))


@pytest.mark.parametrize(("asked", "query"), [("", "-state:settled"), ("state=dead&key=a b", 'state:dead key:"a b"')])
def test_from_a_queues_messages_a_search_leads_on(client: Client, asked: str, query: str):
    declare("orders")
    place = client.get(f"/queues/orders/messages?{asked}").context["search"]
    found = client.get(place)
    assert found.context["asked"].q == query
    assert found.context["asked"].places == ("queue:orders",)
    assert found.status_code == 200
    assert found.context["found"].complete


def test_lists_of_dead_letters_show_the_line_that_tells(client: Client):
    publish(declare("orders"), 1)
    kill("orders", "Traceback (most recent call last):\n  File \"x.py\", line 1, in f\nKeyError: 'zip'")
    for place in ("/dead", "/queues/orders/messages?state=dead"):
        page = text(client.get(place))
        assert ">KeyError: &#x27;zip&#x27;</span>" in page, place
        assert "most recent call last" not in page, place


def test_a_record_says_who_has_read_it(client: Client):
    declare_stream("events", partitions=1)
    append("events", 1, 2)
    place = "/streams/events/records/0/0"
    assert "Nobody reads this stream as a group." in text(client.get(place))
    for name, start in (("audit", "earliest"), ("billing", "latest"), ("mailing", "latest")):
        declare_group(name, start=start)
    shown = " ".join(text(client.get(place)).split())
    assert "billing and mailing have read it; audit has yet to." in shown
    assert 'rel="next"' in shown
    assert 'rel="prev"' not in shown
