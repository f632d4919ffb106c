"""Frames on their way to a session: in order, a bounded number in one turn of the loop, and behind those that wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from brokerweb.core import closing
from brokerweb.faces.websocket.intake import FRAMES_IN_A_ROW, WAITING_BYTES, Intake
from brokerweb.faces.websocket.language import Frame
from brokerweb.faces.websocket.outbox import FULL_BYTES, Outbox
from tests.faces.lines import Lines


class Session:
    """Notes what it handles. "wait" waits for ``gate``; "fail" and "wait, fail" go wrong; "bye" closes."""

    def __init__(self, outbox: Outbox) -> None:
        self.outbox = outbox
        self.handled: list[Frame] = []
        self.gate = asyncio.Event()
        self.full = False

    def handle(self, frame: Frame) -> Awaitable[None] | None:
        self.handled.append(frame)
        if frame == "fail":
            raise RuntimeError("the fault")
        if frame == "bye":
            self.outbox.close(closing.NORMAL, "bye")
        return self._wait(frame) if isinstance(frame, str) and frame.startswith("wait") else None

    async def _wait(self, frame: str) -> None:
        await self.gate.wait()
        self.handled.append(f"{frame}ed")
        if frame == "wait, fail":
            raise RuntimeError("the fault")

    async def room(self) -> None:
        if self.full:
            await self.gate.wait()
            self.full = False


class Source:
    """A connection with more to give, when it is asked."""

    def __init__(self, intake: Intake, *frames: str) -> None:
        self.intake, self.left = intake, list(frames)
        intake.source = self

    def feed(self, intake: Any) -> None: ...

    def go_on(self) -> None:
        assert self.intake.room == FRAMES_IN_A_ROW
        some, self.left = self.left[: self.intake.room], self.left[self.intake.room :]
        self.intake.put(some)


def play(scene: Callable[[Session, Intake, list[BaseException]], Awaitable[None]], *, binary: bool = False) -> None:
    async def run() -> None:
        async def send(event: dict[str, Any]) -> None: ...

        failures: list[BaseException] = []
        outbox = Outbox(Lines(), send, lambda crowded: None)
        session: Any = Session(outbox)
        await scene(session, Intake(session, outbox, most=10, binary=binary, failed=failures.append), failures)

    asyncio.run(asyncio.wait_for(run(), 20))


def test_frames_are_handled_at_once() -> None:
    async def scene(session: Session, intake: Intake, failures: list[BaseException]) -> None:
        intake.put(["a", "b"])
        assert session.handled == ["a", "b"]
        assert not intake.busy
        await intake.done()

    play(scene)


def test_later_frames_stand_behind_one_that_waits() -> None:
    async def scene(session: Session, intake: Intake, failures: list[BaseException]) -> None:
        intake.put(["a", "wait", "b", "wait", "c"])
        intake.put(["d"])
        await asyncio.sleep(0)
        assert session.handled == ["a", "wait"]
        assert intake.busy
        session.gate.set()
        await intake.done()
        assert session.handled == ["a", "wait", "waited", "b", "wait", "waited", "c", "d"]

    play(scene)


def test_no_frame_is_handled_before_there_is_room_for_it() -> None:
    async def scene(session: Session, intake: Intake, failures: list[BaseException]) -> None:
        session.full = True
        intake.put(["a", "b"])
        assert session.handled == ["a"]
        session.gate.set()
        await intake.done()
        assert session.handled == ["a", "b"]
        session.outbox.frame("x" * FULL_BYTES)
        intake.put(["c", "d"])
        for _ in range(5):
            await asyncio.sleep(0)
        assert session.handled == ["a", "b", "c"]
        session.outbox.abandon()
        await intake.done()
        assert session.handled == ["a", "b", "c", "d"]

    play(scene)


@pytest.mark.parametrize("given", ["at once", "when asked"])
def test_a_turn_of_the_loop_handles_a_bounded_number(given: str) -> None:
    async def scene(session: Session, intake: Intake, failures: list[BaseException]) -> None:
        frames = [str(number) for number in range(5 * FRAMES_IN_A_ROW + 1)]
        if given == "at once":
            intake.put(frames)
        else:
            intake.put(frames[:FRAMES_IN_A_ROW])
            Source(intake, *frames[FRAMES_IN_A_ROW:])
        for turn in range(1, 6):
            assert len(session.handled) == turn * FRAMES_IN_A_ROW
            await asyncio.sleep(0)
        await intake.done()
        assert session.handled == frames

    play(scene)


def test_little_is_taken_while_one_waits() -> None:
    async def scene(session: Session, intake: Intake, failures: list[BaseException]) -> None:
        assert intake.room == FRAMES_IN_A_ROW
        intake.put(["wait", "a"])
        assert intake.room == FRAMES_IN_A_ROW - 1
        intake.put(["x" * WAITING_BYTES])
        assert intake.room == 0
        session.gate.set()
        await intake.done()
        assert intake.room == FRAMES_IN_A_ROW

    play(scene)


def test_nothing_behind_what_closes_is_handled() -> None:
    async def scene(session: Session, intake: Intake, failures: list[BaseException]) -> None:
        intake.put(["a", "bye", "b"])
        intake.put(["c"])
        await intake.done()
        assert session.handled == ["a", "bye"]

    play(scene)


@pytest.mark.parametrize("fault", ["fail", "wait, fail"])
def test_a_fault_is_told_and_the_rest_left_to_who_was_told(fault: str) -> None:
    async def scene(session: Session, intake: Intake, failures: list[BaseException]) -> None:
        session.gate.set()
        intake.put(["a", fault, "b"])
        await intake.done()
        assert [str(error) for error in failures] == ["the fault"]
        assert "b" not in session.handled

    play(scene)


def test_what_is_stopped_handles_nothing_more() -> None:
    async def scene(session: Session, intake: Intake, failures: list[BaseException]) -> None:
        source = Source(intake, "more")
        intake.put(["wait", "a"])
        await asyncio.sleep(0)
        intake.stop()
        await intake.done()
        intake.put(["b"])
        assert session.handled == ["wait"]
        assert source.left == ["more"]

    play(scene)


@pytest.mark.parametrize(
    ("frame", "binary", "closes"),
    [
        ("x" * 10, False, False),
        ("x" * 11, False, True),
        ("\u00e9" * 5, False, False),
        ("\u00e9" * 6, False, True),
        (b"x" * 11, False, False),  # refused by its kind, and not by its size
        (b"x" * 10, True, False),
        (b"x" * 11, True, True),
    ],
)
def test_a_frame_that_is_too_large_closes(frame: Frame, binary: bool, closes: bool) -> None:
    async def scene(session: Session, intake: Intake, failures: list[BaseException]) -> None:
        intake.put([frame, "b"])
        assert session.outbox.closing == closes
        assert session.handled == ([] if closes else [frame, "b"])

    play(scene, binary=binary)
