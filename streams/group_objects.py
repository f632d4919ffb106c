"""What answers say of a group. Encode it as it is: offsets are texts, lags are numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from brokerweb.core import clock, cursors
from brokerweb.core.settings import plain
from brokerweb.storage.reading import Reads
from brokerweb.streams import groups
from brokerweb.streams.definitions import load
from brokerweb.streams.group_settings import SHARED
from brokerweb.streams.groups import Group, Place, Q, find_group, places


class GroupPage(NamedTuple):
    """Some groups' objects, and the cursor of the page after; None when there is none."""

    items: list[dict[str, Any]]
    next: str | None


def describe(reads: Reads, stream: str, group: str) -> dict[str, Any]:
    """The whole group: settings, members, and by partition who has it, where it is and what is left. Raises NotFound."""
    return group_object(reads, find_group(reads, stream, group))


def list_groups(reads: Reads, stream: str, *, after: str | None = None, limit: int = 50) -> GroupPage:
    """A stream's groups by name. Raises NotFound, and Invalid for a cursor of another list."""
    source = load(reads, stream)
    listed = cursors.digest("groups", source.id)
    last = "" if after is None else cursors.unseal(after, listed)
    names = [name for (name,) in reads.rows(Q.groups_by_name, source.id, last, limit + 1)]
    items = [group_object(reads, Group(*row)) for name in names[:limit] if (row := reads.row(Q.find_group, stream, name))]
    return GroupPage(items, cursors.seal(listed, names[limit - 1]) if len(names) > limit else None)


def group_object(reads: Reads, group: Group) -> dict[str, Any]:
    """The object of a group that was found."""
    now = places(reads, group.id)
    shown: dict[str, Any] = {
        "name": group.name,
        "stream": group.stream,
        "kind": group.kind,
        "created_at": clock.rfc3339(group.created_at),
        "session_timeout": plain(group.session_timeout),
        "start": group.start,
        "generation": group.generation,
        "members": _members(reads, group, now),
        "assignment": {str(place.number): place.member for place in now},
        "committed": {str(place.number): str(place.committed) for place in now},
        "low": {str(place.number): str(place.partition.low) for place in now},
        "end": {str(place.number): str(place.partition.end) for place in now},
        "lag": sum(place.lag for place in now),
        "partitions": [_partition(place) for place in now],
        "can_undo": any(place.previous is not None for place in now),
    }
    return groups.shared_kind().describe(reads, group, shown) if group.kind == SHARED else shown


def _members(reads: Reads, group: Group, now: Sequence[Place]) -> list[dict[str, Any]]:
    return [
        {
            "id": member,
            "name": name,
            "client": client,
            "address": address,
            "joined_at": clock.rfc3339(clock.to_wall(joined_at)),
            "partitions": [place.number for place in now if place.member == member],
        }
        for member, name, address, joined_at, client in reads.rows(Q.members, group.id)
    ]


def _partition(place: Place) -> dict[str, Any]:
    return {
        "partition": place.number,
        "committed": str(place.committed),
        "low": str(place.partition.low),
        "end": str(place.partition.end),
        "lag": place.lag,
        "owner": place.member,
        "heir": place.next_owner,
        "until_at": None if place.until_at is None else clock.rfc3339(clock.to_wall(place.until_at)),
    }
