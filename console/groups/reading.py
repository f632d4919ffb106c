"""What pages show of consumer groups: who reads for them, and what is left to read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from brokerweb.console.filters import LIMIT
from brokerweb.console.page import SignedIn
from brokerweb.console.rights import Rights
from brokerweb.delivery import connections
from brokerweb.queues import stats as queue_stats
from brokerweb.storage.reading import read
from brokerweb.streams import group_objects
from brokerweb.streams.group_objects import GroupPage
from brokerweb.streams.models import ConsumerGroup


def group_frame(request: SignedIn, stream: str, group: str) -> dict[str, Any]:
    """What every page of a group needs. Raises Forbidden before NotFound."""
    request.principal.require("browse", "stream", stream)
    return {"stream_name": stream, "group": one(stream, group), "rights": Rights(request.principal, stream, "stream")}


def listed(stream: str, after: str | None) -> GroupPage:
    """A page of a stream's groups, whole. Raises NotFound, and Invalid for a cursor of another list."""
    return read(lambda reader: group_objects.list_groups(reader, stream, after=after, limit=LIMIT))


def one(stream: str, name: str) -> dict[str, Any]:
    """One group, its partitions with their owners' names. Raises NotFound."""
    found: dict[str, Any] = read(group_objects.describe, stream, name)
    members = {member["id"]: member["name"] for member in found["members"]}
    for part in found["partitions"]:
        part |= {name: int(part[name]) for name in ("committed", "low", "end")}
        part["owner_name"], part["heir_name"] = members.get(part["owner"]), members.get(part["heir"])
        part["way"] = Way.of(part)
    return found


class Way(NamedTuple):
    """How far a group has come in a partition, as a share of what is there."""

    done: float
    left: int

    @classmethod
    def of(cls, part: Mapping[str, Any]) -> Way:
        low, end, committed = part["low"], part["end"], part["committed"]
        there = end - low
        return cls(min(1.0, max(0.0, (committed - low) / there)) if there else 1.0, part["lag"])


def takers(stream: str, name: str) -> list[dict[str, Any]]:
    """The subscriptions of this process to a group."""
    return [
        {**connection, **sub}
        for connection in connections.snapshot()
        for sub in connection["subscriptions"]
        if sub.get("stream") == stream and sub.get("group") == name
    ]


def unread(found: Mapping[str, Any], subscriptions: Sequence[object]) -> bool:
    """Whether there is something left for a group to read, and nobody reads for it."""
    if not found["lag"] or found["members"] or subscriptions:
        return False
    [queue_id] = ConsumerGroup.objects.filter(stream__name=found["stream"], name=found["name"]).values_list("queue_id", flat=True)
    return not _delivers(queue_id)


def _delivers(queue_id: int | None) -> bool:
    """Whether something of a shared group's queue was delivered lately."""
    return queue_id is not None and queue_stats.rates(queue_id)["delivered"] > 0
