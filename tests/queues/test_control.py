"""The operators' verbs on one queue and on one message."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from brokerweb.core import clock, events
from brokerweb.core.errors import BrokerError, Conflict, Invalid, NotFound, QueueFull
from brokerweb.queues import browse, control, duties, engine, readiness, retirement
from brokerweb.queues.filters import ALL, parse
from brokerweb.queues.messages import NewMessage
from brokerweb.queues.models import Dedup, Failure, Message, Queue, QueueCount
from brokerweb.queues.states import State
from brokerweb.storage.reading import read
from brokerweb.storage.run import perform
from brokerweb.storage.transaction import transaction
from tests.queues.bench import Bench, Time, states

pytestmark = pytest.mark.django_db


# Queues


def test_pause_keeps_messages_in_and_the_first_who_paused_named() -> None:
    bench = Bench()
    bench.publish(1)
    bench.do(control.pause, reason="upgrade", by="ann")
    again = bench.do(control.pause, reason="other", by="bob")
    assert (again.paused_by, again.pause_reason) == ("ann", "upgrade")
    assert bench.lease() == []
    resumed = bench.do(control.resume)
    assert resumed.paused_at is None
    assert len(bench.lease()) == 1


def test_resume_wakes_the_dispatchers(told: list[events.Outcome]) -> None:
    bench = Bench()
    bench.do(control.pause, reason="", by="ann")
    told.clear()
    bench.do(control.resume)
    assert told[0].ready == {bench.row.pk}
    assert told[0].changed == {bench.row.pk}


def test_a_deleted_queue_is_gone_at_once_and_its_name_is_free() -> None:
    bench = Bench()
    old = bench.row.pk
    bench.publish(1)
    [leased] = bench.lease()
    bench.do(control.delete)
    with pytest.raises(NotFound):
        browse.find("orders")
    with pytest.raises(NotFound):
        browse.find(f".deleted-{old}")
    assert bench.settle("ack", [leased]) == ["lease_lost"]
    assert Bench().counts() == {}


def test_delete_if_empty_refuses_while_any_message_is_left() -> None:
    bench = Bench()
    bench.kill(1)
    with pytest.raises(Conflict):
        bench.do(control.delete, if_empty=True)
    control.purge_all("orders", parse({"states": ["dead"]}))
    bench.do(control.delete, if_empty=True)
    assert not Queue.objects.filter(deleted_at=None).exists()


def test_the_sweep_removes_all_that_a_deleted_queue_held_and_nothing_else() -> None:
    bench, other = Bench(), Bench("other")
    bench.publish(*range(7), dedup_id=None)
    bench.publish("x", dedup_id="once")
    bench.settle("nack", bench.lease(3), error="no")
    bench.lease(2)
    kept = other.publish(1)
    bench.do(control.delete)
    steps = 0
    while perform(retirement.sweep_deleted, 3):
        steps += 1
    assert steps >= 4
    assert list(Message.objects.values_list("pk", flat=True)) == kept
    assert (Failure.objects.count(), Dedup.objects.count(), Queue.objects.count(), QueueCount.objects.count()) == (0, 0, 1, 1)


def expire_idle(in_use: set[int]) -> list[str]:
    ids = read(retirement.idle_work, in_use, clock.now())
    return perform(retirement.expire_idle, in_use, ids)


def test_an_idle_queue_goes_when_it_expires_and_a_used_one_stays(time: Time) -> None:
    temporary, used, lasting = Bench("temporary", expires=60), Bench("used", expires=60), Bench("lasting")
    in_use = {used.row.pk}
    assert expire_idle(in_use) == []
    time.advance(59)
    assert expire_idle(in_use) == []
    time.advance(1)
    assert expire_idle(in_use) == ["temporary"]
    assert lasting.row
    time.advance(1000)
    assert expire_idle(set()) == []  # its idle time starts here
    time.advance(60)
    assert expire_idle(set()) == ["used"]
    with pytest.raises(NotFound):
        browse.find(temporary.name)


def test_of_many_idle_queues_only_those_take_a_commit_with_which_something_is_to_be_done(time: Time) -> None:
    waiting, used, due = Bench("waiting", expires=60), Bench("used", expires=60), Bench("due", expires=30)
    time.advance(30)
    assert read(retirement.idle_work, {used.row.pk}, clock.now()) == [used.row.pk, due.row.pk]
    expire_idle({used.row.pk})
    assert waiting.row
    assert read(retirement.idle_work, {used.row.pk}, clock.now()) == []


def test_what_is_used_between_the_look_and_the_commit_stays(time: Time) -> None:
    bench, gone = Bench(expires=60), Bench("gone", expires=60)
    time.advance(60)
    ids = read(retirement.idle_work, set(), clock.now())
    bench.publish(1)
    gone.do(control.delete)
    assert len(ids) == 2
    assert perform(retirement.expire_idle, set(), ids) == []
    assert bench.row.idle_since_at is None


def test_a_start_begins_the_idle_times_anew(time: Time) -> None:
    queue, lasting = Bench("temporary", expires=60), Bench("lasting")
    expire_idle(set())
    time.advance(3600)  # nobody was there
    perform(retirement.wait_anew)
    assert expire_idle(set()) == []
    time.advance(59)
    assert expire_idle(set()) == []
    time.advance(1)
    assert expire_idle(set()) == [queue.name]
    assert lasting.row.idle_since_at is None


def test_a_message_and_a_declaration_each_start_the_idle_time_anew(time: Time) -> None:
    bench = Bench(expires=60)
    time.advance(50)
    perform(control.declare, "orders", {})
    time.advance(50)
    assert expire_idle(set()) == []
    bench.publish(1)
    time.advance(50)
    assert expire_idle(set()) == []
    bench.settle("ack", bench.lease())
    assert expire_idle(set()) == []
    time.advance(60)
    assert expire_idle(set()) == ["orders"]


# One message


def test_a_requeued_dead_message_is_at_the_end_with_its_failures_forgotten_and_its_attempts_kept() -> None:
    bench = Bench()
    [dead] = bench.kill("a")
    [later] = bench.publish("b")
    bench.do(control.requeue, dead)
    message, failures = browse.read(bench.row, dead)
    assert (message.failures, message.attempts, message.reason, message.last_error) == (0, 1, None, None)
    assert len(failures) == 1
    assert bench.counts() == {"ready": 2}
    assert bench.order() == [later, dead]
    assert bench.lease(2)[1].attempts == 2


def test_an_old_receipt_does_not_fit_a_requeued_message() -> None:
    bench = Bench()
    bench.publish(1)
    leased = bench.lease()
    bench.settle("dead", leased)
    bench.do(control.requeue, leased[0].id)
    bench.lease()
    assert bench.settle("ack", leased) == ["lease_lost"]


def test_a_delayed_message_can_be_requeued_and_others_cannot() -> None:
    bench = Bench()
    [delayed] = bench.publish("a", delay=60)
    bench.do(control.requeue, delayed)
    assert states(delayed) == ["ready"]
    with pytest.raises(Conflict):
        bench.do(control.requeue, delayed)
    bench.lease()
    with pytest.raises(Conflict):
        bench.do(control.requeue, delayed)
    with pytest.raises(NotFound):
        bench.do(control.requeue, delayed + 1)
    assert bench.counts() == {"leased": 1}


def test_requeue_gives_an_expired_message_its_time_again(time: Time) -> None:
    bench = Bench(ttl=60, on_expire="dead")
    [expired] = bench.publish(1)
    time.advance(61)
    perform(duties.expire_messages)
    assert states(expired) == ["dead"]
    bench.do(control.requeue, expired)
    assert perform(duties.expire_messages) == 0
    time.advance(61)
    assert perform(duties.expire_messages) == 1


def test_requeue_and_delete_of_a_message_of_another_queue_is_not_found() -> None:
    bench, other = Bench(), Bench("other")
    [dead] = bench.kill(1)
    for verb in (control.requeue, control.delete_message):
        with pytest.raises(NotFound):
            other.do(verb, dead)
    assert states(dead) == ["dead"]


def test_requeue_wakes_the_dispatchers(told: list[events.Outcome]) -> None:
    bench = Bench()
    [dead] = bench.kill(1)
    told.clear()
    bench.do(control.requeue, dead)
    assert told[0].ready == {bench.row.pk}
    assert told[0].counts == {(events.REDRIVEN, bench.row.pk): 1}


def test_an_edited_copy_replaces_the_original_and_names_it() -> None:
    bench = Bench()
    [dead] = bench.kill("a")
    copy = bench.do(control.replace, dead, NewMessage(b'"better"'), publisher="ann")
    message, _ = browse.read(bench.row, copy)
    assert (message.parent, message.publisher, bytes(message.body)) == (dead, "ann", b'"better"')
    assert states(dead, copy) == ["gone", "ready"]
    assert (bench.counts(), Failure.objects.count()) == ({"ready": 1}, 0)


def test_an_edited_copy_that_is_refused_leaves_the_original() -> None:
    bench = Bench(max_length=1)
    [dead] = bench.kill("a")
    bench.publish("b", dedup_id="taken")
    with pytest.raises(QueueFull):
        bench.do(control.replace, dead, NewMessage(b"1"), publisher=None)
    with pytest.raises(Conflict):
        bench.do(control.replace, dead, NewMessage(b"1", dedup_id="taken"), publisher=None)
    assert bench.counts() == {"ready": 1, "dead": 1}


def test_rescheduling_moves_between_ready_and_scheduled_and_keeps_the_place(time: Time) -> None:
    bench = Bench()
    first, second = bench.publish(1, 2)
    bench.do(control.reschedule, first, due_at=time.now() + clock.seconds(60))
    assert (states(first, second), bench.counts()) == (["scheduled", "ready"], {"ready": 1, "scheduled": 1})
    bench.do(control.reschedule, first, due_at=time.now() + clock.seconds(10))
    time.advance(10)
    perform(duties.promote)
    assert bench.order() == [first, second]


def test_the_past_means_now(time: Time) -> None:
    bench = Bench()
    [delayed] = bench.publish(1, delay=60)
    bench.do(control.reschedule, delayed, due_at=0)
    message, _ = browse.read(bench.row, delayed)
    assert clock.from_datetime(message.due_at) == time.now()
    assert bench.counts() == {"ready": 1}
    bench.do(control.reschedule, delayed, due_at=0)
    assert bench.counts() == {"ready": 1}


def test_leased_and_dead_messages_cannot_be_rescheduled() -> None:
    bench = Bench()
    [dead] = bench.kill(1)
    [leased] = bench.publish(2)
    bench.lease()
    for message_id in (dead, leased):
        with pytest.raises(Conflict):
            bench.do(control.reschedule, message_id, due_at=0)


def test_ttl_counts_from_the_new_time_of_a_message_that_was_never_due(time: Time) -> None:
    bench = Bench(ttl=60)
    [delayed] = bench.publish(1, delay=10)
    due_at = time.now() + clock.seconds(1000)
    bench.do(control.reschedule, delayed, due_at=due_at)
    message, _ = browse.read(bench.row, delayed)
    assert message.expires_at is not None
    assert clock.from_datetime(message.expires_at) == due_at + clock.seconds(60)


def test_deleting_a_leased_message_loses_the_lease_and_returns_its_credit(told: list[events.Outcome]) -> None:
    bench = Bench()
    bench.publish(1)
    leased = bench.lease()
    told.clear()
    bench.do(control.delete_message, leased[0].id)
    assert told[0].ended == [leased[0].receipt]
    assert bench.settle("ack", leased) == ["lease_lost"]
    assert bench.counts() == {}


def test_deleting_a_message_deletes_its_failures() -> None:
    bench = Bench()
    [dead] = bench.kill(1)
    assert Failure.objects.count() == 1
    bench.do(control.delete_message, dead)
    assert Failure.objects.count() == 0


# Keys


def keyed() -> Bench:
    return Bench(keyed=True)


def test_deleting_the_head_of_a_key_readies_the_next() -> None:
    bench = keyed()
    first, second, third = bench.publish(1, 2, 3, key="k")
    bench.do(control.delete_message, second)
    assert states(first, third) == ["ready", "blocked"]
    bench.do(control.delete_message, first)
    assert states(third) == ["ready"]
    assert bench.counts() == {"ready": 1}


def test_a_requeued_message_joins_the_end_of_its_key() -> None:
    bench = keyed()
    [dead] = bench.kill(1, key="k")
    second, third = bench.publish(2, 3, key="k")
    bench.do(control.requeue, dead)
    assert states(dead, second, third) == ["blocked", "ready", "blocked"]
    handled = []
    while leased := bench.lease():
        handled.append(leased[0].id)
        bench.settle("ack", leased)
    assert handled == [second, third, dead]


def test_requeueing_the_backing_off_head_of_a_key_lets_the_next_go_first() -> None:
    bench = keyed()
    first, second = bench.publish(1, 2, key="k")
    bench.settle("nack", bench.lease(), delay=60)
    assert states(first, second) == ["scheduled", "blocked"]
    bench.do(control.requeue, first)
    assert states(first, second) == ["blocked", "ready"]
    assert bench.counts() == {"ready": 1, "blocked": 1}


def test_a_rescheduled_head_keeps_its_key() -> None:
    bench = keyed()
    first, second = bench.publish(1, 2, key="k")
    bench.do(control.reschedule, first, due_at=clock.now() + clock.seconds(60))
    assert states(first, second) == ["scheduled", "blocked"]
    bench.do(control.reschedule, first, due_at=0)
    assert states(first, second) == ["ready", "blocked"]
    with pytest.raises(Conflict):
        bench.do(control.reschedule, second, due_at=0)


def test_a_delayed_message_made_due_takes_its_place_at_the_end_of_its_key() -> None:
    bench = keyed()
    [delayed] = bench.publish(1, key="k", delay=60)
    second, third = bench.publish(2, 3, key="k")
    bench.do(control.reschedule, delayed, due_at=0)
    assert states(delayed, second, third) == ["blocked", "ready", "blocked"]
    bench.do(control.delete_message, second)
    assert states(delayed, third) == ["blocked", "ready"]


def test_a_delayed_message_made_due_behind_others_was_never_ready() -> None:
    bench = keyed()
    [delayed], _ = bench.publish(1, key="k", delay=60), bench.publish(2, key="k")
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMP TABLE became (s)")
        cursor.execute(
            "CREATE TEMP TRIGGER n AFTER UPDATE OF state ON main.brokerweb_queues_message "
            "BEGIN INSERT INTO became VALUES (new.state); END"
        )
        bench.do(control.reschedule, delayed, due_at=0)
        cursor.execute("SELECT s FROM became")
        assert cursor.fetchall() == [(State.BLOCKED,)]


def test_replacing_the_backing_off_head_frees_its_key_for_the_next() -> None:
    bench = keyed()
    first, second = bench.publish(1, 2, key="k")
    bench.settle("nack", bench.lease(), delay=60)
    copy = bench.do(control.replace, first, NewMessage(b"3", key="k"), publisher=None)
    assert states(first, second, copy) == ["gone", "ready", "blocked"]


# Two at once


@pytest.mark.parametrize("verbs", [(control.requeue, control.requeue), (control.requeue, control.delete_message)])
@pytest.mark.django_db(transaction=True)
def test_of_two_operators_at_once_the_second_sees_what_the_first_did(verbs: tuple) -> None:
    bench = Bench()
    dead = bench.kill(*range(20))
    failed: list[BrokerError] = []
    barrier = threading.Barrier(2)

    def work(verb) -> None:
        try:
            for message_id in dead:
                barrier.wait(10)
                try:
                    bench.do(verb, message_id)
                except BrokerError as error:
                    failed.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(verb,)) for verb in verbs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    if verbs[1] is control.requeue:
        assert [type(error) for error in failed] == [Conflict] * 20
        assert bench.counts() == {"ready": 20}
    else:
        assert {type(error) for error in failed} <= {NotFound}
        assert bench.counts() == {}


def test_a_publish_of_the_same_transaction_is_not_handed_over_past_what_was_requeued() -> None:
    class Eager:
        def has_room(self, queue_id):
            return True

        def reserve(self, queue_id, wanted):
            raise AssertionError("something ready waits before it")

        def reserve_all(self, queue_id):
            return []

        def cancel(self, takers):
            pass

    bench = keyed()
    [dead] = bench.kill(1, key="k")
    with transaction() as tx:
        readiness.tell(tx, bench.row.pk, idle=True)
        control.requeue(tx, "orders", dead)
        tx.handover = Eager()
        engine.publish(tx, "orders", [NewMessage(b"2")])


def test_an_unknown_queue_is_not_found_by_every_verb() -> None:
    verbs: list[tuple[Callable[..., Any], dict[str, Any]]] = [
        (control.delete, {}),
        (control.pause, {"reason": "", "by": ""}),
        (control.resume, {}),
        (control.purge, {"chosen": ALL}),
        (control.redrive, {"chosen": ALL}),
    ]
    for verb, kwargs in verbs:
        with pytest.raises(NotFound):
            perform(verb, "nowhere", **kwargs)
    with pytest.raises(Invalid):
        control.redrive_all("nowhere", parse({"states": ["ready"]}))
