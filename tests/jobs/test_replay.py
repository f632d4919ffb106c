"""Replay: ranges, filters, targets, order, pace, retention and crashes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from brokerweb.core.clock import rfc3339
from brokerweb.core.errors import Invalid, NotFound, OffsetOutOfRange
from brokerweb.jobs import chunks, copying
from brokerweb.queues import control as queues
from brokerweb.queues.models import Message
from brokerweb.routing import topics
from brokerweb.storage.run import perform
from brokerweb.streams import control as streams
from brokerweb.streams import engine, reading, retention
from brokerweb.streams.models import Partition, Record
from brokerweb.streams.records import Batch, NewRecord
from tests.jobs.bench import Runner, append, declare_stream, in_queue, in_stream, replay, shown
from tests.queues.bench import Bench, Time

ON_BOTH = True


def trim(n: int) -> None:
    """Retention keeps the newest ``n`` records of the log."""
    perform(streams.declare, "log", {"retention_records": n})
    while perform(retention.retain):
        pass


def test_a_whole_stream_to_a_queue(runner: Runner) -> None:
    declare_stream()
    Bench("copy")
    append(*range(1200))
    job = replay(to="queue:copy")
    append("later")
    runner.rounds(1)
    assert (shown(job)["state"], shown(job)["done"], shown(job)["total"]) == ("running", 500, 1200)
    runner.until_idle()
    assert in_queue("copy") == list(range(1200))
    told = shown(job)
    assert (told["state"], told["done"], told["target"], told["to"]) == ("done", 1200, "stream:log", "queue:copy")
    assert told["params"]["until"] == {"0": "1200"}


def test_copies_keep_what_the_records_had_and_say_where_they_come_from(runner: Runner) -> None:
    declare_stream()
    Bench("copy")
    about = {"content_type": "text/x", "reply_to": "queue:answers", "correlation_id": "c1"}
    append(1, key="k", headers='{"h":"1"}', **about)
    append(2, headers=json.dumps({str(n): "x" for n in range(64)}))
    replay(to="queue:copy")
    runner.until_idle()
    first, full = Message.objects.order_by("position")
    assert json.loads(first.headers or "") == {"h": "1", "x-replayed-from": "log/0/0"}
    assert (first.key, first.content_type, first.reply_to, first.correlation_id) == ("k", *about.values())
    assert (first.publisher, first.binary) == ("tester", False)
    assert copying.ORIGIN not in json.loads(full.headers or ""), "there was no room"


def test_ranges_by_offset_and_by_instant(runner: Runner, time: Time) -> None:
    declare_stream()
    Bench("copy")
    instants = []
    for n in range(6):
        instants.append(time.advance(10))
        append(n)
    for asked in (
        {"begin": {"0": "2"}, "until": {"0": 4}},
        {"begin": rfc3339(instants[2]), "until": rfc3339(instants[4])},
        {"begin": {"0": 2}, "until": rfc3339(instants[4] - 1)},
    ):
        job = replay(to="queue:copy", **asked)
        runner.until_idle()
        assert (in_queue("copy"), shown(job)["total"]) == ([2, 3], 2)
        perform(queues.purge, "copy", queues_all())
    job = replay(to="queue:copy", begin="latest")
    runner.until_idle()
    assert (shown(job)["state"], shown(job)["done"], shown(job)["total"]) == ("done", 0, 0)


def queues_all() -> Any:
    from brokerweb.queues import filters

    return filters.ALL


def test_partitions_that_a_request_leaves_out_are_left_out(runner: Runner) -> None:
    declare_stream(partitions=2)
    Bench("copy")
    append("a", "b", partition=0)
    append("c", "d", partition=1)
    replay(to="queue:copy", begin={"1": "1"})
    runner.until_idle()
    assert in_queue("copy") == ["d"]


def test_partitions_are_merged_by_their_instants(runner: Runner, time: Time) -> None:
    declare_stream(partitions=3)
    Bench("copy")
    for n in range(90):
        time.advance(0.5)
        append(n, partition=n * 7 % 3)
    replay(to="queue:copy")
    runner.until_idle()
    assert in_queue("copy") == list(range(90))


def test_of_many_partitions_a_chunk_reads_little_that_it_leaves(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    declare_stream(partitions=50)
    Bench("copy")
    for n in range(20):
        perform(engine.append, "log", [NewRecord(str(n).encode(), partition=number) for number in range(50)])
    returned: list[Batch] = []
    read = reading.read

    def noted(*args: Any) -> Batch:
        returned.append(batch := read(*args))
        return batch

    monkeypatch.setattr(reading, "read", noted)
    job = replay(to="queue:copy")
    runner.rounds(1)
    assert shown(job)["done"] == 500
    assert sum(len(batch.records) for batch in returned) <= 700


def test_a_replay_into_its_own_stream_ends(runner: Runner) -> None:
    declare_stream()
    append(*range(700))
    job = replay(to="stream:log")
    runner.until_idle()
    assert (shown(job)["state"], shown(job)["done"]) == ("done", 700)
    assert in_stream("log")[0] == [*range(700), *range(700)]


def test_into_a_stream_the_order_of_each_partition_and_key_is_kept(runner: Runner) -> None:
    declare_stream(partitions=3)
    declare_stream("copy", partitions=2)
    for n in range(30):
        append(n, partition=n % 3)
    append(*range(100, 110), key="21")
    replay(to="stream:copy")
    runner.until_idle()
    parts = in_stream("copy")
    plain = {number: [n for n in bodies if n < 100] for number, bodies in parts.items()}
    assert plain[1] == list(range(1, 30, 3))
    assert [n for n in plain[0] if n % 3 == 0] == list(range(0, 30, 3))
    assert [n for n in plain[0] if n % 3 == 2] == list(range(2, 30, 3))
    assert sorted(len([n for n in bodies if n >= 100]) for bodies in parts.values()) == [0, 10], "a key has one partition"


def test_to_a_topic_by_routing_key_and_headers(runner: Runner) -> None:
    declare_stream()
    Bench("a")
    Bench("b")
    bindings = [
        {"pattern": "again.#", "to": "queue:a"},
        {"pattern": "#", "to": "queue:b", "headers": {"kind": "new"}},
    ]
    perform(topics.declare, "events", {"bindings": bindings})
    append(1, headers='{"kind":"new"}')
    append(2)
    replay(to="topic:events", routing_key="again.now")
    refused = replay(to="topic:events")
    runner.until_idle()
    assert (in_queue("a"), in_queue("b")) == ([1, 2], [1, 1])
    told = shown(refused)
    assert (told["state"], told["done"], told["failed"], told["error"]) == ("done", 1, 1, "No binding of topic events matches.")


# Filters


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({"key": "a"}, [0, 3]),
        ({"key": ["a", "b"]}, [0, 1, 3]),
        ({"headers": {"kind": "new"}}, [1, 2]),
        ({"headers": {"kind": "new", "eu": "1"}}, [2]),
        ({"body": {"customer.country": "DE"}}, [0, 2]),
        ({"body": {"items.1.sku": "B"}}, [1]),
        ({"body": {"a\\.b": 1}}, [0]),
        ({"body": {"a\\.b": True}}, [1]),
        ({"body": {"none": None}}, [3]),
        ({"body": {"customer.country": "DE", "a\\.b": 1.0}}, [0]),
        ({"body": {"customer": "DE"}}, []),
        ({"key": "a", "body": {"customer.country": "DE"}}, [0]),
        ({}, [0, 1, 2, 3, 4]),
    ],
)
def test_filters_ask_for_all_they_name(runner: Runner, chosen: dict[str, Any], expected: list[int]) -> None:
    declare_stream()
    Bench("copy")
    append({"n": 0, "customer": {"country": "DE"}, "a.b": 1}, key="a")
    append({"n": 1, "items": [{"sku": "A"}, {"sku": "B"}], "a.b": True}, key="b", headers='{"kind":"new"}')
    append({"n": 2, "customer": {"country": "DE"}}, headers='{"kind":"new","eu":"1"}')
    append({"n": 3, "none": None}, key="a")
    append({"n": 4}, key="c", headers='{"kind":"old"}')
    job = replay(to="queue:copy", filter=chosen)
    runner.until_idle()
    assert [body["n"] for body in in_queue("copy")] == expected
    assert (shown(job)["done"], shown(job)["total"]) == (len(expected), None if chosen else 5)


def test_a_filter_that_matches_little_goes_on_in_bounded_steps(runner: Runner) -> None:
    declare_stream()
    Bench("copy")
    append(*range(4500))
    append("here", key="k")
    job = replay(to="queue:copy", filter={"key": "k"})
    runner.rounds(1)
    assert (shown(job)["state"], shown(job)["done"]) == ("running", 0)
    runner.rounds(2)
    assert (shown(job)["state"], in_queue("copy")) == ("done", ["here"])


@pytest.mark.parametrize(
    ("asked", "pointer"),
    [
        ({}, "/to"),
        ({"to": "copy"}, "/to"),
        ({"to": "queue:copy", "speed": 0}, "/speed"),
        ({"to": "queue:copy", "speed": True}, "/speed"),
        ({"to": "queue:copy", "speed": float("nan")}, "/speed"),
        ({"to": "queue:copy", "begin": "soon"}, "/from"),
        ({"to": "queue:copy", "until": 5}, "/until"),
        ({"to": "queue:copy", "begin": {"0": "-1"}}, "/from/0"),
        ({"to": "queue:copy", "begin": {"7": "1"}}, "/from/7"),
        ({"to": "queue:copy", "more": 1}, "/more"),
        ({"to": "queue:copy", "routing_key": "a"}, "/routing_key"),
        ({"to": "topic:copy", "routing_key": "not a key"}, "/routing_key"),
        ({"to": "queue:copy", "filter": []}, "/filter"),
        ({"to": "queue:copy", "filter": {"keys": "a"}}, "/filter/keys"),
        ({"to": "queue:copy", "filter": {"key": []}}, "/filter/key"),
        ({"to": "queue:copy", "filter": {"headers": {"a": 1}}}, "/filter/headers"),
        ({"to": "queue:copy", "filter": {"body": {"a..b": 1}}}, "/filter/body/a..b"),
        ({"to": "queue:copy", "filter": {"body": {"a\\b": 1}}}, "/filter/body/a\\b"),
        ({"to": "queue:copy", "filter": {"body": {"a": {}}}}, "/filter/body/a"),
        ({"to": "queue:copy", "filter": {"body": {".".join("a" * 17): 1}}}, "/filter/body/" + ".".join("a" * 17)),
    ],
)
def test_requests_are_strict(time: Time, asked: dict[str, Any], pointer: str) -> None:
    declare_stream()
    Bench("copy")
    with pytest.raises(Invalid) as error:
        replay(**asked)
    assert error.value.extra["errors"][0]["pointer"] == pointer


def test_what_is_not_there_is_refused_at_once(time: Time) -> None:
    declare_stream()
    Bench("copy")
    append(1, 2, 3)
    trim(1)
    with pytest.raises(NotFound):
        replay(to="queue:nowhere")
    with pytest.raises(NotFound):
        replay("nothing", to="queue:copy")
    for edge in ("begin", "until"):
        with pytest.raises(OffsetOutOfRange):
            replay(to="queue:copy", **{edge: {"0": 1 if edge == "begin" else 4}})


# Pace


def test_at_the_original_pace_and_twice_as_fast(runner: Runner, time: Time) -> None:
    declare_stream()
    Bench("slow")
    Bench("fast")
    for gap, body in ((0, "a"), (10, "b"), (0, "c"), (5, "d")):
        time.advance(gap)
        append(body)
    time.advance(1000)
    jobs = [replay(to="queue:slow", speed=1), replay(to="queue:fast", speed=2)]
    assert runner.until_idle() == pytest.approx(5)
    assert (in_queue("slow"), in_queue("fast")) == (["a"], ["a"])
    time.advance(5)
    assert runner.until_idle() == pytest.approx(2.5)
    assert (in_queue("slow"), in_queue("fast")) == (["a"], ["a", "b", "c"])
    time.advance(4.9)
    runner.until_idle()
    assert (in_queue("slow"), in_queue("fast")) == (["a"], ["a", "b", "c", "d"])
    time.advance(0.1)
    assert runner.until_idle() == pytest.approx(5)
    assert in_queue("slow") == ["a", "b", "c"]
    for job in jobs:
        assert runner.until_finished(job).state == "done"
    assert in_queue("slow") == ["a", "b", "c", "d"]


def test_close_records_share_a_chunk(runner: Runner, time: Time) -> None:
    declare_stream()
    Bench("copy")
    for n in range(100):
        time.advance(0.001)
        append(n)
    job = replay(to="queue:copy", speed=1)
    assert runner.until_finished(job, most=5).done == 100
    assert in_queue("copy") == list(range(100))


def test_after_a_standstill_the_rest_keeps_its_pace(runner: Runner, time: Time) -> None:
    declare_stream()
    Bench("copy")
    for n in range(5):
        append(n)
        time.advance(60)
    replay(to="queue:copy", speed=1)
    runner.until_idle()
    time.advance(60 + 3600)
    assert runner.until_idle() == pytest.approx(60)
    assert in_queue("copy") == [0, 1]


# Retention


def test_what_retention_took_before_its_turn_is_counted(runner: Runner) -> None:
    declare_stream()
    Bench("copy")
    append(*range(1200))
    job = replay(to="queue:copy")
    runner.rounds(1)
    trim(300)
    runner.until_idle()
    told = shown(job)
    assert in_queue("copy") == [*range(500), *range(900, 1200)]
    assert (told["state"], told["done"], told["failed"], told["trimmed"], told["total"]) == ("done", 800, 400, 400, 1200)
    assert told["error"] == "Retention removed 400 records before their turn."


def test_a_range_that_is_gone_ends(runner: Runner) -> None:
    declare_stream()
    Bench("copy")
    append(*range(1200))
    job = replay(to="queue:copy", until={"0": 1000})
    trim(100)
    runner.until_idle()
    assert (shown(job)["state"], shown(job)["trimmed"], in_queue("copy")) == ("done", 1000, [])


def test_gaps_of_compaction_are_no_loss(runner: Runner) -> None:
    declare_stream()
    Bench("copy")
    append(*range(10))
    partition = Partition.objects.get()
    Record.objects.filter(pk__in=[(partition.pk << 40) + n for n in (0, 3, 4, 9)]).delete()
    Partition.objects.update(records=6)
    whole, part = replay(to="queue:copy"), replay(to="queue:copy", begin={"0": 5})
    runner.until_idle()
    assert (shown(whole)["done"], shown(whole)["failed"], shown(whole)["total"]) == (6, 0, 6)
    assert (shown(part)["done"], shown(part)["total"]) == (4, None)


# Trouble


def test_a_crash_repeats_nothing_and_leaves_nothing_out(runner: Runner, time: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    declare_stream(partitions=3)
    declare_stream("copy")
    for n in range(0, 2100, 50):
        time.advance(1)
        append(*range(n, n + 50), partition=n // 50 % 3)
    job = replay(to="stream:copy")
    advance = chunks._advance

    def crash(*args: Any) -> None:
        advance(*args)
        raise SystemError("the process ends here")

    for _ in range(3):
        runner.rounds(1)
        with monkeypatch.context() as patch:
            patch.setattr(chunks, "_advance", crash)
            patch.setattr(chunks, "note_failure", lambda *_: None)
            runner.rounds(1)
    runner.until_idle()
    assert (shown(job)["state"], shown(job)["done"]) == ("done", 2100)
    assert in_stream("copy")[0] == list(range(2100))


def test_a_full_queue_is_tried_again_with_less(runner: Runner, time: Time) -> None:
    declare_stream()
    full = Bench("copy", max_length=40)
    append(*range(100))
    job = replay(to="queue:copy")
    taken: list[int] = []
    for _ in range(200):
        delay = runner.until_idle()
        told = shown(job)
        if told["state"] != "running":
            break
        assert told["error"] is None or "40 messages at most" in told["error"]
        while leased := full.lease(100):
            taken += [int(m.body) for m in leased]
            full.settle("ack", leased)
        time.advance(delay)
    assert (told["state"], told["done"], told["failed"], told["error"]) == ("done", 100, 0, None)
    assert [*taken, *in_queue("copy")] == list(range(100))


def test_tries_are_bounded(runner: Runner, time: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "MAX_RETRIES", 3)
    declare_stream()
    Bench("copy", max_length=1).publish("there")
    append(1)
    job = replay(to="queue:copy")
    finished = runner.until_finished(job, most=10)
    assert (finished.state, finished.error) == ("failed", "Queue copy holds 1 messages at most.")


def test_a_record_that_does_not_fit_fails_alone(runner: Runner) -> None:
    declare_stream()
    Bench("copy", max_body_bytes=10)
    append("a", "far too long for that queue", "b")
    job = replay(to="queue:copy")
    runner.until_idle()
    told = shown(job)
    assert (in_queue("copy"), told["state"], told["done"], told["failed"]) == (["a", "b"], "done", 2, 1)
    assert told["error"] == "A body has 29 bytes; queue:copy takes 10."


def test_a_target_or_source_that_goes_fails_the_job(runner: Runner) -> None:
    declare_stream()
    declare_stream("other")
    Bench("copy")
    append(*range(600))
    append(1, stream="other")
    targetless, sourceless = replay(to="queue:copy"), replay("other", to="stream:log")
    perform(queues.delete, "copy")
    perform(streams.delete, "other")
    declare_stream("other")
    runner.until_idle()
    assert (shown(targetless)["state"], shown(targetless)["error"]) == ("failed", "There is no queue copy.")
    assert (shown(sourceless)["state"], shown(sourceless)["error"]) == (
        "failed",
        "Stream other was deleted; the one of that name is another.",
    )
