"""Members of a group on a stage: partitions come and go one by one, and every record reaches somebody."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from brokerweb.core.clock import seconds
from brokerweb.core.errors import Conflict, NotFound
from brokerweb.delivery.groups import registry as group_looks
from brokerweb.storage.reading import aread
from brokerweb.storage.run import aperform
from brokerweb.storage.transaction import Transaction
from brokerweb.streams import control, groups, membership, positions
from brokerweb.streams.groups import find_group
from brokerweb.streams.models import Member
from tests.delivery.readers import Worker, append, declare, retain, turns
from tests.delivery.stage import Stage, play, soon

pytestmark = pytest.mark.django_db(transaction=True)


async def billing(**settings: object) -> None:
    await aperform(groups.declare_group, "events", "billing", {"start": "earliest", **settings})


async def committed() -> list[int]:
    group = await aread(find_group, "events", "billing")
    return [place.committed for place in await aread(groups.places, group.id)]


def test_a_lone_member_reads_everything_from_what_is_committed():
    async def scene(stage: Stage) -> None:
        await declare(partitions=2)
        await billing()
        await append(*range(4), partition=0)
        await aperform(positions.commit, "events", "billing", {0: 1})
        worker = await Worker.join(stage, "a")
        await worker.reads(0, 1)
        assert worker.told == [("assigned", {0: 1, 1: 0})]
        await worker.has(3)
        assert worker.offsets(0) == [1, 2, 3]

    play(scene)


def test_a_second_member_gets_its_share_when_the_first_has_let_go():
    async def scene(stage: Stage) -> None:
        await declare(partitions=4)
        await billing()
        for number in range(4):
            await append(*range(3), partition=number)
        a = await Worker.join(stage, "a")
        await a.has(12)
        b = await Worker.join(stage, "b")
        await soon(lambda: ("revoked", [2, 3]) in a.told or ("revoked", [0, 1]) in a.told, "revoked")
        gone = next(numbers for kind, numbers in a.told if kind == "revoked")
        await append("later", partition=gone[0])
        await stage.quiet()
        assert b.numbers == set(), "what the first has read is not yet committed"
        assert a.count == 12, "it is sent nothing of what it gives up"
        await a.commit(dict.fromkeys(gone, 3))
        await b.reads(*gone)
        await b.has(1)
        assert b.offsets(gone[0]) == [3]
        assert a.numbers == set(range(4)) - set(gone)

    play(scene)


def test_who_joins_while_the_group_is_looked_at_is_not_taken_for_gone(monkeypatch: pytest.MonkeyPatch):
    async def scene(stage: Stage) -> None:
        await declare(partitions=2)
        await billing()
        a = await Worker.join(stage, "a")
        read, let_go = asyncio.Event(), asyncio.Event()

        async def slowly(*call: Any) -> Any:
            found = await aread(*call)
            read.set()
            await let_go.wait()
            return found

        monkeypatch.setattr(group_looks, "aread", slowly)
        stage.hub.groups.refresh([a.member.group_id])
        await read.wait()
        joining = asyncio.ensure_future(Worker.join(stage, "b"))
        await soon(lambda: len(stage.hub.groups._members[a.member.group_id]) == 2, "b is there")
        let_go.set()
        b = await joining
        await soon(lambda: a.numbers and b.numbers, "both have one")
        assert b.errors == []

    play(scene)


def test_what_nobody_has_read_changes_hands_at_once():
    async def scene(stage: Stage) -> None:
        await declare(partitions=2)
        await billing()
        a = await Worker.join(stage, "a")
        await a.reads(0, 1)
        b = await Worker.join(stage, "b")
        await soon(lambda: b.numbers, "its share")
        assert a.numbers | b.numbers == {0, 1}
        assert not a.numbers & b.numbers

    play(scene)


def test_without_a_commit_the_heir_begins_at_the_committed_offset_when_the_grace_is_over(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(membership, "GRACE", 0.05)

    async def scene(stage: Stage) -> None:
        await declare(partitions=2)
        await billing()
        await append(*range(3), partition=0)
        await append(*range(3), partition=1)
        a = await Worker.join(stage, "a")
        await a.has(6)
        await a.commit({0: 1, 1: 1})
        b = await Worker.join(stage, "b")

        async def due() -> bool:
            await aperform(membership.pass_on_due)
            return bool(b.numbers)

        while not await due():
            await turns(5)
        [number] = b.numbers
        await b.has(2)
        assert b.offsets(number) == [1, 2]
        with pytest.raises(Conflict):
            await a.commit({number: 3})
        await a.commit({1 - number: 3})

    play(scene)


def test_a_goodbye_frees_its_partitions_at_once():
    async def scene(stage: Stage) -> None:
        await declare(partitions=2)
        await billing()
        a = await Worker.join(stage, "a")
        b = await Worker.join(stage, "b")
        await soon(lambda: a.numbers and b.numbers, "both have one")
        a.leave()
        await b.reads(0, 1)
        await append("x", partition=0)
        await append("y", partition=1)
        await b.has(2)

    play(scene)


def test_a_lost_member_keeps_its_partitions_for_its_session_time():
    async def scene(stage: Stage) -> None:
        await declare(partitions=2)
        await billing(session_timeout=3)
        a = await Worker.join(stage, "a")
        b = await Worker.join(stage, "b")
        await soon(lambda: a.numbers and b.numbers, "both have one")
        a.vanish()
        assert await aperform(membership.expire_members) == 0

        async def expired() -> bool:
            await stage.hub.groups.beat()
            return bool(await aperform(membership.expire_members))

        while not await expired():
            await turns(20)
        await b.reads(0, 1)

    play(scene)


def test_a_shorter_session_begins_anew_for_who_is_there():
    async def scene(stage: Stage) -> None:
        await declare()
        await billing(session_timeout=60)
        a = await Worker.join(stage, "a")
        await stage.hub.groups.beat()
        await aperform(_were_seen, 30)
        await billing(session_timeout=2)
        assert await aperform(membership.expire_members) == 0, "what it kept to until now is no silence"
        await soon(a.member.beat_due, "told of it, it beats at once")
        assert a.member.session_timeout == 2

    play(scene)


def _were_seen(tx: Transaction, seconds_ago: float) -> None:
    tx.writes += 1
    Member.objects.update(seen_at=tx.now - seconds(seconds_ago))


def test_beats_keep_members_alive_and_tell_who_is_none_any_more():
    async def scene(stage: Stage) -> None:
        await declare()
        await billing()
        a = await Worker.join(stage, "a")
        await stage.hub.groups.beat()
        assert a.errors == []
        await aperform(membership.leave, a.member.group_id, "a")
        a.member._beat_at = 0
        await stage.hub.groups.beat()
        await soon(lambda: a.errors, "told that it is no member")
        assert not a.sub.open

    play(scene)


def test_a_seek_tells_members_where_to_read_and_refuses_what_was_read_before():
    async def scene(stage: Stage) -> None:
        await declare()
        await billing()
        await append(*range(5))
        a = await Worker.join(stage, "a")
        await a.has(5)
        generation = a.member.generation
        await a.commit({0: 5})
        await aperform(positions.seek, "events", "billing", {"0": 2})
        await a.has(8)
        assert a.told[-1] == ("assigned", {0: 2})
        assert a.offsets() == [0, 1, 2, 3, 4, 2, 3, 4]
        with pytest.raises(Conflict):
            await aperform(positions.commit, "events", "billing", {0: 5}, member="a", generation=generation)
        await a.commit({0: 5})
        assert await committed() == [5]

    play(scene)


def test_a_grown_stream_is_shared_anew():
    async def scene(stage: Stage) -> None:
        await declare()
        await billing()
        a = await Worker.join(stage, "a")
        await a.reads(0)
        await declare(partitions=3)
        await a.reads(0, 1, 2)
        await append("x", partition=2)
        await a.has(1)
        assert a.offsets(2) == [0]

    play(scene)


def test_a_deleted_stream_ends_the_members_of_its_groups_whatever_has_its_name_then():
    async def scene(stage: Stage) -> None:
        await declare(partitions=3)
        await billing()
        a = await Worker.join(stage, "a")
        await a.reads(0, 1, 2)
        await aperform(control.delete, "events")
        await declare()
        await soon(lambda: a.errors, "told")
        assert isinstance(a.errors[0], NotFound)
        assert not a.sub.open

    play(scene)


def test_a_deleted_group_ends_its_members():
    async def scene(stage: Stage) -> None:
        await declare()
        await billing()
        a = await Worker.join(stage, "a")
        await aperform(groups.delete_group, "events", "billing")
        await soon(lambda: a.errors, "told")
        assert a.errors[0].code == "not_found"
        assert not a.sub.open

    play(scene)


def test_a_group_behind_retention_begins_at_what_is_there():
    async def scene(stage: Stage) -> None:
        await declare(retention_records=2)
        await billing()
        await append(*range(5))
        await retain()
        a = await Worker.join(stage, "a")
        await a.has(2)
        assert a.told == [("assigned", {0: 3})]
        assert a.offsets() == [3, 4]

    play(scene)


def test_a_member_that_retention_overtakes_is_told_and_the_next_begins_at_the_oldest():
    async def scene(stage: Stage) -> None:
        await declare(retention_records=3)
        await billing()
        await append(*range(5))
        a = await Worker.join(stage, "a", credit=1)
        await a.has(1)
        await append(*range(10))
        await retain()
        a.sub.grant(10, 10)
        error = await a.was_told_what_is_gone()
        assert (error.extra["low"], error.extra["end"]) == ("12", "15")
        a.leave()
        b = await Worker.join(stage, "b")
        await b.has(3)
        assert b.offsets() == [12, 13, 14]

    play(scene)


async def commit_all(worker: Worker) -> None:
    """Commit what was read of each partition it has; one revoked meanwhile its next owner reads once more."""
    for number in worker.numbers:
        if worker.offsets(number):
            with contextlib.suppress(Conflict):
                await worker.commit({number: max(worker.offsets(number)) + 1})


def test_members_come_and_go_and_no_record_is_missed():
    """Each reads, commits all it has, and goes; together they have read everything."""

    async def scene(stage: Stage) -> None:
        await declare(partitions=3)
        await billing()
        workers: list[Worker] = []
        for n in range(6):
            workers.append(await Worker.join(stage, f"w{n}"))
            await append(*range(30))
            await turns(10)
            for worker in workers:
                await commit_all(worker)
            if len(workers) > 2:
                workers.pop(0).leave()
        *others, last = workers
        for worker in others:
            worker.leave()
        await last.reads(0, 1, 2)
        await last.is_live()
        at = await committed()
        for place in last.sub.places.values():
            assert set(range(at[place.number])) | set(last.offsets(place.number)) == set(range(place.tail.end))

    play(scene)
