"""Messages that a query selects: found outside of commits, a part at a time, and kept by the job until it acts on them.

Found the newest first, they are acted upon by their ids, as all others are: the order of a queue and of its keys is kept. What a
query means is known above this room, which installs its ``Finder``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from brokerweb.core.errors import Unavailable
from brokerweb.core.masking import Hidden
from brokerweb.jobs.chunk import Chunk
from brokerweb.jobs.destinations import Destination, Q, every
from brokerweb.jobs.models import Job
from brokerweb.storage.reading import Reads
from brokerweb.storage.transaction import Transaction

FOUND_AT_ONCE = 2_000  # messages that one commit keeps for later
LOOKING = 0.5  # seconds of one look


class Asked(NamedTuple):
    """A query, as it meant what it says at an instant of the wall."""

    q: str
    now: int


class Looked(NamedTuple):
    """What a look found, as (message, queue), and below which id the next one goes on; None when it came to the end."""

    found: Sequence[tuple[int, int]]
    beyond: int | None
    chunks: int = 0  # of the job when it looked: a look of before another chunk is worth nothing


class Finder(Protocol):
    """What a query is, and what it finds."""

    def check(self, asked: Asked) -> None:
        """Raises Invalid for what is no query of messages."""

    def asks(self, asked: Asked, hidden: Hidden) -> bool:
        """Whether it is about something that is hidden."""

    def look(self, reads: Reads, asked: Asked, within: Sequence[Destination], beyond: int, most: tuple[int, float]) -> Looked:
        """Messages with ids below ``beyond`` that match, the newest first, at ``most`` so many, in so many seconds."""

    def still(self, reads: Reads, asked: Asked, within: Sequence[Destination], ids: Iterable[int]) -> set[int]:
        """Those of these messages that match now."""


_finder: Finder | None = None


def install(finder: Finder) -> None:
    """From now on messages may be selected by a query."""
    global _finder
    _finder = finder


def finder() -> Finder:
    if _finder is None:
        raise Unavailable("This process knows no queries.")
    return _finder


def asked_of(job: Job) -> Asked:
    """The query of a job."""
    return Asked(job.query or "", job.params["now"])


def destinations_of(reads: Reads, job: Job) -> list[Destination]:
    """Those of a job's destinations that there are still."""
    wanted = {queue_id for _, queue_id in job.params["queues"]}
    return [each for each in every(reads) if each.queue_id in wanted]


def look_ahead(reads: Reads, job_id: int) -> Looked | None:
    """The next look of a job that is still looking, on a reader's connection."""
    job = Job.objects.filter(pk=job_id).first()
    if job is None or job.query is None or job.cursor.get("found"):
        return None
    found = finder().look(reads, asked_of(job), destinations_of(reads, job), job.cursor["beyond"], (FOUND_AT_ONCE, LOOKING))
    return found._replace(chunks=job.chunks)


def collect(tx: Transaction, job: Job, looked: Looked | None) -> Chunk:
    """Keep what was found; the job has a total when that is all."""
    if looked is None or looked.chunks != job.chunks:
        return Chunk(job.cursor, 0)  # nobody has looked for this chunk: within a commit others would wait for it
    tx.change_many(Q.keep_item, [(job.pk, id, queue_id) for id, queue_id in looked.found])
    if looked.beyond is not None:
        return Chunk(job.cursor | {"beyond": looked.beyond}, 0)
    return Chunk(job.cursor | {"found": True}, 0, total=tx.value(Q.count_items, job.pk))


def items(tx: Transaction, job: Job, limit: int) -> list[tuple[int, int]]:
    """The next messages to act on, with the ids of their queues."""
    return [(id, queue_id) for id, queue_id in tx.rows(Q.items, job.pk, limit)]


def drop(tx: Transaction, job: Job, last: int) -> None:
    """Those up to a message are acted upon."""
    tx.change(Q.drop_items, job.pk, last)


def forget(tx: Transaction, limit: int = FOUND_AT_ONCE) -> int:
    """Drop what jobs kept that ended before they acted on it; how many rows."""
    return tx.change(Q.forget_items, limit)
