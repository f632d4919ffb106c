"""What waits to be sent to one socket: what goes together, and when nothing more is to be leased for it."""

from __future__ import annotations

import asyncio
from typing import Any

from brokerweb.faces.websocket.outbox import CROWDED_BYTES, FULL_BYTES, Outbox
from tests.faces.lines import Lines


def test_from_its_close_on_nothing_is_leased_for_a_socket():
    sent: list[dict[str, Any]] = []
    told: list[bool] = []

    async def send(event: dict[str, Any]) -> None:
        sent.append(event)

    async def scene() -> None:
        outbox = Outbox(Lines(), send, told.append)
        outbox.frame("x" * (CROWDED_BYTES + 1))
        outbox.frame("bye")
        outbox.close(4009, "closed by an operator")
        outbox.close(1001, "too late")
        await outbox.run()
        assert outbox.crowded

    asyncio.run(scene())
    assert told == [True]
    assert [event.get("code") for event in sent] == [None, None, 4009]


def test_a_socket_is_crowded_until_half_of_it_is_sent():
    told: list[bool] = []

    async def scene() -> None:
        sent = asyncio.Event()

        async def send(event: dict[str, Any]) -> None:
            sent.set()

        outbox = Outbox(Lines(), send, told.append)
        outbox.frame("x" * (CROWDED_BYTES + 1))
        assert told == [True]
        writing = asyncio.ensure_future(outbox.run())
        await sent.wait()
        assert told == [True, False]
        writing.cancel()

    asyncio.run(scene())


def test_there_is_no_room_for_commands_while_too_much_is_unsent():
    async def scene() -> None:
        reads = asyncio.Event()

        async def send(event: dict[str, Any]) -> None:
            await reads.wait()

        outbox = Outbox(Lines(), send, lambda crowded: None)
        writing = asyncio.ensure_future(outbox.run())
        await asyncio.wait_for(outbox.room(), 10)
        for _ in range(3):
            outbox.frame("x" * FULL_BYTES)
        room = asyncio.ensure_future(outbox.room())
        for _ in range(5):
            await asyncio.sleep(0)
        assert not room.done()
        reads.set()
        await asyncio.wait_for(room, 10)
        writing.cancel()

    asyncio.run(scene())


def test_nobody_waits_for_the_room_of_a_socket_that_closes():
    async def scene() -> None:
        outbox = Outbox(Lines(), lambda event: asyncio.sleep(0), lambda crowded: None)
        outbox.frame("x" * FULL_BYTES)
        room = asyncio.ensure_future(outbox.room())
        await asyncio.sleep(0)
        outbox.close(1001, "the node stops")
        await asyncio.wait_for(room, 10)

    asyncio.run(scene())


class Noting(Lines):
    """Says of each call what it was for."""

    def deliver(self, to: Any, messages: list[Any]) -> list[str]:
        return [f"{to}: {messages}"]

    def records(self, to: Any, run: Any) -> list[str]:
        return [f"{to} reads {run}"]


def test_messages_that_wait_last_for_the_same_one_go_together_and_nothing_overtakes():
    sent: list[Any] = []

    async def send(event: dict[str, Any]) -> None:
        sent.append(event.get("text", event.get("bytes")))

    async def scene() -> None:
        outbox = Outbox(Noting(), send, lambda crowded: None)
        mine = [1]
        outbox.deliver("a", mine, 1)
        outbox.deliver("a", [2, 3], 2)
        outbox.deliver("b", [4], 1)
        outbox.deliver("a", [5], 1)
        outbox.frame("ok")
        outbox.deliver("a", [6], 1)
        outbox.records("a", "run 1", 1)
        outbox.records("a", "run 2", 1)
        outbox.frame(b"ok")
        outbox.close(1000, "bye")
        outbox.frame("too late")
        await outbox.run()
        assert mine == [1], "what was given is not changed"

    asyncio.run(scene())
    assert sent == ["a: [1, 2, 3]", "b: [4]", "a: [5]", "ok", "a: [6]", "a reads run 1", "a reads run 2", b"ok", None]


def test_what_waits_to_become_frames_counts_by_the_size_it_came_with():
    told: list[bool] = []

    async def scene() -> None:
        reads, relieved = asyncio.Event(), asyncio.Event()

        async def send(event: dict[str, Any]) -> None:
            await reads.wait()

        def crowded(crowded: bool) -> None:
            told.append(crowded)
            if not crowded:
                relieved.set()

        outbox = Outbox(Noting(), send, crowded)
        outbox.frame("the first, which is not read")
        writing = asyncio.ensure_future(outbox.run())
        await asyncio.sleep(0)
        for _ in range(2):
            outbox.deliver("a", [1], CROWDED_BYTES // 2)
        assert told == []
        outbox.records("a", "run", 1)
        assert told == [True]
        reads.set()
        await asyncio.wait_for(relieved.wait(), 10)
        writing.cancel()

    asyncio.run(scene())
    assert told == [True, False]
