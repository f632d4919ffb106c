"""Whatever consumers, operators and retention do to a shared group: no record is passed over, none is with two at a time,
and the position shown is the lowest that is neither done nor dead."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from brokerweb.core.errors import Conflict
from brokerweb.queues.messages import Leased
from brokerweb.streams.positions import Move
from tests.handout.bench import Share

RUNS, STEPS = int(os.environ.get("BROKERWEB_MODEL_RUNS", "20")), 40
LEASE = 30
WAITING, LEASED, DEAD = "waiting", "leased", "dead"
KINDS = ["ack", "ack", "ack", "nack", "release", "lose", "dead"]
ACTIONS = ["append", "lease", "lease", "lease", "settle", "settle", "settle", "wait", "move", "retain", "redrive", "drain"]


@dataclass
class Taken:
    """A record that was handed out and is not done. One that was redriven is a copy, which is no matter of the stream's."""

    message: Leased
    state: str
    until: int
    copy: bool = False

    @property
    def place(self) -> tuple[int, int]:
        assert self.message.place is not None
        return self.message.place


class SharedModel(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.atomic = transaction.atomic()
        self.atomic.__enter__()
        self.taken: dict[int, Taken] = {}
        self.lost: list[Leased] = []

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.atomic.__exit__(None, None, None)

    @initialize(partitions=st.integers(1, 3))
    def begin(self, partitions: int) -> None:
        self.share = Share(partitions, max_failures=None, lease=LEASE)
        self.next = dict.fromkeys(range(partitions), 0)
        self.low, self.end = dict(self.next), dict(self.next)

    @rule(action=st.sampled_from(ACTIONS), data=st.data())
    def act(self, action: str, data: st.DataObject) -> None:
        getattr(self, action)(data.draw)

    # The stream

    def append(self, draw: Any) -> None:
        number, n = draw(st.sampled_from(sorted(self.end))), draw(st.integers(1, 5))
        self.share.append(*range(n), partition=number)
        self.end[number] += n

    def retain(self, draw: Any) -> None:
        self.share.log.declare(retention_records=draw(st.integers(1, 6)))
        trimmed = self.share.retain()
        self.share.log.declare(retention_records=None)
        self.low = {part["partition"]: int(part["low"]) for part in self.share.shown["partitions"]}
        assert trimmed == self.forget([id for id, t in self.unfinished() if t.place[1] < self.low[t.place[0]]])

    # Consumers

    def lease(self, draw: Any) -> None:
        if draw(st.booleans()):
            self.hand_out(self.share.lease(draw(st.integers(1, 5)), acknowledge=draw(st.sampled_from([True, True, False]))))
        else:
            for part in self.share.round(*draw(st.lists(st.integers(1, 3), min_size=1, max_size=3)))[0]:
                self.hand_out(part)

    def hand_out(self, messages: list[Leased]) -> None:
        for message in messages:
            known = self.taken.get(message.id)
            if known is None:
                self.comes_next(message)
            else:
                assert (known.state, known.place) == (WAITING, message.place)
            copy = known is not None and known.copy
            self.taken[message.id] = Taken(message, LEASED, self.share.time.now() + LEASE * 1_000_000, copy)
            if message.receipt is None:
                del self.taken[message.id]

    def comes_next(self, message: Leased) -> None:
        assert message.place is not None
        number, offset = message.place
        assert (offset, message.attempts) == (max(self.next[number], self.low[number]), 1)
        self.next[number] = offset + 1

    def settle(self, draw: Any) -> None:
        held = [t.message for t in self.taken.values() if t.state == LEASED]
        if not held + self.lost:
            return
        kind, message = draw(st.sampled_from(KINDS)), draw(st.sampled_from(held * 3 + self.lost[-2:]))
        expected = "ok" if message in held else "lease_lost"
        assert self.share.settle(kind, message, **({"delay": draw(st.sampled_from([0, 50]))} if kind == "nack" else {})) == [
            expected
        ]
        if expected == "ok":
            self.settled(kind, message)

    def settled(self, kind: str, message: Leased) -> None:
        if kind == "ack":
            del self.taken[message.id]
        else:
            self.taken[message.id].state = DEAD if kind == "dead" else WAITING
        self.lost.append(message)

    def wait(self, draw: Any) -> None:
        self.share.pass_time(draw(st.sampled_from([1, 20, 60])))
        for taken in self.taken.values():
            if taken.state == LEASED and taken.until <= self.share.time.now():
                taken.state = WAITING
                self.lost.append(taken.message)

    def drain(self, draw: Any) -> None:
        """In the end everything has been handed out."""
        self.wait(lambda _: 60)
        for taken in [t for t in self.taken.values() if t.state == LEASED]:
            assert self.share.ack(taken.message) == ["ok"]
            self.settled("ack", taken.message)
        self.share.pass_time(2 * 3600)  # the longest backoff there is, and its jitter
        while leased := self.share.lease(7):
            self.hand_out(leased)
            assert set(self.share.ack(*leased)) == {"ok"}
            for message in leased:
                self.settled("ack", message)
        assert all(t.state == DEAD for t in self.taken.values())
        assert all(self.next[number] == end or self.low[number] == end for number, end in self.end.items())

    # Operators

    def move(self, draw: Any) -> None:
        to = draw(st.sampled_from(["earliest", "latest", {"shift": -2}, {"shift": 2}, {"0": 0}, "undo"]))
        shown = self.share.committed
        try:
            moves: list[Move] = self.share.undo() if to == "undo" else self.share.seek(to)
        except Conflict:
            assert to == "undo"
            return
        for move in moves:
            assert to == "undo" or str(move.origin) == shown[str(move.partition)]
            self.next[move.partition] = move.to
        self.forget([id for id, t in self.unfinished() if t.place[0] in {move.partition for move in moves}])

    def redrive(self, draw: Any) -> None:
        dead = [t for t in self.taken.values() if t.state == DEAD]
        assert self.share.redrive() == len(dead)
        for taken in dead:
            taken.state, taken.copy = WAITING, True

    # The comparison

    def unfinished(self) -> list[tuple[int, Taken]]:
        return [(id, t) for id, t in self.taken.items() if t.state != DEAD and not t.copy]

    def forget(self, ids: list[int]) -> int:
        self.lost += [self.taken.pop(id).message for id in ids]
        return len(ids)

    @invariant()
    def shown(self) -> None:
        shown = self.share.shown
        committed = {n: min([t.place[1] for _, t in self.unfinished() if t.place[0] == n] + [self.next[n]]) for n in self.next}
        # A cursor below the partition's begin moves behind it at the next look.
        assert {n: max(int(shown["committed"][str(n)]), self.low[n]) for n in committed} == {
            n: max(offset, self.low[n]) for n, offset in committed.items()
        }
        assert shown["lag"] == sum(self.end[n] - max(offset, self.low[n]) for n, offset in committed.items())
        counts = shown["counts"]
        of = [t.state for t in self.taken.values()]
        assert (counts["leased"], counts["dead"], counts["ready"] + counts["scheduled"]) == (
            of.count(LEASED),
            of.count(DEAD),
            of.count(WAITING),
        )


def test_a_shared_group_keeps_its_promises_whatever_happens(database: str) -> None:
    runs = RUNS if database == "sqlite" else RUNS // 6  # each takes ten times as long
    run_state_machine_as_test(
        SharedModel,
        settings=settings(
            max_examples=runs, stateful_step_count=STEPS, deadline=None, database=None, suppress_health_check=list(HealthCheck)
        ),
    )
