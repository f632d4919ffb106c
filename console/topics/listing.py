"""The list of topics, and that of a topic's bindings."""

from __future__ import annotations

from typing import Any

from brokerweb.console.listing import Asked, Column, Listing
from brokerweb.console.templatetags.brokerweb_console import dimmed, rate
from brokerweb.console.topics import reading
from brokerweb.console.topics.reading import Candidate

LISTING = Listing[Candidate](
    "topics",
    [
        Column("name", "Topic", lambda row: row.topic.name, fixed=True),
        Column("bindings", "Bindings", lambda row: row.bindings, style="n", summed=sum, looks=dimmed),
        Column("unrouted", "Unrouted", lambda row: row.topic.unrouted, style="mid"),
        Column("dropped", "Dropped", lambda row: row.topic.dropped, style="n wide", live=True, summed=sum, looks=dimmed),
        Column("in", "In /s", lambda row: row.rate("published"), style="n", live=True, summed=sum, looks=rate),
        Column("lost", "Unrouted /s", lambda row: row.rate("unrouted"), style="n wide", live=True, summed=sum, looks=rate),
    ],
    identity=lambda row: str(row.topic.pk),
    rows=reading.candidates,
    suits=reading.suits,
    sort="name",
    parted=True,
)


def binds(binding: dict[str, Any], asked: Asked) -> bool:
    """Whether the pattern, or where it leads, has the part that is asked for."""
    return asked.q.lower() in f"{binding['pattern']} {binding['to']}".lower()


def _headers(binding: dict[str, Any]) -> str | None:
    return ", ".join(f"{name}: {value}" for name, value in binding["headers"].items()) or None


BINDINGS = Listing[dict[str, Any]](
    "bindings",
    [
        Column("pattern", "Pattern", lambda binding: binding["pattern"], fixed=True),
        Column("to", "Copy to", lambda binding: binding["to"]),
        Column("headers", "Only with headers", _headers, style="wide"),
    ],
    identity=lambda binding: f"{binding['to']} {_headers(binding)}",
    suits=binds,
    as_found=True,
)
