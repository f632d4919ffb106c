"""Every road by which somebody who looks may come to a body, a header, a key or an error: none tells what is masked for them.

Who may unmask sees all of it on the same roads, so that a road that shows nothing at all does not pass for one that hides.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client

from brokerweb import conf
from brokerweb.identity import masks
from brokerweb.identity.audit import Entry
from brokerweb.identity.models import AuditEntry
from brokerweb.identity.principal import broker_itself
from brokerweb.queues import engine, leasing
from brokerweb.queues.messages import Settle
from brokerweb.storage import declared
from brokerweb.storage.run import perform
from tests.console.conftest import (
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

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("database")]  # searches read by themselves

CARD, TOKEN, KEY, ERROR = "4111-card", "bearer-token", "key-of-ana", "error-of-ana"
ALL = (CARD, TOKEN, KEY, ERROR)
BODY = {"card": {"number": CARD, "kind": "visa"}, "n": 1}
HEADERS = json.dumps({"Authorization": TOKEN, "source": "shop"})
FIELDS = ["$.card.number", "header.authorization", "key", "error"]
VERBS = ["browse", "publish", "manage"]


def put(rules: dict[str, list[str]]) -> None:
    asked = [{"pattern": pattern, "fields": fields} for pattern, fields in rules.items()]
    masks.put(Entry(broker_itself(), "masks.put", "masks", {}, None), masks.parse(asked))


class Scene:
    """A queue and a stream whose messages hold something that is masked, in every state."""

    def __init__(self) -> None:
        declare(keep_settled=60, history="full", search=["$.card.number"])
        declare_stream()
        declare_group("workers", kind="shared", max_failures=5)
        more = {"headers": HEADERS, "key": KEY}
        self.dead, self.acked, self.retried, self.leased = publish("orders", BODY, BODY, BODY, BODY, **more)
        kill("orders", ERROR)
        [acked] = perform(leasing.lease, "orders", 1, engine.Terms("tests")).messages
        perform(engine.settle, [Settle("ack", acked.receipt)])
        [failed] = perform(leasing.lease, "orders", 1, engine.Terms("tests")).messages
        perform(engine.settle, [Settle("nack", failed.receipt, error=ERROR)])
        perform(leasing.lease, "orders", 1, engine.Terms("tests"))
        [self.ready] = publish("orders", BODY, **more)
        [self.binary] = publish("orders", json.dumps(BODY).encode(), **more)
        append("events", BODY, BODY, **more)
        [self.record] = kill_records("events", "workers", ERROR)
        put({"orders": FIELDS, "stream:events": FIELDS})

    def roads(self) -> dict[str, str]:
        """Addresses, and what is shown there to who may see all."""
        queue, stream, group = "/queues/orders", "/streams/events", "/streams/events/groups/workers"
        found = {
            f"{queue}/messages": CARD + KEY,
            f"{queue}/messages?state=dead": CARD + ERROR,
            f"{queue}/messages?state=settled": CARD + KEY,
            f"{queue}/messages?state=leased": CARD,
            f"{queue}/in-flight": KEY,
            f"{queue}/failures": ERROR,
            f"{queue}/purge": CARD,
            f"{stream}/records": CARD + KEY,
            f"{stream}/records/0/0": CARD + TOKEN + KEY,
            f"{stream}/records/0/0?view=raw": CARD,
            f"{stream}/records/0/0?view=hex": "34 31 31",
            f"{stream}/records/0/0/body": CARD,
            f"{group}/dead": ERROR,
            f"{group}/dead/{self.record}": CARD + TOKEN + ERROR,
            f"{group}/dead/{self.record}/body": CARD,
            "/dead": ERROR,
            "/dead/causes": ERROR,
            "/retrying": ERROR,
            f"/dead/redrive?pick=orders/{self.dead}": CARD,
            f"/jobs/plan?action=redrive&pick=queue:orders/{self.dead}": CARD + ERROR,
            "/search?q=state:dead": CARD + KEY,
            "/search?q=offset>=0": CARD + KEY,
            "/search": CARD + TOKEN + KEY,
            f"/api/v1{queue}/messages": CARD + TOKEN + KEY + ERROR,
            f"/api/v1{queue}/messages?verdict=true": CARD + ERROR,
            f"/api/v1{queue}/messages?state=settled": CARD + TOKEN + KEY,
            f"/api/v1{queue}/dead/groups": CARD + TOKEN + KEY + ERROR,
            f"/api/v1{group}/dead": CARD + TOKEN + KEY + ERROR,
            f"/api/v1{group}": "",
            "/api/v1/dead/groups": CARD + TOKEN + KEY + ERROR,
            "/api/v1/search/suggest": CARD + TOKEN + KEY,
            "/api/v1/stuck": "",
        }  # fmt: skip
        for id in (self.dead, self.acked, self.retried, self.leased, self.ready):
            error = ERROR if id in (self.dead, self.retried) else ""
            here = f"{queue}/messages/{id}"
            found |= {here: CARD + TOKEN + KEY + error, f"/api/v1{here}": CARD + TOKEN + KEY + error, f"{here}/body": CARD}
            found |= {f"{here}?view=hex": "34 31 31", f"{here}/redact": CARD}
        return found | {f"{queue}/messages/{self.binary}?view=hex": "34 31 31", f"{queue}/messages/{self.ready}/delete": CARD}


SPELLED = (*ALL, "34 31 31")


def test_no_road_shows_what_is_masked_to_who_may_not_unmask_it_and_all_show_it_to_who_may(admin):
    scene = Scene()
    looks, sees = person(("*", VERBS)), person(("*", [*VERBS, "unmask"]), name="auditor")
    for road, told in scene.roads().items():
        hidden, shown = text(looks.get(road)), text(sees.get(road))
        assert [secret for secret in SPELLED if secret in hidden] == [], road
        assert [secret for secret in SPELLED if secret in told and secret not in shown] == [], road
        assert (looks.get(road).status_code, sees.get(road).status_code) == (200, 200), road


def posted(browser: Client, path: str, body: Any) -> Any:
    return browser.post(f"/api/v1{path}", json.dumps(body), content_type="application/json")


def test_no_dry_run_shows_it(admin):
    scene = Scene()
    looks, sees = person(("*", VERBS)), person(("*", [*VERBS, "unmask"]), name="auditor")
    asked = {
        "/queues/orders/purge": {"dry_run": True},
        "/queues/orders/redrive": {"dry_run": True},
        "/streams/events/groups/workers/redrive": {"dry_run": True},
        "/streams/events/replay": {"to": "stream:events", "dry_run": True},
        "/bulk": {"action": "redrive", "select": {"ids": {"orders": [scene.dead]}}, "dry_run": True},
    }
    for path, body in asked.items():
        hidden, shown = posted(looks, path, body), posted(sees, path, body)
        assert (hidden.status_code, shown.status_code) == (200, 200), (path, text(hidden), text(shown))
        assert [secret for secret in ALL if secret in text(hidden)] == [], path
        assert CARD in text(shown), path


def found(browser: Client, q: str) -> tuple[int, int, bool]:
    """How many a search finds, how much it looked at and of how much that was."""
    answer = browser.get(f"/api/v1/search?q={quote(q)}").json()
    return len(answer["items"]), answer["scanned"], answer["complete"]


@pytest.mark.parametrize(
    "q",
    [
        '$.card.number="{}"', "-$.card.number={}", "$.card.number~{}", "{}", '-"{}"', "$.card.number!={}",
        "header.Authorization~{}", "header.Authorization={}", "key:{}", "-key:{}", "error~{}", "$.card={}",
    ],
)  # fmt: skip
def test_a_guess_that_is_right_is_answered_as_one_that_is_wrong(admin, q):
    Scene()
    looks, sees = person(("*", VERBS)), person(("*", [*VERBS, "unmask"]), name="auditor")
    right = [q.format(secret) for secret in ALL]
    assert {found(looks, asked) for asked in right} == {found(looks, q.format("no-such-thing"))}
    if q != "$.card={}":
        assert {found(sees, asked) for asked in right} != {found(sees, q.format("no-such-thing"))}
    assert found(looks, "$.card.kind=visa") == found(sees, "$.card.kind=visa")


def refused(response: Any, code: str = "forbidden") -> None:
    assert (response.status_code, code in text(response)) == (403, True), text(response)


def test_what_would_tell_it_by_a_number_or_take_it_elsewhere_is_refused(admin):
    scene = Scene()
    declare("mine")
    declare_topic("orders-topic")
    put({"orders": FIELDS, "stream:events": FIELDS, "topic:orders-topic": ["$"], "spare": FIELDS})
    declare("spare")
    looks, sees = person(("*", VERBS)), person(("*", [*VERBS, "unmask"]), name="auditor")
    asks: list[Callable[[Client], Any]] = [
        lambda b: b.get(f"/api/v1/queues/orders/messages?key={KEY}"),
        lambda b: b.get(f"/queues/orders/messages?key={KEY}"),
        lambda b: b.get(f"/api/v1/streams/events/groups/workers/dead?key={KEY}"),
        lambda b: posted(b, "/queues/orders/purge", {"filter": {"key": KEY}, "dry_run": True}),
        lambda b: posted(b, "/queues/orders/redrive", {"filter": {"key": KEY}, "dry_run": True}),
        lambda b: posted(b, "/bulk", {"action": "purge", "select": {"q": f"$.card.number={CARD}"}, "dry_run": True}),
        lambda b: posted(b, "/bulk", {"action": "purge", "select": {"q": CARD}, "dry_run": True}),
        lambda b: posted(b, "/bulk", {"action": "purge", "select": {"filter": {"key": KEY}}, "dry_run": True}),
        lambda b: posted(
            b, "/bulk", {"action": "move", "select": {"ids": {"orders": [scene.dead]}}, "to": "mine", "dry_run": True}
        ),
        lambda b: posted(b, "/queues/orders/redrive", {"to": "mine", "dry_run": True}),
        lambda b: posted(b, "/streams/events/replay", {"to": "queue:mine", "dry_run": True}),
        lambda b: posted(b, "/streams/events/replay", {"to": "queue:spare", "filter": {"key": KEY}, "dry_run": True}),
        lambda b: posted(b, "/topics/orders-topic/bindings", {"bindings": [{"pattern": "#", "to": "queue:mine"}]}),
        lambda b: posted(b, f"/queues/orders/messages/{scene.dead}/requeue", {"message": {"body": 1}}),
        lambda b: b.get(f"/queues/orders/messages/{scene.retried}/edit"),
        lambda b: b.get(f"/queues/orders/connect?like=queue:orders/{scene.dead}"),
    ]
    for ask in asks:
        refused(ask(looks))
    for ask in asks:
        answer = ask(sees)
        assert answer.status_code in (200, 201), text(answer)
    # What a topic has is seen where it leads, and only there.
    declare_topic("onwards", **{"#": "queue:orders"})
    bound = {"bindings": [{"pattern": "#", "to": "queue:mine"}]}
    refused(posted(looks, "/topics/onwards/bindings", bound))
    assert posted(looks, "/topics/onwards/bindings", {"bindings": [{"pattern": "#", "to": "queue:spare"}]}).status_code == 200
    put({"orders": FIELDS, "stream:events": FIELDS, "topic:outwards": FIELDS, "spare": FIELDS})
    declare_topic("outwards", **{"#": "queue:mine"})
    refused(posted(looks, "/streams/events/replay", {"to": "topic:outwards", "dry_run": True}))
    moved = {"action": "move", "select": {"ids": {"orders": [scene.ready]}}, "to": "spare", "dry_run": True}
    assert posted(looks, "/bulk", moved).status_code == 200  # as much is masked there


def test_a_job_tells_by_what_its_messages_were_chosen_only_to_who_sees_them(admin):
    Scene()
    looks, sees = person(("*", VERBS)), person(("*", [*VERBS, "unmask"]), name="auditor")
    made = posted(sees, "/bulk", {"action": "purge", "select": {"q": f"$.card.number={CARD}"}})
    number = made.json()["job"]["id"]
    for place in (f"/api/v1/jobs/{number}", "/api/v1/jobs", f"/jobs/{number}"):
        assert (CARD in text(looks.get(place)), CARD in text(sees.get(place))) == (False, True), place


def test_whoever_consumes_gets_what_was_published(admin):
    Scene()
    [leased] = perform(leasing.lease, "orders", 1, engine.Terms("tests")).messages
    assert json.loads(leased.body) == BODY


# Who says what is masked


def test_masks_are_put_and_read_by_who_administers(client):
    declare()
    asked = {"masks": [{"pattern": "queue:orders", "fields": ["$.a", "header.X"]}]}
    answer = client.put("/api/v1/masks", json.dumps(asked), content_type="application/json")
    assert answer.json() == {"masks": [{"pattern": "queue:orders", "fields": ["$.a", "header.x"]}], "setting": []}
    assert client.get("/api/v1/masks").json() == answer.json()
    entry = AuditEntry.objects.get(action="masks.put")
    assert entry.detail == {"before": {"masks": []}, "after": {"masks": answer.json()["masks"]}}
    wrong = client.put("/api/v1/masks", '{"masks":[{"pattern":"x","fields":["y"]}]}', content_type="application/json")
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (400, "/masks")
    viewer = person(("*", [*VERBS, "unmask"]))
    assert viewer.get("/api/v1/masks").status_code == viewer.get("/masks").status_code == 403


def test_the_page_changes_them_in_the_settings_own_grammar(client):
    declare()
    page = client.get("/masks")
    assert "Nothing is masked" in text(page)
    seen = page.context["form"].initial["seen"]
    client.post("/masks", {"rules": "queue:orders = $.a,\theader.X\r\n\r\nspare = key", "seen": seen})
    shown = text(client.get("/masks"))
    assert "queue:orders = $.a, header.x\nspare = key" in shown
    assert "nothing yet" in shown
    wrong = client.post("/masks", {"rules": "orders = <script>", "seen": ""})
    assert (wrong.status_code, "s none of $.path" in text(wrong).lower(), "<script>" in text(wrong)) == (400, True, False)
    stale = client.post("/masks", {"rules": "", "seen": seen})
    assert (stale.status_code, "changed meanwhile" in text(stale)) == (400, True)


def test_masks_of_the_setting_hold_beside_the_others(client, monkeypatch):
    declare()
    [id] = publish("orders", {"a": "secret-a", "b": "secret-b"})
    monkeypatch.setenv("BROKERWEB_MASK", "orders = $.a")
    conf.forget()
    put({"orders": ["$.b"]})
    viewer = person(("*", ["browse"]))
    body = viewer.get(f"/api/v1/queues/orders/messages/{id}").json()
    assert (body["body"], body["masked"]) == ({"a": "•••", "b": "•••"}, ["$.a", "$.b"])
    assert "setting" in text(client.get("/masks"))
    everything = client.get(f"/api/v1/queues/orders/messages/{id}").json()
    assert (everything["body"], "masked" in everything) == ({"a": "secret-a", "b": "secret-b"}, False)


def test_unmask_is_given_by_pattern_as_every_verb(client):
    declare()
    [id] = publish("orders", {"a": "secret-a"})
    put({"*": ["$.a"]})
    partly = person(("*", ["browse"]), ("orders", ["unmask"]))
    declare("other")
    [hidden] = publish("other", {"a": "secret-a"})
    assert "secret-a" in text(partly.get(f"/queues/orders/messages/{id}"))
    assert "secret-a" not in text(partly.get(f"/queues/other/messages/{hidden}"))


def test_masks_that_another_put_between_the_look_and_the_commit_are_not_lost(client, monkeypatch):
    seen = client.get("/masks").context["form"].initial["seen"]
    alone = declared.declaring

    def late(*what: Any) -> None:
        """Another was first: what they put is there once this one has its turn."""
        monkeypatch.undo()
        put({"queue:orders": ["key"]})
        alone(*what)

    monkeypatch.setattr(masks, "declaring", late)
    refused = client.post("/masks", {"rules": "spare = key", "seen": seen})
    assert (refused.status_code, "changed meanwhile" in text(refused)) == (400, True)
    assert "spare" not in {rule.pattern for rule in masks.stored()}


@pytest.mark.parametrize("place", ["/dead", "/streams/events/groups/workers/dead"])
def test_what_is_hidden_of_dead_letters_orders_nothing(client, place):
    declare()
    publish("orders", 1, 2, 3)
    letters = kill("orders", "b", "c", "a")
    declare_stream()
    append("events", 1, 2, 3)
    declare_group("workers", kind="shared")
    records = kill_records("events", "workers", "b", "c", "a")
    put({"*": ["error"]})
    first, second, third = letters if place == "/dead" else records

    def order(browser: Client) -> list[int]:
        return [getattr(row, "message", row).pk for row in browser.get(f"{place}?sort=about").context["rows"]]

    assert order(client) == [third, first, second]
    assert order(person(("*", ["browse"]))) == [first, second, third]
