"""The list of live connections: of more than ``MOST`` those that hold most."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from brokerweb.console.listing import Asked, Column, Listing
from brokerweb.console.templatetags.brokerweb_console import instant
from brokerweb.delivery import connections
from brokerweb.identity.principal import Principal

MOST = 2_000  # what other nodes tell of each is a document to be read
Row = Mapping[str, Any]


def rows(principal: Principal, asked: Asked) -> list[Row]:
    """Those whose client, name, address, or what they consume, has the part that is asked for."""
    part = asked.q.lower()
    return [_shown(found) for found in connections.busiest(MOST) if part in _told(found).lower()]


def _shown(found: Row) -> Row:
    rate = sum(sub.get("rate", 0.0) for sub in found["subscriptions"])
    return {**found, "connected_at": instant(found["connected_at"]), "unsettled": connections.held(dict(found)), "rate": rate}


def _consumes(found: Row) -> str:
    return " ".join(sub.get("queue") or sub.get("stream") or "" for sub in found["subscriptions"])


def _told(found: Row) -> str:
    return f"{found['client']} {found['name']} {found['address'] or ''} {found.get('node', '')} {_consumes(found)}"


LISTING = Listing[Row](
    "connections",
    [
        Column("client", "Client", lambda row: row["client"], fixed=True),
        Column("address", "Address", lambda row: row["address"] or None, style="wide"),
        Column("protocol", "Protocol", lambda row: row["protocol"] or None, style="wide"),
        Column("consumes", "Consumes", _consumes),
        Column("unsettled", "Unsettled", lambda row: row["unsettled"], style="n mid", live=True),
        Column("rate", "Takes /s", lambda row: row["rate"], style="n mid", live=True),
        Column("open", "Open for", lambda row: row["connected_at"], style="n wide"),
    ],
    identity=lambda row: str(row["id"]),
    rows=rows,
    sort="-unsettled",
)
