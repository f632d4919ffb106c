"""How many records were appended when, held against counting every one of them."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from brokerweb.core import clock
from brokerweb.storage.reading import read
from brokerweb.streams.definitions import load
from brokerweb.streams.models import Partition, Record
from brokerweb.streams.volume import span, volume
from tests.streams.group_bench import GroupBench

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def bench() -> GroupBench:
    return GroupBench(partitions=3)


def fill(bench: GroupBench, seed: int, rounds: int = 60) -> None:
    chance = random.Random(seed)
    for _ in range(rounds):
        bench.append(chance.randrange(1, 5), partition=chance.choice([0, 0, 1]))
        bench.time.advance(chance.choice([0, 0.5, 3, 40]))


def counted(edges: list[int]) -> list[int]:
    instants = [clock.from_datetime(record.appended_at) for record in Record.objects.all()]
    return [sum(here <= at < there for at in instants) for here, there in pairwise(edges)]


@pytest.mark.parametrize("seed", range(6))
def test_the_volume_is_what_counting_gives(bench: GroupBench, seed: int):
    bench.declare()
    fill(bench, seed)
    bench.trim(7)
    partitions = read(load, "events").partitions
    first, last = read(span, partitions) or (0, 0)
    edges = sorted(random.Random(seed).randrange(first - 10, last + 10**7) for _ in range(20))
    for asked in (edges, [first, last + 1], [last + 1, last + 2], [first - 9, first]):
        found = read(volume, partitions, asked)
        assert (found.counts, found.exact) == (counted(asked), True)


def test_where_compaction_left_gaps_offsets_are_counted(bench: GroupBench):
    bench.declare()
    bench.append(10)
    bench.compact(2, 3)
    partitions = read(load, "events").partitions
    first, last = read(span, partitions) or (0, 0)
    assert read(volume, partitions, [first, last + 1]).counts == [10]


def test_a_stream_without_records_has_no_time(bench: GroupBench):
    bench.declare()
    assert read(span, read(load, "events").partitions) is None
    bench.append(1)
    Partition.objects.update(low_offset=1)
    assert read(span, read(load, "events").partitions) is None


def test_fewer_looks_give_a_guess_that_says_so_and_loses_nothing(bench: GroupBench):
    bench.declare()
    fill(bench, 9, rounds=150)
    partitions = read(load, "events").partitions
    first, last = read(span, partitions) or (0, 0)
    edges = [first + (last + 1 - first) * n // 7 for n in range(8)]
    found = read(volume, partitions, edges, 1)
    assert not found.exact
    assert sum(found.counts) == pytest.approx(sum(counted(edges)), rel=0.2)
