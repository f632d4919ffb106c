"""The audit trail: one row for everything a named somebody did. It holds no secrets and no bodies.

``trail`` is how it is read, and how it ends.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from brokerweb.core import clock
from brokerweb.core.events import AUDIT
from brokerweb.identity.models import AuditEntry
from brokerweb.identity.principal import Principal
from brokerweb.storage.run import perform
from brokerweb.storage.transaction import Transaction, acting, relisted

_DECLARING = ("declare", "delete", "bind", "unbind", "undo_unbind")  # what is done to a definition
Reader = Callable[[str, str], Mapping[str, Any] | None]
_reader: Reader | None = None


def read_by(reader: Reader) -> None:
    """From now on ``reader`` says what the settings are of a queue, stream, topic or group, by kind and name; None of none."""
    global _reader
    _reader = reader


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
    relisted(AUDIT)
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

    @property
    def settings(self) -> Mapping[str, Any] | None:
        """What this is about, as it is declared now; None where it is not there, or the act is of another kind."""
        kind, _, act = self.action.partition(".")
        return _reader(kind, self.target.partition(":")[2]) if _reader is not None and act in _DECLARING else None

    def done(self, before: Mapping[str, Any] | None, result: Any) -> Entry:
        """The entry with what changed of the settings, and the job that goes on with it."""
        after, detail = self.settings, {**self.detail, **getattr(result, "audit_detail", {})}
        if before is not None or after is not None:
            detail["before"], detail["after"] = changed(before, after), changed(after, before)
        return self._replace(detail=detail)

    @property
    def left_as_it_was(self) -> bool:
        """Whether what it is about was declared so before, too: that is no change, and the trail says nothing of it."""
        return "before" in self.detail and "after" in self.detail and self.detail["before"] == self.detail["after"]


def changed(one: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Of the one what the other has otherwise."""
    if one is None or other is None:
        return None if one is None else dict(one)
    return {name: value for name, value in one.items() if other.get(name) != value}


def audited(entry: Entry, verb: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Perform the verb and write its entry in one commit, unless all was so before; the verb's result. Raises BrokerError."""
    return perform(with_entry, entry, verb, *args, **options)


def with_entry(tx: Transaction, entry: Entry, verb: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """``audited`` within a transaction."""
    before = entry.settings
    result = acting(tx, entry.actor.name, verb, *args, **options)
    done = entry.done(before, result)
    if not done.left_as_it_was:
        tx.writes += 1
        done.record()
    return result
