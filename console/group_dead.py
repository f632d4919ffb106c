"""Dead letters of a shared consumer group: its own queue holds them, which has no name that a request may carry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from brokerweb.core.errors import NotFound
from brokerweb.storage.reading import read
from brokerweb.storage.run import perform
from brokerweb.storage.transaction import Transaction
from console.deeds import Deed
from queues import bulk, definitions, filters
from queues.filters import MessageFilter
from queues.models import Queue
from streams import groups


def queue_of(stream: str, group: str) -> Queue:
    """The queue of a shared group. Raises NotFound."""
    queue_id = read(groups.find_group, stream, group).queue_id
    queue = Queue.objects.filter(pk=queue_id, deleted_at=None).first() if queue_id else None
    if queue is None:
        raise NotFound(f"Group {group} is not shared, and has no dead letters.")
    return queue


def on_queue(tx: Transaction, queue_id: int, verb: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """``verb(tx, name of the group's queue, ...)``: once it is looked up by id, this transaction knows it by name, too."""
    queue = definitions.find_by_id(tx, queue_id)
    if queue is None:
        raise NotFound("The group was deleted.")
    return verb(tx, queue.name, *args, **options)


def redrive_all(queue: Queue, done: Deed) -> int:
    """Put back everything that is dead now, in chunks of one commit each; how many that were."""
    chosen = filters.ascending(filters.for_redrive(MessageFilter()))
    bounds = perform(_begin, queue.pk, done)
    affected = 0
    while True:
        chunk: bulk.Chunk = perform(on_queue, queue.pk, bulk.redrive_chunk, chosen, bounds)
        affected += chunk.affected
        if chunk.after is None:
            return affected
        bounds = bounds._replace(after=chunk.after)


def _begin(tx: Transaction, queue_id: int, done: Deed) -> bulk.Bounds:
    done.record()
    bounds: bulk.Bounds = on_queue(tx, queue_id, bulk.begin)
    return bounds
