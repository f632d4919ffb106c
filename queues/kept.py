"""Settled messages that a queue keeps to be looked at (``keep_settled``): a table of its own, no state.

A message that ends is copied there in the same commit, before its row goes, and its content and failures stay. When its time is
over all of it goes. Queues that keep nothing run none of this: the verbs look at ``Definition.keep_settled`` once a run.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from brokerweb.core.batches import fitting
from brokerweb.core.checksums import Seen, intact
from brokerweb.core.clock import seconds
from brokerweb.queues import contents, sequence
from brokerweb.queues.definitions import Definition
from brokerweb.queues.definitions import Q as HOT
from brokerweb.queues.filters import MAX_ID
from brokerweb.queues.history import Q, said
from brokerweb.queues.messages import Receipt, json_ids
from brokerweb.queues.rows import MessageRow
from brokerweb.storage import disk
from brokerweb.storage.reading import Reads
from brokerweb.storage.transaction import Transaction

ACKED, EXPIRED, DELETED, PURGED, MOVED, EDITED = "acked", "expired", "deleted", "purged", "moved", "edited"
LIMIT = 200  # messages of one turn, fewer large ones


class End(NamedTuple):
    """How messages end, who did it, and what there is to say of it (JSON)."""

    outcome: str
    actor: str | None = None
    detail: str | None = None


def keeps(queue: Definition) -> bool:
    """Whether messages that end in the queue are kept. Where next to nothing is free on the disk settling comes first."""
    return queue.keep_settled > 0 and not disk.of().low


def _until(tx: Transaction, queue: Definition) -> int:
    return tx.now + seconds(queue.keep_settled)


def keep_all(tx: Transaction, queue: Definition, ids: str, n: int, attempt: int) -> bool:
    """Keep ``n`` leased messages (a JSON array) as acknowledged, if all their leases are those of the attempt; else none."""
    return tx.change(Q.keep_all, ids, n, queue.id, attempt, tx.now, tx.wall, _until(tx, queue)) == n


def keep_held(tx: Transaction, queue: Definition, run: Sequence[Receipt]) -> None:
    """Keep as acknowledged what these receipts hold."""
    held = sorted({(receipt.message_id, receipt.attempt) for receipt in run})
    text = f"[{','.join(f'[{id},{attempt}]' for id, attempt in held)}]"
    tx.change(Q.keep_held, text, queue.id, tx.now, tx.wall, _until(tx, queue))


def keep(tx: Transaction, queue: Definition, ids: Iterable[int], state: int, end: End, *, ready_until: int = MAX_ID) -> None:
    """Keep those of these messages, which are about to go, that are in that state; a ready one if it was at ``ready_until``."""
    tx.change(Q.keep_ended, json_ids(ids), queue.id, state, ready_until, *end, tx.wall, _until(tx, queue))


def keep_found(tx: Transaction, queue: Definition, messages: Sequence[tuple[int, int]], end: End, ready_until: int) -> None:
    """``keep`` for messages with the states they were found in."""
    for state in sorted({state for _, state in messages}):
        keep(tx, queue, [id for id, its in messages if its == state], state, end, ready_until=ready_until)


def keep_taken(tx: Transaction, queue: Definition, rows: Sequence[MessageRow]) -> None:
    """Keep messages that were handed over and never stored, since nobody settles them."""
    contents.insert_carried(tx, rows)
    detail = said(ack="none")
    tx.change_many(
        Q.keep,
        [
            (row.id, queue.id, row.id, ACKED, None, row.holder, tx.wall, _until(tx, queue), row.state, row.priority, row.attempts,
             0, row.key, row.route, None, None, None, detail)
            for row in rows
        ],
    )  # fmt: skip


def keep_moved(tx: Transaction, queue: Definition, message_id: int, state: int, end: End) -> None:
    """Keep a message in the queue that it leaves for another. It goes on with its content; what is kept has a copy."""
    copy = sequence.take_one(tx)
    tx.change(Q.copy_content, copy, queue.id, message_id)
    tx.change(Q.keep_moved, copy, message_id, queue.id, state, end.actor, end.detail, tx.wall, _until(tx, queue))


def forget_of(tx: Transaction, queue: Definition, message_id: int) -> None:
    """The message is in the queue again: what says that it has ended there goes."""
    contents.forget(tx, queue.id, [id for (id,) in tx.returning(Q.unkeep, queue.id, message_id)])


# Duties


class Kept(NamedTuple):
    """A kept message whose time is over, of ``outdated`` and ``kept_of``."""

    id: int
    queue_id: int
    message_id: int
    weight: int


def _drop(tx: Transaction, found: Sequence[Kept]) -> list[Kept]:
    """Of these as many as go into one turn."""
    turn = list(found[: fitting(one.weight for one in found)])
    for queue_id, group in groupby(sorted(turn, key=attrgetter("queue_id")), attrgetter("queue_id")):
        of_queue = list(group)
        tx.change(Q.drop_kept, queue_id, json_ids(one.id for one in of_queue))
        contents.forget(tx, queue_id, [one.id for one in of_queue])
        if own := [one.id for one in of_queue if one.id == one.message_id]:
            tx.change(HOT.forget_failures_of_all, queue_id, json_ids(own))
    return turn


def end_kept(tx: Transaction, limit: int = LIMIT) -> int:
    """Messages that were kept long enough go; how many, ``limit`` where there may be more."""
    found = [Kept(*row) for row in tx.rows(Q.outdated, tx.now, limit)]
    turn = _drop(tx, found)
    return len(turn) if len(turn) == len(found) else limit


def end_of_queue(tx: Transaction, queue_id: int, limit: int) -> int:
    """Some that a deleted queue has kept go, with what happened to them; how many."""
    turn = _drop(tx, [Kept(*row) for row in tx.rows(Q.kept_of, queue_id, limit)])
    if own := [one.id for one in turn if one.id == one.message_id]:
        tx.change(Q.forget_events, json_ids(own))
    return len(turn)


# The sweep's part


class Swept(NamedTuple):
    """A kept message of ``sweep_kept``: what its checksum covers."""

    id: int
    message_id: int
    checksum: int
    key: str | None
    headers: str | None
    content_type: str | None
    binary: bool
    reply_to: str | None
    correlation_id: str | None
    body: bytes

    @property
    def intact(self) -> bool:
        return intact(self.message_id, self, self.checksum)


def look(reads: Reads, after: int, most_bytes: int) -> Seen:
    """Check the kept messages after a number, as many as have ``most_bytes``; outside of any commit."""
    return Seen.of(map(Swept._make, reads.scan(Q.sweep_kept, after, Seen.ROWS)), most_bytes)
