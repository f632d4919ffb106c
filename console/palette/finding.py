"""What a few letters may mean: something to do, a queue, stream, topic or group, a message, or the search for them."""

from __future__ import annotations

from itertools import islice

from brokerweb.console.choosing import named
from brokerweb.console.conditions import Asked, quoted
from brokerweb.console.palette import deeds
from brokerweb.console.palette.hits import Hit, Part, first, to
from brokerweb.console.palette.saved import views
from brokerweb.identity.principal import Principal
from brokerweb.queues.filters import MAX_ID
from brokerweb.queues.models import Message, Queue
from brokerweb.streams.models import ConsumerGroup

MOST = 20  # rows
EACH = 5  # of a kind
LONGEST = 200  # characters that are looked at
_ICONS = {"queue": "queues", "stream": "streams", "topic": "topics"}


def found(principal: Principal, typed: str, user: int = 0) -> list[Part]:
    """The parts of the list, the likeliest first; with nothing typed where one may go. ``user`` is whose views are found."""
    text = " ".join(typed.replace("\0", "").split())[:LONGEST]
    if not text:
        own = Part("Views", views(principal, user))
        return first([own, Part("Go to", deeds.places(principal)), Part("Do", deeds.general(principal))], MOST)
    parts = [
        Part("Messages", _message(principal, text)),
        Part("Views", views(principal, user, text)),
        Part("Queues", _named(principal, "queue", text)),
        Part("Streams", _named(principal, "stream", text)),
        Part("Topics", _named(principal, "topic", text)),
        Part("Consumer groups", _groups(principal, text)),
        Part("Do", deeds.asked(principal, text)),
        Part("Go to", deeds.places(principal, text)),
    ]
    search = Part("Search", [Hit("search", f"Search messages for {text}", Asked(quoted(text)).url)])
    return [*first(parts, MOST - 1), search]


def _named(principal: Principal, kind: str, part: str) -> list[Hit]:
    may = (name for name in named(kind, part) if principal.may("browse", kind, name))
    return [Hit(_ICONS[kind], name, to(kind, name)) for name in islice(may, EACH)]


def _groups(principal: Principal, part: str) -> list[Hit]:
    known = ConsumerGroup.objects.filter(name__icontains=part, stream__deleted_at=None).order_by("name", "stream__name")
    rows = known.values_list("name", "stream__name").iterator()
    may = ((group, stream) for group, stream in rows if principal.may("browse", "stream", stream))
    return [Hit("nobody", group, to("group", stream, group), hint=f"of {stream}") for group, stream in islice(may, EACH)]


def _message(principal: Principal, text: str) -> list[Hit]:
    """The message of that id, where the person may see it."""
    if not (text.isascii() and text.isdecimal() and len(text) < 19 and 0 < int(text) <= MAX_ID):
        return []
    held = Message.objects.filter(pk=int(text)).values_list("queue_id", flat=True).first()
    queue = None if held is None else Queue.objects.filter(pk=held, deleted_at=None).first()
    if queue is None:
        return []
    if queue.stream is None:
        place, owner, kind = to("message", queue.name, int(text)), queue.name, "queue"
    else:
        group = ConsumerGroup.objects.filter(queue_id=queue.pk).values_list("name", flat=True).first()
        place, owner, kind = (to("group-message", queue.stream, group, int(text)) if group else ""), queue.stream, "stream"
    return (
        [Hit("messages", f"Message {int(text)}", place, hint=f"of {owner}")]
        if place and principal.may("browse", kind, owner)
        else []
    )
