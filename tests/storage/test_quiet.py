"""A batch waits for the rest of a crowd, and for nothing else."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from brokerweb.storage import committer as module
from brokerweb.storage.quiet import Quiet
from tests.storage.desk import Desk, put


class Loop(asyncio.SelectorEventLoop):
    """A loop that is turned by hand."""

    def turn(self) -> None:
        self.call_soon(self.stop)
        self.run_forever()


@pytest.fixture
def loop() -> Iterator[Loop]:
    made = Loop()
    yield made
    made.close()


def test_nobody_came_and_it_is_quiet():
    assert Quiet().wait(0)


def test_it_is_quiet_after_a_turn_that_brought_nothing(loop: Loop):
    quiet = Quiet()
    quiet.handed(loop)
    assert not quiet.wait(0)
    loop.turn()
    assert not quiet.wait(0)
    quiet.handed(loop)
    loop.turn()
    assert not quiet.wait(0)
    loop.turn()
    assert quiet.wait(0)


def test_it_can_be_busy_again(loop: Loop):
    quiet = Quiet()
    for _ in range(3):
        quiet.handed(loop)
        assert not quiet.wait(0)
        loop.turn()
        loop.turn()
        assert quiet.wait(0)


def test_who_waits_goes_on_with_the_quiet_turn(loop: Loop):
    quiet = Quiet()
    answers: list[bool] = []
    quiet.handed(loop)
    waiting = threading.Thread(target=lambda: answers.append(quiet.wait(3600)))
    waiting.start()
    loop.turn()
    assert not answers
    loop.turn()
    waiting.join(20)
    assert answers == [True]


def test_a_call_while_the_committer_looks_is_no_error(loop: Loop):
    quiet = Quiet()
    with quiet._busy:
        quiet.handed(loop)
    assert quiet.wait(0)
    quiet.handed(loop)
    assert not quiet.wait(0)


class TestBatch:
    def test_a_crowd_goes_together(self, desk: Desk, loop: Loop, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(module, "PATIENCE", 3600)
        desk.committer.quiet.handed(loop)
        calls = [desk.hand_in(put, name) for name in "abc"]
        loop.turn()
        loop.turn()
        for call in calls:
            desk.answered(call)
        assert desk.delivered == [calls]

    def test_a_loop_that_never_falls_quiet_keeps_nobody(self, desk: Desk, loop: Loop, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(module, "PATIENCE", 0.001)
        desk.committer.quiet.handed(loop)
        assert desk.run(put, "a").error is None
