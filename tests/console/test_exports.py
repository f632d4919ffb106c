"""Lists as files: every row that the store has and the person may see, as their page is filtered, and no other."""

from __future__ import annotations

import csv
import gc
import io
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from asgiref.sync import async_to_sync
from django.core.signals import request_finished
from django.db import close_old_connections
from django.test import Client

from brokerweb import conf
from brokerweb.console.exports import lists, views
from brokerweb.console.templatetags.brokerweb_search import EXPORTED
from brokerweb.console.tokens import reading as newest_tokens
from brokerweb.identity import tokens
from brokerweb.identity.models import AuditEntry
from brokerweb.identity.principal import broker_itself
from brokerweb.queues import control, engine, leasing
from brokerweb.queues.messages import Settle
from brokerweb.queues.models import Message
from brokerweb.storage.run import perform
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
from tests.console.test_masks import ALL, ERROR, VERBS, Scene


def whole(response) -> bytes:
    async def read() -> bytes:
        return b"".join([part async for part in response])

    try:
        return async_to_sync(read)()
    finally:
        over(response)


def over(response) -> None:
    """As a server ends it, which would close the database of the tests."""
    request_finished.disconnect(close_old_connections)
    try:
        response.close()
    finally:
        request_finished.connect(close_old_connections)


def lines(client, place: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The rows, and what the last line says."""
    response = client.get(place + ("&" if "?" in place else "?") + "format=ndjson")
    assert response.status_code == 200, text(response)
    *rows, last = [json.loads(line) for line in whole(response).splitlines()]
    return rows, last


def table(client, place: str) -> tuple[list[dict[str, str]], dict[str, Any]]:
    response = client.get(place + ("&" if "?" in place else "?") + "format=csv")
    assert response["Content-Disposition"].startswith("attachment; filename=")
    header, *rows, last = csv.reader(io.StringIO(whole(response).decode(), newline=""))
    assert last[0] == "#"
    return [dict(zip(header, row, strict=True)) for row in rows], json.loads(last[1])


def names(found: list[dict[str, Any]], key: str = "name") -> list[Any]:
    return [row[key] for row in found]


def test_every_queue_that_may_be_seen_is_in_it_once(client, monkeypatch):
    monkeypatch.setattr(lists, "SOME", 7)
    for n in range(23):
        declare(f"q{n:02}")
    publish("q03", 1, 2)
    rows, last = lines(client, "/exports/queues")
    assert (names(rows), last) == ([f"q{n:02}" for n in range(23)], {"rows": 23, "complete": True})
    assert rows[3]["ready"] == 2
    cells, last = table(person(("q1*", ["browse"])), "/exports/queues")
    assert (names(cells), last["rows"]) == ([f"q1{n}" for n in range(10)], 10)


def test_a_filter_of_the_page_is_one_of_the_file(client):
    for name in ("a.one", "a.two", "b.one"):
        declare(name)
        declare_stream(name)
        declare_topic(name)
    for what in ("queues", "streams", "topics"):
        assert names(lines(client, f"/exports/{what}?prefix=a.")[0]) == ["a.one", "a.two"], what


def test_a_file_is_sorted_as_its_page(client):
    for name, n in (("a", 1), ("b", 3), ("c", 2)):
        publish(declare(name), *range(n))
    assert names(lines(client, "/exports/queues?sort=-ready&columns=name")[0]) == ["b", "c", "a"]
    assert names(lines(client, "/exports/queues?show=paused")[0]) == []


def test_streams_topics_and_groups_are_as_the_store_has_them(client):
    declare_stream("events", partitions=3)
    append("events", *range(5))
    declare_group("billing")
    declare_group("mailing", kind="shared")
    declare_topic("shop", **{"a.#": "stream:events"})
    [stream], _ = lines(client, "/exports/streams")
    assert (stream["partitions"], stream["records"], stream["groups"]) == (3, 5, 2)
    assert "lately" not in stream
    groups, _ = lines(client, "/exports/groups?of=events")
    assert [(g["name"], g["kind"], g["lag"]) for g in groups] == [("billing", "partitioned", 5), ("mailing", "shared", 5)]
    [topic], _ = lines(client, "/exports/topics")
    assert topic["bindings"] == 1


def test_a_long_list_is_read_page_by_page(client, monkeypatch):
    for n in range(120):
        declare_stream(f"s{n:03}")
        AuditEntry.objects.create(at=0, actor="ana", owner="", action="queue.pause", target=f"queue:q{n}")
        tokens.store(broker_itself(), f"t{n}", [])
    assert names(lines(client, "/exports/streams")[0]) == [f"s{n:03}" for n in range(120)]
    assert names(lines(client, "/exports/tokens")[0]) == [f"t{n}" for n in reversed(range(120))]
    audit, last = lines(client, "/exports/audit?who=ana")
    assert (names(audit, "target"), last["rows"]) == ([f"queue:q{n}" for n in reversed(range(120))], 120)


def test_what_died_in_a_group_is_in_it_with_its_body(client, monkeypatch):
    monkeypatch.setattr(lists, "SOME", 2)
    declare_stream()
    declare_group("mailing", kind="shared", max_failures=1)
    append("events", *({"n": n} for n in range(5)))
    kill_records("events", "mailing", *["bad"] * 5)
    rows, last = lines(client, "/exports/dead-of-group?of=events&group=mailing")
    assert ([row["body"]["n"] for row in rows], last["rows"]) == ([4, 3, 2, 1, 0], 5)
    assert {row["reason"] for row in rows} == {"rejected"}
    assert lines(client, "/exports/dead-of-group?of=events&group=mailing&reason=expired")[0] == []
    cells, _ = table(client, "/exports/dead-of-group?of=events&group=mailing")
    assert [row["body"] for row in cells] == [f'{{"n": {n}}}' for n in reversed(range(5))]


def test_causes_are_counted_in_it(client):
    publish(declare(), 1, 2, 3)
    kill("orders", "KeyError: 'zip'", "KeyError: 'zip'", "ValueError: x")
    rows, _ = lines(client, "/exports/causes")
    assert sorted((row["dead"], row["queues"]) for row in rows) == [(1, "orders"), (2, "orders")]


def test_it_ends_with_why_where_it_is_cut_off(client, monkeypatch):
    monkeypatch.setattr(views, "MAX_ROWS", 3)
    monkeypatch.setattr(lists, "SOME", 2)
    for n in range(5):
        declare(f"q{n}")
    rows, last = lines(client, "/exports/queues")
    assert (names(rows), last) == (["q0", "q1", "q2"], {"rows": 3, "complete": False, "stopped": "limit"})
    assert table(client, "/exports/queues")[1] == last


def test_it_ends_with_the_rights_of_who_asked(client, monkeypatch):
    monkeypatch.setattr(views, "CHECKED", -1.0)
    monkeypatch.setattr(lists, "SOME", 2)
    for n in range(5):
        declare(f"q{n}")
    response = client.get("/exports/queues?format=ndjson")
    client.logout()
    rows = [json.loads(line) for line in whole(response).splitlines()]
    assert rows[-1]["complete"] is False
    assert rows[-1]["error"]["code"] == "unauthenticated"
    assert len(rows) < 6


@pytest.mark.parametrize("what", ["connections", "nodes", "audit", "tokens", "users"])
def test_what_only_administrators_see_is_no_file_of_others(database, what):
    user = person(("*", ["publish", "consume", "browse", "manage", "monitor"]))
    assert user.get(f"/exports/{what}").status_code == 403


def test_nobody_gets_the_list_of_what_they_may_not_browse(database):
    declare_stream("secret")
    declare_group("g", "secret", kind="shared")
    user = person(("other", ["browse"]))
    assert user.get("/exports/groups?of=secret").status_code == 403
    assert user.get("/exports/dead-of-group?of=secret&group=g").status_code == 403
    assert lines(user, "/exports/streams")[0] == []


@pytest.mark.parametrize("form", ["csv", "ndjson"])
def test_no_file_shows_what_is_masked(admin, form):
    Scene()
    looks, sees = person(("*", VERBS)), person(("*", [*VERBS, "unmask"]), name="auditor")
    files = {"dead-of-group?of=events&group=workers": ALL, "causes?": [ERROR], "retrying?": [ERROR], "groups?of=events": []}
    for what, told in files.items():
        place = f"/exports/{what}&format={form}"
        hidden, shown = whole(looks.get(place)).decode(), whole(sees.get(place)).decode()
        assert [secret for secret in ALL if secret in hidden] == [], place
        assert [secret for secret in told if secret not in shown] == [], place


@pytest.mark.parametrize(
    ("place", "status"),
    [
        ("/exports/nothing", 404),
        ("/exports/queues?format=xml", 400),
        ("/exports/groups", 400),
        ("/exports/groups?of=none", 404),
        ("/exports/audit?since=soon", 400),
    ],
)
def test_what_is_no_list_is_an_error_and_holds_no_place(client, place, status):
    for _ in range(views.AT_ONCE + 1):
        assert client.get(place).status_code == status


def test_few_run_at_once_and_each_gives_its_place_back(client):
    declare()
    others = person(("*", ["browse"]))
    begun = [client.get("/exports/queues") for _ in range(views.OF_A_PERSON)]
    assert client.get("/exports/queues").status_code == 429, "one person does not have them all"
    begun += [others.get("/exports/queues") for _ in range(views.AT_ONCE - views.OF_A_PERSON)]
    assert person(("*", ["browse"]), name="third").get("/exports/queues").status_code == 429
    over(begun[0])
    assert lines(client, "/exports/queues")[1]["complete"]
    for response in begun[1:]:
        over(response)


def test_a_list_that_is_cut_is_not_said_to_be_whole(client, monkeypatch):
    monkeypatch.setattr(newest_tokens, "NEWEST", 2)
    for n in range(3):
        tokens.create(broker_itself(), {"name": f"t{n}", "grants": []})
    assert lines(client, "/exports/tokens")[1]["complete"]
    found, last = lines(client, "/exports/tokens?sort=name")
    assert (len(found), last["complete"], last["stopped"]) == (2, False, "limit")


def test_an_answer_that_nobody_sends_gives_its_place_back(rf, admin):
    """The client left while the view ran: whoever called that has dropped what it made."""
    for _ in range(views.AT_ONCE + 1):
        request = rf.get("/exports/queues")
        request.user, request.session = admin, Client().session
        assert views.export(request, "queues").status_code == 200
        gc.collect()


@pytest.mark.parametrize("hostile", [*HOSTILE, "=1+1", "+1", "-1", "@x", "\t=1"])
def test_no_cell_is_a_formula(client, hostile):
    kept = hostile.replace("\0", "")
    AuditEntry.objects.create(at=0, actor=kept, owner="", action="x", target="queue:q")
    rows, _ = table(client, "/exports/audit")
    assert rows[0]["who"] in (kept, f"'{kept}")
    assert rows[0]["who"][:1] not in ("=", "+", "-", "@", "\t")
    assert lines(client, "/exports/audit")[0][0]["who"] == kept


def exported(page: str) -> list[str]:
    """The files that a page offers."""
    return [
        part.partition('"')[0].replace("&amp;", "&")
        for part in page.split('href="')[1:]
        if "format=ndjson" in part.partition('"')[0]
    ]


@pytest.mark.parametrize(
    ("place", "query"),
    [
        ("/queues/orders/messages", {"q": ["-state:settled"], "in": ["queue:orders"]}),
        ("/queues/orders/messages?state=dead&key=a+b", {"q": ['state:dead key:"a b"'], "in": ["queue:orders"]}),
        ("/queues/orders/messages?state=settled", {"q": ["state:settled"], "in": ["queue:orders"]}),
        ("/streams/events/records?partition=1", {"q": ["partition:1"], "in": ["stream:events"]}),
        ("/streams/events/records?partition=0&from=offset&offset=1", {"q": ["partition:0 offset>=1"], "in": ["stream:events"]}),
        ("/dead", {"q": ["state:dead"], "in": ["queue:*"]}),
        ("/dead?queue=orders&reason=rejected", {"q": ["state:dead reason:rejected"], "in": ["queue:orders"]}),
    ],
)
def test_messages_and_records_are_those_of_a_search(client, place, query):
    declare(keep_settled=60)
    publish("orders", 1, 2, key="a b")
    kill("orders", "x")
    declare_stream(partitions=2)
    append("events", *range(4), partition=0)
    append("events", 1, partition=1)
    [url] = exported(text(client.get(place)))
    asked = parse_qs(urlsplit(url).query)
    assert asked.pop("format") == ["ndjson"]
    assert (urlsplit(url).path, asked) == ("/api/v1/search/export", query)


@pytest.mark.parametrize(
    "place",
    ["/queues", "/streams", "/topics", "/streams/events/groups", "/stuck", "/retrying", "/jobs", "/connections", "/audit",
     "/tokens", "/users", "/dead/causes", "/streams/events/groups/mailing/dead"],
)  # fmt: skip
def test_every_list_offers_itself_as_a_file(client, place):
    declare()
    declare_stream()
    declare_group("mailing", kind="shared", max_failures=1)
    declare_topic()
    append("events", 1)
    kill_records("events", "mailing", "bad")
    publish("orders", 1, 2)
    kill("orders", "x")
    [failed] = perform(leasing.lease, "orders", 1, engine.Terms("tests")).messages
    perform(engine.settle, [Settle("nack", failed.receipt, delay=60, error="once")])
    publish(declare("paused"), 1)
    Message.objects.filter(queue__name="paused").update(due_at=1)
    perform(control.pause, "paused", by="tests", reason="")
    tokens.create(broker_itself(), {"name": "t", "grants": [{"pattern": "*", "verbs": ["browse"]}]})
    found = exported(text(client.get(place)))
    if place in ("/jobs", "/connections"):  # nothing is there, and so nothing to have
        assert found == []
        return
    [url] = found
    rows, last = lines(client, url.replace("format=ndjson", "")[:-1])
    assert rows
    assert last["complete"]


def test_every_list_that_offers_a_file_has_one():
    assert set(lists.LISTS) >= EXPORTED


@pytest.fixture
def switched_off(monkeypatch: pytest.MonkeyPatch):
    """Nobody takes anything as a file."""
    monkeypatch.setenv("BROKERWEB_EXPORT", "false")
    conf.forget()
    yield
    monkeypatch.undo()
    conf.forget()


def test_what_is_switched_off_is_refused_and_not_offered(client, switched_off):
    publish(declare(), 1)
    append(declare_stream(), 1)
    for what in lists.LISTS:
        refused = client.get(f"/exports/{what}")
        assert (refused.status_code, "BROKERWEB_EXPORT" in text(refused)) == (403, True), what
    for place in ("/queues", "/dead", "/search?q=1", "/queues/orders/messages", "/streams/events/records", "/audit"):
        page = client.get(place)
        assert (page.status_code, "data-export" in text(page)) == (200, False), place


def test_what_is_not_switched_off_is_offered(client):
    publish(declare(), 1)
    for place in ("/queues", "/search?q=1", "/queues/orders/messages"):
        assert text(client.get(place)).count("data-export") == 2, place
