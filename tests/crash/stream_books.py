"""C8 of streams: the file itself, read past the broker. Counts equal a recount, records are in bounds, nothing is orphaned."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from brokerweb.storage.driver import sqlite
from brokerweb.streams.models import MAX_OFFSET, OFFSET_BITS
from tests.crash.books import copied

COUNTED = f"""
    SELECT p.id, p.low_offset, p.next_offset, p.records, p.bytes, count(r.id), coalesce(sum(
      length(r.body) + length(CAST(coalesce(r.key, '') AS BLOB)) + length(CAST(coalesce(r.headers, '') AS BLOB))), 0),
      min(r.id & {MAX_OFFSET}), max(r.id & {MAX_OFFSET})
    FROM brokerweb_streams_partition p LEFT JOIN brokerweb_streams_record r
      ON r.id >= p.id << {OFFSET_BITS} AND r.id < (p.id + 1) << {OFFSET_BITS}
    JOIN brokerweb_streams_stream s ON s.id = p.stream_id WHERE s.deleted_at IS NULL GROUP BY p.id
"""

# Each finds rows that should not be: (what it means, statement).
ORPHANS = (
    (
        "records of no partition",
        f"SELECT id FROM brokerweb_streams_record WHERE id >> {OFFSET_BITS} NOT IN (SELECT id FROM brokerweb_streams_partition)",
    ),
    (
        "partitions of no stream",
        "SELECT id FROM brokerweb_streams_partition WHERE stream_id NOT IN (SELECT id FROM brokerweb_streams_stream)",
    ),
    (
        "positions of no group",
        "SELECT group_id FROM brokerweb_streams_grouppartition "
        "WHERE group_id NOT IN (SELECT id FROM brokerweb_streams_consumergroup)",
    ),
    (
        "positions beyond the end",
        "SELECT x.group_id FROM brokerweb_streams_grouppartition x JOIN brokerweb_streams_partition p ON p.id = x.partition_id "
        "WHERE x.committed > p.next_offset",
    ),
    (
        "dedup ids of records that never were",
        "SELECT d.dedup_id FROM brokerweb_streams_streamdedup d "
        "JOIN brokerweb_streams_partition p ON p.stream_id = d.stream_id AND p.number = d.partition "
        'WHERE d."offset" >= p.next_offset',
    ),
    (
        "records of shared groups handed out twice",
        "SELECT queue_id || ':' || route FROM brokerweb_queues_message m JOIN brokerweb_queues_queue q ON q.id = m.queue_id "
        "WHERE q.stream IS NOT NULL AND m.state <> 4 AND m.position = m.id GROUP BY m.queue_id, m.route HAVING count(*) > 1",
    ),
    (
        "records of shared groups ahead of their cursor",
        "SELECT m.id FROM brokerweb_queues_message m JOIN brokerweb_streams_consumergroup g ON g.queue_id = m.queue_id "
        "JOIN brokerweb_streams_partition p ON p.stream_id = g.stream_id AND p.number = CAST(m.route AS INTEGER) "
        "JOIN brokerweb_streams_grouppartition x ON x.group_id = g.id AND x.partition_id = p.id "
        "WHERE CAST(substr(m.route, instr(m.route, '-') + 1) AS INTEGER) >= x.committed AND m.state <> 4 AND m.position = m.id",
    ),
)


def stream_wrongs(data: Path) -> list[str]:
    """Everything that is wrong with streams in a data directory."""
    with copied(data) as file:
        connection = sqlite.connect(str(file))
        try:
            return list(_wrongs(connection))
        finally:
            connection.close()


def _wrongs(connection: Any) -> Iterator[str]:
    for id, low, end, records, size, counted, weighed, first, last in connection.execute(COUNTED):
        if (records, size) != (counted, weighed):
            yield f"C8 partition {id} says {records} records of {size} bytes, and has {counted} of {weighed}"
        if counted and not low <= first <= last < end:
            yield f"C8 partition {id} goes from {low} to {end}, and has {first} to {last}"
    for meaning, statement in ORPHANS:
        if rows := connection.execute(statement).fetchmany(5):
            yield f"C8 {meaning}: {[row[0] for row in rows]}"
