"""Handlers as people run them: ``manage.py consume`` beside ``serve``, on SQLite and on PostgreSQL, with signals and kills."""

from __future__ import annotations

import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from brokerweb import conf
from tests.clients import Json, Refused, Rest
from tests.eventually import eventually
from tests.handlers.processes import Consume, Notes, shop
from tests.server import Server

pytestmark = pytest.mark.long


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    postgres = request.getfixturevalue("postgres_servers").get("wheel") if request.param == "postgres" else None
    with shop(tmp_path_factory.mktemp("shop") / "data", postgres) as server:
        yield server.start()


@pytest.fixture
def rest(server: Server) -> Iterator[Rest]:
    with server.rest() as rest:
        yield rest


@pytest.fixture(scope="module")
def working(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Consume]:
    """A process with all handlers, but those whose tests have one of their own."""
    names = ("plain", "batched", "failing", "again", "late", "coroutine", "late-coroutine", "events/billing", "parts/shared")
    with server.rest() as rest:
        rest.call("PUT", "/streams/parts/groups/shared", {"kind": "shared"})
    with Consume(server, tmp_path_factory.mktemp("notes"), *names) as working:
        yield working


@pytest.fixture
def notes(working: Consume) -> Notes:
    return Notes(working.folder)


def messages(rest: Rest, queue: str) -> list[Json]:
    return list(rest.browse(queue))


def one(rest: Rest, queue: str) -> Json:
    """The only message, with its failures."""
    [message] = messages(rest, queue)
    return dict(rest.call("GET", f"/queues/{queue}/messages/{message['id']}"))


def left(rest: Rest, queue: str) -> int:
    return sum(rest.queue(queue)["counts"][state] for state in ("ready", "scheduled", "leased", "blocked"))


# One process with everything


def test_each_message_is_handled_once_and_acknowledged(rest: Rest, notes: Notes):
    for n in range(0, 200, 20):
        rest.publish("plain", *({"body": n + i} for i in range(20)))
    eventually(lambda: left(rest, "plain") == 0)
    assert sorted(notes.of("plain")) == list(range(200))


def test_batches_come_as_lists(rest: Rest, notes: Notes):
    rest.publish("batched", *({"body": n} for n in range(200)))
    eventually(lambda: left(rest, "batched") == 0)
    lists = notes.of("batched")
    assert sorted(body for bodies in lists for body in bodies) == list(range(200))
    assert max(len(bodies) for bodies in lists) == 50


def test_an_error_is_the_failure_with_its_traceback(rest: Rest, working: Consume):
    rest.publish("failing", {"body": "socks"})
    eventually(lambda: rest.queue("failing")["counts"]["scheduled"] == 1)
    [failure] = one(rest, "failing")["failed"]
    assert failure["error"].startswith("Traceback (most recent call last):\n")
    assert failure["error"].rstrip().endswith("ValueError: no stock for socks")
    assert "consumers.py" in failure["error"]
    assert "brokerweb/handlers" not in failure["error"], "it begins where the handler's own code does"
    assert "ValueError: no stock for socks" in working.said
    assert (failure["client"].partition("@")[0], failure["client"].rpartition(":")[2]) == ("consume", str(working.process.pid))


def test_retry_and_reject_say_what_becomes_of_a_message(rest: Rest, notes: Notes):
    rest.publish("again", {"body": 1})
    eventually(lambda: rest.queue("again")["counts"]["dead"] == 1)
    assert notes.of("again") == [1, 2]
    failures = one(rest, "again")["failed"]
    assert [(failure["kind"], failure["error"]) for failure in failures] == [("nacked", "not yet"), ("rejected", "never")]


def test_a_function_that_takes_too_long_has_failed_and_nothing_of_it_is_kept(rest: Rest, notes: Notes, working: Consume):
    [published] = rest.publish("late", {"body": "slow"})
    eventually(lambda: rest.queue("late")["counts"]["scheduled"] == 1)
    [failure] = one(rest, "late")["failed"]
    assert "the time limit of 0.3 s is over; a function cannot be stopped" in failure["error"]
    assert "in hold" in failure["error"], "it says where the function stands"
    assert "crew.py" not in failure["error"]
    notes.let_go("slow")
    eventually(lambda: f"message {published['id']} is not kept" in working.said)
    eventually(lambda: left(rest, "late") == 0)
    assert notes.of("late")[:2] == [1, 2]  # the limit is short for a busy machine


def test_coroutines_run_side_by_side_and_use_the_database(rest: Rest, notes: Notes, server: Server):
    rest.publish("coroutine", *({"body": f"c{n}"} for n in range(40)))
    eventually(lambda: left(rest, "coroutine") == 0)
    assert sorted(notes.of("coroutine")) == sorted(f"c{n}" for n in range(40))


def test_a_coroutine_that_takes_too_long_is_cancelled(rest: Rest, notes: Notes):
    rest.publish("late-coroutine", {"body": "x"})
    eventually(lambda: rest.queue("late-coroutine")["counts"]["scheduled"] == 1)
    assert notes.of("cancelled") == ["x"]
    [failure] = one(rest, "late-coroutine")["failed"]
    assert "the time limit of 0.3 s is over; it was cancelled" in failure["error"]
    assert "in late_coroutine" in failure["error"]
    assert "await asyncio.sleep(3600)" in failure["error"]


def test_a_partitioned_group_keeps_the_order_of_each_partition(rest: Rest, notes: Notes):
    bodies = ["a", "shaky", "b", "bad", "c"]
    for partition in (0, 1):
        records = [{"body": body, "partition": partition} for body in bodies]
        rest.call("POST", "/streams/events/records", {"records": records})
    eventually(lambda: rest.call("GET", "/streams/events/groups/billing")["lag"] == 0)
    for partition in (0, 1):
        seen = [body for number, _, body in notes.of("billing") if number == partition]
        assert seen == ["a", "shaky", "shaky", "b", "bad", "c"]


def test_a_shared_group_settles_each_record(rest: Rest, notes: Notes):
    rest.call("POST", "/streams/parts/records", {"records": [{"body": n} for n in range(20)]})
    eventually(lambda: rest.call("GET", "/streams/parts/groups/shared")["lag"] == 0)
    assert sorted(body for _, _, body in notes.of("shared")) == list(range(20))


# Processes that stop, or die


def test_a_kill_between_the_rows_and_the_ack_leaves_neither(server: Server, rest: Rest, tmp_path: Path):
    """Effectively once: what was done of an atomic message is gone with the process, and done once by the next."""
    rest.publish("atomic", {"body": "once"})
    first = Consume(server, tmp_path, "atomic").start()
    notes = Notes(tmp_path)
    eventually(lambda: notes.of("atomic") == ["once"])
    first.kill()
    notes.let_go("once")
    with Consume(server, tmp_path, "atomic") as second:
        eventually(lambda: left(rest, "atomic") == 0, 40, why=second.said)
        assert notes.of("atomic") == ["once", "once"]
        assert second.stop() == 0
    assert parcels(server, "once") == 1


def test_work_that_lasts_keeps_its_lease(server: Server, rest: Rest, tmp_path: Path):
    rest.publish("held", {"body": "long"})
    notes = Notes(tmp_path)
    with Consume(server, tmp_path, "held") as working:
        eventually(lambda: notes.of("held") == ["long"])
        [message] = messages(rest, "held")
        first = rest.call("GET", f"/queues/held/messages/{message['id']}")["lease_until_at"]
        eventually(lambda: rest.call("GET", f"/queues/held/messages/{message['id']}")["lease_until_at"] != first)
        notes.let_go("long")
        eventually(lambda: left(rest, "held") == 0)
        assert working.stop() == 0
    assert notes.of("held") == ["long"]


def test_atomic_work_may_last_longer_than_its_lease(server: Server, rest: Rest, tmp_path: Path):
    """On SQLite nothing can extend the lease meanwhile, and nothing can end it."""
    rest.publish("atomic", {"body": "lasting"})
    notes = Notes(tmp_path)
    with Consume(server, tmp_path, "atomic") as working:
        eventually(lambda: notes.of("atomic") == ["lasting"])
        until = time.monotonic() + 4.5
        eventually(lambda: time.monotonic() > until)
        notes.let_go("lasting")
        eventually(lambda: left(rest, "atomic") == 0, 40, why=working.said)
        assert working.stop() == 0
    assert notes.of("atomic") == ["lasting"]
    assert parcels(server, "lasting") == 1


def test_work_whose_message_is_gone_is_cancelled(server: Server, rest: Rest, tmp_path: Path):
    rest.publish("lost", {"body": "x"})
    with Consume(server, tmp_path, "lost") as working:
        eventually(lambda: rest.queue("lost")["counts"]["leased"] == 1)
        rest.call("DELETE", "/queues/lost")
        eventually(lambda: Notes(tmp_path).of("cancelled") == ["x"], why=working.said)
        eventually(lambda: "queue lost: There is no queue lost." in working.said)
        rest.declare("lost")
        rest.publish("lost", {"body": "y"})
        eventually(lambda: rest.queue("lost")["counts"]["leased"] == 1, why=working.said)


def test_sigterm_lets_what_runs_end_and_gives_back_what_has_not_begun(server: Server, rest: Rest, tmp_path: Path):
    rest.publish("signalled", *({"body": n} for n in range(6)))
    notes = Notes(tmp_path)
    assert rest.queue("signalled")["verdict"]["code"] == "no_consumer"
    with Consume(server, tmp_path, "signalled") as working:
        eventually(lambda: len(notes.of("held")) == 2 and rest.queue("signalled")["counts"]["leased"] == 4)
        eventually(lambda: rest.queue("signalled")["verdict"]["code"] != "no_consumer", why="brokers know of it")
        working.signal(signal.SIGTERM)
        eventually(lambda: rest.queue("signalled")["counts"]["leased"] == 2, why="two are given back")
        for body in notes.of("held"):
            notes.let_go(body)
        assert working.process.wait(40) == 0
        assert "Stopped: 2 done, 0 failed." in working.said
    assert len(notes.of("let go")) == 2
    assert rest.queue("signalled")["counts"]["ready"] == 4
    assert all(message["failures"] == 0 for message in messages(rest, "signalled"))


def test_what_runs_after_the_grace_is_given_back_without_a_failure(server: Server, rest: Rest, tmp_path: Path):
    rest.publish("stuck", {"body": "stuck"})
    notes = Notes(tmp_path)
    with Consume(server, tmp_path, "stuck", "--grace", "0.2") as working:
        eventually(lambda: notes.of("held") == ["stuck"])
        assert working.stop() == 1
    [message] = messages(rest, "stuck")
    assert (message["state"], message["failures"]) == ("ready", 0)


def test_a_second_signal_ends_it_at_once(server: Server, rest: Rest, tmp_path: Path):
    rest.publish("twice", {"body": "never"})
    notes = Notes(tmp_path)
    with Consume(server, tmp_path, "twice") as working:
        eventually(lambda: notes.of("held") == ["never"])
        working.signal(signal.SIGINT)
        eventually(lambda: "Stopping" in working.said)
        working.signal(signal.SIGINT)
        assert working.process.wait(30) == 128 + signal.SIGINT


def test_partitions_of_a_member_that_died_go_to_the_others(server: Server, rest: Rest, tmp_path: Path):
    """A record's row and its offset commit together, so that what a killed process had begun is there once."""
    rest.call("PUT", "/streams/moves/groups/taken", {"session_timeout": 5})
    notes = Notes(tmp_path)

    def shared() -> bool:
        members = rest.call("GET", "/streams/moves/groups/taken")["members"]
        return sorted(len(member["partitions"]) for member in members) == [1, 1]

    with Consume(server, tmp_path, "moves/taken") as first, Consume(server, tmp_path, "moves/taken") as second:
        eventually(shared, 40, why=first.said + second.said)
        records = [{"body": f"moved {n}", "partition": n} for n in (0, 1)]
        rest.call("POST", "/streams/moves/records", {"records": records})
        one_writer = server.postgres is None  # on SQLite the second waits for the first
        eventually(lambda: len(notes.of("taken")) == (1 if one_writer else 2))
        first.kill()
        notes.let_go("moved 0")
        notes.let_go("moved 1")
        eventually(lambda: rest.call("GET", "/streams/moves/groups/taken")["lag"] == 0, 40, why=second.said)
        assert second.stop() == 0
    assert [parcels(server, f"moved {n}") for n in (0, 1)] == [1, 1]


def test_a_restart_of_the_broker_costs_nothing(server: Server, rest: Rest, working: Consume, notes: Notes):
    assert server.terminate() == 0
    eventually(lambda: "No broker runs on this database" in working.said, 30)
    server.start()
    rest.publish("plain", {"body": "after"})
    rest.call("POST", "/streams/events/records", {"records": [{"body": "after", "partition": n} for n in (0, 1)]})
    eventually(lambda: "after" in notes.of("plain"))
    eventually(lambda: [body for *_, body in notes.of("billing")].count("after") == 2, 40, why=working.said)
    eventually(lambda: "A broker runs on this database again" in working.said, 40)


@pytest.mark.parametrize("server", ["postgres"], indirect=True)
def test_connections_that_end_are_opened_anew(server: Server, rest: Rest, notes: Notes, working: Consume):
    assert server.postgres is not None
    with server.postgres.connect() as connection:
        ended = connection.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE datname = %s AND backend_type = 'client backend'",
            [database(server)],
        ).fetchone()
    assert ended is not None
    assert ended[0] > 2
    eventually(lambda: published(rest, "plain", "still"))
    rest.call("POST", "/streams/events/records", {"records": [{"body": "still", "partition": n} for n in (0, 1)]})
    eventually(lambda: "still" in notes.of("plain"), 40, why=working.said)
    eventually(lambda: [body for *_, body in notes.of("billing")].count("still") == 2, 40, why=working.said)


def published(rest: Rest, queue: str, body: str) -> bool:
    """Whether the broker has its connections again."""
    try:
        rest.publish(queue, {"body": body, "dedup_id": body})
    except Refused:
        return False
    return True


def test_messages_wait_for_no_look(rest: Rest, notes: Notes):
    """Each is published when the one before is done: by looks every two seconds alone it would take a minute."""
    for n in range(30):
        rest.publish("plain", {"body": f"one {n}"})
        eventually(lambda n=n: f"one {n}" in notes.of("plain"), 20)  # type: ignore[misc]  # a default binds the loop's value


def parcels(server: Server, order: str) -> int:
    """How many rows of that order there are."""
    query = f"SELECT count(*) FROM shop_parcel WHERE \"order\" = '{order}'"
    if server.postgres is not None:
        with server.postgres.connect(database(server)) as connection:
            return sum(n for (n,) in connection.execute(query))
    with closing(sqlite3.connect(server.data / conf.DATABASE)) as file:
        return sum(n for (n,) in file.execute(query))


def database(server: Server) -> str:
    """The name of its database on PostgreSQL."""
    return server.environment["DATABASE_URL"].partition("?")[0].rpartition("/")[2]
