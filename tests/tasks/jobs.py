"""Tasks for tests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import User

from brokerweb.handlers.work import Reject, Retry
from brokerweb.tasks import task
from brokerweb.tasks.framework import TaskContext, TaskResult
from tests.eventually import eventually

if TYPE_CHECKING:
    from django_tasks import task as djangos_task
else:
    try:
        from django.tasks import task as djangos_task
    except ModuleNotFoundError:
        from django_tasks import task as djangos_task

ran: list[Any] = []  # what a test looks at


@djangos_task
def add(a: Any, b: Any = 1) -> Any:
    ran.append((a, b))
    return a + b


@djangos_task()
async def add_later(a: Any, b: Any = 1) -> Any:
    return a + b


@task(max_attempts=3, backoff=[5, 50])
def fail(what: str = "out of stock") -> None:
    ran.append(what)
    raise ValueError(what)


@task
def fail_as_the_queue_has_it() -> None:
    raise ValueError("no")


@task
def exit_at_once() -> None:
    raise SystemExit("I go")


@task(timeout=0.3, max_attempts=1)
async def dawdle() -> None:
    await asyncio.sleep(60)


@task
def answer_what_json_has_not(what: str) -> object:
    return {"object": object(), "nan": float("nan")}[what]


@task(takes_context=True)
def tell(context: TaskContext) -> dict[str, Any]:
    result = context.task_result
    return {"id": result.id, "attempt": context.attempt, "errors": len(result.errors), "status": result.status}


@task(takes_context=True, backoff=1, max_attempts=5)
def succeed_in(context: TaskContext, attempt: int) -> str:
    if context.attempt < attempt:
        raise LookupError(f"not in attempt {context.attempt}")
    return "at last"


def by_what_it_was(error: BaseException, result: TaskResult) -> float | None:
    return None if isinstance(error, KeyError) else 10.0 * result.attempts


@task(backoff=by_what_it_was)
def fail_in_a_way(way: str) -> None:
    raise {"key": KeyError, "value": ValueError}[way](way)


@task
def say_what_becomes_of_it(what: str) -> None:
    raise Reject("never") if what == "reject" else Retry("later", delay=7)


@task(atomic=True)
def make_user(name: str, *, fail: bool = False, then: str = "") -> int:
    made = User.objects.create(username=name)
    during.pop(then, lambda: None)()
    if fail:
        raise ValueError("and yet")
    return int(made.pk)


during: dict[str, Callable[[], object]] = {}  # what else happens while ``make_user`` runs


def of_customer(order: int, customer: str = "") -> str:
    return customer


@task(key=of_customer, dedup_id=lambda order, **_: f"order-{order}")
def ship(order: int, customer: str = "") -> str:
    return f"{order} to {customer}"


@task
def note(path: str, *, wait: bool = False) -> str:
    """A line in a file when it begins, and one at its end, for which it waits until another file is there."""
    _write(path, "begun")
    if wait:
        eventually(Path(f"{path}.go").exists, 60, why="a word to go on")
    _write(path, "done")
    return "noted"


def _write(path: str, word: str) -> None:
    with Path(path).open("a") as file:
        file.write(f"{word}\n")


def no_task() -> None:
    """Nobody may run this by its path."""
    ran.append("no task")
