"""What is read by name has the names: row types have the columns, or parameters, of their statements, in their order."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection

from brokerweb.cluster.nodes import Q as NODES
from brokerweb.cluster.nodes import Seen as SeenNode
from brokerweb.core.clock import Step
from brokerweb.handout.refill import Q as SHARING
from brokerweb.jobs.chunks import Open
from brokerweb.jobs.destinations import Q as JOBS
from brokerweb.queues import checking as messages
from brokerweb.queues import kept
from brokerweb.queues.definitions import Definition as QueueDefinition
from brokerweb.queues.definitions import Q as QUEUES
from brokerweb.queues.history import Q as HISTORY
from brokerweb.queues.history import Seen as SeenOfWalk
from brokerweb.queues.messages import Leased
from brokerweb.queues.moves import Seen
from brokerweb.queues.rows import Due, Held, MessageRow, Waiting
from brokerweb.queues.selection import Q as OPERATORS
from brokerweb.routing.bindings import Binding
from brokerweb.routing.definitions import Q as TOPICS
from brokerweb.storage.statements import Statement
from brokerweb.streams import checking as records
from brokerweb.streams.control import C
from brokerweb.streams.definitions import Definition as StreamDefinition
from brokerweb.streams.definitions import PartitionRow
from brokerweb.streams.definitions import Q as STREAMS
from brokerweb.streams.groups import Group, Place
from brokerweb.streams.groups import Q as GROUPS
from brokerweb.streams.records import Oldest

PARTITION = PartitionRow._fields
# The fields, and the statements that have them as columns.
READ: list[tuple[tuple[str, ...], list[Statement]]] = [
    (QueueDefinition._fields, [QUEUES.find_queue, QUEUES.find_queue_by_id]),
    (Leased.__struct_fields__[:20], [QUEUES.next_ready, QUEUES.next_alone]),
    (Held._fields[:-1], [QUEUES.held]),
    (Held._fields, [QUEUES.overdue, QUEUES.held_by_sockets]),
    (Due._fields, [QUEUES.due_scheduled]),
    (Waiting._fields, [QUEUES.expired, QUEUES.oldest_in_state, QUEUES.outlived]),
    (Seen._fields, [OPERATORS.find_message]),
    (StreamDefinition._fields[:-1], [STREAMS.find_stream, STREAMS.find_stream_by_id]),
    (PARTITION, [STREAMS.partitions, STREAMS.partition]),
    (Oldest._fields, [C.oldest]),
    (messages.Swept._fields, [OPERATORS.sweep]),
    (kept.Swept._fields, [HISTORY.sweep_kept]),
    (kept.Kept._fields, [HISTORY.outdated, HISTORY.kept_of]),
    (SeenOfWalk._fields, [HISTORY.walk]),
    (records.Swept._fields, [C.sweep]),
    (Group._fields, [GROUPS.find_group, GROUPS.lock_group, GROUPS.group]),
    (PARTITION + Place._fields[1:], [GROUPS.places, GROUPS.place]),
    ((*PARTITION, "committed"), [SHARING.cursors]),
    (Binding._fields, [TOPICS.bindings]),
    (Open._fields, [JOBS.open]),
    (SeenNode._fields, [NODES.last_seen]),
    (Step._fields, [NODES.steps]),
]


def names(statement: Statement) -> tuple[str, ...]:
    cursor: Any = connection.connection.execute(statement.text["sqlite"], (1,) * len(statement.params))
    return tuple(column for column, *_ in cursor.description)


@pytest.mark.django_db
@pytest.mark.parametrize(("fields", "statements"), READ, ids=lambda read: "")
def test_a_row_has_its_statements_columns(fields: tuple[str, ...], statements: list[Statement]):
    assert {statement.name: names(statement) for statement in statements} == dict.fromkeys([s.name for s in statements], fields)


def test_a_message_is_stored_as_its_row_names_it():
    assert MessageRow._fields == QUEUES.insert.params + QUEUES.insert_content.params[2:]
    assert QUEUES.insert_content.params[0] == "message"


def test_what_follows_the_columns_is_what_a_lease_adds():
    assert Leased.__struct_fields__[20:] == ("lease_until", "lease", "receipt", "place")
