"""Which member of a group reads which partition: evenly, and with as few partitions changing hands as that allows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence


def assign(
    owners: Mapping[int, str | None], members: Sequence[str], still: Mapping[int, str | None] | None = None
) -> dict[int, str | None]:
    """The member of each partition. ``owners`` says who has it now, ``members`` are in order of their seniority.

    Nobody gets more than one partition more than anybody else. Who has most keeps most: that moves the fewest. ``still``
    names who has not let go yet of a partition without owner: there it stays if there is room.
    """
    if not members:
        return dict.fromkeys(owners)
    still = still or {}
    room = _shares(owners, still, members)
    target: dict[int, str | None] = {}
    for held in (owners, still):
        for partition, owner in sorted(held.items()):
            if partition not in target and owner is not None and room.get(owner, 0) > 0:
                target[partition] = owner
                room[owner] -= 1
    free = [partition for partition in sorted(owners) if partition not in target]
    takers = [member for member in members for _ in range(room[member])]
    target.update(zip(free, takers, strict=True))
    return target


def _shares(owners: Mapping[int, str | None], still: Mapping[int, str | None], members: Sequence[str]) -> dict[str, int]:
    """How many partitions each member is to have."""
    held, more_still = Counter(owners.values()), Counter(still.values())
    least, more = divmod(len(owners), len(members))
    by_holdings = sorted(members, key=lambda member: (-held[member], -more_still[member]))
    return {member: least + (i < more) for i, member in enumerate(by_holdings)}
