"""What waits to be sent to one socket: when nothing more is to be leased for it."""

from __future__ import annotations

import asyncio
from typing import Any

from brokerweb.faces.brokerweb_v1.language import BrokerwebV1
from brokerweb.faces.websocket.outbox import CROWDED_BYTES, FULL_BYTES, Outbox


def test_from_its_close_on_nothing_is_leased_for_a_socket():
    sent: list[dict[str, Any]] = []
    told: list[bool] = []

    async def send(event: dict[str, Any]) -> None:
        sent.append(event)

    async def scene() -> None:
        outbox = Outbox(BrokerwebV1(), send, told.append)
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

        outbox = Outbox(BrokerwebV1(), send, told.append)
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

        outbox = Outbox(BrokerwebV1(), send, lambda crowded: None)
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
        outbox = Outbox(BrokerwebV1(), lambda event: asyncio.sleep(0), lambda crowded: None)
        outbox.frame("x" * FULL_BYTES)
        room = asyncio.ensure_future(outbox.room())
        await asyncio.sleep(0)
        outbox.close(1001, "the node stops")
        await asyncio.wait_for(room, 10)

    asyncio.run(scene())
