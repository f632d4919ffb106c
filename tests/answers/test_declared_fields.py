"""Declared fields: their values are there with the message, right whatever was done to it, and gone with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from brokerweb.core import declared_fields, json_values
from brokerweb.core.declared_fields import Contents, parse
from brokerweb.core.errors import Invalid
from brokerweb.jobs import chunks, indexing
from brokerweb.jobs.models import Job
from brokerweb.queues import bulk, control, duties, filters, leasing, redaction, retirement
from brokerweb.queues import settings as queue_settings
from brokerweb.queues.engine import Terms
from brokerweb.queues.messages import NewMessage
from brokerweb.queues.models import Message, Queue, SearchField, SearchValue
from brokerweb.queues.states import State
from brokerweb.storage.reading import read
from brokerweb.storage.run import perform
from brokerweb.streams import compaction, retention
from brokerweb.streams import control as streams_control
from brokerweb.streams import duties as stream_duties
from brokerweb.streams import engine as streams
from brokerweb.streams import redaction as stream_redaction
from brokerweb.streams.definitions import find as find_stream
from brokerweb.streams.models import Record, Stream, StreamSearchField, StreamSearchValue
from brokerweb.streams.records import NewRecord
from brokerweb.streams.settings import validate as validate_stream
from tests.answers.examples import examples
from tests.answers.searching import all_of, once, places
from tests.jobs.bench import Runner
from tests.postgres import REAL_COMMITS
from tests.queues.bench import Bench, Time

FIELDS = ["$.order.id", "header.tenant"]


# Names and values


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (["$.order.id"], ["$.order.id"]),
        (['$["order"].id', "$.order.id"], ["$.order.id"]),
        (['$.a[0]."b c"', 'header."x y"', "header.x y"], ['$.a[0]."b c"', 'header."x y"']),
        ([], []),
        (None, []),
    ],
)
def test_fields_are_kept_in_one_spelling(given: Any, kept: list[str]):
    for validate in (queue_settings.validate, validate_stream):
        assert validate({"search": given})["search"] == kept


@pytest.mark.parametrize(
    ("given", "detail"),
    [
        ("$.a", "a list of at most 8 fields"),
        (["$.a"] * 9, "a list of at most 8 fields"),
        ([1], "a list of at most 8 fields"),
        (["order.id"], "order.id: expected $.NAME or header.NAME at column 1"),
        (["$"], "expected $.NAME"),
        (["$.a="], "at column 4"),
        (["header."], "a header's name"),
        (['header."x"y'], "a header's name"),
        (["$." + "a" * 300], "at most 200 characters"),
    ],
)
def test_what_is_no_field_is_refused(given: Any, detail: str):
    for validate in (queue_settings.validate, validate_stream):
        with pytest.raises(Invalid) as refused:
            validate({"search": given})
        [fault] = refused.value.extra["errors"]
        assert fault["pointer"] == "/search"
        assert detail in fault["detail"]


NUMBERS = st.integers(-(10**30), 10**30) | st.decimals(allow_nan=False, allow_infinity=False, places=6)
SCALARS = st.none() | st.booleans() | st.text(max_size=80) | NUMBERS


@given(SCALARS, SCALARS)
def test_two_values_are_equal_if_their_normal_forms_are(one: Any, other: Any):
    assert json_values.equal(one, other) == (json_values.normal(one) == json_values.normal(other))


@pytest.mark.parametrize(
    ("texts", "normal"),
    [
        (["1", "1.0", "1e0", "10e-1", "0.1E1"], "n1e0"),
        (["0", "-0", "0.000", "0e9"], "n0"),
        (["100", "1e2"], "n1e2"),
        (["-0.5", "-5e-1"], "n-5e-1"),
        (["9007199254740993"], "n9007199254740993e0"),
        (["1e999999"], "n1e999999"),
        (["true"], "t"),
        (['"true"'], "strue"),
        (["null"], "z"),
    ],
)
def test_one_form_for_all_ways_to_write_a_value(texts: list[str], normal: str):
    assert {json_values.normal(json_values.decode(text)) for text in texts} == {normal}


def test_what_is_too_large_to_compare_is_no_value_and_costs_nothing():
    for body in (b'{"a":1e99999999999999999999}', b'{"a":' + b"9" * 100_000 + b"}", b"not json", b"[" * 100_000, b"\xff"):
        value = declared_fields.decoded(body)
        assert json_values.normal(value if value is json_values.MISSING else value["a"]) is None or body[5:7] == b"99"


def test_values_have_room_in_their_column():
    longest = [json_values.normal(value) for value in ("x" * 10_000, "é" * 64, 10**5000 + 1, Decimal("1e-999999"))]
    assert all(value is not None and len(value) <= 70 for value in longest)


# What is stored


def stored_values() -> dict[tuple[int, int], str]:
    return {
        (message, field): value for message, field, value in SearchValue.objects.values_list("message_id", "field_id", "value")
    }


def right_values() -> dict[tuple[int, int], str]:
    """What the fields are in the messages that there are."""
    found = {}
    for field in SearchField.objects.filter(dropped=False, indexed=True):
        for message in Message.objects.filter(queue_id=field.queue_id):
            value = None if message.redacted is not None else Contents(message).value(parse(field.name))  # type: ignore[arg-type]  # a declared name has been parsed before
            if value is not None:
                found[message.pk, field.pk] = value
    return found


def body(order: Any) -> str:
    return json.dumps({"order": {"id": order}})


EDITED = NewMessage(body("e").encode())
Act = Callable[[Bench, Bench, Time], Any]
ACTS: dict[str, Act] = {
    "publish": lambda one, two, time: one.publish(body("a"), body(1), "[1]", headers='{"tenant":"x"}'),
    "keyed": lambda one, two, time: one.publish(body("b"), key="k", ttl=5),
    "delayed": lambda one, two, time: one.publish(body("c"), delay=3),
    "ack": lambda one, two, time: one.settle("ack", one.lease(5)),
    "ack one": lambda one, two, time: one.settle("ack", one.lease(1)),
    "nack": lambda one, two, time: one.settle("nack", one.lease(1)),
    "dead": lambda one, two, time: one.settle("dead", one.lease(2)),
    "take": lambda one, two, time: one.do(leasing.lease, 1, Terms("test", None, False)),
    "purge": lambda one, two, time: one.do(bulk.purge, filters.MessageFilter(states=frozenset({State.DEAD}))),
    "move": lambda one, two, time: one.do(bulk.redrive, filters.ALL, to=two.name),
    "edit": lambda one, two, time: first(one, lambda id: one.do(control.replace, id, EDITED, publisher="p")),
    "delete": lambda one, two, time: first(one, lambda id: one.do(control.delete_message, id)),
    "redact": lambda one, two, time: first(one, lambda id: one.do(redaction.redact, id, by="ada")),
    "time": lambda one, two, time: (time.advance(4), [perform(duty) for duty in (duties.promote, duties.expire_messages)]),
    "discard": lambda one, two, time: (time.advance(11), perform(duties.end_dead)),
    "shorten": lambda one, two, time: one.do(control.declare, {"search": FIELDS[:1]}),
}  # fmt: skip


def first(bench: Bench, act: Callable[[int], Any]) -> None:
    message = Message.objects.filter(queue_id=bench.row.pk, state__in=[State.DEAD, State.SCHEDULED]).first()
    if message is not None:
        act(message.pk)


def test_values_are_those_of_the_messages_there_are(time: Time, database: str):
    @examples(40)
    @given(st.lists(st.tuples(st.sampled_from(sorted(ACTS)), st.booleans()), max_size=14), st.booleans())
    def check(acts: list[tuple[str, bool]], keyed: bool) -> None:
        start = Queue.objects.count()
        one = Bench(f"one{start}", search=FIELDS, keyed=keyed, dead_retention=10)
        two, plain = Bench(f"two{start}", search=FIELDS[1:]), Bench(f"plain{start}")
        for name, other in acts:
            ACTS[name](*((one, two) if other else (two, one if len(acts) % 2 else plain)), time)
            asked = set(SearchField.objects.filter(dropped=False, indexed=True).values_list("pk", flat=True))
            live = {key: value for key, value in stored_values().items() if key[1] in asked}
            assert live == right_values(), name


def test_equality_is_answered_by_the_index_alone(database: str):
    bench = Bench(search=FIELDS)
    ids = bench.publish(*(body(n % 7) for n in range(40)))
    found = once("$.order.id=3", ["queue:orders"])
    assert [hit.found.pk for hit in found.items] == [id for n, id in enumerate(ids) if n % 7 == 3][::-1]  # type: ignore[union-attr]  # messages alone are looked for
    assert found.scanned == found.of == len(found.items)
    assert once("$.order.id=3.0 $.order.id!=4", limit=2).stopped == "limit"
    assert len(all_of("$.order.id=3", limit=2)) == len(found.items)
    assert once('$.order.id="3"').items == once("header.tenant=3").items == []
    assert once("$.order.id>=3").scanned == 40


def test_queues_with_and_without_the_index_are_found_together(database: str):
    one, two = Bench("one", search=FIELDS), Bench("two")
    for n in range(6):
        (one if n % 2 else two).publish(body("x"), body("y"))
    hits = all_of("$.order.id=x", limit=2)
    assert [hit.name for hit in hits] == ["one", "two"] * 3


def test_a_queue_without_the_setting_has_no_values(database: str):
    bench = Bench()
    bench.publish(body(1))
    bench.settle("ack", bench.lease())
    assert not SearchField.objects.exists()
    assert not SearchValue.objects.exists()


# What is older


@pytest.fixture(params=REAL_COMMITS)
def runner(request: pytest.FixtureRequest, time: Time) -> Runner:
    request.getfixturevalue(request.param)
    return Runner(time)


def jobs() -> list[Job]:
    return list(Job.objects.order_by("pk"))


def test_a_job_indexes_what_is_older(runner: Runner, monkeypatch: pytest.MonkeyPatch):
    bench = Bench()
    ids = bench.publish(*(body(n % 3) for n in range(1201)))
    bench.do(redaction.redact, ids[0], by="ada")
    bench.do(control.declare, {"search": FIELDS})
    later = bench.publish(body(0))
    assert once("$.order.id=0").scanned == 1202
    runner.until_idle()
    [job] = jobs()
    assert (job.kind, job.target, job.state, job.total, job.done) == ("index", "queue:orders", "done", 1202, 1201)
    assert job.params == {"fields": FIELDS}
    assert stored_values() == right_values()
    wanted = later + [id for n, id in enumerate(ids) if n % 3 == 0 and n][::-1]
    found = once("$.order.id=0")
    assert [hit.found.pk for hit in found.items] == wanted  # type: ignore[union-attr]  # messages alone are looked for
    assert found.scanned == len(wanted)


def test_a_job_indexes_older_records(runner: Runner):
    perform(streams_control.declare, "log", {"partitions": 3})
    perform(streams.append, "log", [NewRecord(body(n % 3).encode()) for n in range(1000)])
    perform(streams.append, "log", [NewRecord(body(n % 3).encode(), partition=1) for n in range(600)])
    with_values(perform, "log", FIELDS)
    perform(streams.append, "log", [NewRecord(body(0).encode())])
    wanted = places(all_of("$.order.id=0"))
    runner.until_idle()
    [job] = jobs()
    assert (job.kind, job.target, job.state, job.total, job.done) == ("index", "stream:log", "done", 1601, 1601)
    assert places(all_of("$.order.id=0")) == wanted
    assert once("$.order.id=0").scanned == len(wanted)


def with_values(do: Callable[..., Any], name: str, fields: list[str]) -> None:
    do(streams_control.declare, name, {"search": fields})


def test_a_job_killed_at_any_chunk_goes_on_where_it_was(runner: Runner, monkeypatch: pytest.MonkeyPatch):
    bench = Bench()
    bench.publish(*(body(n) for n in range(1700)))
    bench.do(control.declare, {"search": FIELDS})
    perform(indexing.tend)
    real, killed = indexing.index_chunk, set[Any]()

    def dying(tx: Any, job: Job, limit: int) -> Any:
        chunk = real(tx, job, limit)
        if job.cursor["after"] not in killed:
            killed.add(job.cursor["after"])
            raise RuntimeError("killed")
        return chunk

    monkeypatch.setattr(chunks, "VERBS", {**chunks.VERBS, "index": dying})
    [job] = jobs()
    for _ in range(20):
        try:
            perform(chunks.run, job.pk)
        except RuntimeError:
            continue
    [job] = jobs()
    assert (job.state, job.done, len(killed)) == ("done", 1700, 4)
    assert stored_values() == right_values()
    assert SearchField.objects.filter(indexed=True).count() == 2


def test_a_declaration_of_an_empty_queue_needs_no_job(runner: Runner):
    Bench(search=FIELDS)
    perform(streams_control.declare, "log", {"search": FIELDS})
    runner.until_idle()
    assert jobs() == []
    assert SearchField.objects.filter(indexed=True).count() == StreamSearchField.objects.filter(indexed=True).count() == 2


def test_a_dropped_field_is_not_asked_and_its_values_go(runner: Runner):
    bench = Bench(search=FIELDS)
    bench.publish(*(body(n) for n in range(700)))
    bench.do(control.declare, {"search": []})
    assert once("$.order.id=5").scanned == 700
    bench.do(control.declare, {"search": ["$.order.id"]})
    runner.until_idle()
    assert stored_values() == right_values()
    assert SearchField.objects.count() == 1
    assert once("$.order.id=5").scanned == 1


def test_a_deleted_queues_values_go(runner: Runner):
    bench = Bench(search=FIELDS)
    bench.publish(*(body(n) for n in range(20)))
    perform(streams_control.declare, "log", {"search": FIELDS})
    perform(streams.append, "log", [NewRecord(body(1).encode())])
    perform(control.delete, "orders")
    perform(streams_control.delete, "log")
    runner.until_idle()
    assert not SearchValue.objects.exists()
    assert not StreamSearchValue.objects.exists()
    assert not SearchField.objects.exists()
    while perform(retirement.sweep_deleted) or perform(stream_duties.sweep_deleted):
        pass
    assert not Queue.objects.exists()


def test_a_queue_that_goes_ends_its_job(runner: Runner):
    bench = Bench()
    bench.publish(*(body(n) for n in range(20)))
    bench.do(control.declare, {"search": FIELDS})
    perform(indexing.tend)
    perform(control.delete, "orders")
    runner.until_idle()
    assert [job.state for job in jobs()] == ["done"]
    assert not read(indexing.waiting)


# Streams


def stream_values() -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for record, value in StreamSearchValue.objects.order_by("record_id", "value").values_list("record_id", "value"):
        found.setdefault(record & 0xFFFF, []).append(value)
    return found


def test_records_have_values_until_they_go(time: Time, database: str):
    perform(streams_control.declare, "log", {"search": FIELDS, "retention_records": 3})
    new = [NewRecord(body(n).encode(), headers='{"tenant":"x"}' if n % 2 else None, key=str(n % 2)) for n in range(5)]
    perform(streams.append, "log", new)
    assert stream_values() == {0: ["n0"], 1: ["n1e0", "sx"], 2: ["n2e0"], 3: ["n3e0", "sx"], 4: ["n4e0"]}
    perform(lambda tx: stream_redaction.redact(tx, find_stream(tx, "log"), 0, 3, by="ada"))
    perform(retention.retain)
    assert stream_values() == {2: ["n2e0"], 4: ["n4e0"]}
    assert places(once("$.order.id=4").items) == ["stream:log/0-4"]
    assert once("$.order.id=1").items == once("$.order.id=3").items == []
    perform(streams_control.declare, "log", {"compact": True})
    while perform(compaction.compact):
        pass
    assert stream_values() == {4: ["n4e0"]}
    assert Record.objects.count() == 2
    assert Stream.objects.get().search == FIELDS


@pytest.mark.django_db
def test_the_indexes_are_used_for_removal_too():
    from brokerweb.queues.fields import Q
    from brokerweb.streams.fields import Q as STREAMS

    for statement, wanted in (
        (Q.forget_values, "searchvalue_1 (message_id=?)"),
        (STREAMS.forget_values_between, "(record_id>? AND record_id<?)"),
    ):
        plan = connection.connection.execute(f"EXPLAIN QUERY PLAN {statement.text['sqlite']}", (None,) * len(statement.params))
        assert any(wanted in row[3] for row in plan), statement.name
