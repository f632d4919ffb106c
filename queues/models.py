"""Queue, Message and what belongs to them: fields, constraints, and indexes with the statement that needs each.

Anyone's ORM code may read these. Rows of messages are written by the verbs in ``brokerweb.queues.engine`` and
``brokerweb.queues.control`` alone: a row written past them has no count, no order and no wake-up.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cached_property

from django.db import models
from django.db.models import F, Q

from brokerweb.core import clock
from brokerweb.core.checksums import NEVER, intact
from brokerweb.queues.settings import BACKOFF, SETTINGS
from brokerweb.queues.states import State
from brokerweb.storage.fields import BrokerInstantField, FlagField, InstantField, RowOfField, TextsField


class DeclaredQueues(models.Manager["Queue"]):
    """Queues that somebody declared and nobody deleted: not those that shared consumer groups have for themselves."""

    def get_queryset(self) -> models.QuerySet[Queue]:
        return super().get_queryset().filter(deleted_at=None, stream=None)


class Queue(models.Model):
    """A point-to-point queue and its settings; durations are seconds."""

    id: int
    name = models.CharField(max_length=200, unique=True)
    created_at = InstantField()
    deleted_at = InstantField(null=True)  # the row stays, renamed, until a duty has removed what it held
    lease = models.FloatField(default=SETTINGS["lease"].default)
    max_failures = models.IntegerField(null=True, default=SETTINGS["max_failures"].default)
    backoff_initial = models.FloatField(default=BACKOFF["initial"].default)
    backoff_factor = models.FloatField(default=BACKOFF["factor"].default)
    backoff_max = models.FloatField(default=BACKOFF["max"].default)
    backoff_jitter = models.FloatField(default=BACKOFF["jitter"].default)
    keyed = models.BooleanField(default=SETTINGS["keyed"].default)
    ttl = models.FloatField(null=True)
    on_expire = models.CharField(max_length=10, default=SETTINGS["on_expire"].default)
    max_length = models.BigIntegerField(null=True)
    overflow = models.CharField(max_length=20, default=SETTINGS["overflow"].default)
    dedup_window = models.FloatField(default=SETTINGS["dedup_window"].default)
    max_body_bytes = models.IntegerField(default=SETTINGS["max_body_bytes"].default)
    history = models.CharField(max_length=10, default=SETTINGS["history"].default)
    keep_settled = models.FloatField(default=SETTINGS["keep_settled"].default)
    keep_history = models.FloatField(default=SETTINGS["keep_history"].default)
    expires = models.FloatField(null=True)
    idle_since_at = BrokerInstantField(null=True)  # without consumer and message since; only kept when ``expires`` is set
    dead_retention = models.FloatField(null=True)
    paused_at = InstantField(null=True)
    paused_by = models.CharField(max_length=200, default="")
    pause_reason = models.CharField(max_length=2000, default="")
    search = TextsField(null=True, default=list)  # declared fields, whose values are indexed: SearchField
    stream = models.CharField(max_length=200, null=True)  # of a shared consumer group's own queue: whose records it leases
    last_consumer_at = BrokerInstantField(null=True)  # when anybody consumed last; this and the next by a duty, seconds late
    last_consumer = models.CharField(max_length=255, null=True)  # what that client is called
    last_settled_at = BrokerInstantField(null=True)  # when a consumer settled anything last
    attended_at = BrokerInstantField(
        null=True
    )  # when a process without a broker, such as manage.py consume, last said that it consumes

    objects = models.Manager()
    declared = DeclaredQueues()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="queue_lease_range", condition=Q(lease__gte=SETTINGS["lease"].low, lease__lte=SETTINGS["lease"].high)
            ),
            models.CheckConstraint(
                name="queue_max_failures_positive",
                condition=Q(max_failures=None) | Q(max_failures__gte=SETTINGS["max_failures"].low),
            ),
            models.CheckConstraint(name="queue_on_expire_known", condition=Q(on_expire__in=list(SETTINGS["on_expire"].words))),
            models.CheckConstraint(name="queue_overflow_known", condition=Q(overflow__in=list(SETTINGS["overflow"].words))),
            models.CheckConstraint(name="queue_history_known", condition=Q(history__in=list(SETTINGS["history"].words))),
        ]

    def __str__(self) -> str:
        return self.name


class Messages(models.Manager["Message"]):
    """Messages with what they carry, unless only columns of their own are asked for."""

    def get_queryset(self) -> models.QuerySet[Message]:
        return super().get_queryset().select_related("content")


class Carrying:
    """What a message carries is a row of its own, ``carries``, and reads as if it were the message's."""

    @property
    def carries(self) -> Content:
        raise NotImplementedError

    @property
    def published_at(self) -> datetime:
        return self.carries.published_at

    @property
    def publisher(self) -> str | None:
        return self.carries.publisher

    @property
    def headers(self) -> str | None:
        return self.carries.headers

    @property
    def content_type(self) -> str | None:
        return self.carries.content_type

    @property
    def binary(self) -> bool:
        return self.carries.binary

    @property
    def reply_to(self) -> str | None:
        return self.carries.reply_to

    @property
    def correlation_id(self) -> str | None:
        return self.carries.correlation_id

    @property
    def redacted(self) -> str | None:
        return self.carries.redacted

    @property
    def checksum(self) -> int:
        return self.carries.checksum

    @property
    def body(self) -> bytes | memoryview:
        return self.carries.body


class Message(Carrying, models.Model):
    """One stored message: how it stands. ``id`` is never used again; ``position`` orders within a priority.

    What it carries is its ``content``, a row of its own, which no hand-out rewrites. It reads as if it were the message's.
    """

    id = models.BigAutoField(primary_key=True)
    # No index of its own: every statement finds messages by id or by a partial index below, and a full index on the
    # queue would be written at every publish and settle. No database constraint: the queue's row outlives its messages.
    queue = models.ForeignKey(Queue, on_delete=models.DO_NOTHING, db_index=False, db_constraint=False)
    state = models.SmallIntegerField(choices=[(s.value, s.name.lower()) for s in State])
    priority = models.SmallIntegerField(default=4)
    position = models.BigIntegerField()
    returned = FlagField(default=False)  # it was not published ready where it stands, but came (back) there: see bounds.py
    attempts = models.IntegerField(default=0)  # every lease; never goes down: it fences the lease
    failures = models.IntegerField(default=0)
    holds_key = FlagField(default=False)  # the one message of its key that is ready, leased or backing off
    alone = FlagField(default=False)  # its last failure was a lost consumer: hand it out by itself
    due_at = BrokerInstantField()  # scheduled: when due; ready: since when; leased: until when; dead: since when
    deliver_at = InstantField(null=True)  # scheduled, and due when the wall shows this: ``due_at`` is then as it was expected
    expires_at = BrokerInstantField(null=True)  # with a ``deliver_at`` not before that has come
    ttl = models.FloatField(null=True)  # as asked for; expires_at follows from it when first due
    key = models.CharField(max_length=255, null=True)
    holder = models.CharField(
        max_length=255, null=True
    )  # who holds or last held the lease: "ws:NODE/CONNECTION/SUB", "rest:OWNER"
    reason = models.CharField(max_length=20, null=True)  # why dead
    last_error = models.CharField(max_length=2000, null=True)
    parent = models.BigIntegerField(null=True)  # the message this one is an edited copy of
    route = models.CharField(max_length=255, null=True)  # the topic it came through
    leased_at = BrokerInstantField(null=True)  # when the lease that it is under began
    extended = models.IntegerField(default=0)  # how often that was extended
    redrives = models.IntegerField(default=0)  # how often it was requeued or redriven
    fingerprint = models.CharField(max_length=16, null=True)  # dead: of what killed it, as fingerprints.py tells causes apart

    objects = Messages()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="message_key_holder", fields=["queue", "key"], condition=Q(holds_key=True)),
            # Comparisons, not lists: SQLite builds a table for a list at every insert.
            models.CheckConstraint(name="message_state_known", condition=Q(state__gte=State.SCHEDULED, state__lte=State.DEAD)),
            models.CheckConstraint(name="message_dead_has_reason", condition=~Q(state=State.DEAD) | Q(reason__isnull=False)),
        ]
        indexes = [
            # next_ready, any_ready, oldest_ready: a queue's messages in their order
            models.Index("queue", F("priority").desc(), "position", name="message_ready", condition=Q(state=State.READY)),
            # next_alone: however many others are ready
            models.Index(
                "queue", F("priority").desc(), "position", name="message_alone", condition=Q(state=State.READY, alone=True)
            ),
            # due_scheduled, next_due: in all queues
            models.Index("due_at", name="message_scheduled", condition=Q(state=State.SCHEDULED, deliver_at__isnull=True)),
            # due_stated, next_due: those that are due at an instant of the wall
            models.Index("deliver_at", name="message_stated", condition=Q(state=State.SCHEDULED, deliver_at__isnull=False)),
            # overdue, next_overdue; matching filters those leased by their queue without reading rows
            models.Index("due_at", "queue", name="message_leased", condition=Q(state=State.LEASED)),
            # next_of_key, orphaned_keys
            models.Index("queue", "key", "position", name="message_blocked", condition=Q(state=State.BLOCKED)),
            # matching, oldest_in_state: by state and id. Leased ones are left out, so that a message handed over in
            # its publish commit and acknowledged never touches this index
            models.Index("queue", "state", "id", name="message_browse", condition=~Q(state=State.LEASED)),
            # outlived: dead letters by how long they are dead
            models.Index("queue", "due_at", name="message_dead", condition=Q(state=State.DEAD)),
            # causes: of these columns alone; of_cause, cause_summary: by id within a cause
            models.Index("queue", "fingerprint", "id", "due_at", "redrives", name="message_cause", condition=Q(state=State.DEAD)),
            # expired, next_expiry
            models.Index("expires_at", name="message_ttl", condition=Q(expires_at__isnull=False)),
            # with_key, key_summary, of_key, queues_of_key, many_of_key: for who looks. What it says of the queue goes without
            # saying, so that statements which do not say it keep to the indexes of holders and of blocked ones, whatever the
            # statistics are
            models.Index("queue", "key", "id", name="message_key", condition=Q(key__isnull=False, queue__gt=0)),
        ]

    def __str__(self) -> str:
        return str(self.pk)

    @property
    def due(self) -> datetime:
        """``due_at``, or the instant of the wall that the message waits for."""
        due: datetime = self.due_at if self.deliver_at is None else self.deliver_at
        return due

    @property
    def expires(self) -> datetime | None:
        """``expires_at``, or when it will be, should the wall go on evenly until the message is due."""
        expires: datetime | None = self.expires_at
        if expires is None and self.deliver_at is not None and self.ttl is not None:
            expires = self.deliver_at + timedelta(seconds=self.ttl)
        return expires

    @cached_property
    def intact(self) -> bool:
        """Whether what it holds is what was published. Reads the body."""
        return intact(self.pk, self, self.checksum)

    @property
    def carries(self) -> Content:
        """The content, or where damage has taken that, one that no checksum fits."""
        try:
            return self.content
        except Content.DoesNotExist:
            return _nothing(self.pk)


class Content(models.Model):
    """What a message carries. Stored in its publish, changed by redaction alone, and gone with the message."""

    message = RowOfField(Message, on_delete=models.CASCADE, primary_key=True, db_constraint=False, related_name="content")
    queue_id = models.IntegerField()  # the message's, or of what is kept of it: on PostgreSQL keys begin with it
    published_at = InstantField()
    publisher = models.CharField(max_length=255, null=True)  # the token's or user's name
    headers = models.TextField(null=True)  # a JSON object of strings, as text
    content_type = models.CharField(max_length=255, null=True)
    binary = models.BooleanField(default=False)  # the body came as bytes, not as JSON
    reply_to = models.CharField(max_length=255, null=True)
    correlation_id = models.CharField(max_length=255, null=True)
    redacted = models.TextField(null=True)  # who redacted it, and when: the JSON that consumers get
    dedup_id = models.CharField(max_length=255, null=True)  # as it was published with; how long it counts is Dedup's
    family = models.BigIntegerField(
        null=True
    )  # what the copies have alike that one publish to a topic made, where it made several
    streams = models.TextField(null=True)  # where those copies are that went to streams, as JSON
    checksum = models.BigIntegerField()  # of the body and what goes with it: core/checksums.py
    body = models.BinaryField()  # last: SQLite reads a row from the front

    class Meta:
        indexes = [
            # relatives
            models.Index("family", name="content_family", condition=Q(family__isnull=False)),
        ]


def _nothing(number: int) -> Content:
    """Instead of a content that damage has taken: no checksum fits it."""
    long_ago = clock.to_datetime(0)
    return Content(message_id=number, published_at=long_ago, checksum=NEVER, body=b"")  # type: ignore[misc]  # stubs take the column


OUTCOMES = ("acked", "expired", "deleted", "purged", "moved", "edited")


class SettledMessage(Carrying, models.Model):
    """A message that has ended in its queue and is kept to be looked at (``keep_settled``). It is in no count and no order.

    ``id`` is the number of its content: the message's own, but of one that was moved, which goes on elsewhere with that; here it
    has a copy. Failures stay as long as this row.
    """

    id = models.BigAutoField(primary_key=True)
    queue = models.ForeignKey(Queue, on_delete=models.DO_NOTHING, db_index=False, db_constraint=False)
    message_id = models.BigIntegerField()
    outcome = models.CharField(max_length=10, choices=[(outcome, outcome) for outcome in OUTCOMES])
    actor = models.CharField(max_length=255, null=True)  # the token's or user's name, where somebody did it
    holder = models.CharField(max_length=255, null=True)  # who held or last held the lease
    settled_at = InstantField()
    expires_at = BrokerInstantField()  # until when it is kept
    state = models.SmallIntegerField()  # in which it ended
    priority = models.SmallIntegerField(default=4)
    attempts = models.IntegerField(default=0)
    failures = models.IntegerField(default=0)
    key = models.CharField(max_length=255, null=True)
    route = models.CharField(max_length=255, null=True)
    parent = models.BigIntegerField(null=True)
    reason = models.CharField(max_length=20, null=True)  # why it was dead, if it was
    last_error = models.CharField(max_length=2000, null=True)
    detail = models.TextField(null=True)  # JSON: where it went, which copy took its place
    redrives = models.IntegerField(default=0)
    fingerprint = models.CharField(max_length=16, null=True)  # of what had killed it, if it was dead

    class Meta:
        constraints = [
            # look, browse: a queue's by id; one a message
            models.UniqueConstraint(name="settled_of_queue", fields=["queue", "message_id"]),
        ]
        indexes = [
            models.Index("expires_at", name="settled_until"),  # outdated
            models.Index("message_id", name="settled_moved", condition=Q(outcome="moved")),  # unmarked, kept_copies
            # kept_of_cause: of those that were dead, which are few
            models.Index("queue", "fingerprint", "id", name="settled_cause", condition=Q(fingerprint__isnull=False)),
            # kept_of_key, queues_of_key, many_of_key
            models.Index("queue", "key", "id", name="settled_key", condition=Q(key__isnull=False)),
        ]

    def __str__(self) -> str:
        return str(self.message_id)

    @cached_property
    def carries(self) -> Content:
        """The content, read when it is first asked for; ``attach`` gives many theirs at once."""
        return Content.objects.filter(pk=self.pk).first() or _nothing(self.pk)

    def attach(self, content: Content | None) -> None:
        """This is its content, as far as there is one."""
        self.__dict__["carries"] = content or _nothing(self.pk)

    @cached_property
    def intact(self) -> bool:
        """Whether what it holds is what was published. Reads the body."""
        return intact(self.message_id, self, self.checksum)


class MessageEvent(models.Model):
    """Something that happened to a message, in the order of ``id``. It may outlive the message."""

    id = models.BigAutoField(primary_key=True)
    queue_id = models.IntegerField()
    message_id = models.BigIntegerField()
    at = InstantField()
    event = models.CharField(max_length=20)
    attempt = models.IntegerField(default=0)  # the lease that ran, or the last one
    actor = models.CharField(max_length=255, null=True)  # the token's or user's name, where somebody did it
    holder = models.CharField(max_length=255, null=True)  # who holds, or held, the lease
    error = models.CharField(max_length=2000, null=True)
    detail = models.TextField(null=True)  # JSON, small
    forget_at = BrokerInstantField(null=True)  # of a message's last one: when all of them go

    class Meta:
        indexes = [
            models.Index("message_id", "id", name="event_of_message"),  # happened, unmarked, forget_events
            models.Index("forget_at", name="event_forget", condition=Q(forget_at__isnull=False)),  # forget_history
        ]


class QueueCount(models.Model):
    """How many messages a queue has per state: the sum over ``slot`` counts, one row alone may be negative."""

    pk = models.CompositePrimaryKey("queue_id", "slot")
    queue = models.ForeignKey(Queue, on_delete=models.DO_NOTHING, db_index=False, db_constraint=False)
    slot = models.IntegerField(default=0)
    scheduled = models.BigIntegerField(default=0)
    ready = models.BigIntegerField(default=0)
    blocked = models.BigIntegerField(default=0)
    leased = models.BigIntegerField(default=0)
    dead = models.BigIntegerField(default=0)


class Failure(models.Model):
    """One failed lease of a message that still exists."""

    id = models.BigAutoField(primary_key=True)
    queue_id = models.IntegerField()
    message_id = models.BigIntegerField()
    attempt = models.IntegerField()
    kind = models.CharField(max_length=20)
    consumer = models.CharField(max_length=255, null=True)
    error = models.CharField(max_length=2000, null=True)
    failed_at = InstantField()

    class Meta:
        indexes = [models.Index("message_id", "attempt", name="failure_of_message")]  # forget_failures, trim_failures


class Result(models.Model):
    """What work on a message came to, as a document of who did it: ``results.py``. It may outlive the message."""

    message_id = models.BigIntegerField(primary_key=True)
    queue_id = models.IntegerField()  # where it was settled last
    token = models.CharField(max_length=255, null=True)  # the message's correlation id
    finished_at = InstantField(null=True)  # when the message was settled for good
    forget_at = BrokerInstantField()  # from when on it may go, if the message has
    document = models.TextField()  # JSON

    class Meta:
        indexes = [models.Index("forget_at", name="result_forget")]  # old_results

    def __str__(self) -> str:
        return str(self.message_id)


class Transfer(models.Model):
    """How a message stood before a job put it back or elsewhere: kept for as long as that can be undone."""

    id = models.BigAutoField(primary_key=True)
    job = models.BigIntegerField()
    message_id = models.BigIntegerField()
    queue_id = models.IntegerField()
    target_id = models.IntegerField()
    place = models.BigIntegerField()  # its position since: while it has that, nobody has moved it again
    before = models.TextField()  # the columns of ``as_it_is`` but the error, as a JSON array
    last_error = models.CharField(max_length=2000, null=True)

    class Meta:
        indexes = [
            models.Index("job", "id", name="transfer_of_job"),  # transfers, forget_transfers
            models.Index("message_id", name="transfer_of_message"),  # redact_transfers
        ]


class Dedup(models.Model):
    """A ``dedup_id`` a queue remembers, with the message it was first accepted as."""

    pk = models.CompositePrimaryKey("queue_id", "dedup_id")
    queue_id = models.IntegerField()
    dedup_id = models.CharField(max_length=255)
    message_id = models.BigIntegerField()
    expires_at = BrokerInstantField()

    class Meta:
        indexes = [models.Index("expires_at", name="dedup_expires")]  # forget


class SearchField(models.Model):
    """One declaration of a field that a queue is searched by. Declared again after it was dropped it is another."""

    id: int
    queue_id = models.IntegerField()
    name = models.CharField(max_length=200)
    indexed = models.BooleanField(default=False)  # messages older than the declaration have their values, too
    taken = models.BooleanField(default=False)  # a job does that
    dropped = models.BooleanField(default=False)  # declared no more; its values go by and by

    class Meta:
        # fields; indexed
        indexes = [models.Index("queue_id", name="search_field_queue"), models.Index("name", name="search_field_name")]

    def __str__(self) -> str:
        return self.name


class SearchValue(models.Model):
    """What a declared field is in a message: the value's normal form (core/json_values.py)."""

    pk = models.CompositePrimaryKey("message_id", "field_id")
    queue_id = models.IntegerField()
    message_id = models.BigIntegerField()
    field_id = models.IntegerField()
    value = models.CharField(max_length=70)

    class Meta:
        indexes = [models.Index("field_id", "value", "message_id", name="search_value")]  # find
