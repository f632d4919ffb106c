"""A hint says where to look: made of any number of commits, never larger than what carries it, and read from whatever comes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from brokerweb.core import clock
from brokerweb.core.events import JOBS, Outcome
from brokerweb.queues.messages import Handout
from brokerweb.wakeups.hints import MOST_BYTES, MOST_IDS, Hint, decoded


def outcome() -> Outcome:
    told = Outcome()
    told.ready.add(1)
    told.changed.add(2)
    told.ended += ["3-10-1", "3-11-1", "4-12-1"]
    told.streams.add(5)
    told.reshaped.add(6)
    told.appended.append((7, 0, []))
    told.moved.add(8)
    told.lists |= {JOBS}
    return told


def test_a_commit_says_where_to_look():
    hint = Hint()
    hint.add(outcome(), held={"4-12-1"})
    assert hint == Hint(queues={1}, changed={2}, ended={3}, streams={5}, reshaped={6}, partitions={7}, groups={8}, lists={JOBS})
    assert hint


def test_a_commit_of_nothing_that_concerns_others_says_nothing():
    quiet = Outcome()
    quiet.event("acked", 1)
    quiet.ended.append("1-1-1")
    hint = Hint()
    hint.add(quiet, held={"1-1-1"})
    assert not hint


def test_a_queue_of_which_the_same_commit_handed_out_all_is_of_no_interest():
    told = outcome()
    told.rounds.append((1, 0, Handout([])))
    hint = Hint()
    hint.add(told)
    assert hint.queues == set()
    told.rounds.append((1, 0, Handout([], more=True)))
    told.rounds.pop(0)
    hint.add(told)
    assert hint.queues == {1}


def test_what_is_due_within_a_second_is_told_and_what_is_due_later_is_not():
    now, hint = clock.now(), Hint()
    for seconds in (30, 0.5, 0.2, 0.4):
        told = Outcome()
        told.due(now + clock.seconds(seconds))
        hint.add(told)
        assert (hint.due_at is None) is (seconds == 30)
    assert hint.due_at == now + clock.seconds(0.2)


def test_too_many_ids_are_everywhere():
    told = Outcome()
    told.ready |= set(range(MOST_IDS + 1))
    hint = Hint()
    hint.add(told)
    assert hint == Hint(all=True)


def test_what_would_be_too_long_is_everywhere():
    hint = Hint("me", queues=set(range(1 << 40, (1 << 40) + MOST_IDS)), due_at=5)
    assert decoded(hint.encoded()) == Hint("me", due_at=5, all=True)


ids = st.frozensets(st.integers(0, (1 << 63) - 1), max_size=20).map(set)
hints = st.builds(
    Hint,
    st.text(max_size=8),
    ids,
    ids,
    ids,
    ids,
    ids,
    ids,
    ids,
    st.none() | st.integers(0, 1 << 60),
    st.booleans(),
    st.booleans(),
    st.sets(st.sampled_from(["audit", "jobs", "alerts"])),
)


@given(hints)
def test_it_comes_as_it_was_sent(hint: Hint):
    text = hint.encoded()
    assert len(text) <= MOST_BYTES
    assert decoded(text) == hint


@given(hints, hints)
def test_two_are_one_that_says_what_both_say(one: Hint, other: Hint):
    both = Hint()
    for hint in (one, other, other):
        both.merge(hint)
    assert both.all is (one.all or other.all)
    assert both.orders is (one.orders or other.orders)
    assert both.queues == (set() if both.all else one.queues | other.queues)


@given(st.binary(max_size=50) | st.sampled_from([b'{"q":[-1]}', b'{"q":["1"]}', b"[]", b"[" * 10_000, b'{"q":[1.5]}', b"\xff"]))
def test_what_is_no_hint_is_none(text: bytes):
    assert decoded(text) is None or isinstance(decoded(text), Hint)
    assert decoded(b'{"q":[9223372036854775808]}') is None
    assert decoded(b'{"q":[1]}' + b" " * MOST_BYTES) is None
