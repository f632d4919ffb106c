"""Long polls: the first message ends the wait, and nothing is leased for somebody who is gone."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from brokerweb.core.errors import NotFound
from brokerweb.queues import control
from brokerweb.storage.run import aperform
from tests.delivery.stage import Stage, hold, play, soon, uncommitted

pytestmark = pytest.mark.django_db(transaction=True)


def test_what_is_there_is_answered_at_once():
    async def scene(stage: Stage) -> None:
        await stage.queue()
        ids = await stage.publish(1, 2, 3)
        handout = await stage.poll(limit=2)
        assert [m.id for m in handout.messages] == ids[:2]
        assert (await stage.poll(wait=0)).messages[0].id == ids[2]
        assert (await stage.poll(wait=0)).messages == []

    play(scene)


def test_an_unknown_queue_is_not_found():
    async def scene(stage: Stage) -> None:
        with pytest.raises(NotFound):
            await stage.poll()

    play(scene)


def test_a_wait_ends_with_the_first_publish():
    async def scene(stage: Stage) -> None:
        queue = await stage.queue()
        poll = stage.poll(limit=5)
        await stage.waits()
        ids = await stage.publish(1, 2)
        assert [m.id for m in (await poll).messages] == ids
        assert stage.hub.book.of(queue) == []
        assert await stage.counts() == {"leased": 2}

    play(scene)


def test_a_message_goes_to_one_of_those_who_wait():
    async def scene(stage: Stage) -> None:
        await stage.queue()
        polls = [stage.poll(wait=0.3) for _ in range(3)]
        await stage.waits(3)
        await stage.publish(1, 2)
        answers = await asyncio.gather(*polls)
        assert sorted(len(answer.messages) for answer in answers) == [0, 1, 1]

    play(scene)


def test_a_wait_without_message_ends_empty():
    async def scene(stage: Stage) -> None:
        await stage.queue()
        assert await stage.poll(wait=0.01) == ([], False, False, False)

    play(scene)


def test_a_paused_queue_is_waited_for_and_then_said_to_be_paused():
    async def scene(stage: Stage) -> None:
        await stage.queue()
        await aperform(control.pause, "orders", reason="", by="me")
        await stage.publish(1)
        assert (await stage.poll(wait=0.01)).paused
        poll = stage.poll()
        await stage.waits()
        await aperform(control.resume, "orders")
        assert len((await poll).messages) == 1

    play(scene)


def test_a_deleted_queue_ends_the_wait():
    async def scene(stage: Stage) -> None:
        await stage.queue()
        poll = stage.poll()
        await stage.waits()
        await aperform(control.delete, "orders")
        with pytest.raises(NotFound):
            await poll

    play(scene)


def test_a_draining_node_answers_those_who_wait():
    async def scene(stage: Stage) -> None:
        await stage.queue()
        poll = stage.poll()
        await stage.waits()
        stage.hub.drain()
        assert (await poll).messages == []
        assert (await stage.poll()).messages == []

    play(scene)


def test_whoever_leaves_while_waiting_gets_nothing():
    async def scene(stage: Stage) -> None:
        await stage.queue()
        gone = asyncio.Event()
        poll = stage.poll(gone=gone)
        await stage.waits()
        gone.set()
        assert (await poll).messages == []
        await stage.publish(1)
        assert await stage.counts() == {"ready": 1}

    play(scene)


def test_a_caller_that_goes_away_during_the_look_leaves_nothing_leased():
    async def scene(stage: Stage) -> None:
        await stage.queue()
        await stage.publish(1)
        held, future = await hold()
        poll = stage.poll()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        poll.cancel()
        await asyncio.gather(poll, return_exceptions=True)
        held.go_on.set()
        await future
        await stage.counts_are(ready=1)
        [message] = (await stage.poll()).messages
        assert (message.attempts, message.failures) in ((2, 0), (1, 0))

    play(scene)


@pytest.mark.parametrize("how", ["cancelled", "gone"])
def test_a_message_handed_over_to_somebody_just_gone_is_given_back(how: str):
    async def scene(stage: Stage) -> None:
        await stage.queue()
        gone = asyncio.Event()
        poll = stage.poll(gone=gone, wait=20)
        await stage.waits()
        held, future = await hold()
        publishing = asyncio.ensure_future(stage.publish(1))
        await asyncio.sleep(0)
        if how == "cancelled":
            poll.cancel()
        else:
            gone.set()
        await soon(lambda: not stage.hub.book.queues())
        held.go_on.set()
        await asyncio.gather(publishing, future, poll, return_exceptions=True)
        await stage.counts_are(ready=1)

    play(scene)


@pytest.mark.parametrize("acknowledge", [True, False])
def test_a_message_on_its_way_when_the_wait_ends_is_the_answer(acknowledge: bool):
    async def scene(stage: Stage) -> None:
        queue = await stage.queue()
        poll = stage.poll(acknowledge=acknowledge)
        await stage.waits()
        [receiver] = stage.hub.book.of(queue)
        publishing, commit = await uncommitted(stage.publish(1))
        receiver.dismiss()
        await soon(lambda: not stage.hub.book.queues())
        commit.set()
        await publishing
        assert [message.body for message in (await poll).messages] == [b"1"]
        assert await stage.counts() == ({"leased": 1} if acknowledge else {})

    play(scene)


def test_a_caller_cancelled_with_the_answer_in_hand_gives_it_back():
    async def scene(stage: Stage) -> None:
        queue = await stage.queue()
        poll = stage.poll()
        await stage.waits()
        [receiver] = stage.hub.book.of(queue)
        await_answer: asyncio.Future[Any] = receiver.answer  # type: ignore[attr-defined]  # one that waits has an answer
        await_answer.add_done_callback(lambda _: poll.cancel())
        await stage.publish(1)
        await asyncio.gather(poll, return_exceptions=True)
        if poll.cancelled():
            await stage.counts_are(ready=1)

    play(scene)


@pytest.mark.parametrize("acknowledge", [True, False])
@pytest.mark.parametrize("waiting", ["when it is published", "when the queue is resumed"])
def test_an_answer_carries_no_more_than_half_a_mebibyte(waiting: str, acknowledge: bool):
    async def scene(stage: Stage) -> None:
        await stage.queue()
        resumed = waiting == "when the queue is resumed"
        if resumed:
            await aperform(control.pause, "orders", reason="", by="me")
        poll = stage.poll(acknowledge=acknowledge)
        await stage.waits()
        await stage.publish("x" * 300_000, "y" * 300_000)
        if resumed:
            await aperform(control.resume, "orders")
        [first] = (await poll).messages
        assert first.attempts == 1
        await stage.counts_are(**({"leased": 1} if acknowledge else {}), ready=1)
        [second] = (await stage.poll()).messages
        assert second.attempts == 1

    play(scene)


def test_what_an_answer_does_not_carry_goes_to_the_next_who_waits():
    async def scene(stage: Stage) -> None:
        await stage.queue()
        polls = [stage.poll(acknowledge=False) for _ in range(2)]
        await stage.waits(2)
        await stage.publish(*(f'"{n}{"x" * 300_000}"' for n in range(3)))
        answers = [(await poll).messages for poll in polls]
        assert sorted(message.body[:2] for [message] in answers) == [b'"0', b'"1']
        assert await stage.counts() == {"ready": 1}

    play(scene)
