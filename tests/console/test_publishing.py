"""Publishing by hand: what the form holds stays, again and again, as templates, like what is there; and connecting a program."""

from __future__ import annotations

import json
from html import escape, unescape
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import pytest

from brokerweb.console.bodies import visible
from brokerweb.console.publishing import waiting
from brokerweb.core import clock
from brokerweb.identity import templates, tokens
from brokerweb.identity.models import AuditEntry, Client, MessageTemplate, Token
from brokerweb.identity.principal import broker_itself
from brokerweb.queues import engine, stats
from brokerweb.queues.messages import NewMessage
from brokerweb.queues.models import Message
from brokerweb.storage.run import perform
from brokerweb.streams.models import Record
from tests.console.conftest import (
    HOSTILE,
    append,
    declare,
    declare_group,
    declare_stream,
    declare_topic,
    kill_records,
    person,
    publish,
    text,
)
from tests.console.test_masks import CARD, VERBS, Scene
from tests.console.test_security import assert_nothing_runs

ONE = {"body": '{"n": 1.10}', "kind": "json", "key": "k", "headers": "a: b", "times": "1"}


def post(client, place="/queues/orders/publish", **fields):
    return client.post(place, ONE | fields)


# Sent


def test_what_was_sent_stays_in_the_form_and_is_linked(client):
    declare()
    page = text(post(client))
    [message] = Message.objects.all()
    assert f'<a href="/queues/orders/messages/{message.pk}">message {message.pk}</a>' in page
    assert escape(ONE["body"]) in page
    assert 'value="k"' in page


@pytest.mark.parametrize("n", [2, 501, 1000])
def test_it_is_published_as_often_as_it_says(client, n):
    declare()
    response = post(client, times=str(n))
    assert Message.objects.count() == n
    assert {bytes(m.body) for m in Message.objects.all()} == {b'{"n": 1.10}'}
    sent, ids = response.context["sent"], list(Message.objects.order_by("pk").values_list("pk", flat=True))
    assert [one.url for one in sent.first] == [f"/queues/orders/messages/{pk}" for pk in ids[:20]]
    assert sent.n == n
    if n > 20:
        assert sent.last.url == f"/queues/orders/messages/{ids[-1]}"


@pytest.mark.parametrize(
    ("fields", "field"), [({"times": "1001"}, "times"), ({"times": "0"}, "times"), ({"times": "2", "dedup_id": "x"}, "times")]
)
def test_it_is_not_published_too_often(client, fields, field):
    declare()
    response = post(client, **fields)
    assert (response.status_code, list(response.context["form"].errors)) == (400, [field])
    assert not Message.objects.exists()


def test_more_bodies_than_one_form_may_store_are_refused_whole(client):
    declare()
    response = post(client, body="x" * 100_000, kind="text", times="1000")
    assert list(response.context["form"].errors) == ["times"]
    assert not Message.objects.exists()


def test_what_ends_it_midway_is_told_with_what_is_stored(client):
    declare(max_length=600)
    page = text(post(client, times="1000"))
    assert Message.objects.count() == 500
    assert "500 of 1,000 are stored" in page
    assert "queue_full" in page


def test_a_second_one_with_its_dedup_id_is_said_to_be_one(client):
    declare()
    post(client, dedup_id="once")
    assert "A duplicate of" in text(post(client, dedup_id="once"))
    assert Message.objects.count() == 1


def test_an_instant_to_deliver_at_is_taken(client):
    declare()
    day = clock.to_datetime(clock.wall() + clock.seconds(20 * 86_400)).replace(microsecond=0)
    client.cookies["console_zone"] = "Europe/Berlin"
    post(client, deliver_at=f"{day:%Y-%m-%d} 12:00:00")
    due = Message.objects.get().deliver_at.astimezone(ZoneInfo("Europe/Berlin"))
    assert f"{due:%Y-%m-%d %H:%M}" == f"{day:%Y-%m-%d} 12:00"
    response = post(client, deliver_at="soon")
    assert list(response.context["form"].errors) == ["deliver_at"]


def test_durations_are_taken_in_words(client):
    declare()
    post(client, ttl="2 d", delay="1 h 30 min")
    message = Message.objects.get()
    assert message.ttl == 2 * 86_400
    waits = clock.from_datetime(message.due_at) - clock.now()
    assert abs(waits - clock.seconds(5_400)) < clock.seconds(600)
    assert list(post(client, ttl="400 years").context["form"].errors) == ["ttl"]


def test_records_are_appended_and_linked(client):
    declare_stream(partitions=2)
    page = text(post(client, "/streams/events/append", times="3", partition="1"))
    assert Record.objects.count() == 3
    assert '<a href="/streams/events/records/1/2">offset 2 of partition 1</a>' in page


def test_every_copy_through_a_topic_is_linked(client):
    declare()
    declare_stream()
    declare_topic("shop", **{"a.#": "queue:orders", "a.*": "stream:events"})
    page = text(post(client, "/topics/shop/publish", routing_key="a.b"))
    message = Message.objects.get()
    assert f'<a href="/queues/orders/messages/{message.pk}">queue:orders message {message.pk}</a>' in page
    assert '<a href="/streams/events/records/0/0">' in page


@pytest.mark.parametrize("place", ["/queues/orders", "/streams/orders", "/topics/orders"])
def test_the_page_is_for_all_who_look_and_its_form_for_who_may_publish(client, place):
    declare()
    declare_stream("orders")
    declare_topic("orders")
    looker = person(("orders", ["browse", "consume"]))
    assert "data-compose" not in text(looker.get(f"{place}/connect"))
    assert "data-compose" in text(client.get(f"{place}/connect"))
    assert person(("other", ["browse"]), name="other").get(f"{place}/connect").status_code == 403


# Templates


def keep(client, name="usual", shared="", **fields):
    return post(client, template_name=name, template_shared=shared, **{"as": "template", **fields})


def test_what_the_form_holds_is_kept_under_a_name_and_comes_back(client):
    declare()
    assert "Kept as usual." in text(keep(client, body="zwei\r\nZeilen", kind="text", delay="5"))
    assert not Message.objects.exists()
    [kept] = MessageTemplate.objects.all()
    form = client.get(f"/queues/orders/connect?template={kept.pk}").context["form"]
    assert (form["body"].value(), form["kind"].value(), form["delay"].value(), form["key"].value()) == (
        "zwei\r\nZeilen",
        "text",
        "5",
        "k",
    )
    keep(client, body="2")
    assert MessageTemplate.objects.get().fields["body"] == "2"
    assert list(AuditEntry.objects.values_list("action", "target")) == [("template.save", "queue:orders")] * 2


def test_a_template_is_its_savers_and_shared_that_of_all_who_may_publish_there(client):
    declare()
    declare("mine")
    keep(client, "private")
    keep(client, "common", "1")
    other = person(("orders", ["browse", "publish"]), ("mine", ["browse", "publish"]))
    page = text(other.get("/queues/orders/connect"))
    assert ("private" in page, "common" in page) == (False, True)
    assert "common" not in text(other.get("/queues/mine/connect"))
    private = MessageTemplate.objects.get(name="private")
    assert other.get(f"/queues/orders/connect?template={private.pk}").status_code == 404
    assert "private" in text(client.get("/queues/mine/connect"))  # one's own are within reach of all queues


def test_a_shared_template_is_deleted_by_its_saver_and_by_who_manages(client):
    declare()
    keep(client, "common", "1")
    [kept] = MessageTemplate.objects.all()
    place = f"/queues/orders/connect/templates/{kept.pk}/delete"
    publisher = person(("orders", ["browse", "publish"]))
    assert place not in text(publisher.get("/queues/orders/connect"))
    assert publisher.post(place).status_code == 403
    assert person(("orders", ["browse", "manage"]), name="looks").post(place).status_code == 403
    manager = person(("orders", ["browse", "publish", "manage"]), name="manager")
    assert manager.post(place).status_code == 302
    assert not MessageTemplate.objects.exists()
    assert AuditEntry.objects.filter(action="template.delete", target="queue:orders").count() == 1


@pytest.mark.parametrize("fields", [{"name": ""}, {"name": "n" * 101}, {"name": "a\tb"}, {"body": "x" * 70_000, "kind": "text"}])
def test_a_template_has_a_name_and_is_small(client, fields):
    declare()
    response = keep(client, **fields)
    assert response.status_code == 400
    assert not MessageTemplate.objects.exists()
    assert not AuditEntry.objects.exists()


def test_nobody_has_many_templates(client, monkeypatch):
    declare()
    monkeypatch.setattr(templates, "MAX_TEMPLATES", 2)
    for name in ("a", "b"):
        keep(client, name)
    assert "delete some" in text(keep(client, "c"))
    assert "Kept as b." in text(keep(client, "b"))
    assert MessageTemplate.objects.count() == 2


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_templates_stay_text(client, hostile):
    declare()
    kept = "".join(c for c in hostile if c.isprintable())
    keep(client, kept, "1", body=hostile.replace("\0", ""), kind="text", headers=json.dumps({kept: kept}))
    [template] = MessageTemplate.objects.all()
    for place in ("/queues/orders/connect", f"/queues/orders/connect?template={template.pk}"):
        page = text(person(("orders", ["publish", "browse"]), name=f"p{len(place)}").get(place))
        assert_nothing_runs(page)
        assert escape(visible(kept)) in page


# Like another


BODIES = [
    b'{"a": 1.10,\r\n "b": 2}',
    (b"zwei\nZeilen", True),
    (b"a\r\nb\r\n", True),
    (b"\x00\xff", True),
    (b"a\r\nb\n", True),
    b"null",
]


@pytest.mark.parametrize("body", BODIES)
def test_another_is_published_like_one_that_is_there(client, body):
    declare()
    content, binary = body if isinstance(body, tuple) else (body, False)
    sent = NewMessage(content, binary, "k", '{"a":"b: c"}', "image/png", 7, None, None, 60.0, None, "queue:orders", "c")
    [accepted] = perform(engine.publish, "orders", [sent], publisher="shop")
    assert f"?like=queue:orders/{accepted.id}" in text(client.get(f"/queues/orders/messages/{accepted.id}"))
    form = client.get(f"/queues/orders/connect?like=queue:orders/{accepted.id}").context["form"]
    typed = {each.name: each.value() for each in form if each.value() is not None}
    typed["body"] = typed["body"].replace("\r\n", "\n").replace("\n", "\r\n")  # as browsers send it
    assert client.post("/queues/orders/publish", typed).status_code == 200
    new, old = Message.objects.order_by("-pk")[0], Message.objects.get(pk=accepted.id)
    for name in ("binary", "key", "headers", "content_type", "priority", "ttl", "reply_to", "correlation_id"):
        assert getattr(new, name) == getattr(old, name), name
    assert bytes(new.body) == content


def test_a_record_is_a_likeness_too(client):
    declare_stream()
    declare()
    append("events", {"n": 1}, key="k")
    assert "?like=stream:events/0-0" in text(client.get("/streams/events/records/0/0"))
    for place in ("/streams/events/connect", "/queues/orders/connect"):
        form = client.get(f"{place}?like=stream:events/0-0").context["form"]
        assert (json.loads(form["body"].value()), form["key"].value()) == ({"n": 1}, "k")


def test_a_dead_letter_of_a_group_is_a_likeness_too(client):
    declare_stream(partitions=3)
    append("events", {"n": 7}, key="k", headers='{"a": "b"}', partition=2)
    declare_group("mailing", kind="shared")
    [dead] = kill_records("events", "mailing", "bad")
    like = f"stream:events/mailing/{dead}"
    assert f"?like={like}" in text(client.get(f"/streams/events/groups/mailing/dead/{dead}"))
    form = client.get(f"/streams/events/connect?like={like}").context["form"]
    assert [form[name].value() for name in ("body", "key", "headers", "partition")] == ['{"n": 7}', "k", "a: b", 2]
    stranger = person(("queue:orders", ["browse", "publish"]), name="stranger")
    declare()
    assert stranger.get(f"/queues/orders/connect?like={like}").status_code == 403
    assert client.get("/queues/orders/connect?like=stream:events/mailing/999").status_code == 404
    declare_group("billing")
    assert client.get(f"/queues/orders/connect?like=stream:events/billing/{dead}").status_code == 409


def test_nobody_gets_a_likeness_of_what_they_may_not_look_at(client):
    declare("secret")
    declare()
    [message] = publish("secret", "hidden")
    sender = person(("orders", ["browse", "publish"]))
    assert sender.get(f"/queues/orders/connect?like=queue:secret/{message}").status_code == 403
    assert client.get("/queues/orders/connect?like=queue:secret/999").status_code == 404
    assert client.get("/queues/orders/connect?like=elsewhere").status_code == 400


def test_nobody_gets_a_likeness_of_what_is_masked_for_them(admin):
    scene = Scene()
    looks, sees = person(("*", VERBS)), person(("*", [*VERBS, "unmask"]), name="auditor")
    for place, like in (("queues/orders", f"queue:orders/{scene.ready}"), ("streams/events", "stream:events/0-0")):
        assert looks.get(f"/{place}/connect?like={like}").status_code == 403
        assert CARD in text(sees.get(f"/{place}/connect?like={like}"))
    page = f"/queues/orders/messages/{scene.ready}"
    assert ("?like=" in text(looks.get(page)), "?like=" in text(sees.get(page))) == (False, True)


# Programs of it


def test_the_programs_are_those_of_the_form_also_without_a_script(client):
    declare()
    page = unescape(text(client.post("/queues/orders/publish", ONE | {"as": "program", "times": "3"})))
    assert not Message.objects.exists()
    assert "for n in $(seq 3)" in page
    part = client.post("/queues/orders/publish", ONE | {"as": "program"}, headers={"X-Part": "programs"})
    assert "<html" not in text(part)
    assert '{"n": 1.10}' in unescape(text(part))
    refused = client.post("/queues/orders/publish", ONE | {"as": "program", "body": "{"}, headers={"X-Part": "programs"})
    assert "would be refused" in text(refused)


# Connecting


def made(client, place="/queues/orders", **fields):
    return client.post(f"{place}/connect/token", {"token-name": "shop", "token-use": "both", "token-expires": "86400", **fields})


@pytest.mark.parametrize(
    ("place", "use", "grant", "verbs"),
    [
        ("/queues/orders", "publish", "queue:orders", ["publish"]),
        ("/queues/orders", "consume", "queue:orders", ["consume"]),
        ("/queues/orders", "both", "queue:orders", ["publish", "consume"]),
        ("/streams/orders", "both", "stream:orders", ["publish", "consume", "browse"]),
        ("/topics/orders", "publish", "topic:orders", ["publish"]),
    ],
)
def test_a_token_is_made_in_place_and_stands_in_the_programs(client, place, use, grant, verbs):
    declare()
    declare_stream("orders")
    declare_topic("orders")
    response = made(client, place, **{"token-use": use})
    secret, page = response.context["made"].text, unescape(text(response))
    [token] = Token.objects.all()
    assert [(str(g), g.verbs) for g in token.grants.all()] == [(grant, verbs)]
    assert token.expires_at is not None
    titles = [each.title for each in response.context["connects"]]
    assert len(titles) == (2 if use == "both" else 1)
    for each in response.context["connects"]:
        for snippet in each.snippets:
            assert secret in snippet.text
            assert '"none"' not in snippet.text
    assert page.count(secret) > len(titles) * 4
    assert "Waiting for your first message" in page
    assert secret not in text(client.get(f"{place}/connect"))


def test_who_may_give_nothing_away_makes_no_token(client):
    declare()
    user = person(("orders", ["browse", "publish", "consume", "manage"]))
    assert "token-use" not in text(user.get("/queues/orders/connect"))
    assert made(user).status_code == 403
    other = person(("queue:other", ["admin"]), ("orders", ["browse"]), name="o")
    assert made(other).status_code == 403
    assert not Token.objects.exists()


def test_a_wrong_token_form_says_so_and_makes_none(client):
    declare()
    response = made(client, **{"token-name": "", "token-use": "everything"})
    assert (response.status_code, sorted(response.context["token_form"].errors)) == (400, ["name", "use"])
    assert not Token.objects.exists()


def waits(response) -> str:
    return str(response.context["waiting_url"])


def polled(client, url) -> str:
    return text(client.get(url, headers={"HX-Request": "true"}))


def test_waiting_ends_with_the_first_message_and_prefers_that_of_the_token(client):
    declare()
    publish("orders", "before")
    url = waits(made(client))
    assert "data-waiting" in polled(client, url)
    [other] = publish("orders", "another's")
    assert f"A message is here: {other}" in polled(client, url)
    [own] = [a.id for a in perform(engine.publish, "orders", [NewMessage(b"1")], publisher="shop")]
    arrived = polled(client, url)
    assert f"Your message is here: {own}" in arrived
    assert "data-waiting" not in arrived
    assert "Your message is here" in text(client.get(url))  # the whole page, for who has no script


def test_waiting_is_told_of_news_and_not_sent_what_it_has(client):
    declare()
    declare_stream()
    declare_topic()
    for place, told in {"/queues/orders": "queue=orders", "/streams/events": "stream=events", "/topics/shop": ""}.items():
        response = made(client, place, **{"token-use": "publish"})
        assert f'data-news="/news?page=connections{"&amp;" if told else ""}{told}"' in text(response)
        first = client.get(waits(response), headers={"HX-Request": "true"})
        again = client.get(waits(response), headers={"HX-Request": "true", "HX-PTag": first.headers["HX-PTag"]})
        assert (again.status_code, again.content) == (304, b"")


def test_waiting_ends_with_a_record_of_any_partition(client):
    declare_stream(partitions=3)
    url = waits(made(client, "/streams/events"))
    assert "data-waiting" in polled(client, url)
    append("events", 1, partition=2)
    assert "offset 0 of partition 2" in polled(client, url)


def test_waiting_ends_with_a_program_that_takes_messages(client):
    declare()
    url = waits(made(client))
    token = Token.objects.get()
    Client.objects.create(holder="rest:x", client=HOSTILE[0], name="shop", owner=token.owner, first_seen_at=0, last_seen_at=0)
    assert f"{escape(HOSTILE[0])} takes messages with it." in polled(client, url)


def test_waiting_ends_after_an_hour(client, monkeypatch):
    declare()
    url = waits(made(client))
    past = url.partition("since=")[0] + "since=1"
    assert "Nothing came in an hour" in polled(client, past)
    assert "data-waiting" not in polled(client, past)


def test_only_who_may_see_the_token_waits_for_it(client):
    declare()
    url = waits(made(client))
    assert person(("orders", ["browse"])).get(url).status_code == 403
    assert client.get(url.replace("token=", "token=9")).status_code == 404
    assert client.get("/queues/orders/connect/waiting").status_code == 404


def test_a_message_that_was_consumed_at_once_came_too(client, monkeypatch):
    declare()
    url = waits(made(client))
    monkeypatch.setattr(waiting, "RATED", 0.0)
    monkeypatch.setattr(stats, "rates", lambda queue_id: {"published": 0.1})
    assert "consumed at once" in polled(client, url)


# Trying a token


@pytest.mark.parametrize(
    ("pattern", "verbs", "shown"),
    [
        ("queue:sandbox.*", ["publish"], "/api/v1/queues/sandbox.a/messages"),
        ("queue:none.*", ["publish"], "/api/v1/queues/none.example/messages"),
        ("sandbox.?", ["consume"], "/api/v1/queues/sandbox.a/receive"),
        ("stream:*", ["publish"], "/api/v1/streams/log/records"),
        ("topic:shop", ["publish"], "/api/v1/topics/shop/messages"),
        ("stream:log", ["consume"], "/api/v1/streams/log/live"),
        ("sandbox.a", ["browse"], "/api/v1/queues/sandbox.a "),
        ("*", ["monitor"], "/metrics"),
        ("*", ["admin"], "/api/v1/queues/aaa/messages"),
    ],
)
def test_a_token_is_tried_on_what_it_may(client, pattern, verbs, shown):
    for name in ("aaa", "sandbox.a"):
        declare(name)
    declare_stream("log")
    declare_topic("shop")
    response = client.post("/new/token", {"name": "shop", "pattern-0": pattern, "verbs-0": verbs, "expires": ""})
    assert shown in response.context["snippets"][0].text


def test_a_token_that_was_revoked_is_not_waited_for(client):
    declare()
    url = waits(made(client))
    tokens.revoke(broker_itself(), Token.objects.get().pk)
    assert client.get(f"{url}&{urlencode({'x': 1})}").status_code == 404
