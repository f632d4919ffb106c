import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import brokerweb.storage.fields


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Token",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=200)),
                ("sha256", models.CharField(max_length=64, unique=True)),
                ("created_at", brokerweb.storage.fields.InstantField()),
                ("expires_at", brokerweb.storage.fields.InstantField(null=True)),
                ("revoked_at", brokerweb.storage.fields.InstantField(null=True)),
                ("last_used_at", brokerweb.storage.fields.InstantField(null=True)),
                ("created_by", models.CharField(max_length=255)),
                ("maker", models.CharField(max_length=200)),
            ],
        ),
        migrations.CreateModel(
            name="AuditEntry",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("at", brokerweb.storage.fields.InstantField()),
                ("actor", models.CharField(max_length=200)),
                ("owner", models.CharField(max_length=255)),
                ("action", models.CharField(max_length=100)),
                ("target", models.CharField(max_length=255)),
                ("detail", models.JSONField(default=dict)),
                ("address", models.CharField(default="", max_length=100)),
            ],
            options={
                "indexes": [
                    models.Index(fields=["target", "id"], name="audit_of_target"),
                    models.Index(fields=["at"], name="audit_at"),
                ],
            },
        ),
        migrations.CreateModel(
            name="SavedView",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("path", models.CharField(max_length=500)),
                ("query", models.CharField(max_length=2000)),
                ("name", models.CharField(max_length=100)),
                ("shared", brokerweb.storage.fields.FlagField(default=False)),
                ("preferred", brokerweb.storage.fields.FlagField(default=False)),
                ("created_at", brokerweb.storage.fields.InstantField()),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(condition=models.Q(("shared", True)), fields=["path"], name="saved_view_shared"),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("user", "path", "name"), name="saved_view_name"),
                    models.UniqueConstraint(
                        condition=models.Q(("preferred", True)), fields=("user", "path"), name="saved_view_preferred"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Guess",
            fields=[
                ("digest", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("failures", models.IntegerField()),
                ("until_at", brokerweb.storage.fields.BrokerInstantField()),
            ],
            options={
                "indexes": [models.Index(fields=["until_at"], name="guess_until")],
            },
        ),
        migrations.CreateModel(
            name="SignInCode",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("sha256", models.CharField(max_length=64, unique=True)),
                ("created_at", brokerweb.storage.fields.InstantField()),
                ("expires_at", brokerweb.storage.fields.InstantField()),
                ("used_at", brokerweb.storage.fields.InstantField(null=True)),
                (
                    "user",
                    models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["expires_at"], name="sign_in_code_expires")],
            },
        ),
        migrations.CreateModel(
            name="Grant",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("kind", models.CharField(max_length=10, null=True)),
                ("pattern", models.CharField(max_length=200)),
                ("verbs", models.JSONField()),
                (
                    "user",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="brokerweb_grants",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "token",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="grants",
                        to="brokerweb_identity.token",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("token__isnull", False), ("user__isnull", True)),
                            models.Q(("token__isnull", True), ("user__isnull", False)),
                            _connector="OR",
                        ),
                        name="grant_has_one_holder",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("kind", None), ("kind__in", ("queue", "stream", "topic")), _connector="OR"),
                        name="grant_kind_known",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="MessageTemplate",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=100)),
                ("kind", models.CharField(max_length=10)),
                ("destination", models.CharField(max_length=200)),
                ("shared", models.BooleanField(default=False)),
                ("fields", models.JSONField()),
                ("size", models.IntegerField()),
                ("saved_at", brokerweb.storage.fields.InstantField()),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["kind", "destination"], name="template_of_destination")],
                "constraints": [
                    models.UniqueConstraint(fields=("user", "kind", "destination", "name"), name="template_named_once"),
                    models.CheckConstraint(
                        condition=models.Q(("kind__in", ("queue", "stream", "topic"))), name="template_kind_known"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Mask",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("kind", models.CharField(max_length=10, null=True)),
                ("pattern", models.CharField(max_length=200)),
                ("fields", models.JSONField()),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("kind", None), ("kind__in", ("queue", "stream", "topic")), _connector="OR"),
                        name="mask_kind_known",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Schema",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=200, unique=True)),
                ("kind", models.CharField(max_length=10)),
                ("pattern", models.CharField(max_length=210)),
                ("content_type", models.CharField(max_length=255, null=True)),
                ("message", models.CharField(max_length=500, null=True)),
                ("size", models.IntegerField()),
                ("created_at", brokerweb.storage.fields.InstantField()),
                ("created_by", models.CharField(max_length=200)),
                ("changed_at", brokerweb.storage.fields.InstantField()),
                ("changed_by", models.CharField(max_length=200)),
                ("source", models.BinaryField()),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(condition=models.Q(("kind__in", ("avro", "protobuf"))), name="schema_kind_known"),
                ],
            },
        ),
        migrations.CreateModel(
            name="TokenDay",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("day", models.IntegerField()),
                ("minute", models.IntegerField()),
                ("minutes", models.IntegerField()),
                (
                    "token",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="days",
                        to="brokerweb_identity.token",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["day"], name="token_day")],
                "constraints": [models.UniqueConstraint(fields=("token", "day"), name="token_day_once")],
            },
        ),
        migrations.CreateModel(
            name="Person",
            fields=[
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="brokerweb_person",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("made", models.BooleanField(default=False)),
                ("epoch", models.IntegerField(default=0)),
                ("last_seen_at", brokerweb.storage.fields.InstantField(null=True)),
                ("invitation", models.CharField(max_length=64, null=True, unique=True)),
                ("invited_until_at", brokerweb.storage.fields.InstantField(null=True)),
                ("issuer", models.CharField(max_length=500, null=True)),
                ("subject", models.CharField(max_length=255, null=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("issuer", "subject"), name="person_known_once"),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("issuer", None), ("subject", None)),
                            models.Q(("issuer__isnull", False), ("subject__isnull", False)),
                            _connector="OR",
                        ),
                        name="person_known_whole",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Client",
            fields=[
                ("holder", models.CharField(max_length=255, primary_key=True, serialize=False)),
                ("client", models.CharField(max_length=255)),
                ("name", models.CharField(max_length=200)),
                ("owner", models.CharField(max_length=255)),
                ("connection", models.CharField(max_length=64, null=True)),
                ("address", models.CharField(max_length=255, null=True)),
                ("first_seen_at", brokerweb.storage.fields.BrokerInstantField()),
                ("last_seen_at", brokerweb.storage.fields.BrokerInstantField()),
            ],
            options={
                "indexes": [models.Index(models.F("last_seen_at"), name="client_last_seen")],
            },
        ),
    ]
