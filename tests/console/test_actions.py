"""What people do: the verb is called, a row is left in the audit trail, and what destroys asks before."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from html import escape

import pytest

from brokerweb.console.queues.forms import SettingsForm
from brokerweb.core.errors import Conflict
from brokerweb.identity.models import AuditEntry, Token
from brokerweb.identity.tokens import authenticate
from brokerweb.queues import browse, bulk
from brokerweb.queues.models import Message, Queue
from brokerweb.queues.states import State
from tests.console.conftest import declare, declare_group, declare_stream, declare_topic, kill, person, publish, text

pytestmark = pytest.mark.usefixtures("database")

SETTINGS = {"lease": "45", "max_failures": "3", "backoff_initial": "2", "ttl": "", "on_expire": "dead", "overflow": "refuse"}


def audited() -> list[tuple[str, str]]:
    return list(AuditEntry.objects.order_by("id").values_list("action", "target"))


def counts(name: str) -> Mapping[str, int]:
    queue = browse.find(name)
    return browse.counts([queue.pk])[queue.pk]


def test_a_queue_is_created(client):
    response = client.post("/new/queue", {"name": "orders", **SETTINGS}, follow=True)
    assert response.redirect_chain == [("/queues/orders", 302)]
    queue = browse.find("orders")
    assert (queue.lease, queue.max_failures, queue.on_expire, queue.backoff_factor) == (45, 3, "dead", 2)
    assert audited() == [("queue.declare", "queue:orders")]


@pytest.mark.parametrize("name", ["", ".hidden", "a b", "ä", "x" * 201, "<script>", "a/b", "a\n"])
def test_a_bad_name_is_refused_beside_the_field(client, name):
    response = client.post("/new/queue", {"name": name, **SETTINGS})
    if name != "a\n":  # surrounding white space is no part of a name
        assert response.status_code == 400
        assert response.context["form"].errors["name"]
        assert not Queue.objects.exists()


def test_a_queue_that_exists_is_not_changed_by_creating_it(client):
    declare("orders", lease=99)
    response = client.post("/new/queue", {"name": "orders", **SETTINGS})
    assert response.status_code == 400
    assert browse.find("orders").lease == 99


def test_settings_are_changed_and_a_wrong_one_is_named(client):
    declare("orders")
    client.post("/queues/orders/settings", SETTINGS)
    assert browse.find("orders").lease == 45
    response = client.post("/queues/orders/settings", {**SETTINGS, "lease": "0", "backoff_factor": "0"})
    assert response.status_code == 400
    assert set(response.context["form"].errors) == {"lease", "backoff_factor"}
    assert response.context["form"].errors["lease"] == ["Write 1 s to 12 h."]
    assert browse.find("orders").lease == 45


def test_settings_are_written_and_shown_in_words(client):
    declare("orders")
    words = {**SETTINGS, "lease": "1 min 30 s", "keep_settled": "7 d", "max_length": "2 million", "max_body_bytes": "64 KiB"}
    client.post("/queues/orders/settings", words)
    queue = browse.find("orders")
    assert (queue.lease, queue.keep_settled, queue.max_length, queue.max_body_bytes) == (90, 604_800, 2_000_000, 65_536)
    page = text(client.get("/queues/orders/settings"))
    for shown in ("1 min 30 s", "7 d", "2,000,000", "64 KiB"):
        assert f'value="{shown}"' in page
    wrong = client.post("/queues/orders/settings", {**words, "lease": "1,5 h"})
    assert "Write a duration such as 30 s, 1 h 30 min or 7 d" in wrong.context["form"].errors["lease"][0]
    assert 'value="1,5 h"' in text(wrong)


@pytest.mark.parametrize(
    ("fields", "body", "binary", "content_type"),
    [
        ({"body": '{"n": 1.10, "n": 2}', "kind": "json"}, b'{"n": 1.10, "n": 2}', False, None),
        ({"body": "zwei\r\nZeilen", "kind": "text"}, b"zwei\nZeilen", True, "text/plain; charset=utf-8"),
        ({"body": "AP8=", "kind": "base64", "content_type": "image/png"}, b"\x00\xff", True, "image/png"),
    ],
)
def test_a_message_is_published_as_it_was_typed(client, fields, body, binary, content_type):
    declare("orders")
    client.post("/queues/orders/publish", {"headers": "a: 1\nb: x:y", "priority": "7", **fields})
    message = Message.objects.get()
    assert (bytes(message.body), message.binary, message.content_type) == (body, binary, content_type)
    assert (message.priority, message.headers, message.publisher) == (7, '{"a":"1","b":"x:y"}', "admin")


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"body": "{", "kind": "json"}, "body"),
        ({"body": '1, "key": "sneaked in"', "kind": "json"}, "body"),
        ({"body": "[" * 200 + "]" * 200, "kind": "json"}, "body"),
        ({"body": "?", "kind": "base64"}, "body"),
        ({"body": "1", "kind": "json", "priority": "10"}, "priority"),
        ({"body": "1", "kind": "json", "key": "k" * 256}, "key"),
        ({"body": "1", "kind": "json", "delay": "-1"}, "delay"),
        ({"body": "1", "kind": "json", "headers": "no colon"}, "headers"),
        ({"body": "1", "kind": "json", "reply_to": "nowhere"}, "reply_to"),
        ({"body": "1", "kind": "other"}, "kind"),
    ],
)
def test_a_wrong_message_is_refused_beside_its_field(client, fields, field):
    declare("orders")
    response = client.post("/queues/orders/publish", fields)
    assert response.status_code == 400
    assert list(response.context["form"].errors) == [field]
    assert not Message.objects.exists()


def test_a_full_queue_says_so_with_its_code(client):
    declare("orders", max_length=1)
    publish("orders", 1)
    response = client.post("/queues/orders/publish", {"body": "1", "kind": "json"})
    assert "queue_full" in text(response)


def test_pausing_says_why_and_resuming_ends_it(client):
    declare("orders")
    client.post("/queues/orders/pause", {"reason": "maintenance"})
    assert "maintenance" in text(client.get("/queues/orders"))
    client.post("/queues/orders/resume")
    assert browse.find("orders").paused_at is None
    assert audited() == [("queue.pause", "queue:orders"), ("queue.resume", "queue:orders")]


def test_a_purge_shows_what_it_touches_and_wants_the_name_typed(client):
    declare("orders")
    publish("orders", 1, 2, 3)
    kill("orders", "x")
    page = text(client.get("/queues/orders/purge"))
    assert "Purge 2 messages" in page
    assert client.post("/queues/orders/purge", {"states": ["ready"], "typed": "order"}).status_code == 400
    assert counts("orders")["ready"] == 2
    assert "Purge 3 messages" in text(client.post("/queues/orders/purge", {"states": ["ready", "dead"], "recount": "1"}))
    client.post("/queues/orders/purge", {"states": ["ready"], "counted": ["ready"], "typed": "orders"})
    assert counts("orders") == {"ready": 0, "scheduled": 0, "blocked": 0, "leased": 0, "dead": 1}
    assert audited() == [("queue.purge", "queue:orders")]


@pytest.mark.parametrize("step", ["take_out", "revive"])
def test_what_fails_is_not_in_the_trail(client, monkeypatch, step):
    def fails(*args):
        raise Conflict("not now")

    declare("orders")
    publish("orders", 1, 2)
    kill("orders", "x")
    monkeypatch.setattr(bulk, step, fails)
    if step == "take_out":
        client.post("/queues/orders/purge", {"states": ["ready"], "counted": ["ready"], "typed": "orders"})
        assert "not now" in text(client.get("/queues/orders"))
    else:
        assert "not now" in text(client.post("/dead/redrive", {"all": "1"}))
    assert (counts("orders")["ready"], counts("orders")["dead"], audited()) == (1, 1, [])


def test_a_purge_of_what_the_page_proposes_is_done_at_once(client):
    declare("orders")
    publish("orders", 1)
    publish("orders", 2, delay=60)
    proposed = client.get("/queues/orders/purge").context
    chosen = [state for state, _, ticked in proposed["choices"] if ticked]
    client.post("/queues/orders/purge", {"states": chosen, "counted": proposed["counted"], "typed": "orders"})
    assert sum(counts("orders").values()) == 0


@pytest.mark.parametrize(
    ("states", "said"), [(["ready", "dead"], "Other states were chosen than were counted"), ([], "No state is chosen")]
)
def test_a_purge_deletes_only_what_was_counted(client, states, said):
    declare("orders")
    publish("orders", 1, 2)
    kill("orders", "x")
    response = client.post("/queues/orders/purge", {"states": states, "counted": ["ready"], "typed": "orders"})
    assert response.status_code == 400
    assert said in text(response)
    assert f"Purge {len(states)} message" in text(response)
    assert counts("orders")["ready"] + counts("orders")["dead"] == 2


def test_a_queue_is_deleted_only_by_its_name(client):
    declare("orders")
    publish("orders", 1)
    assert "Delete the queue and 1 message<" in text(client.get("/queues/orders/delete"))
    assert client.post("/queues/orders/delete", {"typed": ""}).status_code == 400
    assert client.post("/queues/orders/delete", {"typed": "orders"}).status_code == 302
    assert client.get("/queues/orders").status_code == 404
    assert audited() == [("queue.delete", "queue:orders")]


def test_a_dead_message_is_requeued_and_the_filters_stay(client):
    declare("orders")
    publish("orders", 1)
    [message] = kill("orders", "x")
    response = client.post(f"/queues/orders/messages/{message}/requeue", {"back": "/dead?queue=orders"})
    assert response["Location"] == "/dead?queue=orders"
    assert counts("orders")["ready"] == 1
    assert audited() == [("message.requeue", f"queue:orders/{message}")]


def test_what_is_not_dead_cannot_be_requeued_and_the_page_says_why(client):
    declare("orders")
    [message] = publish("orders", 1)
    page = text(client.post(f"/queues/orders/messages/{message}/requeue", follow=True))
    assert "<code>conflict</code>" in page
    assert audited() == []


@pytest.mark.parametrize("place", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", ""])
def test_the_way_back_never_leads_elsewhere(client, place):
    declare("orders")
    publish("orders", 1)
    [message] = kill("orders", "x")
    response = client.post(f"/queues/orders/messages/{message}/requeue", {"back": place})
    assert response["Location"] == f"/queues/orders/messages/{message}"


def test_an_edited_copy_takes_the_place_of_the_original(client):
    declare("orders")
    publish("orders", {"country": None}, headers='{"h": "v"}')
    [message] = kill("orders", "KeyError")
    page = client.get(f"/queues/orders/messages/{message}/edit")
    assert page.context["form"].initial["headers"] == "h: v"
    client.post(f"/queues/orders/messages/{message}/edit", {"body": '{"country": "DE"}', "kind": "json", "headers": "h: v"})
    copy = Message.objects.get()
    assert (bytes(copy.body), copy.parent, copy.state) == (b'{"country": "DE"}', message, State.READY)
    assert audited() == [("message.replace", f"queue:orders/{message}")]


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"text\r\nwith\0everything\r", {"a:b": "c"}),
        (b"\n\nplain \xc3\xa4 text\n", {" spaced ": " v "}),
        (b"\xff\xfe", {"multi": "line\nvalue", "": "empty"}),
        (b"", {"{": "}"}),
        (b"<textarea></textarea>", {"a": "\u2028", "b": "x: y"}),
    ],
)
def test_an_edited_copy_keeps_what_was_not_edited(client, body, headers):
    declare("orders")
    publish("orders", body, headers=json.dumps(headers), key=" k ", content_type="text/x", priority=2)
    [message] = kill("orders", "x")
    form = client.get(f"/queues/orders/messages/{message}/edit").context["form"]
    typed = {name: str(value).replace("\n", "\r\n") for name, value in form.initial.items() if value is not None}
    response = client.post(f"/queues/orders/messages/{message}/edit", typed)
    assert response.status_code == 302, response.context["form"].errors
    copy = Message.objects.get()
    assert (bytes(copy.body), json.loads(copy.headers or ""), copy.key, copy.content_type, copy.priority) == (
        body,
        headers,
        " k ",
        "text/x",
        2,
    )


def test_a_message_is_rescheduled_and_deleted(client):
    declare("orders")
    [message] = publish("orders", 1)
    client.post(f"/queues/orders/messages/{message}/reschedule", {"delay": "3600"})
    assert counts("orders")["scheduled"] == 1
    for wrong in ("soon", "-1", "1e9", ""):
        response = client.post(f"/queues/orders/messages/{message}/reschedule", {"delay": wrong})
        assert response.status_code == 400
        assert list(response.context["form"].errors) == ["delay"]
        assert 'id="live"' not in text(response)
    assert client.get(f"/queues/orders/messages/{message}/reschedule?view=raw").status_code == 200
    assert Message.objects.get().state == State.SCHEDULED
    assert "Delete 1 message" in text(client.get(f"/queues/orders/messages/{message}/delete"))
    client.post(f"/queues/orders/messages/{message}/delete")
    assert not Message.objects.exists()


def test_a_redrive_says_what_it_would_move_before_it_does(client):
    for name in ("a", "b"):
        declare(name)
        publish(name, 1, 2)
    dead = kill("a", "x", "x") + kill("b", "y", "y")
    place = f"/dead/redrive?pick=a/{dead[0]}&pick=b/{dead[2]}"
    plan = client.get(place).context["plan"]
    assert [(part.queue, part.matched) for part in plan.parts] == [("a", 1), ("b", 1)]
    assert counts("a")["dead"] == 2
    client.post("/dead/redrive", {"pick": [f"a/{dead[0]}", f"b/{dead[2]}"]})
    assert (counts("a")["dead"], counts("b")["dead"]) == (1, 1)
    client.post("/dead/redrive", {"all": "1", "reason": "rejected", "to": "b", "known": "no_consumer:b"})
    assert (counts("a"), counts("b")["ready"]) == ({"ready": 1, "scheduled": 0, "blocked": 0, "leased": 0, "dead": 0}, 3)
    assert [action for action, _ in audited()] == ["queue.redrive"] * 4


def test_plans_show_nothing_of_what_messages_hold_to_who_may_not_browse_them(database):
    declare("orders")
    publish("orders", "body-of-ana", "body-of-ana")
    [dead] = kill("orders", "x")
    roads = ("/queues/orders/purge?states=ready&states=dead", f"/dead/redrive?pick=orders/{dead}")
    browses, manages = person(("orders", ["browse", "manage"]), name="both"), person(("orders", ["manage"]))
    for road in roads:
        assert "body-of-ana" in text(browses.get(road))
        response = manages.get(road)
        assert (response.status_code, "body-of-ana" in text(response)) == (200, False)


@pytest.mark.parametrize("rate", ["many", "0", "-1", "nan"])
def test_a_wrong_rate_is_named_and_nothing_else_of_the_redrive_is_lost(client, rate):
    for name in ("a", "b"):
        declare(name)
    publish("a", 1)
    [dead] = kill("a", "x")
    response = client.post("/dead/redrive", {"pick": f"a/{dead}", "to": "b", "rate": rate})
    assert response.status_code == 400
    assert list(response.context["form"].errors) == ["rate"]
    page = text(response)
    assert f'value="{rate}"' in page
    assert re.search('name="to" value="b"', page)
    assert f'name="pick" value="a/{dead}"' in page
    assert (counts("a")["dead"], audited()) == (1, [])


def test_a_redrive_of_nothing_says_that_nothing_is_chosen(client):
    assert "Nothing is chosen" in text(client.get("/dead/redrive"))
    assert "Nothing matches any more" in text(client.get("/dead/redrive?all=1"))


@pytest.mark.parametrize("kind", ["queue", "stream", "topic"])
def test_a_name_outside_of_the_grants_is_refused_beside_the_field(kind, database):
    maker = person(("team.*", ["browse", "manage"]))
    fields = {"name": "orders", "partitions": "7", "lease": "77", "dedup_window": "77"}
    response = maker.post(f"/new/{kind}", fields)
    assert response.status_code == 400
    assert response.context["form"].errors == {"name": [f"manage on {kind}:orders is not among your grants"]}
    assert 'value="77"' in text(response)


def test_settings_changed_in_the_moment_of_saving_are_not_undone_either(client, monkeypatch):
    declare("orders")
    shown = client.get("/queues/orders/settings").context["form"].initial["seen"]
    settings = SettingsForm.settings

    def late(form):
        declare("orders", lease=77)
        return settings(form)

    monkeypatch.setattr(SettingsForm, "settings", late)
    assert "changed meanwhile" in text(client.post("/queues/orders/settings", {"lease": "12", "seen": shown}))
    assert Queue.objects.get().lease == 77


@pytest.mark.parametrize("seen", ["nonsense", "[]", "[" * 100_000, '{"lease": {}}'])
def test_a_made_up_state_that_was_seen_is_an_older_one(client, seen):
    declare("orders")
    late = client.post("/queues/orders/settings", {"lease": "77", "on_expire": "drop", "overflow": "refuse", "seen": seen})
    assert (late.status_code, "changed meanwhile" in text(late)) == (400, True)


@pytest.mark.parametrize(
    ("place", "change"),
    [
        ("/queues/orders/settings", {"lease": "50", "on_expire": "drop", "overflow": "refuse"}),
        ("/streams/orders/settings", {"retention_records": "50"}),
        ("/streams/orders/groups/billing/settings", {"session_timeout": "50"}),
        ("/topics/orders/settings", {"dedup_window": "50", "unrouted": "drop"}),
    ],
)
def test_settings_changed_meanwhile_are_not_undone_without_a_word(client, place, change):
    declare("orders")
    declare_stream("orders")
    declare_group("billing", "orders")
    declare_topic("orders")
    shown = client.get(place).context["form"].initial["seen"]
    assert client.post(place, {**change, "seen": shown}).status_code == 302
    [field] = set(change) - {"on_expire", "overflow", "unrouted"}
    late = client.post(place, {"seen": shown, field: "12"})
    assert late.status_code == 400
    assert "changed meanwhile" in text(late)
    assert late.context["form"][field].value() == "12"
    assert str(client.get(place).context["form"].initial[field]).startswith("50")
    assert late.context["form"].errors[field][0].startswith("Changed meanwhile: 50")
    again = late.context["form"]["seen"].value()
    assert again != shown
    assert f'name="seen" value="{escape(again)}"' in text(late)
    assert client.post(place, {**change, "seen": again}).status_code == 302


@pytest.mark.parametrize("pick", ["a", "a/", "/1", "a/-1", "a/1.0", "<b>/1", "a/99999999999999999999"])
def test_a_pick_that_is_none_is_refused(client, pick):
    declare("a")
    assert client.get("/dead/redrive", {"pick": pick}).status_code == 400


def test_a_token_is_shown_once_and_works(client):
    declare("orders")
    fields = {"name": "shop", "pattern-0": "orders", "verbs-0": ["publish"], "pattern-1": "", "expires": ""}
    response = client.post("/new/token", fields)
    secret = response.context["secret"]
    assert response["Cache-Control"] == "no-store, private"
    assert authenticate(secret).may("publish", "queue", "orders")
    assert secret not in text(client.get("/tokens"))
    assert ("token.create", Token.objects.get().owner) in audited()


def test_the_grants_editor_grows_without_javascript(client):
    response = client.post("/new/token", {"name": "shop", "pattern-0": "a", "verbs-0": ["publish"], "more": "1"})
    assert [row.pattern for row in response.context["form"].grants] == ["a", ""]
    wrong = client.post("/new/token", {"name": "shop", "pattern-0": "a b", "verbs-0": ["publish"]})
    assert wrong.status_code == 400
    assert wrong.context["form"].grants[0].error
    assert not Token.objects.exists()


def test_a_wrong_grant_is_named_at_its_row(client):
    fields = {"name": "shop", "pattern-0": "orders", "verbs-0": ["publish"], "pattern-1": "no name", "verbs-1": ["browse"]}
    page = text(client.post("/new/token", fields))
    assert re.search(r'value="no name"[^>]*aria-describedby="pattern-1-error"', page)
    assert '<span class="errors" id="pattern-1-error">a pattern has' in page
    assert page.count('aria-describedby="pattern-') == 1


def test_a_token_is_revoked(client):
    made = client.post("/new/token", {"name": "shop", "pattern-0": "*", "verbs-0": ["publish"]})
    token = Token.objects.get()
    assert "publish" in text(client.get(f"/tokens/{token.pk}/revoke"))
    client.post(f"/tokens/{token.pk}/revoke")
    assert Token.objects.get().revoked_at
    assert made.context["secret"] not in text(client.get("/tokens"))


@pytest.mark.parametrize("place", ["/queues/orders/settings", "/streams/orders/settings"])
def test_the_fields_to_search_by_are_lines(client, place):
    declare("orders")
    declare_stream("orders")
    assert client.post(place, {"search": " $.order.id \r\n\r\nheader.tenant"}).status_code == 302
    assert "$.order.id\nheader.tenant</textarea>" in text(client.get(place))
    refused = client.post(place, {"search": "order.id"})
    assert refused.status_code == 400
    assert 'id="id_search_error"' in text(refused)
