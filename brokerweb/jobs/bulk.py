"""Purge and redrive of many messages: at once where they are few, else as a job in the chunks of ``brokerweb.queues.bulk``.

The entry of the audit trail is in the first commit: that of the first chunk, or the job's. Either both stand or none.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from brokerweb.handout import shared_groups
from brokerweb.identity.audit import Entry, audited
from brokerweb.jobs import control
from brokerweb.jobs.chunk import Chunk
from brokerweb.jobs.control import NewJob
from brokerweb.jobs.models import Job
from brokerweb.queues import browse, bulk, filters, selection
from brokerweb.queues.bulk import Bounds, Perform
from brokerweb.queues.definitions import find
from brokerweb.queues.filters import MessageFilter
from brokerweb.queues.models import Queue
from brokerweb.queues.states import State
from brokerweb.storage.reading import Reader, read
from brokerweb.storage.run import perform
from brokerweb.storage.transaction import Transaction

LIMIT = 1_000  # messages that are taken inside the call


def start_purge(
    name: str, chosen: MessageFilter = filters.ALL, *, rate: float | None = None, by: str, entry: Entry | None = None
) -> int | Job:
    """Delete what the filter selects: how many that were, or the job that does it."""
    chosen, first = filters.for_purge(chosen), _recording(entry)
    queue = browse.find(name)
    if not _is_much(queue, chosen, rate):
        return bulk.purge_all(name, chosen, first=first, by=by)
    job: Job = first(create_purge, name, chosen, rate=rate, by=by, total=_count(queue, chosen))
    return job


def start_redrive(
    name: str,
    chosen: MessageFilter = filters.ALL,
    *,
    to: str | None = None,
    rate: float | None = None,
    by: str,
    entry: Entry | None = None,
) -> int | Job:
    """Put dead messages back, into ``to`` or their own queue: how many that were, or the job that does it."""
    chosen, first = filters.for_redrive(chosen), _recording(entry)
    queue = browse.find(name)
    if not _is_much(queue, chosen, rate):
        return bulk.redrive_all(name, chosen, to=to, first=first, by=by)
    job: Job = first(create_redrive, name, chosen, to=to, rate=rate, by=by, total=_count(queue, chosen))
    return job


def start_group_redrive(
    stream: str,
    group: str,
    chosen: MessageFilter = filters.ALL,
    *,
    rate: float | None = None,
    by: str,
    entry: Entry | None = None,
) -> int | Job:
    """Put dead records of a shared group back: how many that were, or the job that does it. Raises NotFound, Conflict."""
    chosen, first = filters.for_redrive(chosen), _recording(entry)
    queue = read(shared_groups.queue_of, stream, group)
    if not _is_much(queue, chosen, rate):
        return bulk.redrive_all(queue.pk, chosen, first=first, by=by)
    job: Job = first(create_group_redrive, stream, group, queue.pk, chosen, rate=rate, by=by, total=_count(queue, chosen))
    return job


def _recording(entry: Entry | None) -> Perform:
    """What performs a verb together with the entry, if there is one."""
    return perform if entry is None else partial(audited, entry)


def _is_much(queue: Queue, chosen: MessageFilter, rate: float | None) -> bool:
    """Whether it is work for a job: a rate was asked for, or more match than ``LIMIT``, or that cannot be told quickly."""
    return rate is not None or read(_exceeds, queue.pk, filters.ascending(chosen))


def _exceeds(reader: Reader, queue_id: int, chosen: MessageFilter) -> bool:
    found = selection.find(reader.rows, queue_id, chosen, selection.whole(chosen), LIMIT)
    return found.after is not None


def _count(queue: Queue, chosen: MessageFilter) -> int | None:
    """How many match, where indexes alone can tell."""
    if chosen.key is not None and chosen.ids is None:
        return None
    return read(lambda reader: selection.summary(reader.rows, queue.pk, chosen)[0])


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


def create_group_redrive(
    tx: Transaction,
    stream: str,
    group: str,
    queue_id: int,
    chosen: MessageFilter,
    *,
    rate: float | None = None,
    by: str,
    total: int | None = None,
) -> Job:
    """A job on the stream that puts back dead records of one of its shared groups, whose queue goes by its id."""
    params = {"filter": as_params(chosen), "group": group}
    cursor = bulk.begin(tx, queue_id)._asdict() | {"queue": queue_id}
    return control.create(tx, NewJob("redrive", f"stream:{stream}", params, cursor, None, rate, total), by=by)


def as_params(chosen: MessageFilter) -> dict[str, Any]:
    """The filter as requests have it."""
    parts = {
        "states": [state.name.lower() for state in State if state in chosen.states] or None,
        "key": chosen.key,
        "fingerprint": chosen.fingerprints[0] if len(chosen.fingerprints) == 1 else list(chosen.fingerprints) or None,
        "ids": None if chosen.ids is None else [str(id) for id in chosen.ids],
    }
    return {name: value for name, value in parts.items() if value is not None}


def purge_chunk(tx: Transaction, job: Job, limit: int) -> Chunk:
    """The next messages of a purge."""
    chunk = bulk.purge_chunk(tx, _name(job.target), filters.parse(job.params["filter"]), _bounds(job), limit=limit)
    return _progress(job, chunk)


def redrive_chunk(tx: Transaction, job: Job, limit: int) -> Chunk:
    """The next messages of a redrive."""
    source = job.cursor.get("queue", _name(job.target))
    to = None if job.to is None else _name(job.to)
    chunk = bulk.redrive_chunk(tx, source, filters.parse(job.params["filter"]), _bounds(job), to=to, limit=limit)
    return _progress(job, chunk)


def _bounds(job: Job) -> Bounds:
    return Bounds(*(job.cursor[name] for name in Bounds._fields))


def _progress(job: Job, chunk: bulk.Chunk) -> Chunk:
    cursor = job.cursor if chunk.after is None else job.cursor | {"after": chunk.after}
    return Chunk(cursor, chunk.affected, finished=chunk.after is None)


def _name(destination: str) -> str:
    return destination.partition(":")[2]
