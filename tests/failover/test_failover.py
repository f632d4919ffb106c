"""The leader of a PostgreSQL with synchronous standbys dies under traffic: nothing that was confirmed is lost."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.clients import Rest, Socket
from tests.cluster_faults.campaign import Queues
from tests.crash.dose import rounds, seed
from tests.eventually import eventually
from tests.failover.patronis import Patronis
from tests.postgres import of_the_wheel
from tests.server import Server

pytestmark = [pytest.mark.full, pytest.mark.timeout(3600)]
ELECTION = 90  # seconds until there must be a leader again, and nodes that write to it; twenty and some are usual


@pytest.fixture
def patronis() -> Iterator[Patronis]:
    programs = of_the_wheel()
    assert programs is not None
    with tempfile.TemporaryDirectory(prefix="brokerweb-failover-") as folder:
        patronis = Patronis(Path(folder), programs)
        try:
            patronis.start()
            yield patronis
        finally:
            patronis.stop()


class Nodes:
    """Two nodes; to clients one broker, as ``Server`` is."""

    def __init__(self, folder: Path, url: str) -> None:
        self.dice = random.Random(seed())
        self.nodes = [Server(folder / f"node-{n}", environment={"DATABASE_URL": url}, empty=True) for n in range(2)]

    def start(self) -> None:
        for node in self.nodes:
            node.start()

    def rest(self, timeout: float = 30) -> Rest:
        return self.dice.choice(self.nodes).rest(timeout)

    def socket(self) -> Socket:
        return self.dice.choice(self.nodes).socket()

    def log_tail(self, lines: int = 40) -> str:
        return "\n".join(node.log_tail(lines) for node in self.nodes)

    def ready(self) -> bool:
        return all(node.readiness() == 200 for node in self.nodes)

    def end(self) -> None:
        for node in self.nodes:
            node.__exit__(None, None, None)


def test_a_leader_that_dies_takes_nothing_that_was_confirmed_with_it(patronis: Patronis, tmp_path: Path) -> None:
    with psycopg.connect(patronis.url("postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE broker")
    nodes = Nodes(tmp_path, patronis.url("broker"))
    queues = Queues(nodes, seed())  # type: ignore[arg-type]  # to its clients it is what a server is
    try:
        queues.open()
        for _ in range(rounds(2, 20)):
            queues.traffic()
            dead = patronis.kill_leader()
            eventually(lambda: patronis.synchronous() not in ("", dead.name), ELECTION, why="another leader", interval=0.5)  # noqa: B023 (called at once)
            eventually(nodes.ready, ELECTION, why=f"nodes that write\n{nodes.log_tail()}", interval=0.5)
            queues.traffic()
            patronis.revive(dead)
        queues.close()
        found = [*queues.trouble, *queues.complaints()]
        print(f"seed {queues.seed}: {queues.history.summary()}")
        assert not found, "\n".join([f"{len(found)} complaints", *found[:40], nodes.log_tail(), patronis.log_tail()])
    finally:
        queues.release()
        nodes.end()
