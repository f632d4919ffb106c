"""The audit trail as a page: filters in its address, what changed as JSON, and text of strangers stays text."""

from __future__ import annotations

import json
import re
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokerweb.console.audit.changes import changes
from brokerweb.identity import audit
from brokerweb.identity.principal import broker_itself
from tests.console.conftest import HOSTILE, declare, declare_group, declare_stream, declare_topic, person, text
from tests.console.test_security import assert_nothing_runs

ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda some: st.lists(some, max_size=4) | st.dictionaries(st.text(max_size=5), some, max_size=4),
    max_leaves=12,
)


def test_filters_stand_in_the_address(client):
    audit.record("ada", "queue.declare", "queue:orders", detail={"before": {"lease": 30}, "after": {"lease": 45}})
    audit.record("bob", "job.undo", "job:7", detail={"job": "8"})
    page = text(client.get("/audit?target=queue:orders&who=ada"))
    assert "bob" not in page
    assert '<del><span class="hide">was </span><code>30</code></del>' in page
    assert '<ins><span class="hide">is </span><code>45</code></ins>' in page
    assert 'href="/jobs/8"' in text(client.get("/audit?action=job"))
    assert client.get("/audit?since=yesterday").status_code == 400


def test_values_are_json_and_not_pythons(client):
    audit.record(
        "ada",
        "queue.declare",
        "queue:orders",
        detail={"before": {"ttl": None, "keyed": False}, "after": {"ttl": 5, "keyed": True}},
    )
    page = text(client.get("/audit"))
    assert "<code>null</code>" in page
    assert "<code>true</code>" in page
    assert "None" not in page.partition("<table")[2]


@pytest.mark.parametrize(
    ("since", "shown"), [("7 d", True), ("1h", True), ("2000-01-01", True), ("2000-01-01 12:30", True), ("2100-01-01", False)]
)
def test_since_is_written_as_people_do(client, since, shown):
    audit.record("ada", "queue.declare", "queue:orders")
    assert ("queue:orders" in text(client.get("/audit", {"since": since})).partition("<tbody")[2]) == shown


def test_pages_go_on_with_their_filter(client):
    for n in range(60):
        audit.record("ada", "queue.pause", f"queue:q{n}")
    first = text(client.get("/audit?who=ada"))
    assert "queue:q59<" in first
    (onward,) = re.findall(r'href="(\?[^"]+)"[^>]*>Next page', first)
    assert "who=ada" in onward
    second = text(client.get(f"/audit{unescape(onward)}"))
    assert "queue:q9<" in second
    assert "queue:q59<" not in second


@given(ANY, ANY)
def test_what_differs_is_found_and_nothing_else_is(before, after):
    found = changes(before, after)
    assert bool(found) == (json.dumps(before, sort_keys=True) != json.dumps(after, sort_keys=True))
    assert all(change.before != change.after for change in found)


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ({"backoff": {"max": 60, "factor": 2}}, {"backoff": {"max": 90, "factor": 2}}, [("backoff.max", "60", "90")]),
        (
            {"bindings": [{"to": "a"}, {"to": "b"}]},
            {"bindings": [{"to": "b"}, {"to": "c"}]},
            [("bindings", '{"to": "a"}', None), ("bindings", None, '{"to": "c"}')],
        ),
        (None, {"lease": 30}, [("lease", None, "30")]),
        ({"lease": 30}, None, [("lease", "30", None)]),
        ({"keyed": 1}, {"keyed": True}, [("keyed", "1", "true")]),
        ({"search": ["a", "b"]}, {"search": ["b", "a"]}, [("search", '["a", "b"]', '["b", "a"]')]),
    ],
)
def test_it_is_told_at_the_smallest_place(before, after, found):
    assert [tuple(change) for change in changes(before, after)] == found


def test_every_object_says_who_changed_it_and_leads_to_all_that_was_done(client):
    declare("orders")
    declare_stream("events")
    declare_group("billing")
    declare_topic("shop")
    for target in ("queue:orders", "stream:events", "stream:events/billing", "topic:shop", "user:admin"):
        audit.record(broker_itself("ada"), "queue.declare", target)
    audit.record("admin", "user.sign_in", "user:admin")
    places = {
        "/queues/orders/settings": "queue%3Aorders",
        "/streams/events/settings": "stream%3Aevents",
        "/topics/shop/settings": "topic%3Ashop",
    }
    places |= {"/streams/events/groups/billing/settings": "stream%3Aevents%2Fbilling", "/users/admin": "user%3Aadmin"}
    for place, target in places.items():
        page = text(client.get(place))
        assert "Changed by ada" in page, place
        assert f'href="/audit?target={target}"' in page, place
    assert "Changed by" not in text(person(("*", ["browse", "manage"])).get("/queues/orders/settings"))


def test_who_is_a_name_and_leads_to_what_else_they_did(client):
    audit.record(broker_itself("ada"), "token.create", "token:7")
    page = text(client.get("/audit"))
    assert 'href="?who=ada"' in page
    assert 'href="/tokens/7"' in page


def test_hostile_text_stays_text(client):
    for hostile in HOSTILE:
        audit.record(hostile, hostile, hostile, detail={"before": {hostile: hostile}, "after": {hostile: [hostile]}})
        assert_nothing_runs(text(client.get("/audit", {"who": hostile})))
        audit.record(hostile, hostile, hostile, detail={hostile: {hostile: hostile}})
        assert_nothing_runs(text(client.get("/audit", {"action": hostile})))
