"""The engine against a reference model: whatever is done in whatever order, every row and every count is the model's."""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from brokerweb.core import clock
from brokerweb.core.errors import QueueFull
from queues import control, duties, engine
from queues.filters import parse
from queues.messages import NewMessage, Settle
from queues.states import ARROWS, State
from tests.contract.store import NO_JITTER, Store
from tests.contract.test_handover import FakeHandOver, Waiting
from tests.queues.bench import Time
from tests.queues.model import DEAD, LEASED, SCHEDULED, WAITING, Full, Model, New

RUNS, STEPS = int(os.environ.get("BROKERWEB_MODEL_RUNS", "100")), 40
NEWS = st.builds(
    New,
    priority=st.sampled_from([4, 4, 4, 9, 0]),
    key=st.sampled_from(["a", "a", "b", None]),
    delay=st.sampled_from([0, 0, 0, 0, 0, 1, 20]),
    ttl=st.sampled_from([None, None, None, 2, 40]),
    dedup_id=st.sampled_from([None, None, None, None, None, None, "x", "y"]),
)
OFTEN = {"publish": 6, "lease": 6, "settle": 8, "pass_time": 5}
SELDOM = ["crash_and_restart", "purge", "redrive", "requeue", "delete", "pause_or_resume"]
ACTIONS = [action for action, n in OFTEN.items() for _ in range(n)] + SELDOM
NOTE_CHANGES = (
    "CREATE TEMP TABLE changed (old, new)",
    "CREATE TEMP TRIGGER note AFTER UPDATE OF state ON main.queues_message WHEN old.state <> new.state"
    " BEGIN INSERT INTO changed VALUES (old.state, new.state); END",
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
        with connection.cursor() as cursor:
            for statement in NOTE_CHANGES:
                cursor.execute(statement)

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

    @rule(action=st.sampled_from(ACTIONS), data=st.data())
    def act(self, action: str, data: st.DataObject) -> None:
        """One rule for all, since Hypothesis leaves rules out of whole runs, and a run without publishing shows nothing."""
        getattr(self, action)(data.draw)

    # Producers and consumers

    def publish(self, draw: Any) -> None:
        news = draw(st.lists(NEWS, min_size=1, max_size=4))
        if draw(st.booleans()):  # alike, so that what befalls the head of a key befalls those behind it
            news = [replace(n, key=news[0].key, ttl=news[0].ttl) for n in news]
        room, acknowledge = draw(st.sampled_from([0, 0, 0, 1, 2])), draw(st.booleans())
        waiting = Waiting("ws:node/1/1", room, acknowledge=acknowledge)
        self.store.handover = FakeHandOver(waiting)
        messages = [NewMessage(b"1", key=n.key, priority=n.priority, delay=n.delay, ttl=n.ttl, dedup_id=n.dedup_id) for n in news]
        try:
            expected = self.model.publish(news, room, acknowledge)
        except Full:
            with pytest.raises(QueueFull):
                self.store.do(engine.publish, "orders", messages)
            return
        assert [(a.id, a.duplicate) for a in self.store.do(engine.publish, "orders", messages)] == expected
        self.receipts += [(m.id, 1) for _, handed in self.store.outcome.handed for m in handed]

    def lease(self, draw: Any) -> None:
        limit, acknowledge = draw(st.integers(1, 3)), draw(st.sampled_from([True, True, True, False]))
        terms = engine.Terms(draw(st.sampled_from(["ws:node/1/1", "rest:token"])), acknowledge=acknowledge)
        leased = [(m.id, m.attempts) for m in self.store.do(engine.lease, "orders", limit, terms).messages]
        assert leased == self.model.lease(limit, acknowledge)
        self.receipts += leased

    def settle(self, draw: Any) -> None:
        held = [(i.id, i.attempts) for i in self.model.of(LEASED)]
        if not held and (not self.receipts or draw(st.integers(0, 3))):
            self.lease(draw)
            return
        kind: Any = draw(st.sampled_from(["ack", "ack", "nack", "release", "dead", "extend", "lose", "lose"]))
        delay = draw(st.sampled_from([None, 0, 5]))
        stale = [r for r in self.receipts if r not in held and r[0] in dict(held)]
        id, attempts = draw(st.sampled_from(held * 3 + stale * 2 + self.receipts[-2:]))
        [answer] = self.store.do(engine.settle, [Settle(kind, f"{self.queue_id}-{id}-{attempts}", delay=delay)])
        assert answer.status == self.model.settle(kind, id, attempts, delay)

    # Time

    def pass_time(self, draw: Any) -> None:
        seconds, duties_run = draw(st.sampled_from([1, 2, 5, 29, 31, 301])), draw(st.sampled_from([True, True, False]))
        self.model.now = self.store.time.advance(seconds)
        if duties_run:
            self.store.run_duties()
            self.model.duties()

    def crash_and_restart(self, draw: Any) -> None:
        """What was not committed never happened; sockets' leases are given back, the others run on for what they had left."""
        lost = draw(st.integers(1, 100))

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

    def purge(self, draw: Any) -> None:
        dead = draw(st.booleans())
        names = ["dead"] if dead else ["ready", "scheduled", "blocked"]
        states = (DEAD,) if dead else WAITING
        assert self.store.do(control.purge, "orders", parse({"states": names})) == self.model.purge(*states)

    def redrive(self, draw: Any) -> None:
        dead = self.model.of(DEAD)
        assert self.store.do(control.redrive, "orders", parse({})) == len(dead)
        for item in dead:
            self.model.revive(item)

    def requeue(self, draw: Any) -> None:
        if not (items := self.model.of(DEAD, SCHEDULED)):
            return
        item = draw(st.sampled_from(items))
        self.store.do(control.requeue, "orders", item.id)
        self.model.revive(item)

    def delete(self, draw: Any) -> None:
        if not self.model.items:
            return
        id = draw(st.sampled_from(sorted(self.model.items)))
        self.store.do(control.delete_message, "orders", id)
        self.model.remove(self.model.items[id])

    def pause_or_resume(self, draw: Any) -> None:
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
            cursor.execute("SELECT DISTINCT old, new FROM changed")
            arrows = {(State(old), State(new)) for old, new in cursor.fetchall()}
        assert [(old, new) for old, new in arrows if new not in ARROWS[old]] == []
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
