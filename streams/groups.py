"""Consumer groups: declare, change, delete, find and describe them.

Who is in one is in ``brokerweb.streams.membership``, how far it has come in ``brokerweb.streams.positions``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from brokerweb.core.errors import Conflict, Invalid, NotFound
from brokerweb.core.names import check_name
from brokerweb.storage.declared import declaring
from brokerweb.storage.reading import Reads
from brokerweb.storage.statements import Statements
from brokerweb.storage.transaction import Transaction
from brokerweb.streams import reading
from brokerweb.streams.definitions import PartitionRow, load
from brokerweb.streams.group_settings import DEFAULTS, SHARED, validate

Q = Statements("brokerweb.streams", "groups.sql")
MAX_GROUPS = 1000  # of one stream: a subscription with a new name makes one


class Group(NamedTuple):
    """The columns of ``find_group``, in their order."""

    id: int
    stream_id: int
    stream: str
    name: str
    kind: str
    created_at: int
    session_timeout: float
    start: str
    generation: int
    queue_id: int | None


class Place(NamedTuple):
    """A group's position in one partition: the columns of ``places`` after the partition's own."""

    partition: PartitionRow
    committed: int
    previous: int | None
    member: str | None
    next_owner: str | None
    until_at: int | None
    generation: int

    @property
    def number(self) -> int:
        return self.partition.number

    @property
    def lag(self) -> int:
        """How many offsets are left to read."""
        return max(0, self.partition.end - max(self.committed, self.partition.low))


class SharedKind(Protocol):
    """Who leases the records of shared groups. Asked inside the transaction that concerns the group."""

    def on_create(self, tx: Transaction, group: Group, settings: Mapping[str, Any]) -> int:
        """Make the queue of a new group and return its id. Raises Invalid for settings it does not take."""

    def on_change(self, tx: Transaction, group: Group, settings: Mapping[str, Any]) -> None:
        """Change the settings named."""

    def on_delete(self, tx: Transaction, group: Group) -> None:
        """The group goes: so does its queue."""

    def hold(self, tx: Transaction, group: Group) -> None:
        """Nobody leases its records until the commit; asked before any position is touched."""

    def on_seek(self, tx: Transaction, group: Group, partitions: Collection[int]) -> None:
        """The positions in these were moved: what was taken from them before is no longer the group's."""

    def unfinished(self, reads: Reads, group: Group) -> dict[int, int]:
        """By partition number, the lowest offset that was leased and is neither done nor dead."""

    def describe(self, reads: Reads, group: Group, shown: dict[str, Any]) -> dict[str, Any]:
        """The group's whole object, made from what every group shows."""

    def lease(self, tx: Transaction, group: Group, limit: int, holder: str, lease: float | None) -> Sequence[Any]:
        """Up to ``limit`` of its records, leased. Raises Conflict for a group of the other kind."""

    def settle(self, tx: Transaction, group: Group, kinds: Mapping[str, Iterable[Any]]) -> list[Any]:
        """Settle its records, by kind as Python code gives them. Raises Invalid, and Conflict for a group of the other kind."""


_shared: SharedKind | None = None


def install_shared(kind: SharedKind | None) -> None:
    """From now on groups of kind ``shared`` may be declared, and ``kind`` leases their records."""
    global _shared
    _shared = kind


def shared_kind() -> SharedKind:
    """Who leases the records of shared groups. Raises Invalid when nobody does."""
    if _shared is None:
        raise Invalid.at("/kind", "shared groups are not served here")
    return _shared


# Find


def find_group(reads: Reads, stream: str, group: str) -> Group:
    """The group of that name. Raises NotFound."""
    row = reads.row(Q.find_group, stream, group)
    if row is None:
        load(reads, stream)
        raise NotFound(f"Stream {stream} has no group {group}.")
    return Group(*row)


def by_id(reads: Reads, group_id: int) -> Group | None:
    """The group of that id; None when it was deleted, by itself or with its stream."""
    row = reads.row(Q.group, group_id)
    return Group(*row) if row else None


def lock(tx: Transaction, group_id: int) -> Group | None:
    """The same for those who change its members or positions: others wait until the commit."""
    row = tx.row(Q.lock_group, group_id)
    return Group(*row) if row else None


def places(reads: Reads, group_id: int) -> list[Place]:
    """The group's positions by partition number."""
    return [_place(row) for row in reads.rows(Q.places, group_id)]


def place(reads: Reads, group: Group, number: int, pointer: str) -> Place:
    """The group's position in one partition. Raises Invalid."""
    row = reads.row(Q.place, group.id, group.stream_id, number)
    if row is None:
        raise Invalid.at(pointer, f"stream {group.stream} has no partition {number}")
    return _place(row)


def lock_places(tx: Transaction, group_id: int) -> list[Place]:
    """The same, which nobody else changes until the commit."""
    return [_place(row) for row in tx.rows(Q.lock_places, group_id)]


def _place(row: tuple[Any, ...]) -> Place:
    *partition, committed, previous, member, next_owner, until_at, generation = row
    return Place(PartitionRow(*partition), committed, previous, member, next_owner, until_at, generation)


# Declare and delete


def declare_group(
    tx: Transaction, stream: str, group: str, settings: Mapping[str, Any], *, create: bool = True
) -> tuple[Group, bool]:
    """Create a group, or change the settings named; (the group, whether it is new). Without ``create`` it must exist.

    ``start`` decides where a new group begins; changing it later moves nothing. Raises NotFound, Invalid, and Conflict
    for another kind or one group too many.
    """
    check_name(group)
    declaring(tx, "group", stream, group)
    row = tx.row(Q.find_group, stream, group)
    if row is None and create:
        return _create(tx, stream, group, settings), True
    found = Group(*row) if row else find_group(tx, stream, group)
    _change(tx, found, settings)
    return find_group(tx, stream, group), False


def _create(tx: Transaction, stream: str, name: str, settings: Mapping[str, Any]) -> Group:
    declaring(tx, "stream", stream)  # the group has a place in every partition that there is, and there are not too many groups
    source = load(tx, stream)
    asked = validate(settings, None)
    if tx.value(Q.count_groups, source.id) >= MAX_GROUPS:
        raise Conflict(f"A stream has at most {MAX_GROUPS} groups.")
    columns = {**DEFAULTS, **asked.columns}
    kind = columns["kind"]
    serving = shared_kind() if kind == SHARED else None
    where = reading.parse_where(columns["start"])
    settled = (columns["session_timeout"], columns["start"])
    [(group_id,)] = tx.returning(Q.insert_group, source.id, name, kind, tx.wall, *settled)
    tx.change_many(Q.insert_place, [(group_id, p.id, reading.position(tx, p, where)) for p in source.partitions])
    if serving is not None:
        tx.change(Q.name_queue, group_id, serving.on_create(tx, find_group(tx, stream, name), asked.shared))
    tx.outcome.moved.add(group_id)
    return find_group(tx, stream, name)


def _change(tx: Transaction, found: Group, settings: Mapping[str, Any]) -> None:
    found = lock(tx, found.id) or found  # what is not named stays as it is now
    asked = validate(settings, found.kind)
    columns = {"session_timeout": found.session_timeout, "start": found.start, **asked.columns}
    if columns.pop("kind", found.kind) != found.kind:
        raise Conflict(f"Group {found.name} is {found.kind}; the kind of a group does not change.")
    tx.change(Q.change_group, found.id, columns["session_timeout"], columns["start"])
    if columns["session_timeout"] != found.session_timeout:
        tx.change(Q.see_members, found.id, tx.now)
    if asked.shared:
        shared_kind().on_change(tx, found, asked.shared)
    tx.outcome.moved.add(found.id)


def delete_group(tx: Transaction, stream: str, group: str) -> None:
    """The group is gone, with its positions; members are told. Raises NotFound."""
    declaring(tx, "group", stream, group)
    found = find_group(tx, stream, group)
    _remove(tx, lock(tx, found.id) or found)


def close_groups_of(tx: Transaction, stream_id: int) -> None:
    """A stream is gone, and so are its groups for whoever reads in them; a duty removes what they held."""
    for (group_id,) in tx.rows(Q.groups_of, stream_id):
        found = lock(tx, group_id)
        if found is not None and found.kind == SHARED and _shared is not None:
            _shared.on_delete(tx, found)
        tx.outcome.moved.add(group_id)


def delete_groups_of(tx: Transaction, stream_id: int, limit: int = 20) -> int:
    """Delete groups of a stream that goes; how many that were."""
    removed = 0
    for (group_id,) in tx.rows(Q.groups_of, stream_id)[:limit]:
        found = lock(tx, group_id)
        if found is not None:
            _remove(tx, found)
            removed += 1
    return removed


def _remove(tx: Transaction, group: Group) -> None:
    if group.kind == SHARED and _shared is not None:
        _shared.on_delete(tx, group)
    tx.change(Q.remove_members, group.id)
    tx.change(Q.remove_places, group.id)
    tx.change(Q.remove_group, group.id)
    tx.outcome.moved.add(group.id)
