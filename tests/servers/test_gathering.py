"""What a connection writes in one turn of the loop."""

from __future__ import annotations

import asyncio
from typing import Any
from unittest.mock import Mock

from brokerweb.servers.gathering import MOST, Gathering


async def _written(*, closing: bool, turns: int = 2) -> list[Any]:
    transport = Mock(**{"is_closing.return_value": closing})
    gathering = Gathering(transport, asyncio.get_running_loop())
    for part in (b"head", b"body", b"x" * MOST, b"end"):
        gathering.write(part)
    for _ in range(turns):
        await asyncio.sleep(0)
    return [call.args[0] for call in transport.write.call_args_list]


def test_what_is_written_in_one_turn_leaves_together() -> None:
    assert asyncio.run(_written(closing=False)) == [b"headbody" + b"x" * MOST, b"end"]


def test_nothing_is_written_to_a_client_who_has_gone() -> None:
    """Its transport would raise, and each client that leaves early leave a traceback in the log."""
    assert asyncio.run(_written(closing=True)) == []
