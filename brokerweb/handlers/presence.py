"""A runner is seen: brokers count it among the consumers of its queues, by its name, and it knows whether there is one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from brokerweb.cluster import nodes
from brokerweb.cluster.presence import SILENT
from brokerweb.core import clock
from brokerweb.handlers.store import Store
from brokerweb.identity.clients import Introduction
from brokerweb.queues import activity
from brokerweb.storage.transaction import Transaction

log = logging.getLogger(__name__)

EVERY = 5.0  # seconds: a caller of receive counts as a consumer for four times as long
NONE = (
    "No broker runs on this database: what is delayed, waits for another try or was leased by somebody who died stays so until "
    "manage.py serve runs. Messages that are ready are worked on all the same."
)
AGAIN = "A broker runs on this database again."


class Presence:
    """``attended`` are the queues that are consumed. ``say`` is told where there is no broker, and when there is one again."""

    def __init__(self, store: Store, client: str, attended: Callable[[], Iterable[int]], say: Callable[[str], None]) -> None:
        self._store, self._attended, self._say = store, attended, say
        self._who = Introduction(client, client, "handlers", "python", None, None)
        self.alone = False  # no broker runs

    async def tick(self) -> None:
        """Say that it is there, and look who else is."""
        try:
            alone = await self._store.commit(_attend, list(self._attended()), self._who)
        except Exception as error:  # it is said again soon
            log.warning("it could not be said that handlers run: %s", error)
            return
        self._store.renew()
        if alone != self.alone:
            self._say(NONE if alone else AGAIN)
        self.alone = alone

    async def run(self) -> None:
        while True:
            await asyncio.sleep(EVERY)
            await self.tick()


def _attend(tx: Transaction, queue_ids: list[int], who: Introduction) -> bool:
    """Whether no broker runs."""
    activity.attend(tx, queue_ids, who)
    since = tx.now - clock.seconds(SILENT)
    return not any(node.seen_at > since for node in nodes.running(tx))
