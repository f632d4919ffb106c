"""Values of declared fields in what is older than the declaration, as jobs; and what is left of fields that were dropped."""

from __future__ import annotations

from itertools import groupby
from typing import Any, NamedTuple

from brokerweb.jobs import control
from brokerweb.jobs.chunk import Chunk
from brokerweb.jobs.control import NewJob
from brokerweb.jobs.models import Job
from brokerweb.queues import counters, filters, selection
from brokerweb.queues import fields as queue_fields
from brokerweb.queues.definitions import find_by_id
from brokerweb.queues.moves import in_one_turn
from brokerweb.queues.selection import Q as MESSAGES
from brokerweb.queues.selection import Span
from brokerweb.storage.reading import Reads
from brokerweb.storage.transaction import Transaction
from brokerweb.streams import fields as stream_fields
from brokerweb.streams.definitions import load_by_id

CLEANED = 500  # values of a dropped field that go in one commit
BY = "broker"
KINDS = {"queue": queue_fields.Q, "stream": stream_fields.Q}


class Unindexed(NamedTuple):
    """A field that a job is to be made for, of ``unindexed``."""

    id: int
    name: str
    owner_id: int
    owner: str


def waiting(reads: Reads) -> bool:
    """Whether there is something for ``tend``."""
    return any(reads.row(q.unindexed) or reads.row(q.dropped_field) for q in KINDS.values())


def tend(tx: Transaction) -> None:
    """Make the jobs that are missing, and remove some values that nobody asks for."""
    for kind, q in KINDS.items():
        mine = (field for field in (Unindexed(*row) for row in tx.rows(q.unindexed)) if tx.change(q.set_taken, field.id))
        found = sorted(mine, key=lambda each: each.owner_id)
        for _, group in groupby(found, key=lambda each: each.owner_id):
            _create(tx, kind, list(group))
        dropped = tx.value(q.dropped_field)
        if dropped is not None and not tx.change(q.forget_some_values, dropped, CLEANED):
            tx.change(q.remove_field, dropped)


def _create(tx: Transaction, kind: str, fields: list[Unindexed]) -> None:
    owner_id = fields[0].owner_id
    begin = _begin_queue if kind == "queue" else _begin_stream
    cursor, total = begin(tx, owner_id)
    cursor |= {"owner": owner_id, "fields": [field.id for field in fields]}
    params = {"fields": [field.name for field in fields]}
    control.create(tx, NewJob("index", f"{kind}:{fields[0].owner}", params, cursor, None, None, total), by=BY)


def _begin_queue(tx: Transaction, queue_id: int) -> tuple[dict[str, Any], int]:
    return {"after": 0, "last": tx.value(MESSAGES.newest_id)}, sum(counters.counted(tx, queue_id))


def _begin_stream(tx: Transaction, stream_id: int) -> tuple[dict[str, Any], int]:
    found = load_by_id(tx, stream_id)
    partitions = found.partitions if found is not None else ()
    spans = [[partition.record_id(partition.low), partition.record_id(partition.end)] for partition in partitions]
    return {"spans": spans}, sum(partition.records for partition in partitions)


def index_chunk(tx: Transaction, job: Job, limit: int) -> Chunk:
    """The next messages or records of an index."""
    kind = job.target.partition(":")[0]
    chunk = (_queue_chunk if kind == "queue" else _stream_chunk)(tx, job.cursor["owner"], job.cursor, limit)
    if chunk.finished:
        for field in job.cursor["fields"]:
            tx.change(KINDS[kind].set_indexed, field)
    return chunk


def _queue_chunk(tx: Transaction, queue_id: int, cursor: dict[str, Any], limit: int) -> Chunk:
    if find_by_id(tx, queue_id) is None:
        return Chunk(cursor, 0, finished=True)
    span = Span(cursor["after"], cursor["last"])
    found = in_one_turn(tx, selection.find(tx.rows, queue_id, filters.ALL, span, limit))
    done = queue_fields.index_again(tx, queue_id, [id for id, _ in found.messages])
    return Chunk(cursor | {"after": found.after or 0}, done, finished=found.after is None)


def _stream_chunk(tx: Transaction, stream_id: int, cursor: dict[str, Any], limit: int) -> Chunk:
    spans = [span for span in cursor["spans"] if span[0] < span[1]]
    if not spans or load_by_id(tx, stream_id) is None:
        return Chunk(cursor, 0, finished=True)
    (first, beyond), rest = spans[0], spans[1:]
    seen = stream_fields.index_again(tx, stream_id, (first, beyond), limit)
    left = [[seen[-1] + 1, beyond]] if len(seen) == limit else []
    return Chunk(cursor | {"spans": left + rest}, len(seen), finished=not left and not rest)
