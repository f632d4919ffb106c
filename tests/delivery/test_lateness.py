"""What comes too late to begin with goes back to its place, and out again with a lease of its own."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from brokerweb.core import clock
from brokerweb.delivery.polls import receive
from brokerweb.delivery.queues import subscription
from brokerweb.delivery.queues.lateness import late
from brokerweb.queues.messages import Leased
from tests.delivery.stage import Stage, play
from tests.queues.bench import Time

pytestmark = pytest.mark.django_db(transaction=True)


def first_is_late(monkeypatch: pytest.MonkeyPatch, module: object) -> None:
    """As if the commit of what comes first had taken long."""
    answers = [True]
    monkeypatch.setattr(module, "late", lambda messages: bool(answers and answers.pop()))


def leased(time: Time, lease: float, *, acknowledge: bool = True) -> Sequence[Leased]:
    message = Leased(1, 1, 1, 0, 4, None, None, None, False, b"1", 0, None, None, None)
    if acknowledge:
        message.hold(lease, time.now() + clock.seconds(lease))
    return [message]


def test_half_of_a_lease_is_enough(time: Time):
    long, short, none = leased(time, 30), leased(time, 1.5), leased(time, 0, acknowledge=False)
    assert not late(long)
    time.advance(0.9)
    assert not late(short), "a moment is none"
    time.advance(0.2)
    assert late(short)
    assert not late(none), "it is nowhere else"
    time.advance(13.8)
    assert not late(long)
    time.advance(0.2)
    assert late(long)


def test_a_subscriber_gets_it_again(monkeypatch: pytest.MonkeyPatch):
    async def scene(stage: Stage) -> None:
        await stage.queue()
        client = await stage.client(prefetch=1)
        first_is_late(monkeypatch, subscription)
        await stage.publish(1, 2)
        [one] = await client.has(1)
        assert (one.attempts, one.failures, client.bodies) == (2, 0, ["1"])
        await client.settle("ack", one)
        await client.has(2)
        assert client.bodies == ["1", "2"]
        assert await stage.counts() == {"leased": 1}

    play(scene)


def test_a_call_gets_what_is_leased_for_it_next(monkeypatch: pytest.MonkeyPatch):
    async def scene(stage: Stage) -> None:
        await stage.queue()
        await stage.publish(1, 2)
        first_is_late(monkeypatch, receive)
        [message] = (await stage.poll(limit=1)).messages
        assert (message.body, message.attempts) in ((b"1", 2), (b"2", 1)), "whatever is ready by then"

    play(scene)


def test_a_call_that_waited_is_answered_with_nothing(monkeypatch: pytest.MonkeyPatch):
    async def scene(stage: Stage) -> None:
        await stage.queue()
        poll = stage.poll()
        await stage.waits()
        first_is_late(monkeypatch, receive)
        await stage.publish(1)
        assert (await poll).messages == []
        [message] = (await stage.poll()).messages
        assert (message.attempts, message.failures) == (2, 0)

    play(scene)
