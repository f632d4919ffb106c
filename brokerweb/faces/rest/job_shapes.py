"""The shapes of jobs and of what starts one."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from brokerweb.faces.codec.answers import Count, Id, Instant, OffsetText, Record
from brokerweb.faces.codec.json import Destination, Strict
from brokerweb.faces.codec.records import Offset
from brokerweb.jobs.replay_request import MAX_SPEED, MIN_SPEED

Edge = Annotated[str, Meta(description="`earliest`, `latest`, or an instant")] | dict[str, Offset]
Scalar = str | int | float | bool | None


class Job(Struct):
    """Long work: what it does, how far it has come, and how it ended. `failed` counts items it could not do.

    `estimated`: the `total` is one, and becomes better as the job goes on. `eta` is seconds until it is done, as far as that can
    be told; `gone` counts what an undo found handed out since.
    """

    id: Id
    kind: Literal["purge", "redrive", "replay", "move", "reschedule", "undo", "index"]
    state: Literal["waiting", "running", "trying", "done", "failed", "cancelled"]
    done: Count
    total: Count | None
    estimated: bool
    failed: Count
    trimmed: Count
    rate: float | None
    eta: float | None
    target: str
    targets: list[str]
    to: str | None
    params: dict[str, Any]
    error: str | None
    created_by: str
    created_at: Instant
    started_at: Instant | None
    finished_at: Instant | None
    undo_until_at: Instant | None
    undone_by: Id | None
    gone: Count


class JobList(Struct):
    """A page of jobs, the newest first."""

    items: list[Job]
    next: str | None


class JobAnswer(Struct):
    """The job that does what was asked."""

    job: Job


class RecordFilter(Strict):
    """Which records: all that is named must hold. `body` has values at paths such as `customer.country` or `items.0.sku`."""

    key: str | Annotated[list[str], Meta(min_length=1, max_length=100)] | None = None
    headers: Annotated[dict[str, str], Meta(extra_json_schema={"maxProperties": 64})] | None = None
    body: Annotated[dict[str, Scalar], Meta(extra_json_schema={"maxProperties": 20})] | None = None


class ReplayRequest(Strict, rename={"begin": "from"}):
    """What to copy, where to, and how fast: without `speed` as fast as can be, 1 is the original pace. `until` is exclusive."""

    to: Destination
    begin: Edge | UnsetType | None = UNSET
    until: Edge | UnsetType | None = UNSET
    filter: RecordFilter | UnsetType | None = UNSET
    speed: Annotated[float, Meta(ge=MIN_SPEED, le=MAX_SPEED)] | UnsetType | None = UNSET
    routing_key: str | UnsetType | None = UNSET
    dry_run: bool | UnsetType | None = UNSET


class ReplayPart(Struct, rename={"begin": "from"}):
    """A partition's range, `to` exclusive; `records` would be copied, or unless `exact` so many at most."""

    partition: Count
    begin: OffsetText
    to: OffsetText
    records: Count
    exact: bool


class ReplayPlan(Struct):
    """What a replay would copy, in all and by partition, and the first of it."""

    partitions: list[ReplayPart]
    records: Count
    exact: bool
    samples: list[Record]
