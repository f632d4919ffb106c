"""Nodes are replaced one after the other, again and again, under clients that reconnect: nothing is lost, and nobody waits."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients import Rest, Socket
from tests.cluster_faults.campaign import Queues
from tests.crash.actors import Producer
from tests.crash.dose import rounds, seed
from tests.eventually import eventually
from tests.postgres import Postgres, Servers
from tests.server import Server, prepared_in

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]
RESTARTS = 3  # of each node
GETS_ON = 20.0  # seconds within which everybody has got on, with one node away: a deadline, where a moment is usual


class Pair:
    """Two nodes behind a load balancer: to clients one broker, of which new ones get a node that takes some."""

    def __init__(self, folder: Path, postgres: Postgres, number: int) -> None:
        environment = {"DATABASE_URL": postgres.url(postgres.new_database(template=prepared_in(postgres)))}
        self.nodes = [Server(folder / name, postgres=postgres, environment=environment) for name in ("one", "two")]
        self.away: Server | None = None
        self._dice = random.Random(number)

    def start(self) -> Pair:
        for node in self.nodes:
            node.start()
        return self

    def _some(self) -> Server:
        return self._dice.choice([node for node in self.nodes if node is not self.away])

    def rest(self, timeout: float = 30) -> Rest:
        return self._some().rest(timeout)

    def socket(self) -> Socket:
        return self._some().socket()

    def log_tail(self, lines: int = 40) -> str:
        return "\n".join(node.log_tail(lines) for node in self.nodes)

    def end(self) -> None:
        for node in self.nodes:
            node.__exit__(None, None, None)


@pytest.fixture
def pair(postgres_servers: Servers, tmp_path: Path) -> Iterator[Pair]:
    pair = Pair(tmp_path, postgres_servers.get("wheel"), seed())
    yield pair
    pair.end()


def waiting_for(traffic: Queues, since: float) -> list[str]:
    """Who has not got on since: producers that were confirmed nothing, queues of which nobody was delivered anything."""
    history = traffic.history
    confirmed = {p.uid.rpartition("-")[0] for p in list(history.publishes.values()) if (p.confirmed or 0) > since}
    delivered = {delivery.queue for delivery in list(history.deliveries) if delivery.at > since}
    producers = {actor.name for actor in traffic.actors if isinstance(actor, Producer)}
    return sorted(producers - confirmed) + sorted(set(history.max_failures) - delivered)


def test_a_rolling_restart_loses_nothing_and_nobody_waits(pair: Pair) -> None:
    traffic = Queues(pair, pair._dice.randrange(1_000_000))  # type: ignore[arg-type]  # a pair is to its clients what a server is
    try:
        traffic.open()
        traffic.traffic(60)
        for _ in range(rounds(RESTARTS, 3 * RESTARTS)):
            for node in pair.nodes:
                began = time.monotonic()
                pair.away = node
                assert node.terminate() == 0, node.log_tail()
                away = time.monotonic()
                eventually(lambda: not waiting_for(traffic, away), GETS_ON, why=f"still waiting:\n{pair.log_tail()}")  # noqa: B023 (called at once)
                node.start()
                pair.away = None
                traffic.history.faults.append((began, time.monotonic()))
        traffic.close()
    finally:
        traffic.release()
    found = [f"not a clean stop: {node.log_tail()}" for node in pair.nodes if node.terminate()]
    assert [*found, *traffic.trouble, *traffic.complaints()] == [], traffic.history.summary()
