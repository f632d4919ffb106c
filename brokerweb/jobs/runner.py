"""The duty that runs jobs: round after round one chunk of each that is due, so that several take turns."""

from __future__ import annotations

from brokerweb.core import clock
from brokerweb.core.errors import BrokerError
from brokerweb.jobs import chunks, indexing, searched
from brokerweb.jobs.chunks import Open
from brokerweb.storage import run
from brokerweb.storage.reading import aread
from brokerweb.storage.run import aperform

EVERY = 0.5  # seconds between looks for new jobs
CROWDED = 0.1  # seconds that jobs wait while there is too much to write without them


async def tick(now: int) -> float:
    """One round; seconds until the next. With nothing to do it is two small reads."""
    committer = run.running()
    if committer is not None and committer.crowded:
        return CROWDED
    tended = await aread(indexing.waiting)
    if tended:
        await aperform(indexing.tend)
    jobs = await aread(chunks.open_jobs)
    due = [job for job in jobs if job.due_at <= clock.now()]
    for job in due:
        await _turn(job)
    if due or tended or not jobs:
        return 0 if due or tended else EVERY
    return (jobs[0].due_at - clock.now()) / clock.SECOND


async def _turn(job: Open) -> None:
    try:
        looked = await aread(searched.look_ahead, job.id) if job.searches else None
        await aperform(chunks.run, job.id, looked)
    except BrokerError as error:
        await aperform(chunks.note_failure, job.id, error)
