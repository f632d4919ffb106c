"""Streams while the wall is set: stamps never go back within a partition, and nothing goes before its time by either clock."""

from __future__ import annotations

import pytest

from brokerweb.core import clock
from brokerweb.storage.reading import read
from brokerweb.storage.run import perform
from brokerweb.streams import control, duties, engine, reading, restamping
from brokerweb.streams.definitions import load
from brokerweb.streams.models import Partition, Record
from brokerweb.streams.records import NewRecord
from tests.clocks.machine import START, Machine

pytestmark = pytest.mark.django_db

HOUR, DAY, YEARS = 3600.0, 86_400.0, 3 * 365 * 86_400.0


@pytest.fixture
def pc(monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine().installed(monkeypatch)
    clock.install(clock.Clock())
    return machine


def declare(**settings: object) -> None:
    perform(control.declare, "events", settings)


def append(n: int = 1) -> int:
    """The first offset of them."""
    return int(perform(engine.append, "events", [NewRecord(b"1")] * n)[0].offset)


def stamps() -> list[int]:
    return [clock.from_datetime(record.appended_at) for record in Record.objects.order_by("pk")]


def first_from(instant: int) -> int:
    return read(reading.position, read(load, "events").partitions[0], instant)


def kept() -> int:
    while perform(duties.retain):
        pass
    return Record.objects.count()


def test_stamps_never_go_back_and_go_on_when_the_wall_comes_by_again(pc: Machine) -> None:
    declare()
    append()
    pc.set_wall(-2 * HOUR)
    pc.pass_time(60)
    append()
    pc.pass_time(2 * HOUR)
    append()
    assert stamps() == [START, START, START + clock.seconds(60)]


@pytest.mark.parametrize("steps", [(HOUR, -HOUR), (-2 * HOUR, 2 * HOUR), (DAY,), (-DAY,), (YEARS, -YEARS)])
def test_reading_from_an_instant_leaves_out_no_record_that_bears_it_or_a_later_one(pc: Machine, steps: tuple[float, ...]) -> None:
    declare()
    for step in (0, *steps, 0):
        pc.set_wall(step)
        for _ in range(3):
            append(2)
            pc.pass_time(10)
    found = stamps()
    assert found == sorted(found)
    for instant in {*found, START - 1, START + 1, pc.wall, max(found) + 1}:
        assert first_from(instant) == sum(stamp < instant for stamp in found)


@pytest.mark.parametrize("step", [HOUR, DAY, YEARS])
def test_a_wall_set_forward_makes_no_record_older(pc: Machine, step: float) -> None:
    declare(retention_age=100)
    append()
    pc.pass_time(50)
    append()
    pc.set_wall(step)
    append()
    pc.pass_time(49)
    assert kept() == 3
    pc.pass_time(1)
    assert kept() == 2
    pc.pass_time(49)
    assert kept() == 2
    pc.pass_time(1)
    assert kept() == 0


@pytest.mark.parametrize("step", [-2 * HOUR, -DAY])
def test_a_wall_set_back_lets_no_record_go_before_its_stamp_says_so(pc: Machine, step: float) -> None:
    declare(retention_age=100)
    append()
    pc.set_wall(step)
    pc.pass_time(100 - step - 1)
    assert kept() == 1
    pc.pass_time(1)
    assert kept() == 0


def test_what_the_wall_stamped_in_a_day_ahead_goes_when_it_is_old_enough(pc: Machine) -> None:
    declare(retention_age=100)
    append()
    pc.set_wall(DAY)
    pc.pass_time(10)
    append()
    pc.set_wall(-DAY)
    append()
    pc.pass_time(100)
    assert kept() == 2, "their stamps are a day ahead"
    pc.pass_time(HOUR)
    while perform(restamping.restamp, 1):
        pass
    assert stamps() == [pc.wall] * 2
    pc.pass_time(100)
    assert kept() == 0


# Stamps of a time that never was


def test_records_are_restamped_in_small_steps_and_stay_in_order(pc: Machine) -> None:
    declare(partitions=2)
    append(4)
    pc.set_wall(YEARS)
    append(7)
    pc.set_wall(-YEARS)
    append(3)
    before = dict(Record.objects.values_list("pk", "body"))
    pc.pass_time(HOUR - 1)
    assert perform(restamping.restamp, 2) == 0, "the wall has yet to stand for an hour"
    pc.pass_time(1)
    turns = 0
    while perform(restamping.restamp, 2):
        turns += 1
        pc.pass_time(1)
        append()
        for partition in Partition.objects.all():
            mine = [r.appended_at for r in Record.objects.order_by("pk") if r.pk >> 40 == partition.pk]
            assert mine == sorted(mine)
            assert mine[-1] == partition.last_at
        assert turns < 40
    assert turns > 4
    after = stamps()
    assert max(after) <= pc.wall
    assert sum(stamp == START for stamp in after) == 4
    assert {pk: bytes(body) for pk, body in Record.objects.values_list("pk", "body") if pk in before} == {
        pk: bytes(body) for pk, body in before.items()
    }


def test_a_partition_that_is_empty_by_then_is_restamped_too(pc: Machine) -> None:
    declare()
    pc.set_wall(YEARS)
    append(2)
    pc.set_wall(-YEARS)
    Record.objects.all().delete()
    Partition.objects.update(low_offset=2, records=0, bytes=0)
    clock.instants()
    pc.pass_time(HOUR)
    assert perform(restamping.restamp) > 0
    assert perform(restamping.restamp) == 0
    append()
    assert stamps() == [pc.wall]


def test_nothing_is_restamped_where_the_wall_is_behind(pc: Machine) -> None:
    declare()
    append()
    pc.set_wall(-DAY)
    append()
    pc.pass_time(2 * HOUR)
    assert perform(restamping.restamp) == 0
    assert stamps() == [START] * 2
