"""Purge and redrive of many messages: at once where they are few, else as a job in the chunks of ``queues.bulk``."""

from __future__ import annotations

from typing import Any

from brokerweb.jobs import control
from brokerweb.jobs.chunk import Chunk
from brokerweb.jobs.control import NewJob
from brokerweb.jobs.models import Job
from brokerweb.storage.reading import Reader, read
from brokerweb.storage.run import perform
from brokerweb.storage.transaction import Transaction
from queues import browse, bulk, filters, selection
from queues.bulk import Bounds
from queues.definitions import find
from queues.filters import MessageFilter
from queues.states import State

LIMIT = 1_000  # messages that are taken inside the call


def start_purge(name: str, chosen: MessageFilter = filters.ALL, *, rate: float | None = None, by: str) -> int | Job:
    """Delete what the filter selects: how many that were, or the job that does it."""
    chosen = filters.for_purge(chosen)
    if not decide(name, chosen, rate):
        return bulk.purge_all(name, chosen)
    job: Job = perform(create_purge, name, chosen, rate=rate, by=by, total=_count(name, chosen))
    return job


def start_redrive(
    name: str, chosen: MessageFilter = filters.ALL, *, to: str | None = None, rate: float | None = None, by: str
) -> int | Job:
    """Put dead messages back, into ``to`` or their own queue: how many that were, or the job that does it."""
    chosen = filters.for_redrive(chosen)
    if not decide(name, chosen, rate):
        return bulk.redrive_all(name, chosen, to=to)
    job: Job = perform(create_redrive, name, chosen, to=to, rate=rate, by=by, total=_count(name, chosen))
    return job


def decide(name: str, chosen: MessageFilter, rate: float | None, limit: int = LIMIT) -> bool:
    """Whether it is work for a job: a rate was asked for, or more match than ``limit``, or that cannot be told quickly."""
    queue = browse.find(name)
    return rate is not None or read(_exceeds, queue.pk, filters.ascending(chosen), limit)


def _exceeds(reader: Reader, queue_id: int, chosen: MessageFilter, limit: int) -> bool:
    found = selection.find(reader.rows, queue_id, chosen, selection.whole(chosen), limit)
    return found.after is not None


def _count(name: str, chosen: MessageFilter) -> int | None:
    """How many match, where indexes alone can tell."""
    if chosen.key is not None and chosen.ids is None:
        return None
    return read(lambda reader: selection.summary(reader.rows, browse.find(name).pk, chosen)[0])


def create_purge(
    tx: Transaction, name: str, chosen: MessageFilter, *, rate: float | None = None, by: str, total: int | None = None
) -> Job:
    """A job that deletes what the filter selects of what is there now. Raises NotFound, Invalid."""
    params = {"filter": as_params(filters.for_purge(chosen))}
    cursor = bulk.begin(tx, name)._asdict()
    return control.create(tx, NewJob("purge", f"queue:{name}", params, cursor, None, rate, total), by=by)


def create_redrive(
    tx: Transaction,
    name: str,
    chosen: MessageFilter,
    *,
    to: str | None = None,
    rate: float | None = None,
    by: str,
    total: int | None = None,
) -> Job:
    """A job that puts back what the filter selects of the messages that are dead now. Raises NotFound, Invalid."""
    params = {"filter": as_params(filters.for_redrive(chosen))}
    cursor = bulk.begin(tx, name)._asdict()
    if to is not None:
        find(tx, to)
    where = None if to is None else f"queue:{to}"
    return control.create(tx, NewJob("redrive", f"queue:{name}", params, cursor, where, rate, total), by=by)


def as_params(chosen: MessageFilter) -> dict[str, Any]:
    """The filter as requests have it."""
    parts = {
        "states": [state.name.lower() for state in State if state in chosen.states],
        "key": chosen.key,
        "ids": None if chosen.ids is None else [str(id) for id in chosen.ids],
    }
    return {name: value for name, value in parts.items() if value is not None}


def purge_chunk(tx: Transaction, job: Job, limit: int) -> Chunk:
    """The next messages of a purge."""
    bounds = Bounds(**job.cursor)
    chunk = bulk.purge_chunk(tx, _name(job.target), filters.parse(job.params["filter"]), bounds, limit=limit)
    return _progress(bounds, chunk)


def redrive_chunk(tx: Transaction, job: Job, limit: int) -> Chunk:
    """The next messages of a redrive."""
    bounds = Bounds(**job.cursor)
    to = None if job.to is None else _name(job.to)
    chunk = bulk.redrive_chunk(tx, _name(job.target), filters.parse(job.params["filter"]), bounds, to=to, limit=limit)
    return _progress(bounds, chunk)


def _progress(bounds: Bounds, chunk: bulk.Chunk) -> Chunk:
    after = bounds.after if chunk.after is None else chunk.after
    return Chunk(bounds._replace(after=after)._asdict(), chunk.affected, finished=chunk.after is None)


def _name(destination: str) -> str:
    return destination.partition(":")[2]
