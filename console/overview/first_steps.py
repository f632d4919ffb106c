"""The first-run checklist: three steps that tick themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.urls import reverse

from brokerweb.console.page import SignedIn
from brokerweb.console.rows import QueueRow
from brokerweb.console.snippets import Host, Snippet, consuming, publishing
from brokerweb.delivery import elsewhere
from brokerweb.queues import stats

FEW = 3  # with more queues than this nobody needs first steps
HIDDEN = "console_steps"  # the cookie that hides them


@dataclass(frozen=True, slots=True)
class Step:
    key: str
    title: str
    done: bool
    text: str = ""
    link: str = ""
    url: str = ""
    snippets: Sequence[Snippet] = field(default=())


def first_steps(request: SignedIn, rows: Sequence[QueueRow]) -> list[Step]:
    """The steps, or none once all are done, hidden, or there are queues enough.

    They are the administrator's: others may not take them, and what ticks them is the whole broker's traffic.
    """
    person = request.principal
    if not person.admin or person.read_only or request.COOKIES.get(HIDDEN) or len(rows) > FEW:
        return []
    sums, host, queue = elsewhere.sums() + Counter(stats.sums()), Host.of(request), rows[0].name if rows else "orders"
    consumed = sums["acked"] > 0
    published = consumed or sums["published"] > 0 or any(sum(row.counts.values()) for row in rows)
    if rows and published and consumed:
        return []
    token = f"$BROKERWEB_TOKEN is a token that may; on the page of the queue {queue} one is made, and stands in the programs."
    connect = reverse("brokerweb_console:connect", args=[queue]) if rows else ""
    return [
        Step(
            "queue",
            "Create a queue",
            bool(rows),
            "Nothing is created by use.",
            "Create a queue",
            reverse("brokerweb_console:new-queue"),
        ),
        Step("publish", "Publish a message", published, token, "Make a token", connect, snippets=publishing(host, queue)),
        Step("consume", "Consume it", consumed, "Acknowledged is gone for good.", snippets=consuming(host, queue)),
    ]
