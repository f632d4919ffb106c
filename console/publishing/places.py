"""What is published to, by kind: its form, the verb, and where what was stored is looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.urls import reverse

from brokerweb.console.frames import queue_frame, stream_frame, topic_frame
from brokerweb.console.page import SignedIn
from brokerweb.console.publishing.forms import SendFields, SendMessage, SendRecord, SendToTopic
from brokerweb.core.errors import BrokerError, Invalid
from brokerweb.identity.templates import Place
from brokerweb.queues import engine as queues
from brokerweb.queues.messages import Accepted
from brokerweb.routing import publishing as topics
from brokerweb.routing.messages import Published
from brokerweb.storage.run import perform
from brokerweb.streams import engine as streams
from brokerweb.streams.records import Appended

AT_ONCE, BYTES = 500, 4 * 1024 * 1024  # messages, and bytes of bodies, that one commit stores
MOST_BYTES = 64 * 1024 * 1024  # of all that one form publishes
LINKED = 20  # of what was stored


class Stored(NamedTuple):
    """Something that was stored, and its page."""

    label: str
    url: str


class Kind(NamedTuple):
    """A kind of destination, as the page has it."""

    name: str
    head: str  # the template above the page
    deed: str  # the word for publishing there
    form: type[SendFields]
    frame: Callable[[SignedIn, str], dict[str, Any]]
    verb: Callable[..., Any]
    uses: Mapping[str, tuple[str, tuple[str, ...]]]  # what a program is for: in words, and its verbs

    @property
    def page(self) -> str:
        """The name of the page's address."""
        return "connect" if self.name == "queue" else f"{self.name}-connect"


_HANDLES = {"publish": ("Publishing", ("publish",)), "consume": ("Consuming", ("consume",))}
QUEUE = Kind(
    "queue",
    "brokerweb_console/_queue_head.html",
    "Publish",
    SendMessage,
    queue_frame,
    queues.publish,
    {**_HANDLES, "both": ("Both", ("publish", "consume"))},
)
STREAM = Kind(
    "stream",
    "brokerweb_console/_stream_head.html",
    "Append",
    SendRecord,
    stream_frame,
    streams.append,
    {
        "publish": ("Appending", ("publish",)),
        "consume": ("Reading", ("consume", "browse")),
        "both": ("Both", ("publish", "consume", "browse")),
    },
)
TOPIC = Kind(
    "topic",
    "brokerweb_console/topics/_head.html",
    "Publish",
    SendToTopic,
    topic_frame,
    topics.publish,
    {"publish": ("Publishing", ("publish",))},
)


@dataclass(slots=True)
class Sent:
    """What one form has stored; with ``error`` what ended it before all was."""

    asked: int
    n: int = 0
    duplicates: int = 0
    first: list[Stored] = field(default_factory=list)
    last: Stored | None = None  # where not all are among the first
    error: BrokerError | None = None

    def add(self, answers: Iterable[Accepted | Appended | Published], name: str) -> None:
        for answer in answers:
            self.n += 1
            self.duplicates += answer.duplicate
            for stored in _stored(answer, name):
                if len(self.first) < LINKED:
                    self.first.append(stored)
                else:
                    self.last = stored


def _stored(answer: Accepted | Appended | Published, name: str) -> Iterator[Stored]:
    if isinstance(answer, Accepted):
        yield _message(name, answer.id)
    elif isinstance(answer, Appended):
        yield _record(name, answer.partition, answer.offset)
    else:
        for copy in answer.routed:
            kind, _, to = copy.to.partition(":")
            found = (
                _message(to, int(copy.id or 0)) if kind == "queue" else _record(to, copy.partition or 0, int(copy.offset or 0))
            )
            yield Stored(f"{copy.to} {found.label}", found.url)


def _message(queue: str, message_id: int) -> Stored:
    return Stored(f"message {message_id}", reverse("brokerweb_console:message", args=[queue, message_id]))


def _record(stream: str, partition: int, offset: int) -> Stored:
    label = f"offset {offset} of partition {partition}"
    return Stored(label, reverse("brokerweb_console:record", args=[stream, partition, offset]))


def send(kind: Kind, place: Place, asked: SendFields, publisher: str) -> Sent:
    """Publish what the form holds as often as it says. Raises BrokerError as ``send_all`` does."""
    message: Any = asked.message()
    if asked.count * _size(message) > MOST_BYTES:
        raise Invalid.at("/times", f"That is more than {MOST_BYTES // 1024 // 1024} MiB of bodies at once.")
    return send_all(kind, place, [message] * asked.count, publisher)


def send_all(kind: Kind, place: Place, messages: Sequence[Any], publisher: str) -> Sent:
    """Publish them in commits that keep nobody waiting. Raises BrokerError for the first; what ends a later one stands in the
    answer, since what was stored before it stays."""
    sent = Sent(len(messages))
    for some in _runs(messages):
        try:
            sent.add(perform(kind.verb, place.name, some, publisher=publisher), place.name)
        except BrokerError as error:
            if not sent.n:
                raise
            sent.error = error
            break
    return sent


def _runs(messages: Sequence[Any]) -> Iterator[list[Any]]:
    some, size = list[Any](), 0
    for message in messages:
        length = _size(message)
        if some and (len(some) == AT_ONCE or size + length > BYTES):
            yield some
            some, size = [], 0
        some.append(message)
        size += length
    if some:
        yield some


def _size(message: Any) -> int:
    return len(getattr(message, "message", message).body)
