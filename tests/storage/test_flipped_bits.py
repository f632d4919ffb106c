"""One bit of the database's file is flipped on disk: it is noticed, and what has it is never served as valid."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection

from brokerweb.handout import lease as handout
from brokerweb.queues import browse, checking, control, engine, leasing
from brokerweb.queues.messages import NewMessage
from brokerweb.storage import run
from brokerweb.storage.driver import sqlite
from brokerweb.storage.reading import read
from brokerweb.storage.run import perform
from brokerweb.streams import control as streams
from brokerweb.streams import engine as records
from brokerweb.streams import reading
from brokerweb.streams.definitions import load
from brokerweb.streams.records import NewRecord
from tests.storage.desk import Desk

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(params=["file", "log"])
def where(request: pytest.FixtureRequest) -> str:
    """Whether the bit is flipped in the database's file or in the log beside it, which is read while somebody has it open."""
    return str(request.param)


@contextlib.contextmanager
def held_open(path: str) -> Iterator[None]:
    """Somebody has the database open all the time, so that closing a connection does not take the log into the file."""
    other = sqlite.connect(path)
    try:
        other.execute("SELECT count(*) FROM sqlite_master").fetchone()
        yield
    finally:
        other.close()


def flip(marker: bytes, where: str) -> None:
    """Flip one bit of the marker wherever it stands, and read anew from disk afterwards."""
    path = str(connection.settings_dict["NAME"])
    if where == "file":
        connection.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
        _flip(Path(path), marker)
        return
    with held_open(path):
        connection.close()
        _flip(Path(path + "-wal"), marker)
        connection.ensure_connection()
        connection.connection.execute("SELECT count(*) FROM sqlite_master").fetchone()


def _flip(path: Path, marker: bytes) -> None:
    content = path.read_bytes()
    place, places = content.find(marker), list[int]()
    while place >= 0:
        places.append(place)
        place = content.find(marker, place + 1)
    assert places, f"{path.name} does not have it"
    with path.open("r+b") as file:
        for place in places:
            file.seek(place + len(marker) // 2)
            file.write(bytes([content[place + len(marker) // 2] ^ 4]))


def marked() -> bytes:
    return secrets.token_hex(16).encode()


@pytest.mark.parametrize("length", [100, 100_000], ids=["in a page", "over many pages"])
def test_a_message_whose_body_has_one_flipped_bit_is_dead(where: str, length: int):
    marker = marked()
    perform(control.declare, "orders", {})
    [bad, good] = perform(engine.publish, "orders", [NewMessage(b'"%b%b"' % (b"x" * length, marker)), NewMessage(b"1")])
    flip(marker, where)
    handed = perform(handout.lease, "orders", 10, leasing.Terms("w"))
    assert [m.id for m in handed.messages] == [good.id]
    message, _ = browse.read(browse.find("orders"), bad.id)
    assert (message.reason, message.intact) == ("damaged", False)


@pytest.mark.parametrize("field", ["key", "correlation_id", "headers"])
def test_so_is_one_with_a_flipped_bit_in_what_goes_with_it(where: str, field: str):
    marker = marked()
    perform(control.declare, "orders", {})
    text = f'{{"a":"{marker.decode()}"}}' if field == "headers" else marker.decode()
    [bad, good] = perform(engine.publish, "orders", [NewMessage(b"1", **{field: text}), NewMessage(b"2")])  # type: ignore[arg-type]  # fields of several kinds by their names
    flip(marker, where)
    handed = perform(handout.lease, "orders", 10, leasing.Terms("w"))
    assert [m.id for m in handed.messages] == [good.id]
    assert browse.read(browse.find("orders"), bad.id)[0].reason == "damaged"


def test_a_record_with_one_flipped_bit_answers_as_damaged(where: str):
    marker = marked()
    perform(streams.declare, "events", {})
    perform(records.append, "events", [NewRecord(b"1"), NewRecord(b'"%b"' % marker), NewRecord(b"3")])
    flip(marker, where)
    batch = read(lambda reads: reading.read(reads, load(reads, "events").partitions[0], 0))
    assert [(r.offset, r.damaged, r.body) for r in batch.records] == [(0, False, b"1"), (1, True, b""), (2, False, b"3")]


# What UTF-8 does not have, for which SQLite's driver refuses the whole row


@pytest.mark.parametrize("field", ["key", "headers"])
def test_a_text_that_is_none_any_more_costs_no_others(field: str):
    perform(control.declare, "orders", {})
    [bad, good] = perform(engine.publish, "orders", [NewMessage(b"1", **{field: '{"a":"b"}'}), NewMessage(b"2")])  # type: ignore[arg-type]  # fields of several kinds by their names
    table, row = ("message", "id") if field == "key" else ("content", "message_id")
    connection.connection.execute(
        f"UPDATE brokerweb_queues_{table} SET \"{field}\" = CAST(x'7bff7d' AS TEXT) WHERE {row} = {bad.id}"
    )
    page = browse.page(browse.find("orders"))
    assert [(m.pk, m.intact) for m in page.items] == [(bad.id, False), (good.id, True)]
    handed = perform(handout.lease, "orders", 10, leasing.Terms("w"))
    assert [m.id for m in handed.messages] == [good.id]
    assert browse.read(browse.find("orders"), bad.id)[0].reason == "damaged"


def test_so_it_is_where_the_committer_runs_the_verb(desk: Desk):
    perform(control.declare, "orders", {})
    [bad, good] = perform(engine.publish, "orders", [NewMessage(b"1", key="k"), NewMessage(b"2")])
    connection.connection.execute(f"UPDATE brokerweb_queues_message SET \"key\" = CAST(x'ff' AS TEXT) WHERE id = {bad.id}")
    run.install(desk.committer)
    try:
        handed = perform(handout.lease, "orders", 10, leasing.Terms("w"))
    finally:
        run.install(None)
    assert [m.id for m in handed.messages] == [good.id]
    assert desk.committer.last_error is None


def test_the_sweep_finds_it_and_goes_on():
    perform(control.declare, "orders", {})
    [bad, good] = perform(engine.publish, "orders", [NewMessage(b"1", key="k"), NewMessage(b"2")])
    connection.connection.execute(f"UPDATE brokerweb_queues_message SET \"key\" = CAST(x'ff' AS TEXT) WHERE id = {bad.id}")
    seen = read(checking.look, 0, 1_000_000)
    assert (seen.damaged, seen.after) == ([bad.id], good.id)
    assert perform(checking.bury, seen.damaged) == 1
    assert browse.read(browse.find("orders"), bad.id)[0].reason == "damaged"


def test_a_record_with_such_a_text_answers_as_damaged():
    perform(streams.declare, "events", {})
    perform(records.append, "events", [NewRecord(b"1", key="k"), NewRecord(b"2")])
    connection.connection.execute("UPDATE brokerweb_streams_record SET \"key\" = CAST(x'ff' AS TEXT) WHERE \"key\" = 'k'")
    batch = read(lambda reads: reading.read(reads, load(reads, "events").partitions[0], 0))
    assert [(r.offset, r.damaged) for r in batch.records] == [(0, True), (1, False)]
