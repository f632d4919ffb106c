"""A message's page: why it waits, what happened to it, its family; also where it has ended. It says what REST says."""

from __future__ import annotations

import pytest

from brokerweb.core import clock
from brokerweb.queues import control, engine, leasing
from brokerweb.queues.messages import Settle
from brokerweb.storage.run import perform
from tests.console.conftest import (
    HOSTILE,
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
from tests.console.test_security import assert_nothing_runs

pytestmark = pytest.mark.usefixtures("database")


def place(message: int, queue: str = "orders") -> str:
    return f"/queues/{queue}/messages/{message}"


def settle(kind: str, error: str | None = None) -> None:
    """Take the next message, and settle it."""
    [leased] = perform(leasing.lease, "orders", 1, engine.Terms("tests")).messages
    perform(engine.settle, [Settle(kind, leased.receipt, error=error)])  # type: ignore[arg-type]  # kinds as texts


def paused(message: int) -> None:
    perform(control.pause, "orders", reason="maintenance", by="ana")


def dead(message: int) -> None:
    settle("dead", "Traceback (most recent call last):\nKeyError: 'zip'")


def failed(message: int) -> None:
    settle("nack", "HTTP 429")


def leased(message: int) -> None:
    perform(leasing.lease, "orders", 1, engine.Terms("tests"))


def acked(message: int) -> None:
    settle("ack")


@pytest.mark.parametrize("happens", [paused, dead, failed, leased, acked, lambda message: None])
def test_a_page_says_why_in_the_words_of_rest(client, happens, monkeypatch):
    declare(keep_settled=60)
    [message] = publish("orders", {"n": 1})
    happens(message)
    then = clock.now()
    monkeypatch.setattr(clock, "now", lambda: then)  # both say how long it is until it is tried again
    said = client.get(f"/api/v1{place(message)}").json()["verdict"]
    shown = client.get(place(message)).context["verdict"]
    assert (shown.code, shown.text) == (said["code"], said["text"])
    assert ("Why" in shown.title) == (said["code"] not in ("leased", "settled"))


def test_a_page_draws_what_rest_tells(client):
    declare(history="full", keep_settled=60)
    [message] = publish("orders", {"n": 1})
    settle("release")
    settle("ack")
    told = [each["event"] for each in client.get(f"/api/v1{place(message)}").json()["timeline"]]
    steps = client.get(place(message)).context["life"].steps
    assert [step.event for step in steps] == told == ["published", "leased", "released", "leased", "acked"]


def test_a_settled_message_that_is_kept_shows_as_such_and_is_found_in_its_list(client):
    declare(keep_settled=60)
    [message] = publish("orders", {"secret": 1})
    settle("ack")
    page = text(client.get(place(message)))
    assert "How it ended" in page
    assert "settled</span>" in page
    assert "Kept until" in page
    assert "/requeue" not in page
    assert "/delete" not in page
    listed = client.get("/queues/orders/messages?state=settled")
    assert f'href="{place(message)}?state=settled"' in text(listed)
    assert "secret" in text(listed)
    assert client.get(f"{place(message)}/body").content == b'{"secret": 1}'
    assert "Settled" not in text(client.get(f"/queues/{declare('plain')}/messages"))


def test_kept_messages_are_listed_whatever_their_bodies_weigh_and_lead_to_each_other(client):
    declare(keep_settled=60, max_body_bytes=5_000_000)
    ids = publish("orders", "a", "x" * 700_000, "b")
    for _ in ids:
        settle("ack")
    found = client.get("/queues/orders/messages?state=settled").context["found"]
    assert [m.message_id for m in found] == ids[::-1]
    context = client.get(f"{place(ids[1])}?state=settled").context
    assert (context["older"], context["newer"]) == (ids[0], ids[2])


def test_a_message_that_is_gone_has_a_page_that_says_what_is_known(client):
    declare(history="full")
    [message] = publish("orders", {"n": 1})
    settle("ack")
    page = client.get(place(message))
    assert page.status_code == 404
    assert client.get(f"/api/v1{place(message)}").json()["detail"] in text(page)
    assert [step.event for step in page.context["life"].steps] == ["published", "leased", "acked"]
    never = client.get(place(message + 1_000))
    assert (never.status_code, "never had a message" in text(never)) == (404, True)
    assert client.get(place(message), headers={"HX-Request": "true"}).status_code == 404


def test_an_original_and_its_copy_lead_to_each_other(client):
    declare()
    publish("orders", 1)
    [original] = kill("orders", "x")
    client.post(f"{place(original)}/edit", {"body": "2", "kind": "json"})
    copy = int(client.get("/queues/orders/messages").context["found"][0].pk)
    assert f'href="{place(original)}"' in text(client.get(place(copy)))
    assert f'href="{place(copy)}"' in text(client.get(place(original)))


def test_a_record_of_a_group_says_why_and_what_happened(client):
    declare_stream()
    append("events", 1)
    declare_group("workers", kind="shared")
    [message] = kill_records("events", "workers", "broken: 429")
    page = client.get(f"/streams/events/groups/workers/dead/{message}")
    assert page.context["verdict"].code == "dead"
    assert "broken: 429" in page.context["verdict"].text
    assert page.context["life"].steps
    assert "Requeue" in text(page)


def test_who_may_only_look_is_offered_no_act():
    declare()
    publish("orders", 1)
    [message] = kill("orders", "x")
    perform(control.pause, "orders", reason="", by="ana")
    [ready] = publish("orders", 2)
    viewer = person(("*", ["browse"]))
    for shown in (text(viewer.get(place(message))), text(viewer.get(place(ready))), text(viewer.get("/queues/orders"))):
        assert "Why it" in shown or "How it stands" in shown
        assert "/requeue" not in shown
        assert "/resume" not in shown
        assert "/redrive" not in shown


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_text_in_what_happened_stays_text(client, hostile):
    said = hostile.replace("\0", "")
    declare(history="full", keep_settled=60)
    [message] = publish("orders", 1, key=said)
    settle("nack", said)
    perform(control.pause, "orders", reason=said, by=said)
    for shown in (client.get(place(message)), client.get("/queues/orders"), client.get(f"{place(message)}?life=all&key={said}")):
        assert_nothing_runs(text(shown))
        assert "\u202e" not in text(shown)


def test_green_is_what_is_well_and_nothing_else(client):
    declare()
    assert 'class="badge ok">idle<' in text(client.get("/queues/orders"))
    publish("orders", 1)
    page = text(client.get("/queues/orders/messages"))
    assert 'class="badge blocked">no consumer<' in page
    assert "badge ok" not in page
