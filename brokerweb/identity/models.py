"""Tokens, grants, people, masks, schemas, sign-in codes, guesses, templates, the audit trail.

No row holds a secret, only hashes.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q

from brokerweb.core.names import KINDS
from brokerweb.storage.fields import BrokerInstantField, FlagField, InstantField


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


class TokenDay(models.Model):
    """In how many minutes of a day a token was used; written by the duty that writes ``last_used_at``."""

    id = models.BigAutoField(primary_key=True)
    token = models.ForeignKey(Token, on_delete=models.CASCADE, related_name="days")
    day = models.IntegerField()  # since 1970, UTC
    minute = models.IntegerField()  # of the day: the last that is counted, so that nodes count none twice
    minutes = models.IntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(name="token_day_once", fields=["token", "day"])]
        indexes = [models.Index(fields=["day"], name="token_day")]  # forget_old_days

    def __str__(self) -> str:
        return f"{self.token_id} on {self.day}"


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


class Mask(models.Model):
    """Fields of messages that are hidden from who may not unmask them, of all that a pattern names."""

    id = models.BigAutoField(primary_key=True)
    kind = models.CharField(max_length=10, null=True)  # None: queues, streams and topics alike
    pattern = models.CharField(max_length=200)
    fields: models.JSONField[Any, Any] = models.JSONField()

    class Meta:
        constraints = [models.CheckConstraint(name="mask_kind_known", condition=Q(kind=None) | Q(kind__in=KINDS))]

    def __str__(self) -> str:
        return f"{self.kind}:{self.pattern}" if self.kind else self.pattern


class Schema(models.Model):
    """What bodies consist of, in Avro's or Protobuf's words, of all that a pattern names: pages read them by it."""

    id = models.BigAutoField(primary_key=True)
    name = models.CharField(max_length=200, unique=True)  # schemas.find
    kind = models.CharField(max_length=10)
    pattern = models.CharField(max_length=210)  # with its kind of things before it, as requests have it
    content_type = models.CharField(max_length=255, null=True)  # None: any that says nothing else
    message = models.CharField(max_length=500, null=True)  # of Protobuf the full name
    size = models.IntegerField()  # bytes of the source
    created_at = InstantField()
    created_by = models.CharField(max_length=200)
    changed_at = InstantField()
    changed_by = models.CharField(max_length=200)
    source = models.BinaryField()  # last: SQLite reads a row from the front

    class Meta:
        constraints = [models.CheckConstraint(name="schema_kind_known", condition=Q(kind__in=("avro", "protobuf")))]

    def __str__(self) -> str:
        return self.name


class Person(models.Model):
    """What the broker knows of one of Django's users, beside their grants."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, primary_key=True, on_delete=models.CASCADE, related_name="brokerweb_person"
    )
    made = models.BooleanField(default=False)  # by the broker, which may take the user away again
    epoch = models.IntegerField(default=0)  # sessions that began in an earlier one have ended
    last_seen_at = InstantField(null=True)  # to the minute: written by a duty, never by a request
    invitation = models.CharField(max_length=64, null=True, unique=True)  # the hash of a link's code: invitations.find
    invited_until_at = InstantField(null=True)
    issuer = models.CharField(max_length=500, null=True)  # who vouches for them, and under which name
    subject = models.CharField(max_length=255, null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="person_known_once", fields=["issuer", "subject"]),
            models.CheckConstraint(
                name="person_known_whole",
                condition=Q(issuer=None, subject=None) | Q(issuer__isnull=False, subject__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return str(self.user_id)


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


class SavedView(models.Model):
    """An address of a list of the console under a name: its owner's alone, or shared with everybody."""

    id = models.BigAutoField(primary_key=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    path = models.CharField(max_length=500)  # of the list
    query = models.CharField(max_length=2000)
    name = models.CharField(max_length=100)
    shared = FlagField(default=False)
    preferred = FlagField(default=False)  # it opens where its owner asks for the list alone
    created_at = InstantField()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="saved_view_name", fields=["user", "path", "name"]),
            models.UniqueConstraint(name="saved_view_preferred", fields=["user", "path"], condition=Q(preferred=True)),
        ]
        indexes = [models.Index(fields=["path"], name="saved_view_shared", condition=Q(shared=True))]  # of_list

    def __str__(self) -> str:
        return self.name


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
    """Who did what to what, when and from where. Only ever added to, but for an error's text that a redaction takes
    away, and for the oldest, which end."""

    id = models.BigAutoField(primary_key=True)
    at = InstantField()
    actor = models.CharField(max_length=200)
    owner = models.CharField(max_length=255)  # token:ID, user:ID, system, or empty for nobody known
    action = models.CharField(max_length=100)
    target = models.CharField(max_length=255)
    detail: models.JSONField[Any, Any] = models.JSONField(default=dict)
    address = models.CharField(max_length=100, default="")

    class Meta:
        indexes = [
            models.Index(fields=["target", "id"], name="audit_of_target"),  # audit.forget_error, trail.last_change
            models.Index(fields=["at"], name="audit_at"),  # trail.forget_old
        ]

    def __str__(self) -> str:
        return f"{self.actor} {self.action} {self.target}"


class MessageTemplate(models.Model):
    """A message somebody keeps to publish it again: what its form held, for one destination."""

    id = models.BigAutoField(primary_key=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=100)
    kind = models.CharField(max_length=10)
    destination = models.CharField(max_length=200)
    shared = models.BooleanField(default=False)  # whether others who may publish there have it, too
    fields: models.JSONField[Any, Any] = models.JSONField()  # as they were typed
    size = models.IntegerField()  # bytes of the fields
    saved_at = InstantField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "kind", "destination", "name"], name="template_named_once"),
            models.CheckConstraint(name="template_kind_known", condition=Q(kind__in=KINDS)),
        ]
        indexes = [models.Index(fields=["kind", "destination"], name="template_of_destination")]  # templates.listing

    def __str__(self) -> str:
        return self.name


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
