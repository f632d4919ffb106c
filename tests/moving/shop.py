"""What is moved in these tests, and how two databases are compared."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from django.contrib.auth.models import Group, Permission, User
from django.contrib.sessions.backends.db import SessionStore
from django.utils import timezone

from brokerweb.cluster.nodes import begin
from brokerweb.core import clock
from brokerweb.identity.models import AuditEntry, Grant, SignInCode, Token
from brokerweb.moving.addresses import parse
from brokerweb.moving.rows import Reading
from brokerweb.moving.tables import Table, tables
from brokerweb.queues import control, engine, leasing
from brokerweb.queues.messages import NewMessage, Settle
from brokerweb.storage.transaction import transaction
from tests.queues.bench import Time
from tests.storage.scene import furnished

LOOKED_AT = "looked_at"  # an alias


def furnish(time: Time) -> None:
    """Some of everything that is stored, people and tokens included. Numbers above the last row's were given and are gone."""
    furnished(time)
    user = User.objects.create_user("é", "e@example.org", "password", last_login=timezone.now())
    group = Group.objects.create(name="operators")
    group.permissions.add(Permission.objects.get(codename="change_queue"))
    user.groups.add(group)
    user.user_permissions.add(Permission.objects.get(codename="view_message"))
    token = Token.objects.create(name="t", sha256="0" * 64, created_at=clock.wall(), created_by="system", maker="system")
    Grant.objects.create(token=token, pattern="*", verbs=["publish", "consume"])
    Grant.objects.create(user=user, kind="queue", pattern="orders", verbs=["browse"])
    SignInCode.objects.create(sha256="1" * 64, user=user, created_at=clock.wall(), expires_at=clock.wall())
    AuditEntry.objects.create(
        at=clock.wall(), actor="é", owner="user:1", action="a", target="t", detail={"b": [1, 2.5, None], "a": "é"}
    )
    session = SessionStore()
    session["x"] = "é"
    session.save()
    with transaction() as tx:
        control.declare(tx, "brief", {})
        engine.publish(tx, "brief", [NewMessage(b"1"), NewMessage(b"2")])
        leased = leasing.lease(tx, "brief", 2, leasing.Terms("w")).messages
        engine.settle(tx, [Settle("ack", message.receipt or "") for message in leased])
        begin(tx, "here")


@contextlib.contextmanager
def opened(address: str) -> Iterator[Any]:
    """A connection to a database that may be anything's."""
    connection = parse(address).open(LOOKED_AT)
    try:
        yield connection
    finally:
        connection.close()


def contents(address: str) -> dict[str, list[list[Any]]]:
    """All rows of all tables that are to be copied."""
    with opened(address) as connection:
        return {table.name: _rows(connection, table) for table in tables()}


def _rows(connection: Any, table: Table) -> list[list[Any]]:
    reading, found = Reading(connection, table), []
    while batch := reading.batch():
        found += batch
    return sorted(found, key=lambda row: repr(table.key_of(row)))


def without_clock(found: dict[str, list[list[Any]]]) -> tuple[dict[str, list[list[Any]]], dict[str, list[int]]]:
    """The same without the instants of the broker's clock, and those: leases apart, which stood still longer."""
    instants: dict[str, list[int]] = defaultdict(list)
    for table in tables():
        leased = table.place.get("leased_at")
        for row in found[table.name]:
            for n in table.lasting:
                kind = (
                    "leases" if leased is not None and row[table.place["state"]] == 3 and n == table.place["due_at"] else "others"
                )
                if row[n] is not None:
                    instants[kind].append(row[n])
                    row[n] = "instant"
    return found, instants
