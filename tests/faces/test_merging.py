"""Calls of many connections that go to the store as one: each keeps its own answer."""

from __future__ import annotations

import asyncio
from itertools import chain
from typing import Any

import pytest

from brokerweb.core.errors import BrokerError, NotFound, QueueFull, Unavailable
from brokerweb.faces.calls import merging
from brokerweb.faces.calls.merging import amerged, publishing, settling
from brokerweb.queues.messages import Accepted, NewMessage, Settle
from brokerweb.storage import run
from brokerweb.storage.calls import MOST_COST
from tests.delivery.stage import Stage, play

pytestmark = pytest.mark.django_db(transaction=True)


async def publish(*bodies: str, size: int = 10, queue: str = "orders", **fields: Any) -> list[Accepted]:
    messages = [NewMessage(body.encode(), **fields) for body in bodies]
    accepted: list[Accepted] = await amerged(publishing(queue, publisher="ada"), messages, size)
    return accepted


async def all_of(*calls: Any) -> list[Any]:
    return await asyncio.gather(*calls, return_exceptions=True)


def calls(stage: Stage) -> int:
    return stage.committer.calls


def test_what_comes_in_one_turn_is_one_call_and_in_order():
    async def scene(stage: Stage) -> None:
        await stage.queue()
        before = calls(stage)
        answers = await all_of(publish("a"), publish("b", "c"), publish("d"))
        assert calls(stage) == before + 1
        assert [len(answer) for answer in answers] == [1, 2, 1]
        handout = await stage.poll()
        assert [(m.id, m.body) for m in handout.messages] == [
            (accepted.id, body) for accepted, body in zip(chain.from_iterable(answers), (b"a", b"b", b"c", b"d"), strict=True)
        ]
        assert merging._crowds == {}
        receipts = [str(m.receipt) for m in handout.messages]
        before = calls(stage)
        one, two = await all_of(
            amerged(settling(queue="orders"), [Settle("ack", receipts[0]), Settle("ack", receipts[0])], 0),
            amerged(settling(queue="orders"), [Settle("release", receipts[1])], 0),
        )
        assert calls(stage) == before + 1
        assert [answer.status for answer in one] == ["ok", "lease_lost"]
        assert [(answer.receipt, answer.status) for answer in two] == [(receipts[1], "ok")]

    play(scene)


def test_one_that_is_refused_refuses_itself_alone():
    async def scene(stage: Stage) -> None:
        await stage.queue(max_length=2)
        first, full, second = await all_of(publish("a"), publish("b", "c"), publish("d"))
        assert (len(first), len(second)) == (1, 1)
        assert isinstance(full, QueueFull)
        assert await stage.counts() == {"ready": 2}
        missing = await all_of(publish("a", queue="other"), publish("b", queue="other"))
        assert [type(error) for error in missing] == [NotFound, NotFound]

    play(scene)


def test_a_duplicate_in_the_same_turn_is_one():
    async def scene(stage: Stage) -> None:
        await stage.queue()
        [first], [again] = await all_of(publish("a", dedup_id="d"), publish("a", dedup_id="d"))
        assert again == Accepted(first.id, True)
        assert await stage.counts() == {"ready": 1}

    play(scene)


def test_one_call_is_bounded_in_messages_and_bytes(monkeypatch: pytest.MonkeyPatch):
    async def scene(stage: Stage) -> None:
        await stage.queue()
        before = calls(stage)
        await all_of(*(publish("x", size=MOST_COST // 2) for _ in range(6)))
        assert calls(stage) == before + 3
        monkeypatch.setattr(merging, "MOST", 2)
        before = calls(stage)
        await all_of(*(publish("x") for _ in range(6)))
        assert calls(stage) == before + 3

    play(scene)


def test_who_goes_away_takes_nobody_along():
    async def scene(stage: Stage) -> None:
        await stage.queue()
        gone, stays = asyncio.ensure_future(publish("a")), asyncio.ensure_future(publish("b"))
        await asyncio.sleep(0)
        gone.cancel()
        assert len(await stays) == 1
        assert gone.cancelled()
        assert await stage.counts() == {"ready": 2}

    play(scene)


def test_a_committer_that_takes_nothing_is_everybodys_error(monkeypatch: pytest.MonkeyPatch):
    async def scene(stage: Stage) -> None:
        await stage.queue()

        def refuse(*_: Any, **__: Any) -> None:
            raise Unavailable("full")

        monkeypatch.setattr(run, "start", refuse)
        refused = await all_of(publish("a"), publish("b"))
        assert all(isinstance(error, BrokerError) and error.code == "unavailable" for error in refused)

    play(scene)
