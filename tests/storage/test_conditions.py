"""Conditions of partial indexes: the same words on every Django, as SQLite serves only statements that say them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.apps import apps
from django.db import connection, models
from django.db.backends.base.operations import BaseDatabaseOperations
from django.db.models.expressions import Col

from brokerweb.queues.models import Message
from brokerweb.queues.states import State

CONDITIONS = {
    "alert_firing": '"resolved_at" IS NULL',
    "notice_due": 'NOT ("due_at" IS NULL)',
    "saved_view_preferred": '"preferred"',
    "saved_view_shared": '"shared"',
    "connected_closing": '"closing"',
    "content_family": '"family" IS NOT NULL',
    "event_forget": '"forget_at" IS NOT NULL',
    "group_partition_until": '"until_at" IS NOT NULL',
    "job_finished": '"finished_at" IS NOT NULL',
    "job_open": "\"state\" IN ('waiting', 'running', 'trying')",
    "message_alone": '("alone" AND "state" = 1)',
    "message_blocked": '"state" = 2',
    "message_browse": 'NOT ("state" = 3)',
    "message_cause": '"state" = 4',
    "message_dead": '"state" = 4',
    "message_key": '("key" IS NOT NULL AND "queue_id" > 0)',
    "message_key_holder": '"holds_key"',
    "message_leased": '"state" = 3',
    "message_ready": '"state" = 1',
    "message_scheduled": '("deliver_at" IS NULL AND "state" = 0)',
    "message_stated": '("deliver_at" IS NOT NULL AND "state" = 0)',
    "message_ttl": '"expires_at" IS NOT NULL',
    "settled_cause": '"fingerprint" IS NOT NULL',
    "settled_key": '"key" IS NOT NULL',
    "settled_moved": "\"outcome\" = 'moved'",
}


def condition(sql: object) -> str:
    return str(sql).partition(" WHERE ")[2]


@pytest.mark.django_db
def test_the_database_has_the_conditions_that_statements_say() -> None:
    rows = connection.connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql LIKE '% WHERE %'")
    assert {name: condition(sql) for name, sql in rows} == CONDITIONS


def partial() -> Iterator[tuple[type[models.Model], Any]]:
    """Every model with an index or a constraint that has a condition."""
    for model in apps.get_models():
        for each in (*model._meta.indexes, *model._meta.constraints):
            if getattr(each, "condition", None) and not isinstance(each, models.CheckConstraint):
                yield model, each


@pytest.mark.django_db
@pytest.mark.parametrize("allowed", [True, False], ids=["Django takes a column for a condition", "Django compares it"])
def test_they_are_the_same_whatever_django_makes_of_a_boolean(monkeypatch: pytest.MonkeyPatch, allowed: bool) -> None:
    """Before 6.1 it took a column for a condition on SQLite; since then it writes ``flag = 1`` there."""

    def takes(self: BaseDatabaseOperations, expression: object) -> bool:
        return allowed or not isinstance(expression, Col)

    monkeypatch.setattr(BaseDatabaseOperations, "conditional_expression_supported_in_where_clause", takes)
    editor = connection.schema_editor(collect_sql=True)
    assert {each.name: condition(each.create_sql(model, editor)) for model, each in partial()} == CONDITIONS


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("asked", "index"),
    [({"key": "a", "holds_key": True}, "message_key_holder"), ({"state": State.READY, "alone": True}, "message_alone")],
    ids=["holds_key", "alone"],
)
def test_a_query_of_the_orm_uses_them_too(asked: dict[str, Any], index: str) -> None:
    found = Message.objects.filter(queue=1, **asked)
    assert f"INDEX {index} " in found.explain()
    assert str(found.query).partition(" WHERE ")[2].count("= 1") == 1 + ("state" in asked)


@pytest.mark.django_db
def test_what_is_not_so_is_found_by_the_negation() -> None:
    assert str(Message.objects.filter(holds_key=False).query).endswith(' WHERE NOT "brokerweb_queues_message"."holds_key"')
    assert not Message.objects.exclude(holds_key=True).exists()
