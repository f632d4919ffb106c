"""Topic and Binding, and what is remembered so that a repeat gets the first answer."""

from __future__ import annotations

from django.db import models

from brokerweb.routing.settings import SETTINGS
from brokerweb.storage.fields import BrokerInstantField, InstantField


class Topic(models.Model):
    """A name to publish to; what becomes of a message is its bindings' affair."""

    id: int
    name = models.CharField(max_length=200, unique=True)
    created_at = InstantField()
    unrouted = models.CharField(max_length=10, default=SETTINGS["unrouted"].default)
    dedup_window = models.FloatField(default=SETTINGS["dedup_window"].default)
    # Drawn anew with every change, never counted up: what is remembered of the bindings under a version must not fit
    # another set of them, also when the change that drew it was rolled back.
    version = models.BigIntegerField(default=0)
    dropped = models.BigIntegerField(default=0)  # messages no binding matched, since the topic exists

    class Meta:
        constraints = [
            models.CheckConstraint(name="topic_unrouted_known", condition=models.Q(unrouted__in=list(SETTINGS["unrouted"].words)))
        ]

    def __str__(self) -> str:
        return self.name


class Binding(models.Model):
    """Messages whose routing key matches ``pattern``, and whose headers hold all of ``headers``, are copied to ``to``."""

    topic = models.ForeignKey(Topic, on_delete=models.CASCADE, related_name="bindings")
    position = models.IntegerField()  # the order they were given in
    pattern = models.CharField(max_length=255)
    to = models.CharField(max_length=210)  # queue:NAME or stream:NAME
    headers = models.TextField(default="{}")  # a JSON object of strings, as text

    class Meta:
        indexes = [models.Index("to", name="binding_target")]  # bound_to

    def __str__(self) -> str:
        return f"{self.pattern} -> {self.to}"


class TopicDedup(models.Model):
    """A ``dedup_id`` a topic remembers, and where the copies went."""

    pk = models.CompositePrimaryKey("topic_id", "dedup_id")
    topic_id = models.BigIntegerField()
    dedup_id = models.CharField(max_length=255)
    routed = models.TextField()  # JSON
    expires_at = BrokerInstantField()

    class Meta:
        indexes = [models.Index("expires_at", name="topic_dedup_expires")]  # forget


class Declaration(models.Model):
    """What a project's settings declared of a queue, stream or topic when they were applied last."""

    kind = models.CharField(max_length=10)
    name = models.CharField(max_length=200)
    settings = models.TextField()  # JSON

    class Meta:
        constraints = [models.UniqueConstraint("kind", "name", name="declaration_of")]

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"


class Transacted(models.Model):
    """A transaction that was carried out, by its owner's ``dedup_id``: a repeat gets the first answer."""

    pk = models.CompositePrimaryKey("owner", "dedup_id")
    owner = models.CharField(max_length=255)
    dedup_id = models.CharField(max_length=255)
    digest = models.CharField(max_length=64)  # of what was asked: the same id with other contents is refused
    answer = models.TextField()  # JSON
    expires_at = BrokerInstantField()

    class Meta:
        indexes = [models.Index("expires_at", name="transacted_expires")]  # forget_transacted
