"""How a message stands: all that putting it back or moving it changes, read before that, so that it can be as it was."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from brokerweb.queues.selection import Q
from brokerweb.storage.transaction import Transaction


class Standing(NamedTuple):
    """The columns of ``as_it_is``: from ``state`` on what is restored; ``attempts`` tells whether it was handed out."""

    key: str | None
    attempts: int
    state: int
    position: int
    failures: int
    holds_key: bool
    alone: bool
    due_at: int
    deliver_at: int | None
    expires_at: int | None
    holder: str | None
    reason: str | None
    last_error: str | None
    fingerprint: str | None
    redrives: int
    route: str | None

    @property
    def restored(self) -> Sequence[Any]:
        """As ``as_it_was`` takes it."""
        return self[self._fields.index("state") :]


def read(tx: Transaction, queue_id: int, message_id: int) -> Standing | None:
    """How a message of that queue stands; None where there is none."""
    found = tx.row(Q.as_it_is, message_id, queue_id)
    if found is None:
        return None
    row = Standing(*found)
    return row._replace(holds_key=bool(row.holds_key), alone=bool(row.alone))
