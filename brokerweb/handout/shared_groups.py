"""What a shared group is besides its positions: a queue of its own, made, changed and removed with it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from brokerweb.core.errors import Conflict
from brokerweb.core.settings import plain
from brokerweb.handout import lease as handout
from brokerweb.handout.refill import Q, hold
from brokerweb.queues import browse, contents, control, counters, settings, settling
from brokerweb.queues.definitions import Q as QUEUES
from brokerweb.queues.definitions import find_by_id, forget
from brokerweb.queues.from_python import settles
from brokerweb.queues.leasing import Terms
from brokerweb.queues.messages import Leased, Settled, parse_place, receipt_text
from brokerweb.queues.models import Queue
from brokerweb.queues.states import State
from brokerweb.storage.reading import Reads
from brokerweb.storage.transaction import Transaction
from brokerweb.streams import groups
from brokerweb.streams.groups import Group
from brokerweb.streams.models import MAX_OFFSET

NAME = ".shared-{}"  # no name that a request may carry


class SharedGroups:
    """Asked by ``brokerweb.streams.groups`` about groups of kind ``shared``."""

    def on_create(self, tx: Transaction, group: Group, given: Mapping[str, Any]) -> int:
        queue = Queue(name=NAME.format(group.id), created_at=tx.wall, stream=group.stream)
        _set(queue, given)
        tx.writes += 1
        queue.save()
        return queue.pk

    def on_change(self, tx: Transaction, group: Group, given: Mapping[str, Any]) -> None:
        queue = _queue_of(group)
        changed = _set(queue, given)
        tx.writes += 1
        queue.save(update_fields=changed)
        forget(tx, queue.pk, queue.name)

    def on_delete(self, tx: Transaction, group: Group) -> None:
        queue = find_by_id(tx, group.queue_id) if group.queue_id is not None else None
        if queue is not None:
            control.delete_found(tx, queue)

    def hold(self, tx: Transaction, group: Group) -> None:
        if group.queue_id is not None:
            hold(tx, group.queue_id)

    def on_seek(self, tx: Transaction, group: Group, partitions: Collection[int]) -> None:
        """What was taken from these before the seek is no longer the group's; dead letters and other partitions' stay."""
        if group.queue_id is not None:
            everything = dict.fromkeys(partitions, MAX_OFFSET + 1)
            remove_unfinished(tx, group.queue_id, unfinished_below(tx, group.queue_id, everything))

    def unfinished(self, reads: Reads, group: Group) -> dict[int, int]:
        return {} if group.queue_id is None else _lowest_unfinished(reads, group.queue_id)

    def describe(self, reads: Reads, group: Group, shown: dict[str, Any]) -> dict[str, Any]:
        """Positions as of what is finished: the lowest offset that is neither done nor dead."""
        queue = _queue_of(group)
        unfinished = _lowest_unfinished(reads, queue.pk)
        committed = {
            number: str(min(int(offset), unfinished.get(int(number), int(offset))))
            for number, offset in shown["committed"].items()
        }
        of_queue = settings.to_dict(queue)
        rest = {name: plain(of_queue[name]) for name in ("lease", "max_failures", "backoff")}
        counts = browse.counts([queue.pk])[queue.pk]
        partitions = [_as_of(part, committed[str(part["partition"])]) for part in shown["partitions"]]
        lag = sum(part["lag"] for part in partitions)
        return shown | rest | {"committed": committed, "lag": lag, "partitions": partitions, "counts": counts}

    def lease(self, tx: Transaction, group: Group, limit: int, holder: str, lease: float | None) -> list[Leased]:
        return handout.lease(tx, _queue_id_of(group), limit, Terms(holder, lease)).messages

    def settle(self, tx: Transaction, group: Group, kinds: Mapping[str, Iterable[Any]]) -> list[Settled]:
        return settling.settle(tx, settles(kinds, ""), queue=_queue_id_of(group))


def install() -> None:
    """Shared groups may be declared from now on."""
    groups.install_shared(SharedGroups())


def queue_of(reads: Reads, stream: str, group: str) -> Queue:
    """The queue of a shared group, where what died waits. Raises NotFound, Conflict for a group of the other kind."""
    return _queue_of(groups.find_group(reads, stream, group))


def _queue_of(group: Group) -> Queue:
    return Queue.objects.get(pk=_queue_id_of(group))


def _queue_id_of(group: Group) -> int:
    if group.queue_id is None:
        raise Conflict(f"Group {group.name} is {group.kind}: no single record of it can be taken, or die.")
    return group.queue_id


def _as_of(part: dict[str, Any], committed: str) -> dict[str, Any]:
    """A partition of the group's object, with another position."""
    return part | {"committed": committed, "lag": max(0, int(part["end"]) - max(int(committed), int(part["low"])))}


def _set(queue: Queue, given: Mapping[str, Any]) -> list[str]:
    """The columns that these settings change, changed."""
    changes = settings.validate(given)
    for column, value in changes.items():
        setattr(queue, column, value)
    return list(changes)


def _lowest_unfinished(reads: Reads, queue_id: int) -> dict[int, int]:
    lowest: dict[int, int] = {}
    for _, route, _, _ in reads.rows(Q.unfinished, queue_id):
        place = parse_place(route)
        if place is not None:
            lowest[place[0]] = min(place[1], lowest.get(place[0], place[1]))
    return lowest


# What retention and seeks take away


def unfinished_below(reads: Reads, queue_id: int, below: Mapping[int, int]) -> list[int]:
    """Messages that are neither done nor dead, and whose record is ``below`` an offset of its partition."""
    found = []
    for id, route, _, _ in reads.rows(Q.unfinished, queue_id):
        place = parse_place(route)
        if place is not None and place[1] < below.get(place[0], 0):
            found.append(id)
    return found


def remove_unfinished(tx: Transaction, queue_id: int, ids: Iterable[int]) -> int:
    """Remove messages, unless they are done, dead or redriven by now; how many that were."""
    removed: list[int] = []
    for id in ids:
        for state, attempts in tx.returning(Q.remove_unfinished, queue_id, id):
            removed.append(id)
            tx.change(QUEUES.forget_failures, queue_id, id)
            counters.count(tx, queue_id, state, -1)
            if state == State.LEASED:
                tx.outcome.ended.append(receipt_text(queue_id, id, attempts))
    contents.forget(tx, queue_id, removed)
    return len(removed)
