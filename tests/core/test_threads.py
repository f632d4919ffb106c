"""The threads of requests: bounded, one for each request, and none for who waits for something else."""

from __future__ import annotations

import asyncio
import threading

import pytest
from asgiref.sync import sync_to_async

from brokerweb.core.threads import Threads


def test_all_synchronous_code_of_a_request_runs_on_one_thread_and_there_are_no_more_than_the_limit():
    async def request(threads: Threads) -> set[int]:
        async with threads.one():
            seen = set()
            for _ in range(5):
                seen.add(await sync_to_async(threading.get_ident)())
                await asyncio.sleep(0)
            return seen

    async def crowd() -> list[set[int]]:
        threads = Threads(3, "crowd")
        return await asyncio.gather(*(request(threads) for _ in range(100)))

    seen = asyncio.run(crowd())
    assert {len(each) for each in seen} == {1}
    assert len(set.union(*seen)) <= 3


def test_who_finds_all_threads_busy_has_the_first_that_is_free():
    let_go = [threading.Event(), threading.Event()]

    async def busy(threads: Threads, which: int) -> None:
        async with threads.one():
            assert await sync_to_async(let_go[which].wait)(30)

    async def quick(threads: Threads) -> str:
        async with threads.one():
            return await sync_to_async(lambda: "done")()

    async def scene() -> None:
        threads = Threads(2, "few")
        slow = [asyncio.ensure_future(busy(threads, which)) for which in (0, 1)]
        await asyncio.sleep(0)
        waiting = [asyncio.ensure_future(quick(threads)) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[1].cancel()
        assert not waiting[0].done()
        let_go[1].set()
        assert [await waiting[0], await waiting[2]] == ["done", "done"]
        assert not slow[0].done()
        let_go[0].set()
        await asyncio.gather(*slow)

    asyncio.run(asyncio.wait_for(scene(), 30))


def test_a_request_that_waits_for_something_else_keeps_no_thread_from_others():
    async def poll(threads: Threads, until: asyncio.Event) -> int:
        async with threads.one():
            await sync_to_async(threading.get_ident)()
            await until.wait()
            return await sync_to_async(threading.get_ident)()

    async def scene() -> None:
        threads, until = Threads(1, "single"), asyncio.Event()
        polls = [asyncio.ensure_future(poll(threads, until)) for _ in range(50)]
        async with threads.one():
            ident = await sync_to_async(threading.get_ident)()
        until.set()
        assert set(await asyncio.gather(*polls)) == {ident}

    asyncio.run(asyncio.wait_for(scene(), 30))


def test_what_a_view_raises_reaches_its_caller():
    def fail() -> None:
        raise ZeroDivisionError

    async def request() -> None:
        async with Threads(1, "failing").one():
            with pytest.raises(ZeroDivisionError):
                await sync_to_async(fail)()
            assert await sync_to_async(lambda: 1)() == 1

    asyncio.run(request())
