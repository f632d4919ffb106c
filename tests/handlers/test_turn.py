"""One transaction of a source, with handlers that have something to say in it."""

from __future__ import annotations

from typing import Any

import pytest

from brokerweb import Reject, Retry, queues
from brokerweb.handlers import turn
from brokerweb.handlers.sources import QueueSource
from brokerweb.handlers.turn import Asked, Extension, Finished, HandlerFailed, TooLate
from brokerweb.handlers.work import Failure, Settlement, Work, settlement_of
from brokerweb.queues.models import Message
from brokerweb.queues.states import State
from brokerweb.storage.run import perform
from tests.queues.bench import Time

pytestmark = pytest.mark.usefixtures("database")


class Telling:
    """Publishes what it hears to another queue, in the same transaction; or fails to."""

    name = "telling"

    def __init__(self, wrong: str = "") -> None:
        self.wrong = wrong

    def work(self, message: Any) -> Work:
        return Work(call=lambda: None)

    def done(self, tx: Any, message: Any, result: Any) -> None:
        queues.publish("told", ["done", message.body, result])
        if self.wrong == "done":
            raise RuntimeError("cannot say")

    def failed(self, tx: Any, message: Any, failure: Failure) -> Settlement:
        queues.publish("told", ["failed", message.body, str(failure.error)])
        if self.wrong == "failed":
            raise RuntimeError("cannot say")
        return settlement_of(failure)


@pytest.fixture(autouse=True)
def orders(database: str) -> None:
    queues.declare("orders", lease=20)
    queues.declare("told")


def source(wrong: str = "") -> QueueSource:
    return QueueSource("orders", Telling(wrong))


def taken(*bodies: Any) -> list[queues.Received]:
    queues.publish_many("orders", [{"body": body} for body in bodies])
    return queues.receive("orders", limit=100)


def take(asked: Asked, wrong: str = "") -> turn.Answer:
    return perform(turn.take, source(wrong), asked, "test")


def told() -> list[Any]:
    return [message.body for message in queues.receive("told", limit=100)]


def states() -> list[State]:
    return [State(message.state) for message in Message.objects.filter(queue__name="orders").order_by("id")]


def failure(error: Exception) -> Failure:
    return Failure.of(error)


def test_everything_is_one_commit():
    done, bad, never, held = taken("done", "bad", "never", "held")
    queues.publish("orders", "next")
    answer = take(
        Asked(
            [
                Finished(done, 7),
                Finished(bad, failure=failure(Retry("later"))),
                Finished(never, failure=failure(Reject("never"))),
            ],
            [Extension(held.receipt, 60)],
            5,
        )
    )
    assert (answer.lost, [message.body for message in answer.leased], answer.more) == (set(), ["next"], False)
    assert states() == [State.SCHEDULED, State.DEAD, State.LEASED, State.LEASED]
    assert sorted(told()) == [["done", "done", 7], ["failed", "bad", "later"], ["failed", "never", "never"]]


def test_of_a_lost_lease_nothing_is_said(time: Time):
    gone, held = taken("gone", "held")
    queues.settle(ack=[gone])
    answer = take(Asked([Finished(gone, 1), Finished(held, 2)], [Extension("1-99-1", 60)]))
    assert answer.lost == {gone.receipt, "1-99-1"}
    assert told() == [["done", "held", 2]]
    [late] = taken("late")
    time.advance(21)
    with pytest.raises(TooLate) as refused:
        take(Asked([Finished(late, failure=failure(ValueError()))]))
    assert refused.value.finished.message is late
    assert (states(), told()) == ([State.LEASED], [])


def test_a_handler_that_cannot_say_takes_the_whole_turn_back():
    one, two = taken("one", "two")
    asked = Asked([Finished(one, 1), Finished(two, failure=failure(ValueError("bug")))])
    with pytest.raises(HandlerFailed) as refused:
        take(asked, "done")
    assert (states(), told()) == ([State.LEASED] * 2, [])
    turn.blame(refused.value)
    assert str(refused.value.finished.failure and refused.value.finished.failure.error) == "cannot say"
    with pytest.raises(HandlerFailed) as refused:
        take(asked, "failed")
    turn.blame(refused.value)
    with pytest.raises(HandlerFailed) as refused:
        take(asked, "failed")
    turn.blame(refused.value)
    assert take(asked, "failed").lost == set()
    assert (states(), told()) == ([State.SCHEDULED] * 2, [])


def test_a_queue_that_is_gone_is_told():
    [last] = taken("last")
    queues.delete("orders")
    answer = take(Asked([Finished(last, 1)], [], 5))
    assert (answer.lost, answer.leased, answer.gone) == ({last.receipt}, (), "There is no queue orders.")


def test_a_failure_is_told_from_where_the_handlers_own_code_begins():
    try:
        raise ValueError("bug")
    except ValueError as error:
        text = Failure.of(error).text
    assert text.startswith("Traceback (most recent call last):\n")
    assert "raise ValueError" in text
