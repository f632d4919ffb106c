"""From a node's start to its end: its row, its heartbeat, and the watch over the database's files."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections

from brokerweb.cluster import nodes, presence
from brokerweb.cluster.leasing import Lease
from brokerweb.core.errors import BrokerError, Unavailable
from brokerweb.storage import damage
from brokerweb.storage.files import files_of
from brokerweb.storage.run import aperform
from brokerweb.storage.transaction import Transaction
from brokerweb.storage.watch import Watch

log = logging.getLogger(__name__)


class Tenure:
    """``begin`` in the run's first commit and ``settle`` behind it; ``beat`` and ``look`` again and again; ``leave``, ``end``."""

    every = 5.0  # seconds between heartbeats

    def __init__(self) -> None:
        damage.begin()
        self.lease = Lease(shared=False)
        self.taken_over: Callable[[], None] = lambda: None  # never told: the duties are its own
        connection = connections[DEFAULT_DB_ALIAS]
        self._files = files_of(connection)
        self._watch = Watch(self._files, connection) if self._files else None
        self._presence = ""
        self._seen_at = 0
        self._unmarked = False  # the mark could not be written

    def begin(self, tx: Transaction) -> None:
        """A verb: this node is here."""
        if self._files:
            self._presence = str(presence.here(self._files))
        self._seen_at = nodes.begin(tx, self._presence)

    def seen(self, tx: Transaction) -> int | None:
        """A verb: this node is alive; the instant that was stored. None where another has begun in its place."""
        return nodes.see(tx, self._presence)

    async def settle(self) -> None:
        """That is stored: watch the files from here on."""
        if self._watch:
            await _in_thread(self._watch.open)
            await self._noted(self._watch.begin, self._seen_at)

    async def beat(self) -> None:
        """This node is alive. Where another has begun in its place, nothing is stored any more."""
        if damage.found():
            return
        try:
            seen_at = await aperform(self.seen)
        except Unavailable:
            if damage.found():  # meanwhile
                return
            raise
        if seen_at is None:
            damage.note("another broker has begun to serve this database")
            return
        self._seen_at = seen_at
        if self._watch:
            await self._noted(self._watch.note, seen_at)

    async def look(self) -> None:
        """Whether the files are still those that were opened."""
        if self._watch is None or damage.found():
            return
        wrong = await _in_thread(self._watch.look)
        if wrong is not None:
            damage.note(wrong)
        elif await _in_thread(self._watch.taken_in):
            await self.beat()

    async def drain(self) -> None:
        """This node goes: nobody else has its duties."""

    async def leave(self) -> None:
        """The last commit of a node that ends of its own will."""
        try:
            self._seen_at = await aperform(nodes.end, self._presence)
        except BrokerError as error:
            log.warning("the end of this run could not be stored: %s", error)

    async def end(self) -> None:
        """All is stored, and the next start may know it; where the store is damaged, it must not."""
        if self._watch and not damage.found():
            await self._noted(self._watch.end, self._seen_at)
        damage.end()

    async def _noted(self, call: Callable[[int], None], seen_at: int) -> None:
        """A mark that cannot be written, as on a full disk, keeps nobody from working: the next start knows less."""
        try:
            await _in_thread(call, seen_at)
            self._unmarked = False
        except (OSError, DatabaseError) as error:
            if not self._unmarked:
                log.warning("how far this run got could not be noted beside the database: %s", error)
            self._unmarked = True


async def _in_thread(call: Callable[..., Any], *args: Any) -> Any:
    return await asyncio.get_running_loop().run_in_executor(None, call, *args)
