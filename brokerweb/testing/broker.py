"""The broker of a test: what was published, asserted; and the handlers, run."""

from __future__ import annotations

import difflib
from typing import Any

from brokerweb.core.errors import NotFound
from brokerweb.routing import declared
from brokerweb.testing import consumers, published
from brokerweb.testing.consumers import Ran
from brokerweb.testing.published import Published

__all__ = ["Broker", "Ran"]


class Broker:
    """The broker in the default database as the test sees it, in the test's own transaction where it has one.

    A queue is named ``orders`` or ``queue:orders``, a stream ``stream:events``; ``topic:news`` is all copies of what came through
    a topic. What is published is whatever is there, and what ``run_consumers`` has handled; what the test itself receives and
    settles is gone, as it is from a queue.
    """

    def __init__(self) -> None:
        """What the settings declare is there: a test that empties all tables may have taken it away."""
        self._settled: list[Published] = []
        wanted = declared.destinations()
        if wanted and not wanted <= {*published.names(), *published.topics()}:
            declared.apply()

    def published(self, to: str) -> list[Published]:
        """What was published there, the oldest first. Raises NotFound for a queue or stream that there is not."""
        return published.read(to, self._settled)

    def assert_published(self, to: str, *, count: int | None = None, **fields: Any) -> list[Published]:
        """Messages with these ``fields`` were published there: at least one, or exactly ``count``. Answers with them.

        ``fields`` are those of ``Published``: ``body``, ``key``, ``headers`` (those named), ``topic``, ``delay``. A body
        is compared as JSON. Raises AssertionError, which says what was published instead, and TypeError for a field there is not.
        """
        __tracebackhide__ = True
        there = self._there(to)
        found = published.matching(there, fields)
        if len(found) != count if count is not None else not found:
            wanted = "a message" if count is None else f"{count} message{'' if count == 1 else 's'}"
            raise AssertionError(_said(f"Expected {wanted} in {_name(to)}{_with(fields)}, found {len(found)}.", to, there))
        return found

    def assert_not_published(self, to: str, **fields: Any) -> None:
        """No message with these fields was published there. Raises AssertionError, also where there is no such queue."""
        __tracebackhide__ = True
        there = self._there(to)
        found = published.matching(there, fields)
        if found:
            raise AssertionError(_said(f"Expected no message in {_name(to)}{_with(fields)}, found {len(found)}.", to, there))

    def run_consumers(self, *sources: str, raise_errors: bool = True, delayed: bool = False, limit: int = 1000) -> Ran:
        """Run the registered handlers, in this thread, until nothing is ready for them; what they did.

        ``sources`` names those to run, ``orders`` or ``stream:events``; else all. A handler's error fails the message as it would
        in ``manage.py consume`` and is then raised, or without ``raise_errors`` goes into the answer. With ``delayed`` what waits
        for its time, a backoff included, is handled as if that had come. Raises AssertionError where after ``limit`` messages
        there is still something ready: handlers that publish to themselves would run for ever.
        """
        rules = consumers.Rules(raise_errors, delayed, limit)
        return consumers.run([published.place(source) for source in sources], self._settled, rules)

    def run_tasks(self, *queues: str, raise_errors: bool = True, delayed: bool = False, limit: int = 1000) -> Ran:
        """The same for Django's tasks: those of these queues, or of all that ``TASKS`` names."""
        return consumers.run_tasks(queues, self._settled, consumers.Rules(raise_errors, delayed, limit))

    def _there(self, to: str) -> list[Published]:
        __tracebackhide__ = True  # a failed test shows the line of the test
        try:
            return self.published(to)
        except NotFound as error:
            raise AssertionError(f"{error} {_meant(_name(to))}") from None


def _name(to: str) -> str:
    return ":".join(published.place(to))


def _with(fields: dict[str, Any]) -> str:
    return f" with {', '.join(f'{name}={value!r}' for name, value in fields.items())}" if fields else ""


def _meant(name: str) -> str:
    known = published.names()
    close = difflib.get_close_matches(name, known, 1)
    return f"Did you mean {close[0]}?" if close else f"There are: {', '.join(known) or 'none at all'}."


def _said(wrong: str, to: str, there: list[Published]) -> str:
    elsewhere = [f"{name} has {n}" for name, n in published.everything().items() if name != _name(to)]
    lines = [wrong, f"{_name(to)} has:" if there else f"{_name(to)} is empty.", published.listed(there)]
    return "\n".join([*filter(None, lines), *([f"Elsewhere: {', '.join(elsewhere)}."] if elsewhere else [])])
