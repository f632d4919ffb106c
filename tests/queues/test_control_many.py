"""Purge and redrive: by filter, in chunks, with keys and counts right after each."""

from __future__ import annotations

from typing import Any

import pytest

from brokerweb.core import batches, clock, events
from brokerweb.core.errors import Invalid, NotFound
from brokerweb.identity.principal import broker_itself
from brokerweb.queues import browse, bulk, control, retirement
from brokerweb.queues.filters import MessageFilter, parse
from brokerweb.queues.models import Failure, Message
from brokerweb.storage.run import perform
from tests.queues.bench import Bench, Time, states

pytestmark = pytest.mark.django_db


def everything() -> Bench:
    """A queue with two messages in each state that purge may meet."""
    bench = Bench()
    bench.kill("d1", "d2")
    bench.publish("l1", "l2")
    bench.lease(2)
    bench.publish("s1", "s2", delay=60)
    bench.publish("r1", "r2")
    return bench


def test_purge_leaves_leased_and_dead_messages_unless_named() -> None:
    bench = everything()
    assert control.purge_all("orders") == 4
    assert bench.counts() == {"leased": 2, "dead": 2}
    assert control.purge_all("orders", parse({"states": ["dead", "leased"]})) == 4
    assert bench.counts() == {}
    assert Failure.objects.count() == 0


def test_purge_takes_what_the_filter_selects() -> None:
    bench = Bench()
    a = bench.publish(1, 2, key="a")
    b = bench.publish(3, 4, key="b")
    assert control.purge_all("orders", parse({"key": "a"})) == 2
    assert control.purge_all("orders", parse({"ids": [str(a[0]), b[0], 10**12]})) == 1
    assert states(*a, *b) == ["gone", "gone", "gone", "ready"]


def test_purge_of_a_leased_message_ends_its_lease(transactional_db: None) -> None:
    bench = Bench()
    bench.publish(1)
    leased = bench.lease()
    heard: list[events.Outcome] = []
    stop = events.listen(heard.append)
    control.purge_all("orders", parse({"states": "leased"}))
    stop()
    ended = [receipt for outcome in heard for receipt in outcome.ended]
    assert ended == [leased[0].receipt]
    assert bench.settle("ack", leased) == ["lease_lost"]


@pytest.mark.parametrize("verb", [control.purge, control.redrive])
def test_a_commit_takes_fewer_messages_where_they_are_large(monkeypatch: pytest.MonkeyPatch, verb: Any) -> None:
    monkeypatch.setattr(batches, "TURN_BYTES", 20)
    bench = Bench()
    bench.kill(*["x" * 9] * 4, "x" * 50)
    assert [bench.do(verb, parse({"states": "dead"})) for _ in range(4)] == [2, 2, 1, 0]
    assert bench.counts() == ({} if verb is control.purge else {"ready": 5})


@pytest.mark.parametrize("chosen", [{"states": "dead"}, {"states": "dead", "key": "k"}])
def test_a_long_action_takes_all_the_same_in_turns_of_large_messages(
    monkeypatch: pytest.MonkeyPatch, chosen: dict[str, Any]
) -> None:
    monkeypatch.setattr(batches, "TURN_BYTES", 20)
    bench = Bench()
    bench.kill(*["x" * 9] * 4, "x" * 50, "x", key="k")
    ids = [str(id) for id in Message.objects.values_list("pk", flat=True)]
    assert control.redrive_all("orders", parse(chosen)) == 6
    assert control.purge_all("orders", parse({"ids": ids})) == 6


def test_the_sweep_of_a_deleted_queue_takes_fewer_messages_where_they_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "TURN_BYTES", 20)
    bench = Bench()
    bench.publish(*["x" * 9] * 4, "x" * 50)
    bench.do(control.delete)
    assert [perform(retirement.sweep_deleted) for _ in range(3)] == [2, 2, 1]


def test_a_purge_goes_in_chunks_of_bounded_commits(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    for _ in range(3):
        bench.publish(*range(400))
    chunks: list[bulk.Chunk] = []
    whole = bulk.purge_chunk

    def watched(*args, **kwargs):
        chunks.append(whole(*args, **kwargs))
        return chunks[-1]

    monkeypatch.setattr(bulk, "purge_chunk", watched)
    assert control.purge_all("orders") == 1200
    assert [chunk.affected for chunk in chunks] == [500, 500, 200]


def test_purging_a_keyed_queue_takes_the_blocked_with_their_heads_across_chunks() -> None:
    bench = Bench(keyed=True)
    for _ in range(3):
        bench.publish(*range(400), key="k")
    assert control.purge_all("orders") == 1200
    assert bench.counts() == {}


def test_purging_only_ready_messages_takes_heads_and_not_those_that_follow_them(monkeypatch: pytest.MonkeyPatch) -> None:
    time = Time()
    clock.install(time)
    bench = Bench(keyed=True)
    for i in range(600):
        bench.publish(i, i, key=f"k{i}")
    monkeypatch.setattr(bulk, "perform", lambda *args, **kwargs: time.advance(1) and perform(*args, **kwargs))
    assert control.purge_all("orders", parse({"state": "ready"})) == 600
    assert bench.counts() == {"ready": 600}


def test_purging_blocked_messages_leaves_the_heads() -> None:
    bench = Bench(keyed=True)
    first, *_ = bench.publish(1, 2, 3, key="k")
    assert control.purge_all("orders", parse({"state": "blocked"})) == 2
    assert (states(first), bench.counts()) == (["ready"], {"ready": 1})


def test_a_purge_ends_although_publishing_goes_on_and_takes_nothing_newer(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    for _ in range(3):
        bench.publish(*range(500))
    newest: list[int] = []

    def busy(verb, *args, **kwargs):
        if bulk.purge_chunk in (verb, *args[:1]):  # the first chunk marks the charts, too
            newest.extend(bench.publish("new"))
        return perform(verb, *args, **kwargs)

    monkeypatch.setattr(bulk, "perform", busy)
    assert control.purge_all("orders") == 1500
    assert len(newest) >= 3
    assert bench.order() == newest


def test_redrive_puts_dead_messages_at_the_end_in_their_old_order() -> None:
    bench = Bench()
    dead = bench.kill(1, 2, 3)
    waiting = bench.publish(4)
    assert control.redrive_all("orders", parse({"order": "desc"})) == 3
    assert bench.counts() == {"ready": 4}
    assert bench.order() == [*waiting, *dead]


def test_redrive_by_key_and_ids_leaves_the_others_dead() -> None:
    bench = Bench()
    a, b = bench.kill(1, 2, key="a"), bench.kill(3, key="b")
    assert control.redrive_all("orders", parse({"key": "a", "ids": [a[1], b[0]]})) == 1
    assert states(*a, *b) == ["dead", "ready", "dead"]


def test_redrive_to_another_queue_moves_messages_with_their_ids_and_counts() -> None:
    bench, target = Bench(), Bench("other", ttl=60)
    dead = bench.kill(1, 2)
    heard: list[events.Outcome] = []
    assert control.redrive_all("orders", to="other") == 2
    assert (bench.counts(), target.counts()) == ({}, {"ready": 2})
    assert [m.id for m in target.lease(2)] == dead
    assert Message.objects.filter(queue_id=target.row.pk, expires_at__isnull=False).count() == 2
    assert heard == []
    with pytest.raises(NotFound):
        control.redrive_all("orders", to="nowhere")


def test_redrive_into_a_keyed_queue_joins_the_keys_there() -> None:
    bench, target = Bench(), Bench("other", keyed=True)
    dead = bench.kill(1, 2, key="k")
    [head] = target.publish(0, key="k")
    free = bench.kill(3)
    control.redrive_all("orders", to="other")
    assert states(head, *dead, *free) == ["ready", "blocked", "blocked", "ready"]
    assert target.counts() == {"ready": 2, "blocked": 2}
    target.do(control.delete_message, head)
    assert states(*dead) == ["ready", "blocked"]


def test_redrive_takes_dead_messages_only() -> None:
    bench = everything()
    with pytest.raises(Invalid) as raised:
        control.redrive_all("orders", parse({"states": ["ready", "dead"]}))
    assert raised.value.extra["errors"][0]["pointer"] == "/filter/states"
    assert control.redrive_all("orders", MessageFilter()) == 2
    assert bench.counts() == {"ready": 4, "scheduled": 2, "leased": 2}


def test_a_dry_run_says_what_the_action_then_does() -> None:
    bench = everything()
    for verb, act in (("purge", control.purge_all), ("redrive", control.redrive_all)):
        for chosen in (parse({}), parse({"key": "none"})):
            matched = browse.preview(bench.row, chosen, verb, broker_itself())["matched"]
            assert act("orders", chosen) == matched
