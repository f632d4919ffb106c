"""Dead letters of a shared consumer group: its own queue holds them, which has no name that a request may carry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from brokerweb.core.errors import Conflict, NotFound
from brokerweb.handout import shared_groups as sharing
from brokerweb.queues import definitions
from brokerweb.queues.models import Queue
from brokerweb.storage.reading import read
from brokerweb.storage.transaction import Transaction


def queue_of(stream: str, group: str) -> Queue:
    """The queue of a shared group. Raises NotFound."""
    try:
        return read(sharing.queue_of, stream, group)
    except Conflict as error:
        raise NotFound(error.detail) from error


def on_queue(tx: Transaction, queue_id: int, verb: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """``verb(tx, name of the group's queue, ...)``: once it is looked up by id, this transaction knows it by name, too."""
    queue = definitions.find_by_id(tx, queue_id)
    if queue is None:
        raise NotFound("The group was deleted.")
    return verb(tx, queue.name, *args, **options)
