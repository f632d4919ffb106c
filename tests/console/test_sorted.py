"""Lists that cannot be sorted as a whole, or come in an order of their own: what of them is sorted, and that they say so."""

from __future__ import annotations

from html import unescape
from urllib.parse import parse_qsl, urlencode

import pytest
from django.contrib.auth import get_user_model

from brokerweb.cluster.models import Alert
from brokerweb.console import headings
from brokerweb.console.audit import reading as trail
from brokerweb.console.dead_letters import reading as dead_letters
from brokerweb.console.messages import reading as messages
from brokerweb.identity import audit
from brokerweb.queues import engine, leasing
from brokerweb.queues.messages import Settle
from brokerweb.queues.models import Message
from brokerweb.storage.run import perform
from tests.console.conftest import (
    append,
    declare,
    declare_group,
    declare_stream,
    kill,
    kill_records,
    publish,
    saved_view,
    text,
)

pytestmark = pytest.mark.usefixtures("database")


def ids(page) -> list[int]:
    return [message.pk for message in page.context["found"]]


def test_messages_are_sorted_by_what_they_are_among_the_newest(client, monkeypatch):
    declare("orders")
    low, high = publish("orders", 1, priority=1), publish("orders", 2, priority=9, key="b")
    mid = publish("orders", 3, priority=5, key="a")
    assert ids(client.get("/queues/orders/messages?sort=-priority")) == [*high, *mid, *low]
    page = client.get("/queues/orders/messages?sort=about")
    assert ids(page) == [*mid, *high, *low], "what has no key is last"
    assert 'title="Sorts the newest 1,000"' in text(page)
    assert "sorted among the newest 1,000" in text(page)
    assert "sorted among" not in text(client.get("/queues/orders/messages?sort=id"))
    monkeypatch.setattr(messages, "NEWEST", 2)
    assert ids(client.get("/queues/orders/messages?sort=-priority")) == [*high, *mid]


def test_messages_that_are_sorted_are_paged_and_hold_still(client):
    declare("orders")
    for n in range(60):
        publish("orders", n, priority=n % 3)
    first = client.get("/queues/orders/messages?sort=-priority")
    second = client.get(f"/queues/orders/messages?{first.context['next']}")
    assert len({*ids(first), *ids(second)}) == 60
    assert ids(client.get(f"/queues/orders/messages?{second.context['previous']}")) == ids(first)
    assert client.get("/queues/orders/messages?sort=-priority&after=nonsense").status_code == 400
    failed = client.get("/queues/orders/messages?sort=failures")
    poll = unescape(text(failed).split('id="poll" hidden>')[1].split("<")[0])
    kill("orders", *["no"] * 10)
    assert ids(client.get(poll, headers={"HX-Request": "true"})) == ids(failed)


def test_messages_of_a_state_are_sorted_by_what_its_column_says(client):
    declare("orders")
    publish("orders", 1, 2, 3, key="k")
    dead = kill("orders", "b")
    publish("orders", 4)
    dead += kill("orders", "a")
    page = client.get("/queues/orders/messages?state=dead&sort=about")
    assert ids(page) == dead[::-1]
    assert '<option value="about" selected>As sorted</option>' in text(page)


def test_messages_that_are_kept_stand_by_id_alone(client):
    declare("orders", keep_settled=600)
    publish("orders", 1, 2)
    done = perform(leasing.lease, "orders", 2, engine.Terms("tests")).messages
    perform(engine.settle, [Settle("ack", message.receipt) for message in done])
    page = client.get("/queues/orders/messages?state=settled&sort=-priority")
    assert page.status_code == 200
    assert [heading.key for heading in headings.of(page.context["list"].asked) if heading.query] == ["id"]


def test_dead_letters_are_sorted_by_what_they_are_over_all_queues(client):
    for name, errors in (("a", ["c", "a"]), ("b", ["b"])):
        declare(name)
        publish(name, *errors)
        kill(name, *errors)
    rows = client.get("/dead?sort=about").context["rows"]
    assert [row.message.last_error for row in rows] == ["a", "b", "c"]
    page = client.get("/dead?sort=-since")
    assert page.context["rows"][0].queue == "b"
    assert "sorted among the newest 1,000" in text(page)
    assert 'href="?sort=-since&amp;queue=a"' in text(page)


def test_of_many_dead_letters_the_newest_are_sorted(client, monkeypatch):
    monkeypatch.setattr(dead_letters, "NEWEST", 7)
    for name in "ab":
        declare(name)
        publish(name, *range(6))
        kill(name, *map(str, range(6)))
    rows = client.get("/dead?sort=failures").context["rows"]
    newest = Message.objects.order_by("-pk").values_list("pk", flat=True)[:7]
    assert sorted(row.message.pk for row in rows) == sorted(newest)


def test_dead_letters_of_a_group_are_sorted_by_record(client):
    declare_stream(partitions=2)
    for partition, offset in ((0, 0), (1, 0), (0, 1)):
        append("events", offset, partition=partition)
    declare_group("mailing", kind="shared")
    kill_records("events", "mailing", "x", "y", "z")
    rows = client.get("/streams/events/groups/mailing/dead?sort=record").context["rows"]
    assert [row.route for row in rows] == ["0-0", "0-1", "1-0"]


def test_the_audit_trail_is_sorted_by_who_among_the_newest(client, monkeypatch):
    for who in ("carl", "anna", "bert"):
        audit.record(who, "queue.purge", f"queue:{who}")
    found = client.get("/audit?action=queue.purge&sort=who")
    assert [row.who for row in found.context["rows"]] == ["anna", "bert", "carl"]
    assert "sorted among the newest 1,000" in text(found)
    monkeypatch.setattr(trail, "NEWEST", 2)
    assert [row.who for row in client.get("/audit?action=queue.purge&sort=-who").context["rows"]] == ["bert", "anna"]


def test_records_are_sorted_on_their_page_which_stays_where_it_is(client):
    declare_stream()
    for key, size in (("b", 3), ("c", 1), ("a", 2)):
        append("events", "x" * size, key=key)
    page = client.get("/streams/events/records?partition=0")
    assert page.context["list"].asked.natural
    [by_size] = [h.query for h in headings.of(page.context["list"].asked) if h.key == "size"]
    assert 'title="Sorts the rows of this page"' in text(page)
    append("events", "x" * 9)
    found = client.get(f"/streams/events/records?{by_size}")
    assert [record.key for record in found.context["found"].items] == ["b", "a", "c"]
    assert "sorted among themselves" in text(found)
    newer = client.get(f"/streams/events/records?{found.context['found'].newer}")
    assert (newer.context["found"].items[0].size, newer.context["list"].asked.get("sort")) == (11, "-size")


def test_what_a_search_found_is_sorted_on_its_page(client):
    page = client.get("/search?q=x&in=queue:orders&in=queue:mail&sort=key")
    assert "sorted among themselves" in text(page)
    assert 'name="sort" value="key"' in text(page)
    [state] = [h.query for h in headings.of(page.context["list"].asked) if h.key == "state"]
    assert dict(parse_qsl(state)) == {"q": "x", "in": "queue:orders queue:mail", "sort": "state"}


def test_a_search_is_saved_with_where_it_looks(client):
    declare("orders")
    declare("mail")
    publish("mail", "x")
    q = "x " * 300  # longer than a part of a name would be
    place = saved_view(
        client, "/search?" + urlencode([("q", q), ("in", "queue:orders queue:mail"), ("after", "x")]), name="Where"
    )
    page = client.get(place)
    assert page.context["asked"].places == ("queue:orders", "queue:mail")
    assert page.context["asked"].q == q.strip()
    assert page.context["list"].chosen.saved.name == "Where"
    assert "Where" in text(client.get("/search?view="))


def test_what_is_in_flight_is_sorted_on_its_page(client):
    declare("orders")
    publish("orders", *range(60))
    perform(leasing.lease, "orders", 60, engine.Terms("tests"))
    first = client.get("/queues/orders/in-flight?sort=-message")
    shown = [item.message.pk for item in first.context["held"]]
    assert shown == sorted(shown, reverse=True)
    second = client.get(f"/queues/orders/in-flight?{first.context['next']}")
    assert min(item.message.pk for item in second.context["held"]) > max(shown)
    assert second.context["list"].asked.get("sort") == "-message"
    turned = [h.query for h in headings.of(second.context["list"].asked) if h.key == "message"]
    assert [item.message.pk for item in client.get(f"/queues/orders/in-flight?{turned[0]}").context["held"]] == sorted(
        item.message.pk for item in second.context["held"]
    )


def test_people_are_sorted_filtered_and_paged(client):
    make = get_user_model().objects.create_user
    for n in range(60):
        make(f"person{n:02}", password=None, is_active=n % 2 == 0)
    first = client.get("/users?q=PERSON&sort=-name")
    assert [row.name for row in first.context["rows"]] == [f"person{n:02}" for n in range(59, 9, -1)]
    assert len(client.get(f"/users?{first.context['next']}").context["rows"]) == 10
    assert {row.active for row in client.get("/users?show=deactivated").context["rows"]} == {False}
    assert "No person matches" in text(client.get("/users?q=zzz"))


def test_what_stands_still_is_the_worst_first_until_it_is_sorted(client):
    for name, n in (("little", 1), ("much", 9), ("some", 4)):
        declare(name)
        publish(name, *range(n))
        Message.objects.filter(queue__name=name).update(due_at=1)
    assert [item.name for item in client.get("/stuck").context["rows"]] == ["much", "some", "little"]
    assert [item.name for item in client.get("/stuck?sort=what").context["rows"]] == ["little", "much", "some"]
    assert [item.name for item in client.get("/stuck?q=LITT").context["rows"]] == ["little"]
    assert 'aria-sort="descending"' in text(client.get("/stuck?sort=-held"))


def test_what_is_tried_again_is_sorted_and_found_by_its_error(client):
    declare("orders", max_failures=5)
    publish("orders", 1, 2)
    leased = perform(leasing.lease, "orders", 2, engine.Terms("tests")).messages
    for message, error, delay in zip(leased, ("Zebra", "Apple"), (60, 90), strict=True):
        perform(engine.settle, [Settle("nack", message.receipt, error=error, delay=delay)])

    def errors(query: str) -> list[str]:
        return [item.telling for item in client.get(f"/retrying?{query}").context["retries"].items]

    assert (errors(""), errors("sort=error"), errors("q=zeb")) == (["Zebra", "Apple"], ["Apple", "Zebra"], ["Zebra"])
    assert "No message matches" in text(client.get("/retrying?q=zzz"))


def test_alerts_are_sorted_and_have_their_columns(client):
    for target, rule in (("queue:b", "first"), ("queue:a", "second")):
        Alert.objects.create(
            rule=rule, figure="dead", version=1, target=target, value=1, text="1 is dead", since_at=1, fired_at=1
        )
    page = client.get("/alerts?sort=target")
    assert [row["alert"].target for row in page.context["firing"]] == ["queue:a", "queue:b"]
    assert "What holds" not in text(client.get("/alerts?columns=target.rule")).split("<thead>")[1].split("</thead>")[0]


@pytest.mark.parametrize(
    "place",
    ["/queues/orders/consumers", "/queues/orders/in-flight", "/queues/orders/messages", "/streams/events/records",
     "/streams/events/groups/mailing/in-flight", "/search?q=x", "/users", "/retrying"],
)  # fmt: skip
def test_pages_of_whatever_list_keep_columns_and_views(client, place):
    declare("orders")
    publish("orders", "x", "x")
    [message, _] = perform(leasing.lease, "orders", 2, engine.Terms("tests")).messages
    perform(engine.settle, [Settle("nack", message.receipt, delay=60, error="x")])
    append(declare_stream(), "x")
    declare_group("mailing", kind="shared")
    listing = client.get(place).context["list"].asked.listing
    client.post("/lists/look", {"list": listing.name, "column": [listing.columns[1].key], "density": "compact"})
    shown = client.get(place).context["list"]
    assert ([column.key for column in shown.asked.columns], shown.compact) == ([c.key for c in listing.columns[:2]], True)
    saved_view(client, place, name="Kept")
    assert [view.saved.name for view in client.get(place).context["list"].views] == ["Kept"]
