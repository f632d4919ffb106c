"""What pages show of consumer groups: who reads for them, and what is left to read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from brokerweb.answers import verdicts as why
from brokerweb.answers.verdicts import Attending
from brokerweb.console import holding
from brokerweb.console.filters import LIMIT
from brokerweb.console.frames import standing
from brokerweb.console.holding import Consumer
from brokerweb.console.page import SignedIn
from brokerweb.console.rights import Rights
from brokerweb.core import clock
from brokerweb.delivery import connections
from brokerweb.handout import shared_groups
from brokerweb.queues import stats as queue_stats
from brokerweb.storage.reading import read
from brokerweb.streams import group_objects
from brokerweb.streams.group_objects import GroupPage


def group_frame(request: SignedIn, stream: str, group: str) -> dict[str, Any]:
    """What every page of a group needs. Raises Forbidden before NotFound."""
    request.principal.require("browse", "stream", stream)
    found, stands = one(stream, group), standing(request, lambda: why.group(request.principal, stream, group), "stream")
    return {"stream_name": stream, "group": found, "rights": Rights(request.principal, stream, "stream"), "standing": stands}


def listed(stream: str, after: str | None) -> GroupPage:
    """A page of a stream's groups, whole. Raises NotFound, and Invalid for a cursor of another list."""
    return read(lambda reader: group_objects.list_groups(reader, stream, after=after, limit=LIMIT))


def one(stream: str, name: str) -> dict[str, Any]:
    """One group, its members with how they get on, its partitions with their owners' names. Raises NotFound."""
    found: dict[str, Any] = read(group_objects.describe, stream, name)
    members = {member["id"]: member.get("client") or member["name"] for member in found["members"]}
    attending = {each.member.id: each for each in why.members(stream, name)} if members else {}
    found["members"] = [member | _attendance(attending.get(member["id"])) for member in found["members"]]
    for part in found["partitions"]:
        part |= {name: int(part[name]) for name in ("committed", "low", "end")}
        part["owner_name"], part["heir_name"] = members.get(part["owner"]), members.get(part["heir"])
        part["way"] = Way.of(part)
    return found


def _attendance(found: Attending | None) -> dict[str, Any]:
    """How a member gets on; nothing of one that has gone meanwhile."""
    if found is None:
        return {"lag": None}
    connection = found.member.connection
    return {
        "lag": 0 if found.share is None else found.share.lag,
        "committed_at": None if found.committed_at is None else clock.to_datetime(found.committed_at),
        "silent": None if found.since is None else max(0.0, (clock.to_wall(clock.now()) - found.since) / clock.SECOND),
        "stands": found.silent,
        "connection": connection if connections.find(connection) is not None else "",
    }


class Way(NamedTuple):
    """How far a group has come in a partition, as a share of what is there."""

    done: float
    left: int

    @classmethod
    def of(cls, part: Mapping[str, Any]) -> Way:
        low, end, committed = part["low"], part["end"], part["committed"]
        there = end - low
        return cls(min(1.0, max(0.0, (committed - low) / there)) if there else 1.0, part["lag"])


def takers(stream: str, name: str) -> list[Consumer]:
    """The subscriptions of this process to a shared group."""
    return holding.consumers(read(shared_groups.queue_of, stream, name))


def _delivers(queue_id: int | None) -> bool:
    """Whether something of a shared group's queue was delivered lately."""
    return queue_id is not None and queue_stats.rates(queue_id)["delivered"] > 0
