"""Job: what to do, how far it has come, and how it ended."""

from __future__ import annotations

from typing import Any

from django.db import models

from brokerweb.storage.fields import BrokerInstantField, InstantField

OPEN = ("waiting", "running", "trying")
STATES = (*OPEN, "done", "failed", "cancelled")


class Job(models.Model):
    """Long work. ``done`` and ``failed`` count items; ``total`` is what was matched at the start, if known.

    ``chunks`` fences: a chunk commits only if it is still the next one. ``retries`` counts tries in a row that came to nothing.
    ``node`` has a lease on it, which each chunk renews.
    """

    id: int
    kind = models.CharField(max_length=20)
    state = models.CharField(max_length=10, default="waiting")
    target = models.CharField(max_length=210)  # queue:NAME or stream:NAME
    targets = models.TextField(null=True)  # all of them where there are several, a line each
    to = models.CharField(max_length=210, null=True)
    params: models.JSONField[Any, Any] = models.JSONField(default=dict)
    cursor: models.JSONField[Any, Any] = models.JSONField(default=dict)  # where the next chunk begins
    total = models.BigIntegerField(null=True)
    done = models.BigIntegerField(default=0)
    failed = models.BigIntegerField(default=0)
    rate = models.FloatField(null=True)  # items per second at most
    chunks = models.IntegerField(default=0)
    retries = models.IntegerField(default=0)
    error = models.CharField(max_length=2000, null=True)
    created_by = models.CharField(max_length=255)
    created_at = InstantField()
    started_at = InstantField(null=True)
    finished_at = InstantField(null=True)
    due_at = BrokerInstantField()  # when the next chunk may run
    undone_by = models.BigIntegerField(null=True)  # the job that takes it back
    query = models.TextField(null=True)  # that selects what it works on
    node = models.CharField(max_length=200, null=True)  # which runs it, and no other does until ``held_until_at``
    held_until_at = BrokerInstantField(null=True)

    class Meta:
        constraints = [models.CheckConstraint(name="job_state_known", condition=models.Q(state__in=STATES))]
        indexes = [
            # open
            models.Index("due_at", name="job_open", condition=models.Q(state__in=OPEN)),
            # forget
            models.Index("finished_at", "id", name="job_finished", condition=models.Q(finished_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"

    @property
    def audit_detail(self) -> dict[str, str]:
        """What the audit trail says of who began it."""
        return {"job": str(self.pk)}

    @property
    def touched(self) -> list[str]:
        """Every destination that it works on."""
        return [self.target] if self.targets is None else self.targets.split("\n")


class JobItem(models.Model):
    """A message that a job's query has found, until the job acts on it."""

    pk = models.CompositePrimaryKey("job_id", "message_id")
    job_id = models.BigIntegerField()
    message_id = models.BigIntegerField()
    queue_id = models.IntegerField()


class JobFailure(models.Model):
    """One item that a job could not do."""

    id = models.BigAutoField(primary_key=True)
    job_id = models.BigIntegerField()
    destination = models.CharField(max_length=420)  # queue:NAME, stream:NAME or stream:NAME/GROUP
    item = models.CharField(max_length=40)  # a message's id, or PARTITION-OFFSET of a record
    code = models.CharField(max_length=40)
    error = models.CharField(max_length=2000)

    class Meta:
        indexes = [models.Index("job_id", "id", name="job_failure_of_job")]  # forget_failed
