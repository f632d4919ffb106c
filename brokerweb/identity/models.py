"""Tokens, grants, sign-in codes, counts of guesses and the audit trail. No row holds a secret, only hashes of secrets."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q

from brokerweb.core.names import KINDS
from brokerweb.storage.fields import BrokerInstantField, InstantField


class Token(models.Model):
    """An API token; its text was shown once, when it was made. Revoked ones stay, for the audit's sake."""

    id = models.BigAutoField(primary_key=True)
    name = models.CharField(max_length=200)
    sha256 = models.CharField(max_length=64, unique=True)  # authenticate
    created_at = InstantField()
    expires_at = InstantField(null=True)
    revoked_at = InstantField(null=True)
    last_used_at = InstantField(null=True)  # to the minute: written by a duty, never by a request
    created_by = models.CharField(max_length=255)  # the maker's owner
    maker = models.CharField(max_length=200)  # the maker's name at that time

    def __str__(self) -> str:
        return self.name

    @property
    def owner(self) -> str:
        return f"token:{self.pk}"


class Grant(models.Model):
    """Verbs on a pattern of names, for one token or one user."""

    id = models.BigAutoField(primary_key=True)
    token = models.ForeignKey(Token, null=True, on_delete=models.CASCADE, related_name="grants")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="brokerweb_grants")
    kind = models.CharField(max_length=10, null=True)  # None: queues, streams and topics alike
    pattern = models.CharField(max_length=200)
    verbs: models.JSONField[Any, Any] = models.JSONField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="grant_has_one_holder",
                condition=Q(token__isnull=False, user__isnull=True) | Q(token__isnull=True, user__isnull=False),
            ),
            models.CheckConstraint(name="grant_kind_known", condition=Q(kind=None) | Q(kind__in=KINDS)),
        ]

    def __str__(self) -> str:
        return f"{self.kind}:{self.pattern}" if self.kind else self.pattern


class SignInCode(models.Model):
    """A one-time code of a sign-in link."""

    id = models.BigAutoField(primary_key=True)
    sha256 = models.CharField(max_length=64, unique=True)  # redeem
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    created_at = InstantField()
    expires_at = InstantField()
    used_at = InstantField(null=True)

    class Meta:
        indexes = [models.Index(fields=["expires_at"], name="sign_in_code_expires")]  # forget_old_codes


class Guess(models.Model):
    """How often a sign-in failed, where nodes share a database; by a digest of the name and the address that tried it."""

    digest = models.CharField(max_length=64, primary_key=True)
    failures = models.IntegerField()
    until_at = BrokerInstantField()  # then it is forgotten

    class Meta:
        indexes = [models.Index(fields=["until_at"], name="guess_until")]  # forget_guesses

    def __str__(self) -> str:
        return self.digest


class AuditEntry(models.Model):
    """Who did what to what, when and from where. Only ever added to, but for an error's text that a redaction takes away."""

    id = models.BigAutoField(primary_key=True)
    at = InstantField()
    actor = models.CharField(max_length=200)
    owner = models.CharField(max_length=255)  # token:ID, user:ID, system, or empty for nobody known
    action = models.CharField(max_length=100)
    target = models.CharField(max_length=255)
    detail: models.JSONField[Any, Any] = models.JSONField(default=dict)
    address = models.CharField(max_length=100, default="")

    class Meta:
        indexes = [models.Index(fields=["target", "id"], name="audit_of_target")]  # audit.forget_error

    def __str__(self) -> str:
        return f"{self.actor} {self.action} {self.target}"


class Client(models.Model):
    """Who a holder of leases is: a connection that subscribes, a subscription with another name, or a caller of REST."""

    # As messages have it; of a connection what its subscriptions share.
    holder = models.CharField(max_length=255, primary_key=True)
    client = models.CharField(max_length=255)  # what it calls itself, else its token's or user's name
    name = models.CharField(max_length=200)  # the token's or user's
    owner = models.CharField(max_length=255)
    connection = models.CharField(max_length=64, null=True)  # its id; None of a caller of REST
    address = models.CharField(max_length=255, null=True)
    first_seen_at = BrokerInstantField()
    last_seen_at = BrokerInstantField()

    class Meta:
        indexes = [models.Index("last_seen_at", name="client_last_seen")]  # forget_clients, nth_client

    def __str__(self) -> str:
        return self.client
