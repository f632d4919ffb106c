"""The list of causes. Of more than ``reading.MOST`` it has those with the most dead letters."""

from __future__ import annotations

from brokerweb.console.causes import reading
from brokerweb.console.causes.reading import Cause, CausesOf
from brokerweb.console.listing import Asked, Column, Listing
from brokerweb.identity.principal import Principal


def rows(principal: Principal, asked: Asked) -> list[Cause]:
    """Those whose title or reason has the part that is asked for. Raises Invalid for a place that is none."""
    part = asked.q.lower()
    found = reading.listed(principal, CausesOf.of(asked.given))
    return [cause for cause in found if part in f"{cause.title} {cause.reason}".lower()]


LISTING = Listing[Cause](
    "causes",
    [
        Column("cause", "Cause", lambda cause: cause.title, fixed=True),
        Column("dead", "Dead", lambda cause: cause.count, style="n", live=True),
        Column("hours", "24 hours", lambda cause: sum(cause.hours), style="mid", live=True),
        Column("again", "Again", lambda cause: cause.again, style="n wide", live=True),
        Column("queues", "Queues", lambda cause: ", ".join(place.name for place in cause.places), style="wide", sortable=False),
        Column("last", "Last", lambda cause: cause.last_at, style="n wide", live=True),
    ],
    identity=lambda cause: cause.fingerprint,
    rows=rows,
    sort="-dead",
    filters=("since", "in"),
)
