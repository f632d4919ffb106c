"""Where a replay's copies go. A target says beforehand what it would refuse, so that one record cannot stop the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from brokerweb.core.errors import BrokerError, TooLarge, Unroutable
from brokerweb.core.names import parse_destination
from brokerweb.queues import browse
from brokerweb.queues import engine as queues
from brokerweb.queues.limits import MAX_HEADER_BYTES, MAX_HEADERS
from brokerweb.queues.messages import NewMessage
from brokerweb.routing import definitions as topics
from brokerweb.routing import publishing
from brokerweb.routing.messages import TopicMessage
from brokerweb.routing.topics import find as named_topic
from brokerweb.storage.reading import Reads
from brokerweb.storage.transaction import Transaction
from brokerweb.streams import engine as streams
from brokerweb.streams.definitions import load
from brokerweb.streams.records import StoredRecord

ORIGIN = "x-replayed-from"
_decode = msgspec.json.Decoder(dict[str, str]).decode
_encode = msgspec.json.Encoder().encode


class Target(Protocol):
    """A destination as this transaction finds it."""

    def copies(self, message: TopicMessage) -> int:
        """How many rows the message becomes. Raises BrokerError for one that is refused whatever else is sent."""

    def store(self, messages: Sequence[TopicMessage], publisher: str) -> None:
        """Store messages, all or none. Raises BrokerError."""


class _Queue:
    def __init__(self, tx: Transaction, name: str) -> None:
        self.tx, self.name = tx, name
        self.limit = queues.find(tx, name).max_body_bytes

    def copies(self, message: TopicMessage) -> int:
        _check_size(message, self.limit, f"queue:{self.name}")
        return 1

    def store(self, messages: Sequence[TopicMessage], publisher: str) -> None:
        queues.publish(self.tx, self.name, [m.message for m in messages], publisher=publisher)


class _Stream:
    def __init__(self, tx: Transaction, name: str) -> None:
        self.tx, self.name = tx, name
        found = streams.find(tx, name)
        self.limit, self.partitions = found.max_body_bytes, len(found.partitions)

    def copies(self, message: TopicMessage) -> int:
        _check_size(message, self.limit, f"stream:{self.name}")
        return 1

    def store(self, messages: Sequence[TopicMessage], publisher: str) -> None:
        # Without a key a record keeps to its partition's number, and so to its order.
        records = [message.for_stream() for message in messages]
        for record in records:
            if record.partition is not None:
                record.partition = None if record.key is not None else record.partition % self.partitions
        streams.append(self.tx, self.name, records, publisher=publisher)


class _Topic:
    def __init__(self, tx: Transaction, name: str) -> None:
        self.tx, self.name = tx, name
        self.found = topics.find(tx, name)
        self.limits: dict[str, int] = {}

    def copies(self, message: TopicMessage) -> int:
        headers = message.message.headers
        destinations = list(self.found.table.targets(message.routing_key, _decode(headers) if headers else {}))
        if not destinations and self.found.unrouted == "refuse":
            raise Unroutable(f"No binding of topic {self.name} matches.")
        for to in destinations:
            _check_size(message, self._limit(to), to)
        publishing.check_volume(len(destinations), len(destinations) * len(message.message.body))
        return len(destinations)

    def _limit(self, to: str) -> int:
        if to not in self.limits:
            kind, _, name = to.partition(":")
            found = queues.find(self.tx, name) if kind == "queue" else streams.find(self.tx, name)
            self.limits[to] = found.max_body_bytes
        return self.limits[to]

    def store(self, messages: Sequence[TopicMessage], publisher: str) -> None:
        # A topic's streams choose the partition themselves, since they may have any number of them.
        for message in messages:
            message.partition = None
        publishing.publish(self.tx, self.name, messages, publisher=publisher)


_KINDS: Mapping[str, Callable[[Transaction, str], Target]] = {"queue": _Queue, "stream": _Stream, "topic": _Topic}
REFUSALS: tuple[type[BrokerError], ...] = (TooLarge, Unroutable)  # of one record by itself


def target(tx: Transaction, to: str) -> Target:
    """The destination of that name. Raises NotFound."""
    kind, name = parse_destination(to)
    return _KINDS[kind](tx, name)


def check(reads: Reads, to: str) -> None:
    """Raises NotFound where there is no such destination."""
    kind, name = parse_destination(to)
    if kind == "queue":
        browse.find(name)
    elif kind == "stream":
        load(reads, name)
    else:
        named_topic(name)


def _check_size(message: TopicMessage, limit: int, to: str) -> None:
    size = len(message.message.body)
    if size > limit:
        raise TooLarge(f"A body has {size} bytes; {to} takes {limit}.")


def copy_of(record: StoredRecord, stream: str, routing_key: str) -> TopicMessage:
    """The record as a message, with where it comes from in its headers if there is room."""
    r = record
    message = NewMessage(
        r.body,
        r.binary,
        r.key,
        _with_origin(r.headers, f"{stream}/{r.partition}/{r.offset}"),
        r.content_type,
        reply_to=r.reply_to,
        correlation_id=r.correlation_id,
    )
    return TopicMessage(message, routing_key, r.partition)


def _with_origin(headers: str | None, origin: str) -> str | None:
    pairs = _decode(headers) if headers else {}
    pairs[ORIGIN] = origin
    text = _encode(pairs)
    return headers if len(pairs) > MAX_HEADERS or len(text) > MAX_HEADER_BYTES else text.decode()
