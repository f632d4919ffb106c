"""Streams, their records and their consumer groups in the console."""

from __future__ import annotations

import json
import re

import pytest

from brokerweb.core import events
from brokerweb.identity.models import AuditEntry
from brokerweb.jobs.models import Job
from brokerweb.queues import stats as queue_stats
from brokerweb.queues.models import Message
from brokerweb.queues.states import State
from brokerweb.storage.reading import read
from brokerweb.storage.run import perform
from brokerweb.streams import control, group_objects, positions, retention
from brokerweb.streams.models import ConsumerGroup, Record, Stream
from tests.console.conftest import (
    append,
    declare,
    declare_group,
    declare_stream,
    kill_records,
    person,
    polled_by,
    text,
)

pytestmark = pytest.mark.usefixtures("database")

DEFAULTS = {"partitions": "1", "dedup_window": "300", "max_body_bytes": "1048576"}


def audited() -> list[tuple[str, str]]:
    return list(AuditEntry.objects.order_by("id").values_list("action", "target"))


def offsets(response) -> list[int]:
    return [record.pk & ((1 << 40) - 1) for record in response.context["found"].items]


def committed(group: str) -> dict[str, str]:
    found: dict[str, str] = read(group_objects.describe, "events", group)["committed"]
    return found


# Streams


def test_a_stream_is_created_changed_and_deleted(client):
    made = client.post("/new/stream", {"name": "events", **DEFAULTS, "partitions": "2"}, follow=True)
    assert made.redirect_chain == [("/streams/events", 302)]
    client.post("/streams/events/settings", {**DEFAULTS, "partitions": "4", "retention_age": "3600", "compact": "on"})
    shown = control.describe(control.get("events"))
    assert (shown["partitions"], shown["retention_age"], shown["compact"]) == (4, 3600, True)
    append("events", 1, 2)
    asked = client.get("/streams/events/delete")
    assert "Delete the stream and 2 records" in text(asked)
    assert client.post("/streams/events/delete", {"typed": "event"}).status_code == 400
    assert client.post("/streams/events/delete", {"typed": "events"})["Location"] == "/streams"
    assert not Stream.objects.filter(deleted_at=None).exists()
    assert [action for action, _ in audited()] == ["stream.declare", "stream.declare", "stream.delete"]


def test_what_a_stream_refuses_stands_at_its_field(client):
    declare_stream("events", partitions=3)
    again = client.post("/new/stream", {"name": "events", **DEFAULTS})
    assert again.context["form"].errors["name"] == ["There is a stream of that name."]
    wrong = client.post("/streams/events/settings", {**DEFAULTS, "partitions": "3", "retention_bytes": "0"})
    assert set(wrong.context["form"].errors) == {"retention_bytes"}
    fewer = client.post("/streams/events/settings", {**DEFAULTS, "partitions": "2"})
    assert "they can become more, not fewer" in text(fewer)


def test_a_list_shows_sums_and_pages_by_name(client):
    declare_stream("a", partitions=2)
    append("a", *range(10))
    for n in range(60):
        declare_stream(f"s{n:02}")
    first = client.get("/streams")
    second = client.get(f"/streams?{first.context['next']}")
    rows = [*first.context["rows"], *second.context["rows"]]
    assert [row.name for row in rows] == ["a", *(f"s{n:02}" for n in range(60))]
    assert (rows[0].sizes.partitions, rows[0].sizes.end, rows[0].sizes.records) == (2, 10, 10)
    assert [row.name for row in client.get("/streams?prefix=s1").context["rows"]] == [f"s1{n}" for n in range(10)]


def test_a_record_is_appended_as_it_was_typed(client):
    declare_stream("events", partitions=3)
    form = {"body": '{"n": 1.10}', "kind": "json", "key": "k", "partition": "2", "headers": "a: 1"}
    page = client.post("/streams/events/append", form, follow=True)
    assert 'Stored as <a href="/streams/events/records/2/0">offset 0 of partition 2</a>.' in text(page)
    record = Record.objects.get()
    assert (bytes(record.body), record.key, record.headers, record.publisher) == (b'{"n": 1.10}', "k", '{"a":"1"}', "admin")
    wrong = client.post("/streams/events/append", {**form, "partition": "9", "body": "1"})
    assert wrong.context["form"].errors["partition"]
    assert client.post("/streams/events/append", {**form, "body": "{"}).context["form"].errors["body"]


# Records


def test_records_are_browsed_both_ways_without_gaps(client):
    declare_stream("events")
    append("events", *range(120))
    for place, chosen in (("", "older"), ("from=earliest", "newer")):
        seen, query = [], place
        while query is not None:
            page = client.get(f"/streams/events/records?{query}")
            seen += offsets(page)
            query = getattr(page.context["found"], chosen)
        assert sorted(seen) == list(range(120))
        assert len(seen) == 120
    back = client.get(f"/streams/events/records?{client.get('/streams/events/records').context['found'].older}").context["found"]
    assert offsets(client.get(f"/streams/events/records?{back.newer}")) == list(range(119, 69, -1))


def test_records_are_found_by_offset_and_by_time(client):
    declare_stream("events")
    append("events", *range(5))
    Record.objects.filter(pk__in=[r.pk for r in Record.objects.order_by("pk")[:3]]).update(appended_at=1_000_000)
    assert offsets(client.get("/streams/events/records?from=offset&offset=3")) == [3, 4]
    assert offsets(client.get("/streams/events/records?from=time&time=2020-01-01T00:00")) == [3, 4]
    assert client.get("/streams/events/records?from=time&time=yesterday").status_code == 400


def test_an_offset_that_is_gone_says_what_is_there(client):
    declare_stream("events", retention_records=2)
    append("events", *range(5))
    while perform(retention.retain):
        pass
    for place in ("/streams/events/records?from=offset&offset=1", "/streams/events/records/0/1"):
        gone = client.get(place)
        assert gone.status_code == 416
        assert "Offset 1 of partition 0 is gone: the oldest is 3." in text(gone)
        assert "offset_out_of_range" in text(gone)
    assert client.get("/streams/events/records/0/5").status_code == 404
    assert client.get("/streams/events/records?partition=7").status_code == 400


def test_one_record_shows_its_body_and_its_neighbours(client):
    declare_stream("events")
    append("events", {"a": 1}, b"\x00\xff", {"c": 3}, key="k")
    middle = client.get("/streams/events/records/0/1")
    assert (middle.context["found"].previous, middle.context["found"].next) == (0, 2)
    assert "00 ff" in text(middle)
    whole = client.get("/streams/events/records/0/1/body")
    assert whole.content == b"\x00\xff"
    assert whole["Content-Disposition"] == 'attachment; filename="events-0-1"'


def test_a_list_of_large_records_sends_their_beginnings(client):
    declare_stream("events", max_body_bytes=5_000_000)
    append("events", *["x" * 1_000_000] * 3)
    page = client.get("/streams/events/records")
    assert len(page.content) < 50_000
    assert "977 KiB" in text(page)


# Groups


def test_a_group_is_created_shown_and_deleted(client):
    declare_stream("events", partitions=2)
    append("events", *range(10), key="k")
    form = {"name": "billing", "kind": "partitioned", "start": "earliest", "session_timeout": "20"}
    assert client.post("/streams/events/new/group", form)["Location"] == "/streams/events/groups/billing"
    page = client.get("/streams/events/groups/billing")
    assert (page.context["group"]["lag"], page.context["group"]["session_timeout"]) == (10, 20)
    assert "Nobody reads in billing, and 10 records are left to read." in text(page)
    assert client.post("/streams/events/new/group", form).context["form"].errors["name"]
    wrong = client.post("/streams/events/new/group", {**form, "name": "x", "start": "time", "time": "soon"})
    assert wrong.context["form"].errors["time"]
    assert client.post("/streams/events/groups/billing/delete", {"typed": "billing"})["Location"] == "/streams/events/groups"
    assert [action for action, _ in audited()] == ["group.declare", "group.delete"]


@pytest.mark.parametrize(
    ("asked", "after"),
    [
        ({"where": "latest"}, "10"),
        ({"where": "earliest"}, "0"),
        ({"where": "shift", "shift": "-2"}, "2"),
        ({"where": "offsets", "offsets": "0: 7"}, "7"),
        ({"where": "time", "time": "2020-01-01T00:00"}, "0"),
    ],
)
def test_a_seek_is_previewed_then_done_and_taken_back(client, asked, after):
    declare_stream()
    append("events", *range(10))
    declare_group("billing")
    perform(positions.seek, "events", "billing", {"0": "4"})
    [move] = client.get("/streams/events/groups/billing/seek", asked).context["moves"]
    assert (move.origin, move.to, move.records) == (4, int(after), abs(4 - int(after)))
    assert committed("billing") == {"0": "4"}
    client.post("/streams/events/groups/billing/seek", asked)
    assert committed("billing") == {"0": after}
    assert "Undo the seek" in text(client.get("/streams/events/groups/billing"))
    client.post("/streams/events/groups/billing/undo")
    assert committed("billing") == {"0": "4"}
    assert audited() == [("group.seek", "stream:events/billing"), ("group.undo", "stream:events/billing")]


def test_a_seek_of_a_thousand_partitions_is_previewed_though_no_address_holds_it(client):
    declare_group("billing", declare_stream(partitions=1000))
    asked = {"where": "offsets", "offsets": "\n".join(f"{n}: 0" for n in range(1000))}
    page = text(client.get("/streams/events/groups/billing/seek"))
    assert re.search(r'<form class="card choosing" id="seek" method="post" novalidate>.*name="preview"', page, re.S)
    shown = client.post("/streams/events/groups/billing/seek", {**asked, "preview": "1"})
    assert (shown.status_code, len(shown.context["moves"])) == (200, 1000)
    assert 'name="preview"' not in text(shown).partition('aria-label="What would move"')[2]
    assert audited() == []
    assert client.post("/streams/events/groups/billing/seek", asked).status_code == 302


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"where": "offsets", "offsets": "9: 1"}, "offsets"),
        ({"where": "offsets", "offsets": "zero"}, "offsets"),
        ({"where": "shift", "shift": ""}, "shift"),
        ({"where": "time", "time": ""}, "time"),
    ],
)
def test_a_seek_that_makes_no_sense_is_refused_at_its_field(client, asked, field):
    declare_stream()
    declare_group("billing")
    for response in (
        client.get("/streams/events/groups/billing/seek", asked),
        client.post("/streams/events/groups/billing/seek", asked),
    ):
        assert response.status_code == 400
        assert list(response.context["form"].errors) == [field]


def test_a_shift_left_empty_is_said_to_be_missing(client):
    declare_group("billing", declare_stream())
    page = client.get("/streams/events/groups/billing/seek", {"where": "shift"})
    assert page.context["form"].errors["shift"] == ["No shift is given."]


def test_dead_letters_of_a_shared_group_are_shown_and_put_back(client):
    declare_stream()
    append("events", {"n": 1}, {"n": 2}, {"n": 3})
    declare_group("mailing", kind="shared")
    ids = kill_records("events", "mailing", "boom", "bang", "crash")
    page = client.get("/streams/events/groups/mailing/dead")
    assert [m.pk for m in page.context["items"]] == ids[::-1]
    one = client.get(f"/streams/events/groups/mailing/dead/{ids[1]}")
    assert "bang" in text(one)
    assert "/streams/events/records/0/1" in text(one)
    assert client.get(f"/streams/events/groups/mailing/dead/{ids[1]}/body").content == b'{"n": 2}'
    client.post(f"/streams/events/groups/mailing/dead/{ids[1]}/requeue")
    assert Message.objects.get(pk=ids[1]).state == State.READY
    assert "Redrive 2 records" in text(client.get("/streams/events/groups/mailing/redrive"))
    client.post("/streams/events/groups/mailing/redrive")
    assert not Message.objects.filter(state=State.DEAD).exists()
    assert audited() == [
        ("message.requeue", f"stream:events/mailing/{ids[1]}"),
        ("group.redrive", "stream:events/mailing"),
    ]


def test_a_shared_groups_queue_is_no_queue_of_the_console(client):
    declare_stream()
    append("events", 1)
    declare_group("mailing", kind="shared")
    kill_records("events", "mailing", "boom")
    for place in ("/queues", "/dead"):
        assert ".shared-" not in text(client.get(place))
    page = text(client.get("/"))
    assert "1 dead letter in events / mailing" in page
    assert 'aria-label="Consumer groups"' in text(client.get("/dead"))
    assert re.search(r'id="dead-count">\s*1<', page)
    assert client.get("/streams/events/groups/mailing").context["group"]["counts"]["dead"] == 1


def test_a_shared_group_is_read_for_by_calls_to_receive_too(client, monkeypatch):
    seen = queue_stats.Stats()
    monkeypatch.setattr(queue_stats, "rates", seen.rates)
    declare_stream()
    append("events", *range(7))
    declare_group("mailing", kind="shared")
    assert "Nobody reads in mailing" in text(client.get("/streams/events/groups/mailing"))
    [queue_id] = ConsumerGroup.objects.values_list("queue_id", flat=True)
    seen.add({(events.DELIVERED, queue_id or 0): 1})
    polled_by("rest:token:1", queue_id or 0, monkeypatch)
    assert "Nobody reads in mailing" not in text(client.get("/streams/events/groups/mailing"))


# Replay


def test_a_replay_is_a_job_with_what_was_asked(client):
    declare_stream()
    append("events", *range(5), key="k")
    declare("orders")
    form = {
        "begin": "offsets",
        "begin_offsets": "0: 1",
        "until": "latest",
        "keys": "k\nl",
        "headers": "a: 1",
        "body": 'x.y = 3\nz = "3"\nw = plain',
        "to": "queue:orders",
        "speed": "2",
    }
    response = client.post("/streams/events/replay", form)
    job = Job.objects.get()
    assert response["Location"] == f"/jobs/{job.pk}"
    assert job.params["from"] == {"0": "1"}
    assert job.params["filter"] == {"key": ["k", "l"], "headers": {"a": "1"}, "body": {"x.y": 3, "z": "3", "w": "plain"}}
    assert audited() == [("stream.replay", "stream:events")]


def test_a_replay_says_what_it_would_copy_before_it_does(client):
    declare_stream("events", partitions=2)
    append("events", *range(5), key="k", partition=0)
    append("events", {"n": "<b>"}, key="l", partition=1)
    declare("orders")
    form = {"begin": "earliest", "until": "latest", "keys": "l", "to": "queue:orders"}
    page = client.post("/streams/events/replay", {**form, "preview": "1"})
    assert "It would copy 1 record" in text(page)
    assert "&lt;b&gt;" in text(page)
    assert (page.context["plan"].parts, Job.objects.count()) == ([(0, 0, 5, 0, True), (1, 0, 1, 1, True)], 0)
    client.post("/streams/events/replay", form)
    assert (Job.objects.get().total, Job.objects.get().cursor.get("estimated")) == (1, None)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"to": "nowhere"}, "to"),
        ({"speed": "-1"}, "speed"),
        ({"begin": "time", "begin_time": "x"}, "begin_time"),
        ({"until": "offsets", "until_offsets": "5: 1"}, "until_offsets"),
        ({"body": "a..b = 1"}, "body"),
        ({"headers": "none"}, "headers"),
        ({"routing_key": "a"}, "routing_key"),
    ],
)
def test_a_replay_that_makes_no_sense_is_refused_at_its_field(client, change, field):
    declare_stream()
    declare("orders")
    response = client.post("/streams/events/replay", {"begin": "earliest", "until": "latest", "to": "queue:orders", **change})
    assert response.status_code == 400
    assert list(response.context["form"].errors) == [field]
    assert not Job.objects.exists()


# Permissions


@pytest.mark.parametrize(
    ("verb", "place", "fields"),
    [
        ("publish", "append", {"body": "1", "kind": "json"}),
        ("manage", "settings", DEFAULTS),
        ("manage", "delete", {"typed": "events"}),
        ("manage", "new/group", {"name": "g", "kind": "partitioned", "start": "latest"}),
        ("manage", "replay", {"begin": "earliest", "until": "latest", "to": "stream:events"}),
        ("manage", "groups/mailing/settings", {"lease": "9"}),
        ("manage", "groups/mailing/seek", {"where": "latest"}),
        ("manage", "groups/mailing/undo", {}),
        ("manage", "groups/mailing/redrive", {}),
        ("manage", "groups/mailing/delete", {"typed": "mailing"}),
        ("manage", "groups/mailing/dead/1/requeue", {}),
    ],
)
def test_an_action_on_a_stream_needs_its_verb(verb, place, fields):
    declare_stream()
    declare_group("mailing", kind="shared")
    others = [v for v in ("publish", "consume", "browse", "manage") if v != verb]
    viewer = person(("events", others))
    assert viewer.post(f"/streams/events/{place}", fields).status_code == 403
    assert not AuditEntry.objects.exists()
    assert place.endswith("settings") or f"/streams/events/{place}" not in text(viewer.get("/streams/events"))


@pytest.mark.parametrize(
    "place",
    [
        "",
        "/records",
        "/records/0/0",
        "/groups",
        "/groups/mailing",
        "/groups/mailing/settings",
        "/groups/mailing/dead",
        "/settings",
    ],
)
@pytest.mark.parametrize("name", ["events", "nothing-there"])
def test_without_browse_a_stream_is_403_whether_it_exists_or_not(name, place):
    declare_stream()
    declare_group("mailing", kind="shared")
    assert person(("other", ["browse"])).get(f"/streams/{name}{place}").status_code == 403


def test_replaying_elsewhere_needs_publish_there():
    declare_stream()
    declare("orders")
    viewer = person(("events", ["browse", "manage"]))
    form = {"begin": "earliest", "until": "latest", "to": "queue:orders"}
    response = viewer.post("/streams/events/replay", form)
    assert response.status_code == 400
    assert response.context["form"].errors == {"to": ["publish on queue:orders is not among your grants"]}
    assert not Job.objects.exists()


def test_members_addresses_are_for_administrators(client):
    from brokerweb.streams import membership

    declare_stream(partitions=2)
    declare_group("billing")
    perform(membership.join, "events", "billing", "n/c/1", name="worker<b>", address="192.0.2.7:1")
    page = text(client.get("/streams/events/groups/billing"))
    assert "192.0.2.7:1" in page
    assert "worker&lt;b&gt;" in page
    assert "192.0.2.7" not in text(person(("events", ["browse"])).get("/streams/events/groups/billing"))
    assert json.dumps(client.get("/streams/events/groups/billing").context["group"]["members"][0]["partitions"]) == "[0, 1]"


def test_the_settings_of_a_group_are_changed_within_its_kind(client):
    declare_stream()
    declare_group("billing")
    declare_group("mailing", kind="shared")
    client.post("/streams/events/groups/billing/settings", {"session_timeout": "60"})
    asked = {"lease": "90", "max_failures": "", "backoff_initial": "5", "backoff_factor": "3", "backoff_max": "60"}
    saved = client.post("/streams/events/groups/mailing/settings", asked, follow=True)
    assert "Settings saved." in text(saved)
    billing, mailing = (read(group_objects.describe, "events", name) for name in ("billing", "mailing"))
    assert billing["session_timeout"] == 60
    assert (mailing["lease"], mailing["max_failures"], mailing["backoff"]["factor"]) == (90, None, 3)
    assert "Dead after</dt><dd>\n        never" in text(client.get("/streams/events/groups/mailing"))
    assert audited() == [("group.declare", "stream:events/billing"), ("group.declare", "stream:events/mailing")]


def test_what_a_group_refuses_stands_at_its_field_with_what_was_typed(client):
    declare_stream()
    declare_group("mailing", kind="shared")
    wrong = client.post("/streams/events/groups/mailing/settings", {"lease": "0", "max_failures": "7", "backoff_jitter": "2"})
    assert wrong.status_code == 400
    assert set(wrong.context["form"].errors) == {"lease", "backoff_jitter"}
    assert 'value="7"' in text(wrong)


def test_a_new_shared_group_is_offered_the_defaults_that_it_gets(client):
    declare_stream()
    initial = client.get("/streams/events/new/group").context["form"].initial
    client.post("/streams/events/new/group", {**initial, "name": "mailing", "kind": "shared"})
    made = read(group_objects.describe, "events", "mailing")
    assert (made["lease"], made["max_failures"], made["backoff"]["max"]) == (30, 10, 3600)
