"""A duty that goes on, whatever its turns raise."""

from __future__ import annotations

import asyncio
import logging

import pytest

from brokerweb.core.duty import DutyLoop


def test_a_duty_that_fails_on_and_on_is_logged_once_and_again_when_it_fails_in_another_way(caplog: pytest.LogCaptureFixture):
    turns = iter([OSError("first"), OSError("first"), None, OSError("first"), OSError("second"), OSError("second")])
    over = asyncio.Event()
    failing: list[bool] = []

    async def run() -> None:
        async def tick(now: int) -> float:
            failing.append(duty.failing)
            error = next(turns, over)
            if error is over:
                over.set()
                return 60
            if isinstance(error, OSError):
                raise error
            return 0

        duty = DutyLoop("watch", tick, retry=0)
        duty.start()
        await asyncio.wait_for(over.wait(), 30)
        await duty.stop()

    with caplog.at_level(logging.ERROR):
        asyncio.run(run())
    logged = [record.exc_info[1].args[0] for record in caplog.records if record.exc_info and record.exc_info[1]]
    assert logged == ["first", "first", "second"]
    assert failing == [False, True, True, False, True, True, True]
