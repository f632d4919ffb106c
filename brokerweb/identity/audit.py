"""The audit trail: one row for everything a named somebody did. It holds no secrets and no bodies."""

from __future__ import annotations

from typing import Any

from brokerweb.core import clock
from brokerweb.identity.models import AuditEntry
from brokerweb.identity.principal import Principal


def record(
    actor: Principal | str, action: str, target: str, *, detail: dict[str, Any] | None = None, address: str | None = None
) -> None:
    """Add an entry, in the caller's transaction if there is one, so that it stands exactly if the deed does.

    ``actor`` is a text where nobody is known yet (a failed sign-in); ``action`` is the verb, as in ``queue.purge``.
    """
    name, owner = (actor.name, actor.owner) if isinstance(actor, Principal) else (actor, "")
    AuditEntry.objects.create(
        at=clock.now(),
        actor=name[:200],
        owner=owner,
        action=action[:100],
        target=target[:255],
        detail=detail or {},
        address=(address or "")[:100],
    )
