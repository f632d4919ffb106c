"""How far a group has come: commit, seek, undo. Every position is the next offset to read.

A commit only goes forward, and only by who holds the partition; a seek goes anywhere, and whoever read before it may not
commit after it until told the new position.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from brokerweb.cluster import marks
from brokerweb.core.errors import Conflict, Invalid, NotFound, OffsetOutOfRange
from brokerweb.storage.reading import Reads
from brokerweb.storage.transaction import Transaction
from brokerweb.streams import groups, reading
from brokerweb.streams.definitions import PartitionRow, load
from brokerweb.streams.group_settings import SHARED
from brokerweb.streams.groups import Group, Place, Q, find_group, places
from brokerweb.streams.models import MAX_OFFSET

MAX_DIGITS = len(str(MAX_OFFSET))
MAX_PARTITIONS_NAMED = 10_000


class Move(NamedTuple):
    """A partition's position before and after, and how many records lie between; None where they have yet to be counted."""

    partition: int
    origin: int
    to: int
    records: int | None


class Fence(NamedTuple):
    """Who may commit: this member, or without one anybody; as of a generation."""

    member: str | None
    generation: int


# Requests


def parse_offset(value: Any, pointer: str) -> int:
    """An offset from a text of digits or an integer. Raises Invalid."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= MAX_DIGITS:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_OFFSET:
        raise Invalid.at(pointer, "must be an offset: a text of digits, or an integer")
    return value


def parse_offsets(value: Any, pointer: str = "/offsets") -> dict[int, int]:
    """Offsets by partition number, as commit and seek take them. Raises Invalid."""
    if not isinstance(value, Mapping) or not value or len(value) > MAX_PARTITIONS_NAMED:
        raise Invalid.at(pointer, "must be an object of offsets by partition")
    return {_number(name, pointer): parse_offset(offset, f"{pointer}/{name}") for name, offset in value.items()}


def _number(name: Any, pointer: str) -> int:
    text = str(name)
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and str(int(text)) == text):
        raise Invalid.at(pointer, "has a name that is not a partition's number")
    return int(text)


# Commit


def commit(
    tx: Transaction,
    stream: str,
    group: str,
    offsets: Mapping[int, int],
    *,
    generation: int | None = None,
    member: str | None = None,
) -> None:
    """Everything below these offsets is done; all or none, before anything is written. Committing the same again is fine.

    A ``member`` must hold the partitions, as it was told in ``generation`` or, without one, as it holds them now. Anybody
    else must know the group's present generation while it has members. Raises NotFound, Invalid, Conflict, OffsetOutOfRange.
    """
    found = find_group(tx, stream, group)
    if found.kind == SHARED:
        raise Conflict(f"Group {group} is shared: its position follows from what is settled.")
    if member is None:
        _check_generation(tx, found, generation)
    fence = Fence(member, found.generation if generation is None else generation)
    going = [(_checked(tx, found, fence, number, offset), offset) for number, offset in offsets.items()]
    for place, offset in sorted(going, key=lambda each: each[0].number):  # so that two commits cannot wait for each other
        if not tx.change(Q.commit, found.id, place.partition.id, offset, *fence, tx.now):
            raise Conflict(f"Partition {place.number} changed meanwhile.")
    tx.outcome.advanced.append((found.id, found.stream_id, sum(offset - place.committed for place, offset in going)))


def _check_generation(tx: Transaction, group: Group, generation: int | None) -> None:
    if generation is None and tx.row(Q.any_member, group.id) is None:
        return
    if generation != group.generation:
        given = "needs the generation" if generation is None else f"is of generation {generation}"
        detail = f"The commit {given}; group {group.name} is at {group.generation}."
        raise Conflict(detail, generation=group.generation)


def _checked(tx: Transaction, group: Group, fence: Fence, number: int, offset: int) -> Place:
    place = groups.place(tx, group, number, f"/offsets/{number}")
    if fence.member is not None and place.member != fence.member:
        raise Conflict(f"Partition {number} is not yours.", partition=number, generation=group.generation)
    if fence.generation < place.generation:
        raise Conflict(f"Partition {number} was assigned anew.", partition=number, generation=group.generation)
    if offset < place.committed:
        detail = f"Partition {number} is committed up to {place.committed}, beyond {offset}."
        raise Conflict(detail, partition=number, committed=str(place.committed))
    end = place.partition.end
    if offset > end:
        detail = f"Offset {offset} of partition {number} is not there yet: the next is {end}."
        raise OffsetOutOfRange(detail, partition=number, low=str(place.partition.low), end=str(end))
    return place


# Seek


def seek(tx: Transaction, stream: str, group: str, to: Any, *, dry_run: bool = False) -> list[Move]:
    """Go elsewhere: to ``earliest``, ``latest``, an instant, offsets by partition, ``{"shift": n}``, or where another group of
    the stream is, ``{"group": name}``; never outside of what the stream has. Running members are told. Records are not
    ``counted``. Raises NotFound, Invalid, Conflict."""
    found = find_group(tx, stream, group)
    if dry_run:
        return [move for _, move in _plan(tx, found, places(tx, found.id), to)]
    moves = _plan(tx, found, _held(tx, found), to)
    tx.change(Q.forget_previous, found.id)
    _move(tx, found, [(place, move.to, move.origin) for place, move in moves])
    marks.note(tx, marks.SEEK, f"{group} of {stream} moved", f"stream:{stream}")
    return [move for _, move in moves]


def _held(tx: Transaction, group: Group) -> list[Place]:
    """The group's places; until the commit nobody else moves, commits or leases from there. Raises NotFound."""
    if group.kind == SHARED:
        groups.shared_kind().hold(tx, group)
    if groups.lock(tx, group.id) is None:
        raise NotFound(f"Stream {group.stream} has no group {group.name}.")
    return groups.lock_places(tx, group.id)


def preview(reads: Reads, stream: str, group: str, to: Any) -> list[Move]:
    """What ``seek`` would do now, counted."""
    found = find_group(reads, stream, group)
    return counted(reads, stream, [move for _, move in _plan(reads, found, places(reads, found.id), to)])


def counted(reads: Reads, stream: str, moves: list[Move]) -> list[Move]:
    """The moves with how many records lie between, also where compaction has left gaps.

    Outside of commits: it looks at every record there, and others would wait for it.
    """
    if all(move.records is not None for move in moves):
        return moves
    try:
        partitions = load(reads, stream).partitions
    except NotFound:
        partitions = ()
    return [move if move.records is not None else move._replace(records=_count(reads, partitions, move)) for move in moves]


def _count(reads: Reads, partitions: Sequence[PartitionRow], move: Move) -> int:
    if move.partition >= len(partitions):  # the stream was deleted since
        return 0
    partition = partitions[move.partition]
    low, high = _ends(partition, move)
    between: int = reads.value(Q.records_between, partition.record_id(low), partition.record_id(high))
    return between


def _ends(partition: PartitionRow, move: Move) -> tuple[int, int]:
    """The offsets between which a move goes, as far as they are there."""
    low, high = sorted((move.to, max(move.origin, partition.low)))
    return low, high


def undo(tx: Transaction, stream: str, group: str) -> list[Move]:
    """Take back the last seek: go back to where the group was, as far as that is still there. Records are not ``counted``.
    Raises NotFound, Conflict."""
    found = find_group(tx, stream, group)
    now = _held(tx, found)
    shown = _shown(tx, found, now)
    moves = [(place, _between(shown[place.number], place.previous)) for place in now if place.previous is not None]
    if not moves:
        raise Conflict(f"Group {group} has no seek to take back.")
    _move(tx, found, [(place, move.to, None) for place, move in moves])
    marks.note(tx, marks.SEEK, f"{group} of {stream} moved back", f"stream:{stream}")
    return [move for _, move in moves]


def _plan(reads: Reads, group: Group, now: Sequence[Place], to: Any) -> list[tuple[Place, Move]]:
    wanted = _target(reads, group, to)
    shown = _shown(reads, group, now)
    if isinstance(wanted, dict):
        unknown = wanted.keys() - {place.number for place in now}
        if unknown:
            raise Invalid.at(f"/to/{min(unknown)}", f"stream {group.stream} has no partition {min(unknown)}")
        chosen = [place for place in now if place.number in wanted]
        return [(place, _between(shown[place.number], wanted[place.number])) for place in chosen]
    return [(place, _between(shown[place.number], wanted(shown[place.number]))) for place in now]


def _shown(reads: Reads, group: Group, now: Sequence[Place]) -> dict[int, Place]:
    """The places as the group's object shows them: a shared group is at the oldest record it has not finished."""
    unfinished = groups.shared_kind().unfinished(reads, group) if group.kind == SHARED else {}
    return {p.number: p._replace(committed=min(p.committed, unfinished.get(p.number, p.committed))) for p in now}


def _target(reads: Reads, group: Group, to: Any) -> dict[int, int] | Callable[[Place], int]:
    """Offsets by partition, or how to find the offset of any. Raises Invalid."""
    if isinstance(to, Mapping):
        if "group" in to:
            return _where_is(reads, group.stream, to)
        if "shift" in to:
            shift = _shift(to)
            return lambda place: max(place.committed, place.partition.low) + shift
        return parse_offsets(to, "/to")
    where = _where(to)
    return lambda place: reading.position(reads, place.partition, where)


def _where_is(reads: Reads, stream: str, to: Mapping[str, Any]) -> dict[int, int]:
    """Where another group of the stream is now."""
    name = to["group"]
    if len(to) != 1 or not isinstance(name, str):
        raise Invalid.at("/to/group", "must be the name of a group, and alone")
    try:
        other = find_group(reads, stream, name)
    except NotFound as error:
        raise Invalid.at("/to/group", error.detail) from None
    return {number: place.committed for number, place in _shown(reads, other, places(reads, other.id)).items()}


def _shift(to: Mapping[str, Any]) -> int:
    shift = to["shift"]
    if len(to) != 1 or isinstance(shift, bool) or not isinstance(shift, int) or abs(shift) > MAX_OFFSET:
        raise Invalid.at("/to/shift", "must be an integer, and alone")
    return shift


def _where(to: Any) -> reading.Where:
    try:
        return reading.parse_where(to)
    except ValueError:
        detail = 'is "earliest", "latest", an RFC 3339 instant, offsets by partition, a shift, or a group'
        raise Invalid.at("/to", detail) from None


def _between(place: Place, wanted: int) -> Move:
    """The move to ``wanted``, or to the nearest there is."""
    partition = place.partition
    move = Move(place.number, place.committed, min(max(wanted, partition.low), partition.end), None)
    if partition.records != partition.end - partition.low:  # compaction has left gaps
        return move
    low, high = _ends(partition, move)
    return move._replace(records=high - low)


def _move(tx: Transaction, group: Group, moves: list[tuple[Place, int, int | None]]) -> None:
    """Write (place, offset, what an undo goes back to), under a new generation: what was read before counts no more.

    So a partition that is about to change hands does so now: there is nothing to wait for.
    """
    [(generation,)] = tx.returning(Q.raise_generation, group.id)
    for place, offset, previous in moves:
        if not tx.change(Q.move, group.id, place.partition.id, place.committed, offset, previous, generation):
            raise Conflict(f"Partition {place.number} changed meanwhile.")
    if group.kind == SHARED:
        groups.shared_kind().on_seek(tx, group, {place.number for place, _, _ in moves})
    tx.outcome.moved.add(group.id)
