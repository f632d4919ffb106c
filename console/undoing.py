"""Acts of one click can be taken back for a while: their row of the audit trail remembers what was before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from brokerweb.console.page import SignedIn
from brokerweb.core import clock
from brokerweb.core.errors import Conflict
from brokerweb.identity.audit import Entry
from brokerweb.identity.models import AuditEntry
from brokerweb.queues.filters import parse_id
from brokerweb.storage.run import perform
from brokerweb.storage.transaction import Transaction, acting

WITHIN = 15 * 60  # seconds


def remembered(entry: Entry, verb: Callable[..., Any], *args: Any) -> int | None:
    """Perform a verb that answers with what was before, and write that with its entry in one commit; the entry's id.

    None when the verb says that there is nothing to take back. Raises BrokerError.
    """
    found: int | None = perform(_remembered, entry, verb, *args)
    return found


def _remembered(tx: Transaction, entry: Entry, verb: Callable[..., Any], *args: Any) -> int | None:
    before = acting(tx, entry.actor.name, verb, *args)
    tx.writes += 1
    if before is None:
        entry.record()
        return None
    return entry._replace(detail={**entry.detail, "before": before}).record()


def before(request: SignedIn, action: str, target: str) -> Mapping[str, Any]:
    """What was before the person's deed that the request names. Raises Conflict when it is none, or too long ago."""
    try:
        chosen = parse_id(request.POST.get("entry", ""))
    except ValueError:
        chosen = 0
    entry = AuditEntry.objects.filter(pk=chosen, owner=request.principal.owner, action=action, target=target[:255]).first()
    if entry is None or "before" not in entry.detail:
        raise Conflict("There is nothing of yours to undo here.")
    if abs(clock.wall() - clock.from_datetime(entry.at)) > clock.seconds(WITHIN):
        raise Conflict(f"What you did can be undone for {WITHIN // 60} minutes, which have passed.")
    found: Mapping[str, Any] = entry.detail["before"]
    return found
