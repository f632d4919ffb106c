"""What is answered, as the OpenAPI document has it. Messages and records are written by hand; tests hold them to this."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

Instant = Annotated[str, Meta(extra_json_schema={"format": "date-time"}, description="RFC 3339, UTC, microseconds")]
Id = Annotated[str, Meta(pattern="^[0-9]{1,19}$")]
State = Literal["scheduled", "ready", "blocked", "leased", "dead"]
Count = Annotated[int, Meta(ge=0)]
MaskedFields = Annotated[list[str], Meta(description="what is hidden from you, and reads as •••; only where something is")]
Fingerprint = Annotated[str, Meta(pattern="^[0-9a-f]{16}$", description="of what killed it: messages of one cause have the same")]
OffsetText = Annotated[str, Meta(pattern="^[0-9]{1,13}$")]
ByPartition = dict[str, OffsetText]  # a partition's number -> an offset
Target = Annotated[str, Meta(pattern="^(queue|stream):[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}$", examples=["queue:billing"])]
Body64 = Annotated[str, Meta(extra_json_schema={"contentEncoding": "base64"})]


# Messages


class Redacted(Struct):
    """Who took away what a message or record held, and when."""

    by: str
    at: Instant


class Delivered(Struct):
    """A message as it was handed out: `body` where it came as JSON, else `body_base64`."""

    id: Id
    receipt: str | None
    content_type: str
    key: str | None
    headers: dict[str, str]
    priority: Annotated[int, Meta(ge=0, le=9)]
    published_at: Instant
    expires_at: Instant | None
    reply_to: str | None
    correlation_id: str | None
    attempts: Count
    failures: Count
    redrives: Count
    lease_until_at: Instant | None
    lease: float | None
    redacted: Redacted | UnsetType = UNSET
    body: Any | UnsetType = UNSET
    body_base64: Body64 | UnsetType = UNSET


class DeliveredRecord(Delivered, kw_only=True):
    """A record as a shared group hands it out."""

    partition: Count
    offset: OffsetText


class Result(Struct):
    """A stored message; with `duplicate` the one its `dedup_id` named before."""

    id: Id
    duplicate: bool


class PublishAnswer(Struct):
    """What became of the messages, in their order."""

    results: list[Result]


class ReceiveAnswer(Struct):
    """What was handed out; `paused` says that the queue hands out nothing."""

    messages: list[Delivered]
    paused: bool | UnsetType = UNSET


class GroupReceiveAnswer(Struct):
    """What was handed out."""

    messages: list[DeliveredRecord]


class SettleResult(Struct):
    """`ok`, or the code of what went wrong."""

    receipt: str
    status: str
    lease_until_at: Instant | UnsetType = UNSET


class SettleAnswer(Struct):
    """What became of each receipt, in the order ack, nack, release, dead, extend."""

    results: list[SettleResult]


class Failure(Struct):
    """One failed hand-out."""

    attempt: int
    kind: str
    consumer: str | None  # as the broker tells holders apart; for people there is `client`
    client: str | None
    by: str | None
    connection: str | None
    error: str | None
    failed_at: Instant


class Event(Struct):
    """Something that happened to a message, and who did it: `by` is a token or user, `client` what it calls itself."""

    at: Instant
    event: str
    attempt: int | None
    by: str | None
    client: str | None
    connection: str | None
    detail: dict[str, Any]


class Relative(Struct):
    """A message it is related to: the `original` of an edited copy, the `copy` of an original, a `sibling` of one publish."""

    rel: Literal["original", "copy", "sibling"]
    to: Target
    id: Id | UnsetType = UNSET
    state: State | Literal["settled", "gone"] | UnsetType = UNSET
    partition: Count | UnsetType = UNSET
    offset: OffsetText | UnsetType = UNSET


class See(Struct):
    """Where a verdict leads: `GET` shows what causes it, other methods act. `rel` says what it is."""

    rel: str
    href: str
    text: str
    method: Literal["GET", "POST", "PATCH", "DELETE"]


class Verdict(Struct):
    """Why: `text` is a sentence or two for people, `facts` are the same for programs. docs/answers.md has the codes."""

    code: str
    text: str
    since_at: Instant | None
    facts: dict[str, Any]
    see: list[See]


class Message(Struct):
    """A message as browsing shows it; `settled`: it has ended, and is kept."""

    id: Id
    state: State | Literal["settled"]
    content_type: str
    key: str | None
    headers: dict[str, str]
    priority: Annotated[int, Meta(ge=0, le=9)]
    published_at: Instant
    expires_at: Instant | None
    reply_to: str | None
    correlation_id: str | None
    attempts: Count
    failures: Count
    redrives: Count
    lease_until_at: Instant | None
    lease: float | None
    due_at: Instant
    reason: Literal["max_failures", "rejected", "expired", "overflow", "damaged"] | None
    last_error: str | None
    fingerprint: Fingerprint | None
    publisher: str | None
    parent: Id | None
    redacted: Redacted | UnsetType = UNSET
    masked: MaskedFields | UnsetType = UNSET
    body: Any | UnsetType = UNSET
    body_base64: Body64 | UnsetType = UNSET
    damaged: Literal[True] | UnsetType = UNSET  # its checksum does not match: nothing of what it held is shown
    # These four of a settled message
    outcome: Literal["acked", "expired", "deleted", "purged", "moved", "edited"] | UnsetType = UNSET
    settled_by: str | UnsetType | None = UNSET
    settled_at: Instant | UnsetType = UNSET
    kept_until_at: Instant | UnsetType = UNSET
    # And these of one message alone, but for the verdict, for which lists can be asked
    failed: list[Failure] | UnsetType = UNSET
    timeline: list[Event] | UnsetType = UNSET
    timeline_truncated: bool | UnsetType = UNSET
    family: list[Relative] | UnsetType = UNSET
    verdict: Verdict | UnsetType = UNSET


# Records


class Appended(Struct):
    """Where a record is; with `duplicate` the one its `dedup_id` named before."""

    partition: Count
    offset: OffsetText
    duplicate: bool


class AppendAnswer(Struct):
    """What became of the records, in their order."""

    results: list[Appended]


class Record(Struct):
    """A record: `body` where it came as JSON, else `body_base64`. Of a damaged one only its place is sure, and it has neither."""

    partition: Count
    offset: OffsetText
    key: str | None
    content_type: str
    headers: dict[str, str]
    appended_at: Instant
    reply_to: str | UnsetType = UNSET
    correlation_id: str | UnsetType = UNSET
    body: Any | UnsetType = UNSET
    body_base64: Body64 | UnsetType = UNSET
    damaged: Literal[True] | UnsetType = UNSET
    redacted: Redacted | UnsetType = UNSET


class Records(Struct):
    """Records of one partition in order; `next` is the offset to go on with, `low` and `end` are the partition's bounds."""

    records: list[Record]
    next: OffsetText
    low: OffsetText
    end: OffsetText


class CommitAnswer(Struct):
    """What is committed now, of what was asked."""

    committed: ByPartition


# Search


class FoundMessage(Message, kw_only=True):
    """A message that was found, and where."""

    destination: Target


class FoundRecord(Record, kw_only=True):
    """A record that was found, and where."""

    destination: Target
    masked: MaskedFields | UnsetType = UNSET


class SearchAnswer(Struct):
    """What was found: nothing that matches within `scanned` of `of` is left out; `next` goes on where it stopped."""

    items: list[Any]
    scanned: Count
    of: Count
    complete: bool
    stopped: Literal["limit", "time", "bytes"] | None
    next: str | None


# Copies and transactions


class Copy(Struct):
    """Where a copy is: `id` in a queue, `partition` and `offset` in a stream."""

    to: Target
    id: Id | UnsetType = UNSET
    partition: Count | UnsetType = UNSET
    offset: OffsetText | UnsetType = UNSET


class Routed(Struct):
    """The copies of one message; with `duplicate` those that its `dedup_id` named before."""

    routed: list[Copy]
    duplicate: bool


class TopicPublishAnswer(Struct):
    """What became of the messages, in their order."""

    results: list[Routed]


class PartResult(Struct):
    """`id` in a queue, `partition` and `offset` in a stream, `routed` of a topic."""

    duplicate: bool
    id: Id | UnsetType = UNSET
    partition: Count | UnsetType = UNSET
    offset: OffsetText | UnsetType = UNSET
    routed: list[Copy] | UnsetType = UNSET


class PartResults(Struct):
    """What became of the messages of one part, as its destination answers by itself."""

    to: str
    results: list[PartResult]


class TransactAnswer(Struct):
    """Done; with `duplicate` it was done before, under the same `dedup_id`."""

    duplicate: bool
    publish: list[PartResults]
