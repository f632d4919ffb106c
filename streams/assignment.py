"""Which member of a group reads which partition: evenly, and with as few partitions changing hands as that allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def assign(owners: Mapping[int, str | None], members: Sequence[str]) -> dict[int, str | None]:
    """The member of each partition. ``owners`` says who has it now, ``members`` are in order of their seniority.

    Nobody gets more than one partition more than anybody else. Who has most keeps most: that moves the fewest.
    """
    if not members:
        return dict.fromkeys(owners)
    shares = _shares(owners, members)
    room = dict(shares)
    target: dict[int, str | None] = {}
    for partition, owner in sorted(owners.items()):
        if owner is not None and room.get(owner, 0) > 0:
            target[partition] = owner
            room[owner] -= 1
    free = [partition for partition in sorted(owners) if partition not in target]
    takers = [member for member in members for _ in range(room[member])]
    target.update(zip(free, takers, strict=True))
    return target


def _shares(owners: Mapping[int, str | None], members: Sequence[str]) -> dict[str, int]:
    """How many partitions each member is to have."""
    held = dict.fromkeys(members, 0)
    for owner in owners.values():
        if owner in held:
            held[owner] += 1
    least, more = divmod(len(owners), len(members))
    by_holdings = sorted(members, key=lambda member: -held[member])
    return {member: least + (i < more) for i, member in enumerate(by_holdings)}
