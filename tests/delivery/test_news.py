"""Pages are told of news: of what they show, once for many commits, and the more seldom the more it takes to show it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from brokerweb.core import events
from brokerweb.core.events import Outcome
from brokerweb.delivery import news as module
from brokerweb.delivery.news import ANYTHING, AT_ONCE, EVERY, GATHER, LONGEST, PAGES, QUEUE, SELDOM, SHARE, STREAM, News, heard


class Later(tuple[float, Callable[[], None]]):
    """What is called then."""

    def cancel(self) -> None:
        """Nothing is told to who has left."""


class Loop:
    """An event loop whose time passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.later: list[Later] = []

    def is_closed(self) -> bool:
        return False

    def call_soon_threadsafe(self, call: Callable[[], None]) -> None:
        call()

    def call_later(self, delay: float, call: Callable[[], None]) -> Later:
        self.later.append(later := Later((self.now + delay, call)))
        return later

    def soon(self) -> int:
        """How many calls are for what is told now, and not for what is told seldom."""
        return sum(at < self.now + SELDOM - 1 for at, _ in self.later)

    def pass_to(self, now: float) -> None:
        self.now = now
        due = [later for later in self.later if later[0] <= now]
        self.later = [later for later in self.later if later[0] > now]
        for later in due:
            later[1]()


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Loop:
    found = Loop()
    monkeypatch.setattr("brokerweb.delivery.news.asyncio.get_running_loop", lambda: found)
    monkeypatch.setattr("brokerweb.delivery.news.time.monotonic", lambda: found.now)
    return found


class Told(list[str]):
    """Who was told, in order; ``watch`` leaves with the test."""

    def __init__(self, news: News) -> None:
        self.news = news
        self.leave: list[Callable[[], None]] = []

    def watch(self, name: str, *keys: tuple[str, int]) -> None:
        self.leave.append(self.news.watch(keys, lambda: self.append(name)))


@pytest.fixture
def told(loop: Loop) -> Any:
    found = Told(News())
    yield found
    for leave in found.leave:
        leave()


def commit(queue_id: int = 0, stream_id: int = 0, n: int = 1) -> None:
    outcome = Outcome()
    if queue_id:
        outcome.counts[events.PUBLISHED, queue_id] = n
    if stream_id:
        outcome.stream_counts[events.APPENDED, stream_id] = n
    events.committed(outcome)


def test_a_commit_is_news_for_those_who_look_at_it_and_at_everything(loop: Loop, told: Told):
    told.watch("one", (QUEUE, 1))
    told.watch("other", (QUEUE, 2))
    told.watch("stream", (STREAM, 1))
    told.watch("all", ANYTHING)
    commit(queue_id=1)
    loop.pass_to(loop.now + GATHER)
    assert sorted(told) == ["all", "one"]
    commit(stream_id=1)
    loop.pass_to(loop.now + 2 * EVERY)
    assert sorted(told[2:]) == ["all", "stream"]


def test_what_people_look_at_besides_queues_is_news_for_those_who_look_at_it(loop: Loop, told: Told):
    told.watch("tokens", *PAGES["tokens"])
    told.watch("jobs", *PAGES["jobs"])
    told.watch("overview", *PAGES["overview"])
    told.watch("connections", *PAGES["connections"])
    outcome = Outcome()
    outcome.lists |= {events.JOBS}
    events.committed(outcome)
    loop.pass_to(loop.now + GATHER)
    assert sorted(told) == ["jobs", "overview"]
    commit(queue_id=1)
    loop.pass_to(loop.now + 2 * EVERY)
    assert sorted(told[2:]) == ["connections", "overview"], "a publish is no news for who looks at tokens or jobs"
    outcome = Outcome()
    outcome.lists |= {events.AUDIT}
    events.committed(outcome)
    loop.pass_to(loop.now + 2 * EVERY)
    assert told[4:] == ["tokens"]


def test_what_changed_nothing_is_no_news(loop: Loop, told: Told):
    told.watch("one", (QUEUE, 1))
    told.watch("all", ANYTHING)
    commit(queue_id=1, n=0)  # somebody asked a queue that is empty
    commit()
    assert loop.soon() == 0


def test_many_commits_are_told_once_and_what_comes_then_later(loop: Loop, told: Told):
    told.watch("one", (QUEUE, 1))
    for _ in range(100):
        commit(queue_id=1)
    assert loop.soon() == 1
    loop.pass_to(loop.now + GATHER)
    commit(queue_id=1)
    commit(queue_id=1)
    loop.pass_to(loop.now + 0.5)
    assert told == ["one"]
    loop.pass_to(loop.now + 0.6)
    assert told == ["one", "one"]


def test_the_more_pages_cost_the_later_they_are_told_again(loop: Loop, told: Told):
    told.watch("one", (QUEUE, 1))
    told.news.spent(AT_ONCE)
    commit(queue_id=1)
    loop.pass_to(loop.now + GATHER)
    began = loop.now
    commit(queue_id=1)
    told.news.spent(0.1)  # after the news was noted
    loop.pass_to(began + EVERY)
    loop.pass_to(began + 0.1 / SHARE - 1)
    assert told == ["one"]
    loop.pass_to(began + 0.1 / SHARE)
    loop.pass_to(began + 0.1 / SHARE + 1)
    assert told == ["one", "one"]


def test_a_page_that_is_dear_once_does_not_delay_what_comes_then(loop: Loop, told: Told):
    told.watch("one", (QUEUE, 1))
    told.news.spent(AT_ONCE - 0.1)  # the first of a process compiles its templates
    for n in range(1, 4):
        commit(queue_id=1)
        loop.pass_to(loop.now + EVERY)
        told.news.spent(0.01)
        assert told == ["one"] * n


def test_time_in_which_nobody_asked_is_not_saved_up_for_ever(loop: Loop, told: Told):
    told.watch("one", (QUEUE, 1))
    loop.now += 86_400
    told.news.spent(AT_ONCE + 0.1)
    commit(queue_id=1)
    loop.pass_to(loop.now + EVERY)
    assert told == []


def test_everybody_is_told_now_and_then_of_what_no_commit_tells_of(loop: Loop, told: Told):
    told.watch("one", (QUEUE, 1))
    told.watch("tokens", *PAGES["tokens"])
    for n in range(1, 4):
        loop.pass_to(loop.now + SELDOM)
        loop.pass_to(loop.now + GATHER)
        assert len(told) == 2 * n


def test_however_dear_pages_are_they_are_told_before_they_would_ask(loop: Loop, told: Told):
    told.watch("one", (QUEUE, 1))
    told.news.spent(60)
    commit(queue_id=1)
    loop.pass_to(loop.now + LONGEST)
    assert told == ["one"]


def test_nobody_listens_to_commits_while_nobody_looks(loop: Loop):
    news, before = News(), list(events._listeners)
    leave = [news.watch([(QUEUE, 1)], lambda: None), news.watch([ANYTHING], lambda: None)]
    assert len(events._listeners) == len(before) + 1
    for each in leave:
        each()
    assert events._listeners == before
    assert news.watched() == 0


def test_what_another_node_tells_of_is_news(loop: Loop, told: Told, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "news", told.news)
    told.watch("one", (QUEUE, 1))
    told.watch("idle", (QUEUE, 2))
    told.watch("stream", (STREAM, 3))
    heard({"queues": [[1, 0.5, 0.0], [2, 0.0, 0.0]], "streams": [[3, 1.0]]})
    loop.pass_to(loop.now + GATHER)
    assert sorted(told) == ["one", "stream"]
    told.news.note_all()
    loop.pass_to(loop.now + 2 * EVERY)
    assert sorted(told[2:]) == ["idle", "one", "stream"]
