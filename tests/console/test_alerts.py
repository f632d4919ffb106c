"""The page of alerts: rules and channels are made, tried and removed there, silences begun; who may browse sees what holds."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from django.core import mail
from django.test import Client

from brokerweb.alerts import channels, rules, silences
from brokerweb.cluster.models import Alert, AlertRule
from brokerweb.console.alerts.forms import RuleForm
from brokerweb.core import clock
from brokerweb.core.errors import Invalid, NotFound
from brokerweb.identity.models import AuditEntry
from tests.alerts.stand import ADA, rule
from tests.console.conftest import HOSTILE, declare, person, text
from tests.console.test_security import assert_nothing_runs


def hold(target: str, said: str = "dead messages: 2", **more: object) -> Alert:
    now = clock.wall()
    return Alert.objects.create(
        rule="many-dead", figure="dead", version=1, target=target, value=2, text=said, since_at=now, fired_at=now, **more
    )


def test_a_rule_is_made_changed_and_removed(client: Client):
    channels.declare(ADA, "mail", "email", "ada@shop.example")
    given = {
        "name": "many-dead",
        "target": "queue:ord*",
        "figure": "dead",
        "side": "over",
        "limit": "1,000",
        "lasts": "1 min 30 s",
    }
    assert client.post("/new/alert-rule", {**given, "channels": ["mail"], "enabled": "on"}).status_code == 302
    found = rules.find("many-dead")
    assert (found.over, found.lasts, found.channels, found.enabled) == (1000, 90, ("mail",), True)
    assert "dead messages over 1,000 for 1 min 30 s" in text(client.get("/alerts"))
    shown = client.get("/alerts/rules/many-dead").content.decode()
    for value in ("queue:ord*", "1,000", "1 min 30 s"):
        assert f'value="{value}"' in shown
    assert client.post("/alerts/rules/many-dead", {**given, "side": "under", "limit": "1"}).status_code == 302
    found = rules.find("many-dead")
    assert (found.over, found.under, found.channels, found.enabled) == (None, 1, (), False)
    assert "Nobody is told by it" in text(client.get("/alerts/rules/many-dead/delete"))
    client.post("/alerts/rules/many-dead/delete")
    assert rules.listed() == []
    assert client.get("/alerts/rules/many-dead").status_code == 404


@pytest.mark.parametrize(
    ("target", "figure", "limit", "number", "words"),
    [
        ("queue:*", "oldest_age", "1.5 h", 5_400, "age of the oldest ready message over 1 h 30 min"),
        ("queue:*", "oldest_age", "90", 90, "age of the oldest ready message over 1 min 30 s"),
        ("stream:*", "lag_seconds", "7 d", 604_800, "age of the first record not read over 7 d"),
        ("stream:*", "lag", "2 million", 2_000_000, "records not read over 2,000,000"),
        ("queue:*", "failed", "90/min", 1.5, "failed leases over 1.5/s"),
        ("queue:*", "in", "0.5 a second", 0.5, "messages in over 0.5/s"),
        ("broker", "disk_free", "10 GiB", 10 * 1024**3, "free room on the disk over 10 GiB"),
    ],
)
def test_a_limit_is_written_as_what_its_figure_counts(client, target, figure, limit, number, words):
    given = {"name": "r", "target": target, "figure": figure, "side": "over", "lasts": ""}
    assert client.post("/new/alert-rule", {**given, "limit": limit}).status_code == 302
    found = rules.find("r")
    assert (found.over, found.lasts, found.words) == (number, 0, words)
    shown = client.get("/alerts/rules/r").context["form"]["limit"].value()
    assert client.post("/alerts/rules/r", {**given, "limit": shown}).status_code == 302
    assert rules.find("r").over == number, "what is shown is read back"


@pytest.mark.parametrize(
    ("field", "value", "figure", "said"),
    [
        ("limit", "10 GiB", "dead", "Write a number such as"),
        ("limit", "many", "oldest_age", "Write a duration such as"),
        ("limit", "5 s", "in", "Write a rate such as"),
        ("lasts", "2 d", "dead", "Write 0 s to 1 d."),
        ("lasts", "1.5 s", "dead", "Write whole seconds."),
    ],
)
def test_what_is_no_such_amount_is_told_in_words(client, field, value, figure, said):
    given = {"name": "r", "target": "queue:*", "figure": figure, "side": "over", "limit": "1", "lasts": "30 s"}
    answer = client.post("/new/alert-rule", {**given, field: value})
    assert answer.status_code == 400
    assert said in " ".join(answer.context["form"].errors[field])
    assert f'value="{value}"' in answer.content.decode()


def test_a_limit_that_only_a_program_gives_is_shown_all_the_same(client):
    rule("r", "ready", "queue:*", over=-1)
    assert "ready messages over -1" in text(client.get("/alerts"))
    assert client.get("/alerts/rules/r").context["form"]["limit"].value() == "-1"


@pytest.mark.parametrize("limit", [1e300, -1e300, float("inf"), float("nan")])
def test_no_road_takes_a_limit_that_cannot_be_shown(client, limit):
    with pytest.raises(Invalid, match="/under: must be a number from -1e15 to 1e15"):
        rule("r", "oldest_age", "queue:*", under=limit)
    given = {"figure": "oldest_age", "target": "queue:*", "over": limit}
    for path, body in (("alerts/rules/r", given), ("definitions", {"alert_rules": {"r": given}})):
        assert client.put(f"/api/v1/{path}", json.dumps(body), content_type="application/json").status_code == 400
    assert client.post("/new/alert-rule", {**given, "over": "", "name": "r", "side": "over", "limit": "1e99"}).status_code == 400
    AlertRule.objects.create(name="old", figure="oldest_age", target="queue:*", over=1e300, lasts=0, channels=[], version=1)
    assert "over 1e+300" in text(client.get("/alerts"))


def test_what_makes_no_sense_stands_at_its_field(client: Client):
    given = {"name": "r", "target": "queue:ord*", "figure": "lag", "side": "over", "limit": "5"}
    answer = client.post("/new/alert-rule", given)
    assert answer.status_code == 400
    assert "figure" in answer.context["form"].errors
    answer = client.post("/new/alert-rule", {**given, "figure": "dead", "limit": ""})
    assert "limit" in answer.context["form"].errors
    answer = client.post("/new/alert-rule", {**given, "figure": "dead", "target": "everything"})
    assert "target" in answer.context["form"].errors
    rule("r", "dead", "queue:*", over=1)
    answer = client.post("/new/alert-rule", {**given, "figure": "dead"})
    assert "name" in answer.context["form"].errors
    assert rules.find("r").target.name == "*", "what is there is not overwritten"


def test_a_webhooks_secret_is_shown_once(client: Client):
    made = client.post("/new/alert-channel", {"name": "ops", "kind": "webhook", "to": "https://ops.example/secret-path"})
    secret = made.context["secret"]
    assert secret in made.content.decode()
    page = client.get("/alerts").content.decode()
    assert "https://ops.example/…" in page
    assert secret not in page
    assert "secret-path" not in page
    assert client.post("/new/alert-channel", {"name": "chat", "kind": "slack", "to": "nowhere"}).status_code == 400
    assert "https://ops.example/…" in text(client.get("/alerts/channels/ops/delete"))
    client.post("/alerts/channels/ops/delete")
    assert channels.listed() == []


def test_a_channel_is_led_elsewhere_and_what_is_secret_of_it_is_not_shown(client: Client):
    made, secret = channels.declare(ADA, "ops", "webhook", "https://ops.example/secret-path")
    page = client.get("/alerts/channels/ops").content.decode()
    assert "https://ops.example/…" in page
    assert "secret-path" not in page
    assert client.post("/alerts/channels/ops", {"to": ""}).status_code == 302
    assert channels.find("ops").to == made.to, "left empty it stays"
    assert client.post("/alerts/channels/ops", {"to": "https://other.example/x"}).status_code == 302
    assert (channels.find("ops").to, channels.find("ops").secret) == ("https://other.example/x", secret)
    assert "to" in client.post("/alerts/channels/ops", {"to": "nowhere"}).context["form"].errors
    renewed = client.post("/alerts/channels/ops", {"to": "", "renew": "on"}).context["secret"]
    assert channels.find("ops").secret == renewed != secret
    assert renewed not in str(list(AuditEntry.objects.values_list("detail", flat=True)))
    channels.declare(ADA, "mail", "email", "ada@shop.example")
    assert 'value="ada@shop.example"' in client.get("/alerts/channels/mail").content.decode()
    assert client.get("/alerts/channels/nothing").status_code == 404


def test_a_channel_is_tried(client: Client):
    channels.declare(ADA, "mail", "email", "ada@shop.example")
    assert "mail took the test" in text(client.post("/alerts/channels/mail/test", follow=True))
    assert [message.to for message in mail.outbox] == [["ada@shop.example"]]
    assert AuditEntry.objects.filter(action="alert-channel.test").count() == 1
    assert client.post("/alerts/channels/nothing/test").status_code == 404


def test_a_silence_begins_and_ends(client: Client):
    before = clock.wall()
    answer = client.post("/alerts/silences", {"target": "queue:orders", "seconds": "1 h 30 min", "reason": "a move"}, follow=True)
    assert "Nobody is told of queue:orders for 1 h 30 min." in text(answer)
    [silence] = silences.listed()
    assert 5_400 <= (clock.from_datetime(silence.until_at) - before) / clock.SECOND < 5_460
    assert "a move" in text(client.get("/alerts"))
    for field, value in (("target", "nothing"), ("seconds", "31 d"), ("seconds", ""), ("seconds", "soon"), ("rule", "none")):
        wrong = client.post("/alerts/silences", {"target": "*", "seconds": "1 h", field: value})
        assert (wrong.status_code, list(wrong.context["silence"].errors)) == (400, [field])
    client.post(f"/alerts/silences/{silence.pk}/end")
    assert silences.listed() == []
    assert client.post(f"/alerts/silences/{silence.pk}/end").status_code == 404


def test_an_alert_has_a_button_that_says_what_would_be_silent(client: Client):
    rule("many-dead", "dead", "queue:*", over=1)
    hold("queue:mine.a", told=True)
    assert "?silence=queue%3Amine.a&amp;rule=many-dead#silences" in client.get("/alerts").content.decode()
    shown = client.get("/alerts?silence=queue%3Amine.a&rule=many-dead").context["silence"]
    assert (shown["target"].value(), shown["rule"].value(), shown["seconds"].value()) == ("queue:mine.a", "many-dead", "1 h")
    client.post("/alerts/silences", {"target": "queue:mine.a", "rule": "many-dead", "seconds": "4 h"})
    assert [(each.target, each.rule) for each in silences.listed()] == [("queue:mine.a", "many-dead")]
    assert "?silence=" not in person(("mine.*", ["browse", "manage"])).get("/alerts").content.decode()


def test_who_may_browse_sees_what_holds_of_that_and_changes_nothing(client: Client):
    declare("mine.a")
    for target in ("queue:mine.a", "queue:theirs", "broker", "stream:other.s/g"):
        hold(target)
    hold("queue:mine.a", said="was dead", resolved_at=clock.wall())
    theirs = person(("mine.*", ["browse", "manage"]))
    page = text(theirs.get("/alerts"))
    assert "queue:mine.a" in page
    assert "was dead" in page
    assert not [word for word in ("theirs", "broker", "other.s", "Channels", "New rule") if word in page.replace("brokerweb", "")]
    assert "broker" in text(client.get("/alerts")).replace("brokerweb", "")
    for place in (
        "/new/alert-rule",
        "/new/alert-channel",
        "/alerts/rules/r",
        "/alerts/rules/r/delete",
        "/alerts/channels/c",
        "/alerts/channels/c/delete",
    ):
        assert (theirs.get(place).status_code, theirs.post(place).status_code) == (403, 403)
    for place in ("/alerts/channels/c/test", "/alerts/silences", "/alerts/silences/1/end"):
        assert theirs.post(place).status_code == 403


@pytest.mark.parametrize("hostile", HOSTILE)
def test_text_of_strangers_stays_text(client: Client, hostile: str):
    hold("queue:a", said=hostile[:500])
    silences.begin(ADA, "*", 60, reason=hostile)
    channel, _ = channels.declare(ADA, "ops", "slack", "https://ops.example/x")
    channel.error, channel.failed_at = hostile[:500], clock.wall()
    channel.save()
    assert_nothing_runs(client.get("/alerts").content.decode())


def test_the_first_page_says_that_alerts_hold(client: Client):
    declare("mine.a")
    assert "alert" not in text(client.get("/")).partition('<main id="main"')[2].lower()
    hold("queue:mine.a")
    assert "An alert holds: queue:mine.a, dead messages: 2." in " ".join(text(client.get("/")).split())
    hold("queue:theirs")
    assert "2 alerts hold, the newest of queue:theirs" in " ".join(text(client.get("/")).split())
    assert "An alert holds" in " ".join(text(person(("mine.*", ["browse"])).get("/")).split())


def test_a_rule_that_another_changed_or_deleted_meanwhile_is_not_overwritten(client: Client):
    given = {"target": "queue:*", "figure": "dead", "side": "over", "limit": "5", "lasts": "1 min", "enabled": "on"}
    client.post("/new/alert-rule", {"name": "r", **given})
    seen = client.get("/alerts/rules/r").context["form"].initial["seen"]
    assert client.post("/alerts/rules/r", {**given, "limit": "7", "seen": seen}).status_code == 302
    refused = client.post("/alerts/rules/r", {**given, "limit": "9", "seen": seen})
    assert (refused.status_code, "Changed meanwhile: 7" in text(refused), rules.find("r").over) == (400, True, 7)
    again = refused.context["form"].data["seen"]
    assert client.post("/alerts/rules/r", {**given, "limit": "9", "seen": again}).status_code == 302
    with pytest.raises(NotFound):
        rules.declare(ADA, replace(rules.find("r"), name="other"), seen=RuleForm(known=True).check_rule)
    with pytest.raises(NotFound):
        channels.declare(ADA, "gone", channels.SLACK, "https://chat.example/x", new=False)
