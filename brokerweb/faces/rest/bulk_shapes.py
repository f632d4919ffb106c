"""The shapes of acts on many messages, of what they could not do, and of causes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from brokerweb.faces.codec.answers import Count, Fingerprint, Id, Instant, Message, OffsetText, State
from brokerweb.faces.codec.json import AnyInstant, Strict
from brokerweb.faces.rest.shapes import AnId, Causes, Rate, States
from brokerweb.jobs.bulk_request import MAX_FIRST, MAX_QUERY, Action
from brokerweb.jobs.destinations import MAX_PATTERNS
from brokerweb.queues import limits
from brokerweb.queues.states import DEAD_REASONS

Pattern = Annotated[
    str, Meta(pattern=r"^(queue:[A-Za-z0-9._*?-]{1,200}|stream:[A-Za-z0-9._*?-]{1,200}(/[A-Za-z0-9._*?-]{1,200})?)$")
]
Reason = Literal[DEAD_REASONS]  # type: ignore[valid-type]  # a tuple of texts is what Literal takes
QueueName = Annotated[str, Meta(pattern="^(queue:)?[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}$")]


class Filter(Strict):
    """Which messages; without `state` those that the action takes, of move and purge ready, scheduled and blocked ones."""

    state: State | States | None = None
    states: State | States | None = None
    key: Annotated[str, Meta(max_length=limits.MAX_TEXT_BYTES)] | None = None
    fingerprint: Fingerprint | Causes | None = None


class Select(Strict, rename={"within": "in"}):
    """`ids` by queue (a shared group's by `stream:NAME/GROUP`), at most 1000 in all; or `in` which queues, and what of them.

    That is a `filter`, or `q`, a query as `GET /search` has them.
    """

    ids: dict[str, list[AnId]] | None = None
    within: Annotated[list[Pattern], Meta(max_length=MAX_PATTERNS)] | None = None
    filter: Filter | None = None
    q: Annotated[str, Meta(max_length=MAX_QUERY)] | None = None


class BulkRequest(Strict):
    """What to do to which messages. `to` is for redrive and move, `due_at` for reschedule, `first` tries with so many."""

    action: Action
    select: Select
    to: QueueName | None = None
    due_at: AnyInstant | None = None
    rate: Rate | None = None
    dry_run: bool | None = None
    first: Annotated[int, Meta(ge=1, le=MAX_FIRST)] | None = None


class Sample(Message, kw_only=True):
    """A message, and where it is."""

    destination: str
    group: str | UnsetType = UNSET
    partition: Count | UnsetType = UNSET
    offset: OffsetText | UnsetType = UNSET


class CauseCount(Struct):
    """How many of one cause."""

    fingerprint: Fingerprint | None
    reason: Reason | None
    error: str | None
    count: Count


class PlanWarning(Struct):
    """What speaks against it, in words; `n` is of how many messages, or queues."""

    code: Literal["target_full", "target_paused", "no_consumer", "again", "too_large", "keyed", "in_flight"]
    n: Count
    text: str


class PlannedPart(Struct):
    """How many of one queue."""

    destination: str
    matched: Count
    group: str | UnsetType = UNSET


class Plan(Struct):
    """What would be done: nothing is. The warnings know of the `looked_at` first messages.

    Not `complete`: a query had not looked at all there is when its time was over, and `matched` are at least so many.
    """

    matched: Count
    complete: bool
    oldest_at: Instant | None
    newest_at: Instant | None
    samples: list[Sample]
    errors: list[CauseCount]
    warnings: list[PlanWarning]
    destinations: list[PlannedPart]
    looked_at: Count


class FailedItem(Struct):
    """An item that a job could not do: a message, or of a replay a record."""

    destination: str
    code: str
    error: str
    group: str | UnsetType = UNSET
    id: Id | UnsetType = UNSET
    partition: Count | UnsetType = UNSET
    offset: OffsetText | UnsetType = UNSET


class FailedList(Struct):
    """A page of what a job could not do, the first thousand at most."""

    items: list[FailedItem]
    next: str | None


class Cause(Struct):
    """What died of one cause. `hours` counts the last 24, the last one last; `again` is the share redriven before."""

    fingerprint: Fingerprint | None
    reason: Reason | None
    error: str | None
    sample: Sample | None
    queues: list[str]
    destinations: Count
    count: Count
    first_at: Instant
    last_at: Instant
    hours: Annotated[list[Count], Meta(min_length=24, max_length=24)]
    again: float


class CauseList(Struct):
    """A page of causes, the most frequent first; it may be short, and still have a next one."""

    items: list[Cause]
    next: str | None


EXAMPLE: dict[str, Any] = {
    "action": "redrive",
    "select": {"in": ["queue:orders.*"], "filter": {"fingerprint": "0123456789abcdef"}},
    "dry_run": True,
}
