"""Streams from Django code: verbs that join the caller's transaction, and commit by themselves outside of one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, NamedTuple

from asgiref.sync import sync_to_async
from django.db import DEFAULT_DB_ALIAS
from msgspec import Meta, Struct

from brokerweb.core import clock, limits
from brokerweb.core.errors import Invalid
from brokerweb.core.from_python import body_of, converted, each, text
from brokerweb.storage import reading as store
from brokerweb.storage.reading import Reads
from brokerweb.storage.run import joining
from brokerweb.streams import control, engine, groups, positions, reading
from brokerweb.streams.definitions import PartitionRow, load
from brokerweb.streams.models import Stream
from brokerweb.streams.positions import Move
from brokerweb.streams.reading import Where
from brokerweb.streams.records import Appended, NewRecord, StoredRecord

HOLDER = "python"  # who holds what is received, where nobody says more
MOST = 1000  # records in one append, read or receive


@dataclass(frozen=True)
class Record:
    """A record of a stream. ``body`` is the JSON value, or bytes; ``text`` is the JSON as it came, None for bytes.

    One that is ``damaged`` has nothing but its place and instant. What a shared group hands out has a ``receipt``, which is what
    ``settle`` wants, and is the caller's for ``lease`` seconds, until ``lease_until_at``. ``attempts`` counts tries, this one
    included.
    """

    stream: str
    partition: int
    offset: int
    appended_at: datetime
    body: Any
    text: str | None
    key: str | None
    headers: dict[str, str]
    content_type: str | None
    reply_to: str | None
    correlation_id: str | None
    damaged: bool = False
    attempts: int = 1
    failures: int = 0
    receipt: str | None = None
    lease: float | None = None
    lease_until_at: datetime | None = None


class Part(NamedTuple):
    """Records of one partition, in order. ``next`` is the offset to go on at; ``low`` and ``end`` are the partition's bounds."""

    records: list[Record]
    partition: int
    next: int
    low: int
    end: int


class _Fields(Struct, forbid_unknown_fields=True):
    key: str | None = None
    headers: dict[str, str] | None = None
    content_type: str | None = None
    dedup_id: str | None = None
    partition: Annotated[int, Meta(ge=0)] | None = None
    reply_to: str | None = None
    correlation_id: str | None = None


class _Asked(Struct):
    limit: Annotated[int, Meta(ge=1, le=MOST)]
    partition: Annotated[int, Meta(ge=0)] | None = None
    lease: Annotated[float, Meta(ge=1, le=43_200)] | None = None


# Append and read


def append(
    stream: str,
    body: Any,
    *,
    expected_offset: int | None = None,
    using: str = DEFAULT_DB_ALIAS,
    publisher: str | None = None,
    **fields: Any,
) -> Appended:
    """Append one record; its ``partition`` and ``offset``, and whether it is a ``duplicate``. In ``transaction.atomic()`` it
    commits with the caller's rows.

    ``body`` is any JSON value, or bytes; what Django's own JSON encoder takes may be in it. ``fields`` are those of a record:
    ``key``, ``headers`` (a dict of strings), ``content_type``, ``dedup_id``, ``partition`` (a number), ``reply_to``,
    ``correlation_id``. With ``expected_offset`` it is appended only if its partition ends just there.
    Raises BrokerError: NotFound for an unknown stream, Conflict for another end, TooLarge, Invalid; StoreFull and Unavailable
    where the database does not take it, and then the caller's own transaction may be lost.
    """
    [appended] = _append(stream, [_record(body, fields)], expected_offset, publisher, using)
    return appended


async def aappend(
    stream: str,
    body: Any,
    *,
    expected_offset: int | None = None,
    using: str = DEFAULT_DB_ALIAS,
    publisher: str | None = None,
    **fields: Any,
) -> Appended:
    """``append`` from a coroutine, in a commit of its own: Django has no transactions there."""
    options: dict[str, Any] = {"expected_offset": expected_offset, "using": using, "publisher": publisher}
    appended: Appended = await sync_to_async(append)(stream, body, **options, **fields)
    return appended


def append_many(
    stream: str,
    records: Iterable[Mapping[str, Any]],
    *,
    expected_offset: int | None = None,
    using: str = DEFAULT_DB_ALIAS,
    publisher: str | None = None,
) -> list[Appended]:
    """Append up to 1,000 records, all or none, in their order; what ``append`` answers, of each.

    A record is a mapping with ``body`` and the fields of ``append``. With ``expected_offset`` all must go to one partition.
    Raises what ``append`` does.
    """
    given = [dict(record) for record in each(records, "/records")]
    if len(given) > MOST:
        raise Invalid.at("/records", f"at most {MOST} at once")
    for place, fields in enumerate(given):
        if "body" not in fields:
            raise Invalid.at(f"/records/{place}/body", "is needed")
    made = [_record(fields.pop("body"), fields) for fields in given]
    return _append(stream, made, expected_offset, publisher, using)


def _append(stream: str, made: list[NewRecord], expected_offset: int | None, publisher: str | None, using: str) -> list[Appended]:
    name = text(stream, "/stream")
    expected = None if expected_offset is None else positions.parse_offset(expected_offset, "/expected_offset")
    said = None if publisher is None else text(publisher, "/publisher")
    with joining(using) as tx:
        return engine.append(tx, name, made, expected_offset=expected, publisher=said) if made else []


def read(
    stream: str,
    *,
    partition: int | None = None,
    offset: int | None = None,
    start: str | datetime = "earliest",
    limit: int = 100,
    using: str = DEFAULT_DB_ALIAS,
) -> Part:
    """Read up to ``limit`` (1 to 1,000) records of one partition, from ``offset`` on, or from ``start``; often none at its end.

    ``start`` is ``"earliest"``, ``"latest"``, or an aware datetime: the first record appended then or later. ``partition`` may be
    left out where there is only one. Reading takes nothing away: go on at ``next``. It does not wait.
    Raises NotFound, Invalid, and OffsetOutOfRange with ``low`` and ``end`` for an offset that is gone or not there yet.
    """
    asked = converted({"limit": limit, "partition": partition}, _Asked)
    at = None if offset is None else positions.parse_offset(offset, "/offset")
    name, where = text(stream, "/stream"), _where(start)

    def found(reads: Reads) -> Part:
        place = _partition(reads, name, asked.partition)
        batch = reading.read(reads, place, reading.position(reads, place, where) if at is None else at, asked.limit)
        records = [record_of(name, record) for record in batch.records]
        return Part(records, place.number, batch.next, batch.low, batch.end)

    return store.read(found, using=using)


def _partition(reads: Reads, stream: str, number: int | None) -> PartitionRow:
    found = load(reads, stream)
    if number is None and len(found.partitions) > 1:
        raise Invalid.at("/partition", f"stream {stream} has {len(found.partitions)} partitions: name one")
    return found.partition(number or 0)


def _where(start: str | datetime) -> Where:
    try:
        if isinstance(start, datetime):
            return clock.from_datetime(start)
        return reading.parse_where(text(start, "/start"))
    except ValueError as error:
        raise Invalid.at("/start", 'is "earliest", "latest", or an aware datetime') from error


def _record(body: Any, fields: Mapping[str, Any]) -> NewRecord:
    given = converted(fields, _Fields)
    stored, binary = body_of(body)
    return NewRecord(
        stored,
        binary,
        limits.check_text(given.key, "/key"),
        limits.check_headers(given.headers, "/headers"),
        limits.check_content_type(given.content_type, "/content_type"),
        limits.check_text(given.dedup_id, "/dedup_id"),
        given.partition,
        limits.check_destination(given.reply_to, "/reply_to"),
        limits.check_text(given.correlation_id, "/correlation_id"),
    )


# Streams and groups


def declare(stream: str, *, using: str = DEFAULT_DB_ALIAS, **settings: Any) -> Stream:
    """Create a stream, or change the settings named (``partitions``, ``retention`` and so on); the stream as it is then.

    None resets a setting. Raises Invalid, and Conflict for fewer partitions than there are.
    """
    with joining(using) as tx:
        return control.declare(tx, text(stream, "/stream"), settings)[0]


def delete(stream: str, *, if_empty: bool = False, using: str = DEFAULT_DB_ALIAS) -> None:
    """Delete a stream, its records and its groups. Raises NotFound, and Conflict where it must be empty and is not."""
    with joining(using) as tx:
        control.delete(tx, text(stream, "/stream"), if_empty=if_empty)


def declare_group(stream: str, group: str, *, using: str = DEFAULT_DB_ALIAS, **settings: Any) -> None:
    """Create a consumer group, or change the settings named: ``kind`` (``"partitioned"`` or ``"shared"``), ``start``,
    ``session_timeout``, and of a shared one ``lease``, ``max_failures``, ``backoff``. Raises NotFound, Invalid, Conflict."""
    with joining(using) as tx:
        groups.declare_group(tx, text(stream, "/stream"), text(group, "/group"), settings)


def delete_group(stream: str, group: str, *, using: str = DEFAULT_DB_ALIAS) -> None:
    """Delete a consumer group and its positions. Raises NotFound."""
    with joining(using) as tx:
        groups.delete_group(tx, text(stream, "/stream"), text(group, "/group"))


# Positions of a partitioned group


def committed(stream: str, group: str, *, using: str = DEFAULT_DB_ALIAS) -> dict[int, int]:
    """By partition, the next offset that the group has to read. Raises NotFound."""
    names = text(stream, "/stream"), text(group, "/group")

    def found(reads: Reads) -> dict[int, int]:
        places = groups.places(reads, groups.find_group(reads, *names).id)
        return {place.number: max(place.committed, place.partition.low) for place in places}

    return store.read(found, using=using)


def commit(
    stream: str,
    group: str,
    offsets: Mapping[int, int],
    *,
    generation: int | None = None,
    using: str = DEFAULT_DB_ALIAS,
) -> None:
    """Everything below these offsets, by partition, is done; all or none, and never back. Committing the same again is fine.

    In ``transaction.atomic()`` it commits with what the records made of the caller's rows: each has its effect once. A group that
    has members takes only their ``generation``. Raises NotFound, Invalid, Conflict, OffsetOutOfRange.
    """
    wanted = positions.parse_offsets(offsets)
    known = None if generation is None else converted(generation, int, "/generation")
    with joining(using) as tx:
        positions.commit(tx, text(stream, "/stream"), text(group, "/group"), wanted, generation=known)


def seek(stream: str, group: str, to: Any, *, using: str = DEFAULT_DB_ALIAS) -> list[Move]:
    """Let a group go elsewhere: to ``"earliest"``, ``"latest"``, an aware datetime, offsets by partition, or ``{"shift": -100}``.

    Its members are told. What was moved, by partition. Raises NotFound, Invalid, Conflict.
    """
    wanted = clock.rfc3339(clock.from_datetime(to)) if isinstance(to, datetime) else to
    with joining(using) as tx:
        return positions.seek(tx, text(stream, "/stream"), text(group, "/group"), wanted)


# Records of a shared group


def receive(
    stream: str,
    group: str,
    *,
    limit: int = 1,
    lease: float | None = None,
    holder: str = HOLDER,
    using: str = DEFAULT_DB_ALIAS,
) -> list[Record]:
    """Lease up to ``limit`` (1 to 1,000) records to the caller, as a shared group hands them out, for ``lease`` seconds or what
    the group says; often none.

    It does not wait. Inside ``atomic()`` nobody else sees the lease before the commit. Raises NotFound, Invalid, and Conflict for
    a group that is not shared.
    """
    asked = converted({"limit": limit, "lease": lease}, _Asked)
    name, said = text(stream, "/stream"), text(holder, "/holder")[:200]
    with joining(using) as tx:
        found = groups.find_group(tx, name, text(group, "/group"))
        leased = groups.shared_kind().lease(tx, found, asked.limit, said, asked.lease)
    return [leased_record(name, message) for message in leased]


def settle(
    stream: str,
    group: str,
    *,
    ack: Iterable[Any] = (),
    nack: Iterable[Any] = (),
    release: Iterable[Any] = (),
    dead: Iterable[Any] = (),
    extend: Iterable[Any] = (),
    using: str = DEFAULT_DB_ALIAS,
) -> list[Any]:
    """Settle what ``receive`` leased, in that order, as ``queues.settle`` does; of each ``receipt`` and ``status`` (``ok`` or
    ``lease_lost``). Each is a receipt, a ``Record``, or a mapping with ``receipt``. Raises NotFound, Invalid, Conflict."""
    given = {"ack": ack, "nack": nack, "release": release, "dead": dead, "extend": extend}
    plain = {kind: [item.receipt if isinstance(item, Record) else item for item in items] for kind, items in given.items()}
    with joining(using) as tx:
        found = groups.find_group(tx, text(stream, "/stream"), text(group, "/group"))
        return groups.shared_kind().settle(tx, found, plain)


# Records as Python code has them


def record_of(stream: str, record: StoredRecord) -> Record:
    """A record as it was read."""
    plain = None if record.binary or record.damaged else record.body.decode()
    return Record(
        stream=stream,
        partition=record.partition,
        offset=record.offset,
        appended_at=clock.to_datetime(record.appended_at),
        body=record.body if plain is None else json.loads(plain),
        text=plain,
        key=record.key,
        headers=json.loads(record.headers) if record.headers else {},
        content_type=record.content_type,
        reply_to=record.reply_to,
        correlation_id=record.correlation_id,
        damaged=record.damaged,
    )


def leased_record(stream: str, message: Any) -> Record:
    """A record that a shared group has leased, from its message."""
    partition, offset = message.place or (0, 0)
    plain = None if message.binary else message.body.decode()
    return Record(
        stream=stream,
        partition=partition,
        offset=offset,
        appended_at=clock.to_datetime(message.published_at),
        body=message.body if plain is None else json.loads(plain),
        text=plain,
        key=message.key,
        headers=json.loads(message.headers) if message.headers else {},
        content_type=message.content_type,
        reply_to=message.reply_to,
        correlation_id=message.correlation_id,
        attempts=message.attempts,
        failures=message.failures,
        receipt=message.receipt,
        lease=message.lease,
        lease_until_at=clock.to_datetime(clock.to_wall(message.lease_until)),
    )
