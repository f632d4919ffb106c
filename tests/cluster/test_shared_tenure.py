"""A start beside other nodes: whether one of them lives."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from brokerweb.cluster import leasing, nodes, shared_tenure
from brokerweb.cluster.nodes import Running
from brokerweb.cluster.presence import Presence
from brokerweb.cluster.shared_tenure import SharedTenure
from brokerweb.core import clock, process
from brokerweb.core.process import Process
from brokerweb.storage.run import perform

HERE = process.this()
ELSEWHERE = replace(HERE, boot="another")


class Looks:
    """What each look at the table of nodes finds, the last one again and again."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *looks: list[Running]) -> None:
        self.looks, self.n = list(looks), 0
        monkeypatch.setattr(shared_tenure, "aread", self.read)
        monkeypatch.setattr(shared_tenure, "LOOK", 0.001)

    async def read(self, call: Any) -> list[Running]:
        assert call is nodes.running
        self.n += 1
        return self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]

    def around(self) -> list[Running] | None:
        return asyncio.run(SharedTenure().look_around())


def node(of: Process, ago: float = 0.0, name: str = "a") -> Running:
    """Seen so many seconds ago."""
    return Running(name, str(Presence(of, 0, "")), 0, clock.now() - clock.seconds(ago), "")


@pytest.fixture
def living() -> Any:
    child = subprocess.Popen([sys.executable, "-c", "import sys; print(flush=True); sys.stdin.read()"], stdin=-1, stdout=-1)
    assert child.stdout is not None
    child.stdout.readline()
    yield replace(HERE, number=child.pid, started=process._started(child.pid))
    child.kill()
    child.communicate()


def test_a_process_of_this_machine_is_there_or_not_whenever_it_was_seen(living: Process, monkeypatch: pytest.MonkeyPatch):
    assert Looks(monkeypatch, [node(living, ago=60)]).around() is None, "one that stands still is there"
    dead = node(replace(living, started="1"))
    assert Looks(monkeypatch, [dead]).around() == [dead]
    before = node(HERE)
    assert Looks(monkeypatch, [before]).around() == [before], "an earlier broker of this process"
    assert Looks(monkeypatch, []).around() == []


def test_a_node_of_another_machine_is_there_when_its_heartbeat_comes(monkeypatch: pytest.MonkeyPatch):
    seen = node(ELSEWHERE)
    looks = Looks(monkeypatch, [seen], [seen], [seen._replace(seen_at=seen.seen_at + 1)])
    assert looks.around() is None
    assert looks.n == 3
    assert Looks(monkeypatch, [seen], [seen, node(ELSEWHERE, name="b")]).around() is None, "another has begun"


def test_a_node_of_another_machine_that_was_silent_for_long_is_gone(monkeypatch: pytest.MonkeyPatch):
    silent = node(ELSEWHERE, ago=nodes.SILENT)
    looks = Looks(monkeypatch, [silent])
    assert looks.around() == [silent]
    assert looks.n == 1


def test_a_node_that_was_taken_for_gone_begins_anew(on_postgres: None):
    """It stood still for so long that the others have buried it."""
    tenure = SharedTenure()
    perform(tenure.begin)
    assert not perform(tenure._beat, {}).anew
    [row] = perform(nodes.running)
    assert perform(nodes.bury, row)
    assert perform(tenure._beat, {}).anew
    assert [node.name for node in perform(nodes.running)] == [tenure.name]
    assert perform(leasing.renew, "another").node == tenure.name, "its lease is as it was"
    tenure.draining = True
    perform(tenure._beat, {})
    assert perform(leasing.renew, "another").node == "another"
    perform(tenure._leave)
    assert perform(nodes.running) == []


def test_a_heartbeat_that_does_not_come_ends_the_wait(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(nodes, "SILENT", 0.05)
    ahead = node(ELSEWHERE, ago=-60)
    assert Looks(monkeypatch, [ahead]).around() == [ahead], "of a server whose clock was ahead"
