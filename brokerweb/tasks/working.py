"""Tasks as a runner works on them: what is run for a message, and what is stored of it in the commit that settles it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from inspect import iscoroutinefunction
from typing import Any, NamedTuple, cast

import msgspec
from django.db import transaction

from brokerweb.core import clock
from brokerweb.handlers.sources import Held, QueueSource
from brokerweb.handlers.work import Failure, Reject, Retry, Settlement, Work
from brokerweb.queues import results as stored
from brokerweb.queues.definitions import find_by_id
from brokerweb.queues.django import Received
from brokerweb.queues.messages import Receipt, Settle, Settled, parse_receipt
from brokerweb.queues.results import Result
from brokerweb.storage.reading import Reads, read
from brokerweb.storage.transaction import Transaction
from brokerweb.tasks import attempts, results
from brokerweb.tasks.attempts import Attempt, Document, Error
from brokerweb.tasks.backend import Backend
from brokerweb.tasks.calls import Call, NotATask, parsed, task_of
from brokerweb.tasks.framework import Task, TaskContext, TaskResult, TaskResultStatus, task_backends, task_finished, task_started
from brokerweb.tasks.terms import GiveUp, Options, Terms, terms_of

log = logging.getLogger(__name__)


class AttemptsUsed(Exception):
    """The task was begun as often as it may be, and its workers were lost: it is not begun again."""


class Ran(NamedTuple):
    """What a task returned, and what was tried before."""

    value: msgspec.Raw
    past: list[Attempt]


class TaskSource(QueueSource):
    """The tasks of a queue."""

    def __init__(self, queue: str) -> None:
        self.tasks = Tasks(queue)
        super().__init__(queue, self.tasks)

    def works_on(self, message: Held) -> str:
        """The task that it calls."""
        try:
            return parsed(message.body).task
        except NotATask:
            return super().works_on(message)

    def lease(self, tx: Transaction, limit: int, holder: str) -> tuple[Sequence[Held], bool]:
        """Of those that are leased at once the first are those of the highest priority, to the last of its 201 steps."""
        self.tasks.worker = holder
        leased, more = super().lease(tx, limit, holder)
        return sorted(leased, key=_exact_priority), more

    def settle(self, tx: Transaction, settles: Sequence[Settle]) -> list[Settled]:
        """A task's ``max_attempts`` counts instead of the queue's ``max_failures``."""
        return super().settle(tx, [self._bounded(settle) if settle.kind == "nack" else settle for settle in settles])

    def _bounded(self, settle: Settle) -> Settle:
        return msgspec.structs.replace(settle, max_failures=self.tasks.limits.pop(settle.receipt, None))


def _exact_priority(message: Held) -> int:
    body = message.body
    said = body.get("priority", 0) if isinstance(body, dict) else 0
    return -said if isinstance(said, int) else 0


class Tasks:
    """Works on the tasks of a queue; a ``Handler``."""

    def __init__(self, queue: str) -> None:
        self.queue, self.name, self.worker = queue, f"the tasks of queue {queue}", ""
        self.limits: dict[str, int] = {}  # by receipt, of what is about to be settled

    def work(self, message: Held) -> Work:
        """Raises Reject for what calls no task, ImportError where it is not there, and AttemptsUsed."""
        message = _received(message)
        try:
            call = parsed(message.body)
        except NotATask as error:
            raise Reject(str(error)) from error
        task = task_of(call, self.queue)
        terms = terms_of(task, _options(call).terms)
        past = read(_past, message) if message.attempts > 1 else []
        if terms.max_attempts is not None and message.failures >= terms.max_attempts:
            raise AttemptsUsed(f"{message.failures} of {terms.max_attempts} attempts failed")
        document = self._document(message, call, [*past, self._attempt(message)])
        result = results.made(_id(message), document, TaskResultStatus.RUNNING)
        coroutine = iscoroutinefunction(task.func)
        how: Callable[..., Any] = _arun if coroutine else _run
        return Work(call=partial(how, task, result, past), coroutine=coroutine, timeout=terms.timeout, atomic=terms.atomic)

    def done(self, tx: Transaction, message: Held, result: Any) -> None:
        message, ran = _received(message), cast(Ran, result)
        tried = attempts.with_one_more(ran.past, self._attempt(message, ended=tx.wall))
        document = self._document(message, parsed(message.body), tried)
        document.value = ran.value
        self._put(tx, message, document, finished=tx.wall)
        self._tell(message, document, TaskResultStatus.SUCCESSFUL, tx.wall)

    def failed(self, tx: Transaction, message: Held, failure: Failure) -> Settlement:
        message, error = _received(message), failure.error
        try:
            call = parsed(message.body)
        except NotATask:
            return Settlement("dead", error=str(error))
        tried = _past(tx, message) if message.attempts > 1 else []
        if not isinstance(error, AttemptsUsed):
            told = Error.of(error, failure.text)
            tried = attempts.with_one_more(tried, self._attempt(message, ended=tx.wall, error=told))
        document = self._document(message, call, tried)
        settlement = self._settlement(document, message, failure)
        final = settlement.kind == "dead" or self._is_last(tx, message)
        self._put(tx, message, document, finished=tx.wall if final else None)
        if final:
            self._tell(message, document, TaskResultStatus.FAILED, tx.wall, error)
        return settlement

    def _settlement(self, document: Document, message: Received, failure: Failure) -> Settlement:
        """What becomes of a task that failed: ``Reject`` and ``Retry`` say so, else its backoff."""
        error, terms = failure.error, self._terms_or_defaults(document.call)
        delay, text = None, failure.text
        if isinstance(error, AttemptsUsed):
            text = next((tried.error.traceback for tried in reversed(document.attempts) if tried.error is not None), text)
        elif isinstance(error, Reject):
            return Settlement("dead", error=text)
        elif isinstance(error, Retry):
            delay = error.delay
        else:
            try:
                delay = self._wait(terms, document, message, error)
            except GiveUp:
                return Settlement("dead", error=text)
        if terms.max_attempts is not None:
            self.limits[message.receipt] = terms.max_attempts
        return Settlement("nack", delay, text)

    def _wait(self, terms: Terms, document: Document, message: Received, error: BaseException) -> float | None:
        try:
            result = results.made(_id(message), document, TaskResultStatus.READY) if callable(terms.backoff) else None
            return terms.wait(message.failures + 1, error, result)
        except GiveUp:
            raise
        except Exception:
            log.exception("the backoff of %s failed: its queue's is used", document.call.task)
            return None

    def _is_last(self, tx: Transaction, message: Received) -> bool:
        """Whether this failure is the last that it may have."""
        queue = find_by_id(tx, _receipt(message).queue_id)
        most = self.limits.get(message.receipt, queue.max_failures if queue is not None else None)
        return most is not None and message.failures + 1 >= most

    # What is told of it

    def _attempt(self, message: Received, *, ended: int | None = None, error: Error | None = None) -> Attempt:
        """This one. It began with its lease."""
        began = message.lease_until_at - timedelta(seconds=message.lease)
        return Attempt(message.attempts, self.worker, began, began if ended is None else clock.to_datetime(ended), error)

    def _document(self, message: Received, call: Call, tried: list[Attempt]) -> Document:
        return Document(call=call, queue=self.queue, enqueued=message.published_at, attempts=tried)

    def _put(self, tx: Transaction, message: Received, document: Document, *, finished: int | None) -> None:
        receipt = _receipt(message)
        result = Result(message.id, receipt.queue_id, message.correlation_id, finished, document.text())
        stored.put(tx, result, _options(document.call).result_ttl)

    def _tell(self, message: Received, document: Document, status: Any, at: int, error: BaseException | None = None) -> None:
        """After the commit: the task has come to its end."""

        def tell() -> None:
            try:
                result = results.made(_id(message), document, status, finished=clock.to_datetime(at))
            except Exception as unknown:  # the task is nowhere: nobody can be told of it
                log.warning("task %s ended %s: %s", _id(message), status, unknown)
                return
            try:
                if error is not None:
                    raise error
            except BaseException:  # receivers find it in sys.exc_info()
                task_finished.send_robust(_sender(document.call.backend), task_result=result)
            else:
                task_finished.send_robust(_sender(document.call.backend), task_result=result)

        transaction.on_commit(tell)

    def _terms_or_defaults(self, call: Call) -> Terms:
        defaults = _options(call).terms
        try:
            return terms_of(task_of(call, self.queue), defaults)
        except Exception:  # it is nowhere, which may be why it failed
            return defaults


def _received(message: Held) -> Received:
    """A message of a queue, which is all that this is given."""
    return cast(Received, message)


def _run(task: Task, result: TaskResult, past: list[Attempt]) -> Ran:
    task_started.send(_sender(result.backend), task_result=result)
    return Ran(attempts.as_json(task.func(*_arguments(task, result), **result.kwargs)), past)


async def _arun(task: Task, result: TaskResult, past: list[Attempt]) -> Ran:
    await task_started.asend(_sender(result.backend), task_result=result)
    return Ran(attempts.as_json(await task.func(*_arguments(task, result), **result.kwargs)), past)


def _arguments(task: Task, result: TaskResult) -> list[Any]:
    return [TaskContext(task_result=result), *result.args] if task.takes_context else result.args


def _past(reads: Reads, message: Received) -> list[Attempt]:
    """What was tried before, by whichever worker."""
    known = attempts.parse(stored.of(reads, message.id))
    lost = stored.losses(reads, _receipt(message).queue_id, message.id)
    return attempts.merged(known.attempts if known is not None else [], lost)


def _receipt(message: Received) -> Receipt:
    receipt = parse_receipt(message.receipt)
    if receipt is None:
        raise ValueError(f"{message.receipt!r} is no receipt")
    return receipt


def _id(message: Received) -> str:
    return results.id_of(message.id, message.correlation_id)


def _backend(alias: str) -> Backend | None:
    """The backend that enqueued it, if this worker has it, too."""
    try:
        found = task_backends[alias]
    except Exception:  # there is none of that name, or it cannot be made
        return None
    return found if isinstance(found, Backend) else None


def _options(call: Call) -> Options:
    backend = _backend(call.backend)
    return backend.settings if backend is not None else Options()


def _sender(alias: str) -> type:
    return type(_backend(alias) or Backend)
