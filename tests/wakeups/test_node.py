"""A broker where nobody is there to be woken."""

from __future__ import annotations

import asyncio

import pytest

from brokerweb import conf
from brokerweb.broker import Broker
from brokerweb.wakeups import node

pytestmark = pytest.mark.django_db(transaction=True)


def test_on_sqlite_nobody_is_told_anything_and_a_redis_is_of_no_use(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    conf.forget()

    async def scene() -> None:
        broker = Broker()
        await broker.start()
        try:
            assert (broker.wakeups.sender, broker.wakeups.listener) == (None, None)
            assert broker.ready()["checks"]["wakeups"] == "ok"
            assert node.current is broker.wakeups
        finally:
            await broker.stop()
        assert node.current is None

    asyncio.run(scene())
    conf.forget()
    assert [record.message for record in caplog.records if "REDIS_URL" in record.message] == [
        "REDIS_URL is set and not used: on SQLite one process serves, and there is no other to be woken"
    ]
