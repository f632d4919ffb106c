"""The console's lists: sorted, filtered, grouped and paged; how they look; and views of them that people save."""

from __future__ import annotations

from html import unescape
from urllib.parse import parse_qsl, urlencode

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from brokerweb.console.listing import KNOWN
from brokerweb.console.queues.listing import LISTING as QUEUES
from brokerweb.core import events
from brokerweb.core.errors import Invalid
from brokerweb.identity import saved_views
from brokerweb.identity.models import AuditEntry, SavedView
from brokerweb.identity.saved_views import Address
from brokerweb.queues.models import Queue
from brokerweb.queues.stats import stats
from tests.console.conftest import (
    HOSTILE,
    append,
    declare,
    declare_group,
    declare_stream,
    declare_topic,
    kill,
    person,
    publish,
    saved_view,
    text,
)
from tests.console.test_security import assert_nothing_runs

pytestmark = pytest.mark.usefixtures("database")

LISTS = [
    "queues",
    "streams",
    "topics",
    "jobs",
    "tokens",
    "audit",
    "connections",
    "nodes",
    "dead",
    "dead/causes",
    "streams/events/groups",
    "users",
    "stuck",
    "retrying",
]


def names(client: Client, place: str) -> list[str]:
    return [row.name for row in client.get(place).context["rows"]]


@pytest.fixture
def queues() -> None:
    for name, n in (("orders.eu", 3), ("orders.us", 1), ("mail", 2), ("idle", 0)):
        declare(name)
        publish(name, *range(n))
    kill("mail", "no", "no")


# Sorted, filtered


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("name", ["idle", "mail", "orders.eu", "orders.us"]),
        ("-name", ["orders.us", "orders.eu", "mail", "idle"]),
        ("-ready", ["orders.eu", "orders.us", "idle", "mail"]),
        ("ready", ["idle", "mail", "orders.us", "orders.eu"]),
        ("-dead", ["mail", "idle", "orders.eu", "orders.us"]),
        ("nonsense", ["idle", "mail", "orders.eu", "orders.us"]),
    ],
)
def test_queues_are_sorted(client, queues, sort, expected):
    assert names(client, f"/queues?sort={sort}") == expected


@pytest.mark.parametrize("sort", ["oldest", "in", "out", "consumers", "leased", "scheduled", "blocked"])
@pytest.mark.parametrize("turn", ["", "-"])
def test_queues_are_sorted_by_any_figure(client, queues, turn, sort):
    page = client.get(f"/queues?sort={turn}{sort}")
    assert len(page.context["rows"]) == 4
    direction = "descending" if turn else "ascending"
    assert f'aria-sort="{direction}"' in text(page)


def test_queues_are_sorted_by_rates_and_ages(client, queues, monkeypatch):
    ids = dict(Queue.declared.values_list("name", "pk"))
    monkeypatch.setattr(stats, "_elsewhere", {"n": {ids["mail"]: (5.0, 0.0, 9.0, 0.0), ids["idle"]: (7.0, 0.0, 1.0, 0.0)}})
    assert events.PUBLISHED in stats.rates(ids["mail"])
    assert names(client, "/queues?sort=-in")[:2] == ["idle", "mail"]
    assert names(client, "/queues?sort=-out")[:2] == ["mail", "idle"]
    assert names(client, "/queues?sort=-oldest") == ["orders.eu", "orders.us", "idle", "mail"]


def test_queues_are_sorted_by_two_figures_and_a_view_keeps_that(client, queues):
    place = saved_view(client, "/queues?sort=-blocked,-name")
    page = client.get(place)
    assert [row.name for row in page.context["rows"]] == sorted(names(client, "/queues"), reverse=True), "nothing is blocked"
    assert "sort=-blocked%2C-name" in place
    assert "sorted by it as number </span>2" in text(page)
    assert names(client, "/queues?sort=paused,-name") == sorted(names(client, "/queues"), reverse=True)


def test_names_are_found_by_any_part_of_them(client, queues):
    assert names(client, "/queues?q=DER") == ["orders.eu", "orders.us"]
    assert names(client, "/queues?q=us&prefix=orders.") == ["orders.us"]
    assert names(client, "/queues?prefix=Orders") == []
    assert "No name has <code>zzz</code> in it" in text(client.get("/queues?q=zzz"))


def test_empty_ones_are_hidden(client, queues):
    assert names(client, "/queues?full=1") == ["mail", "orders.eu", "orders.us"]
    declare_stream("empty")
    append(declare_stream("full"), 1)
    assert names(client, "/streams?full=1") == ["full"]
    declare_topic("nowhere")
    declare_topic("shop", **{"#": "queue:mail"})
    assert [row["name"] for row in client.get("/topics?full=1").context["rows"]] == ["shop"]


def test_a_long_list_is_paged_both_ways_whatever_it_is_sorted_by(client):
    expected = [f"q{n:03}" for n in range(120)]
    for name in expected:
        declare(name)
    for sort in ("name", "-ready"):  # all of them have the same figures
        seen, place = [], f"sort={sort}"
        while place:
            response = client.get(f"/queues?{place}")
            seen.append([row.name for row in response.context["rows"]])
            last, place = response, response.context["next"]
        assert [name for rows in seen for name in rows] == expected
        back = client.get(f"/queues?{last.context['previous']}")
        assert [row.name for row in back.context["rows"]] == seen[1]
        assert "Previous page" in text(back)


def test_a_refresh_by_a_live_figure_keeps_the_rows_and_says_so(client, queues):
    first = client.get("/queues?sort=-ready")
    poll = unescape(text(first).split('id="poll" hidden>')[1].split("<")[0])
    assert "shown=" in poll
    publish("orders.us", *range(9))
    held = client.get(poll, headers={"HX-Request": "true"})
    assert [row.name for row in held.context["rows"]] == ["orders.eu", "orders.us", "idle", "mail"]
    assert held.context["rows"][1].counts["ready"] == 10
    assert "The order has changed" in text(held)
    again = unescape(text(held).split('The order has changed. <a href="')[1].split('"')[0])
    assert names(client, f"/queues{again}")[0] == "orders.us"


def test_names_are_grouped_by_prefix(client, queues):
    page = client.get("/queues?tree=1")
    assert [(row.name, row.number) for row in page.context["rows"]] == [("idle", 1), ("mail", 1), ("orders.", 2)]
    assert page.context["rows"][2].figures["ready"] == 4
    within = client.get("/queues?tree=1&prefix=orders.")
    assert [row.name for row in within.context["rows"]] == ["orders.eu", "orders.us"]
    assert 'href="?tree=1&amp;prefix=orders."' in text(page)


def test_groups_are_sorted_by_what_is_left(client):
    append(declare_stream(), *range(5))
    declare_group("behind")
    declare_group("done", start="latest")
    declare_group("shared", kind="shared")
    found = client.get("/streams/events/groups?sort=-lag").context["rows"]
    assert [(group["name"], group["lag"]) for group in found] == [("behind", 5), ("shared", 5), ("done", 0)]
    assert [g["name"] for g in client.get("/streams/events/groups?full=1&q=h").context["rows"]] == ["behind", "shared"]


def test_messages_go_back_a_page(client):
    declare("orders")
    ids = publish("orders", *range(120))[::-1]
    first = client.get("/queues/orders/messages")
    second = client.get(f"/queues/orders/messages?{first.context['next']}")
    third = client.get(f"/queues/orders/messages?{second.context['next']}")
    back = client.get(f"/queues/orders/messages?{third.context['previous']}")
    assert [m.pk for m in back.context["found"]] == [m.pk for m in second.context["found"]] == ids[50:100]
    again = client.get(f"/queues/orders/messages?{back.context['previous']}")
    assert ([m.pk for m in again.context["found"]], again.context["previous"]) == (ids[:50], None)
    oldest = client.get("/queues/orders/messages?sort=id")
    assert [m.pk for m in oldest.context["found"]] == ids[::-1][:50]
    assert 'aria-sort="ascending"' in text(oldest)


def test_dead_letters_go_back_a_page(client):
    declare("a")
    declare("b")
    for name in "ab":
        publish(name, *range(60))
        for _ in range(6):
            kill(name, *["no"] * 10)
    first = client.get("/dead")
    ids = [item.message.pk for item in first.context["items"]]
    second = client.get(f"/dead?{first.context['next']}")
    third = client.get(f"/dead?{second.context['next']}")
    back = client.get(f"/dead?{third.context['previous']}")
    assert [i.message.pk for i in back.context["items"]] == [i.message.pk for i in second.context["items"]]
    again = client.get(f"/dead?{back.context['previous']}")
    assert ([i.message.pk for i in again.context["items"]], again.context["previous"]) == (ids, None)
    oldest = client.get("/dead?sort=message&queue=b").context["items"]
    assert [i.message.pk for i in oldest] == sorted(i.message.pk for i in oldest)
    assert {i.queue for i in oldest} == {"b"}


@pytest.mark.parametrize("asked", ["", "sort=message", "reason=rejected"])
def test_dead_letters_of_many_queues_are_each_on_one_page_in_the_order_of_ids(client, asked):
    names = [declare(f"q{n:02}") for n in range(50)]
    for n in range(3):  # the letters of one queue are far from each other
        for name in names[n:]:
            publish(name, b"1")
    dead = [pk for n, name in enumerate(names) for pk in kill(name, *["bad"] * min(3, n + 1))]
    found, place = [], f"/dead?{asked}"
    while place:
        page = client.get(place)
        found += [row.message.pk for row in page.context["items"]]
        place = f"/dead?{page.context['next']}" if page.context["next"] else ""
    assert found == sorted(dead, reverse=asked != "sort=message")
    assert len(client.get("/dead").context["chips"]) == 40
    chosen = client.get("/dead?queue=q00").context
    assert ([row.queue for row in chosen["items"]], "q00" in [chip["name"] for chip in chosen["chips"]]) == (["q00"], True)


@pytest.mark.parametrize("place", LISTS)
def test_every_list_sorts_by_each_of_its_columns(client, queues, place):
    append(declare_stream(), 1)
    declare_group("behind")
    declare_topic("shop", **{"#": "queue:mail"})
    headings = client.get(f"/{place}").context["headings"]
    links = [heading.query for heading in headings if heading.query]
    assert links, "it has something to sort by"
    for link in links:
        page = client.get(f"/{place}?{link}")
        assert page.status_code == 200
        assert text(page).count("aria-sort=") == (1 if page.context["rows"] or place == "nodes" else 0)


@pytest.mark.parametrize("place", LISTS)
def test_every_list_refuses_cursors_that_are_none(client, place):
    declare_stream()
    assert client.get(f"/{place}?after=nonsense").status_code == 400


def test_only_what_somebody_may_browse_is_listed_and_counted(queues):
    viewer = person(("orders.*", ["browse"]))
    for query in ("sort=-ready", "tree=1", "q=", "sort=name", "full=1"):
        page = viewer.get(f"/queues?{query}")
        assert "mail" not in {row.name for row in page.context["rows"]}
        assert ">mail<" not in text(page)


def test_a_list_is_what_it_was_after_it_was_grouped_by_prefix(client, queues):
    client.get("/queues?tree=1")
    assert [column.key for column in KNOWN["queues"].columns] == [column.key for column in QUEUES.columns]
    look = {"list": "queues", "column": ["oldest"], "back": "/queues"}
    client.post("/lists/look", look)
    assert [heading.key for heading in client.get("/queues").context["headings"]] == ["name", "oldest"]


# How they look


def test_columns_and_density_are_remembered(client, queues):
    look = {"list": "queues", "column": ["dead", "nonsense"], "density": "compact", "back": "/queues"}
    assert client.post("/lists/look", look)["Location"] == "/queues"
    page = client.get("/queues")
    assert [heading.key for heading in page.context["headings"]] == ["name", "dead"]
    assert "grid list dense" in text(page)
    assert [heading.key for heading in client.get("/queues?columns=ready").context["headings"]] == ["name", "ready"]
    assert len(client.get("/streams").context["headings"]) == len(KNOWN["streams"].columns)
    client.post("/lists/look", {"list": "streams", "column": ["records"]})
    assert [heading.key for heading in client.get("/queues").context["headings"]] == ["name", "dead"]
    client.post("/lists/look", {"list": "queues", "usual": "1"})
    assert len(client.get("/queues").context["headings"]) == 11


def test_bars_of_actions_stand_before_their_tables(client, queues):
    for place in ("/dead", "/dead/causes"):
        page = text(client.get(place))
        assert 0 < page.index('class="selection"') < page.index("<tbody")
        assert "data-actions" in page


# Saved views


def test_a_view_keeps_filters_order_and_columns(client, queues):
    place = saved_view(client, "/queues?q=er&sort=-ready&columns=name.ready&after=x&nonsense=1")
    assert dict(parse_qsl(place.partition("?")[2])) == {"q": "er", "sort": "-ready", "columns": "name.ready"}
    page = client.get(place)
    assert [row.name for row in page.context["rows"]] == ["orders.eu", "orders.us"]
    assert page.context["list"].chosen.saved.name == "Fullest"
    assert AuditEntry.objects.filter(action="view.save", target="view:Fullest").exists()


def test_a_view_is_its_owners_alone_until_it_is_shared(client, queues):
    saved_view(client, name="Mine")
    saved_view(client, "/queues?q=x", name="Ours", shared="on")
    viewer = person(("*", ["browse"]))
    assert [view.saved.name for view in viewer.get("/queues").context["list"].views] == ["Ours"]
    mine, ours = SavedView.objects.order_by("name")
    for place in (f"/lists/views/{mine.pk}", f"/lists/views/{mine.pk}/delete", f"/lists/views/{ours.pk}/delete"):
        assert viewer.post(place, {"name": "Taken"}).status_code == 404
    assert SavedView.objects.count() == 2


def test_a_view_is_renamed_shared_preferred_and_deleted(client, queues):
    saved_view(client, name="One")
    saved_view(client, "/queues?q=x", name="Two")
    one, two = SavedView.objects.order_by("name")
    client.post(f"/lists/views/{one.pk}", {"name": "First", "shared": "on", "preferred": "on"})
    assert client.get("/queues")["Location"] == "/queues?sort=-ready"
    assert client.get("/queues?view=").status_code == 200
    assert client.get("/queues", headers={"HX-Request": "true"}).status_code == 200
    client.post(f"/lists/views/{two.pk}", {"name": "Two", "preferred": "on"})
    assert client.get("/queues")["Location"] == "/queues?q=x"
    taken = client.post(f"/lists/views/{two.pk}", {"name": "First"}, follow=True)
    assert "You have a view called First here already" in text(taken)
    client.post(f"/lists/views/{two.pk}/delete")
    assert client.get("/queues").status_code == 200
    one.refresh_from_db()
    assert (one.name, one.shared, one.preferred) == ("First", True, False)


def test_an_administrator_may_take_away_what_others_share(client, queues):
    viewer = person(("*", ["browse"]))
    saved_view(viewer, name="Theirs", shared="on")
    [view] = SavedView.objects.all()
    client.post(f"/lists/views/{view.pk}", {"name": "Renamed"})
    view.refresh_from_db()
    assert (view.name, view.shared) == ("Theirs", False)


@pytest.mark.parametrize(
    "place",
    [
        "https://evil.example/queues",
        "//evil.example/queues",
        "/queues/../..//evil.example",
        "javascript:alert(1)",
        "/queues/orders",
        "/api/v1/queues",
        "/sign-in",
        "/nowhere",
        "",
        "\\evil.example",
    ],
)
def test_only_lists_of_the_console_are_saved(client, place):
    assert client.post("/lists/views", {"place": place, "name": "x"}).status_code == 400
    assert not SavedView.objects.exists()


def test_the_list_of_one_queues_messages_is_saved_for_that_queue_alone(client):
    declare("orders")
    declare("mail")
    saved_view(client, "/queues/orders/messages?state=dead&sort=id", name="Dead ones")
    assert [v.saved.name for v in client.get("/queues/orders/messages").context["list"].views] == ["Dead ones"]
    assert client.get("/queues/mail/messages").context["list"].views == []


def test_views_are_few_and_short(client, monkeypatch):
    monkeypatch.setattr(saved_views, "MOST", 2)
    monkeypatch.setattr(saved_views, "MOST_SHARED", 1)
    saved_view(client, name="a", shared="on")
    saved_view(client, name="b", shared="on")
    assert list(SavedView.objects.values_list("name", flat=True)) == ["a"]
    saved_view(client, name="b")
    saved_view(client, name="c")
    saved_view(client, name=" ")
    saved_view(client, name="x" * 101)
    assert sorted(SavedView.objects.values_list("name", flat=True)) == ["a", "b"]
    user = get_user_model().objects.get(username="admin")
    monkeypatch.setattr(saved_views, "MOST", 9)
    with pytest.raises(Invalid):
        saved_views.save(user.pk, Address("/queues", "q=" + "x" * 2_000), "long")


def test_views_go_with_their_owner(client):
    viewer = person(("*", ["browse"]))
    saved_view(viewer, shared="on")
    get_user_model().objects.get(username="viewer").delete()
    assert not SavedView.objects.exists()


def test_nothing_of_a_view_runs(client, queues):
    for n, hostile in enumerate(HOSTILE):
        saved_view(
            client,
            "/queues?" + urlencode({"q": hostile, "prefix": hostile, "show": hostile, "columns": hostile}),
            f"{n}{hostile}",
        )
    assert SavedView.objects.count() == len(HOSTILE)
    for place in ["/queues", *(f"/queues?{view.query}" for view in SavedView.objects.all())]:
        page = client.get(place)
        assert page.status_code == 200
        assert_nothing_runs(text(page))
