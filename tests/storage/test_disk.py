"""Room on the disk: when messages are refused, when the reserve is given up and made again."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol

import pytest

from brokerweb import conf
from brokerweb.core.errors import StoreFull
from brokerweb.jobs import chunks, replaying
from brokerweb.jobs.models import Job
from brokerweb.jobs.replay_request import ReplayRequest
from brokerweb.queues import bulk, engine, filters, leasing
from brokerweb.queues import publish as django_publish
from brokerweb.queues.messages import NewMessage, Settle
from brokerweb.routing.messages import Publish, TransactRequest
from brokerweb.routing.transacting import transact
from brokerweb.storage import disk
from brokerweb.storage.disk import KIB, MIB, Disk, Sizes
from brokerweb.storage.run import perform
from brokerweb.streams import engine as streams
from brokerweb.streams.records import NewRecord
from tests.routing.bench import bind, bodies, declare_queues, declare_stream, records, send
from tests.routing.bench import message as topic_message


class Free(Protocol):
    def __call__(self, size: int, total: int = ...) -> None: ...


BLOCK = 4096


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> Free:
    """Says how much a disk of 100 GiB has free."""

    def say(size: int, total: int = 100 << 30) -> None:
        found = SimpleNamespace(f_frsize=BLOCK, f_blocks=total // BLOCK, f_bavail=size // BLOCK)
        monkeypatch.setattr(os, "statvfs", lambda _: found)

    return say


@pytest.fixture
def place(tmp_path: Path) -> Disk:
    return Disk(tmp_path / "db")


class Storing:
    """A transaction on a database whose file can fill so much again."""

    def __init__(self, reusable: int = 0, whole: int = 0) -> None:
        self.raw: Any = None
        self.memo: dict[Any, Any] = {}
        self.dialect = SimpleNamespace(sizes=lambda raw: Sizes(reusable, whole))


def message(size: int) -> NewMessage:
    return NewMessage(b"x" * size)


def test_far_from_the_limit_nothing_is_measured(place: Disk, free: Free) -> None:
    free(10 << 30)
    place.glance()
    assert not place.tight
    tx = Storing()
    place.take(tx, [message(1)])
    assert tx.memo == {}


def test_messages_are_refused_below_the_limit_with_what_to_do(place: Disk, free: Free) -> None:
    free(63 * MIB)
    place.glance()
    with pytest.raises(StoreFull, match=r"63.0 MiB free, and 64.0 MiB are kept \(BROKERWEB_MIN_FREE_BYTES\).*Consume or purge"):
        place.take(Storing(), [message(1)])
    assert place.refusing
    with pytest.raises(StoreFull):
        place.check(Storing(), [message(1)])


def test_nothing_is_refused_where_nothing_is_stored(place: Disk, free: Free) -> None:
    free(0)
    place.glance()
    place.take(Storing(), [])


def test_pages_of_the_file_that_can_be_filled_again_are_room(place: Disk, free: Free) -> None:
    free(60 * MIB)
    place.glance()
    place.take(Storing(reusable=200 * MIB), [message(MIB)])
    assert not place.refusing


def test_they_are_none_while_the_disk_has_too_little_for_a_log(place: Disk, free: Free) -> None:
    free(30 * MIB)
    place.glance()
    with pytest.raises(StoreFull):
        place.take(Storing(reusable=200 * MIB), [message(1)])


def test_what_the_log_has_yet_to_put_into_the_file_is_not_free(place: Disk, free: Free) -> None:
    free(120 * MIB)
    place.glance()
    place.take(Storing(), [message(1)])
    with pytest.raises(StoreFull):
        place.take(Storing(whole=60 * MIB), [message(1)])


def test_the_messages_of_one_transaction_count_together(place: Disk, free: Free) -> None:
    free(120 * MIB)
    place.glance()
    tx = Storing()
    place.take(tx, [message(12 * MIB)])
    with pytest.raises(StoreFull, match="room for"):
        place.take(tx, [message(12 * MIB)])


def test_the_limit_can_be_set_and_taken_away(place: Disk, free: Free, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROKERWEB_MIN_FREE_BYTES", str(20 << 30))
    conf.forget()
    free(10 << 30)
    place.glance()
    with pytest.raises(StoreFull):
        place.take(Storing(), [message(1)])
    monkeypatch.setenv("BROKERWEB_MIN_FREE_BYTES", "0")
    conf.forget()
    free(0)
    place.look()
    place.take(Storing(), [message(1)])


def test_a_small_disk_has_a_small_limit_a_small_reserve_and_a_small_log(place: Disk, free: Free) -> None:
    free(8 * MIB, total=16 * MIB)
    place.look()
    place.restore()
    assert (place.limit, place.log_pages) == (2 * MIB, 256)
    assert 1 * MIB < place.reserved < 2 * MIB


def test_the_reserve_is_given_up_once_nothing_is_left_and_made_again_once_there_is_room(place: Disk, free: Free) -> None:
    free(10 << 30)
    place.look()
    place.restore()
    assert place.reserved == disk.RESERVE
    free(30 * MIB)
    place.look()
    assert place.reserved == disk.RESERVE
    free(0)
    place.glance()
    assert place.reserved == disk.RESERVE, "nothing is written yet"
    place.make_way(MIB)
    assert place.reserved == disk.RESERVE - MIB
    place.give_up()
    assert place.reserved == 0
    free(40 * MIB)
    place.look()
    place.restore()
    assert place.reserved == 0, "that would leave too little"
    free(60 * MIB)
    place.look()
    place.restore()
    assert place.reserved == disk.RESERVE


@pytest.mark.parametrize(
    ("wanted", "given"), [(0, 0), (MIB, 0), (MIB + 1, 64 * KIB), (3 * MIB, 2 * MIB), (1 << 40, disk.RESERVE)]
)
def test_of_the_reserve_as_much_is_given_up_as_is_missing(place: Disk, free: Free, wanted: int, given: int) -> None:
    free(10 << 30)
    place.look()
    place.restore()
    free(MIB)
    place.make_way(wanted)
    assert place.reserved == disk.RESERVE - given


def test_that_the_reserve_is_needed_is_said_once_until_it_is_whole_again(place: Disk, free: Free, caplog: Any) -> None:
    for _ in range(2):
        free(10 << 30)
        place.look()
        place.restore()
        place.restore()
        free(0)
        for _ in range(3):
            place.make_way(MIB)
    assert caplog.text.count("the reserve is given up") == 2


def test_on_a_full_disk_the_log_holds_room(place: Disk, free: Free, tmp_path: Path) -> None:
    log = tmp_path / "db-wal"
    log.write_bytes(b"frames")
    free(10 << 30)
    place.look()
    place.restore()
    free(MIB)
    place.look()
    place.begun()
    assert log.stat().st_size == 6 + MIB
    assert log.read_bytes()[:7] == b"frames\0"


def test_near_the_limit_the_log_holds_its_room_beside_the_reserve(place: Disk, free: Free, tmp_path: Path) -> None:
    log = tmp_path / "db-wal"
    log.write_bytes(b"frames")
    free(10 << 30)
    place.look()
    place.restore()
    assert log.stat().st_size == 6
    free(200 * MIB)
    place.look()
    place.restore()
    assert log.stat().st_size == disk.LOG_PAGES * disk.PAGE
    assert log.read_bytes()[:7] == b"frames\0"
    assert place.reserved == disk.RESERVE


@pytest.fixture
def half_a_mebibyte(monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk has fewer blocks than it said: somebody else was faster."""
    left = 512 * KIB

    def take(descriptor: int, place: int, size: int) -> None:
        nonlocal left
        if left < size:
            raise OSError(28, "No space left on device")
        left -= size
        os.ftruncate(descriptor, place + size)

    monkeypatch.setattr(os, "posix_fallocate", take)


@pytest.mark.usefixtures("half_a_mebibyte")
def test_the_log_holds_what_others_have_left(place: Disk, free: Free, tmp_path: Path) -> None:
    log = tmp_path / "db-wal"
    log.write_bytes(b"")
    free(MIB)
    place.look()
    place.begun()
    assert log.stat().st_size == 512 * KIB


@pytest.mark.usefixtures("half_a_mebibyte")
def test_at_the_end_what_others_have_left_is_kept_for_the_next_start(place: Disk, free: Free) -> None:
    free(MIB)
    place.keep_what_is_left()
    assert place.reserved == 512 * KIB


def test_a_log_that_will_make_the_file_grow_is_taken_in_while_the_reserve_is_there(place: Disk, free: Free) -> None:
    free(10 << 30)
    place.measure(Storing(whole=100 * MIB))
    assert not place.log_heavy, "there is much room"
    free(200 * MIB)
    place.measure(Storing(whole=5 * MIB))
    assert not place.log_heavy
    place.measure(Storing(whole=7 * MIB))
    assert place.log_heavy
    place.growth = 0  # it was taken in
    assert not place.log_heavy


def test_it_is_the_disk_that_the_database_is_really_on(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real" / "db")
    assert disk.at(tmp_path / "link").file == tmp_path / "real" / "db"
    assert disk.at(f"file:{tmp_path}/link?cache=private").file == tmp_path / "real" / "db"


def test_an_error_of_a_full_disk_gives_the_reserve_up_whatever_the_disk_says(place: Disk, free: Free) -> None:
    free(10 << 30)
    place.look()
    place.restore()
    place.ran_out()
    assert place.reserved == 0
    place.restore()
    assert place.reserved == 0, "not at once again"


def test_a_reserve_that_finds_no_room_is_not_left_half_made(place: Disk, free: Free, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, offset: int, size: int) -> None:
        os.ftruncate(descriptor, 5)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    free(10 << 30)
    place.look()
    place.restore()
    assert not place.reserve.exists()


@pytest.mark.parametrize("name", ["", ":memory:", "file:memorydb_default?mode=memory&cache=shared"])
def test_without_a_file_there_is_room_always(name: str, free: Free) -> None:
    free(0)
    place = disk.at(name)
    place.glance()
    place.take(Storing(), [message(1 << 20)])
    place.restore()
    assert place.reserved == 0
    assert not place.give_up()


# The verbs

TRANSACT = TransactRequest(publish=[Publish("queue:orders", [topic_message("1")])])


@pytest.fixture
def full(transactional_db: None, tmp_path: Path, free: Free, monkeypatch: pytest.MonkeyPatch) -> Free:
    """A queue with two messages, a stream and a topic, on a disk that has next to nothing free."""
    declare_queues("orders", "others")
    declare_stream("log")
    bind("events", ("#", "queue:orders"), ("#", "stream:log"))
    perform(engine.publish, "orders", [NewMessage(b"1", dedup_id="a"), NewMessage(b"2")])
    place = Disk(tmp_path / "db")
    monkeypatch.setattr(disk, "of", lambda using="default": place)
    free(10 * MIB)
    place.look()
    return free


@pytest.mark.usefixtures("full")
@pytest.mark.parametrize(
    "store",
    [
        pytest.param(lambda: perform(engine.publish, "orders", [message(1)]), id="publish"),
        pytest.param(lambda: perform(streams.append, "log", [NewRecord(b"1")]), id="append"),
        pytest.param(lambda: send("events", topic_message("1")), id="topic"),
        pytest.param(
            lambda: perform(transact, TRANSACT, owner="me"),
            id="transact",
        ),
        pytest.param(lambda: django_publish("orders", 1), id="Django's publish"),
    ],
)
def test_no_verb_stores_new_messages(store: Callable[[], object]) -> None:
    with pytest.raises(StoreFull):
        store()
    assert (bodies("orders"), records()) == (["1", "2"], [])


@pytest.mark.usefixtures("full")
def test_a_repeated_publish_is_answered_since_it_stores_nothing() -> None:
    [answer] = perform(engine.publish, "orders", [NewMessage(b"1", dedup_id="a")])
    assert answer.duplicate


@pytest.mark.usefixtures("full")
def test_what_takes_messages_away_or_moves_them_goes_on() -> None:
    first, second = perform(leasing.lease, "orders", 2, engine.Terms("w")).messages
    settled = perform(engine.settle, [Settle("ack", first.receipt), Settle("dead", second.receipt)])
    assert [answer.status for answer in settled] == ["ok", "ok"]
    assert bulk.redrive_all("orders", filters.ALL, to="others") == 1
    assert bulk.purge_all("others", filters.ALL) == 1


def test_messages_are_stored_again_once_there_is_room(full: Free) -> None:
    with pytest.raises(StoreFull):
        perform(engine.publish, "orders", [message(1)])
    full(10 << 30)
    perform(engine.publish, "orders", [message(1)])


@pytest.mark.usefixtures("full")
def test_a_replay_that_is_refused_waits_as_long_as_the_disk_is_full() -> None:
    job = perform(replaying.create, "log", ReplayRequest("queue:orders"), by="somebody")
    Job.objects.filter(pk=job.pk).update(retries=chunks.MAX_RETRIES)
    perform(chunks.note_failure, job.pk, StoreFull())
    job.refresh_from_db()
    assert (job.state, job.retries) == ("running", chunks.MAX_RETRIES)


def test_a_small_disk_is_measured_always_since_it_can_be_filled_between_two_looks(place: Disk, free: Free) -> None:
    free(6 * MIB, total=6 * MIB)
    place.look()
    assert place.tight
    free(0, total=6 * MIB)
    with pytest.raises(StoreFull):
        place.take(Storing(), [message(1)])


def test_a_log_that_holds_more_than_it_needs_is_cut_down_near_the_limit(place: Disk, free: Free, tmp_path: Path) -> None:
    (tmp_path / "db-wal").write_bytes(bytes(2 * MIB))
    free(6 * MIB, total=16 * MIB)
    place.look()
    assert place.log_bloated
    free(10 << 30)
    place.look()
    assert not place.log_bloated
