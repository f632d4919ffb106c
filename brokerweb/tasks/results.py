"""Results as Django has them. While a task's message is there, it says how the task stands; what was tried, and what came of
it, is stored beside the message, and outlives it.

A result's id is ``MESSAGE-TOKEN``: the message's number, and a random text that only this task has. A number that was given in a
transaction that was rolled back is given once more.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from brokerweb.core import clock
from brokerweb.queues import results as stored
from brokerweb.queues.filters import MAX_ID
from brokerweb.queues.models import Message
from brokerweb.queues.results import Result
from brokerweb.queues.states import State
from brokerweb.storage.reading import read
from brokerweb.tasks import attempts
from brokerweb.tasks.attempts import Attempt, Document
from brokerweb.tasks.calls import NotATask, parsed, shown, task_of
from brokerweb.tasks.framework import TaskResult, TaskResultDoesNotExist, TaskResultStatus

_STATUS = {State.LEASED: TaskResultStatus.RUNNING, State.DEAD: TaskResultStatus.FAILED}


def id_of(message_id: int, token: str | None) -> str:
    """The id of the result of a message's task. What was published by other means than ``enqueue`` may have no token."""
    return f"{message_id}-{token or ''}"


def parse_id(text: object) -> tuple[int, str | None]:
    """The message's number, and the token. Raises TaskResultDoesNotExist for what can be no id."""
    number, dash, token = text.partition("-") if isinstance(text, str) else ("", "", "")
    if not (dash and number.isascii() and number.isdigit() and len(number) < 20 and 0 < int(number) <= MAX_ID):
        raise TaskResultDoesNotExist(text)
    return int(number), token or None


def get(result_id: str) -> TaskResult:
    """The result of that id, as it stands. Raises TaskResultDoesNotExist, and ImportError where its task is nowhere any more."""
    message_id, token = parse_id(result_id)
    found = of_message(message_id)
    if found is None or found.id != id_of(message_id, token):
        raise TaskResultDoesNotExist(result_id)
    return found


def of_message(message_id: int) -> TaskResult | None:
    """The result of a message's task; None where neither is there, or it calls none."""
    # The message first: what was settled in between has a result.
    message = Message.objects.select_related("queue").filter(pk=message_id, queue__deleted_at=None).first()
    result = read(stored.of, message_id)
    document = attempts.parse(result)
    if result is not None and document is not None and (message is None or document.succeeded):
        return _ended(result, document)
    return None if message is None else _waiting(message, document)


def _ended(result: Result, document: Document) -> TaskResult:
    """Of a message that is there no more: it has succeeded, or it had failed before it went."""
    status = TaskResultStatus.SUCCESSFUL if document.succeeded else TaskResultStatus.FAILED
    at = document.attempts[-1].ended if result.finished is None else clock.to_datetime(result.finished)
    return made(id_of(result.message_id, result.token), document, status, finished=at)


def _waiting(message: Message, document: Document | None) -> TaskResult | None:
    """Of a message that is there."""
    try:
        call = parsed(json.loads(bytes(message.body)))
    except (NotATask, ValueError):
        return None
    state = State(message.state)
    lost = read(stored.losses, message.queue_id, message.pk) if message.failures or message.redrives else []
    tried = attempts.merged([] if document is None else document.attempts, lost)
    if state is State.LEASED and message.leased_at is not None:
        since = _wall(message.leased_at)
        tried.append(Attempt(message.attempts, message.holder or "", since, since))
    document = Document(call=call, queue=message.queue.name, enqueued=message.published_at, attempts=tried)
    dead = _wall(message.due_at) if state is State.DEAD else None
    status = _STATUS.get(state, TaskResultStatus.READY)
    return made(id_of(message.pk, message.correlation_id), document, status, finished=dead)


def made(id: str, document: Document, status: Any, *, finished: datetime | None = None) -> TaskResult:
    """Django's result of what is known. Raises ImportError, SuspiciousOperation where the task is nowhere any more."""
    call, tried = document.call, document.attempts
    result = TaskResult(
        task=task_of(call, document.queue),
        id=id,
        status=status,
        enqueued_at=shown(document.enqueued),
        started_at=_shown(tried[0].started if tried else None),
        last_attempted_at=_shown(tried[-1].started if tried else None),
        finished_at=_shown(finished),
        args=call.args,
        kwargs=call.kwargs,
        backend=call.backend,
        errors=attempts.errors(tried),
        worker_ids=[attempt.worker for attempt in tried],
    )
    if document.succeeded:
        object.__setattr__(result, "_return_value", json.loads(bytes(document.value)))
    return result


def _shown(at: datetime | None) -> datetime | None:
    return None if at is None else shown(at)


def _wall(at: datetime) -> datetime:
    """An instant of the broker's clock as the wall names it."""
    return clock.to_datetime(clock.to_wall(clock.from_datetime(at)))
