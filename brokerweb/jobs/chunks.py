"""One chunk of a job, in one commit with how far the job has come.

A crash before the commit leaves the job where it was, one after it where the next chunk begins: nothing is done twice and
nothing is left out. Of several nodes one runs a job: each chunk commits with a short lease on it, and when that has run out,
since the node has ended or stands still, the next chunk is anybody's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from brokerweb.cluster.here import EMBEDDED
from brokerweb.core import clock
from brokerweb.core.backoff import Backoff
from brokerweb.core.errors import BrokerError, Conflict, OffsetOutOfRange, StoreFull
from brokerweb.core.events import JOBS
from brokerweb.jobs import bulk, failures, indexing, operations, replaying, searched, undoing
from brokerweb.jobs.chunk import Chunk
from brokerweb.jobs.destinations import Q
from brokerweb.jobs.models import OPEN, Job
from brokerweb.jobs.searched import Looked
from brokerweb.storage.reading import Reads
from brokerweb.storage.transaction import Transaction, acting

ITEMS = 500  # a commit, at most
AT_ONCE = 0.25  # seconds' worth of a rate in one chunk
AT_A_TIME = 50  # jobs of one round
RETRY = Backoff(initial=1, factor=2, maximum=30, jitter=0.1)
MAX_RETRIES = 120  # about an hour
HALVINGS = 9  # of ITEMS, down to 1
MAX_ERROR = 2_000
HELD = clock.seconds(5)  # a lease: how long a job stands still at most whose node has ended
OF_OTHERS = (Conflict, OffsetOutOfRange)  # another writer was faster, and is done by the next try

VERBS: Mapping[str, Callable[[Transaction, Job, int], Chunk]] = {
    "purge": bulk.purge_chunk,
    "redrive": bulk.redrive_chunk,
    "replay": replaying.replay_chunk,
    "undo": undoing.chunk,
    "index": indexing.index_chunk,
}


class Open(NamedTuple):
    """A job that is not finished, and when its next chunk is due; ``searches``: what it works on is found by a query."""

    id: int
    due_at: int
    searches: bool = False


def open_jobs(reads: Reads, node: str = EMBEDDED) -> list[Open]:
    """Jobs that are not finished and that this node may run, those that are due first."""
    return [Open(*row) for row in reads.rows(Q.open, node, clock.now(), AT_A_TIME)]


def let_go(tx: Transaction, node: str = EMBEDDED) -> None:
    """The node runs no jobs any more: others go on at once."""
    tx.change(Q.let_go, node)


def run(tx: Transaction, job_id: int, looked: Looked | None = None, node: str = EMBEDDED) -> bool:
    """The job's next chunk, if it is open and due, and no other node's; whether it was.

    ``looked`` is what ``searched.look_ahead`` has found for it.
    """
    job = Job.objects.select_for_update(skip_locked=True).filter(pk=job_id, state__in=OPEN).first()
    if job is None or _instant(job.due_at) > tx.now or _is_held(tx, job, node):
        return False
    job.node = node
    if job.query is not None and not job.cursor.get("found"):
        chunk = searched.collect(tx, job, looked)
    else:
        verb = operations.chunk if operations.is_one(job) else VERBS[job.kind]
        chunk = acting(tx, job.created_by, verb, job, _size(job))
    failures.note(tx, job, chunk.items)
    _advance(tx, job, chunk)
    return True


def _is_held(tx: Transaction, job: Job, node: str) -> bool:
    """Whether another node has a lease on it."""
    return job.node not in (None, node) and job.held_until_at is not None and _instant(job.held_until_at) > tx.now


def _instant(shown: datetime) -> int:
    """What a ``BrokerInstantField`` shows, by the broker's clock."""
    return clock.from_wall(clock.from_datetime(shown))


def _size(job: Job) -> int:
    """How many items: fewer at a rate, and fewer after tries that failed, since less may fit where much did not."""
    size = ITEMS if job.rate is None else min(ITEMS, max(1, round(job.rate * AT_ONCE)))
    return max(1, size >> job.retries)


def _advance(tx: Transaction, job: Job, chunk: Chunk) -> None:
    error = chunk.error or (job.error if job.failed else None)
    changes: dict[str, Any] = {
        "state": chunk.state or ("done" if chunk.finished else "running"),
        "cursor": chunk.cursor,
        "done": job.done + chunk.done,
        "failed": job.failed + chunk.failed,
        "error": None if error is None else error[:MAX_ERROR],
        "retries": max(0, min(job.retries, HALVINGS) - 1),  # a step back towards whole chunks
        "started_at": job.started_at or tx.wall,
        "finished_at": tx.wall if chunk.finished else None,
        "due_at": _due_at(tx, job, chunk),
        "total": job.total if chunk.total is None else chunk.total,
    }
    _change(tx, job, changes)


def _due_at(tx: Transaction, job: Job, chunk: Chunk) -> int:
    by_rate = tx.now + clock.seconds(chunk.done / job.rate) if job.rate else tx.now
    return max(by_rate, chunk.due_at or 0)


def _change(tx: Transaction, job: Job, changes: Mapping[str, Any]) -> None:
    tx.writes += 1
    tx.outcome.lists |= {JOBS}
    same = Job.objects.filter(pk=job.pk, state__in=OPEN, chunks=job.chunks, retries=job.retries)
    held = {"node": job.node, "held_until_at": tx.now + HELD}
    if not same.update(chunks=job.chunks + 1, **held, **changes):
        raise Conflict("The job went on meanwhile.")


def note_failure(tx: Transaction, job_id: int, error: BrokerError, node: str = EMBEDDED) -> None:
    """A chunk was not to be had: the job tries again later where that may help, some times, or has failed."""
    job = Job.objects.select_for_update().filter(pk=job_id, state__in=OPEN).first()
    if job is None or _is_held(tx, job, node):
        return
    job.node = node
    changes: dict[str, Any] = {
        "state": "running",
        "error": error.detail[:MAX_ERROR],
        "started_at": job.started_at or tx.wall,
    }
    more = job.retries < MAX_RETRIES or isinstance(error, StoreFull)  # a full disk is made room on when somebody comes
    if (error.retryable or isinstance(error, OF_OTHERS)) and more:
        retries = min(job.retries + 1, MAX_RETRIES)
        changes |= {"retries": retries, "due_at": tx.now + RETRY.delay(retries)}
    else:
        changes |= {"state": "failed", "finished_at": tx.wall}
    _change(tx, job, changes)
