"""The shapes of requests and answers. Requests are parsed by these; the OpenAPI document is written from all of them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from brokerweb.faces.codec.answers import Count, Fingerprint, Id, Instant, Message, State, Verdict
from brokerweb.faces.codec.json import FreeText, Strict
from brokerweb.faces.codec.messages import WireMessage
from brokerweb.faces.rest.setting_shapes import asked, parts, shown
from brokerweb.jobs.control import MAX_RATE, MIN_RATE
from brokerweb.queues import limits
from brokerweb.queues.filters import MAX_CAUSES
from brokerweb.queues.settings import BACKOFF, ORDER, SETTINGS

Name = Annotated[str, Meta(pattern="^[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}$")]
Verb = Literal["publish", "consume", "browse", "unmask", "manage", "monitor", "admin"]


# Queues


_Parts: Any = parts(BACKOFF)


class BackoffSettings(_Parts):
    """How long a failed message waits: `initial * factor ** (failures - 1)`, give or take `jitter`, at most `max`; seconds."""


_Settings: Any = asked({name: SETTINGS.get(name, BackoffSettings) for name in ORDER})


class QueueSettings(_Settings):
    """The settings to change; `null` puts one back to its default. Durations are seconds."""


_Backoff: Any = shown(Struct, BACKOFF)


class Backoff(_Backoff):
    """How long a failed message waits, in seconds."""


class Counts(Struct):
    """Exact numbers of messages per state."""

    ready: Count
    scheduled: Count
    blocked: Count
    leased: Count
    dead: Count


class Rates(Struct):
    """Events per second over the last ten seconds."""

    published: float
    delivered: float
    acked: float
    failed: float


class Paused(Struct):
    """Who paused a queue, why, and since when."""

    by: str
    reason: str
    paused_at: Instant


class Named(Struct):
    """What has a name."""

    name: Name
    created_at: Instant


_Queue: Any = shown(Named, {name: SETTINGS.get(name, Backoff) for name in ORDER})


class Queue(_Queue):
    """A queue: its settings and how it stands."""

    counts: Counts
    oldest_ready_age: float | None
    rates: Rates
    consumers: Count
    paused: Paused | None
    verdict: Verdict | UnsetType = UNSET


class QueueList(Struct):
    """A page of queues by name."""

    items: list[Queue]
    next: str | None


class PauseRequest(Strict):
    """Why the queue is paused; cut at 2,000 characters."""

    reason: FreeText | None = None


class Nothing(Strict):
    """Nothing is asked: an empty object, or no body."""


# Messages


class MessageList(Struct):
    """A page of messages by id; it may be short, or empty, and still have a next one.

    By what messages hold `scanned` is how many were looked at for it, and `exhausted` whether that was the last of them.
    """

    items: list[Message]
    next: str | None
    scanned: Count | UnsetType = UNSET  # these two where it is by what messages hold
    exhausted: bool | UnsetType = UNSET


class Reschedule(Strict):
    """When the message is due: one of `due_at` or `deliver_at`, or `delay` (seconds from now); the past means now."""

    due_at: Instant | None = None
    deliver_at: Instant | None = None
    delay: limits.Delay | None = None


class RequeueRequest(Strict):
    """With `message`: the edited copy that takes the original's place."""

    message: WireMessage | None = None


class NewId(Struct):
    """The id of the message that was stored."""

    id: Id


AnId = Annotated[str, Meta(pattern="^[1-9][0-9]{0,17}$")] | Annotated[int, Meta(ge=1, le=2**63 - 1)]
States = Annotated[list[State], Meta(min_length=1)]
Causes = Annotated[list[Fingerprint], Meta(min_length=1, max_length=MAX_CAUSES)]


class Selection(Strict):
    """Which messages: the parameters of browsing, `header.NAME` and `body.PATH` among them, or `ids`."""

    state: State | States | None = None
    states: State | States | None = None
    key: Annotated[str, Meta(max_length=limits.MAX_TEXT_BYTES)] | None = None
    fingerprint: Fingerprint | Causes | None = None
    search: Annotated[str, Meta(min_length=1, max_length=1000)] | None = None
    published_after: Instant | None = None
    published_before: Instant | None = None
    order: Literal["asc", "desc"] | None = None
    ids: Annotated[list[AnId], Meta(max_length=1000)] | None = None


Rate = Annotated[float, Meta(ge=MIN_RATE, le=MAX_RATE)]


class PurgeRequest(Strict):
    """What to delete; ready, scheduled and blocked messages unless `states`, here or in `filter`, names others.

    `rate` is messages per second.
    """

    filter: dict[str, Any] = {}
    states: State | States | None = None
    dry_run: bool = False
    rate: Rate | None = None


class RedriveRequest(Strict):
    """Which dead messages to put back, and where: their own queue unless `to` names another (`NAME` or `queue:NAME`)."""

    filter: dict[str, Any] = {}
    dry_run: bool = False
    rate: Rate | None = None
    to: Annotated[str, Meta(pattern="^(queue:)?[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}$")] | None = None


class Preview(Struct):
    """What the call would touch."""

    matched: Count
    oldest_at: Instant | None
    newest_at: Instant | None
    samples: list[Message]


class Affected(Struct):
    """How many messages the call touched."""

    affected: Count


# Search


class Suggestion(Struct):
    """What a condition may begin with; `seen` in so many of the newest messages and records, for example with that value."""

    text: str
    kind: Literal["field", "header", "path", "key"]
    seen: Count
    example: str | None


class SuggestionList(Struct):
    """The most seen first."""

    items: list[Suggestion]
    next: None  # all of it is one page


# Answers


class Stuck(Struct):
    """A queue, or a `group` of a stream, that stands still: `held` messages, the oldest of which waits since `oldest_at`."""

    destination: str
    group: str | None
    verdict: Verdict
    held: Count
    oldest_at: Instant


class StuckList(Struct):
    """What stands still, the worst first."""

    items: list[Stuck]
    next: None  # all of it is one page


# Administration


class GrantShape(Strict):
    """Verbs on a pattern of names: a glob (`*`, `?`) over all kinds, or over one as `queue:orders.*`."""

    pattern: Annotated[str, Meta(pattern=r"^((queue|stream|topic):)?[A-Za-z0-9._*?-]{1,200}$")]
    verbs: Annotated[list[Verb], Meta(min_length=1)]


class TokenRequest(Strict):
    """A token to make; it grants no more than its maker, and expires no later."""

    name: Annotated[str, Meta(min_length=1, max_length=200)]
    grants: Annotated[list[GrantShape], Meta(max_length=100)]
    expires_at: Instant | None = None


class Token(Struct):
    """A token; its text is not known any more."""

    id: Id
    name: str
    grants: list[GrantShape]
    created_at: Instant
    expires_at: Instant | None
    last_used_at: Instant | None
    created_by: str


class NewToken(Token, kw_only=True):
    """A token with its text, this once."""

    token: str


class MaskShape(Strict):
    """Fields that are hidden, `$.PATH`, `header.NAME`, `key`, `error` or `result`, of what `pattern` names."""

    pattern: Annotated[str, Meta(min_length=1, max_length=210, examples=["queue:orders.*"])]
    fields: Annotated[list[str], Meta(min_length=1, max_length=50, examples=[["$.card.number", "header.authorization"]])]


class MasksRequest(Strict):
    """All masks that there are to be, beside those of the setting."""

    masks: Annotated[list[MaskShape], Meta(max_length=100)]


class Masks(Struct):
    """The masks that were put, and those of `BROKERWEB_MASK`."""

    masks: list[MaskShape]
    setting: list[MaskShape]


class AuditEntry(Struct, rename={"address": "from"}):
    """Who changed what. Of what was declared, ``before`` and ``after`` have the settings that differ; null: it was not there."""

    id: Id
    at: Instant
    by: str
    owner: str | None
    address: str | None
    action: str
    target: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    job: Id | None
    detail: dict[str, Any]


class AuditList(Struct):
    """A page of the audit trail, the newest first."""

    items: list[AuditEntry]
    next: str | None


class TokenList(Struct):
    """A page of tokens, the newest first."""

    items: list[Token]
    next: str | None


class Subscription(Struct):
    """What a connection consumes of a `queue`, and how much of it is unsettled; or of a `stream`, and how far it has come.

    `rate` is messages or records a second that it is given.
    """

    sub: str
    prefetch: Count
    rate: float
    queue: str | UnsetType = UNSET
    unsettled: Count | UnsetType = UNSET
    ack: Literal["explicit", "none"] | UnsetType = UNSET
    stream: str | UnsetType = UNSET
    group: str | UnsetType = UNSET
    credit: int | UnsetType = UNSET
    positions: dict[str, str] | UnsetType = UNSET
    client: str | UnsetType = UNSET


class Connection(Struct):
    """A live WebSocket, or an answer of server-sent events (`protocol` is `sse`)."""

    id: str
    node: str
    owner: str
    name: str
    client: str
    address: str | None
    protocol: str | None
    connected_at: Instant
    subscriptions: list[Subscription]


class ConnectionList(Struct):
    """A page of live connections."""

    items: list[Connection]
    next: str | None


class Node(Struct):
    """A process that serves. What it says of itself is as old as `seen_at`; `duties` is whether it does those of the cluster.

    `clock_difference` is by how many seconds its machine's clock is ahead of the one that all go by.
    """

    name: str
    state: Literal["live", "draining", "silent"]
    duties: bool
    version: str | None
    process: int | None
    address: str | None
    started_at: Instant
    seen_at: Instant
    connections: int
    subscriptions: int
    rates: Rates
    clock_difference: float


class NodeList(Struct):
    """A page of nodes."""

    items: list[Node]
    next: str | None


class Fault(Struct):
    """One place of the request that is wrong; `pointer` is a JSON Pointer (RFC 6901)."""

    pointer: str
    detail: str


class Problem(Struct):
    """An error, as RFC 9457 problem details."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    retryable: bool
    errors: list[Fault] | UnsetType = UNSET
