"""Verdicts of random states, against a slow reference that looks at every row and every taker."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokerweb.answers import verdicts
from brokerweb.answers.verdicts import of_queue, reading
from brokerweb.core import clock
from brokerweb.core.errors import QueueFull
from brokerweb.delivery import consumers
from brokerweb.delivery.consumers import Taking
from brokerweb.identity.principal import broker_itself
from brokerweb.queues import control, duties, engine, leasing
from brokerweb.queues.activity import Seen, activity
from brokerweb.queues.engine import Terms
from brokerweb.queues.messages import NewMessage, Settle
from brokerweb.queues.models import Message, Queue
from brokerweb.queues.states import State
from brokerweb.storage.reading import read
from brokerweb.storage.run import perform
from tests.answers.examples import examples, undone
from tests.contract.store import NO_JITTER
from tests.queues.bench import Time

pytestmark = pytest.mark.usefixtures("database")

ROOT = broker_itself()
NEW = st.builds(
    NewMessage,
    body=st.just(b"1"),
    priority=st.sampled_from([4, 4, 9, 0]),
    key=st.sampled_from(["a", "a", "b", None]),
    delay=st.sampled_from([None, None, None, 3, 90]),
    ttl=st.sampled_from([None, None, None, 4, 40]),
)
LEASE = st.tuples(st.just("lease"), st.integers(1, 3), st.sampled_from([5.0, 100.0]))
SETTLE = st.tuples(st.just("settle"), st.sampled_from(["ack", "nack", "release", "dead", "lose", "extend"]), st.integers(0, 5))
STEP = st.one_of(
    st.tuples(st.just("publish"), st.lists(NEW, min_size=1, max_size=4)),
    LEASE,
    LEASE,
    SETTLE,
    SETTLE,
    st.tuples(st.just("advance"), st.sampled_from([0.5, 2.0, 10.0, 70.0]), st.booleans()),
    st.tuples(st.just("pause"), st.booleans()),
)
AGO = st.one_of(st.none(), st.sampled_from([0.0, 0.5, 3.0, 19.0, 25.0, 61.0, 4000.0]))
TAKER = st.tuples(st.integers(0, 3), st.sampled_from([None, 3, 3]), st.booleans(), AGO, AGO)
SEEN = st.tuples(AGO, AGO, AGO)
SETTINGS = st.fixed_dictionaries(
    {"keyed": st.booleans(), "lease": st.sampled_from([1, 30, 300]), "max_failures": st.sampled_from([1, 3, None])},
    optional={"max_length": st.integers(1, 6)},
)


class World:
    """One queue, what is done to it, and who takes from it as the test says."""

    def __init__(self, time: Time, settings: dict[str, Any]) -> None:
        self.time = time
        perform(control.declare, "orders", {"backoff": NO_JITTER, **settings})
        self.receipts: list[str] = []

    def step(self, what: str, *args: Any) -> None:
        getattr(self, what)(*args)

    def publish(self, messages: list[NewMessage]) -> None:
        with suppress(QueueFull):
            perform(engine.publish, "orders", messages)

    def lease(self, limit: int, length: float) -> None:
        leased = perform(leasing.lease, "orders", limit, Terms("rest:token:1", length)).messages
        self.receipts += [str(message.receipt) for message in leased]

    def settle(self, kind: Any, n: int) -> None:
        if self.receipts:
            perform(engine.settle, [Settle(kind, self.receipts[n % len(self.receipts)])])

    def advance(self, seconds: float, duly: bool) -> None:
        self.time.advance(seconds)
        for duty in (duties.promote, duties.expire_leases, duties.expire_messages) if duly else ():
            perform(duty)

    def pause(self, paused: bool) -> None:
        perform(control.pause, "orders", reason="", by="ada") if paused else perform(control.resume, "orders")

    def before(self, ago: float | None) -> int | None:
        return None if ago is None else self.time.now() - clock.seconds(ago)


class Reference:
    """What is expected, found out by looking at everything."""

    def __init__(self, now: int, takers: list[Taking], seen: Seen) -> None:
        self.now, self.takers, self.seen = now, takers, seen
        self.queue = Queue.objects.get(name="orders")
        self.rows = list(Message.objects.filter(queue=self.queue))
        self.ready = sorted(self.in_state(State.READY), key=lambda m: (-m.priority, m.position))

    def in_state(self, state: State) -> list[Message]:
        return [row for row in self.rows if row.state == state]

    def age(self, at: int) -> float:
        return max(0, self.now - at) / clock.SECOND

    @property
    def asked(self) -> bool:
        if self.seen.asked_at is None:
            return False
        elsewhere = len(self.in_state(State.LEASED)) > sum(taker.unsettled for taker in self.takers)
        allowed = max(20.0, self.queue.lease) if elsewhere else 20.0
        return self.age(self.seen.asked_at) < allowed

    @property
    def full(self) -> bool:
        return bool(self.takers) and not self.asked and all(taker.full for taker in self.takers)

    def of_ready(self, message: Message) -> list[str]:
        codes = ["paused"] * (self.queue.paused_at is not None)
        codes += ["no_consumer"] * (not self.takers and not self.asked)
        codes += ["consumers_full"] * self.full
        codes += ["alone"] * bool(message.alone)
        codes += ["waiting"] * (self.ready.index(message) > 0)
        return codes or ["next"]

    def of(self, message: Message) -> tuple[list[str], int | None]:
        """The codes, and how many are before it."""
        expires = None if message.expires_at is None else clock.from_datetime(message.expires_at)
        if message.state == State.DEAD:
            return ["dead"], None
        if expires is not None and expires <= self.now:
            return ["expiring"] + ["leased"] * (message.state == State.LEASED), None
        if message.state == State.READY:
            return self.of_ready(message), self.ready.index(message)
        if message.state == State.LEASED:
            return ["leased"], None
        if message.state == State.BLOCKED:
            of_key = [m for m in self.in_state(State.BLOCKED) if m.key == message.key and m.position < message.position]
            return ["key_blocked"], len(of_key) + 1
        return ["backing_off" if message.failures else "not_due"], None

    def head(self, message: Message) -> Message:
        [head] = [m for m in self.rows if m.key == message.key and m.holds_key]
        return head

    def stops(self) -> set[str]:
        """The codes of the queue that say what stands still."""
        waiting = len(self.rows) - len(self.in_state(State.DEAD))
        holds = {
            "paused": self.queue.paused_at is not None,
            "no_consumer": bool(self.ready) and not self.takers and not self.asked,
            "stuck": self.full and self.silence() > min(self.queue.lease, 60.0),
            "full": self.queue.max_length is not None and waiting >= self.queue.max_length,
            "key_stuck": any(self.holds_others_back(row) for row in self.rows if row.holds_key),
        }
        return {code for code, held in holds.items() if held}

    def silence(self) -> float:
        busy = [taker.busy_since for taker in self.takers if taker.busy_since is not None and taker.unsettled]
        return self.age(max(min(busy), self.seen.settled_at or 0)) if busy else 0.0

    def holds_others_back(self, head: Message) -> bool:
        if not any(m.key == head.key for m in self.in_state(State.BLOCKED)):
            return False
        if head.state == State.SCHEDULED:
            return bool(head.failures)
        long = head.leased_at is not None and self.age(clock.from_datetime(head.leased_at)) >= max(60.0, self.queue.lease)
        return bool(head.state == State.LEASED and long)


@contextmanager
def among(monkeypatch: pytest.MonkeyPatch, takers: list[Taking], seen: Seen) -> Iterator[None]:
    """As if these took from the queue, and that were known of it."""
    with monkeypatch.context() as patched:
        patched.setattr(consumers, "of", lambda ids=None: dict.fromkeys(ids, takers) if takers else {})
        patched.setattr(activity, "of", lambda id: seen)
        yield


def test_verdicts_are_those_of_a_reference_that_looks_at_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    @examples(150)
    @given(steps=st.lists(STEP, max_size=25), takers=st.lists(TAKER, max_size=3), seen=SEEN, settings=SETTINGS)
    def scene(steps: Any, takers: Any, seen: Any, settings: Any) -> None:
        with undone():
            play(monkeypatch, steps, takers, seen, settings)


def play(monkeypatch: pytest.MonkeyPatch, steps: Any, takers: Any, seen: Any, settings: Any) -> None:
    time = Time()
    clock.install(time)
    world = World(time, settings)
    for what, *args in steps:
        world.step(what, *args)
    there = [
        Taking(f"ws:node-1/c{n}/1", f"till-{n}", f"c{n}", most, unsettled, full and most is not None, *map(world.before, (a, b)))
        for n, (unsettled, most, full, a, b) in enumerate(takers)
    ]
    consumed, asked, settled = map(world.before, seen)
    known = Seen(consumed, None, "till-9", asked, settled)
    with among(monkeypatch, there, known):
        compare(Reference(time.now(), there, known))


def compare(expected: Reference) -> None:
    rows = list(Message.objects.filter(queue=expected.queue))
    found = dict(zip(rows, verdicts.messages(ROOT, expected.queue, rows), strict=True))
    for row, verdict in found.items():
        codes, ahead = expected.of(row)
        assert [verdict.code, *verdict.facts.get("also", ())] == codes, (row.pk, verdict)
        assert verdict.text
        if ahead is not None:
            assert verdict.facts["ahead"] == ahead
        if verdict.code == "key_blocked":
            head = expected.head(row)
            assert (verdict.facts["head"]["id"], verdict.facts["head"]["verdict"]) == (str(head.pk), found[head].code)
    standing = read(reading.one_queue, expected.queue)
    holding = of_queue.holding(standing)
    assert set(holding) - {"idle", "flowing", "catching_up", "falling_behind"} == expected.stops()
    verdict = verdicts.queue(ROOT, expected.queue)
    assert [verdict.code, *verdict.facts.get("also", ())] == holding
    assert verdict.text
