"""The overview."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import Any

from django.http import HttpResponseBase

from brokerweb.alerts import alerts
from brokerweb.answers.marking import may_mark
from brokerweb.answers.verdicts.reading import every_queue
from brokerweb.console import pictures, ranges
from brokerweb.console.overview.attention import findings
from brokerweb.console.overview.first_steps import first_steps
from brokerweb.console.overview.sparks import Shown, pictured
from brokerweb.console.overview.totals import totals
from brokerweb.console.page import SignedIn, page, render
from brokerweb.console.queues import reading as queues
from brokerweb.console.queues.reading import Figures
from brokerweb.console.rights import Known, browsable_streams, may_create
from brokerweb.console.streams import reading
from brokerweb.storage.reading import read

BUSIEST, FEW_STREAMS = 8, 5
ALERTS = 100  # that hold and are counted


@page
def overview(request: SignedIn) -> HttpResponseBase:
    """What is going on, what needs a look, and the first steps of who is new."""
    over, principal = ranges.of(request), request.principal
    every = read(every_queue)
    listed, streams = queues.browsable(principal, every), browsable_streams(principal)
    figures = Figures((queue.pk for queue in listed), every.counts)
    rows = queues.rows(_busiest(listed, figures), known=figures)
    context: dict[str, Any] = {
        "chart": pictures.of_everything(principal, over),
        "range": over,
        "seen": totals(figures),
        "streams": len(streams),
        "appended": sum(map(reading.appended, streams)),
    }
    shown = Shown(findings(principal, every), rows, reading.busiest(streams, FEW_STREAMS))
    context |= pictured(shown, listed, over)._asdict()
    context |= {"steps": first_steps(request, sorted(rows, key=lambda row: row.name))}
    context |= {"alerts": alerts.listed(firing=True, visible=alerts.visible_to(principal), limit=ALERTS)}
    context |= {"may_create": may_create(principal), "may_mark": may_mark(principal)}
    return render(request, "brokerweb_console/overview/overview.html", **context)


def _busiest(listed: Iterable[Known], figures: Figures) -> list[Known]:
    """Those that hold most, and of those alike in that through which most goes."""

    counts = figures.counts

    def order(queue: Known) -> tuple[float, float, str]:
        rates = figures.rates.get(queue.pk)
        return -sum(counts[queue.pk].values()), -sum(rates.values()) if rates else 0.0, queue.name

    return heapq.nsmallest(BUSIEST, listed, key=order)
