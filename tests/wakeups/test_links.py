"""What one process tells, another hears: through Valkey and through PostgreSQL, which may go away and come back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db import connection

from brokerweb.core.events import Outcome
from brokerweb.wakeups import transport
from brokerweb.wakeups.hints import Hint
from brokerweb.wakeups.listener import Listener
from brokerweb.wakeups.postgres import Postgres
from brokerweb.wakeups.redis import Redis
from brokerweb.wakeups.sender import Sender
from tests.eventually import eventually
from tests.valkey import Valkey


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    with Valkey(tmp_path) as server:
        yield server


@pytest.fixture(params=["redis", "postgres"])
def carrier(request: pytest.FixtureRequest) -> transport.Transport:
    if request.param == "postgres":
        request.getfixturevalue("on_postgres")
        return Postgres()
    return Redis(request.getfixturevalue("valkey").url)


OTHERS = "AND datname = current_database() AND pid <> pg_backend_pid()"


def of_queues(*queue_ids: int) -> Outcome:
    told = Outcome()
    told.ready |= set(queue_ids)
    return told


class Node:
    """A sender and a listener, as a running broker has them."""

    def __init__(self, carrier: transport.Transport, name: str) -> None:
        self.heard = Hint()
        self.sender = Sender(carrier, name, beat=0.1)
        self.listener = Listener(carrier, name, heard=self._heard, connected=self.sender.beat, silence=3.0)

    def _heard(self, hint: Hint) -> None:
        self.heard.merge(hint)

    def hears(self, wanted: Callable[[Hint], object]) -> None:
        eventually(lambda: wanted(self.heard), why="a hint")

    def forget(self) -> None:
        self.heard = Hint()


@contextmanager
def nodes(carrier: transport.Transport, *names: str) -> Iterator[list[Node]]:
    started = [Node(carrier, name) for name in names]
    try:
        for node in started:
            node.listener.start()
        eventually(lambda: all(node.listener.hearing for node in started), why="all are connected")
        for node in started:
            node.forget()
        yield started
    finally:
        for node in started:
            node.listener.stop()
            node.sender.stop(5)
            node.listener.join(5)


def test_others_hear_it_and_whoever_told_it_does_not(carrier: transport.Transport):
    with nodes(carrier, "a", "b", "c") as (a, b, c):
        a.sender(of_queues(1))
        for other in (b, c):
            other.hears(lambda hint: hint.queues == {1})
        b.sender(of_queues(2))
        a.hears(lambda hint: hint.queues == {2})
        c.hears(lambda hint: hint.queues == {1, 2})
        assert not b.heard.queues - {1}
        assert b.listener.received == c.listener.received - 1 == 1


def test_what_many_commits_tell_at_once_is_few_hints(carrier: transport.Transport):
    with nodes(carrier, "a", "b") as (a, b):
        before = a.sender.sent
        for queue_id in range(500):
            a.sender(of_queues(queue_id))
        b.hears(lambda hint: len(hint.queues) == 500)
        assert a.sender.sent - before < 100


def test_what_is_too_long_for_a_hint_is_told_as_everywhere(carrier: transport.Transport):
    with nodes(carrier, "a", "b") as (a, b):
        a.sender(of_queues(*range(1 << 50, (1 << 50) + 900)))
        b.hears(lambda hint: hint.all)


def test_a_process_without_a_broker_tells_and_closes_its_connection(
    carrier: transport.Transport, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("brokerweb.wakeups.sender.IDLE", 0.05)
    with nodes(carrier, "a") as (a,):
        sender = Sender(carrier, "shell")
        for queue_id in (1, 2):
            sender(of_queues(queue_id))
            sender.flush(5)
            eventually(lambda: queue_id in a.heard.queues, why="a hint")  # noqa: B023 (called before the next turn)
            eventually(lambda: sender._line is None, why="it is closed")
        sender.stop(5)


def test_who_is_alone_tells_seldom(carrier: transport.Transport, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("brokerweb.wakeups.sender.LONELY", 3600.0)
    with nodes(carrier, "a") as (a,):
        eventually(lambda: a.listener.alone, why="nobody else is heard")
        sender = Sender(carrier, "lonely", alone=lambda: True)
        sender(of_queues(1))
        eventually(lambda: sender.sent == 1, why="the first goes at once")
        sender(of_queues(2))
        assert sender.sent == 1
        sender.stop(5)
        assert sender.sent == 2  # at the end the rest
        eventually(lambda: not a.listener.alone, why="somebody else is heard")


def test_what_is_no_hint_is_passed_over(valkey: Valkey):
    with nodes(Redis(valkey.url), "a", "b") as (a, b):
        assert valkey.client().publish("brokerweb:hints:1", b"{nonsense") == 2
        a.sender(of_queues(1))
        b.hears(lambda hint: hint.queues == {1})
        assert b.listener.wrong == ""


def test_brokers_with_other_numbers_in_one_redis_do_not_hear_each_other(valkey: Valkey):
    with nodes(Redis(valkey.url), "a") as (a,), nodes(Redis(valkey.url[:-1] + "2"), "b") as (b,):
        a.sender(of_queues(1))
        a.sender.flush(5)
        b.sender(of_queues(2))
        b.sender.flush(5)
        assert (a.heard, b.heard) == (Hint(), Hint())


@pytest.mark.parametrize(
    ("end", "begin"), [(Valkey.stop, Valkey.start), (Valkey.freeze, Valkey.thaw)], ids=["stopped and started", "frozen"]
)
def test_a_redis_that_goes_away_and_comes_back(valkey: Valkey, end: Callable[[Valkey], None], begin: Callable[[Valkey], None]):
    with nodes(Redis(valkey.url), "a", "b") as (a, b):
        end(valkey)
        a.sender(of_queues(1))  # returns at once
        eventually(lambda: a.sender.wrong and a.sender.dropped, why="it is known that nobody is told")
        eventually(lambda: b.listener.wrong and not b.listener.hearing, why="it is known that nothing is heard")
        begin(valkey)
        b.hears(lambda hint: hint.all)  # since something may have been missed
        eventually(lambda: not any((a.sender.wrong, b.sender.wrong, a.listener.wrong, b.listener.wrong)), why="all is well")
        b.forget()
        a.sender(of_queues(2))
        b.hears(lambda hint: hint.queues == {2})


def test_a_redis_whose_clients_are_cut_off_is_connected_again(valkey: Valkey):
    with nodes(Redis(valkey.url), "a", "b") as (a, b):
        valkey.client().client_kill_filter(_type="pubsub")
        b.hears(lambda hint: hint.all)
        eventually(lambda: b.listener.hearing, why="it is connected again")
        b.forget()
        valkey.client().flushall()
        a.sender(of_queues(1))
        b.hears(lambda hint: hint.queues == {1})


def test_a_postgresql_that_ends_the_connections_is_connected_again(on_postgres: None):
    with nodes(Postgres(), "a", "b") as (a, b):
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ~ 'LISTEN|pg_notify' {OTHERS}")
        b.hears(lambda hint: hint.all)
        eventually(lambda: a.listener.hearing and b.listener.hearing, why="it is connected again")
        b.forget()
        a.sender(of_queues(1))
        b.hears(lambda hint: hint.queues == {1})


def test_who_is_heard_by_nobody_notices(valkey: Valkey):
    """As behind a pooler that gives the listening connection to somebody else."""

    class Deaf(Redis):
        def sending(self):
            return Redis(self._url[:-1] + "9").sending()

    node = Node(Deaf(valkey.url), "a")
    node.listener.start()
    try:
        eventually(lambda: node.listener.wrong, why="what it tells does not come back")
        assert node.sender.wrong == ""
    finally:
        node.listener.stop()
        node.sender.stop(5)
        node.listener.join(5)
