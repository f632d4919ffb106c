"""Acts on many messages of many queues as one job: what each does, what fails, who may, trying with the first."""

from __future__ import annotations

import json
from typing import Any

import pytest

from brokerweb.core import clock
from brokerweb.core.errors import Forbidden, Invalid, NotFound
from brokerweb.identity.grants import Permit
from brokerweb.identity.principal import Principal
from brokerweb.jobs import bulk_request, control, duties, failures, selecting
from brokerweb.jobs.models import JobFailure
from brokerweb.queues import bulk as of_one_queue
from brokerweb.queues import control as queues
from brokerweb.queues import filters, fingerprints
from brokerweb.queues.models import Message
from brokerweb.queues.states import REJECTED
from brokerweb.storage.run import perform
from tests.jobs.acting import BAD, failed, promote_due, start
from tests.jobs.bench import Runner, shown
from tests.jobs.test_bulk import dead_records
from tests.queues.bench import Bench, Time, states

ON_BOTH = True

# What each does


def test_a_redrive_over_queues_and_groups_by_cause(runner: Runner) -> None:
    orders, mails, other = Bench("orders"), Bench("mails"), Bench("other")
    dead = [*orders.kill(1, 2), *mails.kill(3)]
    [kept] = other.publish(4)
    other.settle("dead", other.lease(), error="another cause")
    group = dead_records(3)
    by_cause = start("redrive", {"filter": {"fingerprint": BAD}})
    assert (by_cause.total, by_cause.touched) == (3, ["queue:mails", "queue:orders"])
    both = start("redrive", {"filter": {"fingerprint": [BAD, fingerprints.of(REJECTED, "another cause")]}})
    assert (both.total, both.touched) == (4, ["queue:mails", "queue:orders", "queue:other"])
    perform(control.cancel, both.pk)
    job = start("redrive", {"in": ["queue:orders", "queue:mails", "stream:l*"]})
    assert (job.total, job.touched) == (6, ["queue:mails", "queue:orders", "stream:log"])
    perform(control.cancel, by_cause.pk)
    runner.until_idle()
    told = shown(job)
    assert (told["state"], told["kind"], told["done"], told["failed"]) == ("done", "redrive", 6, 0)
    assert states(*dead, kept) == ["ready"] * 3 + ["dead"]
    assert set(Message.objects.filter(queue=group).values_list("state", "redrives")) == {(1, 1)}


def test_a_move_keeps_what_a_message_is_and_the_order(runner: Runner, time: Time) -> None:
    bench, keyed = Bench("orders"), Bench("keyed", keyed=True)
    first = bench.publish(1, 2, key="a", ttl=500, headers='{"x":"y"}')
    later = bench.publish(3, delay=60, key="a")
    keyed.publish("there", key="a")
    bench.settle("nack", bench.lease(), error="x", delay=0)
    dead = bench.publish(4, priority=9)
    bench.settle("dead", bench.lease(), error="bad")
    select = {"in": ["queue:*"], "filter": {"states": ["ready", "scheduled", "dead"]}}
    runner.until_finished(start("move", select, to="keyed"))
    assert Message.objects.filter(queue__name="orders").count() == 0
    assert states(*first, *later, *dead) == ["blocked", "blocked", "scheduled", "ready"]
    moved = Message.objects.get(pk=first[0])
    assert (moved.failures, moved.last_error, moved.redrives, moved.headers) == (1, "x", 0, '{"x":"y"}')
    assert Message.objects.get(pk=dead[0]).redrives == 1
    time.advance(61)
    perform(promote_due)
    taken: list[Any] = []
    while leased := keyed.lease(10):
        taken += [json.loads(m.body) if m.body != b"there" else "there" for m in leased]
        keyed.settle("ack", leased)
    assert [body for body in taken if body != 4] == ["there", 1, 2, 3], "of a key in the order in which they were published"


def test_a_keyed_queue_is_emptied_into_another_in_the_order_of_its_keys(runner: Runner) -> None:
    source, target = Bench("source", keyed=True), Bench("target", keyed=True)
    for n in range(30):
        source.publish(n, key=f"k{n % 3}")
    held = source.lease(1)[0]
    runner.until_finished(
        start("move", {"in": ["queue:source"], "filter": {"states": ["ready", "blocked", "leased"]}}, to="target")
    )
    assert source.counts() == {}
    assert source.settle("ack", [held]) == ["lease_lost"]
    by_key: dict[str | None, list[int]] = {}
    while leased := target.lease(10):
        for message in leased:
            by_key.setdefault(message.key, []).append(int(message.body))
        target.settle("ack", leased)
    assert by_key == {f"k{k}": list(range(k, 30, 3)) for k in range(3)}


def test_a_purge_takes_what_a_call_for_one_queue_takes(runner: Runner) -> None:
    keyed, plain = Bench("keyed", keyed=True), Bench("plain")
    heads = keyed.publish(1, key="a")
    behind = keyed.publish(2, key="a")
    plain.publish(3, delay=60)
    [held] = plain.publish(4)
    plain.lease()
    runner.until_finished(start("purge", {"in": ["queue:keyed"], "filter": {"state": "ready"}}))
    assert states(*heads, *behind) == ["gone", "ready"], "what becomes ready by it stays"
    done = runner.until_finished(start("purge", {"in": ["queue:*"]}))
    assert (done.done, states(*behind, held)) == (2, ["gone", "leased"])
    runner.until_finished(start("purge", {"in": ["queue:*"], "filter": {"state": "leased"}}))
    assert states(held) == ["gone"]


def test_a_reschedule_by_ids_tells_what_it_could_not_do(runner: Runner, time: Time) -> None:
    bench = Bench()
    ready, later = bench.publish(1)[0], bench.publish(2, delay=5)[0]
    [dead] = Bench("dead").kill(3)
    due = clock.rfc3339(time.now() + 3600 * clock.SECOND)
    select = {"ids": {"orders": [str(ready), later, 999], "queue:dead": [dead]}}
    job = runner.until_finished(start("reschedule", select, due_at=due))
    assert (job.state, job.done, job.failed, job.total) == ("done", 2, 2, 4)
    assert {clock.rfc3339(clock.from_datetime(m.due)) for m in Message.objects.filter(queue__name="orders")} == {due}
    assert failed(job) == [("queue:orders", "999", "not_found"), ("queue:dead", str(dead), "conflict")]
    assert control.as_json(job)["error"] == "It is dead: reschedule takes scheduled and ready messages only."


def test_a_thousand_failures_are_listed_and_go_with_the_job(runner: Runner, time: Time) -> None:
    Bench()
    job = runner.until_finished(start("redrive", {"ids": {"orders": list(range(1, 1001))}}))
    assert (job.failed, JobFailure.objects.count()) == (1000, 1000)
    page = failures.listing(job, limit=600)
    rest = failures.listing(job, after=page.next, limit=600)
    assert [int(item.item) for item in page.items + rest.items] == list(range(1, 1001))
    assert rest.next is None
    time.advance(31 * 86_400)
    assert perform(duties.forget) == 1
    assert JobFailure.objects.count() == 0


def test_a_copy_of_a_record_that_moves_to_a_queue_has_no_place_there(runner: Runner) -> None:
    target = Bench("target")
    dead_records(2)
    job = runner.until_finished(start("redrive", {"in": ["stream:log/*"]}, to="target"))
    assert [(m.place, m.redrives) for m in target.lease(10)] == [(None, 1)] * 2
    assert set(Message.objects.values_list("route", flat=True)) == {None}
    assert job.done == 2


def test_a_queue_that_was_deleted_is_passed_over_and_its_namesake_is_another(runner: Runner) -> None:
    bench, other = Bench("orders"), Bench("zother")
    bench.kill(1)
    [there] = other.kill(2)
    job = start("redrive", {"in": ["queue:*"]})
    perform(queues.delete, "orders")
    [new] = Bench("orders").kill(3)
    job = runner.until_finished(job)
    assert (job.state, job.done, states(new, there)) == ("done", 1, ["dead", "ready"])


# Who may


def test_it_needs_manage_on_all_and_publish_where_they_go(time: Time) -> None:
    Bench("orders.a").kill(1)
    Bench("orders.b").kill(1)
    Bench("secret").kill(1)
    may = Principal("x", "token:1", permits=[
        Permit("queue", "orders.*", frozenset({"browse"})), Permit("queue", "orders.a", frozenset({"manage", "browse"})),
    ])  # fmt: skip
    assert start("redrive", {"in": ["queue:orders.a"]}, may).touched == ["queue:orders.a"]
    assert start("redrive", {"q": "1", "in": ["queue:orders.a"]}, may).touched == ["queue:orders.a"]
    by_query: list[dict[str, Any]] = [{"q": "1"}, {"q": "1", "in": ["queue:orders.*"]}]
    for select in (
        *by_query,
        {"in": ["queue:orders.*"]},
        {"in": ["queue:*"]},
        {"ids": {"orders.b": ["1"]}},
        {"ids": {"secret": ["1"]}},
    ):
        with pytest.raises(Forbidden) as refused:
            start("redrive", select, may)
        assert ("secret" in refused.value.detail) == ("secret" in str(select)), "nothing is told of what one may not browse"
    with pytest.raises(Forbidden):
        start("redrive", {"in": ["queue:orders.a"]}, may, to="secret")
    with pytest.raises(Forbidden):
        start("redrive", {"ids": {"nowhere": ["1"]}}, may)
    for select in ({"in": ["queue:secret"]}, {"q": "1", "in": ["queue:secret"]}):
        with pytest.raises(NotFound):
            start("redrive", select, may)


def of_mine() -> Principal:
    """Somebody who may browse all orders, and manage some."""
    return Principal("x", "token:1", permits=[
        Permit("queue", "orders.*", frozenset({"browse"})), Permit("queue", "orders.mine", frozenset({"manage"})),
    ])  # fmt: skip


@pytest.mark.parametrize(
    "select",
    [
        {"q": "NAME"},
        {"q": "key:NAME", "in": ["queue:orders.*"]},
        {"filter": {"key": "NAME"}},
        {"in": ["queue:*"], "filter": {"fingerprint": "CAUSE"}},
    ],
)
def test_it_needs_manage_where_it_takes_something_and_nowhere_else(time: Time, select: dict[str, Any]) -> None:
    for name, word in (("orders.mine", "north"), ("orders.other", "south")):
        bench = Bench(name)
        bench.publish(word, key=word)
        bench.settle("dead", bench.lease(), error=f"the {word} is late")

    def of(word: str) -> dict[str, Any]:
        cause = fingerprints.of(REJECTED, f"the {word} is late")
        named: dict[str, Any] = json.loads(json.dumps(select).replace("NAME", word).replace("CAUSE", cause))
        return named

    assert start("redrive", of("north"), of_mine()).touched == ["queue:orders.mine"]
    with pytest.raises(Forbidden) as refused:
        start("redrive", of("south"), of_mine())
    assert "orders.other" in refused.value.detail


def test_where_a_query_cannot_be_looked_at_to_its_end_it_needs_manage_on_all(time: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    Bench("orders.mine").kill("x")
    Bench("orders.other").kill("y")
    assert start("redrive", {"q": "nothing"}, of_mine()).touched == ["queue:orders.mine"], "and takes nothing"
    monkeypatch.setattr(selecting, "LOOKING", -1.0)
    with pytest.raises(Forbidden):
        start("redrive", {"q": "x"}, of_mine())


def test_what_comes_later_where_one_may_not_manage_is_no_part_of_it(runner: Runner) -> None:
    mine, other = Bench("orders.mine"), Bench("orders.other")
    mine.kill("x")
    other.kill("y")
    job = start("redrive", {"q": "x"}, of_mine())
    [later] = other.kill("x")
    runner.until_finished(job)
    assert (shown(job)["done"], states(later)) == (1, ["dead"])


@pytest.mark.parametrize(
    ("given", "pointer"),
    [
        ({"action": "fly", "select": {"in": ["queue:a"]}}, "/action"),
        ({"action": "redrive"}, "/select"),
        ({"action": "redrive", "select": {}}, "/select"),
        ({"action": "purge", "select": {"filter": {}}}, "/select"),
        ({"action": "redrive", "select": {"in": []}}, "/select"),
        ({"action": "redrive", "select": {"in": "queue:a"}}, "/select/in"),
        ({"action": "redrive", "select": {"in": ["topic:a"]}}, "/select/in"),
        ({"action": "redrive", "select": {"in": ["queue:a/b"]}}, "/select/in"),
        ({"action": "redrive", "select": {"in": ["queue:é"]}}, "/select/in"),
        ({"action": "redrive", "select": {"in": ["queue:a"] * 21}}, "/select/in"),
        ({"action": "redrive", "select": {"x": 1}}, "/select/x"),
        ({"action": "redrive", "select": {"ids": {}}}, "/select/ids"),
        ({"action": "redrive", "select": {"ids": {"a": []}}}, "/select/ids"),
        ({"action": "redrive", "select": {"ids": {"a": ["x"]}}}, "/select/ids/a/ids"),
        ({"action": "redrive", "select": {"ids": {"a": "1"}}}, "/select/ids/a"),
        ({"action": "redrive", "select": {"ids": {".a": ["1"]}}}, "/select/ids/.a"),
        ({"action": "redrive", "select": {"ids": {"a": ["1"], "queue:a": ["2"]}}}, "/select/ids/queue:a"),
        ({"action": "redrive", "select": {"ids": {"a": list(range(1, 700)), "b": list(range(1, 700))}}}, "/select/ids"),
        ({"action": "redrive", "select": {"ids": {"a": ["1"]}, "in": ["queue:a"]}}, "/select/ids"),
        ({"action": "redrive", "select": {"filter": {"state": "ready"}}}, "/select/filter/states"),
        ({"action": "redrive", "select": {"filter": {"fingerprint": "x"}}}, "/select/filter/fingerprint"),
        ({"action": "redrive", "select": {"filter": {"order": "asc"}}}, "/select/filter/order"),
        ({"action": "redrive", "select": {"q": " "}}, "/select"),
        ({"action": "redrive", "select": {"q": 7}}, "/select/q"),
        ({"action": "redrive", "select": {"q": "x" * 5000}}, "/select/q"),
        ({"action": "redrive", "select": {"q": "a\0b"}}, "/select/q"),
        ({"action": "redrive", "select": {"q": "attempts>x"}}, "/select/q"),
        ({"action": "redrive", "select": {"q": "offset>3"}}, "/select/q"),
        ({"action": "redrive", "select": {"q": "x", "filter": {"key": "k"}}}, "/select/filter"),
        ({"action": "redrive", "select": {"q": "x", "ids": {"a": ["1"]}}}, "/select/ids"),
        ({"action": "move", "select": {"in": ["queue:a"]}}, "/to"),
        ({"action": "purge", "select": {"in": ["queue:a"]}, "to": "b"}, "/to"),
        ({"action": "move", "select": {"in": ["queue:a"]}, "to": "stream:b"}, "/to"),
        ({"action": "move", "select": {"in": ["queue:a"]}, "to": 7}, "/to"),
        ({"action": "reschedule", "select": {"in": ["queue:a"]}}, "/due_at"),
        ({"action": "reschedule", "select": {"in": ["queue:a"]}, "due_at": "soon"}, "/due_at"),
        ({"action": "reschedule", "select": {"in": ["queue:a"]}, "due_at": "2999-01-01T00:00:00Z"}, "/due_at"),
        ({"action": "purge", "select": {"in": ["queue:a"]}, "due_at": "2026-01-01T00:00:00Z"}, "/due_at"),
        ({"action": "redrive", "select": {"in": ["queue:a"]}, "rate": 0}, "/rate"),
        ({"action": "redrive", "select": {"in": ["queue:a"]}, "dry_run": "yes"}, "/dry_run"),
        ({"action": "redrive", "select": {"in": ["queue:a"]}, "first": 0}, "/first"),
        ({"action": "redrive", "select": {"in": ["queue:a"]}, "first": True}, "/first"),
        ({"action": "purge", "select": {"in": ["queue:a"]}, "first": 1}, "/first"),
        ({"action": "redrive", "select": {"in": ["queue:a"]}, "limit": 1}, "/limit"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_place(given: dict[str, Any], pointer: str) -> None:
    with pytest.raises(Invalid) as refused:
        bulk_request.parse(given)
    assert [error["pointer"] for error in refused.value.extra["errors"]] == [pointer]


# The first ones


def test_the_rest_waits_until_the_first_ones_are_settled(runner: Runner, time: Time) -> None:
    bench = Bench()
    bench.kill(*range(700))
    job = start("redrive", {"in": ["queue:orders"]}, first=2)
    delay = runner.until_idle()
    assert (shown(job)["state"], shown(job)["done"], bench.counts()) == ("trying", 2, {"ready": 2, "dead": 698})
    assert delay > 0
    taken = bench.lease(2)
    bench.settle("ack", taken[:1])
    bench.settle("nack", taken[1:], error="once more", delay=0)
    time.advance(2)
    runner.until_idle()
    assert shown(job)["state"] == "trying", "a failure is no death"
    bench.settle("ack", bench.lease(2))
    job = runner.until_finished(job)
    assert (job.state, job.done, bench.counts()) == ("done", 700, {"ready": 698})


@pytest.mark.parametrize("redriven", [False, True], ids=["dead", "redriven by somebody else since"])
def test_it_stops_when_one_of_the_first_dies_and_says_so(runner: Runner, redriven: bool) -> None:
    bench = Bench()
    ids = bench.kill(*range(10))
    job = start("redrive", {"in": ["queue:orders"]}, first=3)
    runner.until_idle()
    one, *others = bench.lease(3)
    bench.settle("dead", [one], error="still no bank")
    bench.settle("ack", others)
    if redriven:
        perform(queues.requeue, "orders", one.id)
    job = runner.until_finished(job)
    assert (job.state, job.done) == ("failed", 3)
    of = "" if redriven else " of: still no bank"
    why = f"Stopped: 1 of the first 3 died again, message {ids[0]}{of}. 7 others are left as found."
    assert shown(job)["error"] == why
    assert bench.counts() == ({"dead": 7, "ready": 1} if redriven else {"dead": 8})


def test_the_first_ones_are_waited_for_a_day_and_it_can_be_cancelled(runner: Runner, time: Time) -> None:
    bench = Bench()
    bench.kill(1, 2, 3)
    waiting, cancelled = start("redrive", {"in": ["queue:orders"]}, first=1), start("redrive", {"in": ["queue:orders"]}, first=1)
    runner.until_idle()
    assert perform(control.cancel, cancelled.pk).state == "cancelled"
    time.advance(86_402)
    runner.until_idle()
    assert shown(waiting)["error"] == "Stopped: 1 of the first 1 was not settled within a day. 2 others are left as found."


def test_with_fewer_than_asked_it_still_waits_for_them(runner: Runner) -> None:
    bench = Bench()
    bench.kill(1)
    job = start("redrive", {"in": ["queue:orders"]}, first=5)
    runner.until_idle()
    assert shown(job)["state"] == "trying"
    bench.settle("ack", bench.lease())
    assert runner.until_finished(job).state == "done"
    empty = start("redrive", {"in": ["queue:orders"]}, first=5)
    assert runner.until_finished(empty).done == 0


def test_a_rate_an_eta_and_jobs_of_several_queues_in_lists(runner: Runner, time: Time) -> None:
    one, other = Bench("one"), Bench("one2")
    one.kill(*range(10))
    other.kill(*range(10))
    job = start("redrive", {"in": ["queue:one*"]}, rate=2)
    single = start("redrive", {"in": ["queue:one2"]})
    runner.until_idle()
    assert (shown(job)["done"], shown(job)["eta"]) == (1, 9.5)
    assert runner.until_finished(job).done + control.get(single.pk).done == 20
    assert [j.pk for j in control.listing(target="queue:one").items] == [job.pk]
    assert {j.pk for j in control.listing(target="queue:one2").items} == {job.pk, single.pk}


def test_the_older_calls_take_a_fingerprint_too(time: Time) -> None:
    bench = Bench()
    ids = bench.kill(1, 2, 3)
    bench.publish(4)
    bench.settle("dead", bench.lease(), error="else")
    [waiting] = bench.publish(5)
    of_cause = filters.parse({"fingerprint": BAD})
    assert of_one_queue.redrive_all("orders", filters.parse({"fingerprint": BAD, "ids": ids[:1]})) == 1
    assert of_one_queue.purge_all("orders", of_cause) == 2
    assert bench.counts() == {"ready": 2, "dead": 1}
    assert states(waiting) == ["ready"]
