"""Dead letters across queues, and those of a shared consumer group."""

from __future__ import annotations

import heapq
from typing import Any

from django.http import HttpResponseBase
from django.urls import reverse

from brokerweb.answers import verdicts as why
from brokerweb.console import dead_counts, holding, list_frame
from brokerweb.console.contents import attachment, facts
from brokerweb.console.dead_letters import reading
from brokerweb.console.dead_letters.listing import IN_FLIGHT, LISTING, OF_GROUP
from brokerweb.console.dead_letters.reading import group_frame
from brokerweb.console.filters import DeadLetters
from brokerweb.console.listing import Asked
from brokerweb.console.page import SignedIn, page, render
from brokerweb.console.past import past
from brokerweb.console.verdicts import shown
from brokerweb.identity.principal import Principal
from brokerweb.queues import browse
from brokerweb.queues.states import DEAD_REASONS

CHIPS = 40  # queues, and groups, that have one: those with the most dead letters; another queue is typed


@page
@list_frame.opens_preferred
def dead_letters(request: SignedIn) -> HttpResponseBase:
    """The newest first until somebody sorts otherwise, by queue and reason."""
    asked = DeadLetters.of(request.GET.dict())
    wanted = list_frame.asked(request, LISTING)
    context = list_frame.context(request, wanted, lambda found: reading.whole(request.principal, found))
    context |= {"filter": asked, "items": context["rows"], "reasons": DEAD_REASONS}
    context |= _places(request.principal, asked, wanted)
    return render(request, "brokerweb_console/dead_letters/list.html", **context)


def _places(principal: Principal, asked: DeadLetters, wanted: Asked) -> dict[str, Any]:
    """Where dead letters are."""
    having, groups = dead_counts.by_queue(principal), dead_counts.by_group(principal)
    most = {queue.name for queue in heapq.nlargest(CHIPS, having, key=lambda queue: queue.n)} | {asked.queue}
    return {
        "chips": [{"name": q.name, "count": q.n, "query": wanted.query(queue=q.name)} for q in having if q.name in most],
        "all_queues": wanted.query(queue=""),
        "queues": len(having),
        "total": sum(queue.n for queue in having),
        "may_redrive": any(principal.may("manage", "queue", q.name) for q in having if asked.queue in ("", q.name)),
        "groups": sorted(heapq.nlargest(CHIPS, groups, key=lambda group: group.n)),
        "group_count": len(groups),
        "in_groups": sum(group.n for group in groups),
    }


@page
@list_frame.opens_preferred
def group_list(request: SignedIn, name: str, group: str) -> HttpResponseBase:
    """Those of a group, the newest first."""
    context, asked = group_frame(request, name, group), DeadLetters.of(request.GET.dict() | {"queue": ""})
    queue, veil = context["queue"], context["veil"]
    wanted = list_frame.asked(request, OF_GROUP, of=f"{name}/{group}")
    context |= list_frame.context(request, wanted, lambda found: reading.whole_of_group(veil, found))
    counts = browse.counts([queue.pk])[queue.pk]
    context |= {"filter": asked, "items": context["rows"], "reasons": DEAD_REASONS, "total": counts["dead"]}
    return render(request, "brokerweb_console/dead_letters/group_list.html", **context)


@page
@list_frame.opens_preferred
def group_in_flight(request: SignedIn, name: str, group: str) -> HttpResponseBase:
    """Who holds which record, since when, and for how long yet."""
    context, asked = group_frame(request, name, group), list_frame.asked(request, IN_FLIGHT, of=f"{name}/{group}")
    context |= list_frame.framed(request, asked) | holding.page(
        context["queue"], asked, lambda m: reverse("brokerweb_console:group-message", args=[name, group, m.pk]), context["veil"]
    )
    return render(request, "brokerweb_console/dead_letters/group_in_flight.html", **context)


@page
def group_message(request: SignedIn, name: str, group: str, message_id: int) -> HttpResponseBase:
    """One record that a group's members were given, with its failures."""
    context = group_frame(request, name, group)
    found, failures = browse.read(context["queue"], message_id)
    download = reverse("brokerweb_console:group-message-body", args=[name, group, message_id])
    partition, _, offset = (found.route or "").partition("-")
    context |= facts(request, found, failures, context["veil"], ("stream", name))
    context |= {"download": download, "partition": partition, "offset": offset}
    verdict = why.message(request.principal, context["queue"], found)
    context |= {"verdict": shown(verdict, "Why it waits", here=request.get_full_path(), but=frozenset({"stream"}))}
    context |= past(request, context["queue"], message_id, found, failures)
    return render(request, "brokerweb_console/dead_letters/group_message.html", **context)


@page
def group_message_body(request: SignedIn, name: str, group: str, message_id: int) -> HttpResponseBase:
    """The whole body as a file."""
    context = group_frame(request, name, group)
    found, _ = browse.read(context["queue"], message_id)
    return attachment(found, f"{name}-{group}-{message_id}", context["veil"])
