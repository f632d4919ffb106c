"""The states of a message and the legal arrows between them. Everything else refers to this file.

    publish ─► scheduled ─due─► ready ─lease─► leased ─ack─► gone
      │                          ▲  ▲            │ nack, expired lease: back after backoff (scheduled); lost consumer: at once
      └─ blocked ─head ends──────┘  └────────────┘ failures used up, or rejected ─► dead ─redrive─► ready

Numbers, because every partial index names one in its predicate. A settled message has no state: its row is gone.
"""

from __future__ import annotations

from enum import IntEnum


class State(IntEnum):
    SCHEDULED = 0  # waits for due_at: a delay or a backoff
    READY = 1
    BLOCKED = 2  # waits behind the head of its key
    LEASED = 3  # until due_at
    DEAD = 4


STATE_NAMES = {state.name.lower(): state for state in State}

ARROWS: dict[State, frozenset[State]] = {
    State.SCHEDULED: frozenset({State.READY, State.BLOCKED, State.DEAD}),
    State.READY: frozenset({State.LEASED, State.SCHEDULED, State.DEAD}),
    State.BLOCKED: frozenset({State.READY, State.DEAD, State.SCHEDULED}),  # the last when a requeue is undone
    State.LEASED: frozenset({State.READY, State.SCHEDULED, State.DEAD}),
    State.DEAD: frozenset({State.READY, State.BLOCKED}),
}

# Why a message is dead.
MAX_FAILURES, REJECTED, EXPIRED, OVERFLOW, DAMAGED = "max_failures", "rejected", "expired", "overflow", "damaged"
DEAD_REASONS = (MAX_FAILURES, REJECTED, EXPIRED, OVERFLOW, DAMAGED)

# How a lease failed.
NACKED, LEASE_EXPIRED, CONSUMER_LOST = "nacked", "lease_expired", "consumer_lost"
