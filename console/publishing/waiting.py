"""Whether something has come of a program that was just given its token: a message of its own, or any, or that it takes them."""

from __future__ import annotations

from typing import NamedTuple

from django.urls import reverse

from brokerweb.core import clock
from brokerweb.identity.models import Client, Token
from brokerweb.identity.templates import Place
from brokerweb.queues import browse, filters
from brokerweb.queues import stats as queue_stats
from brokerweb.queues.models import Queue
from brokerweb.routing import stats as topic_stats
from brokerweb.routing.models import Topic
from brokerweb.streams import stats as stream_stats
from brokerweb.streams.models import OFFSET_BITS, Partition, Record, Stream

LOOKED_AT, PARTITIONS = 20, 100  # messages, the newest first; partitions
RATED = 10.0  # seconds that a rate looks back


class Arrival(NamedTuple):
    """What has come: in words, and where it is looked at, unless it has gone already."""

    text: str
    url: str = ""


def arrival(place: Place, token: Token, since: int) -> Arrival | None:
    """What has come since that instant of the wall."""
    published = {"queue": _in_queue, "stream": _in_stream, "topic": _through_topic}[place.kind]
    return published(place.name, token, since) or _taking(token)


def _in_queue(name: str, token: Token, since: int) -> Arrival | None:
    queue = Queue.declared.filter(name=name).first()
    if queue is None:
        return None
    newest = browse.page_of_beginnings(queue, filters.parse({"order": "desc"}), limit=LOOKED_AT).items
    new = [message for message in newest if clock.from_datetime(message.published_at) >= since]
    own = [message for message in new if message.publisher == token.name]
    if found := own or new:
        text = f"{'Your' if own else 'A'} message is here: {found[-1].pk}"
        return Arrival(text, reverse("brokerweb_console:message", args=[name, found[-1].pk]))
    gone = _long_enough(since) and queue_stats.rates(queue.pk)["published"]
    return Arrival("A message came, and was consumed at once.") if gone else None


def _in_stream(name: str, token: Token, since: int) -> Arrival | None:
    stream = Stream.objects.filter(name=name, deleted_at=None).first()
    if stream is None:
        return None
    found = None
    for part in Partition.objects.filter(stream_id=stream.pk, next_offset__gt=0).order_by("number")[:PARTITIONS]:
        offset = part.next_offset - 1
        record = Record.objects.filter(pk=(part.pk << OFFSET_BITS) + offset, partition_id=part.pk).defer("body").first()
        if record is None or clock.from_datetime(record.appended_at) < since:
            continue
        place = reverse("brokerweb_console:record", args=[name, part.number, offset])
        if record.publisher == token.name:
            return Arrival(f"Your record is here: offset {offset} of partition {part.number}", place)
        found = found or Arrival(f"A record is here: offset {offset} of partition {part.number}", place)
    gone = _long_enough(since) and stream_stats.rates(stream.pk)["appended"]
    return found or (Arrival("A record came.") if gone else None)


def _through_topic(name: str, token: Token, since: int) -> Arrival | None:
    topic = Topic.objects.filter(name=name).first()
    if topic is not None and _long_enough(since) and topic_stats.rates(topic.pk)["published"]:
        return Arrival("A message went through it.", reverse("brokerweb_console:topic", args=[name]))
    return Arrival("The token was used.") if token.last_used_at is not None else None


def _long_enough(since: int) -> bool:
    """Whether what a rate tells came since then."""
    return clock.wall() - since > clock.seconds(RATED)


def _taking(token: Token) -> Arrival | None:
    client = Client.objects.filter(owner=token.owner).order_by("-last_seen_at").first()
    return None if client is None else Arrival(f"{client.client} takes messages with it.")
