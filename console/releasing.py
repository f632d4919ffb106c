"""Taking away the lease of one message: a page that says whose it is, and the deed."""

from __future__ import annotations

from collections.abc import Sequence

from django.http import HttpResponse

from brokerweb.console import holding
from brokerweb.console.acting import audited, confirmation, deed, telling
from brokerweb.console.page import SignedIn, back, place_back
from brokerweb.console.templatetags.brokerweb_console import moment, number, span, visible
from brokerweb.core.errors import Conflict, LeaseLost
from brokerweb.queues import browse, control
from brokerweb.queues.filters import parse_id
from brokerweb.queues.models import Queue
from brokerweb.queues.states import State


def asked(request: SignedIn, queue: Queue, message_id: int, place: str, crumbs: Sequence[tuple[str, str]]) -> HttpResponse:
    """Whose lease would end. Raises NotFound, and Conflict for a message that nobody holds."""
    message, _ = browse.read(queue, message_id)
    if message.state != State.LEASED:
        raise Conflict("Nobody holds it any more.")
    [item] = holding.held([message], queue.lease, lambda _: place)
    since = [("Since", moment(item.since))] if item.since else []
    return confirmation(
        request,
        f"Release message {message_id}",
        "It goes back to its place in the queue at once, without counting as a failure, and whoever is next gets it. Who holds "
        "it now can no longer settle it, and may be in the middle of working on it.",
        facts=[
            ("Held by", visible(item.who.client)),
            *since,
            ("Lease left", span(item.left)),
            ("Attempt", number(message.attempts)),
        ],
        button="Release 1 message",
        hidden=[("attempt", message.attempts), ("back", place_back(request, place))],
        crumbs=crumbs,
        cancel=place_back(request, place),
    )


def done(request: SignedIn, queue: str | int, message_id: int, target: str, place: str) -> HttpResponse:
    """End the lease that was shown, and no later one."""
    with telling(request, f"Message {message_id} is released."):
        try:
            attempt = parse_id(request.POST.get("attempt", ""))
        except ValueError:
            raise LeaseLost("It is not said which lease is to end.") from None
        audited(deed(request, "message.release", target), control.release, queue, message_id, attempt)
    return back(request, place)
