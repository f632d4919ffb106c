"""Whether anything of a queue is ready, as one transaction knows it.

A message is handed over in its publish only where nothing that is ready would be overtaken.
"""

from __future__ import annotations

from collections.abc import Iterable

from brokerweb.queues import bounds
from brokerweb.queues.definitions import Q
from brokerweb.queues.messages import json_ids
from brokerweb.storage.reading import Reads
from brokerweb.storage.transaction import Transaction


def is_idle(tx: Transaction, queue_id: int) -> bool:
    """Whether nothing is ready; looked up once, and told from then on."""
    key = ("idle", queue_id)
    if key not in tx.memo:
        asked = tx.memo.pop(("asked", queue_id), None)
        tx.memo[key] = not (asked or bounds.ask_any_ready(tx, queue_id))()
    return tx.memo[key]


def ask(tx: Transaction, queue_id: int) -> None:
    """``is_idle`` will be asked next, before anything of the queue changes: the question may go with others."""
    if ("idle", queue_id) not in tx.memo:
        tx.memo["asked", queue_id] = bounds.ask_any_ready(tx, queue_id)


def tell(tx: Transaction, queue_id: int, *, idle: bool) -> None:
    """What the caller knows of it by what it has just done."""
    tx.memo["idle", queue_id] = idle


def forget(tx: Transaction, queue_id: int) -> None:
    """The caller cannot say it: it is looked up when it is next asked for."""
    tx.memo.pop(("idle", queue_id), None)


def became_ready(tx: Transaction, queue_id: int) -> None:
    """Something is ready now: dispatchers look after it once it is committed."""
    tx.memo["idle", queue_id] = False
    tx.outcome.ready.add(queue_id)


def ready_among(reads: Reads, queue_ids: Iterable[int]) -> tuple[set[int], set[int]]:
    """Of these queues, those in which something is ready, and those that are gone."""
    found = reads.rows(Q.ready_among, json_ids(queue_ids))
    gone = {queue_id for queue_id, is_gone in found if is_gone}
    return {queue_id for queue_id, _ in found} - gone, gone
