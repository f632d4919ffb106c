"""A tail tells what comes and what becomes of it, takes nothing, changes nothing, and shows no more than the asker may see."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction

from brokerweb.answers import tailing
from brokerweb.answers.tailing import AT_ONCE, COMPARED, Seen, Tail
from brokerweb.core import events
from brokerweb.core.errors import Forbidden, Invalid, NotFound
from brokerweb.identity import masks
from brokerweb.identity.audit import Entry
from brokerweb.identity.grants import parse_grants
from brokerweb.identity.principal import Principal, broker_itself
from brokerweb.queues import bulk, control, engine, filters, leasing
from brokerweb.queues.messages import Settle
from brokerweb.queues.models import Message
from brokerweb.storage.reading import Reader, Reads, read
from brokerweb.storage.run import perform
from brokerweb.storage.statements import Statement
from tests.concurrency.threads import in_threads
from tests.console.conftest import append, declare, declare_stream, kill, publish

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def watched() -> Iterator[list[Tail]]:
    tails: list[Tail] = []
    yield tails
    for tail in tails:
        tail.end()
    assert events.shown == frozenset()


def begun(watched: list[Tail], kind: str, name: str, q: str = "", who: Principal | None = None) -> Tail:
    tail = tailing.made(who or broker_itself(), kind, name, q)
    watched.append(tail)
    read(tail.begin)

    def heard(outcome: events.Outcome) -> None:
        tail.heard(outcome)

    events.listen(heard)
    return tail


def look(tail: Tail) -> Seen:
    return read(tail.look)


def told(seen: Seen) -> list[str]:
    return [row["excerpt"] for row in seen.rows]


def test_what_is_published_is_told_once_with_what_becomes_of_it(watched):
    declare(history="failures")
    publish("orders", "before")
    tail = begun(watched, "queue", "orders")
    assert not look(tail)
    ids = publish("orders", {"n": 1}, {"n": 2}, key="k")
    seen = look(tail)
    assert told(seen) == ['{"n": 1}', '{"n": 2}']
    assert [(row["id"], row["key"], row["state"]) for row in seen.rows] == [(str(id), "k", "ready") for id in ids]
    before = list(Message.objects.values_list("pk", "state", "attempts", "position"))
    assert look(tail).rows == []
    assert list(Message.objects.values_list("pk", "state", "attempts", "position")) == before
    kill("orders", "first of before", "KeyError: 'zip'")
    changes = {change["id"]: change for change in look(tail).changes}
    assert changes[str(ids[0])] == {"id": str(ids[0]), "state": "dead", "failures": 0, "error": "KeyError: 'zip'"}
    [leased] = perform(leasing.lease, "orders", 1, engine.Terms("tests")).messages
    assert look(tail).changes == [{"id": str(ids[1]), "state": "leased", "failures": 0, "error": ""}]
    perform(engine.settle, [Settle("ack", leased.receipt)])
    seen = look(tail)
    assert (seen.changes, seen.counts["acked"]) == ([{"id": str(ids[1]), "state": "gone"}], 1)
    assert not look(tail)


def test_what_was_gone_before_anybody_looked_is_told_all_the_same(watched):
    declare(keep_settled=60)
    tail = begun(watched, "queue", "orders")
    publish("orders", {"n": 1})
    [leased] = perform(leasing.lease, "orders", 1, engine.Terms("tests")).messages
    perform(engine.settle, [Settle("ack", leased.receipt)])
    seen = look(tail)
    assert (told(seen), [change["state"] for change in seen.changes]) == (['{"n": 1}'], ["acked"])


def test_only_what_matches_is_told_and_what_was_too_much_is_counted(watched):
    declare()
    tail, narrow = begun(watched, "queue", "orders"), begun(watched, "queue", "orders", "$.n>=398")
    publish("orders", *({"n": n} for n in range(400)))
    seen = look(tail)
    assert (len(seen.rows), seen.skipped, told(seen)[-1]) == (AT_ONCE, 400 - AT_ONCE, '{"n": 399}')
    seen = look(narrow)
    assert (told(seen), seen.skipped) == (['{"n": 398}', '{"n": 399}'], 400 - COMPARED)
    assert not look(narrow)


def test_large_bodies_are_counted_rather_than_held(watched, monkeypatch):
    monkeypatch.setattr(tailing, "BYTES", 1_000)
    declare()
    declare_stream()
    tails = begun(watched, "queue", "orders"), begun(watched, "stream", "events")
    bodies = ("x" * 700, "y" * 700, "w" * 700, "z")
    publish("orders", *bodies)
    append("events", *bodies)
    for tail, begins in zip(tails, ("xwz", "wz"), strict=True):
        seen = look(tail)
        assert ([text[1] for text in told(seen)], seen.skipped) == ([*begins], len(bodies) - len(begins))


def consumed(name: str, n: int) -> None:
    leased = perform(leasing.lease, name, n, engine.Terms("tests")).messages
    perform(engine.settle, [Settle("ack", message.receipt) for message in leased])


@pytest.mark.parametrize(("bound", "most", "shown"), [("HELD", 2, ["3", "4"]), ("BYTES", 2, ["0", "1"])])
def test_what_was_gone_and_could_not_be_held_is_counted_once(watched, monkeypatch, bound, most, shown):
    monkeypatch.setattr(tailing, bound, most)
    declare()
    tail = begun(watched, "queue", "orders")
    publish("orders", *range(5))
    consumed("orders", 5)
    seen = look(tail)
    assert (told(seen), seen.skipped) == (shown, 3)
    look(tail)
    assert not look(tail)


def test_what_was_moved_elsewhere_is_not_shown_from_there(watched, monkeypatch):
    monkeypatch.setattr(tailing, "BYTES", 3)
    declare("morgue")
    declare()
    tail = begun(watched, "queue", "orders")
    publish("orders", "large", 1)
    kill("orders", "broken")
    perform(bulk.redrive, "orders", filters.parse({"states": ["dead"]}), to="morgue")
    monkeypatch.undo()
    seen = look(tail)
    assert (told(seen), seen.skipped) == (["1"], 1)


def test_a_commit_that_is_heard_of_late_is_told_once(watched):
    declare()
    tail = tailing.made(broker_itself(), "queue", "orders", "")
    watched.append(tail)
    read(tail.begin)
    late: list[events.Outcome] = []
    stop = events.listen(late.append)
    publish("orders", *range(30))
    stop()
    seen = look(tail)
    assert (len(seen.rows), seen.skipped) == (AT_ONCE, 30 - AT_ONCE)
    for outcome in late:
        tail.heard(outcome)
    seen = look(tail)
    assert (seen.rows, seen.skipped) == ([], 0)


def test_a_commit_that_comes_after_those_of_higher_ids_is_told_all_the_same(on_postgres: None, watched):
    declare()
    declare("others")
    publish("orders", "before")
    tail = tailing.made(broker_itself(), "queue", "orders", "")
    watched.append(tail)
    read(tail.begin)
    seen: list[list[str]] = []

    def elsewhere(name: str, n: int) -> None:
        publish(name, n)
        seen.append(told(look(tail)))

    with transaction.atomic():
        publish("orders", 1)
        in_threads(lambda: elsewhere("others", 2))
        publish("orders", 3)
        in_threads(lambda: elsewhere("orders", 4))
    seen.append(told(look(tail)))
    assert seen == [[], ["4"], ["1", "3"]]
    assert not look(tail)


def test_nothing_is_told_twice_when_more_came_than_is_kept_in_mind(on_postgres: None, watched, monkeypatch):
    monkeypatch.setattr(tailing, "AGAIN", 4)
    monkeypatch.setattr(tailing, "HEARD", 8)
    declare()
    tail = begun(watched, "queue", "orders")
    for n in range(1, 7):
        publish("orders", *range(n))
        assert told(look(tail)) == [str(each) for each in range(n)]
        assert not look(tail)


def test_where_one_writes_at_a_time_nothing_is_listed_again(watched):
    declare()
    publish("orders", "before")
    tail = begun(watched, "queue", "orders")
    asked: list[str] = []

    class Noted(Reader):
        def row(self, statement: Statement, *args: Any) -> tuple[Any, ...] | None:
            asked.append(statement.name)
            return super().row(statement, *args)

    def noted(reads: Reads) -> Seen:
        return tail.look(Noted(reads.raw, reads.dialect))

    assert not read(noted)
    assert asked == []
    publish("orders", 1)
    assert told(read(noted)) == ["1"]
    assert asked == ["listed"]


def test_records_are_told_of_every_partition(watched):
    declare_stream(partitions=2)
    append("events", "before", partition=0)
    tail = begun(watched, "stream", "events", "-$.n=2")
    append("events", {"n": 1}, partition=1)
    append("events", {"n": 2}, {"n": 3}, partition=0, key="k")
    seen = look(tail)
    assert [(row["partition"], row["offset"], row["key"], row["excerpt"]) for row in seen.rows] == [
        (1, "0", None, '{"n": 1}'),
        (0, "2", "k", '{"n": 3}'),
    ]
    assert not look(tail)


def test_it_shows_through_the_askers_veil_and_only_where_they_may_browse(watched):
    declare()
    rules = masks.parse([{"pattern": "orders", "fields": ["$.card", "key", "error"]}])
    masks.put(Entry(broker_itself(), "masks.put", "masks", {}, None), rules)
    viewer = Principal("ana", "user:1", permits=parse_grants([{"pattern": "orders", "verbs": ["browse"]}]))
    tail, guess = begun(watched, "queue", "orders", who=viewer), begun(watched, "queue", "orders", "$.card=4111", who=viewer)
    publish("orders", {"card": 4111, "n": 1}, key="ana-1")
    kill("orders", "card 4111 refused")
    seen = look(tail)
    assert "4111" not in json.dumps([seen.rows, seen.changes])
    assert (told(seen), seen.rows[0]["key"], seen.changes[0]["error"]) == (['{"card": "•••", "n": 1}'], "•••", "•••")
    assert look(guess).rows == []
    with pytest.raises(Forbidden):
        tailing.made(viewer, "queue", "other", "")


def test_what_cannot_be_shown_as_text_is_named(watched):
    declare()
    tail = begun(watched, "queue", "orders")
    publish("orders", bytes(range(200)), "a\u202eb\n\x07c" + "x" * 500)
    first, second = told(look(tail))
    assert first == "binary, 200 bytes"
    assert ("\u202e" in second, len(second)) == (False, 160)


def test_it_ends_with_what_it_watches(watched):
    declare()
    tail = begun(watched, "queue", "orders")
    perform(control.delete, "orders")
    with pytest.raises(NotFound):
        look(tail)
    with pytest.raises(NotFound):
        begun(watched, "stream", "nothing")


@pytest.mark.parametrize(("kind", "q"), [("queue", "offset>1"), ("stream", "state:dead"), ("queue", "dedup:x"), ("queue", "$.a")])
def test_a_filter_that_finds_nothing_of_the_kind_or_is_none_is_refused(kind, q):
    with pytest.raises(Invalid):
        tailing.made(broker_itself(), kind, "orders", q)


def test_while_nobody_watches_commits_say_nothing_more(watched):
    declare()
    heard: list[events.Outcome] = []
    stop = events.listen(heard.append)
    publish("orders", 1)
    tail = begun(watched, "queue", "orders")
    publish("orders", 2)
    tail.end()
    publish("orders", 3)
    stop()
    assert [outcome.seen is None for outcome in heard if outcome.counts] == [True, False, True]
