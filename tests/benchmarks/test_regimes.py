"""Tiny runs of every regime and workload table against a real broker; what the lean clients count is what the broker counts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import uvloop

from benchmarks import clients
from benchmarks.regimes import KINDS, REGIMES, drive, lasting
from benchmarks.roles import Trouble, publish_frame
from benchmarks.target import Target
from benchmarks.workloads import TABLES, WORKLOADS
from tests.benchmarks.exactly import settled
from tests.eventually import eventually
from tests.server import TOKEN, Server

EVERY = {**REGIMES, **KINDS}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder: Path = tmp_path_factory.mktemp("bench")
    with Server(folder / "data") as server:
        yield server.start()


@pytest.fixture
def target(server: Server) -> Target:
    return Target([server.url], TOKEN, [server.pid], seconds=0.2, waiting=2000)


@pytest.mark.parametrize("name", EVERY)
def test_a_tiny_run_of_every_regime(name: str, server: Server, target: Target, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(clients, "QUEUE", name)
    regime = EVERY[name]
    figures = uvloop.run(asyncio.wait_for(drive(regime, replace(target, seconds=20 if regime.stored else 0.2)), 60))
    assert figures["unit"] == "messages/s"
    assert figures["publishers"] == regime.publishers
    assert figures["seconds"] > 0
    if regime.stored:
        assert figures["drained"] == figures["stored"] == 2000
        assert not any(server.rest().queue(name)["counts"].values())


def test_a_tiny_run_for_long_tells_its_parts_apart(target: Target, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(clients, "QUEUE", "lasting")
    figures = uvloop.run(asyncio.wait_for(lasting(replace(target, seconds=0.5)), 60))
    assert len(figures["rates"]) == 10
    assert figures["ratio"] >= 0


def test_mixed_messages_are_of_all_priorities(server: Server):
    with server.rest() as rest:
        rest.declare("mixed")
        batch = json.loads(publish_frame("mixed", 1, 20, mixed=True))["messages"]
        rest.publish("mixed", *batch)
        assert sorted(item["priority"] for item in rest.browse("mixed")) == sorted([*range(10)] * 2)


@pytest.mark.parametrize("batch", [1, 100])
@pytest.mark.parametrize("singly", [False, True])
def test_clients_count_what_the_broker_counts(
    batch: int, singly: bool, server: Server, target: Target, monkeypatch: pytest.MonkeyPatch
):
    queue = f"exactly-{batch}-{singly}"
    monkeypatch.setattr(clients, "QUEUE", queue)
    counted = asyncio.run(settled(target, batch=batch, singly=singly, number=600))
    assert counted == (600, 600)
    rest = server.rest()
    eventually(lambda: not any(rest.queue(queue)["counts"].values()), why="every message acked and gone")


def test_an_error_of_the_broker_ends_a_run(target: Target, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(clients.Brokerweb, "declare", _nothing)
    monkeypatch.setattr(clients, "QUEUE", "never-declared")
    with pytest.raises(Exception, match="not_found"):
        asyncio.run(drive(REGIMES["prefetch_32"], target))


def test_a_broker_that_goes_away_ends_a_run(tmp_path: Path):
    with Server(tmp_path / "data") as leaving:
        leaving.start()
        target = Target([leaving.url], TOKEN, [leaving.pid], seconds=20, waiting=0)

        async def run() -> None:
            asyncio.get_running_loop().call_later(0.3, leaving.kill)
            await drive(REGIMES["one_by_one"], target)

        with pytest.raises(Trouble, match="connection was lost"):
            asyncio.run(run())


async def _nothing(self: clients.Brokerweb, target: Target) -> None:
    return None


def test_the_first_table_are_the_regimes_defaults_first():
    first, second, *_ = TABLES.values()
    assert list(first) == list(REGIMES)
    assert next(iter(first)) == "prefetch_32"
    assert list(second) == list(KINDS)
    assert sum(map(len, TABLES.values())) == len(WORKLOADS)
