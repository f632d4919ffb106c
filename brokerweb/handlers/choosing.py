"""Which source a handler's messages come from."""

from __future__ import annotations

from brokerweb.core.errors import Conflict
from brokerweb.handlers.batches import BatchedSource
from brokerweb.handlers.registry import Consumer
from brokerweb.handlers.sources import PartitionedSource, QueueSource, SharedGroupSource, Source
from brokerweb.storage.reading import Reads
from brokerweb.streams.group_settings import SHARED
from brokerweb.streams.groups import Group, Q


def source_of(reads: Reads, consumer: Consumer) -> Source | PartitionedSource:
    """Where a handler's messages come from; what is not there is found missing when the runner starts.

    Raises Conflict for batches of a partitioned group, whose records are committed one after the other.
    """
    leased = _leased(reads, consumer)
    if consumer.batch is None:
        return leased
    if isinstance(leased, PartitionedSource):
        raise Conflict(f"{consumer.name}: {leased.name} is partitioned; batches are for queues and shared groups.")
    return BatchedSource(leased, consumer.batch)


def _leased(reads: Reads, consumer: Consumer) -> Source | PartitionedSource:
    sizes = {"prefetch": consumer.prefetch, "concurrency": consumer.concurrency}
    if consumer.queue is not None:
        return QueueSource(consumer.queue, consumer, lease=consumer.lease, **sizes)
    stream, group = consumer.stream or "", consumer.group or ""
    row = reads.row(Q.find_group, stream, group)
    if row is not None and Group(*row).kind == SHARED:
        return SharedGroupSource(stream, group, consumer, lease=consumer.lease, **sizes)
    return PartitionedSource(stream, group, consumer, **sizes)
