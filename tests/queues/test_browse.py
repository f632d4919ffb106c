"""Looking at queues and messages: filters, paging, dry runs; and that looking changes nothing."""

from __future__ import annotations

import json
import random
from itertools import chain
from typing import Any

import msgspec
import pytest
from django.db import connection

from brokerweb.core import clock
from brokerweb.core.errors import Invalid, NotFound
from brokerweb.identity.masks import CLEAR
from brokerweb.identity.principal import broker_itself
from brokerweb.queues import browse, bulk, control, engine, fingerprints, selection, settled
from brokerweb.queues.filters import MessageFilter, parse
from brokerweb.queues.messages import NewMessage
from brokerweb.queues.models import Failure, Message
from brokerweb.queues.represent import message_object
from brokerweb.queues.states import EXPIRED, REJECTED, State
from brokerweb.storage.run import perform
from brokerweb.storage.transaction import transaction
from tests.queues.bench import Bench, Time

pytestmark = pytest.mark.django_db


def walk(bench: Bench, chosen: MessageFilter, limit: int = 3) -> list[int]:
    """The ids of all pages."""
    ids: list[int] = []
    after = None
    while True:
        page = browse.page(bench.row, chosen, after=after, limit=limit)
        ids += [m.pk for m in page.items]
        if (after := page.next) is None:
            return ids


def populated() -> tuple[Bench, dict[str, list[int]]]:
    """A queue with messages in four states, beside another with its own."""
    other = Bench("other")
    bench = Bench()
    ids = {"dead": bench.kill(1, 2)}
    ids["leased"] = bench.publish(3, 4)
    other.kill(1)
    bench.lease(2)
    ids["scheduled"] = bench.publish(5, 6, delay=60)
    ids["ready"] = bench.publish(7, 8)
    other.publish(2, 3)
    other.lease()
    return bench, ids


# Filters


def test_a_query_string_and_a_body_name_the_same_filter() -> None:
    assert parse({"state": "ready,dead", "ids": "3,1", "order": "desc"}) == parse(
        {"states": ["dead", "ready"], "ids": [1, "3", 1], "order": "desc", "key": None}
    )


@pytest.mark.parametrize(
    "given",
    [
        {"state": "lost"},
        {"states": []},
        {"states": [1]},
        {"states": {"ready": 1}},
        {"key": 5},
        {"key": "x" * 256},
        {"ids": [True]},
        {"ids": ["1.0"]},
        {"ids": [2**63]},
        {"ids": ["-1"]},
        {"ids": list(range(1, 1002))},
        {"order": "up"},
        {"colour": "red"},
        {"search": "x"},
        {"header.source": "x"},
        {"body.a.b": "x"},
    ],
)
def test_what_is_no_filter_is_invalid_with_its_pointer(given: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as raised:
        parse(given, "/filter")
    assert [e["pointer"] for e in raised.value.extra["errors"]] == [f"/filter/{name}" for name in given]


def test_the_pointer_to_a_name_is_a_json_pointer() -> None:
    with pytest.raises(Invalid) as raised:
        parse({"a/b~c": "x"}, "/filter")
    assert [e["pointer"] for e in raised.value.extra["errors"]] == ["/filter/a~1b~0c"]


# Pages


def test_each_state_shows_its_own_messages_of_its_own_queue() -> None:
    bench, ids = populated()
    for state, expected in ids.items():
        assert walk(bench, parse({"state": state}), 1) == expected
    assert walk(bench, parse({"state": "blocked"})) == []
    assert walk(bench, parse({})) == sorted(chain(*ids.values()))


def test_pages_go_up_or_down_by_id() -> None:
    bench, ids = populated()
    everything = sorted(chain(*ids.values()))
    for limit in (1, 3, 7, 8, 9):
        assert walk(bench, parse({"order": "asc"}), limit) == everything
        assert walk(bench, parse({"order": "desc"}), limit) == everything[::-1]


def test_ids_select_among_the_queues_own_messages() -> None:
    bench, ids = populated()
    foreign = Bench("other").publish(9)[0]
    named = [*ids["dead"], ids["ready"][0], foreign, 10**9]
    assert walk(bench, parse({"ids": named}), 2) == sorted(named[:3])
    assert walk(bench, parse({"ids": named, "order": "desc"}), 1) == sorted(named[:3])[::-1]
    assert walk(bench, parse({"ids": named, "state": "dead"})) == ids["dead"]
    assert walk(bench, parse({"ids": []})) == []


def test_what_exists_throughout_is_seen_exactly_once_whatever_happens_meanwhile() -> None:
    dice = random.Random(7)
    bench = Bench()
    lasting = bench.publish(*range(60))
    seen: list[int] = []
    after = None
    while True:
        page = browse.page(bench.row, parse({}), after=after, limit=5)
        seen += [m.pk for m in page.items]
        if (after := page.next) is None:
            break
        leased = bench.lease(dice.randrange(1, 8))
        bench.settle(dice.choice(["nack", "release", "dead"]), leased[::2])
        bench.publish("new", delay=dice.choice([None, 60]))
        dead = browse.page(bench.row, parse({"state": "dead"}), limit=3).items
        for message in dead:
            bench.do(control.requeue, message.pk)
    assert [i for i in seen if i in set(lasting)] == lasting
    assert len(seen) == len(set(seen))


def test_a_message_that_changes_state_between_selecting_and_reading_is_not_shown_as_what_it_was_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench = Bench()
    _, second, third = bench.publish(1, 2, 3)
    find = selection.find

    def then_lease(*args: Any, **kwargs: Any) -> selection.Found:
        found = find(*args, **kwargs)
        bench.lease()
        bench.do(control.delete_message, second)
        return found

    monkeypatch.setattr(selection, "find", then_lease)
    assert [m.pk for m in browse.page(bench.row, parse({"state": "ready"})).items] == [third]


def test_dead_letters_of_several_causes_are_one_list_in_their_order() -> None:
    bench = Bench(keep_settled=3600)
    ids = bench.publish(*range(12))
    for n, leased in enumerate(bench.lease(12)):
        bench.settle("dead", [leased], error=("late", "wrong", "else")[n % 3])
    late, wrong = (fingerprints.of(REJECTED, error) for error in ("late", "wrong"))
    both = f"{wrong},{late}"
    wanted = [id for n, id in enumerate(ids) if n % 3 < 2]
    assert walk(bench, parse({"fingerprint": both}), 3) == wanted
    assert walk(bench, parse({"fingerprint": [late, wrong], "order": "desc"}), 3) == wanted[::-1]
    assert walk(bench, parse({"fingerprint": both, "ids": ids[:3]})) == wanted[:2]
    assert walk(bench, parse({"fingerprint": both, "state": "ready"})) == []
    bench.do(bulk.purge, parse({"fingerprint": both, "states": "dead"}))
    kept = settled.page(bench.row, parse({"fingerprint": late}), limit=2)
    assert [m.message_id for m in kept.items] == ids[::3][:2]
    assert [m.message_id for m in settled.page(bench.row, parse({"fingerprint": late}), after=kept.next).items] == ids[::3][2:]
    for refused in ("", "x", f"{late},x", [late, 3], [late] * 51):
        with pytest.raises(Invalid):
            parse({"fingerprint": refused})


def test_a_search_by_key_stops_after_its_budget_and_goes_on_from_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "STEP", 10)
    monkeypatch.setattr(selection.find, "__kwdefaults__", {"budget": 20})
    bench = Bench()
    bench.publish(*range(45), key="a")
    wanted = bench.publish(*range(3), key="b")
    ready = {"key": "b", "state": "ready"}
    page = browse.page(bench.row, parse(ready))
    assert (page.items, page.next is None) == ([], False)
    assert walk(bench, parse(ready), 2) == wanted
    assert walk(bench, parse({**ready, "order": "desc"}), 2) == wanted[::-1]
    assert len(walk(bench, parse({"key": "a", "state": "ready"}), 7)) == 45


def test_a_key_is_found_by_its_index_and_a_state_of_it_by_that_of_states(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "STEP", 10)
    monkeypatch.setattr(selection.find, "__kwdefaults__", {"budget": 20})
    bench = Bench()
    [late] = bench.publish("late", key="a", delay=60)
    many = bench.publish(*range(15), key="b")
    bench.publish(*range(45), key="a")
    assert browse.page(bench.row, parse({"key": "b"})).next is None
    assert walk(bench, parse({"key": "b"}), 50) == many
    few = browse.page(bench.row, parse({"key": "a", "state": "scheduled", "order": "desc"}))
    assert ([message.pk for message in few.items], few.next) == ([late], None)
    with transaction() as tx:
        assert selection.summary(tx.rows, bench.row.pk, parse({"key": "b"})) == (15, many[0], many[-1])
        assert selection.summary(tx.rows, bench.row.pk, parse({"key": "a", "state": "scheduled"})) == (1, late, late)


def test_a_page_ends_early_rather_than_carry_too_much_body() -> None:
    bench = Bench()
    big = json.dumps("x" * 300_000)
    ids = bench.publish(big, big, json.dumps("x" * 600_000), 1)
    pages, after = [], None
    while True:
        page = browse.page(bench.row, parse({}), after=after)
        pages.append([m.pk for m in page.items])
        if (after := page.next) is None:
            break
    assert pages == [[ids[0]], [ids[1]], [ids[2]], [ids[3]]]


def test_a_cursor_belongs_to_its_queue_and_its_filter() -> None:
    bench, _ = populated()
    cursor = browse.page(bench.row, parse({"state": "ready"}), limit=1).next
    assert cursor
    for row, chosen in [
        (bench.row, parse({})),
        (bench.row, parse({"state": "ready", "order": "desc"})),
        (Bench("other").row, parse({"state": "ready"})),
    ]:
        with pytest.raises(Invalid):
            browse.page(row, chosen, after=cursor)
    for nonsense in ("", "x", "ä", cursor[:-1] + "!", "AAAA", cursor + "AAAA" * 10):
        with pytest.raises(Invalid):
            browse.page(bench.row, parse({"state": "ready"}), after=nonsense)


@pytest.mark.parametrize("statistics", [False, True])
def test_a_page_reads_an_index_and_never_walks_the_table(statistics: bool) -> None:
    bench, _ = populated()
    Bench("full").publish(*range(500))
    bench.publish(*range(500))
    with connection.cursor() as cursor:
        if statistics:
            cursor.execute("ANALYZE")
        with transaction() as tx:
            for statement, ends in ((selection.Q.matching, (0, 2**63 - 1)), (selection.Q.matching_desc, (2**63 - 1, 0))):
                args = (bench.row.pk, *ends, 51, None, 1, 1, 1, 1, 1)
                plan = [row[3] for row in tx.raw.execute("EXPLAIN QUERY PLAN " + statement.text["sqlite"], args)]
                assert sum("COVERING INDEX message_browse (queue_id=? AND state=? AND id" in step for step in plan) == 4
                assert not [
                    step
                    for step in plan
                    if "brokerweb_queues_message" in step and "message_browse" not in step and "message_leased" not in step
                ]
            for statement in (selection.Q.with_key, selection.Q.with_key_desc):
                of_key = (bench.row.pk, 0, 2**63 - 1, 51, "a")
                [step] = [row[3] for row in tx.raw.execute("EXPLAIN QUERY PLAN " + statement.text["sqlite"], of_key)]
                assert "INDEX message_key (queue_id=? AND key=? AND id" in step
            plan = [row[3] for row in tx.raw.execute("EXPLAIN QUERY PLAN " + selection.Q.oldest_ready.text["sqlite"], (1,))]
            assert any("message_ready (queue_id=? AND priority=?)" in step for step in plan)


# One message


def test_a_message_is_shown_as_it_came_and_as_it_stands() -> None:
    time = Time()
    clock.install(time)
    bench = Bench()
    body = b'{"n": 1.10, "n": 2e400, "text": "\\u00e4<script>"}'
    message = NewMessage(
        body,
        key="k",
        headers='{"source": "shop"}',
        content_type="application/json",
        priority=7,
        correlation_id="c",
        reply_to="queue:a",
    )
    [accepted] = bench.do(engine.publish, [message], publisher="ann")
    time.advance(1)
    leased = bench.lease()
    shown = msgspec.json.encode(message_object(browse.read(bench.row, accepted.id)[0], CLEAR))
    assert body in shown
    assert b'"headers":{"source": "shop"}' in shown
    read = message_object(browse.read(bench.row, accepted.id)[0], CLEAR)
    assert (read["id"], read["state"], read["attempts"], read["failures"]) == (str(leased[0].id), "leased", 1, 0)
    assert (read["lease"], read["lease_until_at"], read["due_at"]) == (30, read["due_at"], "2027-01-15T08:00:31.000000Z")
    assert (read["priority"], read["key"], read["publisher"], read["parent"]) == (7, "k", "ann", None)
    assert "receipt" not in read


def test_a_binary_body_is_base64_and_missing_headers_are_an_empty_object() -> None:
    bench = Bench()
    [message_id] = bench.publish("\x00", binary=True)
    shown = json.loads(msgspec.json.encode(message_object(browse.read(bench.row, message_id)[0], CLEAR)))
    assert (shown["body_base64"], shown["headers"], shown["lease"]) == ("AA==", {}, None)
    assert "body" not in shown


def test_one_message_comes_with_the_last_of_its_failures() -> None:
    bench = Bench(max_failures=2)
    [message_id] = bench.publish(1)
    bench.settle("nack", bench.lease(), delay=0, error="first")
    bench.settle("nack", bench.lease(), error="second")
    message, failures = browse.read(bench.row, message_id)
    shown = message_object(message, CLEAR, failures)
    assert [(f["attempt"], f["kind"], f["error"], f["consumer"]) for f in shown["failed"]] == [
        (1, "nacked", "first", "test"),
        (2, "nacked", "second", "test"),
    ]
    assert (shown["state"], shown["reason"], shown["last_error"]) == ("dead", "max_failures", "second")
    for n in range(3, 203):
        Failure.objects.create(queue_id=bench.row.pk, message_id=message_id, attempt=n, kind="nacked", failed_at=clock.now())
    assert [f.attempt for f in browse.read(bench.row, message_id)[1]] == list(range(103, 203))


@pytest.mark.parametrize("message_id", [0, -1, 10**9, 2**63])
def test_a_message_that_is_not_there_is_not_found(message_id: int) -> None:
    bench = Bench()
    with pytest.raises(NotFound):
        browse.read(bench.row, message_id)


# Dry runs


def test_a_dry_run_counts_exactly_and_shows_samples() -> None:
    time = Time()
    clock.install(time)
    bench = Bench()
    bench.publish("first", key="a")
    time.advance(10)
    bench.publish(*range(8), key="a")
    time.advance(10)
    bench.publish("last", key="b")
    found = browse.preview(bench.row, parse({}), "purge", broker_itself())
    assert (found["matched"], len(found["samples"])) == (10, 5)
    assert (found["oldest_at"], found["newest_at"]) == ("2027-01-15T08:00:00.000000Z", "2027-01-15T08:00:20.000000Z")
    by_key = browse.preview(bench.row, parse({"key": "a"}), "purge", broker_itself())
    assert (by_key["matched"], by_key["newest_at"]) == (9, "2027-01-15T08:00:10.000000Z")
    by_ids = browse.preview(bench.row, parse({"ids": [1, int(by_key["samples"][0]["id"])]}), "purge", broker_itself())
    assert by_ids["matched"] >= 1
    nothing = browse.preview(bench.row, parse({}), "redrive", broker_itself())
    assert nothing == {"matched": 0, "oldest_at": None, "newest_at": None, "samples": []}


def test_looking_changes_nothing() -> None:
    bench, ids = populated()
    connection.ensure_connection()
    before = connection.connection.total_changes
    for given in ({}, {"key": "k"}, {"state": "leased"}, {"ids": ids["dead"]}):
        walk(bench, parse(given))
        browse.preview(bench.row, parse(given), "purge", broker_itself())
    browse.read(bench.row, ids["leased"][0])
    browse.describe(bench.row)
    browse.list_queues()
    assert connection.connection.total_changes == before


# Queues


def test_a_queue_is_described_whole() -> None:
    time = Time()
    clock.install(time)
    bench = Bench(max_failures=3)
    bench.publish(1, priority=9)
    time.advance(2.5)
    bench.publish(2)
    bench.publish(3, delay=5)
    bench.do(control.pause, reason="tea", by="ann")
    whole = browse.describe(bench.row, 4)
    assert list(whole)[:3] == ["name", "created_at", "lease"]
    assert whole["counts"] == {"ready": 2, "scheduled": 1, "blocked": 0, "leased": 0, "dead": 0}
    assert (whole["name"], whole["max_failures"], whole["consumers"], whole["oldest_ready_age"]) == ("orders", 3, 4, 2.5)
    assert whole["paused"] == {"by": "ann", "reason": "tea", "paused_at": "2027-01-15T08:00:02.500000Z"}
    assert whole["created_at"] == "2027-01-15T08:00:00.000000Z"
    assert set(whole["rates"]) == {"published", "delivered", "acked", "failed"}
    assert json.dumps(whole)


def test_an_empty_queue_has_no_oldest_age() -> None:
    whole = browse.describe(Bench().row)
    assert (whole["oldest_ready_age"], whole["paused"], whole["consumers"]) == (None, None, 0)


def test_queues_are_listed_by_name_with_prefix_and_cursor() -> None:
    for name in ("b.two", "a", "B.x", "b.one", "b_", "c"):
        Bench(name)
    Bench("b.gone")
    perform(control.delete, "b.gone")
    first = browse.list_queues("b.", limit=1)
    assert [q.name for q in first.items] == ["b.one"]
    second = browse.list_queues("b.", after=first.next, limit=1)
    assert ([q.name for q in second.items], second.next) == (["b.two"], None)
    assert [q.name for q in browse.list_queues().items] == ["B.x", "a", "b.one", "b.two", "b_", "c"]
    with pytest.raises(Invalid):
        browse.list_queues("c", after=first.next)


def test_a_list_shows_only_what_the_caller_may_know_of_and_fills_its_pages() -> None:
    for i in range(10):
        Bench(f"q{i}")
    page = browse.list_queues(limit=3, visible=lambda name: int(name[1]) % 2 == 0)
    assert [q.name for q in page.items] == ["q0", "q2", "q4"]
    rest = browse.list_queues(limit=3, after=page.next, visible=lambda name: int(name[1]) % 2 == 0)
    assert ([q.name for q in rest.items], rest.next) == (["q6", "q8"], None)


def test_counts_of_many_queues_come_at_once() -> None:
    bench, ids = populated()
    empty = Bench("empty")
    counted = browse.counts([bench.row.pk, empty.row.pk])
    assert counted[bench.row.pk] == {"ready": 2, "scheduled": 2, "blocked": 0, "leased": 2, "dead": 2}
    assert set(counted[empty.row.pk].values()) == {0}
    assert State.READY.name.lower() in ids


# Dead letters of several queues


@pytest.mark.parametrize("upwards", [False, True])
def test_dead_letters_of_several_queues_are_one_list_by_id(upwards: bool) -> None:
    benches, chance = [Bench(name) for name in ("a", "b", "c", "empty", "other")], random.Random(upwards)
    for n in range(40):
        bench = chance.choice([*benches[:3], benches[4]])
        [died] = bench.kill(n)
        if n % 5 == 0:
            Message.objects.filter(pk=died).update(reason=EXPIRED)
        bench.publish(n, delay=60)
    wanted = [bench.row.pk for bench in benches[:4]]
    there = Message.objects.filter(queue_id__in=wanted, state=State.DEAD).order_by("pk" if upwards else "-pk")
    middle = there[len(there) // 2].pk
    for reason in ("", EXPIRED, "unknown"):
        for beyond in (None, middle):
            found = there.filter(reason=reason) if reason else there
            if beyond is not None:
                found = found.filter(pk__gt=beyond) if upwards else found.filter(pk__lt=beyond)
            for limit in (1, 7, 1_000):
                dead = browse.dead(wanted, reason, beyond=beyond, upwards=upwards, limit=limit)
                assert [letter.id for letter in dead] == [message.pk for message in found[:limit]]
    assert browse.dead([], upwards=upwards) == []


def test_a_dead_letter_of_a_list_says_what_it_is_sorted_by(time: Time) -> None:
    bench = Bench()
    [died] = bench.kill(1)
    message = Message.objects.get(pk=died)
    [letter] = browse.dead([bench.row.pk])
    assert letter._asdict() == {
        "id": died,
        "queue_id": bench.row.pk,
        "reason": REJECTED,
        "last_error": "bad",
        "failures": message.failures,
        "due_at": time.now(),
        "route": None,
    }
