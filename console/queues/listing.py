"""The list of queues."""

from __future__ import annotations

from brokerweb.console import holding
from brokerweb.console.holding import Consumer, Held
from brokerweb.console.listing import Column, Listing
from brokerweb.console.queues import reading
from brokerweb.console.queues.reading import Candidate
from brokerweb.console.templatetags.brokerweb_console import dimmed, rate, span

SHOWN = (
    ("", "All queues"),
    ("busy", "With messages"),
    ("unattended", "Ready, no consumer"),
    ("dead", "With dead letters"),
    ("paused", "Paused"),
)

CONSUMERS = Listing[Consumer](
    "consumers", holding.CONSUMERS, identity=lambda consumer: f"{consumer.connection} {consumer.client}", as_found=True
)
IN_FLIGHT = Listing[Held](
    "in-flight", holding.HELD, identity=lambda item: str(item.message.pk), filters=("connection",), as_found=True, within=True
)
LISTING = Listing[Candidate](
    "queues",
    [
        Column("name", "Queue", lambda row: row.name, fixed=True),
        Column("lately", "Lately", lambda row: None, style="sparks", sortable=False),
        Column("ready", "Ready", lambda row: row.counts["ready"], style="n", live=True, summed=sum, looks=dimmed),
        Column(
            "scheduled", "Scheduled", lambda row: row.counts["scheduled"], style="n wide", live=True, summed=sum, looks=dimmed
        ),
        Column("blocked", "Blocked", lambda row: row.counts["blocked"], style="n less", live=True, summed=sum, looks=dimmed),
        Column("leased", "In flight", lambda row: row.counts["leased"], style="n wide", live=True, summed=sum, looks=dimmed),
        Column("dead", "Dead", lambda row: row.counts["dead"], style="n", live=True, summed=sum, looks=dimmed),
        Column("oldest", "Oldest", lambda row: row.oldest, style="n mid", live=True, summed=max, looks=span),
        Column("consumers", "Consumers", lambda row: row.consumers, style="n wide", live=True, summed=sum, looks=dimmed),
        Column("in", "In /s", lambda row: row.rates["published"], style="n wide", live=True, summed=sum, looks=rate),
        Column("out", "Out /s", lambda row: row.rates["acked"], style="n wide", live=True, summed=sum, looks=rate),
    ],
    identity=lambda row: str(row.pk),
    rows=reading.candidates,
    suits=reading.suits,
    sort="name",
    filters=("show",),
    parted=True,
)
