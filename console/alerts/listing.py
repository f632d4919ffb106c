"""The lists of what holds, and of what held."""

from __future__ import annotations

from typing import Any

from brokerweb.console.filters import LIMIT
from brokerweb.console.listing import Column, Listing

LISTING = Listing[dict[str, Any]](
    "alerts",
    [
        Column("target", "Of", lambda row: row["alert"].target, fixed=True),
        Column("text", "What holds", lambda row: row["alert"].text),
        Column("rule", "Rule", lambda row: row["alert"].rule, style="mid"),
        Column("since", "Since", lambda row: row["alert"].since_at, zoned=True),
    ],
    identity=lambda row: str(row["alert"].pk),
    as_found=True,
    newest=LIMIT,
)
