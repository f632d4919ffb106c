"""Who holds what: messages in flight and consumers, by name, with what may be done about them."""

from __future__ import annotations

import re
from typing import Any

import pytest

from brokerweb.core import clock
from brokerweb.delivery import connections
from brokerweb.delivery import consumers as waiting
from brokerweb.delivery.consumers import Taking
from brokerweb.handout.lease import lease
from brokerweb.identity import clients
from brokerweb.identity.clients import Introduction
from brokerweb.identity.models import AuditEntry
from brokerweb.queues import engine, leasing
from brokerweb.queues.messages import Settle
from brokerweb.queues.models import Message
from brokerweb.queues.states import State
from brokerweb.storage.run import perform
from brokerweb.streams.models import ConsumerGroup
from tests.console.conftest import HOSTILE, append, declare, declare_group, declare_stream, person, publish, text
from tests.console.test_security import assert_nothing_runs

pytestmark = pytest.mark.usefixtures("database")
HOLDER = "ws:node-1/c0ffee/workers"


def hold(name: str, n: int, holder: str = HOLDER) -> list[str]:
    """Lease so many messages to a holder; their receipts."""
    return [str(m.receipt) for m in perform(leasing.lease, name, n, engine.Terms(holder)).messages]


def introduce(holder: str = HOLDER, client: str = "worker-7", name: str = "payments") -> None:
    connection = holder.split("/")[1] if holder.startswith("ws:") else None
    perform(clients.note, Introduction(holder, client, name, "token:1", connection, "10.0.0.1"))


def connected(monkeypatch, *subs: dict[str, Any], id: str = "c0ffee", client: str = "worker-7") -> None:
    """Somebody is connected with these subscriptions."""
    live: dict[str, Any] = {
        "id": id,
        "owner": "token:1",
        "name": "payments",
        "client": client,
        "address": "10.0.0.1",
        "protocol": "brokerweb.v1",
    }
    live |= {"connected_at": "2026-11-24T04:00:00.000000Z", "subscriptions": [{"client": client, **sub} for sub in subs]}
    monkeypatch.setattr(connections, "snapshot", lambda: [live])
    monkeypatch.setattr(connections, "described", {live["id"]: live}.get)
    monkeypatch.setattr(waiting, "of", lambda ids: {id: [taking(id, client, sub) for sub in subs] for id in ids})


def taking(queue_id: int, client: str, sub: dict[str, Any]) -> Taking:
    """A subscription that has settled nothing for 17 minutes."""
    since = clock.now() - 1_020 * clock.SECOND
    full = sub["unsettled"] >= sub["prefetch"]
    return Taking(HOLDER, sub.get("client", client), "c0ffee", sub["prefetch"], sub["unsettled"], full, None, since)


def ids(page) -> list[int]:
    return [item.message.pk for item in page.context["held"]]


# In flight


def test_what_is_in_flight_is_listed_by_whom_it_is_held(client):
    introduce()
    held = publish(declare(), 1, 2)
    publish("orders", 3)
    [first, _] = hold("orders", 2)
    perform(engine.settle, [Settle("extend", first, lease=3_000)])
    page = client.get("/queues/orders/in-flight")
    assert ids(page) == held
    shown = text(page)
    assert "worker-7" in shown
    assert "1 ×" in shown
    assert "2 shown of 2 in flight" in shown
    assert HOLDER not in shown


LEASED = ["/queues/orders/in-flight", "/queues/orders/messages?state=leased", "/queues/orders/messages/1"]


@pytest.mark.parametrize("place", LEASED)
@pytest.mark.parametrize("holder", [HOLDER, "rest:token:1", "rest:user:1", "ws:node-1/gone/1"])
def test_holders_have_names_and_never_ids(client, place, holder):
    introduce()
    publish(declare(), 1)
    [receipt] = hold("orders", 1, holder)
    place = place.replace("/1", f"/{receipt.split('-')[1]}")
    assert not re.search(r"rest:|ws:|token:1|user:1|node-1", text(client.get(place)))
    perform(engine.settle, [Settle("nack", receipt, error="x")])
    assert not re.search(r"rest:|ws:|token:1|user:1|node-1", text(client.get(place)))


def test_a_long_list_goes_on_without_gaps_and_shows_those_of_one_connection(client):
    introduce()
    declare()
    mine, theirs = [], []
    for n in range(60):
        mine += publish("orders", n)
        hold("orders", 1)
        theirs += publish("orders", n)
        hold("orders", 1, "ws:node-1/c0ffee0/workers")
    first = client.get("/queues/orders/in-flight")
    second = client.get(f"/queues/orders/in-flight?{first.context['next']}")
    third = client.get(f"/queues/orders/in-flight?{second.context['next']}")
    assert ids(first) + ids(second) + ids(third) == sorted(mine + theirs)
    assert third.context["next"] is None
    one = client.get("/queues/orders/in-flight?connection=c0ffee")
    assert ids(one) + ids(client.get(f"/queues/orders/in-flight?{one.context['next']}")) == mine
    assert "Held by worker-7" in text(one)


def test_nothing_in_flight_is_said(client):
    declare()
    assert "Nothing is in flight" in text(client.get("/queues/orders/in-flight"))
    assert "Nothing is in flight there" in text(client.get("/queues/orders/in-flight?connection=c0ffee"))


def test_a_record_in_flight_leads_to_its_page(client):
    declare_stream()
    append("events", 1)
    declare_group("workers", kind="shared")
    queue_id = ConsumerGroup.objects.get().queue_id
    perform(lease, queue_id, 1, engine.Terms(HOLDER))
    [message] = Message.objects.all()
    place = "/streams/events/groups/workers"
    assert f'href="{place}/dead/{message.pk}"' in text(client.get(f"{place}/in-flight"))
    assert f'href="{place}/in-flight"' in text(client.get(place))
    assert "Release 1 message" in text(client.get(f"{place}/dead/{message.pk}/release"))
    client.post(f"{place}/dead/{message.pk}/release", {"attempt": "1"})
    assert Message.objects.get().state == State.READY
    assert AuditEntry.objects.get().target == f"stream:events/workers/{message.pk}"


# Releasing


def test_a_release_says_whose_lease_it_ends_and_ends_that(client):
    introduce()
    [message] = publish(declare(), 1)
    hold("orders", 1)
    place = f"/queues/orders/messages/{message}/release"
    page = text(client.get(f"{place}?back=/queues/orders/in-flight"))
    assert "<dt>Held by</dt><dd>worker-7</dd>" in page
    assert Message.objects.get().state == State.LEASED
    response = client.post(place, {"attempt": "1", "back": "/queues/orders/in-flight"})
    assert response["Location"] == "/queues/orders/in-flight"
    found = Message.objects.get()
    assert (found.state, found.failures) == (State.READY, 0)
    assert [(e.action, e.target) for e in AuditEntry.objects.all()] == [("message.release", f"queue:orders/{message}")]


@pytest.mark.parametrize("attempt", ["1", "3", "", "x", "9" * 30])
def test_a_release_ends_no_other_lease_than_was_shown(client, attempt):
    [message] = publish(declare(), 1)
    [receipt] = hold("orders", 1)
    perform(engine.settle, [Settle("release", receipt)])
    hold("orders", 1)
    response = client.post(f"/queues/orders/messages/{message}/release", {"attempt": attempt}, follow=True)
    assert "lease_lost" in text(response)
    assert Message.objects.get().state == State.LEASED
    assert not AuditEntry.objects.exists()


def test_what_nobody_holds_is_not_released(client):
    [message] = publish(declare(), 1)
    assert client.get(f"/queues/orders/messages/{message}/release").status_code == 409


def test_who_may_only_look_releases_and_closes_nothing(monkeypatch):
    [message] = publish(declare(), 1)
    hold("orders", 1)
    connected(monkeypatch, {"sub": "workers", "queue": "orders", "prefetch": 1, "unsettled": 1})
    viewer = person(("*", ["browse"]))
    for place in ("in-flight", "consumers", f"messages/{message}"):
        page = text(viewer.get(f"/queues/orders/{place}"))
        assert "/release" not in page
        assert "/close" not in page
        assert "10.0.0.1" not in page
    assert viewer.get(f"/queues/orders/messages/{message}/release").status_code == 403
    assert viewer.post(f"/queues/orders/messages/{message}/release", {"attempt": "1"}).status_code == 403


# Consumers


def test_consumers_are_shown_with_what_they_hold_and_how_long_they_are_silent(client, monkeypatch):
    declare()
    full = {"sub": "a", "queue": "orders", "prefetch": 32, "unsettled": 32, "client": "stuck-worker"}
    busy = {"sub": "b", "queue": "orders", "prefetch": 10, "unsettled": 3, "client": "worker-8"}
    connected(monkeypatch, busy, full)
    page = client.get("/queues/orders/consumers")
    found = [(c.client, c.unsettled, c.stands) for c in page.context["consumers"]]
    assert found == [("stuck-worker", 32, True), ("worker-8", 3, False)]
    shown = text(page)
    assert "32 of 32" in shown
    assert "silent for 17 min" in shown
    assert "/connections/c0ffee/close?back=/queues/orders/consumers" in shown
    assert 'href="/queues/orders/in-flight?connection=c0ffee"' in shown


def test_closing_a_consumer_says_what_it_holds_and_leads_back(client, monkeypatch):
    declare()
    connected(monkeypatch, {"sub": "a", "queue": "orders", "prefetch": 32, "unsettled": 5})
    closed: list[str] = []
    monkeypatch.setattr(connections, "close", lambda id: not closed.append(id))  # type: ignore[func-returns-value]  # what append gives is None, and is negated
    page = text(client.get("/connections/c0ffee/close?back=/queues/orders/consumers"))
    assert "<dd>worker-7 (payments)</dd>" in page
    response = client.post("/connections/c0ffee/close", {"back": "/queues/orders/consumers"})
    assert (response["Location"], closed) == ("/queues/orders/consumers", ["c0ffee"])


@pytest.mark.parametrize("place", ["https://evil.example", "//evil.example", "/\\evil.example"])
def test_no_way_back_leads_to_another_site(client, monkeypatch, place):
    declare()
    connected(monkeypatch, {"sub": "a", "queue": "orders", "prefetch": 32, "unsettled": 5})
    monkeypatch.setattr(connections, "close", lambda id: True)
    page = text(client.get("/connections/c0ffee/close", {"back": place}))
    assert '<input type="hidden" name="back" value="/connections">' in page
    assert '<a class="button" href="/connections">Cancel</a>' in page
    assert client.post("/connections/c0ffee/close", {"back": place})["Location"] == "/connections"


@pytest.mark.parametrize("hostile", HOSTILE)
def test_what_clients_call_themselves_stays_text(client, monkeypatch, hostile):
    name = hostile.replace("\0", "")
    introduce(client=name, name=name)
    [message] = publish(declare(), 1)
    hold("orders", 1)
    connected(monkeypatch, {"sub": name, "queue": "orders", "prefetch": 1, "unsettled": 1}, client=name)
    for place in (
        "/queues/orders/in-flight",
        "/queues/orders/in-flight?connection=c0ffee",
        "/queues/orders/consumers",
        f"/queues/orders/messages/{message}",
        f"/queues/orders/messages/{message}/release",
        "/queues/orders/messages?state=leased",
        "/connections",
        "/connections/c0ffee/close",
    ):
        shown = text(client.get(place))
        assert_nothing_runs(shown)
        assert "\u202e" not in shown, place
