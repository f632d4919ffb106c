"""A member of a partitioned group, as verbs: it joins, says that it is alive, commits what it has done, and lets go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from brokerweb.storage.reading import Reads
from brokerweb.storage.transaction import Transaction
from brokerweb.streams import membership, positions, reading
from brokerweb.streams.definitions import load_by_id
from brokerweb.streams.groups import Group, find_group
from brokerweb.streams.membership import Hold

if TYPE_CHECKING:
    from brokerweb.handlers.work import Handler, Message


class Member(NamedTuple):
    """Who it is: of which group, and by what name."""

    stream: str
    group: str
    member: str
    client: str


class Held(NamedTuple):
    """What it has in one partition, and that partition's id and oldest offset."""

    hold: Hold
    partition_id: int
    low: int


class Share(NamedTuple):
    """What a member has: ``held`` by partition number. None of it where it is a member no more."""

    group_id: int
    stream_id: int
    generation: int
    session_timeout: float
    held: dict[int, Held]


@dataclass(slots=True)
class Progress:
    """How far a partition is done, and what its handler has yet to hear of that."""

    offset: int
    done: list[tuple[Message, Any]] = field(default_factory=list)


def join(tx: Transaction, who: Member) -> None:
    """Take part from now on. Raises NotFound, and Conflict for a shared group."""
    membership.join(tx, who.stream, who.group, who.member, name=who.member, client=who.client)


def share(reads: Reads, who: Member) -> Share | None:
    """What it has now; None where it is a member no more. Raises NotFound for a group that is gone."""
    group: Group = find_group(reads, who.stream, who.group)
    holdings = membership.holdings(reads, group.id)
    stream = None if holdings is None else load_by_id(reads, holdings.stream_id)
    if holdings is None or stream is None or who.member not in holdings.members:
        return None
    held = {
        number: Held(hold, stream.partitions[number].id, stream.partitions[number].low)
        for number, hold in holdings.members[who.member].items()
    }
    return Share(group.id, stream.id, holdings.generation, holdings.session_timeout, held)


class Ends(NamedTuple):
    """What there is to look at: the group's generation, None where it is gone, and each partition's next offset by its id."""

    generation: int | None
    by_id: dict[int, int]


def ends(reads: Reads, group_id: int, partition_ids: Sequence[int]) -> Ends:
    """As of now."""
    generations = membership.generations_among(reads, [group_id])
    return Ends(generations[0][1] if generations else None, dict(reading.ends_among(reads, partition_ids)))


def beat(tx: Transaction, group_id: int, who: Member, *, alone: bool) -> bool:
    """It is alive; whether it is still a member. Where it is ``alone`` no broker runs, and it sees to other members, too."""
    if alone:
        membership.expire_members(tx)
        membership.pass_on_due(tx)
    return not membership.beat(tx, group_id, [who.member])


def commit(tx: Transaction, who: Member, generation: int, progress: Mapping[int, Progress], handler: Handler) -> None:
    """Store how far partitions are done, and let the handler hear of each record. Raises Conflict where one is not its own."""
    offsets = {number: each.offset for number, each in progress.items()}
    positions.commit(tx, who.stream, who.group, offsets, generation=generation, member=who.member)
    for each in progress.values():
        for message, result in each.done:
            handler.done(tx, message, result)


def release(tx: Transaction, group_id: int, who: Member, numbers: list[int]) -> None:
    """Let go of partitions that are to go to others."""
    membership.release(tx, group_id, who.member, numbers)


def leave(tx: Transaction, group_id: int, who: Member) -> None:
    """It is gone: its partitions are others' at once."""
    membership.leave(tx, group_id, who.member)
