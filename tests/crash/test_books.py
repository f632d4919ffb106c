"""C8 is tested: a sound file passes, and every way to be wrong is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from brokerweb.storage.driver import sqlite
from tests.crash.books import wrongs

TABLES = """
    CREATE TABLE brokerweb_queues_queue (id INTEGER PRIMARY KEY, keyed BOOL, history TEXT);
    CREATE TABLE brokerweb_queues_message (id INTEGER PRIMARY KEY, queue_id INT, state INT, key TEXT, holds_key BOOL,
      attempts INT);
    CREATE TABLE brokerweb_queues_settledmessage (id INTEGER PRIMARY KEY, queue_id INT, outcome TEXT, attempts INT);
    CREATE TABLE brokerweb_queues_messageevent (message_id INT, event TEXT, forget_at INT, detail TEXT);
    CREATE TABLE brokerweb_queues_queuecount (queue_id INT, slot INT, scheduled INT, ready INT, blocked INT, leased INT,
      dead INT);
    CREATE TABLE brokerweb_queues_content (message_id INTEGER PRIMARY KEY);
    CREATE TABLE brokerweb_queues_failure (id INTEGER PRIMARY KEY, message_id INT);
    INSERT INTO brokerweb_queues_queue VALUES (1, 0, 'failures'), (2, 1, 'full');
    INSERT INTO brokerweb_queues_message VALUES
      (1, 1, 1, NULL, 0, 7), (2, 2, 3, 'k', 1, 2), (3, 2, 2, 'k', 0, 0), (4, 1, 4, NULL, 0, 1);
    INSERT INTO brokerweb_queues_settledmessage VALUES (5, 2, 'acked', 1);
    INSERT INTO brokerweb_queues_messageevent (message_id, event, forget_at) VALUES (2, 'published', NULL), (2, 'leased', NULL),
      (2, 'nacked', NULL), (2, 'leased', NULL), (5, 'published', NULL), (5, 'leased', NULL), (5, 'acked', 9);
    INSERT INTO brokerweb_queues_content VALUES (1), (2), (3), (4), (5);
    INSERT INTO brokerweb_queues_queuecount VALUES (1, 0, 0, 2, 0, 0, 1), (1, 7, 0, -1, 0, 0, 0), (2, 7, 0, 0, 1, 1, 0);
    INSERT INTO brokerweb_queues_failure VALUES (1, 4);
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    _run(tmp_path / "data", TABLES)
    return tmp_path / "data"


def _run(data: Path, script: str) -> None:
    connection = sqlite.connect(str(data / "broker.sqlite3"))
    connection.executescript(script)
    connection.close()


def test_sound_books_pass(data: Path) -> None:
    assert wrongs(data) == []


@pytest.mark.parametrize(
    ("complaint", "script"),
    [
        ("counters of queue 1", "DELETE FROM brokerweb_queues_message WHERE id = 1"),
        ("counters of queue 2", "UPDATE brokerweb_queues_message SET state = 1 WHERE id = 2"),
        ("messages of no queue", "UPDATE brokerweb_queues_message SET queue_id = 9 WHERE id = 1"),
        ("counters of no queue", "UPDATE brokerweb_queues_queuecount SET queue_id = 9 WHERE slot = 0"),
        ("messages without content", "DELETE FROM brokerweb_queues_content WHERE message_id = 1"),
        ("contents of no message", "INSERT INTO brokerweb_queues_content VALUES (9)"),
        ("leases of a live message", "UPDATE brokerweb_queues_message SET attempts = 3 WHERE id = 2"),
        ("leases of a kept message", "DELETE FROM brokerweb_queues_messageevent WHERE message_id = 5 AND event = 'leased'"),
        ("more or fewer ends than leases", "INSERT INTO brokerweb_queues_messageevent VALUES (2, 'nacked', NULL, NULL)"),
        (
            "kept messages without one beginning and one end",
            "INSERT INTO brokerweb_queues_messageevent VALUES (5, 'acked', 9, NULL)",
        ),
        ("kept messages without one beginning and one end", "UPDATE brokerweb_queues_messageevent SET forget_at = NULL"),
        ("kept messages without content", "DELETE FROM brokerweb_queues_content WHERE message_id = 5"),
        ("messages both kept and alive", "UPDATE brokerweb_queues_settledmessage SET id = 1"),
        ("failures of no message", "UPDATE brokerweb_queues_failure SET message_id = 9"),
        ("keys that wait for nobody", "UPDATE brokerweb_queues_message SET holds_key = 0 WHERE id = 2"),
        ("messages handed out past their key's holder", "UPDATE brokerweb_queues_message SET holds_key = 0 WHERE id = 2"),
        ("dead or blocked holders of a key", "UPDATE brokerweb_queues_message SET holds_key = 1 WHERE id = 3"),
    ],
)
def test_each_wrong_is_found(data: Path, complaint: str, script: str) -> None:
    _run(data, script)

    assert any(line.startswith(f"C8 {complaint}") for line in wrongs(data)), wrongs(data)


def test_a_damaged_file_is_found(data: Path) -> None:
    file = data / "broker.sqlite3"
    file.write_bytes(file.read_bytes()[:4096] + bytes(4096) + file.read_bytes()[8192:])

    assert wrongs(data)
