"""What goes into the verbs of streams and what comes out. Plain values: instants are microseconds."""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Struct

from brokerweb.streams.models import MAX_OFFSET


class NewRecord(Struct):
    """A record to be appended. ``body`` is JSON text, or any bytes when ``binary``; ``headers`` is a JSON object's text.

    ``partition`` is the record's own choice; else its ``key`` decides, else its turn.
    """

    body: bytes
    binary: bool = False
    key: str | None = None
    headers: str | None = None
    content_type: str | None = None
    dedup_id: str | None = None
    partition: int | None = None
    reply_to: str | None = None
    correlation_id: str | None = None

    @property
    def size(self) -> int:
        """The bytes that retention counts."""
        about = (self.key or "") + (self.headers or "")
        return len(self.body) + (len(about) if about.isascii() else len(about.encode()))


class Appended(NamedTuple):
    """Where a record is; with ``duplicate`` the one that its ``dedup_id`` named before. ``partition`` is its number."""

    partition: int
    offset: int
    duplicate: bool


class StoredRecord(Struct):
    """A record as it is read. Of one that is ``damaged`` only its place is sure; it is told, never served."""

    partition: int
    offset: int
    appended_at: int
    key: str | None
    headers: str | None
    content_type: str | None
    binary: bool
    reply_to: str | None
    correlation_id: str | None
    body: bytes
    damaged: bool = False
    redacted: str | None = None  # by whom and when, as JSON


class Oldest(NamedTuple):
    """A record that may have to go, of ``oldest``: what it weighs as retention counts."""

    id: int
    appended_at: int
    weight: int
    key: str | None

    @property
    def offset(self) -> int:
        return self.id & MAX_OFFSET


class Batch(NamedTuple):
    """Records in order; ``next`` is where to go on, ``low`` and ``end`` the partition's bounds when it was read."""

    records: list[StoredRecord]
    next: int
    low: int
    end: int
