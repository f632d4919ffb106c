"""The broker's clock beside one of the wall that is set."""

from __future__ import annotations

import random
import threading
import time

import pytest

from brokerweb.core import clock, machine
from brokerweb.core.clock import Clock, Step
from tests.clocks.machine import START, Machine

HOUR = 3600 * clock.SECOND
DAY = 24 * HOUR
YEARS = 3 * 365 * DAY
Y = YEARS / clock.SECOND


@pytest.fixture
def pc(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine().installed(monkeypatch)


@pytest.mark.parametrize("step", [HOUR, -2 * HOUR])
def test_a_step_of_the_wall_moves_no_instant(monkeypatch: pytest.MonkeyPatch, step: int):
    running = clock.Clock()
    before, wall = running.now(), time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: wall() + step * 1000)
    assert 0 <= running.now() - before < HOUR


def test_a_clock_behind_what_is_stored_starts_there():
    running = clock.Clock()
    newest = running.now() + HOUR
    running.not_before(newest)
    assert 0 <= running.now() - newest < HOUR
    running.not_before(newest - HOUR)
    assert running.now() >= newest


# Steps


@pytest.mark.parametrize("step", [1, 3600, -7200, 86_400, 3 * 365 * 86_400, -30 * 365 * 86_400])
def test_a_step_is_noticed_and_both_ways_lead_back(pc: Machine, step: float):
    running = Clock()
    pc.pass_time(10)
    pc.set_wall(step)
    assert running.instants() == (START + 10 * clock.SECOND, pc.wall)
    assert running.steps[1:] == [Step(running.now(), clock.seconds(step))]
    assert running.unsettled == clock.seconds(step)
    clock.install(running)
    assert clock.to_wall(clock.now()) == pc.wall
    assert clock.from_wall(pc.wall) == clock.now()


def test_what_is_no_step_is_followed_by_nothing(pc: Machine):
    """Reading two clocks takes its time; where NTP slews, or smears a leap second, the monotonic clock goes along."""
    running = Clock()
    for off in (0.1, -0.3, 0.2):
        pc.set_wall(off)
        pc.pass_time(1)
        now, wall = running.instants()
        assert (wall - now, running.unsettled) == (0, 0)
    assert running.steps == [Step(0, 0)]


def test_a_drift_is_followed_before_a_second_is_lost_and_nobody_is_alarmed(pc: Machine):
    running = Clock()
    for _ in range(3600):  # such as a monotonic clock that NTP does not lead, 100 ppm
        pc.pass_time(100)
        pc.set_wall(0.01)
        _, wall = running.instants()
        assert abs(wall - pc.wall) < clock.STEP
        assert running.unsettled == 0


def test_a_reading_that_was_interrupted_is_no_step(monkeypatch: pytest.MonkeyPatch, pc: Machine):
    running = Clock()
    held_up = iter([5.0])

    def wall() -> int:
        at = pc.wall
        pc.pass_time(next(held_up, 0))  # the thread is not run between two readings
        return at

    monkeypatch.setattr(clock, "wall", wall)
    running.follow()
    assert running.steps == [Step(0, 0)]


def test_two_threads_notice_a_step_once(pc: Machine):
    running = Clock()
    pc.set_wall(60)
    threads = [threading.Thread(target=running.follow) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(running.steps) == 2


def test_a_step_is_spoken_of_until_it_is_undone_or_has_stood_for_an_hour(pc: Machine):
    running = Clock()
    pc.set_wall(7200)
    running.follow()
    pc.pass_time(3599)
    assert running.unsettled == 2 * HOUR
    pc.pass_time(1)
    assert running.unsettled == 0
    pc.set_wall(600)
    running.follow()
    pc.pass_time(60)
    pc.set_wall(-600)
    running.follow()
    assert running.unsettled == 0


def test_a_machine_that_slept_has_not_been_set(pc: Machine):
    running = Clock()
    pc.sleep(8 * 3600)
    running.follow()
    assert running.instants() == (START, pc.wall)
    assert (running.unsettled, running.steps[-1].slept) == (0, True)
    pc.set_wall(60)
    running.follow()
    assert (running.unsettled, running.steps[-1].slept) == (60 * clock.SECOND, False)


def test_a_machine_that_tells_nothing_of_its_sleep_looks_as_if_it_was_set(pc: Machine):
    pc.tells = False
    running = Clock()
    pc.sleep(8 * 3600)
    running.follow()
    assert running.unsettled == 8 * HOUR


def test_what_the_wall_showed_then(pc: Machine):
    running = Clock()
    walls = {}
    for step in (7200, -10_000, 0, 3 * 365 * 86_400, -3 * 365 * 86_400):
        pc.pass_time(100)
        pc.set_wall(step)
        running.follow()
        pc.pass_time(100)
        walls[running.now()] = pc.wall
    assert {instant: running.wall_at(instant) for instant in walls} == walls
    assert running.wall_at(START - DAY) == START - DAY


def test_since_when_the_wall_has_shown_an_instant(pc: Machine):
    running = Clock()

    def since(seconds: float) -> float:
        return (running.shown_since(START + clock.seconds(seconds)) - START) / clock.SECOND

    pc.pass_time(100)
    assert [since(0), since(50), since(-10)] == [0, 50, -10]
    pc.set_wall(1000)
    running.follow()
    pc.pass_time(100)  # 200 of the broker's seconds; the wall shows 1200
    assert [since(50), since(99.9), since(100.1), since(1000), since(1099), since(1150)] == [50, 99.9, 100, 100, 100, 150]
    pc.set_wall(-1100)
    running.follow()
    pc.pass_time(100)  # 300, and the wall shows 200
    assert [since(50), since(150), since(99)] == [50, 250, 99]
    pc.set_wall(1000)
    running.follow()
    assert [since(150), since(300), since(1150)] == [250, 300, 300]


# Starts

LAST = START  # when the last run was alive last, by both clocks


@pytest.mark.parametrize("tells", [True, False])
@pytest.mark.parametrize("away", [0, 0.2, 60, 3600, 86_400, 29 * 86_400])
def test_at_a_start_the_time_that_nobody_was_there_has_passed(pc: Machine, tells: bool, away: float):
    pc.pass_time(away)
    running = Clock.resumed(LAST, elapsed=clock.seconds(away) if tells else None)
    far = not tells and away > 86_400
    assert (running.now(), running.unsettled) == (pc.wall, clock.seconds(away) if far else 0)
    pc.pass_time(3600)
    assert running.unsettled == 0


def test_a_far_start_is_nothing_to_speak_of_any_more_once_the_wall_is_set_back(pc: Machine):
    pc.start_again(0)
    pc.set_wall(10 * 86_400)
    running = Clock.resumed(LAST)
    assert running.unsettled == 10 * DAY
    pc.set_wall(-10 * 86_400)
    running.follow()
    assert running.unsettled == 0


@pytest.mark.parametrize("off", [3600, -7200, 86_400, 3 * 365 * 86_400, -30 * 365 * 86_400])
def test_where_the_machine_knows_how_long_that_was_the_wall_is_not_believed(pc: Machine, off: float):
    pc.pass_time(600)
    pc.set_wall(off)
    running = Clock.resumed(LAST, elapsed=600 * clock.SECOND)
    assert running.now() == LAST + 600 * clock.SECOND
    assert running.instants()[1] == pc.wall
    assert running.unsettled == clock.seconds(off)


@pytest.mark.parametrize("off", [-7200, -30 * 365 * 86_400, 31 * 86_400, 3 * 365 * 86_400])
def test_a_start_far_from_the_last_run_is_not_followed(pc: Machine, off: float):
    """Nobody knows how long the machine was off: what lasts goes on where it was."""
    pc.start_again(0)
    pc.set_wall(off)
    running = Clock.resumed(LAST)
    assert running.now() == LAST
    assert running.instants()[1] == pc.wall
    assert running.unsettled == clock.seconds(off)


def test_a_start_with_a_wrong_wall_leaves_nothing_behind(pc: Machine):
    pc.start_again(0)
    pc.set_wall(YEARS / clock.SECOND)
    wrong = Clock.resumed(LAST)
    pc.pass_time(100)
    last = wrong.now()
    pc.start_again(50)
    pc.set_wall(-YEARS / clock.SECOND)
    right = Clock.resumed(last, wrong.steps)
    assert right.instants() == (LAST + 150 * clock.SECOND, pc.wall) == (pc.wall, pc.wall)
    assert right.unsettled == 0


def test_a_step_is_spoken_of_over_a_restart(pc: Machine):
    running = Clock()
    pc.set_wall(7200)
    running.follow()
    pc.pass_time(60)
    again = Clock.resumed(running.now(), running.steps, elapsed=0)
    assert again.unsettled == 2 * HOUR
    assert again.steps == running.steps


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_to_the_machine_the_broker_s_time_is_the_time_that_has_passed(pc: Machine, seed: int):
    """The model: a sum of what has passed. Where the machine starts with a wall it never had, nobody knows how much that is."""
    dice, running = random.Random(seed), Clock()
    passed = level = 0.0

    def resume(elapsed: int | None) -> None:
        nonlocal running
        running = Clock.resumed(last, running.steps, elapsed=elapsed)

    for n in range(60):
        last, away = running.now(), dice.choice([1.0, 59.0, 3000.0])
        match dice.choice(["on", "on", "set", "sleep", "stop", "off"]):
            case "on":
                pc.pass_time(away)
                passed += away
            case "set":
                to = dice.choice([0.0, 7200.0, -7200.0, Y, -Y])
                pc.set_wall(to - level)
                level = to
            case "sleep":
                pc.sleep(away)
                level += away
            case "stop":
                pc.pass_time(away)
                passed += away
                resume(clock.seconds(away))
            case "off":
                to = dice.choice([level, n * 9 * Y, -n * 9 * Y])
                pc.start_again(away)
                pc.set_wall(to - level)
                known = level == to
                passed, level = passed + (away if known else 0), to + (0 if known else away)
                resume(None)
        running.follow()
        assert running.now() == START + clock.seconds(passed)
        assert running.instants() == (running.now(), pc.wall)
        assert running.difference == clock.seconds(level)


# Stamps of a time that never came


def history(pc: Machine, *levels: float) -> Clock:
    """A clock whose wall was set to each of these distances, in seconds, a day after another, the last an hour ago."""
    running = Clock()
    for level in levels:
        pc.pass_time(86_400)
        pc.wall = running.now() + clock.seconds(level)
        running.follow()
    pc.pass_time(3600)
    return running


@pytest.mark.parametrize(
    ("levels", "set_back"),
    [
        ((), False),
        ((Y,), False),  # ahead, and still there
        ((Y, 0), True),
        ((Y, -60), True),
        ((Y, Y + 100, 7200, 30), True),  # back in steps
        ((7200, 0), True),
        ((60, 0), False),  # too little to speak of
        ((-Y,), True),  # ahead from the first start on
        ((-20 * 86_400.0,), False),  # behind: who knows which is right
        ((-Y, 0), False),  # corrected
        ((Y, 0, -5 * 86_400), False),  # that was before
        ((-Y, 0, -20 * 86_400.0), False),  # back, but not to where it was
    ],
)
def test_whether_the_wall_was_ahead_and_has_been_set_back(pc: Machine, levels: tuple[float, ...], set_back: bool):
    assert history(pc, *levels).set_back is set_back


def test_a_wall_that_was_set_back_must_have_stood(pc: Machine):
    running = history(pc, Y, 0)
    pc.awake, pc.wall = pc.awake - 61 * clock.SECOND, pc.wall - 61 * clock.SECOND
    assert not running.set_back


def test_a_wall_before_this_software_is_never_right(pc: Machine):
    """A machine without a battery starts in 1970 each time, and is right in between: that is no excursion into the future."""
    pc.wall = 0
    assert not history(pc, 56 * 365 * 86_400, 0).set_back


# Without a broker in this process


def test_a_process_without_a_broker_goes_by_what_the_broker_knows(pc: Machine):
    clock.elsewhere(lambda: 2 * HOUR)
    assert clock.instants() == (pc.wall - 2 * HOUR, pc.wall) == (clock.now(), clock.to_wall(clock.now()))
    assert clock.wall_at(clock.now()) == pc.wall


def test_this_machine_tells_of_itself():
    assert machine.up() >= machine.slept() >= -clock.SECOND
    assert machine.boot() is None or len(machine.boot() or "") == 36
