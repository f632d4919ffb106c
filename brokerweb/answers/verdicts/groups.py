"""Reading how consumer groups stand: by a handful of statements, for one as for all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from brokerweb.answers.verdicts import of_group
from brokerweb.answers.verdicts.reading import Q, shown
from brokerweb.answers.verdicts.standing import Attending, Failing, GroupStanding, Member, QueueStanding, Share
from brokerweb.core import clock, events
from brokerweb.queues.messages import json_ids, parse_place
from brokerweb.storage.reading import Reads
from brokerweb.streams import stats
from brokerweb.streams.groups import Group
from brokerweb.streams.groups import Q as GROUPS
from brokerweb.streams.progress import READ, progress

SCANNED, SHARED = 1_000, 50  # messages of a shared group that are looked at; groups in which they are, when all are asked about


class GroupRow(NamedTuple):
    """The columns of ``every_group``."""

    id: int
    stream_id: int
    stream: str
    name: str
    created_at: int
    session_timeout: float
    queue_id: int | None

    @classmethod
    def of(cls, group: Group) -> GroupRow:
        """The row of a group that was found."""
        return cls(*(getattr(group, name) for name in cls._fields))


class _Read(NamedTuple):
    """What was read for groups, by their ids, or by their queues'."""

    shares: Mapping[int, Sequence[Share]]
    members: Mapping[int, Sequence[Member]]
    queues: Mapping[int, QueueStanding]
    failing: Mapping[int, Failing]


def every_group(reads: Reads) -> list[GroupRow]:
    """All groups there are."""
    return [GroupRow(*row) for row in reads.rows(Q.every_group)]


def name_of(reads: Reads, queue_id: int) -> str:
    """What the shared group is called whose queue that is."""
    return str(reads.value(Q.group_of_queue, queue_id) or "")


def every(reads: Reads, rows: Sequence[GroupRow], queues: Mapping[int, QueueStanding]) -> list[GroupStanding]:
    """How all of these groups stand; ``queues`` has those of the shared ones."""
    shares: dict[int, list[Share]] = {}
    for group_id, member, partition, *rest in reads.rows(Q.every_share):
        shares.setdefault(group_id, []).append(_share(Share(member, (partition,), *rest)))
    members: dict[int, list[Member]] = {}
    for group_id, member, client, joined_at in reads.rows(Q.every_member):
        members.setdefault(group_id, []).append(Member(member, client, clock.to_wall(joined_at)))
    trying = [queue_id for queue_id, queue in queues.items() if queue.count("scheduled", "ready")]
    found = _Read(shares, members, queues, _failing(reads, trying[:SHARED], leased=False))
    read, appended = progress.by_id(), stats.by_id()
    speeds = {row.id: (appended.get(row.stream_id, {}), read.get(row.id, {})) for row in rows}
    return [_standing(row, found, *speeds[row.id]) for row in rows]


def one(reads: Reads, group: Group, queue: QueueStanding | None) -> GroupStanding:
    """How a group stands; ``queue`` is that of a shared one."""
    partitions: dict[str | None, list[tuple[int, ...]]] = {}
    for member, *rest in reads.rows(Q.share_of, group.id):
        partitions.setdefault(member, []).append(tuple(rest))
    members = [Member(row[0], row[4], clock.to_wall(row[3])) for row in reads.rows(GROUPS.members, group.id)]
    found = _Read(
        {group.id: [share for member, rows in partitions.items() if (share := _summed(member, rows)) is not None]},
        {group.id: members},
        {} if queue is None else {queue.id: queue},
        {} if queue is None else _failing(reads, [queue.id], leased=True),
    )
    return _standing(GroupRow.of(group), found, stats.rates(group.stream_id), progress.rates(group.id))


def attending(reads: Reads, group: Group) -> list[Attending]:
    """How the members of a partitioned group get on, the oldest first; those that have read everything, too."""
    found = of_group.attending(one(reads, group, None))
    committed: dict[str | None, int] = {}
    for member, _, _, _, committed_at, _ in reads.rows(Q.share_of, group.id):
        committed[member] = max(committed.get(member, 0), committed_at or 0)
    return [each._replace(committed_at=_own_commit(each.member, committed.get(each.member.id))) for each in found]


def _own_commit(member: Member, committed_at: int | None) -> int | None:
    """None where the last commit was of who had the partitions before."""
    at = shown(committed_at or None)
    return at if at is not None and at >= member.joined_at else None


def _summed(member: str | None, rows: Sequence[tuple[Any, ...]]) -> Share | None:
    """Rows of (partition, lag, lost, committed_at, oldest_at) together; None where nothing is left."""
    left = [row for row in rows if row[1] or row[2]]
    if not left:
        return None
    committed_at = max((row[3] for row in left if row[3] is not None), default=None)
    oldest_at = min((row[4] for row in left if row[4] is not None), default=None)
    partitions = tuple(row[0] for row in left)
    return _share(Share(member, partitions, sum(row[1] for row in left), sum(row[2] for row in left), committed_at, oldest_at))


def _share(share: Share) -> Share:
    """With the broker's instant as the wall names it; that of a record is a stamp of the wall."""
    return share._replace(committed_at=shown(share.committed_at))


def _standing(row: GroupRow, found: _Read, appended: Mapping[str, float], read: Mapping[str, float]) -> GroupStanding:
    queue = None if row.queue_id is None else found.queues.get(row.queue_id)
    return GroupStanding(
        stream=row.stream,
        name=row.name,
        now=clock.to_wall(clock.now()) if queue is None else queue.now,
        created_at=row.created_at,
        session_timeout=row.session_timeout,
        shares=tuple(found.shares.get(row.id, ())),
        members=tuple(found.members.get(row.id, ())),
        appended=appended.get(events.APPENDED, 0.0),
        read=read.get(READ, 0.0) if queue is None else queue.out,
        behind_since=shown(progress.behind.get(row.id)),
        queue=queue,
        failing=None if queue is None else found.failing.get(queue.id),
    )


def _failing(reads: Reads, queue_ids: Sequence[int], *, leased: bool) -> dict[int, Failing]:
    """Of each shared group's queue the record that has failed most often and is tried again."""
    if not queue_ids:
        return {}
    found = {}
    for queue_id, id, route, attempts, failures, due_at, error in reads.rows(
        Q.failing, json_ids(queue_ids), int(leased), SCANNED
    ):
        partition, offset = parse_place(route) or (None, None)
        found[queue_id] = Failing(id, partition, offset, attempts, failures, clock.to_wall(due_at), error)
    return found
