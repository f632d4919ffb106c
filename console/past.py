"""What happened to a message and whom it is related to, as its page shows that: the answers of REST, with what they lead to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from django.urls import reverse

from brokerweb.answers.family import COPY, ORIGINAL, family
from brokerweb.answers.timeline import Found, timeline
from brokerweb.console.life import Life, Present, life
from brokerweb.console.page import SignedIn
from brokerweb.core import clock
from brokerweb.core.names import parse_destination
from brokerweb.identity import clients
from brokerweb.queues.models import Failure, Message, Queue
from brokerweb.queues.represent import veil_of
from brokerweb.queues.states import State

_RELATIVES = {ORIGINAL: "Copy of", COPY: "Replaced by"}


class Relative(NamedTuple):
    """A message, or a record, that this one is related to."""

    rel: str
    place: str  # the queue or stream
    text: str
    state: str
    url: str


def past(request: SignedIn, queue: Queue, message_id: int, found: Found, failures: Sequence[Failure]) -> dict[str, Any]:
    """The waterfall and the relatives of a message that is there, or kept."""
    may = request.principal.may
    told, truncated = timeline(queue, message_id, found, failures, veil_of(request.principal, queue), may=may)
    relatives = family(queue, message_id, found, may=may)
    return _shown(request, queue, drawn(request, told, present(found), truncated=truncated), relatives)


def remembered(request: SignedIn, queue: Queue, told: Mapping[str, Any]) -> dict[str, Any]:
    """The same of one that has gone, from what the error about that says."""
    drawing = drawn(request, told.get("timeline", []), Present("gone"), truncated=bool(told.get("timeline_truncated")))
    return _shown(request, queue, drawing, told.get("family", []))


def _shown(request: SignedIn, queue: Queue, drawing: Life, relatives: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    query = request.GET.copy()
    query["life"] = "all"
    return {
        "life": drawing,
        "whole_life": f"?{query.urlencode()}#life",
        "full_history": queue.history == "full",
        "family": [relative(each) for each in relatives],
    }


def drawn(request: SignedIn, told: Sequence[Mapping[str, Any]], now: Present, *, truncated: bool) -> Life:
    """The waterfall; all of it where the address says so."""
    return life(told, now, clock.to_wall(clock.now()), all_of_it=request.GET.get("life") == "all", truncated=truncated)


def present(found: Found) -> Present:
    """How the message stands, and who has it."""
    if not isinstance(found, Message):
        return Present("settled")
    state = State(found.state)
    since = {State.LEASED: found.leased_at, State.READY: found.due_at}.get(state)
    who = clients.describe([found.holder]).get(found.holder or "") if state is State.LEASED else None
    return Present(state.name.lower(), None if since is None else clock.from_datetime(since), "" if who is None else who.client)


def relative(each: Mapping[str, Any]) -> Relative:
    """One of a family, with the way to it; one that has gone has a page, too, which says so."""
    kind, name = parse_destination(each["to"])
    rel = _RELATIVES.get(each["rel"], "Also sent to")
    if kind == "stream":
        place = reverse("brokerweb_console:record", args=[name, int(each["partition"]), int(each["offset"])])
        return Relative(rel, name, f"{each['partition']}-{each['offset']}", "", place)
    place = reverse("brokerweb_console:message", args=[name, int(each["id"])])
    return Relative(rel, name, each["id"], each["state"], place)
