"""Rules begin to hold and end, of figures as samples have them and of verdicts; who is told, and who is not."""

from __future__ import annotations

from typing import Any

import pytest

from brokerweb.alerts import alerts, channels, rules, silences
from brokerweb.cluster.models import Alert, AlertNotice
from brokerweb.core import clock
from brokerweb.identity import masks
from brokerweb.identity.audit import Entry
from brokerweb.queues import bulk, control, filters
from brokerweb.samples import taking
from brokerweb.signals import alert_changed
from brokerweb.storage import disk
from brokerweb.storage.run import perform
from brokerweb.streams import control as streams
from brokerweb.streams import engine as records
from brokerweb.streams import groups
from brokerweb.streams.records import NewRecord
from tests.alerts.stand import ADA, Watched, finished, firing, rule, told
from tests.queues.bench import Time

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def watched(time: Time, monkeypatch: pytest.MonkeyPatch) -> Watched:
    channels.declare(ADA, "ops", "webhook", "https://ops.example/hook")
    return Watched(time, monkeypatch)


def test_a_figure_over_its_limit_begins_an_alert_and_ends_it(watched: Watched):
    rule("many-dead", "dead", "queue:ord*", over=1, channels=("ops",))
    orders, others = watched.store.queue("orders"), watched.store.queue("others")
    for queue in (orders, others):
        queue.publish(1, 2, 3)
    watched.step()
    for queue in (orders, others):
        queue.settle("dead", *queue.lease(1))
    watched.step()
    assert firing() == []
    for queue in (orders, others):
        queue.settle("dead", *queue.lease(1))
    watched.step()
    assert firing() == [("many-dead", "queue:orders")]
    assert told() == [("ops", "firing", ["queue:orders"])]
    alert = Alert.objects.get()
    assert (alert.value, alert.text) == (2.0, "dead messages: 2")
    watched.step(3)
    assert (len(told()), watched.kicks) == (1, 1), "it is told once"
    perform(bulk.purge, "orders", filters.parse({"states": ["dead"]}))
    watched.step()
    assert firing() == [("many-dead", "queue:orders")], "not over at one look"
    watched.step()
    assert firing() == []
    assert told()[1:] == [("ops", "resolved", ["queue:orders"])]


def test_it_has_to_last_as_long_as_the_rule_says(watched: Watched):
    rule("behind", "ready", "queue:*", over=0, lasts=25)
    orders = watched.store.queue("orders")
    orders.publish(1)
    watched.step(2)
    orders.ack(*orders.lease())
    watched.step()
    orders.publish(1)
    watched.step(3)
    assert firing() == [], "what lasted before does not count"
    watched.step()
    assert firing() == [("behind", "queue:orders")]
    since = clock.from_datetime(Alert.objects.get().since_at)
    assert clock.wall() - since == clock.seconds(30)


def test_under_a_limit_and_of_groups(watched: Watched):
    rule("idle", "in", "queue:orders", under=0.05)
    rule("lag", "lag", "stream:log*/mail*", over=2)
    orders = watched.store.queue("orders")
    orders.publish(1)
    perform(streams.declare, "logs", {"partitions": 1})
    for name in ("mailer", "other"):
        perform(groups.declare_group, "logs", name, {"start": "earliest"})
    watched.step()
    perform(records.append, "logs", [NewRecord(b"1")] * 3)
    orders.publish(1)
    watched.step()
    assert firing() == [("lag", "stream:logs/mailer")]
    watched.step()
    assert firing() == [("idle", "queue:orders"), ("lag", "stream:logs/mailer")]


def test_verdicts_and_what_stands_still(watched: Watched):
    rule("nobody", "verdict", "queue:*", verdict="no_consumer")
    rule("still", "stuck", "queue:*")
    orders, paused = watched.store.queue("orders"), watched.store.queue("paused")
    orders.publish(1)
    paused.publish(1)
    perform(control.pause, "paused", reason="", by="ada")
    watched.step(3)
    assert firing() == [
        ("nobody", "queue:orders"), ("nobody", "queue:paused"), ("still", "queue:orders"), ("still", "queue:paused"),
    ]  # fmt: skip
    assert Alert.objects.get(rule="nobody", target="queue:orders").text.startswith("Nobody consumes orders, and 1 message waits.")
    orders.ack(*orders.lease())
    watched.step(3)
    assert ("still", "queue:orders") not in firing()


def test_what_is_masked_is_told_nobody(watched: Watched):
    rule("behind", "verdict", "queue:*", verdict="key_stuck")
    masks.put(Entry(ADA, "masks.put", "masks", {}, None), masks.parse([{"pattern": "*", "fields": ["key", "error"]}]))
    orders = watched.store.queue("orders", keyed=True)
    orders.publish(1, 2, key="key-of-ana")
    orders.nack(orders.take(), delay=9000, error="error-of-ana")
    watched.time.advance(3600)
    watched.at += 360
    watched.step(3)
    assert firing() == [("behind", "queue:orders")]
    assert "of-ana" not in Alert.objects.get().text


def test_the_disk(watched: Watched, monkeypatch: pytest.MonkeyPatch):
    rule("full", "disk_free", "broker", under=1000)
    here = disk.Disk(None)
    monkeypatch.setattr(disk, "of", lambda: here)
    here.free = 1000
    watched.step()
    assert firing() == []
    here.free = 999
    watched.step()
    assert firing() == [("full", "broker")]
    here.free = None  # where nobody knows nothing is said
    watched.step(3)
    assert firing() == []


def test_a_silence_tells_nobody_and_what_outlasts_it_is_told(watched: Watched):
    rule("ready", "ready", "queue:*", over=0, channels=("ops",))
    silences.begin(ADA, "queue:ord*", 25)
    orders, others = watched.store.queue("orders"), watched.store.queue("others")
    orders.publish(1)
    others.publish(1)
    watched.step()
    assert firing() == [("ready", "queue:orders"), ("ready", "queue:others")]
    assert told() == [("ops", "firing", ["queue:others"])]
    silenced = {alert["target"]: alert["silenced"] for alert in map(alerts.as_json, alerts.listed())}
    assert silenced == {"queue:orders": True, "queue:others": False}
    watched.step(2)
    assert told()[1:] == [("ops", "firing", ["queue:orders"])]
    silences.begin(ADA, "*", 100, rule="ready")
    third = watched.store.queue("third")
    third.publish(1)
    watched.step()
    third.ack(*third.lease())
    watched.step(3)
    assert len(told()) == 2, "of what nobody was told the end is told nobody, either"


def test_a_changed_rule_ends_what_held_by_the_old_one(watched: Watched):
    rule("ready", "ready", "queue:*", over=0, channels=("ops",))
    watched.store.queue("orders").publish(1, 2)
    watched.step()
    rule("ready", "ready", "queue:*", over=1, channels=("ops",))
    watched.step()
    assert firing() == []
    watched.step()
    assert firing() == [("ready", "queue:orders")], "and begins by the new one"
    rules.delete(ADA, "ready")
    watched.step()
    assert firing() == []
    assert [event for _, event, _ in told()] == ["firing", "resolved", "firing", "resolved"]


def test_many_at_once_are_one_notice_and_the_worst_are_kept(watched: Watched, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(alerts, "WORST", 4)
    monkeypatch.setattr(alerts, "TOLD_OF", 2)
    rule("ready", "ready", "queue:*", over=0, channels=("ops",))
    for n in range(6):
        watched.store.queue(f"q{n}").publish(*range(n + 1))
    watched.step()
    assert firing() == [("ready", f"queue:q{n}") for n in (2, 3, 4, 5)]
    watched.store.queue("q0").publish(*range(50))
    watched.step(4)
    assert firing() == [("ready", f"queue:q{n}") for n in (2, 3, 4, 5)], "what holds is not over because others are worse"
    notice = AlertNotice.objects.get()
    assert (len(notice.told["alerts"]), notice.told["more"]) == (2, 2)


def test_without_samples_nothing_begins_and_nothing_ends(watched: Watched):
    rule("ready", "ready", "queue:*", over=0)
    watched.store.queue("orders").publish(1)
    watched.step()
    watched.sampler = taking.Sampler()
    for _ in range(3):
        finished(watched.watch.tick(0))
    assert firing() == [("ready", "queue:orders")]


def test_projects_hear_of_it_by_a_signal(watched: Watched):
    heard: list[tuple[str, str, str]] = []

    def hear(event: str, rule: dict[str, Any], alerts: list[dict[str, Any]], **_: Any) -> None:
        heard.extend((event, rule["name"], alert["target"]) for alert in alerts)

    def fail(**_: Any) -> None:
        raise RuntimeError("a receiver's own")

    alert_changed.connect(fail)
    alert_changed.connect(hear)
    try:
        rule("ready", "ready", "queue:*", over=0)
        watched.store.queue("orders").publish(1)
        watched.step()
    finally:
        alert_changed.disconnect(hear)
        alert_changed.disconnect(fail)
    assert heard == [("alert.firing", "ready", "queue:orders")]


def test_what_is_over_goes_in_the_end(watched: Watched):
    rule("ready", "ready", "queue:*", over=0)
    orders = watched.store.queue("orders")
    orders.publish(1)
    watched.step()
    assert perform(alerts.forget) == 0
    orders.ack(*orders.lease())
    watched.step(3)
    watched.time.at += clock.seconds(alerts.KEPT_FOR) + 1
    assert (perform(alerts.forget), Alert.objects.count()) == (1, 0)


def test_on_postgresql_too(on_postgres: None, time: Time, monkeypatch: pytest.MonkeyPatch):
    channels.declare(ADA, "ops", "webhook", "https://ops.example/hook")
    watched = Watched(time, monkeypatch)
    rule("many-dead", "dead", "queue:*", over=0, channels=("ops",))
    rule("nobody", "verdict", "queue:*", verdict="no_consumer")
    orders = watched.store.queue("orders")
    orders.publish(1, 2)
    orders.settle("dead", *orders.lease(1))
    watched.step(3)
    assert firing() == [("many-dead", "queue:orders"), ("nobody", "queue:orders")]
    assert told() == [("ops", "firing", ["queue:orders"])]
    perform(bulk.purge, "orders", filters.parse({"states": ["dead"]}))
    watched.step(3)
    assert firing() == [("nobody", "queue:orders")]
