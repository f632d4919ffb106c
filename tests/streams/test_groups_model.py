"""Whatever members, operators and retention do in whatever order: no partition has two committers, a fenced member commits
nothing, the share-out is even and sticky, and no record is passed over."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from django.db import transaction
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from brokerweb.core.errors import BrokerError, Conflict
from brokerweb.storage.reading import read
from brokerweb.storage.run import perform
from brokerweb.streams import control, membership, positions
from brokerweb.streams.groups import Place
from brokerweb.streams.membership import Hold, changes_for
from tests.streams.group_bench import GroupBench

SESSION = 10
NAMES = ["a", "b", "c", "d", "e"]
MAX_PARTITIONS = 6
populated = precondition(lambda self: bool(self.clients))


@dataclass
class Client:
    """A member as its program sees it: what it was told, maybe long ago, and how far it has read."""

    generation: int
    known: dict[int, Hold]
    position: dict[int, int]
    heard_at: int
    silent: bool = False
    revoked: set[int] = field(default_factory=set)


class GroupsModel(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.atomic = transaction.atomic()
        self.atomic.__enter__()
        self.clients: dict[str, Client] = {}
        self.gone: dict[str, Client] = {}  # members that left or were expired, and may not know
        self.committed: dict[int, int] = {}
        self.done: dict[int, set[int]] = {}  # offsets read by somebody, trimmed, or passed over by an operator
        self.undo: dict[int, int] = {}
        self.generation = 0

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.atomic.__exit__(None, None, None)

    @initialize(partitions=st.integers(2, 5))
    def begin(self, partitions: int) -> None:
        self.bench = GroupBench(partitions, start="earliest", session_timeout=SESSION)
        self.group_id = self.bench.declare().id
        self.committed = dict.fromkeys(range(partitions), 0)
        self.done = {number: set() for number in range(partitions)}
        self._append(3)
        self._join("a")
        self._join("b")

    # The stream

    @rule(data=st.data(), what=st.sampled_from(["append", "append", "retain", "grow"]), n=st.integers(1, 5))
    def the_stream_changes(self, data: st.DataObject, what: str, n: int) -> None:
        if what == "append":
            self._append(n)
        elif what == "retain":
            self._retain(self._any_partition(data), n)
        elif len(self.committed) < MAX_PARTITIONS:
            number = len(self.committed)
            perform(control.declare, self.bench.stream, {"partitions": number + 1})
            self.committed[number], self.done[number] = 0, set()

    def _append(self, n: int) -> None:
        for number in self.committed:
            self.bench.append(n, number)

    def _retain(self, number: int, n: int) -> None:
        partition = self._place(number).partition
        low = min(partition.low + n, partition.end)
        self.bench.trim(low, number)
        self.done[number] |= set(range(low))

    # Members

    @precondition(lambda self: len(self.clients) < len(NAMES))
    @rule(data=st.data())
    def join(self, data: st.DataObject) -> None:
        self._join(data.draw(st.sampled_from([name for name in NAMES if name not in self.clients])))

    def _join(self, name: str) -> None:
        before = self._targets()
        joined = self.bench.join(name)
        self.gone.pop(name, None)
        starts = {number: hold.committed for number, hold in joined.holds.items()}
        self.clients[name] = Client(joined.generation, joined.holds, starts, self.bench.time.now())
        self._moved_only(before, to=name)

    @populated
    @rule(data=st.data(), silently=st.booleans(), last=st.booleans())
    def go(self, data: st.DataObject, silently: bool, last: bool) -> None:
        name, client = self._any_member(data)
        if silently:
            client.silent = True
        elif last or len(self.clients) > 1:
            before = self._targets()
            self.bench.leave(name)
            self._forget(name)
            self._moved_only(before, of=name)

    @rule(seconds=st.sampled_from([1, 3, 6]))
    def time_passes(self, seconds: int) -> None:
        alive = [name for name, client in self.clients.items() if not client.silent]
        assert self.bench.beat(*alive) == []
        for name in alive:
            self.clients[name].heard_at = self.bench.time.now()
        self.bench.wait(seconds)
        now = self.bench.time.now()
        for name, client in list(self.clients.items()):
            if now - client.heard_at >= SESSION * 1_000_000:
                self._forget(name)
        assert all(place.until_at is None or place.until_at > now for place in self._places())

    def _hear(self, name: str, client: Client) -> None:
        """The member learns how things stand, as a comparison with what it knew."""
        holdings = read(membership.holdings, self.group_id)
        assert holdings is not None
        after = holdings.members[name]
        change = changes_for(name, client.known, after)
        client.generation, client.known = holdings.generation, after
        if change is not None:
            client.position |= change.assigned
            client.revoked = (client.revoked | set(change.revoked)) - change.assigned.keys()
            self.bench.release(name, *change.stale)
            for number in change.stale:
                del client.position[number], client.known[number]
        client.position = {number: offset for number, offset in client.position.items() if number in client.known}
        client.revoked &= client.position.keys()
        readable = {number for number, hold in after.items() if hold.until_at is None}
        assert client.position.keys() - client.revoked == readable

    @populated
    @rule(data=st.data(), heard=st.booleans(), others=st.sets(st.integers(0, MAX_PARTITIONS), max_size=2))
    def let_go(self, data: st.DataObject, heard: bool, others: set[int]) -> None:
        """Of what was revoked, if the member has heard of it, and maybe twice; and of what is not its to let go of."""
        name, client = self._any_member(data)
        if heard:
            self._hear(name, client)
        before = self.bench.owners
        self.bench.release(name, *(client.revoked | others))
        assert all(old in (new, name) for old, new in zip(before, self.bench.owners, strict=True))
        for number in client.revoked:
            client.position.pop(number, None)

    # Work

    @rule(deaf=st.sets(st.sampled_from(NAMES), max_size=3), n=st.integers(1, 4))
    def all_work(self, deaf: set[str], n: int) -> None:
        """All read and commit, also who was replaced, or moved by a seek, and has not heard of it."""
        for name, client in sorted((self.gone | self.clients).items()):
            if name in self.clients and name not in deaf:
                self._hear(name, client)
            self._read(client, n)
            for number in sorted(client.position):
                self._commit(name, client, number)

    def _read(self, client: Client, n: int) -> None:
        for number, offset in client.position.items():
            if number in client.revoked:
                continue
            partition = self._place(number).partition
            start = max(offset, partition.low)
            client.position[number] = upto = min(start + n, max(partition.end, start))
            self.done[number] |= set(range(start, upto))

    def _commit(self, name: str, client: Client, number: int) -> None:
        offset, place = client.position[number], self._place(number)
        fits = name in self.clients and place.member == name and client.generation >= place.generation
        allowed = fits and place.committed <= offset
        try:
            self.bench.commit({number: offset}, member=name, generation=client.generation)
        except Conflict:
            assert not allowed
        else:
            assert allowed
            self.committed[number] = offset

    @rule(data=st.data(), ahead=st.integers(-1, 3), behind=st.integers(0, 1))
    def commit_from_outside(self, data: st.DataObject, ahead: int, behind: int) -> None:
        """Over REST: all of it or none."""
        now = {place.number: place for place in self._places()}
        chosen = data.draw(st.lists(st.sampled_from(sorted(now)), min_size=1, unique=True))
        offsets = {number: max(0, now[number].committed + ahead) for number in chosen}
        generation = self.generation - behind
        allowed = behind == 0 and all(now[n].committed <= o <= now[n].partition.end for n, o in offsets.items())
        try:
            self.bench.commit(offsets, generation=generation)
        except BrokerError:
            assert not allowed
        else:
            assert allowed
            for number, offset in offsets.items():
                self._passed(number, offset)
        self._only_one_may_commit(chosen[0])

    def _only_one_may_commit(self, number: int) -> None:
        may: list[str | None] = []
        for name in NAMES:
            try:
                self.bench.commit({number: self.committed[number]}, member=name)
            except Conflict:
                continue
            may.append(name)
        assert may == ([] if not self.clients else [self._place(number).member])
        assert set(may) <= self.clients.keys()

    # Operators

    @rule(to=st.sampled_from(["earliest", "latest", {"shift": -2}, {"shift": 3}, {"0": 1}, "undo", "undo"]))
    def move(self, to: Any) -> None:
        if to == "undo":
            self._undo()
        else:
            self._seek(to)

    def _seek(self, to: Any) -> None:
        expected = read(positions.preview, self.bench.stream, self.bench.name, to)
        moves = self.bench.seek(to)
        assert moves == expected
        self.undo = {move.partition: move.origin for move in moves}
        for move in moves:
            assert move.origin == self.committed[move.partition]
            self._sent_to(move.partition, move.to)

    def _undo(self) -> None:
        if not self.undo:
            with pytest.raises(Conflict):
                self.bench.do(positions.undo)
            return
        low = {place.number: place.partition.low for place in self._places()}
        for move in self.bench.do(positions.undo):
            assert move.to == max(self.undo.pop(move.partition), low[move.partition])
            self._sent_to(move.partition, move.to)
        assert not self.undo

    # What always holds

    @invariant()
    def nothing_goes_back_by_itself_and_no_record_is_passed_over(self) -> None:
        for place in self._places():
            assert place.committed == self.committed[place.number]
            assert set(range(place.committed)) <= self.done[place.number]

    @invariant()
    def every_partition_has_one_member_and_all_have_as_many(self) -> None:
        now = self._places()
        if not self.clients:
            assert all((p.member, p.next_owner, p.until_at) == (None, None, None) for p in now)
            return
        assert {place.member for place in now} <= self.clients.keys()
        assert all((place.next_owner is None) == (place.until_at is None) and place.next_owner != place.member for place in now)
        shares = [list(self._targets().values()).count(name) for name in self.clients]
        assert max(shares) - min(shares) <= 1
        assert sum(shares) == len(now)

    @invariant()
    def the_generation_only_rises(self) -> None:
        generation = self.bench.group.generation
        assert generation >= self.generation
        assert all(place.generation <= generation for place in self._places())
        self.generation = generation

    @invariant()
    def lag_is_what_is_left(self) -> None:
        now = self._places()
        left = [p.partition.end - max(p.committed, p.partition.low) for p in now]
        assert self.bench.shown["lag"] == sum(left)
        assert min(left) >= 0

    # The model's own

    def _places(self) -> list[Place]:
        return self.bench.places

    def _place(self, number: int) -> Place:
        return self._places()[number]

    def _targets(self) -> dict[int, str | None]:
        return {place.number: place.next_owner or place.member for place in self._places()}

    def _moved_only(self, before: dict[int, str | None], *, to: str | None = None, of: str | None = None) -> None:
        after = self._targets()
        moved = [number for number in before if before[number] != after[number]]
        if to is not None:
            assert all(after[number] == to for number in moved)
        else:
            assert all(before[number] == of for number in moved)

    def _any_member(self, data: st.DataObject) -> tuple[str, Client]:
        name = data.draw(st.sampled_from(sorted(self.clients)))
        return name, self.clients[name]

    def _any_partition(self, data: st.DataObject) -> int:
        return data.draw(st.sampled_from(sorted(self.committed)))

    def _passed(self, number: int, offset: int) -> None:
        """Somebody who may says that the group is at ``offset``."""
        self.committed[number] = offset
        self.done[number] |= set(range(offset))

    def _sent_to(self, number: int, offset: int) -> None:
        """A seek: from there on everything is to be read again."""
        self.committed[number] = offset
        self.done[number] = set(range(offset))

    def _forget(self, name: str) -> None:
        client = self.clients.pop(name, None)
        if client is not None:
            self.gone[name] = client


def test_groups_keep_their_promises_whatever_happens(database: str) -> None:
    runs = 60 if database == "sqlite" else 6  # the same ones, of which each takes ten times as long
    run_state_machine_as_test(
        GroupsModel,
        settings=settings(max_examples=runs, stateful_step_count=50, deadline=None, derandomize=True, database=None),
    )


@pytest.mark.full
@pytest.mark.django_db
def test_groups_keep_their_promises_for_long() -> None:
    run_state_machine_as_test(
        GroupsModel, settings=settings(max_examples=1_500, stateful_step_count=60, deadline=None, database=None)
    )
