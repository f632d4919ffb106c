"""The audit trail: one row for everything a named somebody did. It holds no secrets and no bodies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from brokerweb.core import clock
from brokerweb.identity.models import AuditEntry
from brokerweb.identity.principal import Principal
from brokerweb.storage.run import perform
from brokerweb.storage.transaction import Transaction


def record(
    actor: Principal | str, action: str, target: str, *, detail: dict[str, Any] | None = None, address: str | None = None
) -> int:
    """Add an entry, in the caller's transaction if there is one, so that it stands exactly if the deed does; its id.

    ``actor`` is a text where nobody is known yet (a failed sign-in); ``action`` is the verb, as in ``queue.purge``.
    """
    name, owner = (actor.name, actor.owner) if isinstance(actor, Principal) else (actor, "")
    entry = AuditEntry.objects.create(
        at=clock.wall(),
        actor=name[:200],
        owner=owner,
        action=action[:100],
        target=target[:255],
        detail=detail or {},
        address=(address or "")[:100],
    )
    return entry.pk


def forget_error(kind: str, name: str, message_id: int) -> int:
    """What the trail remembers of a message's error, so that its requeue can be undone, is gone; how many entries had it.

    ``name`` is the queue's, or the stream's of a shared group's copy.
    """
    begins = f"{kind}:{name}/"
    entries = AuditEntry.objects.filter(target__gte=begins, target__lt=f"{begins[:-1]}0", target__endswith=f"/{message_id}")
    forgotten = 0
    for entry in entries.filter(action="message.requeue"):
        if entry.detail.get("before", {}).get("last_error") is not None:
            entry.detail["before"]["last_error"] = None
            entry.save(update_fields=["detail"])
            forgotten += 1
    return forgotten


class Entry(NamedTuple):
    """What the trail is to say once it is done: who did what to what, from where."""

    actor: Principal
    action: str
    target: str
    detail: Mapping[str, Any]
    address: str | None

    def record(self) -> int:
        """Write it, in the transaction that is open if there is one; its id."""
        return record(self.actor, self.action, self.target, detail=dict(self.detail), address=self.address)


def audited(entry: Entry, verb: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Perform the verb and write its entry in one commit; the verb's result. Raises BrokerError."""
    return perform(_with_entry, entry, verb, *args, **options)


def _with_entry(tx: Transaction, entry: Entry, verb: Callable[..., Any], *args: Any, **options: Any) -> Any:
    result = verb(tx, *args, **options)
    tx.writes += 1
    entry.record()
    return result
