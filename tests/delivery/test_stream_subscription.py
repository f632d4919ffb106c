"""Subscriptions to a stream: live at the end, reading behind it, and no record lost or sent twice between the two."""

from __future__ import annotations

import asyncio
import random

import pytest
from asgiref.sync import sync_to_async

from brokerweb.core import clock
from brokerweb.storage.run import aperform
from brokerweb.streams import control, duties, engine, reading
from brokerweb.streams.records import NewRecord
from tests.delivery.readers import Reader, append, append_elsewhere, declare, retain, turns
from tests.delivery.stage import Stage, play, soon

pytestmark = pytest.mark.django_db(transaction=True)


def test_what_is_stored_comes_first_then_what_is_appended():
    async def scene(stage: Stage) -> None:
        await declare()
        await append(*range(5))
        reader = await Reader.open(stage)
        await reader.has(5)
        await append(*range(3))
        await reader.has(8)
        assert reader.offsets() == list(range(8))

    play(scene)


def test_from_latest_only_what_is_new_comes():
    async def scene(stage: Stage) -> None:
        await declare()
        await append(*range(5))
        reader = await Reader.open(stage, "latest")
        await append("new")
        await reader.has(1)
        assert reader.offsets() == [5]

    play(scene)


def test_what_is_appended_between_the_look_and_the_wait_comes():
    async def scene(stage: Stage) -> None:
        await declare()
        await append(*range(5))
        reader = await Reader.open(stage, "latest", meanwhile=append("new"))
        await reader.has(1)
        assert reader.offsets() == [5]

    play(scene)


def test_a_stream_that_grows_between_the_look_and_the_wait_is_read_whole():
    async def scene(stage: Stage) -> None:
        await declare()
        reader = await Reader.open(stage, meanwhile=declare(partitions=2))
        await append("x", partition=1)
        await reader.has(1)
        assert reader.offsets(1) == [0]

    play(scene)


def test_a_stream_that_is_deleted_between_the_look_and_the_wait_is_no_longer_read():
    async def scene(stage: Stage) -> None:
        await declare()
        reader = await Reader.open(stage, meanwhile=aperform(control.delete, "events"))
        await soon(lambda: reader.errors, "an error")
        assert [error.code for error in reader.errors] == ["not_found"]

    play(scene)


def test_the_same_run_goes_to_every_live_subscriber():
    async def scene(stage: Stage) -> None:
        await declare()
        readers = [await Reader.open(stage) for _ in range(5)]
        await append(*range(150))
        for reader in readers:
            await reader.has(150)
        runs = [[run for _, run in reader.runs] for reader in readers]
        assert all(run is first for others in runs for run, first in zip(others, runs[0], strict=True))

    play(scene)


def test_credit_is_a_window_that_only_the_reader_opens():
    async def scene(stage: Stage) -> None:
        await declare()
        await append(*range(10))
        reader = await Reader.open(stage, credit=4)
        await reader.has(4)
        await append("more")
        await stage.quiet()
        assert reader.offsets() == [0, 1, 2, 3]
        reader.sub.grant(3, 10)
        await reader.has(7)
        await stage.quiet()
        assert reader.offsets() == list(range(7))
        reader.sub.grant(100, 10)
        await reader.has(11)
        await append("live again")
        await reader.has(12)
        assert reader.offsets() == list(range(12))
        assert reader.sub.credit == 5, "granted 100, but ten at the most"

    play(scene)


def test_a_slow_subscriber_falls_back_catches_up_and_holds_nobody_up():
    async def scene(stage: Stage) -> None:
        await declare()
        slow, fast = await Reader.open(stage, credit=5), await Reader.open(stage)
        for n in range(20):
            await append(*range(n * 10, n * 10 + 10))
        await fast.has(200)
        await stage.quiet()
        assert fast.offsets() == list(range(200))
        assert slow.offsets() == list(range(5))
        while slow.count < 200:
            slow.sub.grant(17, 100)
            await turns(3)
        await slow.is_live()
        await append("live")
        await slow.has(201)
        assert slow.offsets() == list(range(201))

    play(scene)


def test_a_crowded_socket_is_sent_nothing_until_it_has_room():
    async def scene(stage: Stage) -> None:
        await declare()
        reader = await Reader.open(stage)
        await append(1)
        await reader.has(1)
        reader.sub.congest(True)
        await append(2, 3)
        await stage.quiet()
        assert reader.count == 1
        reader.sub.congest(False)
        await reader.has(3)
        assert reader.offsets() == [0, 1, 2]

    play(scene)


@pytest.mark.parametrize("seed", range(4))
def test_whatever_happens_every_reader_gets_every_record_once_and_in_order(seed: int):
    """Appends of all sizes, foreign ones, credit by drops, sockets that are crowded now and then, over three partitions."""

    async def scene(stage: Stage) -> None:
        dice = random.Random(seed)
        await declare(partitions=3)
        readers = [await Reader.open(stage, credit=dice.choice([3, 50, 1000])) for _ in range(4)]
        total = 0
        for _ in range(40):
            n = dice.choice([1, 2, 30, 120])
            total += n
            if dice.random() < 0.2:
                await sync_to_async(append_elsewhere)(*range(n))
                await stage.hub.refresh()
            else:
                await append(*range(n))
            reader = dice.choice(readers)
            reader.sub.congest(dice.random() < 0.3)
            reader.sub.grant(dice.randrange(1, 200), 1000)
            if dice.random() < 0.3:
                await turns(2)
        for reader in readers:
            reader.sub.congest(False)
            while reader.count < total:
                reader.sub.grant(500, 1000)
                await asyncio.sleep(0.001)
        for reader in readers:
            ends = [len(reader.offsets(number)) for number in range(3)]
            assert [reader.offsets(number) for number in range(3)] == [list(range(end)) for end in ends]
            assert sum(ends) == total

    play(scene)


def test_what_another_process_appended_is_noticed():
    async def scene(stage: Stage) -> None:
        await declare()
        reader = await Reader.open(stage)
        await append(0)
        await reader.has(1)
        await sync_to_async(append_elsewhere)("foreign", "foreign")
        await stage.hub.refresh()
        await reader.has(3)
        await append("own")
        await reader.has(4)
        assert reader.offsets() == [0, 1, 2, 3]

    play(scene)


def test_a_foreign_append_nobody_noticed_is_read_before_the_own_one_behind_it():
    async def scene(stage: Stage) -> None:
        await declare()
        reader = await Reader.open(stage)
        await sync_to_async(append_elsewhere)("foreign")
        await append("own")
        await reader.has(2)
        assert reader.offsets() == [0, 1]

    play(scene)


def test_several_appends_of_one_commit_arrive_in_order():
    async def scene(stage: Stage) -> None:
        await declare()
        reader = await Reader.open(stage)
        await asyncio.gather(*(append(n) for n in range(50)))
        await reader.has(50)
        assert reader.offsets() == list(range(50))

    play(scene)


def test_credit_is_shared_by_the_partitions_and_none_starves():
    async def scene(stage: Stage) -> None:
        await declare(partitions=3)
        for number in range(3):
            await append(*range(1200), partition=number)
        reader = await Reader.open(stage, credit=1800)
        await reader.has(1800)
        await stage.quiet()
        assert reader.count == 1800
        assert min(len(reader.offsets(number)) for number in range(3)) > 0

    play(scene)


def test_a_seek_goes_on_from_there():
    async def scene(stage: Stage) -> None:
        await declare()
        await append(*range(6))
        reader = await Reader.open(stage)
        await reader.has(6)
        [partition_id] = reader.sub.places
        reader.sub.move(partition_id, 2)
        await reader.has(10)
        reader.sub.move(partition_id, 6)
        await append("new")
        await reader.has(11)
        assert reader.offsets() == [*range(6), *range(2, 6), 6]

    play(scene)


def test_a_seek_while_a_read_is_under_way_drops_what_that_brings():
    async def scene(stage: Stage) -> None:
        await declare()
        await append(*range(6))
        reader = await Reader.open(stage)  # its first read has begun
        [partition_id] = reader.sub.places
        reader.sub.move(partition_id, 5)
        await reader.has(1)
        await stage.quiet()
        assert reader.offsets() == [5]

    play(scene)


def test_retention_that_passes_a_slow_reader_is_told_with_the_bounds():
    async def scene(stage: Stage) -> None:
        await declare(retention_records=3)
        await append(*range(5))
        reader = await Reader.open(stage, credit=2)
        await reader.has(2)
        await append(*range(5))
        await retain()
        reader.sub.grant(10, 10)
        error = await reader.was_told_what_is_gone()
        assert (error.extra["low"], error.extra["end"]) == ("7", "10")
        assert reader.offsets() == [0, 1]

    play(scene)


def test_gaps_of_compaction_are_read_over_up_to_the_live_end():
    async def scene(stage: Stage) -> None:
        await declare(compact=True)
        records = [NewRecord(b"1", key=key) for key in "abab"]
        await aperform(engine.append, "events", records)
        while await aperform(duties.compact):
            pass
        reader = await Reader.open(stage)
        await reader.has(2)
        await reader.is_live()
        await append("live")
        await reader.has(3)
        assert reader.offsets() == [2, 3, 4]

    play(scene)


def test_from_an_instant():
    async def scene(stage: Stage) -> None:
        await declare()
        await append("before")
        instant = clock.now() + 1
        await soon(lambda: clock.now() > instant)
        await append("after")
        reader = await Reader.open(stage, instant)
        await reader.has(1)
        assert reader.offsets() == [1]

    play(scene)


def test_what_ends_leaves_nothing_behind():
    async def scene(stage: Stage) -> None:
        await declare(partitions=2)
        readers = [await Reader.open(stage) for _ in range(3)]
        await append(*range(10))
        for reader in readers:
            await reader.has(10)
            reader.sub.stop()
        await append("nobody listens")
        await stage.quiet()
        assert [reader.count for reader in readers] == [10, 10, 10]
        assert stage.hub.tails._tails == {}

    play(scene)


def test_a_read_that_fails_is_tried_again(monkeypatch: pytest.MonkeyPatch):
    from brokerweb.core.errors import Unavailable
    from brokerweb.delivery.streams import subscription

    failures = iter([True, True])
    read = reading.read_partition

    def fails(*args):
        if next(failures, False):
            raise Unavailable("not now")
        return read(*args)

    async def scene(stage: Stage) -> None:
        await declare()
        await append(1, 2)
        monkeypatch.setattr(subscription, "read_partition", fails)
        monkeypatch.setattr(subscription, "READ_RETRY", 0.01)
        reader = await Reader.open(stage)
        await reader.has(2)
        assert reader.offsets() == [0, 1]

    play(scene)


def test_a_deleted_stream_is_no_longer_read():
    async def scene(stage: Stage) -> None:
        await declare()
        await append(*range(5))
        reader = await Reader.open(stage, credit=2)
        await reader.has(2)
        await aperform(control.delete, "events")
        reader.sub.grant(10, 10)
        await soon(lambda: reader.errors, "an error")
        assert [error.code for error in reader.errors] == ["not_found"], "its offset is not the matter"

    play(scene)
