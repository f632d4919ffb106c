"""Secret: what nodes share and nobody else knows. Node: a process that serves, and when it was last seen alive.
WallStep: a time at which the wall clock was set.

Where nodes share a database, what each has to tell the others: DutyLease, Report, Connected.

How things stood and what happened, for charts: FreshSamples, HourOfSamples, Mark. Who published, for the map: Publisher.

What people are told unasked: AlertRule, AlertChannel, Alert, AlertSilence, AlertNotice.
"""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from brokerweb.storage.fields import BrokerInstantField, FlagField, InstantField


class Secret(models.Model):
    """Made once, by the first node that needs it. With SQLite there are none: the data directory has the key."""

    name = models.CharField(max_length=64, primary_key=True)
    value = models.CharField(max_length=200)

    def __str__(self) -> str:
        return self.name


class Node(models.Model):
    """``seen_at`` is written every few seconds: at the next start it says how long nobody was there."""

    name = models.CharField(max_length=64, primary_key=True)
    presence = models.CharField(max_length=400)  # which process it is, while it runs; empty after a clean end
    started_at = InstantField()
    seen_at = BrokerInstantField()
    boot = models.CharField(max_length=36, null=True)  # which start of the machine it runs in, where that is known
    up = models.BigIntegerField(default=0)  # microseconds the machine had been up at ``seen_at``
    told = models.TextField(default="")  # what it says of itself, as JSON; empty where there is one node

    def __str__(self) -> str:
        return self.name


class WallStep(models.Model):
    """The wall clock was set: since then it is ahead of the broker's by ``difference`` microseconds. Before the first: by 0."""

    id = models.BigAutoField(primary_key=True)
    since_at = BrokerInstantField()
    difference = models.BigIntegerField()
    slept = models.BooleanField(default=False)  # it was the machine that slept, and the broker's clock with it

    def __str__(self) -> str:
        return f"{self.difference / 1_000_000:+} s"


class DutyLease(models.Model):
    """Which node does what is to be done once in the cluster, and until when it may unless it asks anew."""

    name = models.CharField(max_length=32, primary_key=True)
    node = models.CharField(max_length=64)
    since_at = BrokerInstantField()
    until_at = BrokerInstantField()

    def __str__(self) -> str:
        return f"{self.name}: {self.node}"


class Report(models.Model):
    """What goes on at a node, for the others: rates, who waits for messages; as JSON."""

    node = models.CharField(max_length=64, primary_key=True)
    at = BrokerInstantField()
    told = models.TextField()

    def __str__(self) -> str:
        return self.node


class Connected(models.Model):
    """A live connection, as its node tells the others."""

    id = models.CharField(max_length=64, primary_key=True)
    node = models.CharField(max_length=64)
    held = models.BigIntegerField(default=0)  # messages that it has not settled
    told = models.TextField()  # as JSON
    closing = FlagField(default=False)  # an operator wants it closed

    class Meta:
        indexes = [
            models.Index(fields=["node"], name="connected_of_node"),  # leave, forget_connected
            models.Index(fields=["node"], condition=Q(closing=True), name="connected_closing"),  # closing
        ]

    def __str__(self) -> str:
        return self.id


class FreshSamples(models.Model):
    """How a bucket of series stood at a step of ten seconds, those of them that had changed; packed."""

    pk = models.CompositePrimaryKey("bucket", "tick")
    bucket = models.BigIntegerField()
    tick = models.BigIntegerField()  # steps of ten seconds since 1970
    packed = models.BinaryField()


class HourOfSamples(models.Model):
    """How one series stood at each minute of an hour in which it was not idle and empty; packed."""

    pk = models.CompositePrimaryKey("series", "hour")
    series = models.BigIntegerField()
    hour = models.IntegerField()  # hours since 1970
    depth = models.BigIntegerField()  # the most there was
    dead = models.BigIntegerField()  # the most of them
    packed = models.BinaryField()

    class Meta:
        indexes = [models.Index("hour", name="samples_hour")]  # forget_hours


class Publisher(models.Model):
    """Who published lately, and where to: the kind and id of a queue, stream or topic. Code without a name has an empty one."""

    pk = models.CompositePrimaryKey("kind", "number", "name")
    kind = models.CharField(max_length=10)
    number = models.BigIntegerField()
    name = models.CharField(max_length=255)
    seen_at = InstantField()  # within the hour

    class Meta:
        indexes = [models.Index("seen_at", name="publisher_seen")]  # seen, forget_publishers

    def __str__(self) -> str:
        return f"{self.name} -> {self.kind} {self.number}"


class Mark(models.Model):
    """Something that charts show where it happened: a deploy, a pause, a seek, a node's start."""

    id = models.BigAutoField(primary_key=True)
    at = InstantField()
    text = models.CharField(max_length=200)
    kind = models.CharField(max_length=20)
    target = models.CharField(max_length=255, null=True)  # queue:NAME, stream:NAME; None: of the whole broker
    actor = models.CharField(max_length=255, null=True)

    class Meta:
        indexes = [models.Index("at", name="mark_at")]  # listed, unmark, crowd

    def __str__(self) -> str:
        return self.text


class AlertChannel(models.Model):
    """Where alerts are sent: ``to`` are addresses with commas between them, or a URL, which may be a secret itself."""

    name = models.CharField(max_length=200, primary_key=True)
    kind = models.CharField(max_length=20)  # email, webhook, slack
    to = models.TextField()
    secret = models.CharField(max_length=200, default="")  # a webhook's, which signs what it is sent
    sent_at = InstantField(null=True)  # when it last took something
    failed_at = InstantField(null=True)  # when it last did not, and
    error = models.CharField(max_length=500, default="")  # why

    def __str__(self) -> str:
        return self.name


class AlertRule(models.Model):
    """What is an alert: a figure of things by a pattern, ``over`` or ``under`` a limit, or a verdict, for so many seconds."""

    name = models.CharField(max_length=200, primary_key=True)
    figure = models.CharField(max_length=20)
    target = models.CharField(max_length=420)  # queue:PATTERN, stream:PATTERN/PATTERN, broker
    over = models.FloatField(null=True)
    under = models.FloatField(null=True)
    verdict = models.CharField(max_length=40, null=True)
    lasts = models.IntegerField(default=0)  # seconds
    channels = models.JSONField(default=list)  # names
    enabled = FlagField(default=True)
    version = models.BigIntegerField(default=0)  # when it was changed: alerts of another version are over

    def __str__(self) -> str:
        return self.name


class Alert(models.Model):
    """A rule holds of a target since then; once ``resolved_at`` is set it does not any more."""

    id = models.BigAutoField(primary_key=True)
    rule = models.CharField(max_length=200)
    figure = models.CharField(max_length=20)
    version = models.BigIntegerField()
    target = models.CharField(max_length=420)  # queue:NAME, stream:NAME/GROUP, broker
    value = models.FloatField(null=True)  # of the figure, when it was last written
    text = models.CharField(max_length=500)
    since_at = InstantField()
    fired_at = InstantField()
    resolved_at = InstantField(null=True)
    told = FlagField(default=False)  # its channels were told, or are being told
    channels = models.JSONField(default=list)  # those that were

    class Meta:
        indexes = [
            models.Index(fields=["fired_at"], name="alert_fired_at"),  # listed, forget
            models.Index(fields=["rule"], condition=Q(resolved_at=None), name="alert_firing"),
        ]

    def __str__(self) -> str:
        return f"{self.rule}: {self.target}"


class AlertSilence(models.Model):
    """Nothing is told of what the pattern names, until then."""

    id = models.BigAutoField(primary_key=True)
    target = models.CharField(max_length=420)  # as a rule's, or *
    rule = models.CharField(max_length=200, default="")  # of this rule alone
    until_at = InstantField()
    reason = models.CharField(max_length=200, default="")
    actor = models.CharField(max_length=255)

    def __str__(self) -> str:
        return f"{self.target} until {self.until_at}"


class AlertNotice(models.Model):
    """Something a channel is to be told, until it was, or was tried often enough."""

    id = models.BigAutoField(primary_key=True)
    channel = models.CharField(max_length=200)
    told = models.JSONField()
    at = InstantField()
    due_at = InstantField(null=True)  # the next try; None when there is none
    tries = models.IntegerField(default=0)
    error = models.CharField(max_length=500, default="")

    class Meta:
        indexes = [
            models.Index(fields=["due_at"], condition=~Q(due_at=None), name="notice_due"),
            models.Index(fields=["at"], name="notice_at"),
        ]

    def __str__(self) -> str:
        return f"{self.channel}: {self.told}"
