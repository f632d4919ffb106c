"""Tasks as code defines them: Django's, with what brokerweb's backend knows to do beside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self, overload

from brokerweb.tasks.framework import DEFAULT_TASK_BACKEND_ALIAS, DEFAULT_TASK_PRIORITY, DEFAULT_TASK_QUEUE_NAME, Task
from brokerweb.tasks.terms import Backoff, Text

Function = Callable[..., Any]
SAID = ("max_attempts", "backoff", "timeout", "atomic", "key", "dedup_id")  # what Django's own tasks do not have


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerTask(Task):
    """A task for ``brokerweb.tasks.Backend``. Durations are seconds; what is None is the backend's, or the queue's.

    ``max_attempts``: how often it is tried. ``backoff``: how long it waits after a failure: a number, a list by failures (the
    last goes on), or a function of the exception and the result, which says seconds, or None to give up. ``timeout``: how long
    it may run. ``atomic``: its rows, its result and its end are one commit; for functions, not for coroutines.
    ``key``: tasks of one key run one after the other, in a queue that is ``keyed``. ``dedup_id``: enqueued again within the
    queue's ``dedup_window`` it is the task that is there. Both are a text, or a function of the task's arguments that says one.
    """

    max_attempts: int | None = None
    backoff: Backoff | None = None
    timeout: float | None = None
    atomic: bool | None = None
    key: Text | None = None
    dedup_id: Text | None = None

    def using(  # noqa: PLR0913  # as Django's, with what is ours
        self,
        *,
        priority: int | None = None,
        queue_name: str | None = None,
        run_after: datetime | None = None,
        backend: str | None = None,
        max_attempts: int | None = None,
        backoff: Backoff | None = None,
        timeout: float | None = None,
        atomic: bool | None = None,
        key: Text | None = None,
        dedup_id: Text | None = None,
    ) -> Self:
        """The same task with other values."""
        given: dict[str, Any] = {
            "priority": priority, "queue_name": queue_name, "run_after": run_after, "backend": backend, "atomic": atomic,
            "max_attempts": max_attempts, "backoff": backoff, "timeout": timeout, "key": key, "dedup_id": dedup_id,
        }  # fmt: skip
        return replace(self, **{name: value for name, value in given.items() if value is not None})


@overload
def task(function: Function, /) -> BrokerTask: ...
@overload
def task(
    *,
    priority: int = ...,
    queue_name: str = ...,
    backend: str = ...,
    takes_context: bool = ...,
    max_attempts: int | None = ...,
    backoff: Backoff | None = ...,
    timeout: float | None = ...,
    atomic: bool | None = ...,
    key: Text | None = ...,
    dedup_id: Text | None = ...,
) -> Callable[[Function], BrokerTask]: ...
def task(
    function: Function | None = None,
    /,
    *,
    priority: int = DEFAULT_TASK_PRIORITY,
    queue_name: str = DEFAULT_TASK_QUEUE_NAME,
    backend: str = DEFAULT_TASK_BACKEND_ALIAS,
    takes_context: bool = False,
    **terms: Any,
) -> BrokerTask | Callable[[Function], BrokerTask]:
    """Django's ``@task`` with the terms of ``BrokerTask``: on every Django, and whichever backend runs it, as one for tests.

    Raises InvalidTask, and TypeError for a term that there is not.
    """

    def defined(of: Function) -> BrokerTask:
        given: dict[str, Any] = {
            "priority": priority,
            "queue_name": queue_name,
            "backend": backend,
            "takes_context": takes_context,
        }
        return BrokerTask(func=of, run_after=None, **given, **terms)

    return defined if function is None else defined(function)
