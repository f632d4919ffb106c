"""Redaction of a message: what it held is gone, while it stays what it is to all who hold, settle, order or look for it."""

from __future__ import annotations

from brokerweb.core.errors import NotFound
from brokerweb.core.redactions import Left, said
from brokerweb.identity.audit import forget_error
from brokerweb.queues import fields, history, results
from brokerweb.queues.definitions import find, find_by_id
from brokerweb.queues.filters import MAX_ID
from brokerweb.queues.history import What
from brokerweb.queues.selection import Q
from brokerweb.storage.transaction import Transaction


def redact(tx: Transaction, name: str, message_id: int, *, by: str) -> None:
    """Body, headers and errors of a message are gone, whatever its state; also of one that is kept after its end, and the errors
    where its history alone is left. What work on it came to is forgotten. Raises NotFound.
    """
    queue = find(tx, name)
    if not (
        0 < message_id <= MAX_ID and (redact_one(tx, queue.id, message_id, by=by) or _redact_kept(tx, queue.id, message_id, by))
    ):
        raise NotFound(f"Queue {name} has no message {message_id}.")


def redact_one(tx: Transaction, queue_id: int, message_id: int, *, by: str) -> bool:
    """The same by the queue's id; False where there is no such message. Receipts and the order are as before."""
    row = tx.row(Q.contents, message_id, queue_id)
    if row is None:
        return False
    *held, attempts = row
    _redact(tx, (queue_id, message_id), message_id, Left(*held), by)
    tx.change(Q.forget_error, message_id, queue_id)
    fields.redact(tx, queue_id, message_id)
    _redact_elsewhere(tx, message_id, by)
    if (queue := find_by_id(tx, queue_id)) is not None:
        history.note(tx, queue, [message_id], What(history.REDACTED, attempts, by))
        kind, name = ("queue", queue.name) if queue.stream is None else ("stream", queue.stream)
        tx.writes += forget_error(kind, name, message_id)
    return True


def _redact(tx: Transaction, content: tuple[int, int], message_id: int, left: Left, by: str) -> None:
    """What is stored of what the message carries: as content of a queue, by that number."""
    queue_id, number = content
    checksum = left.checksum(message_id)
    tx.change(Q.redact, number, queue_id, tx.wall, left.body, left.reply_to, left.correlation_id, checksum, said(by, tx.wall))


def _redact_elsewhere(tx: Transaction, message_id: int, by: str) -> None:
    """Errors of its failures and events, and what queues have kept of it that it left."""
    tx.change(Q.redact_failures, message_id)
    tx.change(Q.redact_transfers, message_id)
    results.drop(tx, message_id)
    tx.change(history.Q.redact_events, message_id)
    for number, queue_id, *held in tx.rows(history.Q.kept_copies, message_id):
        _redact(tx, (queue_id, number), message_id, Left(*held), by)
        tx.change(history.Q.forget_kept_error, number, queue_id)


def _redact_kept(tx: Transaction, queue_id: int, message_id: int, by: str) -> bool:
    """The same of a message that has ended in that queue; False where nothing is known of it."""
    row = tx.row(history.Q.kept_contents, queue_id, message_id)
    if row is None and tx.row(history.Q.known, message_id, queue_id) is None and not results.known(tx, queue_id, message_id):
        return False
    if row is not None:
        number, *held = row
        _redact(tx, (queue_id, number), message_id, Left(*held), by)
        tx.change(history.Q.forget_kept_error, number, queue_id)
    _redact_elsewhere(tx, message_id, by)
    return True
