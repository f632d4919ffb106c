"""Stream, Partition, Record, ConsumerGroup and what belongs to them.

Anyone's ORM code may read these. Records and positions are written by the verbs alone.
"""

from __future__ import annotations

from functools import cached_property

from django.db import models

from brokerweb.core.checksums import intact
from brokerweb.storage.fields import BrokerInstantField, InstantField, TextsField
from brokerweb.streams.settings import SETTINGS

OFFSET_BITS = 40
MAX_OFFSET = (1 << OFFSET_BITS) - 1


class Stream(models.Model):
    """A log of 1..n partitions and its settings; durations are seconds. ``None`` keeps for ever."""

    id: int
    name = models.CharField(max_length=200, unique=True)
    created_at = InstantField()
    deleted_at = InstantField(null=True)  # the row stays, renamed, until a duty has removed what it held
    retention_age = models.FloatField(null=True)
    retention_bytes = models.BigIntegerField(null=True)
    retention_records = models.BigIntegerField(null=True)
    compact = models.BooleanField(default=SETTINGS["compact"].default)
    dedup_window = models.FloatField(default=SETTINGS["dedup_window"].default)
    max_body_bytes = models.IntegerField(default=SETTINGS["max_body_bytes"].default)
    search = TextsField(null=True, default=list)  # declared fields, whose values are indexed: StreamSearchField

    def __str__(self) -> str:
        return self.name


class Partition(models.Model):
    """One totally ordered part of a stream. Offsets from ``low_offset`` up to, not including, ``next_offset`` are there.

    The row is the lock of its appenders: offsets are allocated in the appending transaction, so that no reader can skip a
    record that commits late.
    """

    id: int
    stream = models.ForeignKey(Stream, on_delete=models.DO_NOTHING, db_index=False, db_constraint=False)
    number = models.IntegerField()
    next_offset = models.BigIntegerField(default=0)
    low_offset = models.BigIntegerField(default=0)
    records = models.BigIntegerField(default=0)  # fewer than next - low after compaction
    bytes = models.BigIntegerField(default=0)  # of bodies, keys and headers
    last_at = InstantField(default=0)  # the newest appended_at: a partition's instants never go back, whatever the wall does
    compacted_to = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(name="partition_of_stream", fields=["stream", "number"])]

    def __str__(self) -> str:
        return f"{self.stream_id}/{self.number}"


class Record(models.Model):
    """One record. The id is partition and offset in one number, so that reading a partition is a range of rows."""

    id = models.BigIntegerField(primary_key=True)  # partition id << 40 | offset
    partition_id = (
        models.BigIntegerField()
    )  # with which the primary key on PostgreSQL begins (0002): name it, or all is looked at
    appended_at = InstantField()
    key = models.CharField(max_length=255, null=True)
    headers = models.TextField(null=True)  # a JSON object of strings, as text
    content_type = models.CharField(max_length=255, null=True)
    binary = models.BooleanField(default=False)
    reply_to = models.CharField(max_length=255, null=True)
    correlation_id = models.CharField(max_length=255, null=True)
    publisher = models.CharField(max_length=255, null=True)
    route = models.CharField(max_length=255, null=True)  # the topic it came through
    redacted = models.TextField(null=True)  # who redacted it, and when: the JSON that consumers get
    checksum = models.BigIntegerField()  # of the body and what goes with it: core/checksums.py
    body = models.BinaryField()  # last: SQLite reads a row from the front

    def __str__(self) -> str:
        return f"{self.id >> OFFSET_BITS}:{self.id & MAX_OFFSET}"

    @cached_property
    def intact(self) -> bool:
        """Whether what it holds is what was appended. Reads the body."""
        return intact(self.pk, self, self.checksum)


class LatestKey(models.Model):
    """The newest record of a key in a compacted partition, as far as compaction has come."""

    pk = models.CompositePrimaryKey("partition_id", "key")
    partition_id = models.BigIntegerField()
    key = models.CharField(max_length=255)
    offset = models.BigIntegerField()


class StreamDedup(models.Model):
    """A ``dedup_id`` a stream remembers, with the record it was first accepted as."""

    pk = models.CompositePrimaryKey("stream_id", "dedup_id")
    stream_id = models.IntegerField()
    dedup_id = models.CharField(max_length=255)
    partition = models.IntegerField()
    offset = models.BigIntegerField()
    expires_at = BrokerInstantField()

    class Meta:
        indexes = [models.Index("expires_at", name="stream_dedup_expires")]  # forget_dedup


class ConsumerGroup(models.Model):
    """A group of consumers with one position per partition.

    ``partitioned``: members share the partitions, fenced by ``generation``. ``shared``: single records are leased to
    whoever has room, through a queue of the group's own (``queue_id``), fed from the stream.
    """

    id: int
    stream = models.ForeignKey(Stream, on_delete=models.DO_NOTHING, db_index=False, db_constraint=False)
    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=12, default="partitioned")
    created_at = InstantField()
    session_timeout = models.FloatField(default=15)
    start = models.CharField(max_length=40, default="latest")  # latest, earliest or an instant (RFC 3339)
    generation = models.BigIntegerField(default=0)
    queue_id = models.IntegerField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(name="group_of_stream", fields=["stream", "name"])]

    def __str__(self) -> str:
        return self.name


class GroupPartition(models.Model):
    """A group's position in one partition, and who reads it. Every position is the next offset to read."""

    pk = models.CompositePrimaryKey("group_id", "partition_id")
    group_id = models.BigIntegerField()
    partition_id = models.BigIntegerField()
    committed = models.BigIntegerField()
    previous = models.BigIntegerField(null=True)  # before the last seek, for undo
    member = models.CharField(max_length=255, null=True)  # who may commit
    next_owner = models.CharField(max_length=255, null=True)  # who is next, once the member has let go
    until_at = BrokerInstantField(null=True)  # when the member must have let go
    generation = models.BigIntegerField(default=0)  # the group's when the holder or, by a seek, the position last changed
    committed_at = BrokerInstantField(null=True)  # when anybody committed last

    class Meta:
        indexes = [
            # overdue, next_overdue
            models.Index("until_at", name="group_partition_until", condition=models.Q(until_at__isnull=False)),
        ]


class Member(models.Model):
    """A live member of a partitioned group."""

    pk = models.CompositePrimaryKey("group_id", "member")
    group_id = models.BigIntegerField()
    member = models.CharField(max_length=255)  # NODE/CONNECTION/SUB
    name = models.CharField(max_length=255)
    address = models.CharField(max_length=255, default="")
    joined_at = BrokerInstantField()  # by which members have their seniority
    seen_at = BrokerInstantField()
    client = models.CharField(max_length=255, default="")  # what it calls itself, else its token's or user's name


class StreamSearchField(models.Model):
    """One declaration of a field that a stream is searched by. Declared again after it was dropped it is another."""

    id: int
    stream_id = models.IntegerField()
    name = models.CharField(max_length=200)
    indexed = models.BooleanField(default=False)  # records older than the declaration have their values, too
    taken = models.BooleanField(default=False)  # a job does that
    dropped = models.BooleanField(default=False)  # declared no more; its values go by and by

    class Meta:
        # fields; indexed
        indexes = [models.Index("stream_id", name="stream_search_field"), models.Index("name", name="stream_search_name")]

    def __str__(self) -> str:
        return self.name


class StreamSearchValue(models.Model):
    """What a declared field is in a record: the value's normal form (core/json_values.py)."""

    pk = models.CompositePrimaryKey("record_id", "field_id")
    record_id = models.BigIntegerField()
    field_id = models.IntegerField()
    value = models.CharField(max_length=70)

    class Meta:
        indexes = [models.Index("field_id", "value", "record_id", name="stream_search_value")]  # find
