"""Claims that begin behind what others keep from being cleared away find whatever is ready, wherever it stands."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest
from django.db import connections

from brokerweb.queues import bounds, control, duties, engine, leasing, undoing
from brokerweb.queues.bulk import redrive
from brokerweb.queues.definitions import Q
from brokerweb.queues.filters import ALL
from brokerweb.queues.messages import Leased, NewMessage, Settle
from brokerweb.queues.models import Message
from brokerweb.storage.transaction import Transaction
from brokerweb.storage.transaction import transaction as unit
from tests.contract.store import NO_JITTER
from tests.queues.bench import Bench, Time
from tests.storage.desk import Desk
from tests.storage.test_postgres_statements import STATEMENTS

pytestmark = pytest.mark.usefixtures("on_postgres")
HOLDER = leasing.Terms("w", 30.0)


class Lane:
    """A committer whose claims have bounds, and look for higher ones every time."""

    def __init__(self, desk: Desk, bench: Bench, time: Time) -> None:
        self.desk, self.bench, self.time = desk, bench, time

    def run(self, verb: Callable[..., Any], *args: Any) -> Any:
        call = self.desk.run(verb, *args)
        assert call.error is None, call.error
        return call.result

    def publish(self, *bodies: object, **fields: Any) -> list[int]:
        messages = [NewMessage(str(body).encode(), **fields) for body in bodies]
        return [accepted.id for accepted in self.run(engine.publish, self.bench.name, messages)]

    def lease(self, limit: int = 100) -> list[Leased]:
        return list(self.run(leasing.lease, self.bench.name, limit, HOLDER).messages)

    def settle(self, kind: Any, messages: list[Leased], **fields: Any) -> None:
        self.run(engine.settle, [Settle(kind, str(message.receipt), **fields) for message in messages])

    def lows(self) -> list[int]:
        """As they are known."""
        found = self.run(lambda tx: bounds.of(tx, self.bench.row.pk))
        return list(found.lows)

    def pass_on(self) -> None:
        """Something comes and goes, until the bounds are behind all that was ready before."""
        for _ in range(4):
            self.publish("passing", priority=9)
            self.settle("ack", self.lease(1))

    def compare(self) -> None:
        """In one transaction: what is found with the bounds, and without."""

        def both(tx: Transaction) -> tuple[list[int], list[int], bool, bool]:
            asked = (self.bench.row.pk, True, 1000, 0, 1 << 30)
            plain = [row[0] for row in tx.rows(Q.claim, *asked)]
            own = [row[0] for row in bounds.claim(tx, *asked)]
            return plain, own, bool(tx.rows(Q.any_ready, asked[0])), bool(bounds.ask_any_ready(tx, asked[0])())

        plain, own, any_plain, any_own = self.run(both)
        assert own == plain
        assert any_own == any_plain == bool(plain)


@pytest.fixture
def lane(on_postgres: None, time: Time, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lane]:
    monkeypatch.setattr(bounds, "needed", True)
    monkeypatch.setattr(bounds, "EVERY", 0.0)
    monkeypatch.setattr(bounds, "AT_MOST", 0.0)
    desk = Desk()
    yield Lane(desk, Bench(backoff=NO_JITTER, max_failures=5), time)
    desk.committer.stop()


class Elsewhere:
    """A transaction of another process, which lasts."""

    def __init__(self, ends: ExitStack) -> None:
        self._thread = ends.enter_context(ThreadPoolExecutor(1))
        ends.callback(self._thread.submit, connections.close_all)
        self._open: Any = None

    def begin(self, verb: Callable[..., Any], *args: Any) -> Any:
        def begun() -> Any:
            self._open = unit()
            return verb(self._open.__enter__(), *args)

        return self._thread.submit(begun).result(20)

    def end(self, *, commit: bool = True) -> None:
        def ended() -> None:
            open, self._open = self._open, None
            if commit:
                open.__exit__(None, None, None)
            else:
                open.__exit__(ZeroDivisionError, ZeroDivisionError(), None)

        try:
            self._thread.submit(ended).result(20)
        except ZeroDivisionError:
            pass

    @property
    def open(self) -> bool:
        return self._open is not None


_SETS = re.compile(r"UPDATE brokerweb_queues_message SET (.*?)\bWHERE\b", re.S)


def test_whatever_makes_ready_where_something_stands_says_so() -> None:
    """A state that is not known in the text may be that of one that is ready."""
    made_ready: set[str] = set()
    for _, statement in STATEMENTS:
        for changes in _SETS.findall(statement.text.get("postgres", "")):
            assigned = dict(part.split(" = ", 1) for part in re.split(r",\s+(?=\w+ = )", changes.strip().replace('"', "")))
            if assigned.get("state", "3").startswith(("1", "$")):
                said = None if "position" in assigned else "true"
                if statement.name == "as_it_was":  # at the position that it had
                    said = "returned OR CAST($5 AS smallint) = 1"
                assert assigned.get("returned") == said, statement.name
                made_ready.add(statement.name)
    assert made_ready >= {"put_back", "promote", "unblock", "retime", "as_it_was", "revive", "transfer", "join_key"}


def test_bounds_rise_behind_what_is_taken(lane: Lane) -> None:
    before = lane.lows()
    for _ in range(4):
        lane.publish(*range(10), priority=3)
        lane.settle("ack", lane.lease())
    [last] = lane.publish("last", priority=3)
    lane.compare()
    lows = lane.lows()
    assert all(low > old for low, old in zip(lows, before, strict=True))
    assert lows[9 - 3] <= last
    assert [m.id for m in lane.lease()] == [last]


def expire(lane: Lane) -> None:
    lane.lease()
    lane.time.advance(31)
    lane.run(duties.expire_leases)
    come_due(lane)


def back_off(lane: Lane) -> None:
    lane.settle("nack", lane.lease())
    come_due(lane)


def requeue(lane: Lane) -> None:
    lane.settle("dead", lane.lease())
    for id in Message.objects.values_list("pk", flat=True):
        lane.run(control.requeue, lane.bench.name, id)


def redrive_all(lane: Lane) -> None:
    lane.settle("dead", lane.lease())
    lane.run(redrive, lane.bench.name, ALL)


def reschedule(lane: Lane) -> None:
    for later in (60, -1):
        due = lane.time.now() + later * 1_000_000
        for id in Message.objects.values_list("pk", flat=True):
            lane.run(lambda tx, id=id, due=due: control.reschedule(tx, lane.bench.name, id, due_at=due))


def come_due(lane: Lane) -> None:
    lane.time.advance(3600)
    lane.run(duties.promote)


BACK: dict[str, Callable[[Lane], None]] = {
    "released": lambda lane: lane.settle("release", lane.lease()),
    "nacked": lambda lane: lane.settle("nack", lane.lease(), delay=0),
    "lost": lambda lane: lane.settle("lose", lane.lease()),  # and goes out alone
    "expired": expire,
    "backed off": back_off,
    "requeued": requeue,
    "redriven": redrive_all,
    "rescheduled": reschedule,
}


@pytest.mark.parametrize("how", BACK)
def test_what_comes_back_to_a_place_that_was_passed_is_found(lane: Lane, how: str) -> None:
    old = lane.publish("old", "older")
    held = [m for m in lane.lease() if m.id in old]
    lane.pass_on()
    assert max(lane.lows()) > old[0]
    lane.settle("release", held)
    BACK[how](lane)
    lane.compare()
    assert {m.id for _ in old for m in lane.lease()} == set(old)


def test_what_was_delayed_is_found_when_it_is_due(lane: Lane) -> None:
    old = lane.publish("old", delay=60)
    lane.pass_on()
    come_due(lane)
    lane.compare()
    assert [m.id for m in lane.lease()] == old


def test_an_act_that_is_taken_back_is_found(lane: Lane) -> None:
    [id] = lane.publish("old", delay=600)
    before = lane.run(undoing.requeue, lane.bench.name, id)
    lane.pass_on()
    lane.run(undoing.undo_requeue, lane.bench.name, before)
    come_due(lane)
    lane.compare()
    assert [m.id for m in lane.lease()] == [id]


def test_what_is_committed_late_is_found(lane: Lane) -> None:
    """Its position was taken long before."""
    with ExitStack() as ends:
        elsewhere = Elsewhere(ends)
        [late] = elsewhere.begin(engine.publish, lane.bench.name, [NewMessage(b"late")])
        lane.pass_on()
        elsewhere.end()
        lane.compare()
        assert [m.id for m in lane.lease()] == [late.id]


def test_what_a_claim_takes_that_comes_to_nothing_is_found(lane: Lane) -> None:
    lane.pass_on()
    ids = lane.publish("old")

    def fails(tx: Transaction) -> None:
        assert leasing.lease(tx, lane.bench.name, 10, HOLDER).messages
        assert not leasing.lease(tx, lane.bench.name, 10, HOLDER).messages
        raise ZeroDivisionError

    for _ in range(3):
        assert lane.desk.run(fails).error is not None
        lane.compare()
    assert {m.id for m in lane.lease()} >= set(ids)


class Happenings:
    """What happens to a queue by turns: by its lane, and in transactions that last, begin late and come to nothing."""

    def __init__(self, lane: Lane, seed: int, ends: ExitStack) -> None:
        self.lane, self.chance, self.held = lane, random.Random(seed), list[Leased]()
        self.others = [Elsewhere(ends) for _ in range(2)]

    def elsewhere(self) -> None:
        other = self.chance.choice(self.others)
        if other.open:
            other.end(commit=self.chance.random() < 0.7)
        elif self.chance.random() < 0.7:
            other.begin(engine.publish, self.lane.bench.name, [NewMessage(b"1", priority=self.chance.choice([4, 4, 9, 0]))])
        else:
            other.begin(leasing.lease, self.lane.bench.name, 2, HOLDER)

    def publish(self) -> None:
        self.lane.publish(*range(self.chance.randint(1, 5)), priority=self.chance.choice([4, 4, 9]))

    def delay(self) -> None:
        self.lane.publish(1, delay=self.chance.choice([1, 60]))

    def lease(self) -> None:
        self.held += self.lane.lease(self.chance.randint(1, 5))

    def settle(self) -> None:
        if self.held:
            kind = self.chance.choice(["ack", "ack", "ack", "nack", "release", "lose", "dead"])
            message = self.held.pop(self.chance.randrange(len(self.held)))
            self.lane.settle(kind, [message], delay=0 if kind == "nack" else None)

    def come_due(self) -> None:
        self.lane.time.advance(2)
        self.lane.run(duties.promote)

    def redrive(self) -> None:
        self.lane.run(redrive, self.lane.bench.name, ALL)


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_hidden_whatever_happens(lane: Lane, seed: int) -> None:
    with ExitStack() as ends:
        them = Happenings(lane, seed, ends)
        acts = [
            *(them.elsewhere, them.publish, them.delay, them.come_due, them.redrive),
            *(them.lease, them.lease, them.settle, them.settle, them.settle),
        ]
        for _ in range(120):
            them.chance.choice(acts)()
            lane.compare()
        assert max(lane.lows()) > 0
        for other in them.others:
            if other.open:
                other.end()
        lane.compare()
