"""Acts on many messages undone, killed on the way, and selected by a query."""

from __future__ import annotations

import pytest

from brokerweb.core.errors import Conflict
from brokerweb.jobs import chunks, control, duties, searched, undoing
from brokerweb.jobs.models import JobItem
from brokerweb.queues import control as queues
from brokerweb.queues import redaction
from brokerweb.queues.models import Message, Transfer
from brokerweb.storage.run import perform
from tests.jobs.acting import BAD, everything, failed, promote_due, start, undo, with_a_crash
from tests.jobs.bench import Runner, many, shown
from tests.jobs.test_bulk import dead_records
from tests.queues.bench import Bench, Time, states

ON_BOTH = True

# Undo


@many
def test_an_undo_puts_back_what_was_not_handed_out(runner: Runner, time: Time) -> None:
    bench, target = Bench("orders"), Bench("target")
    bench.kill(*range(1200), ttl=50)
    was = everything()
    job = runner.until_finished(start("redrive", {"in": ["queue:orders"]}, to="target"))
    assert control.as_json(job)["undo_until_at"] is not None
    taken = target.lease(3)
    target.settle("ack", taken[:1])
    target.settle("release", taken[1:2])
    perform(queues.delete_message, "target", taken[0].id + 10)
    back = runner.until_finished(undo(job))
    told = shown(back)
    assert (told["kind"], told["state"], told["done"], told["gone"], told["total"]) == ("undo", "done", 1196, 4, 1200)
    assert told["error"] == "4 were handed out, moved or deleted since, and left as found."
    gone = {*(m.id for m in taken), taken[0].id + 10}
    assert [row for row in everything() if row["id"] not in gone] == [row for row in was if row["id"] not in gone]
    assert (bench.counts(), target.counts()) == ({"dead": 1196}, {"leased": 1, "ready": 1})
    assert shown(job)["undone_by"] == told["id"]
    with pytest.raises(Conflict, match="undone already"):
        undo(job)
    with pytest.raises(Conflict, match="cannot be undone"):
        undo(back)


def test_a_move_is_undone_with_keys_delays_and_order(runner: Runner) -> None:
    source, target = Bench("source", keyed=True), Bench("target", keyed=True)
    for n in range(6):
        source.publish(n, key=f"k{n % 2}")
    source.publish(6, key="k0", delay=100)
    source.publish(7)
    source.settle("nack", source.lease(1), error="x", delay=50)
    held = source.lease(1)
    before = source.counts()
    job = runner.until_finished(
        start("move", {"in": ["queue:source"], "filter": {"states": ["ready", "blocked", "scheduled", "leased"]}}, to="target")
    )
    assert (job.done, source.counts()) == (8, {})
    target.publish("between", key="k0")
    back = runner.until_finished(undo(job))
    assert (back.done, target.counts()) == (8, {"ready": 1})
    assert source.settle("ack", held) == ["lease_lost"]
    assert source.counts() == {**{s: n for s, n in before.items() if s != "leased"}, "ready": before.get("ready", 0) + 1}
    runner.time.advance(51)
    perform(promote_due)
    by_key: dict[str | None, list[int]] = {}
    while leased := source.lease(10):
        for message in leased:
            by_key.setdefault(message.key, []).append(int(message.body))
        source.settle("ack", leased)
    assert by_key == {"k0": [0, 2, 4], "k1": [1, 3, 5], None: [7]}


@many
def test_a_running_one_is_cancelled_and_undone_for_fifteen_minutes(runner: Runner, time: Time) -> None:
    bench = Bench()
    bench.kill(*range(1200))
    was = everything()
    job = start("redrive", {"in": ["queue:orders"]})
    runner.rounds(1)
    assert shown(job)["done"] == 500
    back = runner.until_finished(undo(job))
    assert (shown(job)["state"], back.done, everything()) == ("cancelled", 500, was)
    later = runner.until_finished(start("redrive", {"in": ["queue:orders"]}))
    time.advance(15 * 60 + 1)
    with pytest.raises(Conflict, match="15 minutes"):
        undo(later)
    assert Transfer.objects.count() == 1700
    while perform(undoing.forget):
        pass
    assert Transfer.objects.count() == 0
    purge = runner.until_finished(start("purge", {"in": ["queue:orders"]}))
    assert shown(purge)["undo_until_at"] is None


def test_what_was_redacted_has_its_error_nowhere_and_none_after_the_undo(runner: Runner) -> None:
    bench = Bench()
    [id] = bench.publish(1)
    bench.settle("dead", bench.lease(), error="secret")
    job = runner.until_finished(start("redrive", {"in": ["queue:orders"]}))
    perform(redaction.redact, "orders", id, by="me")
    assert Transfer.objects.get().last_error is None
    assert b"secret" not in b"".join(str(row).encode() for row in Transfer.objects.values_list())
    runner.until_finished(undo(job))
    assert (states(id), Message.objects.get(pk=id).last_error) == (["dead"], None)


@many
def test_what_an_undo_needs_is_kept_while_it_runs(runner: Runner, time: Time) -> None:
    bench = Bench()
    bench.kill(*range(1200))
    job = runner.until_finished(start("redrive", {"in": ["queue:orders"]}))
    back = undo(job)
    runner.rounds(1)
    time.advance(3600)
    assert perform(undoing.forget) == 0
    assert runner.until_finished(back).done == 1200


# Crashes


@pytest.mark.parametrize("at", range(7))
def test_killed_at_every_chunk_nothing_is_done_twice_and_nothing_is_left_out(
    runner: Runner, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """Once before the commit of a chunk, and once right after it; then it goes on, and is undone, killed at the same place."""
    one, other, target = Bench("one"), Bench("other"), Bench("target")
    one.kill(*range(30))
    other.kill(*range(25))
    was = everything()
    monkeypatch.setattr(chunks, "ITEMS", 10)
    job = start("redrive", {"in": ["queue:one", "queue:other"]}, to="target")
    with_a_crash(runner, monkeypatch, job, at)
    assert (shown(job)["done"], shown(job)["failed"]) == (55, 0)
    assert target.counts() == {"ready": 55}
    assert (one.counts(), other.counts()) == ({}, {})
    assert Transfer.objects.count() == 55
    assert set(Message.objects.values_list("redrives", flat=True)) == {1}
    back = undo(job)
    with_a_crash(runner, monkeypatch, back, at)
    assert (shown(back)["done"], shown(back)["gone"], everything()) == (55, 0, was)


# By a query


def test_a_query_selects_over_queues_and_groups_and_is_undone(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searched, "FOUND_AT_ONCE", 7)
    monkeypatch.setattr(chunks, "ITEMS", 5)
    orders, other = Bench("orders"), Bench("other")
    wanted = orders.kill(*(f'{{"n": {n}}}' for n in range(20)))[5:]
    wanted += other.kill(*(f'{{"n": {n}}}' for n in range(20)))[5:]
    orders.publish('{"n": 9}')
    dead_records(8)
    was = everything()
    job = start("redrive", {"q": "$.n>=5"})
    assert (job.total, job.query) == (None, "$.n>=5 state:dead")
    job = runner.until_finished(job)
    assert (job.state, job.done, job.failed, job.total) == ("done", 30, 0, 30)
    assert set(Message.objects.filter(redrives=1).values_list("pk", flat=True)) == set(wanted)
    assert [m.id for m in orders.lease(20)][1:] == sorted(wanted)[:15], "in the order in which they were published"
    assert JobItem.objects.count() == 0
    back = runner.until_finished(undo(job))
    assert (back.done, shown(back)["gone"]) == (15, 15)
    assert [row for row in everything() if row["id"] in wanted[15:]] == [row for row in was if row["id"] in wanted[15:]]
    records = runner.until_finished(start("redrive", {"q": "7", "in": ["stream:log"]}))
    assert (records.done, records.touched) == (1, ["stream:log"])


def test_what_a_query_does_not_find_any_more_is_left_and_told(runner: Runner) -> None:
    bench = Bench()
    ids = bench.kill(*range(4))
    job = start("redrive", {"q": "fingerprint:" + BAD, "in": ["queue:orders"]})
    runner.rounds(1)
    assert (shown(job)["total"], shown(job)["done"]) == (4, 0)
    perform(queues.delete_message, "orders", ids[0])
    perform(queues.requeue, "orders", ids[1])
    bench.settle("dead", bench.lease(), error="of another cause")
    job = runner.until_finished(job)
    assert (job.done, job.failed, states(*ids)) == (2, 2, ["gone", "dead", "ready", "ready"])
    assert [item for _, item, _ in failed(job)] == [str(id) for id in ids[:2]]
    again = runner.until_finished(start("redrive", {"q": "redrives>0", "in": ["queue:orders"]}))
    assert again.done == 1


def test_a_query_acts_on_what_was_there_and_an_age_is_of_when_it_was_asked(runner: Runner, time: Time) -> None:
    bench = Bench()
    old = bench.kill(1)
    time.advance(3000)
    new = bench.kill(2)
    job = start("redrive", {"q": "published<30m", "in": ["queue:orders"]})
    later = bench.kill(3)
    time.advance(3600)
    runner.until_finished(job)
    assert states(*old, *new, *later) == ["dead", "ready", "dead"]


def test_what_a_cancelled_one_had_found_is_forgotten(runner: Runner, time: Time) -> None:
    Bench().kill(*range(5))
    job = start("redrive", {"q": "state:dead", "in": ["queue:orders"]})
    runner.rounds(1)
    assert JobItem.objects.count() == 5
    perform(control.cancel, job.pk)
    time.advance(40 * 86_400)
    assert perform(duties.forget) == 0
    assert [perform(searched.forget, 3) for _ in range(3)] == [3, 2, 0]
    assert perform(duties.forget) == 1


@pytest.mark.parametrize("at", range(6))
def test_a_query_s_job_killed_at_every_chunk_does_nothing_twice(runner: Runner, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    monkeypatch.setattr(searched, "FOUND_AT_ONCE", 10)
    monkeypatch.setattr(chunks, "ITEMS", 10)
    Bench("one").kill(*range(25))
    was = everything()
    job = start("redrive", {"q": "state:dead", "in": ["queue:one"]})
    with_a_crash(runner, monkeypatch, job, at)
    assert (shown(job)["done"], shown(job)["total"]) == (25, 25)
    assert set(Message.objects.values_list("redrives", flat=True)) == {1}
    back = undo(job)
    with_a_crash(runner, monkeypatch, back, min(at, 2))
    assert (shown(back)["done"], everything()) == (25, was)
