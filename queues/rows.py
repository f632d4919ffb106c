"""Rows of messages as the statements give and take them: fields are named and ordered as columns and parameters are."""

from __future__ import annotations

from typing import NamedTuple

from brokerweb.queues.definitions import Definition
from brokerweb.queues.states import State


class MessageRow(NamedTuple):
    """A message as ``insert`` and ``insert_content`` store it: how it stands, then what it carries. Its position is its id."""

    id: int
    queue: int
    state: int
    priority: int
    attempts: int
    holds_key: bool
    due: int
    expires: int | None
    ttl: float | None
    key: str | None
    holder: str | None
    route: str | None
    deliver_at: int | None
    published: int
    headers: str | None
    content_type: str | None
    binary: bool
    body: bytes
    reply_to: str | None
    correlation_id: str | None
    publisher: str | None
    checksum: int
    redacted: str | None = None


class Ending(NamedTuple):
    """A message about to end, as the caller has just read it; ``held_key`` is its key if it is the head of one."""

    id: int
    state: int
    failures: int
    held_key: str | None = None
    attempts: int = 0


class Held(NamedTuple):
    """A leased message, of ``held``, ``overdue`` and ``held_by_sockets``; the duties' have the weight of their body."""

    id: int
    queue_id: int
    attempts: int
    failures: int
    key: str | None
    expires_at: int | None
    holder: str | None
    weight: int = 0

    def ending(self, queue: Definition, failures: int) -> Ending:
        return Ending(self.id, State.LEASED, failures, self.key if queue.keyed else None, self.attempts)


class Due(NamedTuple):
    """A scheduled message whose time has come, of ``due_scheduled``."""

    id: int
    queue_id: int
    key: str | None
    holds_key: bool
    weight: int


class Waiting(NamedTuple):
    """A message that waits, of ``expired``, ``oldest_in_state`` and ``outlived``."""

    id: int
    queue_id: int
    state: int
    failures: int
    attempts: int
    key: str | None
    holds_key: bool
    weight: int

    def ending(self) -> Ending:
        return Ending(self.id, self.state, self.failures, self.key if self.holds_key else None, self.attempts)
