"""Who looks at pages, and is told that something of what they show may be another: seldom, and for nothing while nobody looks.

A commit notes what it was about, once until that is told. Everybody is told together, at most every second, and in the long run
so seldom that what the pages then ask for takes a small share of one core: ten pages of a busy queue slow nothing down.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from brokerweb.core import events
from brokerweb.core.events import Outcome

EVERY = 1.0  # seconds between two tellings, at least
GATHER = 0.1  # seconds in which what belongs together comes together
SHARE = 0.02  # of one core, for all that pages ask for because they were told
AT_ONCE = 0.25  # seconds of processor time that may go beyond it for a while: somebody who looks at a quiet broker is told soon
LONGEST = 60.0  # seconds until pages that cost more than their share are told all the same: they would ask by themselves
SELDOM = 15.0  # seconds between two tellings of all there is, for what no commit tells of, such as rates that fall

Key = tuple[str, int]
ANYTHING: Key = ("", 0)  # of pages that show more than one queue or stream
CONNECTIONS: Key = ("connections", 0)  # who is connected, and takes what; and the nodes
QUEUE, STREAM = "queue", "stream"
_AUDIT, _JOBS, _ALERTS = (events.AUDIT, 0), (events.JOBS, 0), (events.ALERTS, 0)
# What pages show that are of no one queue or stream, by the first part of their address; those that are not named: ANYTHING.
# Whatever people declare, make or take away is in the audit trail, so that its news is that of tokens, people and bindings.
PAGES: Mapping[str, tuple[Key, ...]] = {
    "overview": (ANYTHING, _ALERTS, _JOBS),
    "map": (ANYTHING, _AUDIT),
    "topics": (ANYTHING, _AUDIT),
    "connections": (ANYTHING, CONNECTIONS),
    "nodes": (ANYTHING, CONNECTIONS),
    "jobs": (_JOBS,),
    "alerts": (_ALERTS, _AUDIT),
    "audit": (_AUDIT,),
    "tokens": (_AUDIT,),
    "users": (_AUDIT,),
}


class Watch:
    """One page: what it shows, and who is told."""

    __slots__ = ("keys", "tell")

    def __init__(self, keys: Iterable[Key], tell: Callable[[], None]) -> None:
        self.keys, self.tell = frozenset(keys), tell


class News:
    """Pages come and go on the loop; commits, and what pages cost, are noted from any thread."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._watches: set[Watch] = set()
        self._quiet: set[Key] = set()  # what is watched and has no news
        self._due = False  # it will be told
        self._told_at = 0.0
        self._left = AT_ONCE  # seconds of processor time that pages may take: their share comes in evenly
        self._left_at = 0.0
        self._loop: asyncio.AbstractEventLoop
        self._next: asyncio.TimerHandle
        self._unlisten: Callable[[], None] = lambda: None

    def watch(self, keys: Iterable[Key], tell: Callable[[], None]) -> Callable[[], None]:
        """Call ``tell`` on this loop when there is news of one of the keys; returns how to stop that."""
        watch = Watch(keys, tell)
        if not self._watches:
            self._loop, self._due = asyncio.get_running_loop(), False
            self._unlisten = events.listen(self._committed)
            self._next = self._loop.call_later(SELDOM, self._tell_of_all)
        self._watches.add(watch)
        with self._mutex:
            self._quiet |= watch.keys
        return lambda: self._leave(watch)

    def note(self, keys: Iterable[Key]) -> None:
        """There may be news of these. From any thread."""
        if not self._quiet:
            return
        with self._mutex:
            before = len(self._quiet)
            self._quiet.difference_update(keys)
            begin = not self._due and len(self._quiet) < before
            self._due = self._due or begin
        if begin and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._begin)

    def note_all(self) -> None:
        """There may be news of everything."""
        with self._mutex:
            keys = set(self._quiet)
        self.note(keys)

    def of(self, what: str, ids: Iterable[int]) -> None:
        """There may be news of these queues, or streams."""
        if self._quiet and (keys := {(what, id) for id in ids}):
            self.note(keys | {ANYTHING})

    def spent(self, seconds: float) -> None:
        """What a page asked for took so much processor time."""
        now = time.monotonic()
        with self._mutex:
            left = min(AT_ONCE, self._left + SHARE * (now - self._left_at)) - seconds
            self._left, self._left_at = max(left, -SHARE * LONGEST), now

    def watched(self) -> int:
        """How many pages there are."""
        return len(self._watches)

    def _committed(self, outcome: Outcome) -> None:
        if self._quiet and (keys := _about(outcome)):
            self.note(keys)

    def _leave(self, watch: Watch) -> None:
        self._watches.discard(watch)
        if not self._watches:
            self._next.cancel()
            self._unlisten()
            with self._mutex:
                self._quiet.clear()

    def _tell_of_all(self) -> None:
        self.note_all()
        self._next = self._loop.call_later(SELDOM, self._tell_of_all)

    def _begin(self) -> None:
        self._loop.call_later(max(GATHER, self._wait()), self._tell)

    def _wait(self) -> float:
        """Seconds until everybody may be told."""
        return max(self._told_at + EVERY, self._left_at - self._left / SHARE) - time.monotonic()

    def _tell(self) -> None:
        if (wait := self._wait()) > 0:  # pages that were told before have asked meanwhile
            self._loop.call_later(wait, self._tell)
            return
        watched = {key for watch in self._watches for key in watch.keys}
        with self._mutex:
            quiet, self._quiet = self._quiet, watched
            self._due = False
        self._told_at = time.monotonic()
        for watch in list(self._watches):
            if watch.keys - quiet:
                watch.tell()


def _about(outcome: Outcome) -> set[Key]:
    """What a commit was about. Whoever asked a queue that had nothing changed nothing."""
    keys = {(QUEUE, queue_id) for (_, queue_id), n in outcome.counts.items() if n}
    keys.update((QUEUE, queue_id) for queue_id in outcome.changed)
    keys.update((STREAM, stream_id) for _, stream_id in outcome.stream_counts)
    keys.update((STREAM, stream_id) for _, stream_id, _ in outcome.advanced)
    keys.update((STREAM, stream_id) for stream_id in outcome.streams | outcome.reshaped)
    if keys or outcome.topic_counts or outcome.moved:
        keys.add(ANYTHING)
    if outcome.lists:
        keys.update((name, 0) for name in outcome.lists)
    return keys


news = News()


def heard(report: Mapping[str, Any]) -> None:
    """Another node tells what goes on there."""
    for what, rows in ((QUEUE, report["queues"]), (STREAM, report["streams"])):
        news.of(what, (row[0] for row in rows if any(row[1:])))
    news.note([CONNECTIONS])
