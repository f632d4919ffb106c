"""Secret: what nodes share and nobody else knows. Node: a process that serves, and when it was last seen alive.
WallStep: a time at which the wall clock was set.

Where nodes share a database, what each has to tell the others: DutyLease, Report, Connected.
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
