"""The engine against a reference model: whatever is done in whatever order, every row and every count is the model's."""

from __future__ import annotations

import contextlib
import copy
import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from brokerweb.answers.timeline import timeline
from brokerweb.core import clock
from brokerweb.handout.lease import lease_to_takers
from brokerweb.identity.masks import CLEAR
from brokerweb.queues import browse, control, duties, engine, leasing, settled, settling
from brokerweb.queues.filters import parse
from brokerweb.queues.messages import NewMessage, Settle
from brokerweb.queues.models import Queue
from brokerweb.queues.states import State
from brokerweb.storage.transaction import Transaction
from tests.postgres import empty
from tests.queues.books import BLOCKED, DEAD, LEASED, READY, SCHEDULED, WAITING, New, Refused, S, Settings, Shared, Taker
from tests.queues.draws import ACTIONS, CHANGES, KINDS, NEWS, SETTINGS, TAKERS, TOGETHER
from tests.queues.model import Model
from tests.queues.rig import NOTE_NO_MORE, Call, Crash, Rig, Waiters, row, terms, want

RUNS, STEPS = int(os.environ.get("BROKERWEB_MODEL_RUNS", "90")), 40
Step = tuple[Call, Any]  # what the engine is to do, and what the model says that it answers


class Machine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        # Where there are several writers a caller's own transaction is another thing.
        self.atomic = contextlib.nullcontext() if connection.vendor == "postgresql" else transaction.atomic()
        self.atomic.__enter__()
        self.store = Rig()
        clock.install(self.store.time)
        self.receipts: list[tuple[str, int, int]] = []
        self.looked_at: dict[int, int] = {}  # how much had happened to each message

    def teardown(self) -> None:
        if self.store.several:
            empty()
        else:
            transaction.set_rollback(True)
        self.atomic.__exit__(None, None, None)

    @initialize(orders=SETTINGS, spare=SETTINGS)
    def declare(self, orders: Settings, spare: Settings) -> None:
        self.shared = Shared(self.store.time.now(), several=self.store.several)
        self.models = {"orders": Model(self.shared, orders), "spare": Model(self.shared, spare)}
        self.ids = {name: self.store.do(control.declare, name, vars(m.settings))[0].pk for name, m in self.models.items()}
        if not self.store.several:
            self.store.do(lambda tx: tx.raw.execute("DELETE FROM sqlite_sequence WHERE name = 'brokerweb_queues_message'"))

    @rule(action=st.sampled_from(ACTIONS), data=st.data())
    def act(self, action: str, data: st.DataObject) -> None:
        """One rule for all, since Hypothesis leaves rules out of whole runs, and a run without publishing shows nothing."""
        self.name = data.draw(st.sampled_from(["orders", "orders", "orders", "spare"]))
        self.model = self.models[self.name]
        if self.store.several:  # numbers that were given and undone are given to nobody else
            self.shared.last = self.store.last_number()
        self.store.told.clear()
        ready, held, due = self.ready(), self.held(), self.next_due()
        self.begin(data.draw(st.lists(TAKERS, max_size=3) if data.draw(st.booleans()) else st.just([])))
        if steps := getattr(self, action)(data.draw) or []:
            assert self.store.together([call for call, _ in steps]) == [expected for _, expected in steps]
            self.check_handed()
        self.check_told(ready, held, due)

    def begin(self, takers: list[Taker]) -> None:
        """A commit, with these waiting."""
        self.takers = takers
        for model in self.models.values():
            model.idle, model.handed = None, []
        self.store.handover = Waiters({id: takers if name == self.name else [] for name, id in self.ids.items()})

    # Producers and consumers

    def several(self, draw: Any) -> list[Step]:
        """What the committer has taken together."""
        return [step for _ in range(draw(st.integers(2, 4))) for step in getattr(self, draw(st.sampled_from(TOGETHER)))(draw)]

    def publish(self, draw: Any) -> list[Step]:
        news = draw(st.lists(NEWS, min_size=1, max_size=4))
        if draw(st.booleans()):  # alike, so that what befalls the head of a key befalls those behind it
            news = [replace(n, key=news[0].key, ttl=news[0].ttl) for n in news]
        name, expected = self.name, self.refusable(lambda: self.model.publish(news, self.takers))
        return [(lambda tx: [(a.id, a.duplicate) for a in engine.publish(tx, name, [_new(tx, n) for n in news])], expected)]

    def lease(self, draw: Any) -> list[Step]:
        limit, taker = draw(st.integers(1, 5)), draw(TAKERS)
        how, expected = terms(taker), self.model.lease(limit, taker)
        self.remember(expected)
        name = self.name
        return [(lambda tx: _pairs(leasing.lease(tx, name, limit, how).messages), expected)]

    def lease_round(self, draw: Any) -> list[Step]:
        takers = draw(st.lists(TAKERS, min_size=1, max_size=3))
        wants = [want(taker) for taker in takers]
        parts, alone = self.model.lease_round(takers)
        self.remember(*parts)
        id = self.ids[self.name]

        def call(tx: Any) -> Any:
            handed, left = leasing.lease_round(tx, id, wants)
            return [_pairs(part) for part in handed], left.alone

        return [(call, (parts, alone))]

    def lease_alone(self, draw: Any) -> list[Step]:
        taker = draw(TAKERS)
        how, expected = terms(taker), self.model.lease_alone(taker)
        self.remember(expected)
        id = self.ids[self.name]
        return [(lambda tx: _pairs(engine.lease_alone(tx, id, how).messages), expected)]

    def serve(self, draw: Any) -> list[Step]:
        parts = self.model.serve([taker for taker in self.takers if taker.room])
        self.remember(*parts)
        id = self.ids[self.name]
        return [(lambda tx: lease_to_takers(tx, id) and None, None)]

    def settle(self, draw: Any) -> list[Step]:
        held = [(name, i.id, i.attempts) for name, m in self.models.items() for i in m.of(LEASED)]
        if not held and (not self.receipts or draw(st.integers(0, 3))):
            return self.lease(draw)
        kinds, receipts = KINDS, self.some_receipts(draw, held) if draw(st.booleans()) else draw(st.permutations(held))
        if draw(st.integers(0, 3)) == 0:  # as most frames have them
            kinds, receipts = ["ack"], [r for r in receipts if (r[0], r[2]) == (receipts[0][0], receipts[0][2])]
        settles = [(draw(st.sampled_from(kinds)), *r) for r in receipts]
        options = {"delay": draw(st.sampled_from([None, 0, 5])), "lease": draw(st.sampled_from([None, 2]))}
        only = draw(st.sampled_from([None, None, *self.models]))
        expected = [
            self.models[name].settle(kind, id, attempts, options) if only in (None, name) else "lease_lost"
            for kind, name, id, attempts in settles
        ]
        given = [Settle(kind, f"{self.ids[name]}-{id}-{n}", **options) for kind, name, id, n in settles]
        return [(lambda tx: [answer.status for answer in engine.settle(tx, given, queue=only)], expected)]

    def some_receipts(self, draw: Any, held: list[tuple[str, int, int]]) -> list[tuple[str, int, int]]:
        stale = [r for r in self.receipts if r not in held and r[1] in [id for _, id, _ in held]]
        return draw(st.lists(st.sampled_from(held * 3 + stale * 2 + self.receipts[-2:]), min_size=1, max_size=2))

    # Time

    def pass_time(self, draw: Any) -> None:
        seconds, duties_run = draw(st.sampled_from([1, 2, 5, 29, 31, 301])), draw(st.sampled_from([True, True, False]))
        self.shared.now = self.store.time.advance(seconds)
        if duties_run:
            self.store.run_duties()
            self.shared.promote()
            for model in self.models.values():
                model.expire_leases()
                model.expire_waiting()
                model.forget_kept()

    def set_wall(self, draw: Any) -> None:
        ahead = draw(st.sampled_from([0, 3600, -7200, 15, -15]))
        self.store.time.set_wall(ahead)
        self.shared.walls.append((self.shared.now, ahead * S))

    def crash_and_restart(self, draw: Any) -> None:
        """What was not committed never happened; sockets' leases are given back, the others run on for what they had left."""
        saved, rooms = self.save(), self.store.handover.rooms()  # type: ignore[union-attr]  # this store hands over
        with contextlib.suppress(Crash):
            self.store.together([call for call, _ in self.several(draw)], crash=True)
        assert self.store.handover.rooms() == rooms  # type: ignore[union-attr]  # this store hands over
        self.bring_back(saved)
        lost, seen = draw(st.integers(1, 100)), self.shared.now
        self.shared.now = self.store.time.advance(lost)
        self.store.do(duties.shift_leases, clock.seconds(lost), seen)
        while self.store.do(duties.release_sockets, 2):
            pass
        for model in self.models.values():
            model.restart(lost, seen)

    # Operators

    def purge(self, draw: Any) -> list[Step]:
        names, chosen, given = self.filter(draw)
        states = [state for state in State if state.name.lower() in names] or WAITING
        name, expected = self.name, self.model.purge(states, *chosen)
        return [(lambda tx: control.purge(tx, name, parse({"states": names or None, **given})), expected)]

    def redrive(self, draw: Any) -> list[Step]:
        _, chosen, given = self.filter(draw)
        name, to = self.name, draw(st.sampled_from([None, *self.models]))
        expected = self.model.redrive(self.models[to or name], *chosen)
        return [(lambda tx: control.redrive(tx, name, parse(given), to=to), expected)]

    def filter(self, draw: Any) -> tuple[list[str], tuple[Any, Any], dict[str, Any]]:
        """Names of states, key and ids; and the latter two as they are given."""
        names = draw(st.lists(st.sampled_from([s.name.lower() for s in State]), max_size=3, unique=True))
        key = draw(st.sampled_from([None, None, None, "a"]))
        ids = draw(st.sampled_from([None, None, None, sorted(self.model.items)[::2]]))
        return names, (key, ids), {"key": key, "ids": ids}

    def requeue(self, draw: Any) -> list[Step]:
        name, id = self.name, self.any_id(draw, DEAD, SCHEDULED)
        expected = self.refusable(lambda: self.model.requeue(id))
        return [(lambda tx: control.requeue(tx, name, id), expected)]

    def replace(self, draw: Any) -> list[Step]:
        name, id, new = self.name, self.any_id(draw, DEAD, SCHEDULED), draw(NEWS)
        expected = self.refusable(lambda: self.model.replace(id, new, self.takers))
        return [(lambda tx: control.replace(tx, name, id, _new(tx, new), publisher=None), expected)]

    def reschedule(self, draw: Any) -> list[Step]:
        name, id = self.name, self.any_id(draw, READY, SCHEDULED)
        due, stated = self.shared.now + draw(st.sampled_from([-1, 0, 1, 10, 4000])) * S, draw(st.booleans())
        given = {"deliver_at": due - self.shared.now + self.shared.wall} if stated else {"due_at": due}
        expected = self.refusable(lambda: self.model.reschedule(id, due, stated=stated))
        return [(lambda tx: control.reschedule(tx, name, id, **given), expected)]

    def delete(self, draw: Any) -> list[Step]:
        name, id = self.name, self.any_id(draw, BLOCKED, LEASED)
        expected = self.refusable(lambda: self.model.delete(id))
        return [(lambda tx: control.delete_message(tx, name, id), expected)]

    def any_id(self, draw: Any, *states: int) -> int:
        """Mostly of a message in one of these states, and rather of one that was handed out before."""
        likely = [i.id for i in self.model.of(*states) for _ in range(9 if i.attempts else 3)]
        return draw(st.sampled_from(likely + sorted(self.model.items) + [1]))

    def pause_or_resume(self, draw: Any) -> None:
        if self.model.paused:
            self.store.do(control.resume, self.name)
        else:
            self.store.do(control.pause, self.name, reason="", by="me")
        self.model.paused = not self.model.paused

    def change(self, draw: Any) -> list[Step]:
        name, changes = self.name, draw(st.sampled_from(CHANGES))
        expected = self.refusable(lambda: self.model.change(changes))
        return [(lambda tx: control.declare(tx, name, changes, create=False) and None, expected)]

    # The model's own

    def refusable(self, verb: Any) -> Any:
        """What the model answers; where it refuses, nothing has happened."""
        saved = self.save()
        try:
            return verb()
        except Refused as refused:
            self.bring_back(saved)
            return str(refused)

    def save(self) -> Any:
        told = {id: [*entries] for id, entries in self.shared.told.items()}
        return (
            self.shared.last,
            told,
            [
                (m, {i: copy.copy(item) for i, item in m.items.items()}, m.known.copy(), m.kept.copy())
                for m in self.models.values()
            ],
        )

    def bring_back(self, saved: Any) -> None:
        self.shared.last, told, models = saved
        self.shared.told = defaultdict(list, told)
        for model, items, known, kept in models:
            model.items, model.known, model.kept = items, known, kept

    def remember(self, *parts: list[tuple[int, int]]) -> None:
        self.receipts += [(self.name, id, attempts) for part in parts for id, attempts in part]

    def ready(self) -> set[tuple[str, int]]:
        return {(name, i.id) for name, m in self.models.items() for i in m.of(READY)}

    def held(self) -> set[str]:
        return {f"{self.ids[name]}-{i.id}-{i.attempts}" for name, m in self.models.items() for i in m.of(LEASED)}

    def next_due(self) -> int:
        return min(m.next_due() for m in self.models.values())

    # The comparison

    def check_handed(self) -> None:
        handed = [(taker.holder, [m.id for m in messages]) for o in self.store.told for taker, messages in o.handed if messages]
        assert handed == [(holder, ids) for holder, ids in self.model.handed if ids]
        assert self.store.handover.rooms() == [(t.holder, t.room, t.unsettled) for t in self.takers]  # type: ignore[union-attr]  # this store hands over

    def check_told(self, ready: set[tuple[str, int]], held: set[str], due: int) -> None:
        """Dispatchers heard of what became ready, credit of every lease that ended, duties of what is due sooner."""
        told = self.store.told
        assert {self.ids[name] for name, _ in self.ready() - ready} <= {id for outcome in told for id in outcome.ready}
        ended = [receipt for outcome in told for receipt in outcome.ended]
        assert held - self.held() <= set(ended)
        assert not self.held() & set(ended)
        assert len(set(ended)) == len(ended)
        if (sooner := self.next_due()) < due:
            assert min(outcome.due_at for outcome in told if outcome.due_at is not None) <= sooner

    def check_timelines(self) -> None:
        """What happened last to a message stands in its timeline where it belongs, with all that is kept of what was before."""
        for name, model in self.models.items():
            queue = Queue(pk=self.ids[name], name=name)
            for id, item in model.items.items():
                if self.is_news(id):
                    self.check_timeline(queue, id, browse.read(queue, id), dead=item.state == DEAD)
            for id, (outcome, _) in model.kept.items():
                if self.is_news(id) and outcome != "moved":  # where it is now is what goes on with what happened
                    self.check_timeline(queue, id, settled.read(queue, id), dead=False)
        self.looked_at = {id: len(told) for id, told in self.shared.told.items()}

    def is_news(self, id: int) -> bool:
        told = self.shared.told[id]
        return len(told) > self.looked_at.get(id, 0) and told[-1].event not in ("published", "leased", "extended")

    def check_timeline(self, queue: Queue, id: int, found: Any, *, dead: bool) -> None:
        message, failures = found
        entries, truncated = timeline(queue, id, message, failures, CLEAR)
        assert [(entry["event"], entry["attempt"] or 0) for entry in entries] == self.known(id, dead=dead)
        assert not truncated

    def known(self, id: int, *, dead: bool) -> list[tuple[str, int]]:
        """What is written, and what rows know: how it was published, how it failed, that it is dead, how it ended."""
        told = self.shared.told[id]
        last = max((i for i, entry in enumerate(told) if entry.event == "dead"), default=-1) if dead else -1
        of_rows = ("published", "nacked", "lease_expired", "consumer_lost")
        return [
            (entry.event, entry.attempt)
            for i, entry in enumerate(told)
            if entry.written or entry.ends or entry.event in of_rows or entry.rejected or i == last
        ]

    @invariant()
    def same(self) -> None:
        for name, model in self.models.items():
            assert self.store.rows(self.ids[name]) == [row(i) for i in model.of(*State)]
            assert self.store.counts(self.ids[name]) == [len(model.of(state)) for state in State]
            assert self.store.kept(self.ids[name]) == model.kept
        written = {id: [(e.event, e.attempt, e.ends) for e in entries if e.written] for id, entries in self.shared.told.items()}
        assert self.store.events() == {id: entries for id, entries in written.items() if entries}
        self.store.check_leftovers()
        self.check_timelines()


def _new(tx: Transaction, n: New) -> NewMessage:
    delay, at = (n.delay, None) if n.stated is None else (None, tx.wall + n.stated * S)
    ttl = None if n.ttl is None else float(n.ttl)
    return NewMessage(b"1", key=n.key, priority=n.priority, delay=delay, deliver_at=at, ttl=ttl, dedup_id=n.dedup_id)


def _pairs(messages: list[Any]) -> list[tuple[int, int]]:
    return [(m.id, m.attempts) for m in messages]


@pytest.fixture(params=["db", "on_postgres"])
def runs(request: pytest.FixtureRequest) -> Iterator[int]:
    request.getfixturevalue(request.param)
    yield RUNS if request.param == "db" else max(1, RUNS // 10)
    if request.param != "db":
        with connection.cursor() as cursor:
            cursor.execute(NOTE_NO_MORE)


def test_whatever_is_done_the_engine_does_as_the_model_does(runs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settling, "TOGETHER", 2)  # as many leases of one queue and attempt are seldom acknowledged at once
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=runs,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            # A failure is made smaller on SQLite alone: there it takes seconds.
            phases=[Phase.generate, Phase.shrink] if connection.vendor == "sqlite" else [Phase.generate],
        ),
    )
