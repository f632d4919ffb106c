"""The way around: entries and tabs, the palette, the range, the zone, what is tried again, and where deletions are."""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from brokerweb.console import instants, zones
from brokerweb.console.palette import finding
from brokerweb.console.retrying import reading as retrying
from brokerweb.core import clock
from brokerweb.core.errors import Invalid
from brokerweb.handout.lease import lease
from brokerweb.identity.principal import broker_itself
from brokerweb.queues import control, engine, leasing
from brokerweb.queues.messages import Settle
from brokerweb.storage.run import perform
from brokerweb.streams.models import ConsumerGroup
from tests.console.conftest import (
    HOSTILE,
    append,
    declare,
    declare_group,
    declare_stream,
    declare_topic,
    kill,
    kill_records,
    person,
    publish,
    text,
)
from tests.console.test_security import assert_nothing_runs

pytestmark = pytest.mark.usefixtures("database")

KOLKATA = "Asia/Kolkata"  # half an hour off every whole one


def nack(queue: str, *errors: str, delay: float = 600) -> list[int]:
    """Let as many messages fail as there are errors; their ids."""
    leased = perform(leasing.lease, queue, len(errors), engine.Terms("tests")).messages
    perform(engine.settle, [Settle("nack", m.receipt, error=e, delay=delay) for m, e in zip(leased, errors, strict=True)])
    return [m.id for m in leased]


def current(page: str) -> list[str]:
    """What the navigations say that one is at."""
    found = re.findall(r'<a[^>]*aria-current="page"[^>]*>(.*?)</a>', page, re.DOTALL)
    said = [" ".join(re.sub(r"<[^>]*>", " ", each).split()) for each in found]
    return list(dict.fromkeys(said))  # what only a phone's menu has is there twice


# Entries and tabs


@pytest.mark.parametrize(
    ("place", "at"),
    [
        ("/", ["Now"]),
        ("/queues", ["Queues"]),
        ("/new/queue", ["Queues"]),
        ("/streams", ["Streams"]),
        ("/search", ["Messages"]),
        ("/dead/causes", ["Failures", "Dead", "By cause"]),
        ("/dead", ["Failures", "Dead", "One by one"]),
        ("/stuck", ["Failures", "Stuck"]),
        ("/retrying", ["Failures", "Retrying"]),
        ("/jobs", ["Operations", "Jobs"]),
        ("/audit", ["Operations", "Audit"]),
        ("/queues/orders/failures", ["Queues", "Failures"]),
        ("/queues/orders/settings", ["Queues", "Settings"]),
        ("/streams/events/failures", ["Streams", "Failures"]),
    ],
)
def test_a_page_says_where_one_is(client, place, at):
    declare()
    declare_stream()
    assert current(text(client.get(place))) == at


def test_topics_and_what_is_behind_the_gear_are_marked_there_too(client):
    assert current(text(client.get("/topics")))[0] == "Topics &amp; map"
    for place, label in (("/connections", "Connections"), ("/nodes", "Health"), ("/tokens", "Access")):
        assert label in current(text(client.get(place))), place


def test_the_gear_has_only_what_one_may(client):
    everybody = text(person(("*", ["browse"])).get("/queues"))
    assert 'data-nav="connections"' not in everybody
    assert 'data-nav="access"' not in everybody
    assert 'href="/audit"' not in everybody
    admins = text(client.get("/queues"))
    assert 'data-nav="connections"' in admins
    assert 'data-nav="access"' in admins


def test_failures_are_counted_in_the_navigation(client):
    declare()
    publish("orders", 1, 2)
    kill("orders", "KeyError", "KeyError")
    assert re.search(r'id="dead-count">\s*2<', text(client.get("/queues")))


def test_purge_and_delete_are_at_the_end_of_the_settings_and_nowhere_else(client):
    declare()
    declare_stream()
    declare_topic("shop", a="queue:orders")
    for kind, name, deeds in (
        ("queues", "orders", ["purge", "delete"]),
        ("streams", "events", ["delete"]),
        ("topics", "shop", ["delete"]),
    ):
        for deed in deeds:
            link = f'href="/{kind}/{name}/{deed}"'
            assert link not in text(client.get(f"/{kind}/{name}"))
            settings = text(client.get(f"/{kind}/{name}/settings"))
            assert settings.index(link) > settings.index("Save settings")
    looking = text(person(("*", ["browse"])).get("/queues/orders/settings"))
    assert "/purge" not in looking
    assert "cannot be taken back" not in looking


def test_what_failed_in_a_queue_is_on_one_page(client):
    declare(max_failures=3)
    publish("orders", *range(5))
    kill("orders", "ValueError: no zip")
    [again] = nack("orders", "TimeoutError: too slow")
    page = text(client.get("/queues/orders/failures"))
    assert "ValueError: no zip" in page
    assert "TimeoutError: too slow" in page
    assert f'href="/queues/orders/messages/{again}"' in page
    assert '<input type="checkbox"' not in page.partition('id="main"')[2].partition("</main>")[0]


def test_what_failed_in_a_stream_is_on_one_page(client):
    declare_stream()
    declare_group("billing", kind="shared")
    append("events", 1, 2)
    kill_records("events", "billing", "ValueError: no zip")
    assert "ValueError: no zip" in text(client.get("/streams/events/failures"))
    assert person(("other", ["browse"])).get("/streams/events/failures").status_code == 403


# What is tried again


def test_what_failed_and_waits_is_listed_the_next_first(client):
    declare(max_failures=2)
    declare("mail")
    publish("orders", 1)
    publish("mail", 1, 2)
    publish("orders", 7, delay=5)  # waits, and has not failed
    [last] = nack("orders", "TimeoutError", delay=900)
    first, middle = nack("mail", "a", "b", delay=60)
    found = retrying.listed(broker_itself())
    assert [item.id for item in found.items] == [first, middle, last]
    assert [item.last_chance for item in found.items] == [False, False, True]
    page = text(client.get("/retrying"))
    assert page.index(f">{first}<") < page.index(f">{last}<")
    assert "the last attempt" in page


def test_only_what_one_may_browse_is_tried_again(client):
    declare("secret")
    publish("secret", 1)
    nack("secret", "TimeoutError: of secret")
    assert "of secret" in text(client.get("/retrying"))
    assert "of secret" not in text(person(("orders", ["browse"])).get("/retrying"))


def test_records_of_shared_groups_are_tried_again_too(client):
    declare_stream()
    declare_group("billing", kind="shared")
    append("events", 1)
    queue_id = ConsumerGroup.objects.get(name="billing").queue_id
    [leased] = perform(lease, queue_id, 1, engine.Terms("tests")).messages
    perform(engine.settle, [Settle("nack", leased.receipt, error="TimeoutError", delay=600)])
    page = text(client.get("/retrying"))
    assert f'href="/streams/events/groups/billing/dead/{leased.id}"' in page
    assert "events / billing" in page


def test_the_page_says_when_it_did_not_look_at_all_that_is_scheduled(client, monkeypatch):
    declare()
    publish("orders", *range(4), delay=5)
    publish("orders", 1)
    nack("orders", "TimeoutError")
    monkeypatch.setattr(retrying, "LOOKED_AT", 3)
    page = text(client.get("/retrying"))
    assert "TimeoutError" not in page
    assert "looked at" in page


# The palette


def labels(principal, typed: str) -> list[str]:
    return [hit.text for part in finding.found(principal, typed) for hit in part.hits]


def test_any_part_of_a_name_finds_it(client):
    declare("orders.eu")
    declare_stream("order-log")
    declare_group("reorder", "order-log")
    declare_topic("border")
    page = text(client.get("/palette?q=order"))
    for place in (
        "/queues/orders.eu",
        "/streams/order-log",
        "/streams/order-log/groups/reorder",
        "/topics/border",
        "/search?q=order",
    ):
        assert f'href="{place}"' in page, place


def test_there_are_never_more_than_twenty_rows():
    for n in range(30):
        declare(f"orders-{n}")
        declare_stream(f"orders-{n}")
        declare_topic(f"orders-{n}")
    for typed in ("", "o", "orders", "publish", "new", "1"):
        assert len(labels(broker_itself(), typed)) <= finding.MOST


def test_only_what_one_may_browse_is_found():
    declare("orders")
    declare("secret-orders")
    declare_stream("secret-orders")
    declare_group("secret-orders", "secret-orders")
    [message] = publish("secret-orders", 1)
    browser = person(("orders", ["browse"]))
    page = text(browser.get("/palette?q=orders"))
    assert 'href="/queues/orders"' in page
    assert "secret" not in page
    assert "secret" not in text(browser.get(f"/palette?q={message}"))
    assert "Publish to" not in page
    assert "New queue" not in text(browser.get("/palette?q=new"))


def test_a_message_is_found_by_its_id(client):
    declare()
    [message] = publish("orders", 1)
    assert f'href="/queues/orders/messages/{message}"' in text(client.get(f"/palette?q={message}"))
    declare_stream()
    declare_group("billing", kind="shared")
    append("events", 1)
    [dead] = kill_records("events", "billing", "bad")
    assert f'href="/streams/events/groups/billing/dead/{dead}"' in text(client.get(f"/palette?q={dead}"))
    assert client.get("/palette?q=999999999999999999").status_code == 200


def test_what_can_be_done_is_found_by_its_words():
    declare("orders")
    declare("idle")
    perform(control.pause, "idle", reason="", by="tests")
    assert "Publish to orders" in labels(broker_itself(), "publish to ord")
    assert "Publish to orders" in labels(broker_itself(), "pub ord")
    assert [text for text in labels(broker_itself(), "pause") if text.startswith("Pause")] == ["Pause orders"]
    assert [text for text in labels(broker_itself(), "resume") if text.startswith("Resume")] == ["Resume idle"]
    assert "Pause orders" in labels(broker_itself(), "orders")
    assert "New queue" in labels(broker_itself(), "new qu")
    assert "Switch theme to dark" in labels(broker_itself(), "theme")
    assert labels(broker_itself(), "nothing-like-it") == ["Search messages for nothing-like-it"]


def test_a_deed_of_the_palette_is_a_form_of_a_page(client):
    declare("idle")
    perform(control.pause, "idle", reason="", by="tests")
    found = re.search(r'href="(/queues/idle/resume)"\s+data-post="([^"]*)"', text(client.get("/palette?q=resume idle")))
    assert found is not None
    client.post(found[1], {"resume": "1", "back": "/"})
    assert not labels(broker_itself(), "resume idle")[0].startswith("Resume")


@pytest.mark.parametrize("typed", [*HOSTILE, "%", "_", "pause ", "\0", "9" * 400, '"', "to to to"])
def test_whatever_is_typed_is_only_text(client, typed):
    declare("orders")
    answer = client.get("/palette", {"q": typed})
    assert answer.status_code == 200
    assert_nothing_runs(text(answer))


def saved(client, place: str, name: str, **more: str) -> None:
    assert client.post("/lists/views", {"place": place, "name": name, **more}).status_code == 302


def test_saved_views_are_found_by_their_names(client):
    saved(client, "/queues?sort=-ready", "Fullest <b>first</b>")
    saved(client, "/dead?reason=rejected", "Refused")
    page = text(client.get("/palette?q=FULL"))
    assert 'href="/queues?sort=-ready"' in page
    assert "Fullest &lt;b&gt;first&lt;/b&gt;" in page
    assert "view of queues" in page
    assert "Refused" not in page
    nothing_typed = text(client.get("/palette?q="))
    assert nothing_typed.index("Fullest") < nothing_typed.index("Refused") < nothing_typed.index("Go to")


def test_of_views_one_finds_ones_own_and_those_shared_of_what_one_may_look_at(client):
    declare("orders")
    declare("secret")
    declare_stream("secret")
    saved(client, "/queues?q=mine", "Kept mine")
    saved(client, "/queues?q=ours", "Kept ours", shared="on")
    for n, place in enumerate(("/audit", "/users", "/queues/secret/messages", "/streams/secret/groups")):
        saved(client, f"{place}?sort=", f"Kept away {n}", shared="on")
    saved(client, "/queues/orders/messages?sort=id", "Kept orders", shared="on")
    viewer = person(("orders", ["browse"]))
    page = text(viewer.get("/palette?q=kept"))
    assert "Kept ours" in page
    assert "shared by admin" in page
    assert "view of messages of orders" in page
    assert "mine" not in page
    assert "away" not in page


# The range


def test_the_range_that_was_chosen_holds_for_the_pages_after(client):
    declare()
    assert 'aria-current="true">1 h<' in text(client.get("/queues"))
    chosen = client.get("/queues?range=6h")
    assert chosen.cookies["console_range"].value == "6h"
    assert 'aria-current="true">6 h<' in text(client.get("/queues/orders"))
    assert 'aria-current="true">7 d<' in text(client.get("/queues/orders?range=7d"))
    client.cookies["console_range"] = "<script>"
    assert 'aria-current="true">1 h<' in text(client.get("/"))


def test_a_choice_of_a_range_keeps_what_else_the_address_says(client):
    page = text(client.get("/dead?reason=rejected"))
    assert 'href="?reason=rejected&amp;range=6h"' in page


# The zone


def test_every_printed_instant_follows_the_zone(client):
    declare()
    before = clock.wall()
    [message] = publish("orders", 1)
    hours = {f"{clock.to_datetime(at).astimezone(ZoneInfo(KOLKATA)):%Y-%m-%d %H:}" for at in (before, clock.wall())}
    client.cookies["console_zone"] = KOLKATA
    for place in ("/queues/orders/messages", f"/queues/orders/messages/{message}", "/queues/orders"):
        page = text(client.get(place))
        assert any(hour in page for hour in hours), place
        assert "UTC" not in page.replace('value="UTC">UTC<', ""), place
    assert "Published (Kolkata)" in text(client.get("/queues/orders/messages"))


def test_utc_is_the_zone_until_one_is_chosen(client, settings):
    settings.TIME_ZONE = KOLKATA
    declare()
    publish("orders", 1)
    assert "Published (UTC)" in text(client.get("/queues/orders/messages"))
    for unknown in ("Nowhere/Land", "../../etc/passwd", "America", "<script>", ""):
        client.cookies["console_zone"] = unknown
        assert "Published (UTC)" in text(client.get("/queues/orders/messages")), unknown


def test_a_zone_is_chosen_by_its_name_or_a_button(client):
    assert client.post("/zone", {"zone": "UTC", "choose": KOLKATA}).cookies["console_zone"].value == KOLKATA
    assert client.post("/zone", {"zone": " Europe/Berlin ", "back": "/queues"})["Location"] == "/queues"
    assert client.cookies["console_zone"].value == "Europe/Berlin"
    refused = client.post("/zone", {"zone": "Atlantis"}, follow=True)
    assert "No such zone." in text(refused)
    assert client.cookies["console_zone"].value == "Europe/Berlin"
    assert '<option value="Asia/Kolkata">' in text(client.get("/zones"))


@pytest.mark.parametrize(
    "typed", ["2026-11-24 09:30:00", "2026-11-24T09:30", "2026-11-24T04:00:00Z", "2026-11-24T09:30:00+05:30"]
)
def test_what_is_typed_is_taken_as_of_the_zone(typed):
    with timezone.override(ZoneInfo(KOLKATA)):
        assert clock.rfc3339(instants.parse(typed, "/time")) == "2026-11-24T04:00:00.000000Z"
        with pytest.raises(Invalid, match="Asia/Kolkata"):
            instants.parse("yesterday", "/time")


def test_an_hour_that_clocks_show_twice_is_the_first_of_them():
    with timezone.override(ZoneInfo("Europe/Berlin")):
        assert clock.rfc3339(instants.parse("2026-10-25 02:30:00", "/time")) == "2026-10-25T00:30:00.000000Z"
        for at in ("2026-10-25T00:30:00.000000Z", "2026-10-25T01:30:00.000000Z", "2026-10-25T02:30:00.000000Z"):
            assert clock.rfc3339(instants.parse(instants.typed(clock.parse_rfc3339(at)), "/time")) == at
        assert zones.local(datetime(2026, 7, 1, tzinfo=ZoneInfo("UTC"))).hour == 2
