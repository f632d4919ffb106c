"""The document of definitions on its page: taken away as a file, and brought in after a look at what it would do."""

from __future__ import annotations

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from brokerweb import schemas
from brokerweb.alerts import channels, rules
from brokerweb.definitions import importing
from brokerweb.identity import masks
from brokerweb.identity.models import AuditEntry, Mask
from brokerweb.queues.models import Queue
from tests.alerts.stand import ADA, rule
from tests.console.conftest import HOSTILE, declare, text
from tests.console.test_security import assert_nothing_runs

pytestmark = pytest.mark.usefixtures("database")


def test_what_is_taken_away_brings_the_same_in_again(client):
    declare("orders", max_failures=3)
    taken = client.get("/definitions.json")
    assert "attachment" in taken["Content-Disposition"]
    assert json.loads(taken.content)["queues"][0]["max_failures"] == 3
    assert set(json.loads(client.get("/definitions.json?only=topics").content)) == {"topics"}
    plan = text(client.post("/definitions", {"file": SimpleUploadedFile("d.json", taken.content)}))
    assert "0 created, 0 changed" in plan
    assert "All that it names is so already" in plan


def test_it_is_done_once_its_plan_was_confirmed(client):
    declare("orders", max_failures=3)
    document = json.dumps({"queues": [{"name": "orders", "max_failures": 5}, {"name": "new"}]})
    plan = text(client.post("/definitions", {"text": document}))
    assert "1 created, 1 changed" in plan
    assert Queue.declared.count() == 1
    done = client.post("/definitions", {"text": document, "confirmed": "1"}, follow=True)
    assert "1 created, 1 changed." in text(done)
    assert Queue.declared.get(name="orders").max_failures == 5
    assert {entry.target for entry in AuditEntry.objects.filter(actor="admin")} == {"queue:orders", "queue:new"}


@pytest.mark.parametrize("wrong", ["", "no JSON", "[]", "[" * 5000, '{"queues": [{"name": "a b"}]}', *HOSTILE])
def test_what_is_wrong_is_told_and_nothing_is_done(client, wrong):
    refused = client.post("/definitions", {"text": wrong, "confirmed": "1"})
    assert (refused.status_code, "Nothing was done" in text(refused)) == (400, True)
    assert_nothing_runs(text(refused))
    assert not Queue.declared.exists()


def test_a_file_that_is_no_text_is_told_so(client):
    refused = client.post("/definitions", {"file": SimpleUploadedFile("d.json", b"\xff\xfe")})
    assert (refused.status_code, "not UTF-8" in text(refused)) == (400, True)


def test_masks_and_alerts_are_in_it_and_secrets_are_shown_once(client):
    document = {
        "masks": [{"pattern": "queue:orders.*", "fields": ["$.card"]}],
        "alert_channels": [{"name": "ops", "kind": "webhook", "to": "https://ops.example/a-secret-path"}],
        "alert_rules": [{"name": "many", "figure": "dead", "target": "queue:*", "over": 5, "channels": ["ops"]}],
    }
    plan = text(client.post("/definitions", {"text": json.dumps(document)}))
    for words in ("3 created", "queue:orders.*", "https://ops.example/…", "alert_rule"):
        assert words in plan
    done = client.post("/definitions", {"text": json.dumps(document), "confirmed": "1"})
    secret = channels.find("ops").secret
    assert secret in text(done)
    taken = text(client.get("/definitions.json"))
    assert "https://ops.example/…" in taken
    assert not [word for word in (secret, "a-secret-path") if word in taken]
    assert set(json.loads(client.get("/definitions.json?only=masks,alert_rules").content)) == {"masks", "alert_rules"}
    again = text(client.post("/definitions", {"text": taken, "confirmed": "1"}))
    assert "All that it names is so already" in again
    assert channels.find("ops").to == "https://ops.example/a-secret-path"
    assert [rule.target for rule in masks.stored()] == ["queue:orders.*"]
    assert secret not in again


def test_masks_of_a_pattern_with_more_fields_than_a_mask_has_let_others_be_brought_in(client):
    halves = [Mask(kind=None, pattern="*", fields=[f"$.{half}{n}" for n in range(40)]) for half in "ab"]
    Mask.objects.bulk_create(halves)
    done = client.post("/definitions", {"text": json.dumps({"masks": {"orders": {"fields": ["key"]}}}), "confirmed": "1"})
    assert done.status_code == 302
    assert {rule.target: len(rule.fields) for rule in masks.stored()} == {"*": 80, "orders": 1}
    many = [{"pattern": "more", "fields": mask.fields} for mask in halves]
    refused = client.put("/api/v1/masks", json.dumps({"masks": many}), content_type="application/json")
    assert (refused.status_code, "more: at most 50 fields" in refused.json()["detail"]) == (400, True)


def test_what_others_changed_of_a_rule_and_a_channel_since_the_plan_stays():
    channels.declare(ADA, "ops", "webhook", "https://ops.example/a")
    rule("many", "dead", "queue:*", over=5)
    secret = "whsec_" + "QUJD" * 8
    steps = importing.plan({"alert_rules": {"many": {"for": 30}}, "alert_channels": {"ops": {"secret": secret}}})
    channels.declare(ADA, "ops", "webhook", "https://ops.example/b")
    rule("many", "dead", "queue:*", over=7)
    importing.apply(ADA, steps)
    assert (rules.find("many").over, rules.find("many").lasts) == (7, 30)
    assert (channels.find("ops").to, channels.find("ops").secret) == ("https://ops.example/b", secret)


def test_schemas_are_made_ready_before_the_commit(monkeypatch):
    """Others wait for a commit, and to make one ready takes long."""
    steps = importing.plan({"schemas": {"s": {"kind": "avro", "pattern": "a**", "source": '"int"'}}})
    monkeypatch.setattr(schemas, "_ready", None)
    importing.apply(ADA, steps)
    assert [(schema.name, schema.pattern) for schema in schemas.listed()] == [("s", "a*")]


def test_what_was_done_before_a_commit_was_refused_is_told_with_the_secrets_that_are_not(client, monkeypatch):
    monkeypatch.setattr(importing, "TOGETHER", 1)
    document = {
        "alert_channels": {"ops": {"kind": "webhook", "to": "https://ops.example/x"}},
        "alert_rules": {"many": {"figure": "dead", "target": "queue:*", "over": 5, "channels": ["ops"]}},
    }
    planned = importing.plan

    def others_first(*args, **options):
        steps = planned(*args, **options)
        monkeypatch.setattr(rules, "MOST", 0)  # as if others had made as many as there may be
        return steps

    monkeypatch.setattr(importing, "plan", others_first)
    refused = client.put("/api/v1/definitions", json.dumps(document), content_type="application/json").json()
    assert (refused["code"], refused["done"], refused["renew"]) == ("conflict", 1, ["ops"])
    assert "Secrets were made for ops, and are told nowhere" in refused["detail"]
    assert "there are 0 rules" in refused["detail"]
    channels.delete(ADA, "ops")
    monkeypatch.setattr(rules, "MOST", 200)
    page = text(client.post("/definitions", {"text": json.dumps(document), "confirmed": "1"}))
    assert ("Nothing was done" in page, "1 of what it names was done, and stays" in page) == (False, True)
    assert "on the pages of ops" in page
