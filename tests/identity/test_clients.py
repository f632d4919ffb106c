"""Who a holder is: introduced once, read by its text, forgotten when nobody has seen it for long."""

from __future__ import annotations

from typing import Any

import pytest

from brokerweb.core import clock
from brokerweb.identity import clients, tokens
from brokerweb.identity.clients import Introduction, Who
from brokerweb.identity.models import Client
from brokerweb.identity.principal import Principal
from brokerweb.storage.run import perform
from tests.queues.bench import Time

pytestmark = pytest.mark.django_db

SOCKET = Introduction("ws:node-1/c1", "billing-7", "shop", "token:1", "c1", "10.0.0.1:5")


def test_a_subscription_is_its_connection_unless_it_has_a_name_of_its_own(time: Time):
    perform(clients.note, SOCKET)
    perform(clients.note, SOCKET._replace(holder="ws:node-1/c1/2", client="retries"))
    found = clients.describe(["ws:node-1/c1/1", "ws:node-1/c1/2", None, ""])
    connected = Who("billing-7", "shop", "token:1", "c1", "10.0.0.1:5", "websocket")
    assert found == {"ws:node-1/c1/1": connected, "ws:node-1/c1/2": connected._replace(client="retries")}


def test_who_was_introduced_under_another_name_has_that_now(time: Time):
    perform(clients.note, SOCKET)
    perform(clients.note, SOCKET._replace(client="billing-8", name="other"))
    assert clients.describe(["ws:node-1/c1/1"])["ws:node-1/c1/1"][:2] == ("billing-8", "other")
    assert Client.objects.count() == 1


def test_nobody_is_shown_as_the_broker_tells_holders_apart(time: Time, root: Principal):
    token = tokens.create(root, {"name": "shop", "grants": [{"pattern": "*", "verbs": ["consume"]}]}).token
    holders = [f"rest:token:{token.pk}", f"rest:token:{token.pk}/tills", "rest:token:4711", "rest:user:1", "ws:node-1/gone/1"]
    found = clients.describe(holders)
    assert [found[holder].client for holder in holders] == [
        "shop",
        "tills",
        "a token that has gone",
        "a signed-in user",
        "a client that has gone",
    ]
    assert found["ws:node-1/gone/1"].connection == "gone"
    assert (found[holders[1]].by, found[holders[1]].owner) == ("shop", f"token:{token.pk}")


def test_one_statement_describes_as_many_as_a_page_has(time: Time, django_assert_num_queries: Any):
    for n in range(100):
        perform(clients.note, SOCKET._replace(holder=f"ws:node-1/{n}", client=str(n)))
    with django_assert_num_queries(1):
        assert len(clients.describe(f"ws:node-1/{n}/1" for n in range(100))) == 100


def test_a_client_that_nobody_has_seen_for_a_week_is_forgotten(time: Time):
    perform(clients.note, SOCKET)
    perform(clients.note, SOCKET._replace(holder="ws:node-1/c2"))
    time.advance(clients.KEPT - 1)
    perform(clients.see, ["ws:node-1/c2"])
    assert perform(clients.forget) == 0
    time.advance(1)
    assert perform(clients.forget) == 1
    assert [client.holder for client in Client.objects.all()] == ["ws:node-1/c2"]


def test_there_are_never_too_many(time: Time, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(clients, "MOST", 3)
    for n in range(5):
        time.advance(1)
        perform(clients.note, SOCKET._replace(holder=f"rest:token:1/{n}"))
    assert perform(clients.forget) == 2
    assert sorted(Client.objects.values_list("holder", flat=True)) == [f"rest:token:1/{n}" for n in (2, 3, 4)]


def test_the_holders_of_callers_fit_their_column_whatever_they_call_themselves(time: Time):
    name = "é" * 127
    holder = clients.caller_holder("token:1", name)
    perform(clients.note, Introduction(holder, name, "shop", "token:1", None, None))
    assert len(holder) <= clients.LONGEST_HOLDER
    assert clients.describe([holder])[holder].client == name
    assert clock.from_datetime(Client.objects.get().last_seen_at) == clock.to_wall(time.now())
