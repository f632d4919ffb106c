"""C8: the file itself, read past the broker. Counters equal a recount, nothing is orphaned, no key is stuck, the file is sound.

State changes and counters share their commits, so this holds at every moment, also in what a crash left behind.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from brokerweb.queues.states import State
from brokerweb.storage.driver import sqlite

COLUMNS = {state.value: state.name.lower() for state in State}

# Messages of queues that have their whole history, and how many events of one there are
FULL = "SELECT m.id FROM brokerweb_queues_{} m JOIN brokerweb_queues_queue q ON q.id = m.queue_id WHERE q.history = 'full' AND"
_TOLD = "(SELECT count(*) FROM brokerweb_queues_messageevent e WHERE e.message_id = m.id"
# Each finds rows that should not be: (what it means, statement).
ORPHANS = (
    (
        "messages of no queue",
        "SELECT id FROM brokerweb_queues_message WHERE queue_id NOT IN (SELECT id FROM brokerweb_queues_queue)",
    ),
    (
        "counters of no queue",
        "SELECT queue_id FROM brokerweb_queues_queuecount WHERE queue_id NOT IN (SELECT id FROM brokerweb_queues_queue)",
    ),
    (
        "failures of no message",
        "SELECT id FROM brokerweb_queues_failure WHERE message_id NOT IN (SELECT id FROM brokerweb_queues_message) "
        "AND message_id NOT IN (SELECT id FROM brokerweb_queues_settledmessage)",
    ),
    (
        "messages without content",
        "SELECT id FROM brokerweb_queues_message WHERE id NOT IN (SELECT message_id FROM brokerweb_queues_content)",
    ),
    (
        "contents of no message",
        "SELECT message_id FROM brokerweb_queues_content WHERE message_id NOT IN (SELECT id FROM brokerweb_queues_message) "
        "AND message_id NOT IN (SELECT id FROM brokerweb_queues_settledmessage)",
    ),
    (
        "kept messages without content",
        "SELECT id FROM brokerweb_queues_settledmessage WHERE id NOT IN (SELECT message_id FROM brokerweb_queues_content)",
    ),
    (
        "leases of a live message that its history does not have",
        f"{FULL.format('message')} m.attempts <> {_TOLD} AND e.event = 'leased')",
    ),
    (
        "leases of a kept message that its history does not have",
        f"{FULL.format('settledmessage')} m.attempts <> {_TOLD} AND e.event = 'leased')",
    ),
    (
        "more or fewer ends than leases in the history of live messages",
        f"{FULL.format('message')} m.attempts - (m.state = {State.LEASED.value}) <> {_TOLD} AND (e.detail LIKE '%rejected%' "
        "OR e.event IN ('nacked', 'released', 'lease_expired', 'consumer_lost', 'acked')))",
    ),
    (
        "kept messages without one beginning and one end in their history",
        f"{FULL.format('settledmessage')} (1 <> {_TOLD} AND e.event = 'published') "
        f"OR 1 <> {_TOLD} AND e.event = m.outcome AND e.forget_at > 0))",
    ),
    (
        "messages both kept and alive",
        "SELECT id FROM brokerweb_queues_settledmessage WHERE id IN (SELECT id FROM brokerweb_queues_message)",
    ),
    (
        "keys that wait for nobody",
        f"SELECT DISTINCT queue_id || ':' || key FROM brokerweb_queues_message b WHERE b.state = {State.BLOCKED.value} "
        "AND NOT EXISTS "
        "(SELECT 1 FROM brokerweb_queues_message h WHERE h.queue_id = b.queue_id AND h.key = b.key AND h.holds_key)",
    ),
    (
        "messages handed out past their key's holder",
        f"SELECT m.id FROM brokerweb_queues_message m JOIN brokerweb_queues_queue q ON q.id = m.queue_id "
        f"WHERE q.keyed AND m.key IS NOT NULL AND m.state IN ({State.READY.value}, {State.LEASED.value}) AND NOT m.holds_key",
    ),
    (
        "dead or blocked holders of a key",
        f"SELECT id FROM brokerweb_queues_message WHERE holds_key AND state IN ({State.DEAD.value}, {State.BLOCKED.value})",
    ),
)


def wrongs(data: Path) -> list[str]:
    """Everything that is wrong in a data directory."""
    with copied(data) as file:
        return list(_wrongs(file))


def stored(data: Path) -> int:
    """How many messages a data directory holds; 0 where there is no table yet."""
    with copied(data) as file, closing(sqlite.connect(str(file))) as connection:
        try:
            return int(connection.execute("SELECT count(*) FROM brokerweb_queues_message").fetchone()[0])
        except sqlite.OperationalError:
            return 0


@contextmanager
def copied(data: Path) -> Iterator[Path]:
    """A copy of the store, because looking at a crashed file repairs it."""
    with tempfile.TemporaryDirectory(dir=data.parent) as folder:
        copy = Path(folder) / "data"
        shutil.copytree(data, copy, ignore=shutil.ignore_patterns("lock", "*-shm"))
        yield store_file(copy)


def store_file(data: Path) -> Path:
    """The one SQLite file of a data directory. It may still be empty: all it has can be in the log beside it."""
    files = [*data.glob("*.sqlite3")]
    assert len(files) == 1, f"one SQLite file expected in {data}, found {files}"
    return files[0]


def _wrongs(file: Path) -> Iterator[str]:
    connection = sqlite.connect(str(file))
    try:
        for (line,) in connection.execute("PRAGMA quick_check"):
            if line != "ok":
                yield f"C8 damaged: {line}"
        yield from _counters(connection)
        for meaning, statement in ORPHANS:
            if rows := connection.execute(statement).fetchmany(5):
                yield f"C8 {meaning}: {[row[0] for row in rows]}"
    except sqlite.DatabaseError as error:
        yield f"C8 unreadable: {error}"
    finally:
        connection.close()


def _counters(connection: Any) -> Iterator[str]:
    sums = ", ".join(f"sum({column})" for column in COLUMNS.values())
    keep = f"SELECT queue_id, {sums} FROM brokerweb_queues_queuecount GROUP BY queue_id"
    count = "SELECT queue_id, state, count(*) FROM brokerweb_queues_message GROUP BY queue_id, state"
    kept = {row[0]: row[1:] for row in connection.execute(keep)}
    counted: dict[int, dict[int, int]] = {}
    for queue, state, number in connection.execute(count):
        counted.setdefault(queue, {})[state] = number
    for queue in sorted(kept.keys() | counted.keys()):
        have = {column: counted.get(queue, {}).get(state, 0) for state, column in COLUMNS.items()}
        says = dict(zip(COLUMNS.values(), kept.get(queue, (0,) * len(COLUMNS)), strict=True))
        if have != says:
            yield f"C8 counters of queue {queue}: they say {says}, the table has {have}"
