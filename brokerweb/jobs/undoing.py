"""Undo of a redrive or a move: a job that puts back, where and as it was, what nobody has been handed since."""

from __future__ import annotations

from brokerweb.core import clock
from brokerweb.core.errors import Conflict
from brokerweb.jobs import control, operations
from brokerweb.jobs.chunk import Chunk
from brokerweb.jobs.control import NewJob
from brokerweb.jobs.destinations import Q
from brokerweb.jobs.models import OPEN, Job
from brokerweb.queues import transfers
from brokerweb.queues.selection import Q as MESSAGES
from brokerweb.storage.transaction import Transaction

FORGOTTEN_AT_ONCE = 500  # transfers


def create(tx: Transaction, job_id: int, *, by: str) -> Job:
    """The job that takes another back, which ends if it still runs. Raises NotFound, and Conflict where it is too late."""
    job = control.lock(job_id)
    if job.kind not in control.UNDOABLE or not operations.is_one(job):
        raise Conflict(f"Job {job_id} cannot be undone: only what POST /bulk has redriven or moved can.")
    if job.undone_by is not None:
        raise Conflict(f"Job {job_id} is undone already, by job {job.undone_by}.")
    until = control.undo_until(job)
    if until is None or until < tx.wall:
        raise Conflict(f"Job {job_id} could be undone for {control.UNDO_WITHIN // 60} minutes after its end, which have passed.")
    if job.state in OPEN:
        control.cancel(tx, job_id)
    cursor, total = {"job": job_id, "after": 0, "gone": 0}, tx.value(MESSAGES.transfers_of, job_id)
    new = NewJob("undo", job.target, {"job": str(job_id)}, cursor, job.to, None, total, job.touched)
    made = control.create(tx, new, by=by)
    Job.objects.filter(pk=job_id).update(undone_by=made.pk)
    return made


def chunk(tx: Transaction, job: Job, limit: int) -> Chunk:
    """The next messages that return, where they can."""
    noted = transfers.noted(tx, job.cursor["job"], job.cursor["after"], limit)
    back = sum(transfers.take_back(tx, transfer) for _, transfer in noted)
    gone = job.cursor["gone"] + len(noted) - back
    cursor = job.cursor | {"gone": gone, "after": noted[-1][0] if noted else job.cursor["after"]}
    stay = "1 was" if gone == 1 else f"{gone} were"
    error = f"{stay} handed out, moved or deleted since, and left as found." if gone else None
    return Chunk(cursor, back, finished=len(noted) < limit, error=error)


def forget(tx: Transaction, limit: int = FORGOTTEN_AT_ONCE) -> int:
    """Drop what undoes a job that cannot be undone any more; how many rows, ``limit`` where there may be others."""
    job = tx.value(Q.not_undoable, clock.wall_at(tx.now) - clock.seconds(control.UNDO_WITHIN))
    if job is None:
        return 0
    return limit if tx.change(MESSAGES.forget_transfers, job, limit) else 0
