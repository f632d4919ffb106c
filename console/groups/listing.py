"""The list of a stream's consumer groups."""

from __future__ import annotations

from brokerweb.console.groups import reading
from brokerweb.console.groups.reading import Candidate
from brokerweb.console.listing import Column, Listing

LISTING = Listing[Candidate](
    "groups",
    [
        Column("name", "Group", lambda row: row.group.name, fixed=True),
        Column("kind", "Kind", lambda row: row.group.kind, style="mid"),
        Column("members", "Members", lambda row: row.members, style="n", live=True),
        Column("positions", "Positions", lambda row: None, style="strips mid", sortable=False),
        Column("lag", "Lag", lambda row: row.lag, style="n", live=True),
        Column("behind", "Behind", lambda row: row.behind, style="n", live=True),
        Column("dead", "Dead", lambda row: row.dead, style="n wide", live=True),
        Column("generation", "Generation", lambda row: row.group.generation, style="n wide"),
        Column("created", "Created", lambda row: row.group.created_at, style="wide", zoned=True),
    ],
    identity=lambda row: row.group.name,
    rows=reading.candidates,
    suits=reading.suits,
    sort="name",
)
