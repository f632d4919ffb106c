"""What goes into the verbs and what comes out of them. Plain values: no model, no protocol, no clock.

Instants are microseconds, durations seconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

from msgspec import Struct

from brokerweb.queues.rows import MessageRow


class NewMessage(Struct):
    """A message to be published. ``body`` is JSON text, or any bytes when ``binary``; ``headers`` is a JSON object's text."""

    body: bytes
    binary: bool = False
    key: str | None = None
    headers: str | None = None
    content_type: str | None = None
    priority: int = 4
    delay: float | None = None
    deliver_at: int | None = None
    ttl: float | None = None
    dedup_id: str | None = None
    reply_to: str | None = None
    correlation_id: str | None = None


class Accepted(Struct, frozen=True):
    """A stored message, or with ``duplicate`` the one that its ``dedup_id`` named before."""

    id: int
    duplicate: bool


class Leased(Struct):
    """A message leased until ``lease_until``. Without acknowledgement (at most once) ``receipt`` is None.

    The columns of ``next_ready``, in their order, and then what the lease adds.
    """

    id: int
    queue_id: int
    attempts: int
    failures: int
    priority: int
    key: str | None
    headers: str | None
    content_type: str | None
    binary: bool
    body: bytes
    published_at: int
    expires_at: int | None
    reply_to: str | None
    correlation_id: str | None
    position: int = 0
    alone: bool = False
    route: str | None = None  # the topic it came through
    checksum: int = 0
    redacted: str | None = None  # by whom and when, as JSON
    redrives: int = 0  # how often it was put back as new
    lease_until: int = 0
    lease: float = 0
    receipt: str | None = None
    place: tuple[int, int] | None = None  # partition and offset, of a record leased by a shared consumer group

    @classmethod
    def of(cls, row: MessageRow, lease: float, *, acknowledge: bool, place: tuple[int, int] | None = None) -> Leased:
        """The message of a row that is stored already leased, for so many seconds."""
        # Unpacked at once: that is a third of the time of a look at each field, and this is done for every message.
        (id, queue, _, priority, attempts, _, due, expires, _, key, _, route, _, _,
         published, headers, content_type, binary, body, reply_to, correlation_id, _, checksum, redacted, *_) = row  # fmt: skip
        return cls(
            id, queue, attempts, 0, priority, key, headers, content_type, binary, body, published, expires, reply_to,
            correlation_id, id, False, route, checksum, redacted, 0, due, lease,
            receipt_text(queue, id, attempts) if acknowledge else None, place,
        )  # fmt: skip

    @classmethod
    def ready(cls, row: tuple[Any, ...]) -> Leased:
        """The message of a row of ``next_ready`` or ``next_alone``, which ``hold`` leases."""
        message = cls(*row)
        message.binary, message.alone = bool(message.binary), bool(message.alone)
        return message

    def hold(self, lease: float, until: int) -> None:
        """It is leased for so many seconds, until that instant."""
        self.lease, self.lease_until = lease, until
        self.receipt = receipt_text(self.queue_id, self.id, self.attempts)


def parse_place(route: str | None) -> tuple[int, int] | None:
    """Partition and offset of a message in a shared group's queue, from its ``route``."""
    partition, dash, offset = (route or "").partition("-")
    return (int(partition), int(offset)) if dash and partition.isdigit() and offset.isdigit() else None


class Handout(NamedTuple):
    """The answer to a lease: what was leased, and why it may be nothing."""

    messages: list[Leased]
    paused: bool = False
    more: bool = False  # something ready was left
    alone: bool = False  # a message waits that only a subscription which holds nothing may have


_NUMBER = "(0|[1-9][0-9]{0,17})"  # below 2 ** 63, as rows can have it
_RECEIPT = re.compile(f"{_NUMBER}-{_NUMBER}-{_NUMBER}")


class Receipt(NamedTuple):
    """The proof of one lease: the attempt fences it."""

    queue_id: int
    message_id: int
    attempt: int

    def __str__(self) -> str:
        return receipt_text(*self)


def receipt_text(queue_id: int, message_id: int, attempt: int) -> str:
    """The receipt as clients have it."""
    return f"{queue_id}-{message_id}-{attempt}"


def parse_receipt(text: str) -> Receipt | None:
    """The receipt, or None for a text that cannot be one."""
    found = _RECEIPT.fullmatch(text)
    if found is None:
        return None
    queue_id, message_id, attempt = map(int, found.groups())
    return Receipt(queue_id, message_id, attempt)


_IDS = re.compile("[1-9][0-9]{0,17}(?:,[1-9][0-9]{0,17})*")


class Alike(NamedTuple):
    """Receipts that differ in nothing but their message; ``ids`` is a JSON array."""

    queue_id: int
    attempt: int
    ids: str

    def numbers(self) -> list[int]:
        """The ids themselves."""
        return [int(id) for id in self.ids[1:-1].split(",")]


def parse_alike(texts: Sequence[str]) -> Alike | None:
    """Receipts of one queue and attempt, each of another message, as most frames have them; None for all others.

    A fifth of the time of ``parse_receipt`` for each.
    """
    first = parse_receipt(texts[0])
    if first is None:
        return None
    head, tail = f"{first.queue_id}-", f"-{first.attempt}"
    start, end = len(head), -len(tail)
    ids = [text[start:end] for text in texts if text.startswith(head) and text.endswith(tail)]
    listed = ",".join(ids)
    if len(set(ids)) < len(texts) or listed.count(",") >= len(texts) or not _IDS.fullmatch(listed):
        return None
    return Alike(first.queue_id, first.attempt, f"[{listed}]")


def json_ids(ids: Iterable[int]) -> str:
    """Ids as one parameter of a statement: each step of a statement gives the interpreter lock away, so fewer are faster."""
    return f"[{','.join(map(str, ids))}]"


Kind = Literal["ack", "nack", "release", "dead", "extend", "lose"]


class Settle(Struct):
    """One settlement: ``delay`` for nack, ``error`` for nack and dead, ``lease`` for extend; ``lose`` is the broker's own.

    ``max_failures``, of a nack, is in the place of the queue's.
    """

    kind: Kind
    receipt: str
    delay: float | None = None
    error: str | None = None
    lease: float | None = None
    max_failures: int | None = None


class Settled(Struct, frozen=True):
    """The answer to one settlement: ``ok`` or an error's code; an extended lease says until when."""

    receipt: str
    status: str
    lease_until: int | None = None
