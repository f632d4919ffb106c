"""The engine against a reference model: whatever is done in whatever order, every row and every count is the model's."""

from __future__ import annotations

import contextlib
import os
from typing import Any

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from brokerweb.core import clock
from brokerweb.core.errors import QueueFull
from queues import control, duties, engine
from queues.filters import parse
from queues.messages import NewMessage, Settle
from queues.states import State
from tests.contract.store import NO_JITTER, Store
from tests.contract.test_handover import FakeHandOver, Waiting
from tests.queues.bench import Time
from tests.queues.model import DEAD, LEASED, SCHEDULED, WAITING, Full, Model, New

RUNS, STEPS = int(os.environ.get("BROKERWEB_MODEL_RUNS", "100")), 40
NEWS = st.builds(
    New,
    priority=st.sampled_from([4, 4, 4, 9, 0]),
    key=st.sampled_from(["a", "a", "b", None]),
    delay=st.sampled_from([0, 0, 0, 1, 20]),
    ttl=st.sampled_from([None, None, 2, 40]),
    dedup_id=st.sampled_from([None, None, "x", "y"]),
)
COLUMNS = "id, state, priority, position, attempts, failures, holds_key, alone, due_at, expires_at, key"


class Unchecked(Store):
    """The model says all there is to say about the books."""

    def check_books(self) -> None: ...


class Crash(Exception):
    """The process dies before the commit."""


class Machine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.atomic = transaction.atomic()
        self.atomic.__enter__()
        self.store = Unchecked(Time())
        clock.install(self.store.time)
        self.receipts: list[tuple[int, int]] = []

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.atomic.__exit__(None, None, None)

    @initialize(
        keyed=st.booleans(),
        on_expire=st.sampled_from(["drop", "dead"]),
        failures=st.sampled_from([1, 3]),
        most=st.sampled_from([None, 6]),
    )
    def declare(self, keyed: bool, on_expire: str, failures: int, most: int | None) -> None:
        self.model = Model(keyed=keyed, on_expire=on_expire, max_failures=failures, max_length=most)
        self.model.now = self.store.time.now()
        given = {"keyed": keyed, "on_expire": on_expire, "max_failures": failures, "max_length": most, "backoff": NO_JITTER}
        queue, _ = self.store.do(control.declare, "orders", {**given, "overflow": "dead_letter_oldest"})
        self.queue_id = queue.pk
        self.store.do(lambda tx: tx.raw.execute("DELETE FROM sqlite_sequence WHERE name = 'queues_message'"))

    # Producers and consumers

    @rule(news=st.lists(NEWS, min_size=1, max_size=4), room=st.sampled_from([0, 0, 0, 1, 2]), acknowledge=st.booleans())
    def publish(self, news: list[New], room: int, acknowledge: bool) -> None:
        waiting = Waiting("ws:node/1/1", room, acknowledge=acknowledge)
        self.store.handover = FakeHandOver(waiting)
        messages = [NewMessage(b"1", key=n.key, priority=n.priority, delay=n.delay, ttl=n.ttl, dedup_id=n.dedup_id) for n in news]
        try:
            expected = self.model.publish(news, room, acknowledge)
        except Full:
            with pytest.raises(QueueFull):
                self.store.do(engine.publish, "orders", messages)
            return
        assert [tuple(a) for a in self.store.do(engine.publish, "orders", messages)] == expected
        self.receipts += [(m.id, 1) for _, handed in self.store.outcome.handed for m in handed]

    @rule(limit=st.integers(1, 3), acknowledge=st.sampled_from([True, True, True, False]), socket=st.booleans())
    def lease(self, limit: int, acknowledge: bool, socket: bool) -> None:
        terms = engine.Terms("ws:node/1/1" if socket else "rest:token", acknowledge=acknowledge)
        leased = [(m.id, m.attempts) for m in self.store.do(engine.lease, "orders", limit, terms).messages]
        assert leased == self.model.lease(limit, acknowledge)
        self.receipts += leased

    @precondition(lambda self: self.receipts)
    @rule(
        kind=st.sampled_from(["ack", "ack", "nack", "release", "dead", "extend", "lose"]),
        data=st.data(),
        delay=st.sampled_from([None, 0, 5]),
    )
    def settle(self, kind: Any, data: st.DataObject, delay: int | None) -> None:
        held = [(i.id, i.attempts) for i in self.model.of(LEASED)]
        id, attempts = data.draw(st.sampled_from(held or self.receipts) | st.sampled_from(self.receipts))
        [answer] = self.store.do(engine.settle, [Settle(kind, f"{self.queue_id}-{id}-{attempts}", delay=delay)])
        assert answer.status == self.model.settle(kind, id, attempts, delay)

    # Time

    @rule(seconds=st.sampled_from([1, 2, 5, 29, 31, 301]), duties_run=st.sampled_from([True, True, False]))
    def pass_time(self, seconds: int, duties_run: bool) -> None:
        self.model.now = self.store.time.advance(seconds)
        if duties_run:
            self.store.run_duties()
            self.model.duties()

    @rule(lost=st.integers(1, 100))
    def crash_and_restart(self, lost: int) -> None:
        """What was not committed never happened; sockets' leases are given back, the others run on for what they had left."""

        def die(tx: Any) -> None:
            engine.publish(tx, "orders", [NewMessage(b"1", key="a")] * 2)
            engine.lease(tx, "orders", 2, engine.Terms("w"))
            control.purge(tx, "orders", parse({}))
            raise Crash

        with contextlib.suppress(Crash, QueueFull):
            self.store.do(die)
        seen, self.model.now = self.model.now, self.store.time.advance(lost)
        self.store.do(duties.shift_leases, clock.seconds(lost), seen)
        with connection.cursor() as cursor:
            cursor.execute("SELECT id FROM queues_message WHERE state = 3 AND holder LIKE 'ws:%%'")
            of_sockets = [id for (id,) in cursor.fetchall()]
        while self.store.do(duties.release_sockets, 2):
            pass
        for item in self.model.of(LEASED):
            item.due += clock.seconds(lost) if item.due > seen else 0
            if item.id in of_sockets:
                self.model.put_back(item, 0)

    # Operators

    @rule(dead=st.booleans())
    def purge(self, dead: bool) -> None:
        names = ["dead"] if dead else ["ready", "scheduled", "blocked"]
        states = (DEAD,) if dead else WAITING
        assert self.store.do(control.purge, "orders", parse({"states": names})) == self.model.purge(*states)

    @rule()
    def redrive(self) -> None:
        dead = self.model.of(DEAD)
        assert self.store.do(control.redrive, "orders", parse({})) == len(dead)
        for item in dead:
            self.model.revive(item)

    @precondition(lambda self: self.model.of(DEAD, SCHEDULED))
    @rule(data=st.data())
    def requeue(self, data: st.DataObject) -> None:
        item = data.draw(st.sampled_from(self.model.of(DEAD, SCHEDULED)))
        self.store.do(control.requeue, "orders", item.id)
        self.model.revive(item)

    @precondition(lambda self: self.model.items)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        id = data.draw(st.sampled_from(sorted(self.model.items)))
        self.store.do(control.delete_message, "orders", id)
        self.model.remove(self.model.items[id])

    @rule()
    def pause_or_resume(self) -> None:
        if self.model.paused:
            self.store.do(control.resume, "orders")
        else:
            self.store.do(control.pause, "orders", reason="", by="me")
        self.model.paused = not self.model.paused

    # The comparison

    @invariant()
    def same(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {COLUMNS} FROM queues_message ORDER BY id")
            rows = [tuple(row) for row in cursor.fetchall()]
            cursor.execute("SELECT sum(scheduled), sum(ready), sum(blocked), sum(leased), sum(dead) FROM queues_queuecount")
            counts = [n or 0 for n in cursor.fetchone()]
            cursor.execute("SELECT count(*) FROM queues_failure WHERE message_id NOT IN (SELECT id FROM queues_message)")
            assert cursor.fetchone() == (0,)
        assert rows == [
            (i.id, i.state, i.priority, i.position, i.attempts, i.failures, i.holds, i.alone, i.due, i.expires, i.key)
            for i in self.model.of(*State)
        ]
        assert counts == [len(self.model.of(state)) for state in State]


@pytest.mark.django_db
def test_whatever_is_done_the_engine_does_as_the_model_does():
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=RUNS, stateful_step_count=STEPS, deadline=None, database=None, suppress_health_check=list(HealthCheck)
        ),
    )
