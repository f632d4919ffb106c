"""The list of who changed what. There may be millions: by when all can be reached, which is the order of ids."""

from __future__ import annotations

import json

from brokerweb.console.audit import reading
from brokerweb.console.listing import Column, Listing
from brokerweb.identity import trail
from brokerweb.identity.models import AuditEntry


def _changed(entry: AuditEntry) -> str:
    told = trail.as_json(entry)
    return json.dumps({side: told[side] for side in ("before", "after", "detail")}, ensure_ascii=False, default=str)


LISTING = Listing[AuditEntry](
    "audit",
    [
        Column("when", "When", lambda entry: entry.at, fixed=True),
        Column("who", "Who", lambda entry: entry.actor),
        Column("action", "Action", lambda entry: entry.action),
        Column("target", "Target", lambda entry: entry.target),
        Column("changed", "What changed", _changed, sortable=False),
    ],
    identity=lambda entry: str(entry.pk),
    sort="-when",
    filters=reading.FILTERS,
    by_id="when",
    rows=reading.newest,
    some=reading.some,
    newest=reading.NEWEST,
)
