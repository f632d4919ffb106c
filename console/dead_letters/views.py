"""Dead letters across queues, and those of a shared consumer group."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponseBase
from django.urls import reverse

from brokerweb.answers import verdicts as why
from brokerweb.console import dead_counts, holding
from brokerweb.console.contents import attachment, facts
from brokerweb.console.dead_letters import reading
from brokerweb.console.dead_letters.reading import group_frame
from brokerweb.console.filters import DeadLetters, InFlightOf
from brokerweb.console.page import SignedIn, page, render
from brokerweb.console.past import past
from brokerweb.console.verdicts import shown
from brokerweb.queues import browse
from brokerweb.queues.states import DEAD_REASONS


@page
def dead_letters(request: SignedIn) -> HttpResponseBase:
    """The newest first, by queue and reason."""
    asked = DeadLetters.of(request.GET.dict())
    having = dead_counts.by_queue(request.principal)
    items, last = reading.page(request.principal, asked, [queue for queue, _ in having])
    context: dict[str, Any] = {
        "filter": asked,
        "items": items,
        "next": asked.page_before(last) if last else None,
        "chips": [{"name": queue.name, "count": n, "query": asked.in_queue(queue.name)} for queue, n in having],
        "total": sum(n for _, n in having),
        "may_redrive": any(request.principal.may("manage", "queue", q.name) for q, _ in having if asked.queue in ("", q.name)),
        "groups": (groups := dead_counts.by_group(request.principal)),
        "in_groups": sum(group.n for group in groups),
        "reasons": DEAD_REASONS,
    }
    return render(request, "brokerweb_console/dead_letters/list.html", **context)


@page
def group_list(request: SignedIn, name: str, group: str) -> HttpResponseBase:
    """Those of a group, the newest first."""
    context, asked = group_frame(request, name, group), DeadLetters.of(request.GET.dict() | {"queue": ""})
    queue = context["queue"]
    items, last = reading.page(request.principal, asked, [queue])
    counts = browse.counts([queue.pk])[queue.pk]
    context |= {"filter": asked, "items": [item.message for item in items], "reasons": DEAD_REASONS, "total": counts["dead"]}
    following = asked.page_before(last) if last else None
    return render(request, "brokerweb_console/dead_letters/group_list.html", **context, next=following)


@page
def group_in_flight(request: SignedIn, name: str, group: str) -> HttpResponseBase:
    """Who holds which record, since when, and for how long yet."""
    context, asked = group_frame(request, name, group), InFlightOf.of(request.GET.dict())
    context |= holding.page(
        context["queue"], asked, lambda m: reverse("brokerweb_console:group-message", args=[name, group, m.pk])
    )
    return render(request, "brokerweb_console/dead_letters/group_in_flight.html", **context)


@page
def group_message(request: SignedIn, name: str, group: str, message_id: int) -> HttpResponseBase:
    """One record that a group's members were given, with its failures."""
    context = group_frame(request, name, group)
    found, failures = browse.read(context["queue"], message_id)
    download = reverse("brokerweb_console:group-message-body", args=[name, group, message_id])
    partition, _, offset = (found.route or "").partition("-")
    context |= facts(request, found, failures) | {"download": download, "partition": partition, "offset": offset}
    verdict = why.message(request.principal, context["queue"], found)
    context |= {"verdict": shown(verdict, "Why it waits", here=request.get_full_path(), but=frozenset({"stream"}))}
    context |= past(request, context["queue"], message_id, found, failures)
    return render(request, "brokerweb_console/dead_letters/group_message.html", **context)


@page
def group_message_body(request: SignedIn, name: str, group: str, message_id: int) -> HttpResponseBase:
    """The whole body as a file."""
    found, _ = browse.read(group_frame(request, name, group)["queue"], message_id)
    return attachment(found, f"{name}-{group}-{message_id}")
