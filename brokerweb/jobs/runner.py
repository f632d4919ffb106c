"""The duty that runs jobs: round after round one chunk of each that is due, so that several take turns."""

from __future__ import annotations

from contextlib import suppress

from brokerweb.cluster import here
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
    """One round of what this node may run; seconds until the next. With nothing to do it is two small reads."""
    node = here.name()
    committer = run.running()
    if committer is not None and committer.crowded:
        return CROWDED
    tended = await aread(indexing.waiting)
    if tended:
        await aperform(indexing.tend)
    jobs = await aread(chunks.open_jobs, node)
    due = [job for job in jobs if job.due_at <= clock.now()]
    ran = [await _turn(job, node) for job in due]
    if any(ran) or tended:
        return 0
    if due or not jobs:  # other nodes were faster with those that are due
        return EVERY
    return (jobs[0].due_at - clock.now()) / clock.SECOND


async def let_go() -> None:
    """This node stops: where there are others, they go on with its jobs at once."""
    if here.shared():
        with suppress(BrokerError):  # then they wait until its lease has run out
            await aperform(chunks.let_go, here.name())


async def _turn(job: Open, node: str) -> bool:
    """One chunk; whether there was one."""
    try:
        looked = await aread(searched.look_ahead, job.id) if job.searches else None
        ran: bool = await aperform(chunks.run, job.id, looked, node)
    except BrokerError as error:
        await aperform(chunks.note_failure, job.id, error, node)
        return True
    return ran
