"""A node's row and mark, from its start to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from django.db import connection

from brokerweb.broker import Broker
from brokerweb.cluster.models import Node
from brokerweb.cluster.presence import parse
from brokerweb.core import process
from brokerweb.core.errors import Unavailable
from brokerweb.queues import control
from brokerweb.storage import damage, mark
from brokerweb.storage.files import Files, files_of
from brokerweb.storage.run import aperform, perform
from tests.delivery.stage import soon

pytestmark = pytest.mark.django_db(transaction=True)


def play(scene: Callable[[Broker], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        broker = Broker()
        await broker.start()
        try:
            await asyncio.wait_for(scene(broker), 60)
        finally:
            await broker.stop()

    asyncio.run(run())


def files() -> Files:
    found = files_of(connection)
    assert found
    return found


def test_a_node_says_who_it_is_while_it_runs_and_its_mark_that_it_does():
    async def scene(broker: Broker) -> None:
        row = await Node.objects.aget()
        shown = parse(row.presence)
        assert shown
        assert shown.process == process.this()
        assert shown.database == files().database.stat().st_ino
        noted = mark.read(files().mark)
        assert noted
        assert (noted.running, noted.boot, noted.logged) == (True, process.boot(), True)
        await broker.tenure.beat()
        again = mark.read(files().mark)
        assert again
        assert again.seen_at > noted.seen_at

    play(scene)
    noted = mark.read(files().mark)
    assert noted
    assert not noted.running
    assert Node.objects.get().presence == ""


def test_a_node_in_whose_place_another_has_begun_stores_nothing_any_more():
    async def scene(broker: Broker) -> None:
        await Node.objects.aupdate(presence="another")
        await broker.tenure.beat()
        assert broker.ready()["status"] == "unavailable"
        assert "another broker has begun" in broker.ready()["checks"]["store"]
        with pytest.raises(Unavailable, match="another broker has begun"):
            await aperform(control.declare, "orders", {})
        with pytest.raises(Unavailable, match="another broker has begun"):
            await asyncio.to_thread(perform, control.declare, "orders", {})

    play(scene)
    assert Node.objects.get().presence == "another"
    noted = mark.read(files().mark)
    assert noted
    assert noted.running, "no clean end"
    assert damage.found() is None, "nothing of it is left for the next start in this process"
    perform(control.declare, "orders", {})


def test_a_checkpoint_is_followed_by_a_heartbeat_so_that_losing_the_log_is_noticed():
    async def scene(broker: Broker) -> None:
        def checkpoint() -> None:
            with connection.cursor() as cursor:
                cursor.execute("PRAGMA wal_checkpoint(PASSIVE)")
            connection.close()

        noted = mark.read(files().mark)
        await asyncio.to_thread(checkpoint)
        await soon(lambda: mark.read(files().mark) != noted, "a heartbeat")

    play(scene)


def test_a_mark_that_cannot_be_written_keeps_nobody_from_working(monkeypatch: pytest.MonkeyPatch, caplog):
    def full(*_: Any, **__: Any) -> None:
        raise OSError("No space left on device")

    async def scene(broker: Broker) -> None:
        for _ in range(3):
            await broker.tenure.beat()
        await aperform(control.declare, "orders", {})
        assert broker.ready()["status"] == "ok"

    monkeypatch.setattr(mark, "write", full)
    play(scene)
    assert caplog.text.count("could not be noted") == 1
