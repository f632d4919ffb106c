"""Members of partitioned groups: who reads which partition, and how partitions change hands.

They move one by one. One that a member must give up stays its own, to commit what it has read, until it lets go, leaves,
or its grace is over; then its next owner has it. A partition is never two members': who may commit is one column of one row.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from brokerweb.core.clock import seconds
from brokerweb.core.errors import Conflict
from brokerweb.storage.reading import Reads
from brokerweb.storage.transaction import Transaction
from brokerweb.streams.assignment import assign
from brokerweb.streams.group_settings import PARTITIONED
from brokerweb.streams.groups import Group, Place, Q, by_id, declare_group, lock, places

GRACE = 5.0  # seconds in which a member may commit what it read of a partition that goes to another
LIMIT = 100  # members or groups in one turn of a duty


class Hold(NamedTuple):
    """What a member has in one partition. With another ``generation`` than before it starts anew at ``committed``."""

    committed: int
    generation: int
    until_at: int | None


Holds = dict[int, Hold]  # by partition number


class Holdings(NamedTuple):
    """All that a group's members have, as of one moment."""

    stream_id: int
    generation: int
    members: dict[str, Holds]
    session_timeout: float


class Change(NamedTuple):
    """What one member is to be told. A partition revoked with no ``until_at`` is lost already."""

    member: str
    assigned: dict[int, int]  # partition number -> where to read from
    revoked: list[int]
    until_at: int | None
    stale: tuple[int, ...] = ()  # revoked ones that were also moved: nothing read of them counts, they must be released at once


class Joined(NamedTuple):
    """A member's place in its group, and what changed for any member by its coming."""

    group_id: int
    generation: int
    holds: Holds
    changes: list[Change]
    session_timeout: float


# Coming and going


def join(
    tx: Transaction, stream: str, group: str, member: str, *, name: str, client: str | None = None, address: str = ""
) -> Joined:
    """``member`` takes part from now on; a group that is not there is made. Raises NotFound for the stream, and Conflict
    for a shared group, which has no members, or one group too many."""
    row = tx.row(Q.find_group, stream, group)
    found = Group(*row) if row else declare_group(tx, stream, group, {})[0]
    if found.kind != PARTITIONED:
        raise Conflict(f"Group {group} is shared: its records are leased one by one, and it has no members.")
    tx.exactly(1, int(lock(tx, found.id) is not None))  # from here on nobody deletes it
    tx.change(Q.admit, found.id, member, name, address, client or name, tx.now)
    changes = _rebalance(tx, found.id)
    now = holdings(tx, found.id)
    generation, holds = (now.generation, now.members[member]) if now else (0, {})
    return Joined(found.id, generation, holds, changes, found.session_timeout)


def leave(tx: Transaction, group_id: int, member: str) -> list[Change]:
    """``member`` is gone: its partitions are others' at once."""
    lock(tx, group_id)  # before any of its members, as everywhere
    return _rebalance(tx, group_id) if tx.change(Q.dismiss, group_id, member) else []


def beat(tx: Transaction, group_id: int, members: Iterable[str]) -> list[str]:
    """These members are alive. Returns those who are members no more, and would have to join anew."""
    return [member for member in members if not tx.change(Q.see_member, group_id, member, tx.now)]


def release(tx: Transaction, group_id: int, member: str, partitions: Collection[int]) -> list[Change]:
    """``member`` lets go of partitions that were revoked: their next owners have them at once. Others stay as they are."""
    return _pass_on(tx, group_id, lambda place: place.member == member and place.number in partitions)


def partitions_added(tx: Transaction, stream_id: int) -> None:
    """A stream has more partitions: its groups read them from the first record on."""
    if tx.change(Q.add_places, stream_id):
        for (group_id,) in tx.rows(Q.groups_of, stream_id):
            _rebalance(tx, group_id)


# Duties


def expire_members(tx: Transaction, limit: int = LIMIT) -> int:
    """Members silent for longer than their group allows are gone; how many that were."""
    silent = tx.rows(Q.silent, tx.now, limit)
    for group_id, members in groupby(silent, key=itemgetter(0)):
        lock(tx, group_id)
        if sum(tx.change(Q.dismiss_silent, group_id, member, tx.now) for _, member in members):
            _rebalance(tx, group_id)
    return len(silent)


def pass_on_due(tx: Transaction, limit: int = LIMIT) -> int:
    """Partitions whose grace is over go to their next owners; in how many groups that was."""
    due = sorted(group_id for (group_id,) in tx.rows(Q.overdue, tx.now, limit))
    for group_id in due:
        _pass_on(tx, group_id, lambda place: place.until_at is not None and place.until_at <= tx.now)
    return len(due)


def forget_members(tx: Transaction, limit: int = LIMIT) -> int:
    """At the start of the only node: members ended with the process that served them; in how many groups."""
    populated = tx.rows(Q.populated, limit)
    for (group_id,) in populated:
        lock(tx, group_id)
        tx.change(Q.remove_members, group_id)
        _rebalance(tx, group_id)
    return len(populated)


def forget_gone(tx: Transaction, limit: int = LIMIT) -> int:
    """At the start of the only node of several: members whose node has ended are gone; how many those were."""
    gone = tx.rows(Q.of_gone_nodes, limit)
    for group_id, member in gone:
        tx.change(Q.dismiss, group_id, member)
    for group_id in sorted({group_id for group_id, _ in gone}):
        _rebalance(tx, group_id)
    return len(gone)


def next_work(tx: Transaction) -> int | None:
    """The instant at which one of these duties next has something to do."""
    instants = [instant for instant in (tx.value(Q.next_overdue), tx.value(Q.next_silent)) if instant is not None]
    return int(min(instants)) if instants else None


# What members have


def holdings(reads: Reads, group_id: int) -> Holdings | None:
    """What each member has now; None when the group is gone.

    Whoever informs members reads it after a commit that moved the group, and now and then; ``changes_for`` says what is new to
    one. It is read again if the group moved meanwhile: a member that was told an older generation than its partitions' cannot
    commit.
    """
    while (group := by_id(reads, group_id)) is not None:
        members: dict[str, Holds] = {member: {} for member, *_ in reads.rows(Q.members, group_id)}
        for place in places(reads, group_id):
            if place.member in members:
                members[place.member][place.number] = _hold(place)
        if by_id(reads, group_id) == group:
            return Holdings(group.stream_id, group.generation, members, group.session_timeout)
    return None


def generations_among(reads: Reads, group_ids: Iterable[int]) -> list[tuple[int, int, float]]:
    """Id, generation and session time of each of these groups that is there: with another of these, ``holdings`` may differ."""
    return reads.rows(Q.generations_among, f"[{','.join(map(str, group_ids))}]")


def _hold(place: Place) -> Hold:
    return Hold(place.committed, place.generation, place.until_at)


def changes_for(member: str, before: Mapping[int, Hold], after: Mapping[int, Hold]) -> Change | None:
    """What a member must be told that knows of ``before``, when ``after`` is what it has; None for nothing."""
    assigned = {
        number: hold.committed
        for number, hold in after.items()
        if hold.until_at is None and (number not in before or before[number].generation != hold.generation)
    }
    revoked = [
        number
        for number, hold in before.items()
        if hold.until_at is None and (number not in after or after[number].until_at is not None)
    ]
    if not assigned and not revoked:
        return None
    until = [after[number].until_at or 0 for number in revoked if number in after]
    stale = (number for number in revoked if number in after and after[number].generation != before[number].generation)
    return Change(member, assigned, revoked, min(until, default=None), tuple(stale))


# How partitions change hands


def _rebalance(tx: Transaction, group_id: int) -> list[Change]:
    """Share the partitions anew: free ones at once, others when their member has let go."""
    now = _locked(tx, group_id)
    members = [member for member, *_ in tx.rows(Q.members, group_id)]
    alive = set(members)
    owners = {place.number: _settled_on(place, alive) for place in now}
    still = {place.number: place.member for place in now if owners[place.number] is None}
    target = assign(owners, members, still)
    return _store(tx, group_id, now, [_planned(tx, place, alive, target[place.number]) for place in now])


def _locked(tx: Transaction, group_id: int) -> list[Place]:
    """The group's places, which nobody else changes until the commit; none when the group is gone."""
    return places(tx, group_id) if lock(tx, group_id) else []


def _settled_on(place: Place, alive: set[str]) -> str | None:
    """Who has the partition, or is to have it; None when that member is gone."""
    wanted = place.member if place.next_owner is None else place.next_owner
    return wanted if wanted in alive else None


def _planned(tx: Transaction, place: Place, alive: set[str], wanted: str | None) -> Place:
    if place.member not in alive or place.member == wanted:
        return place._replace(member=wanted, next_owner=None, until_at=None)
    until = place.until_at if place.until_at is not None else tx.now + seconds(GRACE)
    return place._replace(next_owner=wanted, until_at=until)


def _pass_on(tx: Transaction, group_id: int, chosen: Callable[[Place], bool]) -> list[Change]:
    """The next owners of some partitions have them now."""
    now = _locked(tx, group_id)
    moved = [
        place._replace(member=place.next_owner, next_owner=None, until_at=None)
        if place.next_owner is not None and chosen(place)
        else place
        for place in now
    ]
    return _store(tx, group_id, now, moved)


def _store(tx: Transaction, group_id: int, before: list[Place], after: list[Place]) -> list[Change]:
    """Write what differs, under a new generation, and say what that means for each member."""
    tx.outcome.moved.add(group_id)
    if before == after:
        return []
    [(generation,)] = tx.returning(Q.raise_generation, group_id)
    after = [_begun(old, new, generation) for old, new in zip(before, after, strict=True)]
    rows = [
        (group_id, new.partition.id, new.member, new.next_owner, new.until_at, new.generation)
        for old, new in zip(before, after, strict=True)
        if new != old
    ]
    tx.change_many(Q.pass_on, rows)
    for until_at in {place.until_at for place in after if place.until_at is not None}:
        tx.outcome.due(until_at)
    return _changes(before, after)


def _begun(old: Place, new: Place, generation: int) -> Place:
    """Whoever gets a partition, or may keep one that was revoked, begins anew there."""
    anew = new.member != old.member or (old.next_owner is not None and new.next_owner is None)
    return new._replace(generation=generation) if anew else new


def _changes(before: list[Place], after: list[Place]) -> list[Change]:
    members = sorted({place.member for place in (*before, *after) if place.member is not None})
    changes = (changes_for(member, _held_by(member, before), _held_by(member, after)) for member in members)
    return [change for change in changes if change is not None]


def _held_by(member: str, among: list[Place]) -> Holds:
    return {place.number: _hold(place) for place in among if place.member == member}
