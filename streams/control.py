"""Declare, change, grow and delete streams; and what answers say of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from brokerweb.core import clock
from brokerweb.core.errors import Conflict, NotFound
from brokerweb.core.names import check_name
from brokerweb.storage import listing
from brokerweb.storage.declared import declaring
from brokerweb.storage.locks import Lock, number_of
from brokerweb.storage.statements import Statements
from brokerweb.storage.transaction import Transaction
from brokerweb.streams import fields, stats
from brokerweb.streams.definitions import find, forget
from brokerweb.streams.groups import close_groups_of
from brokerweb.streams.membership import partitions_added
from brokerweb.streams.models import Partition, Stream
from brokerweb.streams.settings import PARTITIONS, to_dict, validate

C = Statements("brokerweb.streams", "control.sql")


def declare(tx: Transaction, name: str, settings: Mapping[str, Any], *, create: bool = True) -> tuple[Stream, bool]:
    """Create a stream, or change the settings named; (the stream, whether it is new). Without ``create`` it must exist.

    Raises Invalid, NotFound, and Conflict for fewer partitions: their records would have no place.
    """
    check_name(name)
    changes = validate(settings)
    wanted = changes.pop(PARTITIONS, None)
    declaring(tx, "stream", name)
    stream = Stream.objects.filter(name=name, deleted_at=None).first()
    created = stream is None
    if stream is None:
        if not create:
            raise NotFound(f"There is no stream {name}.")
        stream = Stream(name=name, created_at=tx.wall)
    have = Partition.objects.filter(stream_id=stream.pk).count() if stream.pk else 0
    wanted = wanted or max(have, 1)
    if wanted < have:
        raise Conflict(f"Stream {name} has {have} partitions; they can become more, not fewer.")
    _store(tx, stream, changes)
    for number in range(have, wanted):
        tx.change(C.add_partition, stream.pk, number)
    if have < wanted:
        partitions_added(tx, stream.pk)
    forget(tx, name)
    tx.outcome.streams.add(stream.pk)
    tx.outcome.reshaped.add(stream.pk)
    return Stream.objects.get(pk=stream.pk), created


def _store(tx: Transaction, stream: Stream, changes: Mapping[str, Any]) -> None:
    before = stream.search
    for column, value in changes.items():
        setattr(stream, column, value)
    if stream.pk and changes.get("compact"):
        tx.change(C.compact_anew, stream.pk)
    tx.writes += 1
    stream.save(update_fields=None if stream.pk is None else list(changes))
    if stream.search != before:
        tx.alone(Lock.STREAM, number_of(stream.name))  # a record is indexed with its append, or is there to be indexed later
        held = Partition.objects.filter(stream_id=stream.pk, records__gt=0)
        fields.declare(tx, stream.pk, before, stream.search, empty=not held.exists())


def delete(tx: Transaction, name: str, *, if_empty: bool = False) -> None:
    """The stream is gone for everyone at once; a duty removes what it held. Raises Conflict if it must be empty and is not."""
    declaring(tx, "stream", name)
    tx.alone(Lock.STREAM, number_of(name))  # whoever found it before has appended by now, and nobody finds it any more
    forget(tx, name)
    stream = find(tx, name)
    if if_empty and any(partition.records for partition in stream.partitions):
        raise Conflict(f"Stream {name} is not empty.")
    tx.change(C.mark_deleted, stream.id, f".deleted-{stream.id}", tx.wall)
    tx.change(C.close_partitions, stream.id)
    if stream.search is not None:
        fields.drop_all(tx, stream.id)
    close_groups_of(tx, stream.id)
    forget(tx, name)
    tx.outcome.streams.add(stream.id)
    tx.outcome.reshaped.add(stream.id)


# What answers say


def describe(stream: Stream) -> dict[str, Any]:
    """The whole stream: settings, and by partition its low and end offsets, records and bytes."""
    partitions = list(Partition.objects.filter(stream_id=stream.pk).order_by("number"))
    return {
        "name": stream.name,
        "created_at": clock.rfc3339(clock.from_datetime(stream.created_at)),
        **to_dict(stream, len(partitions)),
        "low": {str(p.number): str(p.low_offset) for p in partitions},
        "end": {str(p.number): str(p.next_offset) for p in partitions},
        "records": {str(p.number): p.records for p in partitions},
        "bytes": {str(p.number): p.bytes for p in partitions},
        "rates": stats.rates(stream.pk),
    }


def get(name: str) -> Stream:
    """The stream of that name. Raises NotFound."""
    stream = Stream.objects.filter(name=name, deleted_at=None).first()
    if stream is None:
        raise NotFound(f"There is no stream {name}.")
    return stream


def list_streams(
    prefix: str = "", *, after: str | None = None, limit: int = 50, visible: Callable[[str], bool] = lambda _: True
) -> listing.Page[Stream]:
    """Streams by name, those with the prefix; ``visible`` says which of them the caller may know of."""
    return listing.page("streams", Stream.objects.filter(deleted_at=None), prefix, after=after, limit=limit, visible=visible)
