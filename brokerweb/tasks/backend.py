"""``brokerweb.tasks.Backend``: tasks are messages, enqueued in the caller's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any

from django.core.checks import CheckMessage, Error, Warning
from django.utils.crypto import get_random_string

from brokerweb.core import clock
from brokerweb.core.errors import BrokerError, NotFound
from brokerweb.core.names import check_name
from brokerweb.queues.limits import MAX_DELAY
from brokerweb.tasks import terms
from brokerweb.tasks.calls import Call, call_of, instant, message_priority, shown, text_of
from brokerweb.tasks.definition import SAID, BrokerTask
from brokerweb.tasks.framework import BaseTaskBackend, InvalidTask, Task, TaskResult, TaskResultStatus, task_enqueued

if TYPE_CHECKING:  # models cannot be imported while Django loads its apps, and tasks are defined then
    from brokerweb.queues.messages import Accepted, NewMessage
    from brokerweb.storage.transaction import Transaction

TOKEN = 20  # characters of what tells a task's result from another's
DOCS = "See docs/tasks.md."


class Backend(BaseTaskBackend):
    """A backend of Django's tasks whose workers are ``manage.py work``."""

    task_class = BrokerTask  # type: ignore[assignment]  # Task is generic in what it is called with
    supports_defer = True
    supports_async_task = True
    supports_get_result = True
    supports_priority = True

    def __init__(self, alias: str, params: dict[str, Any]) -> None:
        queues, options, wrong = params.get("QUEUES", ()), params.get("OPTIONS") or {}, []
        if isinstance(queues, str | bytes) or not isinstance(queues, Iterable):
            wrong.append(f"QUEUES must be a list of names, and is {queues!r}")
            params = {**params, "QUEUES": []}
        if not isinstance(options, Mapping):
            wrong.append(f"OPTIONS must be a dictionary, and is {options!r}")
            params, options = {**params, "OPTIONS": {}}, {}
        super().__init__(alias, params)
        self.settings, others = terms.options(options)
        self._wrong = [*wrong, *(f"OPTIONS: {what}" for what in others)]

    @property
    def queue_settings(self) -> dict[str, Any]:
        """What its queues are declared with, where nothing else says: the console shows tasks as long as there are results."""
        return {"keep_settled": self.settings.result_ttl}

    def validate_task(self, task: Task) -> None:
        """Raises InvalidTask for a task that cannot be run here."""
        super().validate_task(task)
        for name in SAID:
            value = getattr(task, name, None)
            if rule := terms.broken(name, value):
                raise InvalidTask(f"{name} must be {rule}, and is {value!r}.")
        if iscoroutinefunction(task.func) and getattr(task, "atomic", None):
            raise InvalidTask("A coroutine cannot be atomic: Django has no transactions there.")
        if task.run_after is not None and instant(task.run_after) > clock.wall() + clock.seconds(MAX_DELAY):
            raise InvalidTask("run_after must be within 366 days.")

    def enqueue(self, task: Task, args: Any, kwargs: Any) -> TaskResult:
        """Publish the task's message, in the caller's transaction if there is one; how it stands then.

        Raises InvalidTask, TypeError and ValueError for arguments that JSON has not, and BrokerError as ``queues.publish``.
        """
        from brokerweb.storage.run import joining

        self.validate_task(task)
        call, token = call_of(task, args, kwargs, self.alias), get_random_string(TOKEN)
        message = _message(task, call, token)
        with joining() as tx:
            accepted = self._publish(tx, task.queue_name, message)
            at = tx.wall
        return self._enqueued(task, call, accepted, token, at)

    def _publish(self, tx: Transaction, queue: str, message: NewMessage) -> Accepted:
        from brokerweb.queues import control, publishing

        try:
            return publishing.publish(tx, queue, [message])[0]
        except NotFound:  # a queue that QUEUES does not name, or has named since the last migration
            control.declare(tx, queue, self.queue_settings)
            return publishing.publish(tx, queue, [message])[0]

    def _enqueued(self, task: Task, call: Call, accepted: Accepted, token: str, at: int) -> TaskResult:
        from brokerweb.tasks import results

        first = results.of_message(accepted.id) if accepted.duplicate else None
        if first is not None:
            return first
        result = TaskResult(
            task=task,
            id=results.id_of(accepted.id, token),
            status=TaskResultStatus.READY,
            enqueued_at=shown(clock.to_datetime(at)),
            started_at=None,
            last_attempted_at=None,
            finished_at=None,
            args=call.args,
            kwargs=call.kwargs,
            backend=self.alias,
            errors=[],
            worker_ids=[],
        )
        if not accepted.duplicate:
            task_enqueued.send(type(self), task_result=result)
        return result

    def get_result(self, result_id: str) -> TaskResult:
        """The result of that id. Raises TaskResultDoesNotExist: it never was, was rolled back, or is kept no longer."""
        from brokerweb.tasks import results

        return results.get(result_id)

    def check(self, **kwargs: Any) -> Iterable[CheckMessage]:
        """E010: OPTIONS or QUEUES that cannot be. W007: any queue may be named, so that none is there before it is used."""
        yield from super().check(**kwargs)
        wrong = [*self._wrong]
        for queue in sorted(map(str, self.queues)):
            try:
                check_name(queue)
            except BrokerError as error:
                wrong.append(f"QUEUES: {queue!r}: {error}")
        for what in wrong:
            yield Error(f"TASKS[{self.alias!r}]: {what}", hint=DOCS, id="brokerweb.E010")
        if not self.queues:
            yield Warning(
                f"TASKS[{self.alias!r}] has an empty QUEUES: a queue is made when a task first names it",
                hint="Name them all, so that they are there after migrate; or tell manage.py work by --queues which to run.",
                id="brokerweb.W007",
            )


def _message(task: Task, call: Call, token: str) -> NewMessage:
    from brokerweb.queues.from_python import new_message

    fields = {
        "key": text_of(getattr(task, "key", None), call.args, call.kwargs),
        "dedup_id": text_of(getattr(task, "dedup_id", None), call.args, call.kwargs),
        "priority": message_priority(call.priority),
        "deliver_at": None if task.run_after is None else clock.to_datetime(instant(task.run_after)),
        "correlation_id": token,
    }
    return new_message(call.body(), {name: value for name, value in fields.items() if value is not None})
