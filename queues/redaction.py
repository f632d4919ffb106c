"""Redaction of a message: what it held is gone, while it stays what it is to all who hold, settle, order or look for it."""

from __future__ import annotations

from brokerweb.core.errors import NotFound
from brokerweb.core.redactions import Left, said
from brokerweb.queues.definitions import find
from brokerweb.queues.filters import MAX_ID
from brokerweb.queues.selection import Q
from brokerweb.storage.transaction import Transaction


def redact(tx: Transaction, name: str, message_id: int, *, by: str) -> None:
    """Body, headers and errors of a message are gone, whatever its state. Raises NotFound."""
    queue = find(tx, name)
    if not (0 < message_id <= MAX_ID and redact_one(tx, queue.id, message_id, by=by)):
        raise NotFound(f"Queue {name} has no message {message_id}.")


def redact_one(tx: Transaction, queue_id: int, message_id: int, *, by: str) -> bool:
    """The same by the queue's id; False where there is no such message. Receipts and the order are as before."""
    tx.require_single_writer("the checksum is of what was read")
    row = tx.row(Q.contents, message_id, queue_id)
    if row is None:
        return False
    left = Left(*row)
    tx.change(
        Q.redact, message_id, tx.wall, left.body, left.reply_to, left.correlation_id, left.checksum(message_id), said(by, tx.wall)
    )
    tx.change(Q.forget_error, message_id, queue_id)
    tx.change(Q.redact_failures, message_id)
    return True
