"""Several committers: what waits in one holds no other up, and each session's calls keep their order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from brokerweb.core.errors import Unavailable
from brokerweb.storage import committer as module
from brokerweb.storage.calls import FREE, Call, Place
from brokerweb.storage.lanes import Lanes
from tests.storage.desk import WAIT, Desk, put, put_and_refuse, stored

ONE, TWO = "one", "two"  # sessions


def destination(call: Call) -> int | None:
    """What the first letter of the first argument names."""
    return {"a": 0, "b": 1}.get(call.args[0][0])


class TwoLanes(Desk):
    """Two lanes, one for what begins with "a" and one for what begins with "b", and the one for all else."""

    def __init__(self, destination: Callable[[Call], object] = destination) -> None:
        super().__init__(Lanes, number=3, destination=destination)
        self.ran: list[str] = []

    def note(self, tx: Any, name: str) -> str:
        self.ran.append(name)
        return put(tx, name)

    def send(self, session: object, name: str, verb: Callable[..., Any] | None = None) -> Call:
        return self.hand_in(verb or self.note, name, place=Place(session))

    def hold_in(self, name: str, session: object = FREE) -> Callable[[], None]:
        """Keep a lane in a verb until the returned function is called."""
        inside, go_on = threading.Event(), threading.Event()

        def wait(tx: Any, name: str) -> None:
            inside.set()
            assert go_on.wait(WAIT)
            self.ran.append(name)

        self.send(session, name, wait)
        assert inside.wait(WAIT)
        return go_on.set


@pytest.fixture
def desk(on_postgres: None) -> Iterator[TwoLanes]:
    desk = TwoLanes()
    yield desk
    desk.committer.stop()


def test_what_waits_in_one_lane_does_not_hold_up_another(desk: TwoLanes):
    go_on = desk.hold_in("a")
    assert desk.answered(desk.send(FREE, "b1")).result == "b1"
    waiting = desk.send(FREE, "a1")
    assert stored() == ["b1"]
    go_on()
    assert desk.answered(waiting).result == "a1"


def test_what_has_no_destination_has_a_lane_to_itself(desk: TwoLanes):
    release = [desk.hold_in(name) for name in "ab"]
    desk.answered(desk.send(FREE, "x"))
    assert desk.ran == ["x"]
    for go_on in release:
        go_on()


def test_calls_of_one_session_keep_their_order_across_lanes(desk: TwoLanes):
    go_on = desk.hold_in("a1", ONE)
    calls = [desk.send(ONE, name) for name in ("b2", "a3", "b4", "b5")]
    desk.answered(desk.send(TWO, "b of another"))
    assert desk.ran == ["b of another"]
    go_on()
    for call in calls:
        desk.answered(call)
    assert desk.ran == ["b of another", "a1", "b2", "a3", "b4", "b5"]


def test_a_batch_is_run_in_the_order_of_what_its_calls_are_about(on_postgres: None):
    """Else two nodes that write to the same two streams would wait for each other, a second each time."""
    desk = TwoLanes(lambda call: int(call.args[0][0]))  # even numbers have one lane
    go_on = desk.hold_in("0")
    calls = [desk.send(FREE, name) for name in ("4a", "2b", "6c", "2d", "4e")]
    go_on()
    for call in calls:
        desk.answered(call)
    desk.committer.stop()
    assert desk.ran == ["0", "2b", "2d", "4a", "4e", "6c"]


def test_a_call_that_fails_lets_the_next_of_its_session_go(desk: TwoLanes):
    go_on = desk.hold_in("a", ONE)
    refused, after = desk.send(ONE, "b1", put_and_refuse), desk.send(ONE, "a2")
    go_on()
    assert desk.answered(refused).error is not None
    assert desk.answered(after).result == "a2"
    assert stored() == ["a2"]


def test_a_session_whose_calls_are_answered_is_forgotten(desk: TwoLanes):
    for name in ("a1", "b2", "a3"):
        desk.answered(desk.send(ONE, name))
    desk.committer.stop()
    assert desk.committer._sessions == {}


def test_the_lanes_share_one_bound(desk: TwoLanes, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "MAX_CALLS", 4)
    go_on = desk.hold_in("a", ONE)
    calls = [desk.send(ONE, "b1"), desk.send(ONE, "b2"), desk.send(FREE, "a3")]
    assert desk.committer.crowded
    with pytest.raises(Unavailable):
        desk.send(FREE, "b too much")
    go_on()
    for call in calls:
        desk.answered(call)
    assert desk.answered(desk.send(FREE, "b again")).result == "b again"


def test_stopping_runs_what_waits_for_an_earlier_call_of_its_session(desk: TwoLanes):
    go_on = desk.hold_in("a1", ONE)
    calls = [desk.send(ONE, name) for name in ("b2", "a3")]
    stopping = threading.Thread(target=desk.committer.stop)
    stopping.start()
    go_on()
    stopping.join()
    for call in calls:
        desk.answered(call)
    assert stored() == ["a3", "b2"]
    with pytest.raises(Unavailable):
        desk.send(FREE, "b late")
