"""The waterfall of a message's life: what its phases are, and that they tile the whole of it."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokerweb.console.life import SHOWN, WORDS, Life, Present, life
from brokerweb.core import clock

START = clock.parse_rfc3339("2026-11-30T04:00:00Z")


def happened(*events: tuple[float, str], **fields: Any) -> list[dict[str, Any]]:
    """A timeline of (seconds after the start, event)."""
    return [
        {
            "at": clock.rfc3339(START + round(at * clock.SECOND)),
            "event": event,
            "attempt": None,
            "by": None,
            "client": None,
            **fields,
        }
        for at, event in events
    ]


def phases(shown: Life) -> list[tuple[str, float]]:
    return [(phase.kind, phase.seconds) for step in shown.steps for phase in step.phases]


def at(seconds: float) -> int:
    return START + round(seconds * clock.SECOND)


def test_a_message_that_was_tried_twice_and_acknowledged():
    events = [(0, "published"), (5, "leased"), (7, "nacked"), (17, "leased"), (18, "extended"), (20, "acked")]
    shown = life(happened(*events), Present("settled"), at(99))
    assert phases(shown) == [("waiting", 5), ("leased", 2), ("backoff", 10), ("leased", 3)]
    assert [(step.word, step.extended) for step in shown.steps if step.event == "leased"] == [
        ("Handed out", 0),
        ("Handed out", 1),
    ]
    assert shown.seconds == 20


@pytest.mark.parametrize(
    ("events", "state", "expected"),
    [
        ([(0, "published")], "ready", [("waiting", 30)]),
        ([(0, "published")], "blocked", [("blocked", 30)]),
        ([(0, "published")], "scheduled", [("scheduled", 30)]),
        ([(0, "published"), (10, "nacked")], "scheduled", [("unseen", 10), ("backoff", 20)]),
        ([(0, "published"), (10, "nacked"), (10, "dead")], "dead", [("unseen", 10), ("dead", 20)]),
        ([(0, "published"), (10, "dead"), (20, "requeued")], "ready", [("waiting", 10), ("dead", 10), ("waiting", 10)]),
        ([(0, "published"), (10, "leased")], "leased", [("waiting", 10), ("leased", 20)]),
    ],
)
def test_what_it_is_until_now(events, state, expected):
    shown = life(happened(*events), Present(state), at(30))
    assert phases(shown) == expected
    assert shown.steps[-1].phases[-1].open


def test_a_lease_that_no_history_wrote_down_is_drawn_from_when_it_began():
    shown = life(happened((0, "published")), Present("leased", at(12), "worker-7"), at(30))
    assert phases(shown) == [("waiting", 12), ("leased", 18)]
    assert shown.steps[0].phases[1].who == "worker-7"


@pytest.mark.parametrize(("event", "before"), [("nacked", "backoff"), ("published", "scheduled")])
def test_what_is_ready_by_now_was_not_from_the_beginning(event, before):
    shown = life(happened((0, event)), Present("ready", at(12)), at(30))
    assert phases(shown) == [(before, 12), ("waiting", 18)]


def test_a_long_life_shows_its_end_unless_all_is_asked_for():
    events = happened(*((n, "rescheduled") for n in range(SHOWN + 20)))
    shown = life(events, Present("ready"), at(99))
    assert (len(shown.steps), shown.earlier, shown.steps[0].phases[0].x) == (SHOWN, 20, 0)
    assert len(life(events, Present("ready"), at(99), all_of_it=True).steps) == SHOWN + 20


@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.sampled_from([*WORDS, "something new"])), min_size=1, max_size=60),
    st.sampled_from(["ready", "scheduled", "blocked", "leased", "dead", "settled"]),
)
def test_phases_tile_the_life_and_stay_within_its_scale(events, state):
    ordered = sorted(events, key=lambda event: event[0])
    shown = life(happened(*ordered), Present(state), at(2 * 10**6), all_of_it=True)
    drawn = [phase for step in shown.steps for phase in step.phases]
    assert sum(phase.end - phase.begin for phase in drawn) == round(shown.seconds * clock.SECOND)
    assert all(phase.x >= 0 and phase.width > 0 and phase.x + phase.width <= 100.0001 for phase in drawn)
    assert all(before.end <= after.begin for before, after in itertools.pairwise(drawn))
