"""What pages show of consumer groups: who reads for them, and what is left to read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.db.models import Count

from brokerweb.answers import verdicts as why
from brokerweb.answers.verdicts import Attending
from brokerweb.console import holding
from brokerweb.console.frames import standing
from brokerweb.console.holding import Consumer
from brokerweb.console.listing import Asked, holds
from brokerweb.console.page import SignedIn
from brokerweb.console.rights import Rights
from brokerweb.console.strips import Strip, colour, letter
from brokerweb.console.volumes import Spans, Standing, behind, of_group, positioned, standings_of, unread
from brokerweb.core import clock
from brokerweb.delivery import connections
from brokerweb.handout import shared_groups
from brokerweb.identity.principal import Principal
from brokerweb.queues import browse
from brokerweb.queues import stats as queue_stats
from brokerweb.storage.reading import Reads, read
from brokerweb.streams import control as streams
from brokerweb.streams import group_objects, groups
from brokerweb.streams.definitions import load, load_by_id
from brokerweb.streams.group_settings import SHARED
from brokerweb.streams.groups import Group
from brokerweb.streams.models import ConsumerGroup, GroupPartition, Member, Partition

OFFERED = 50  # names of other groups

METERS = 100  # members whose windows are drawn


def group_frame(request: SignedIn, stream: str, group: str) -> dict[str, Any]:
    """What every page of a group needs. Raises Forbidden before NotFound."""
    request.principal.require("browse", "stream", stream)
    found, stands = one(stream, group), standing(request, lambda: why.group(request.principal, stream, group), "stream")
    return {"stream_name": stream, "group": found, "rights": Rights(request.principal, stream, "stream"), "standing": stands}


# The list


class Figures:
    """What changes of a stream's groups, by their ids; each kind is read once, when somebody asks."""

    def __init__(self, stream_id: int, groups: Sequence[ConsumerGroup]) -> None:
        self._stream_id, self._groups = stream_id, groups

    @cached_property
    def lags(self) -> Mapping[int, int]:
        columns = ("id", "low_offset", "next_offset")
        there = {pk: (low, end) for pk, low, end in Partition.objects.filter(stream_id=self._stream_id).values_list(*columns)}
        lags = dict.fromkeys((group.pk for group in self._groups), 0)
        places = GroupPartition.objects.filter(group_id__in=lags)
        for group_id, partition_id, committed in places.values_list("group_id", "partition_id", "committed"):
            low, end = there.get(partition_id, (0, 0))
            lags[group_id] += max(0, end - max(committed, low))
        return lags

    @cached_property
    def behind(self) -> Mapping[int, float | None]:
        """Seconds since the oldest record was appended that each has not read, where it has not read all."""
        source = read(load_by_id, self._stream_id)
        partitions = {partition.id: partition for partition in source.partitions} if source else {}
        standings: dict[int, list[Standing]] = {group.pk: [] for group in self._groups}
        places = GroupPartition.objects.filter(group_id__in=standings)
        for group_id, partition_id, committed in places.values_list("group_id", "partition_id", "committed"):
            if partition := partitions.get(partition_id):
                standings[group_id].append(Standing(partition, committed))
        ages = unread(standings)
        return {pk: behind(ages.get(pk)) for pk in standings}

    @cached_property
    def members(self) -> Mapping[int, int]:
        members = Member.objects.filter(group_id__in=[group.pk for group in self._groups])
        return dict(members.values_list("group_id").annotate(Count("member")).order_by())

    @cached_property
    def dead(self) -> Mapping[int, int]:
        queues = {group.queue_id: group.pk for group in self._groups if group.queue_id is not None}
        return {queues[queue_id]: counts["dead"] for queue_id, counts in browse.counts(queues).items()}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A group of the list."""

    group: ConsumerGroup
    figures: Figures

    @property
    def lag(self) -> int:
        return self.figures.lags[self.group.pk]

    @property
    def behind(self) -> float | None:
        return self.figures.behind[self.group.pk]

    @property
    def members(self) -> int | None:
        return None if self.group.kind == SHARED else self.figures.members.get(self.group.pk, 0)

    @property
    def dead(self) -> int | None:
        return self.figures.dead.get(self.group.pk)


def candidates(principal: Principal, asked: Asked) -> list[Candidate]:
    """The groups of a stream whose names hold what is asked for."""
    stream = streams.get(asked.of)
    found = [group for group in ConsumerGroup.objects.filter(stream_id=stream.pk) if holds(group.name, asked)]
    figures = Figures(stream.pk, found)
    return [Candidate(group, figures) for group in found]


def suits(row: Candidate, asked: Asked) -> bool:
    """Whether something is left to read, where those that have read everything are left out."""
    return not asked.full or row.lag > 0


def shown(stream: str, found: Sequence[Candidate]) -> list[dict[str, Any]]:
    """A page's rows; without those that are gone meanwhile."""

    def whole(reads: Reads) -> list[dict[str, Any]]:
        rows = (reads.row(groups.Q.find_group, stream, row.group.name) for row in found)
        return [group_objects.group_object(reads, Group(*row)) for row in rows if row is not None]

    rows = read(whole)
    positioned(stream, rows)
    return rows


# One


def one(stream: str, name: str) -> dict[str, Any]:
    """One group, its members with how they get on, its partitions with their owners' names. Raises NotFound."""
    found: dict[str, Any] = read(group_objects.describe, stream, name)
    members = {member["id"]: member.get("client") or member["name"] for member in found["members"]}
    owners = {member: n for n, member in enumerate(members)}
    attending = {each.member.id: each for each in why.members(stream, name)} if members else {}
    found["members"] = [member | _attendance(attending.get(member["id"])) for member in found["members"]]
    for n, member in enumerate(found["members"]):
        member |= {"letter": letter(n), "css": colour(n)}
    partitions = read(load, stream).partitions
    ages = unread({each.partition.number: [each] for each in standings_of(partitions, found)})
    for member in found["members"][:METERS]:
        member["window"] = _window(member.get("connection", ""), stream, name)
    for part in found["partitions"]:
        part |= {name: int(part[name]) for name in ("committed", "low", "end")}
        part["owner_name"], part["heir_name"] = members.get(part["owner"]), members.get(part["heir"])
        part["strip"] = Strip.of(part, owners)
        part["behind"] = behind(ages.get(part["partition"])) if part["lag"] else 0.0
    return found


def _attendance(found: Attending | None) -> dict[str, Any]:
    """How a member gets on; nothing of one that has gone meanwhile."""
    if found is None:
        return {"lag": None}
    connection = found.member.connection
    silent = 0.0 if found.since is None else (clock.to_wall(clock.now()) - found.since) / clock.SECOND
    return {
        "lag": 0 if found.share is None else found.share.lag,
        "committed_at": None if found.committed_at is None else clock.to_datetime(found.committed_at),
        "silent": silent if silent >= holding.QUIET else None,
        "stands": found.silent,
        "connection": connection if connections.find(connection) is not None else "",
    }


def sought(request: SignedIn, stream: str, group: dict[str, Any], chosen: str) -> dict[str, Any]:
    """What the page of a seek shows besides its form: the records by time, with where the group is and what was chosen."""
    spans = Spans.of(request.GET.dict())
    named = ConsumerGroup.objects.filter(stream__name=stream, stream__deleted_at=None).exclude(name=group["name"])
    others = named.order_by("name").values_list("name", flat=True)[:OFFERED]
    return {"histogram": of_group(stream, group, spans, chosen), "spans": spans, "others": others}


def _window(connection: str, stream: str, group: str) -> dict[str, Any] | None:
    """The subscription by which a member reads, as connections show it."""
    shown = connections.described(connection) if connection else None
    subscriptions = [] if shown is None else shown["subscriptions"]
    return next(
        (sub for sub in subscriptions if (sub.get("stream"), sub.get("group")) == (stream, group) and "credit" in sub), None
    )


def takers(stream: str, name: str) -> list[Consumer]:
    """The subscriptions of this process to a shared group."""
    return holding.consumers(read(shared_groups.queue_of, stream, name))


def _delivers(queue_id: int | None) -> bool:
    """Whether something of a shared group's queue was delivered lately."""
    return queue_id is not None and queue_stats.rates(queue_id)["delivered"] > 0
