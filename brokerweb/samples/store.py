"""The rows of samples, as verbs: what is noted of a tick, and what becomes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from brokerweb.samples.packing import pack_hour
from brokerweb.samples.series import Sample
from brokerweb.storage.statements import Statements
from brokerweb.storage.transaction import Transaction

Q = Statements("brokerweb.cluster", "samples.sql")

ROWS = 200  # buckets a commit
FORGOTTEN = 500  # hours a commit


class Hour(NamedTuple):
    """An hour of a series that is to be kept, by the minute."""

    series: int
    hour: int
    minutes: Mapping[int, Sample]


def note(tx: Transaction, rows: Sequence[tuple[int, int, bytes]]) -> int:
    """What buckets have of a tick, packed; of how many that was."""
    return tx.change_many(Q.note, rows)


def keep(tx: Transaction, hours: Sequence[Hour], bucket: int, last: int) -> int:
    """What is kept of a bucket, and its fresh samples up to a tick go; how many hours those were."""
    if hours:
        tx.change_many(Q.keep_hour, [_row(hour) for hour in hours])
    tx.change(Q.forget_fresh, bucket, last)
    return len(hours)


def _row(kept: Hour) -> tuple[int, int, int, int, bytes]:
    samples = kept.minutes.values()
    depth, dead = max(sample.depth for sample in samples), max(sample.dead for sample in samples)
    return kept.series, kept.hour, depth, dead, pack_hour(kept.minutes)


def forget(tx: Transaction, last: int, limit: int = FORGOTTEN) -> int:
    """The oldest hours go, up to one of them; how many that were."""
    return tx.change(Q.forget_hours, last, limit)
