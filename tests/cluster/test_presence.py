"""Whether another node still serves a database: by its process where that can be seen, else by its heartbeat."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from brokerweb.cluster import nodes, wall
from brokerweb.cluster import presence as module
from brokerweb.cluster.presence import Presence, StillServed, here, parse, require_alone
from brokerweb.core import clock, process
from brokerweb.core.process import Process
from brokerweb.storage.files import Files


@pytest.fixture
def ours(tmp_path: Path) -> Presence:
    files = Files(tmp_path / "brokerweb.sqlite3")
    files.database.write_bytes(b"x")
    files.lock.write_bytes(b"")
    return here(files)


@pytest.fixture
def living() -> Iterator[Process]:
    """A process of this machine."""
    child = subprocess.Popen([sys.executable, "-c", "import sys; print(flush=True); sys.stdin.read()"], stdin=-1, stdout=-1)
    assert child.stdout is not None
    child.stdout.readline()
    yield replace(process.this(), number=child.pid, started=process._started(child.pid))
    child.kill()
    child.communicate()


def test_a_process_is_there_until_it_is_gone_also_one_that_nobody_has_buried(living: Process):
    assert living.alive() is True
    assert replace(living, started="1").alive() is False, "the number was given again"
    os.kill(living.number, 9)
    os.waitid(os.P_PID, living.number, os.WEXITED | os.WNOWAIT)
    assert living.alive() is False


def test_of_other_machines_boots_and_containers_nothing_can_be_told(living: Process):
    assert replace(living, boot="another").alive() is None
    assert replace(living, space="another").alive() is None
    assert replace(living, boot="").alive() is None


def test_a_node_serves_while_its_process_is_there(ours: Presence, living: Process):
    theirs = replace(ours, process=living, lock="")
    assert theirs.serves(ours) is True
    assert replace(theirs, database=ours.database + 1).serves(ours) is False, "that row is in a copy"
    assert ours.serves(ours) is False, "a node is not in its own way"
    assert replace(theirs, process=replace(living, number=2**22 + 1)).serves(ours) is False


def test_a_free_lock_says_that_a_container_is_gone_only_if_it_is_the_one_it_held(ours: Presence, living: Process):
    container = replace(ours, process=replace(living, space="another"))
    assert container.serves(ours) is False
    assert replace(container, lock="another").serves(ours) is None
    assert replace(container, process=replace(living, boot="another")).serves(ours) is None


def test_what_is_written_is_what_is_read(ours: Presence):
    assert parse(str(ours)) == ours
    assert len(str(ours)) <= 400
    assert [parse(text) for text in ("", "{}", "[]", '{"process": 1}', "null")] == [None] * 5


class Rows:
    """The table of nodes, as each look in turn finds it, and how far the wall was ahead when they were last seen."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *looks: list[tuple[str, int]], ahead: int = 0) -> None:
        self.looks, self.told, self.ahead = list(looks), list[str](), ahead
        monkeypatch.setattr(module, "read", self.read)
        monkeypatch.setattr(module, "LOOK", 0.001)

    def read(self, call: Any) -> Any:
        if call is wall.difference:
            return self.ahead
        look = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        return [(text, nodes.Seen(at, None, 0)) for text, at in look]

    def require_alone(self, ours: Presence) -> None:
        require_alone(ours, self.told.append)


def test_who_is_there_is_refused_at_once_by_number(ours: Presence, living: Process, monkeypatch: pytest.MonkeyPatch):
    rows = Rows(monkeypatch, [(str(replace(ours, process=living)), 0)])
    with pytest.raises(StillServed, match=f"process {living.number} "):
        rows.require_alone(ours)
    assert rows.told == []


@pytest.mark.parametrize("seen", [-60, -3600])
def test_a_heartbeat_of_long_ago_is_waited_for_no_more(ours: Presence, seen: int, monkeypatch: pytest.MonkeyPatch):
    far = str(replace(ours, process=replace(ours.process, boot="another")))
    rows = Rows(monkeypatch, [(far, clock.wall() + clock.seconds(seen)), ("", clock.wall())])
    rows.require_alone(ours)
    assert rows.told == []


@pytest.mark.parametrize("ahead", [7200, -7200])
def test_a_heartbeat_before_the_wall_was_set_is_as_old_as_it_is(ours: Presence, ahead: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "SILENT", 0.05)
    far = str(replace(ours, process=replace(ours.process, boot="another")))
    by_its_clock = clock.wall() - clock.seconds(ahead)
    old = Rows(monkeypatch, [(far, by_its_clock - clock.seconds(60))], ahead=clock.seconds(ahead))
    old.require_alone(ours)
    assert old.told == []
    fresh = Rows(monkeypatch, [(far, by_its_clock)], ahead=clock.seconds(ahead))
    fresh.require_alone(ours)
    assert len(fresh.told) == 1


def test_a_fresh_heartbeat_of_elsewhere_is_watched(ours: Presence, monkeypatch: pytest.MonkeyPatch):
    far, now = str(replace(ours, process=replace(ours.process, boot="another"))), clock.wall()
    rows = Rows(monkeypatch, [(far, now)], [(far, now)], [(far, now)], [(far, now + 5)])
    with pytest.raises(StillServed, match="its heartbeat came just now"):
        rows.require_alone(ours)
    assert len(rows.told) == 1


def test_a_heartbeat_that_does_not_come_ends_the_wait(ours: Presence, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "SILENT", 0.05)
    far = str(replace(ours, process=replace(ours.process, boot="another")))
    rows = Rows(monkeypatch, [(far, clock.wall() + clock.seconds(3600))])  # from a clock that is ahead
    rows.require_alone(ours)
    assert len(rows.told) == 1
