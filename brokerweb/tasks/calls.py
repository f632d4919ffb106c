"""A task's message: which task is called with what, and how that is said in a body that people and other programs can read.

{"task": "shop.tasks.send", "args": [17], "kwargs": {"again": true}, "priority": 20}
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, cast

import msgspec
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured, SuspiciousOperation
from django.utils import timezone
from django.utils.module_loading import import_string

from brokerweb.core import clock
from brokerweb.tasks.definition import SAID
from brokerweb.tasks.framework import TASK, InvalidTask, Task, normalize_json

LOWEST, NEUTRAL = -100, 4  # a task's lowest priority, and the message's priority of a task whose own is 0
BELOW, ABOVE = 25, 20  # how many of a task's priorities are one of a message: four classes below 0, five above


class NotATask(Exception):
    """What the message holds calls no task."""


class Call(msgspec.Struct, omit_defaults=True):
    """What a body says. ``said`` has the terms in which the task was enqueued otherwise than it is defined."""

    task: str
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    priority: int = 0
    run_after: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    backend: str = "default"
    said: dict[str, Any] = {}

    def body(self) -> dict[str, Any]:
        """As JSON; the arguments always stand there, for who reads it."""
        made: dict[str, Any] = msgspec.to_builtins(self)
        return {"task": self.task, "args": self.args, "kwargs": self.kwargs, **made}


def call_of(task: Task, args: Any, kwargs: Any, backend: str) -> Call:
    """The call of a task. Raises InvalidTask where no worker could find it by its path; TypeError and ValueError for arguments
    that JSON has not.
    """
    return Call(
        task.module_path,
        normalize_json(args),
        normalize_json(kwargs),
        int(task.priority),
        None if task.run_after is None else clock.to_datetime(instant(task.run_after)),
        backend,
        _said(task),
    )


def _said(task: Task) -> dict[str, Any]:
    try:
        defined = named(task.module_path)
    except (ImportError, SuspiciousOperation) as error:
        raise InvalidTask(f"No worker could find the task: {error}") from error
    said = {}
    for name in SAID:
        value = getattr(task, name, None)
        if value is None or value == getattr(defined, name, None):
            continue
        if callable(value):
            if name in ("key", "dedup_id"):  # which are asked here and now
                continue
            raise InvalidTask(f"{name} is a function that the task is not defined with: no message can say it.")
        said[name] = value
    return said


def parsed(body: Any) -> Call:
    """The call that a message's body says. Raises NotATask."""
    try:
        return msgspec.convert(body, Call)
    except msgspec.ValidationError as error:
        raise NotATask(f"The message calls no task: {error}") from error


def named(path: str) -> Task:
    """The task at a path. Raises ImportError, and SuspiciousOperation for anything else that is there."""
    found = import_string(path)
    if not isinstance(found, TASK):
        raise SuspiciousOperation(f"{path} is no task")
    return cast(Task, found)


def task_of(call: Call, queue: str) -> Task:
    """The task as it was enqueued, or, where the backend would not take it so any more, as it is defined. Raises as ``named``."""
    defined = named(call.task)
    run_after = None if call.run_after is None else shown(call.run_after)
    said = {name: value for name, value in call.said.items() if name in SAID and hasattr(defined, name)}
    try:
        return defined.using(priority=call.priority, queue_name=queue, run_after=run_after, backend=call.backend, **said)
    except (InvalidTask, ImproperlyConfigured, TypeError):
        return defined


def message_priority(priority: int) -> int:
    """Of 0 to 9, in the order of tasks' -100 to 100: 0 is 4, as of any message, below are four classes, above five."""
    if priority < 0:
        return (priority - LOWEST) // BELOW
    return NEUTRAL + (priority + ABOVE - 1) // ABOVE


def text_of(value: Any, args: list[Any], kwargs: Mapping[str, Any]) -> str | None:
    """A key or a dedup_id, which may be a function of the arguments."""
    said = value(*args, **kwargs) if callable(value) else value
    return None if said is None else str(said)


def instant(at: datetime) -> int:
    """An instant of the wall that a project says, by its time zone where it says none."""
    return clock.from_datetime(at if timezone.is_aware(at) else timezone.make_aware(at))


def shown(at: datetime) -> datetime:
    """An instant as the project reads them."""
    return at if settings.USE_TZ else timezone.make_naive(at)
