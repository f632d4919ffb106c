"""What a job could not do, one by one: the first thousand, with why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from brokerweb.core import cursors
from brokerweb.jobs.destinations import Q
from brokerweb.jobs.models import Job, JobFailure
from brokerweb.storage.transaction import Transaction

KEPT = 1_000  # of one job
MAX_ERROR = 2_000


class Failed(NamedTuple):
    """One of them: a message by its id, or a record as PARTITION-OFFSET, of a destination; a code of the errors, and in words."""

    destination: str
    item: str
    code: str
    error: str


class Page(NamedTuple):
    """Some of them, and the cursor of the page after; None when there is none."""

    items: list[Failed]
    next: str | None


def note(tx: Transaction, job: Job, failed: Sequence[Failed]) -> None:
    """Remember these, as many as there is room for beside those that failed before."""
    room = max(0, KEPT - job.failed)
    rows = [(job.pk, each.destination, each.item, each.code, each.error[:MAX_ERROR]) for each in failed[:room]]
    if rows:
        tx.change_many(Q.note_failed, rows)


def listing(job: Job, *, after: str | None = None, limit: int = 50) -> Page:
    """A page of them, the first first. Raises Invalid for a cursor of another list."""
    listed = cursors.digest("failed", job.pk)
    last = 0 if after is None else cursors.unseal_id(after, listed)
    rows = list(JobFailure.objects.filter(job_id=job.pk, pk__gt=last).order_by("pk")[: limit + 1])
    items = [Failed(row.destination, row.item, row.code, row.error) for row in rows[:limit]]
    return Page(items, cursors.seal(listed, str(rows[limit - 1].pk)) if len(rows) > limit else None)


def as_json(failed: Failed) -> dict[str, Any]:
    """As answers show it."""
    destination, slash, group = failed.destination.partition("/")
    partition, dash, offset = failed.item.partition("-")
    place = {"partition": int(partition), "offset": offset} if dash else {"id": failed.item}
    return {
        "destination": destination,
        **({"group": group} if slash else {}),
        **place,
        "code": failed.code,
        "error": failed.error,
    }
