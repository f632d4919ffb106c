"""What is remembered of a task's attempts: the document that is stored as its message's result."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from brokerweb.core import clock
from brokerweb.queues.results import Loss, Result
from brokerweb.tasks.calls import Call
from brokerweb.tasks.framework import TaskError, normalize_json

KEPT_ERRORS = 20  # the newest, with their tracebacks
KEPT_ATTEMPTS = 1_000
MAX_TRACEBACK = 20_000  # characters; a longer one is cut in its middle
LOST = "brokerweb.tasks.WorkerLost"
_NOTHING = msgspec.Raw(b"")


class WorkerLost(Exception):
    """A worker took the task, and its lease ended without a word: the worker was killed, say. Seen in a result's errors alone."""


class Error(msgspec.Struct):
    """As ``TaskError``: the path of the exception's class, and the traceback."""

    path: str
    traceback: str

    @classmethod
    def of(cls, error: BaseException, text: str) -> Error:
        kind = type(error)
        return cls(f"{kind.__module__}.{kind.__qualname__}", cut(text))


class Attempt(msgspec.Struct, omit_defaults=True):
    """One try: ``number`` is the message's attempt, and instants are of the wall."""

    number: int
    worker: str
    started: datetime
    ended: datetime
    error: Error | None = None


class Document(msgspec.Struct, omit_defaults=True, kw_only=True):
    """All that is remembered of a task, what people look for first. ``value`` is the JSON that it returned, once it has."""

    value: msgspec.Raw = _NOTHING
    attempts: list[Attempt] = []
    queue: str
    enqueued: datetime
    call: Call

    @property
    def succeeded(self) -> bool:
        return bool(bytes(self.value))

    def text(self) -> str:
        return msgspec.json.encode(self).decode()


def parse(result: Result | None) -> Document | None:
    """The document of a stored result. None for none, and for one that something else has stored."""
    try:
        return None if result is None else msgspec.json.decode(result.document, type=Document)
    except msgspec.MsgspecError:
        return None


def cut(text: str) -> str:
    """A traceback of a length that can be kept, and without what JSON has not: Python's halves of surrogate pairs."""
    if len(text) > MAX_TRACEBACK:
        text = f"{text[: MAX_TRACEBACK // 2]}\n…\n{text[-MAX_TRACEBACK // 2 :]}"
    return text.encode(errors="replace").decode()


def merged(known: Iterable[Attempt], losses: Iterable[Loss]) -> list[Attempt]:
    """Attempts by number, with those that no worker could tell of."""
    found = {attempt.number: attempt for attempt in known}
    for loss in losses:
        if loss.attempt not in found:
            worker = loss.holder or ""
            told = f"{LOST}: {worker or 'a worker'} had the task in attempt {loss.attempt}, and let its lease run out\n"
            error = Error(LOST, told)
            at = clock.to_datetime(loss.at)
            found[loss.attempt] = Attempt(loss.attempt, worker, at, at, error)
    return [found[number] for number in sorted(found)]


def with_one_more(attempts: list[Attempt], new: Attempt) -> list[Attempt]:
    """These and a new one, and of them as much as is kept."""
    kept = [*(attempt for attempt in attempts if attempt.number != new.number), new][-KEPT_ATTEMPTS:]
    failed = [attempt for attempt in kept if attempt.error is not None]
    for attempt in failed[:-KEPT_ERRORS]:
        attempt.error = None
    return kept


def errors(attempts: Iterable[Attempt]) -> list[TaskError]:
    """As Django's results have them."""
    return [
        TaskError(exception_class_path=attempt.error.path, traceback=attempt.error.traceback)
        for attempt in attempts
        if attempt.error is not None
    ]


def as_json(value: Any) -> msgspec.Raw:
    """What a task returned as JSON. Raises TypeError and ValueError for what JSON has not, NaN among it."""
    return msgspec.Raw(json.dumps(normalize_json(value), allow_nan=False).encode())
