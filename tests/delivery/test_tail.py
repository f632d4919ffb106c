"""The live end of a partition: the same run to everybody who is up to it; whoever is not has to read, and holds nobody up."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from brokerweb.core.batches import ANSWER_BYTES
from brokerweb.delivery.streams.tail import RUN, Run, Tail, runs
from brokerweb.streams.records import StoredRecord


def stored(offsets: Iterable[int], size: int = 1) -> list[StoredRecord]:
    return [StoredRecord(0, offset, 0, None, None, None, False, None, None, b"1" * size) for offset in offsets]


class Reader:
    """Takes what it is offered, unless it is ``full``."""

    def __init__(self, tail: Tail, *, live: bool = True) -> None:
        self.got: list[Run] = []
        self.full = False
        self.pumped = 0
        tail.followers.add(self)
        if live:
            tail.live.add(self)

    def offer(self, tail: Tail, run: Run) -> None:
        if self.full:
            tail.live.discard(self)
            self.pump()
        else:
            self.got.append(run)

    def pump(self) -> None:
        self.pumped += 1

    @property
    def offsets(self) -> list[int]:
        return [record.offset for run in self.got for record in run.records]


@pytest.fixture
def tail() -> Tail:
    tail = Tail(7)
    tail.known(0)
    return tail


def test_everybody_gets_the_very_same_runs(tail: Tail):
    readers = [Reader(tail) for _ in range(3)]
    tail.appended(0, stored(range(RUN * 2 + 5)))

    assert [len(run) for run in readers[0].got] == [RUN, RUN, 5]
    for other in readers[1:]:
        assert all(a is b for a, b in zip(readers[0].got, other.got, strict=True))


def test_who_is_full_reads_by_itself_and_the_others_go_on(tail: Tail):
    slow, fast = Reader(tail), Reader(tail)
    tail.appended(0, stored(range(3)))
    slow.full = True
    tail.appended(3, stored(range(3, 6)))
    tail.appended(6, stored(range(6, 9)))

    assert fast.offsets == list(range(9))
    assert (slow.offsets, slow.pumped) == ([0, 1, 2], 1)
    assert (tail.live, tail.end) == ({fast}, 9)


def test_one_that_falls_behind_within_an_append_gets_nothing_after_the_gap(tail: Tail):
    class TakesOne(Reader):
        def offer(self, tail: Tail, run: Run) -> None:
            super().offer(tail, run)
            self.full = True

    reader, other = TakesOne(tail), Reader(tail)
    tail.appended(0, stored(range(RUN * 3)))

    assert reader.offsets == list(range(RUN))
    assert other.offsets == list(range(RUN * 3))
    assert reader not in tail.live


def test_what_is_known_is_no_news(tail: Tail):
    reader = Reader(tail)
    tail.appended(0, stored(range(4)))
    tail.appended(0, stored(range(4)))

    assert reader.offsets == list(range(4))


def test_records_behind_a_gap_have_to_be_read(tail: Tail):
    """Another process appended in between: this one has not seen offsets 0 to 4."""
    reader = Reader(tail)
    tail.appended(5, stored([5]))

    assert (reader.got, reader.pumped, tail.end) == ([], 1, 6)
    assert tail.live == set()


def test_a_foreign_append_wakes_everybody(tail: Tail):
    live, behind = Reader(tail), Reader(tail, live=False)
    tail.known(3)

    assert (live.pumped, behind.pumped) == (1, 1)
    assert tail.live == set()
    tail.known(2)
    assert (tail.end, live.pumped) == (3, 1)


def test_whoever_is_behind_is_not_offered_anything(tail: Tail):
    live, behind = Reader(tail), Reader(tail, live=False)
    tail.appended(0, stored([0]))

    assert (live.offsets, behind.got) == ([0], [])


def test_with_nobody_up_to_it_the_end_is_still_known(tail: Tail):
    behind = Reader(tail, live=False)
    tail.appended(0, stored(range(3)))

    assert (tail.end, behind.pumped) == (3, 1)


@pytest.mark.parametrize(
    ("sizes", "lengths"),
    [
        ([1] * 3, [3]),
        ([1] * (RUN + 1), [RUN, 1]),
        ([ANSWER_BYTES + 1, 1, 1], [1, 2]),
        ([1, ANSWER_BYTES, 1], [1, 1, 1]),
        ([ANSWER_BYTES // 2] * 5, [2, 2, 1]),
        ([], []),
    ],
)
def test_runs_fit_a_frame(sizes: list[int], lengths: list[int]):
    records = [record for offset, size in enumerate(sizes) for record in stored([offset], size)]
    cut = list(runs(records))

    assert [len(run) for run in cut] == lengths
    assert [r.offset for run in cut for r in run.records] == list(range(len(sizes)))
    assert all(run.next == run.records[-1].offset + 1 for run in cut)
